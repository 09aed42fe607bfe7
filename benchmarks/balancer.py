"""Does the balancer lose a request? `python -m benchmarks.balancer [--seconds 35] [--rate N] [--load wrk|python]`.

Two target groups of two tasks each, steady load from a separate process, thirty weight flips between the groups and
then a replacement of every task of the group that serves, as a deployment does it: new tasks, healthy, old ones
deregistered, drained, stopped. Afterwards the same load goes straight to one task, for comparison. Exit 1 when a
request was lost.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from reconciler.clock import SystemClock
from reconciler.local.data_plane import DataPlane
from reconciler.local.ports import ContainerLaunch, Target, TargetGroupSettings, TaskLaunch
from tests.local.data_plane.control import Recorder
from tests.local.data_plane.stage import default, listener, to

ROOT = Path(__file__).parents[1]
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/hello"
CONNECTIONS = 32
REPLACEMENT = 8.0  # seconds of load kept for the replacement of the tasks, after the flips


@dataclass(slots=True)
class World:
    plane: DataPlane
    control: Recorder

    def start(self, group: str, version: str, names: list[str]) -> list[Target]:
        for name in names:
            container = ContainerLaunch("web", f"{IMAGE}:{version}", {"VERSION": version}, ports=(80,))
            self.plane.runner.start(TaskLaunch(name, name, "c", f"service:{group}", "web", 1, "10.0.0.1", (container,)))
        self.control.until(lambda: all(name in self.control.started for name in names))
        places = [self.control.started[name] for name in names]
        return [Target(address, 80, "", address, ports[80]) for address, ports in places]

    def healthy(self, group: str, targets: list[Target]) -> bool:
        states = {found.target: found.state for found in self.plane.probe.states(group)}
        return all(states.get(target) == "healthy" for target in targets)

    def serve(self, **weights: int) -> None:
        self.plane.balancing.configure((listener(default(to(**weights)), port=80),))
        if not self.plane.balancing.settled():
            raise RuntimeError("the balancer does not take its table")


def story(world: World, flips: int, every: float) -> None:
    """Blue serves in the end, with new tasks."""
    pause = threading.Event()
    for flip in range(flips):
        world.serve(blue=flip % 2, green=1 - flip % 2)
        pause.wait(every)
    old = [found.target for found in world.plane.probe.states("blue")]
    new = world.start("blue", "v3", ["blue-3", "blue-4"])
    world.plane.probe.set_targets("blue", (*old, *new))
    world.control.until(lambda: world.healthy("blue", new))
    world.plane.probe.set_targets("blue", tuple(new))
    world.control.until(lambda: len(world.plane.probe.states("blue")) == len(new))
    for name in ("blue-1", "blue-2"):
        world.plane.runner.stop(name, "replaced")
    world.control.until(lambda: len(world.control.exits) == 2)
    assert [code for _, _, code in world.control.exits] == [0, 0], world.control.exits


def load(tool: str, host: str, port: int, seconds: float, rate: float) -> subprocess.Popen[str]:
    if tool == "wrk":
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}", f"http://{host}:{port}/"]
    else:
        command = [sys.executable, "-m", "benchmarks.load", host, str(port), str(CONNECTIONS), str(seconds), str(rate)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def result(tool: str, text: str) -> dict[str, Any]:
    if tool != "wrk":
        found: dict[str, Any] = json.loads(text)
        return found
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    lost = sum(map(int, errors.groups())) if errors else 0
    return {
        "requests": int(re.search(r"(\d+) requests in", text)[1]),  # type: ignore[index]  # always printed
        "lost": lost + (int(wrong[1]) if wrong else 0),
        "per_second": float(re.search(r"Requests/sec: +([\d.]+)", text)[1]),  # type: ignore[index]  # always printed
    }


def cpu_seconds(process: int) -> float:
    """User and system time of a process (Linux)."""
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figures:
    through: dict[str, Any]
    direct: dict[str, Any]
    took: float
    cpu: float


def measure(tool: str, *, seconds: float, rate: float = 0.0, flips: int = 30) -> Figures:
    control = Recorder()
    with tempfile.TemporaryDirectory() as state, DataPlane(Path(state), SystemClock()) as plane:
        plane.bind(control)
        world = World(plane, control)
        for version in ("v1", "v2", "v3"):
            plane.registry.push(ROOT / "app", "hello", version)
        for group, version in (("blue", "v1"), ("green", "v2")):
            targets = world.start(group, version, [f"{group}-1", f"{group}-2"])
            plane.probe.watch(
                TargetGroupSettings(group, group, interval=1, healthy_threshold=2, deregistration_delay=2)
            )
            plane.probe.set_targets(group, tuple(targets))
            control.until(partial(world.healthy, group, targets))
        world.serve(blue=1, green=0)
        host, port = plane.balancing.addresses()["listener"]
        process = plane.balancing._process
        assert process is not None
        cpu_before, begun = cpu_seconds(process.pid), time.monotonic()
        loading = load(tool, host, port, seconds, rate)
        story(world, flips, max(0.01, (seconds - REPLACEMENT) / flips))
        text, _ = loading.communicate()
        took, cpu = time.monotonic() - begun, cpu_seconds(process.pid) - cpu_before
        address, ports = control.started["blue-3"]
        straight, _ = load(tool, address, ports[80], min(5.0, seconds), 0).communicate()
    control.close()
    return Figures(result(tool, text), result(tool, straight), took, cpu)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=35.0)
    options.add_argument("--rate", type=float, default=0.0, help="requests a second; 0: as many as possible")
    options.add_argument("--flips", type=int, default=30)
    options.add_argument("--load", choices=["wrk", "python"], default="wrk" if shutil.which("wrk") else "python")
    given = options.parse_args()
    if given.rate and given.load == "wrk":
        options.error("wrk knows no --rate: use --load python")
    figures = measure(given.load, seconds=given.seconds, rate=given.rate, flips=given.flips)
    through, direct = figures.through, figures.direct
    ratio = "" if given.rate else f": a ratio of {through['per_second'] / direct['per_second']:.2f}"
    print(f"load            {given.load}, {CONNECTIONS} connections, {figures.took:.0f} s, on {os.cpu_count()} cores")
    print(f"requests        {through['requests']:,}  {through.get('versions') or ''}")
    print(f"lost            {through['lost']}  {through.get('why') or ''}")
    print(f"requests/s      {through['per_second']:,.0f}  (of one core: {through['requests'] / figures.cpu:,.0f})")
    print(f"direct          {direct['per_second']:,.0f} requests/s{ratio}")
    return 1 if through["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
