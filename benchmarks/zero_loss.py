"""Does a deployment lose a request? `python -m benchmarks.zero_loss [--clock 10] [--rate 2000] [--load wrk|python]`.

`--engine codedeploy` tells the same story with another engine. `--changes` tells another one: the service goes from
engine to engine while it serves, every way that AWS allows.

The AWS emulator with the app in two tasks, the command line in processes of its own, and steady load on :80 from one
more, throughout: five complete blue/green rollouts, three of them let in by `reconciler promote`, a canary of three
shares, a linear rollout, a rollback while blue is warm, and a version that fails. Exit 1 when a request was lost, when
a rollout did not end as it should, or when the rate was below half of `--rate`.

The clock is compressed: gates, shares, the watch after the switch, the warm time, health checks' intervals and the
deregistration delay all pass N times as fast. Requests do not. So a switch, the propagation of a weight and the
draining of targets have to be right N times as quickly as on AWS; nothing is made easier by it.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from reconciler.cli.output.exits import Exit
from reconciler.rollout.engine import Phase, default_engine, engines
from reconciler.rollout.phase_text import WORDS
from tests.harness.emulator import ROOT, SERVICE, Desk, Going, local_session

CONNECTIONS = 32
LEAST = 0.5
"""Share of the rate that is tried."""
EVERY = 2.0
TERMS = {
    r"after: 2h": "after: 5m",
    r"\{for: \w+\}": "{for: 1m}",
    r"after: 1h": "after: 1m",
}
AUTO = {r"promotion: \{.*?\}": "promotion: {mode: auto}"}
SHARES = (10, 30, 60)
BROKEN = """[python, -c, "raise SystemExit('no database')"]"""
WARM = {r"teardown: \{.*?\}": "teardown: {after: 8h}"}

WRK = """\
counts = {}
local threads = {}
function setup(thread) table.insert(threads, thread) end
function delay() return %d end
function response(status, headers, body)
  local key = os.time() .. " " .. (headers["X-App-Version"] or headers["x-app-version"] or "?")
  if status == 200 then counts[key] = (counts[key] or 0) + 1 end
end
function done(summary, latency, requests)
  for _, thread in ipairs(threads) do
    for key, count in pairs(thread:get("counts")) do print("answered " .. key .. " " .. count) end
  end
  local e = summary.errors
  print(string.format("lost %%d %%d %%d %%d %%d", e.connect, e.read, e.write, e.status, e.timeout))
  print("seconds " .. summary.duration / 1000000 .. " slowest " .. latency.max / 1000)
end
"""
"""wrk has no rate: each connection waits between its requests."""


@dataclass(slots=True)
class Figures:
    """What the load found: answers by second and version, and what was lost, by cause."""

    seconds: float
    slowest_ms: float
    lost: Counter[str] = field(default_factory=Counter)
    answered: dict[int, Counter[str]] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        return sum(count.total() for count in self.answered.values()) + self.lost.total()

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    def between(self, begin: float, end: float) -> Counter[str]:
        found: Counter[str] = Counter()
        for second, counts in self.answered.items():
            if begin <= second < end:
                found += counts
        return found


class Load:
    """Steady requests to production from a process of their own, until `ended`."""

    def __init__(self, here: Desk, tool: str, rate: float) -> None:
        host, port = here.url(80)
        self.tool = tool
        if tool == "wrk":
            script = here.place / "load.lua"
            script.write_text(WRK % round(CONNECTIONS / rate * 1000), encoding="utf-8")
            words = ["wrk", "-t1", f"-c{CONNECTIONS}", "-d86400s", "-s", str(script), f"http://{host}:{port}/"]
        else:
            load = [sys.executable, "-m", "benchmarks.load"]
            words = [*load, host, str(port), str(CONNECTIONS), "86400", str(rate)]
        self.process = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def ended(self) -> Figures:
        self.process.send_signal(signal.SIGINT if self.tool == "wrk" else signal.SIGTERM)
        said, _ = self.process.communicate(timeout=60)
        return of_wrk(said) if self.tool == "wrk" else of_ours(json.loads(said))


def of_ours(found: dict[str, Any]) -> Figures:
    began = int(found["began"])
    answered = {began + int(second): Counter(counts) for second, counts in found["timeline"].items()}
    seconds = sum(count.total() for count in answered.values()) / found["per_second"]
    return Figures(seconds, found["slowest_ms"], Counter(found["why"]), answered)


def of_wrk(said: str) -> Figures:
    lost = re.search(r"^lost (\d+) (\d+) (\d+) (\d+) (\d+)$", said, re.MULTILINE)
    took = re.search(r"^seconds ([\d.]+) slowest ([\d.]+)$", said, re.MULTILINE)
    assert lost is not None, said
    assert took is not None, said
    causes = ("connect", "read", "write", "status", "timeout")
    figures = Figures(float(took[1]), float(took[2]), +Counter(dict(zip(causes, map(int, lost.groups()), strict=True))))
    for second, version, count in re.findall(r"^answered (\d+) (\S+) (\d+)$", said, re.MULTILINE):
        figures.answered.setdefault(int(second), Counter())[version] += int(count)
    return figures


# -- the story


@dataclass(slots=True)
class Story:
    """What is typed. `chapters` are when each began, and what it is."""

    here: Desk
    shares: tuple[int, ...] = SHARES
    chapters: list[tuple[float, str]] = field(default_factory=list)

    def tell(self) -> None:
        for number in range(2, 7):
            by_hand = number < 5
            if number == 5:
                self.here.save(AUTO, "deployment.yaml")
            self.begins(f"blue/green to v{number}, {'`promote`' if by_hand else 'by itself'}")
            going = self.applied(f"v{number}")
            if by_hand:
                going.until(WORDS[Phase.AWAITING_PROMOTION])
                self.typed("promote", SERVICE)
            self.ends(going, Exit.DONE)
        self.begins(f"canary to v7: {', '.join(map(str, self.shares))}, all")
        steps = ", ".join(f"{{weight: {share}, pause: 1m}}" for share in self.shares)
        self.here.save({"type: blue_green": f"type: canary\nsteps: [{steps}]"}, "deployment.yaml")
        self.ends(self.applied("v7"), Exit.DONE)
        self.begins("linear to v8: 50, all")
        self.here.save(
            {r"type: canary\nsteps: .*": "type: linear\nsteps: [{weight: 50, pause: 1m}]"}, "deployment.yaml"
        )
        self.ends(self.applied("v8"), Exit.DONE)
        self.begins("v9, and `rollback` while blue is warm")
        self.here.save({r"type: linear\nsteps: .*": "type: blue_green", **WARM}, "deployment.yaml")
        going = self.applied("v9")
        going.until(WORDS[Phase.BAKING])
        self.typed("rollback", SERVICE)
        self.ends(going, Exit.ROLLED_BACK)
        self.begins("v10, which fails")
        self.here.save({"port: 80": f"port: 80\n      command: {BROKEN}"})
        self.ends(self.applied("v10"), Exit.ROLLED_BACK)

    def change(self, ways: tuple[str, ...]) -> None:
        """From the first of these engines to the last, with a new version after each change."""
        for number, (was, engine) in enumerate(pairwise(ways), start=2):
            self.begins(f"{was} → {engine}, then v{number}")
            (self.here.place / "specs" / "deployment.yaml").write_text(strategy(engine), encoding="utf-8")
            self.ends(self.here.begin("apply", "-y", "--wait"), Exit.DONE)
            self.ends(self.applied(f"v{number}"), Exit.DONE)

    def begins(self, what: str) -> None:
        self.chapters.append((time.time(), what))
        print(f"{time.strftime('%H:%M:%S')}  {what}", file=sys.stderr, flush=True)

    def applied(self, tag: str) -> Going:
        self.here.version(tag)
        return self.here.begin("apply", "-y", "--wait")

    def typed(self, *words: str) -> None:
        ended = self.here.typed(*words)
        if ended.code != Exit.DONE:
            raise SystemExit(f"{' '.join(words)}: exit {ended.code}\n{ended.text}")

    def ends(self, going: Going, code: Exit) -> None:
        ended = going.ended(1800)
        if ended.code != code:
            raise SystemExit(f"apply --wait: exit {ended.code}, not {code}\n{ended.text}")


WAYS = (
    ("codedeploy", "ecs_native", "rolling", "task_sets", "rolling", "ecs_native", "task_sets", "ecs_native"),
    ("codedeploy", "task_sets"),
    ("codedeploy", "rolling"),
)
"""Together every change that AWS allows (docs/guides/change-the-engine.md)."""


def strategy(engine: str) -> str:
    """A DeploymentStrategy whose rollouts are short."""
    head = "kind: DeploymentStrategy\nname: careful\n"
    if engine == "rolling":
        return f"{head}type: rolling\n"
    ends = "verify: {for: 1m}\nteardown: {after: 1m}\n"
    return f"{head}type: blue_green\nengine: {engine}\ntest: [{{http: /, within: 1m}}]\n{ends}"


def changes(tool: str, *, rate: float, speed: float, ways: tuple[str, ...]) -> tuple[Figures, list[tuple[float, str]]]:
    with tempfile.TemporaryDirectory() as place, local_session(Path(place), speed=speed) as here:
        (here.place / "specs" / "deployment.yaml").write_text(strategy(ways[0]), encoding="utf-8")
        return told(here, tool, rate, len(ways), lambda story: story.change(ways))


def measure(tool: str, *, rate: float, speed: float, engine: str) -> tuple[Figures, list[tuple[float, str]]]:
    terms = TERMS | {"type: blue_green": f"type: blue_green\nengine: {engine}"}
    share = SHARES[1:2] if engines()[engine].limits.fixed_steps else SHARES
    with tempfile.TemporaryDirectory() as place, local_session(Path(place), speed=speed, terms=terms) as here:
        return told(here, tool, rate, 10, Story.tell, share)


def told(
    here: Desk,
    tool: str,
    rate: float,
    versions: int,
    tell: Callable[[Story], None],
    shares: tuple[int, ...] = SHARES,
) -> tuple[Figures, list[tuple[float, str]]]:
    """A story, told under load once its first version serves."""
    here.save({"desired_count: 1": "desired_count: 2"})
    story = Story(here, shares)
    story.typed("apply", "-y")
    for number in range(1, versions + 1):
        here.push(f"v{number}")
    story.typed("apply", "-y", "--wait")
    load = Load(here, tool, rate)
    try:
        tell(story)
        figures = load.ended()
    finally:
        load.process.kill()
        load.process.wait()
    return figures, story.chapters


def shares(figures: Figures, begin: float, end: float) -> str:
    """`v1 16,543 (48.8%)   v2 17,346 (51.2%)`"""
    found = figures.between(begin, end)
    return "   ".join(
        f"{version} {found[version]:,} ({found[version] / found.total():.1%})" for version in sorted(found)
    )


def course(figures: Figures, begin: float, end: float) -> str:
    """The newest version's share in percent, as it went."""
    newest = max(figures.between(begin, end), key=lambda version: int(version[1:]), default="")
    found = []
    while begin < end:
        here = figures.between(begin, begin + EVERY)
        found.append(f"{here[newest] / here.total():.0%}"[:-1] if here else "-")
        begin += EVERY
    return " ".join(found)


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--clock", type=float, default=10.0, help="how much faster time passes on the laptop")
    options.add_argument("--rate", type=float, default=2000.0, help="requests a second that are tried")
    options.add_argument("--load", choices=["wrk", "python"], default="wrk" if shutil.which("wrk") else "python")
    names = [one.name for one in engines().values() if "canary" in one.types]
    options.add_argument("--engine", choices=names, default=default_engine("blue_green"))
    options.add_argument("--changes", action="store_true", help="from engine to engine, instead of one engine's story")
    given = options.parse_args()
    how: dict[str, Any] = {"rate": given.rate, "speed": given.clock}
    if not given.changes:
        return shown(given, given.engine, *measure(given.load, **how, engine=given.engine))
    return max([shown(given, " → ".join(ways), *changes(given.load, **how, ways=ways)) for ways in WAYS])


def shown(given: argparse.Namespace, what: str, figures: Figures, chapters: list[tuple[float, str]]) -> int:
    print(f"engine      {what}")
    print(f"load        {given.load}, {CONNECTIONS} connections, {figures.seconds:.0f} s, on {os.cpu_count()} cores")
    print(f"clock       {given.clock:g} times as fast")
    print(f"requests    {figures.requests:,}")
    print(f"lost        {figures.lost.total()}  {dict(figures.lost) or ''}")
    print(f"requests/s  {figures.rate:,.0f}  (the slowest answer took {figures.slowest_ms:.0f} ms)")
    ends = [begin for begin, _ in chapters[1:]] + [max(figures.answered) + 1.0]
    for (begin, chapter), end in zip(chapters, ends, strict=True):
        print(f"{end - begin:5.0f} s  {chapter:<40} {shares(figures, begin, end)}")
        print(f"{'':9}every {EVERY:g} s: {course(figures, begin, end)}", flush=True)
    return 1 if figures.lost or figures.rate < LEAST * given.rate else 0


if __name__ == "__main__":
    sys.exit(main())
