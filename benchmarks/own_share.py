"""Our own share of a release, over what AWS takes: `python -m benchmarks.own_share`.

A release with automatic promotion and without tests, on the emulator with AWS's durations and a stepped clock. AWS's
floor is what it takes from one call of ours to the point at which it is ready for the next: the start of tasks, their
checks, the stages of its deployments, and draining. The rest, until all of production has the release, is ours. Images
take between 15 and 19 seconds to be pulled, because what matters is when a look falls after AWS is ready.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import mean
from typing import Final

import structlog

from reconciler.local.timings import Timings
from tests.harness.emulated_stack import emulated_stack
from tests.rollout_driver.test_times import AUTO, CODEDEPLOY, NATIVE, ROLLING, UNTESTED, release

PULLS: Final = (15.0, 16.0, 17.0, 18.0, 19.0)
GOAL: Final = 5.0
STAGES: Final = {"task_sets": 0, "rolling": 0, "ecs_native": 6, "codedeploy": 6}
"""Stages of AWS's deployment until all of production is shifted, beside the one that brings the tasks up."""
TEXTS: Final = {
    "task_sets": AUTO | UNTESTED,
    "rolling": ROLLING,
    "ecs_native": NATIVE | AUTO | UNTESTED,
    "codedeploy": CODEDEPLOY | AUTO | UNTESTED,
}
HEAD: Final = (
    "| engine | AWS's floor | taken, on average | ours, on average | ours, at most |\n| --- | --- | --- | --- | --- |"
)


def measure(engine: str, pull: float) -> tuple[float, float]:
    """AWS's floor, and what the release took."""
    timings = replace(Timings.aws(), task_pull=pull)
    with emulated_stack(TEXTS[engine], timings=timings) as stage:
        stage.serving()
        stage.laptop.advance(601.0 + pull)
        _, times = release(stage, "v1", "v2")
        policy = stage.desired_state.deliveries[0].policy
    checks, drain = policy.durations.healthy.total_seconds(), policy.drain.total_seconds() * (engine == "rolling")
    stages = STAGES[engine] * timings.deployment_stage
    return timings.task_provisioning + pull + checks + stages + drain, float(times.taken)


def row(engine: str) -> str:
    pairs = [measure(engine, pull) for pull in PULLS]
    ours = [taken - floor for floor, taken in pairs]
    floor, taken = mean(one for one, _ in pairs), mean(one for _, one in pairs)
    return f"| {engine} | {floor:.0f} s | {taken:.1f} s | {mean(ours):.1f} s | {max(ours):.0f} s |"


def table() -> str:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    return "\n".join((HEAD, *map(row, STAGES)))


def main() -> None:
    print(f"{table()}\n\nThe goal is {GOAL:.0f} s on average.")


if __name__ == "__main__":
    main()
