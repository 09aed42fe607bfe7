"""What a queue of events saves and gains: `python -m benchmarks.events [--services N …] [--trials N]`.

Calls an hour of a stack at rest, and the time from a change to what follows from it, with and without the queue, on the
local AWS emulator in this process. Its clock moves as the controller waits; EventBridge delivers after the time that
the heading says.
"""

from __future__ import annotations

import argparse
import itertools
import random
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from benchmarks import stack
from benchmarks.backend import raise_quotas
from reconciler.cli import logs
from reconciler.controller.event_feed import NoEvents
from reconciler.controller.event_sweep import SWEEP_EVERY
from reconciler.local.timings import Timings
from reconciler.model.resource_type import Depth
from tests.controller.test_controller import Files
from tests.doctor.accounts import logging_trail
from tests.harness.emulated_stack import CLUSTER, SERVICE, emulated_stack
from tests.harness.listening import Listening, listening, without_waiting

SERVICE_SECONDS: Final = 0.5
CALL_SECONDS: Final = 60.0
DELIVERY: Final = replace(Timings.instant(), event_delivery=SERVICE_SECONDS, api_event_delivery=CALL_SECONDS)
HOUR: Final = 3600.0
PATIENCE: Final = 2400.0


@contextmanager
def bench_stack(services: int) -> Iterator[Listening]:
    """`services` services, with a queue, deployed and at rest."""
    with tempfile.TemporaryDirectory() as place:
        folder = stack.write(Path(place) / "specs", services)
        for file in folder.rglob("*.yaml"):
            text = file.read_text(encoding="utf-8")
            file.write_text(text.replace("kind: Stack\n", "kind: Stack\nevents: {}\n"), encoding="utf-8")
        with without_waiting(), emulated_stack(folder=folder) as stage:
            logging_trail(stage)
            found = Listening(stage, Files(folder))
            found.listener._stack = stack.NAME
            while not found.passes or found.loop.queue.moving or found.loop.queue.missing:
                found.go(60)
            yield found


def calls_at_rest(services: int) -> Iterator[str]:
    """Calls of an hour, by the depth of their pass; the queue has long polls, checks and sweeps."""
    with bench_stack(services) as running:
        rows = []
        for source in (NoEvents(), running.listener):
            running.loop.feed.source = source
            running.go(120)
            assert (running.loop.timer.relaxed is None) == isinstance(source, NoEvents), running.listener.distrusted
            running.quiet()
            running.go(HOUR)
            by_depth = {
                depth: (sum(one.depth is depth for one in running.passes),
                        sum(one.calls for one in running.passes if one.depth is depth))
                for depth in Depth
            }  # fmt: skip
            polls = (
                0
                if isinstance(source, NoEvents)
                else round(HOUR / 15 + 5 * HOUR / 600 + 2 * HOUR / SWEEP_EVERY.total_seconds())
            )
            rows.append((sum(calls for _, calls in by_depth.values()) + polls, by_depth, polls))
        for name, (total, by_depth, polls) in zip(("without", "with"), rows, strict=True):
            cells = " | ".join(f"{calls} ({passes})" for passes, calls in by_depth.values())
            yield f"| {services} | {name} | {total} | {cells} | {polls} |"


def until(running: Listening, condition: Callable[[], bool]) -> float:
    """Seconds until a condition holds, to a second."""
    clock = running.stage.laptop.clock
    began = clock.monotonic()
    while not condition() and clock.monotonic() - began < PATIENCE:
        running.go(1)
    return clock.monotonic() - began


def killed(running: Listening, _number: int) -> float:
    """A task of the service is killed; until a pass has read its service."""
    ecs = running.stage.laptop.client("ecs")
    running.passes.clear()
    ecs.stop_task(cluster=CLUSTER, task=ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"][0])
    known = running.loop.world
    assert known is not None
    before = known.found["service"][0].facts["item"]["events"]

    def seen() -> bool:
        world = running.loop.world
        return world is not None and world.found["service"][0].facts["item"]["events"] != before

    return until(running, seen)


def opened(running: Listening, number: int) -> float:
    """A port is opened by hand; until it is closed."""
    ec2 = running.stage.laptop.client("ec2")
    port = 2000 + number
    groups = ec2.describe_security_groups()["SecurityGroups"]
    group = next(one["GroupId"] for one in groups if one["GroupName"] == "my-app-lb-sg")
    ranges = [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=ranges)

    def closed() -> bool:
        (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
        return all(one.get("FromPort") != port for one in found["IpPermissions"])

    return until(running, closed)


def pushed(running: Listening, number: int) -> float:
    """An image is pushed; until its release begins."""
    running.stage.push("v1", content=f"{running.stage.laptop.clock.monotonic()}-{number}")
    took = until(running, lambda: bool(running.loop.queue.moving))
    until(running, lambda: not running.loop.queue.moving)
    return took


CASES: Final[dict[str, Callable[[Listening, int], float]]] = {
    "task killed → seen": killed,
    "security group changed by hand → corrected": opened,
    "image pushed → release": pushed,
}


def latencies(trials: int) -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory() as place,
        listening(Path(place) / "specs", deliver=True, timings=DELIVERY) as running,
    ):
        chance, numbers = random.Random(0), itertools.count()
        for name, case in CASES.items():
            for queue, source in (("without", NoEvents()), ("with", running.listener)):
                running.loop.feed.source = source
                running.go(150)
                times = []
                for _ in range(trials):
                    running.go(chance.uniform(120, 420))
                    times.append(case(running, next(numbers)))
                yield f"| {name} | {queue} | {_p(times, 50):.0f} s | {_p(times, 99):.0f} s |"


def _p(values: list[float], percent: int) -> Any:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--services", type=int, nargs="*", default=[1, 100, 500])
    parser.add_argument("--trials", type=int, default=20)
    given = parser.parse_args()
    for line in lines(given.services, given.trials):
        print(line, flush=True)


def lines(services: Iterable[int], trials: int) -> Iterator[str]:
    """Both tables, as Markdown."""
    raise_quotas()
    logs.configure(0)
    yield "| S | queue | calls an hour | narrow (passes) | fast | medium | full | queue, checks, sweeps |"
    yield "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    yield from itertools.chain.from_iterable(map(calls_at_rest, services))
    if trials:
        yield f"\nDelivery: {SERVICE_SECONDS} s for events of services, {CALL_SECONDS:.0f} s for API calls.\n"
        yield "| what | queue | p50 | p99 |"
        yield "| --- | --- | ---: | ---: |"
        yield from latencies(trials)


if __name__ == "__main__":
    main()
