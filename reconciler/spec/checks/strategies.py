"""Checks of deployment strategies: blocks that fit the type, and waits that fit the engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from reconciler.model import duration
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import DeploymentStrategy
from reconciler.spec.messages import joined, shown
from reconciler.spec.specs import Specs

_ENGINES = {"rolling": ("rolling",)}
_SWITCHING = ("task_sets", "ecs_native", "codedeploy")
_NOT_ROLLING = ("green", "test", "promotion", "steps", "teardown")
MINUTE = timedelta(minutes=1)


def check(specs: Specs) -> Iterator[Diagnostic]:
    for strategy in specs.strategies:
        yield from _blocks(specs, strategy)
        yield from _promotion(specs, strategy)
        yield from _steps(specs, strategy)
        yield from _windows(specs, strategy)
        if strategy.driver == "ecs_native":
            yield from _native(specs, strategy)
        if strategy.driver == "codedeploy":
            yield from _codedeploy(specs, strategy)


def _blocks(specs: Specs, strategy: DeploymentStrategy) -> Iterator[Diagnostic]:
    engines = _ENGINES.get(strategy.type, _SWITCHING)
    if strategy.driver not in engines:
        message = f"engine: {strategy.driver} does not support {strategy.type}; use {joined(engines, 'or')}"
        yield Diagnostic("E6002", message, specs.where(strategy, "engine"))
    given = strategy.model_fields_set
    for block in _NOT_ROLLING if strategy.type == "rolling" else ("rolling",):
        if block in given:
            message = f"'{block}' does not apply to a {strategy.type} deployment"
            yield Diagnostic("E6005", message, specs.where(strategy, block, key=True))
    if strategy.type == "rolling" and strategy.verify.max_5xx is not None:
        message = "'max_5xx' does not apply to a rolling deployment; ECS monitors alarms only"
        yield Diagnostic("E6005", message, specs.where(strategy, "verify", "max_5xx", key=True))
    if (
        strategy.rolling.rollback
        and not strategy.rolling.circuit_breaker
        and "rollback" in strategy.rolling.model_fields_set
    ):
        message = "rollback: needs the circuit breaker, which is disabled"
        yield Diagnostic("E6005", message, specs.where(strategy, "rolling", "rollback"))


def _promotion(specs: Specs, strategy: DeploymentStrategy) -> Iterator[Diagnostic]:
    mode, after = strategy.promotion.mode, strategy.promotion.after
    if mode == "timed" and after is None:
        message = "promotion: timed needs 'after', the time until automatic promotion"
        yield Diagnostic("E6001", message, specs.where(strategy, "promotion", "mode"))
    if mode == "manual" and after is not None:
        message = f"after: a manual promotion has no timer, so {duration.format(after)} has no effect"
        hint = "use mode: timed to promote on request or by timer"
        yield Diagnostic("E6001", message, specs.where(strategy, "promotion", "after"), hint=hint)
    if mode == "auto" and after is not None:
        message = f"after: an automatic promotion does not wait, so {duration.format(after)} has no effect"
        yield Diagnostic("E6001", message, specs.where(strategy, "promotion", "after"), hint="use mode: timed to wait")


def _steps(specs: Specs, strategy: DeploymentStrategy) -> Iterator[Diagnostic]:
    weights = [step.weight for step in strategy.steps]
    if strategy.type == "blue_green" and weights:
        message = "steps: blue_green shifts all traffic at once"
        yield Diagnostic(
            "E6003", message, specs.where(strategy, "steps", key=True), hint="use type: canary or linear for steps"
        )
    if strategy.type in ("canary", "linear") and not weights:
        message = f"a {strategy.type} deployment needs 'steps'"
        yield Diagnostic(
            "E6003", message, specs.where(strategy, "type"), hint="use type: blue_green to shift all traffic at once"
        )
    for index, (before, weight) in enumerate(pairwise(weights), start=1):
        if weight <= before:
            place = specs.where(strategy, "steps", index, "weight")
            yield Diagnostic(
                "E6004", f"weight: {weight} is not greater than that of the previous step, {before}", place
            )
            return
    if strategy.type == "linear" and weights:
        size = weights[0]
        wanted = list(range(size, 100, size))
        if weights != wanted:
            index = next(
                (at for at, pair in enumerate(zip(weights, wanted, strict=False)) if pair[0] != pair[1]),
                len(weights) - 1,
            )
            message = f"weight: linear steps of {size} must be {joined(map(str, wanted), 'and')}"
            yield Diagnostic(
                "E6004",
                message,
                specs.where(strategy, "steps", index, "weight"),
                hint="use type: canary for steps of any size",
            )


def _windows(specs: Specs, strategy: DeploymentStrategy) -> Iterator[Diagnostic]:
    for index, window in enumerate(strategy.windows):
        if window.start == window.end:
            message = "to: must differ from 'from'"
            yield Diagnostic(
                "E6012",
                message,
                specs.where(strategy, "windows", index, "to"),
                hint="remove the window to allow the whole day",
            )


def _native(specs: Specs, strategy: DeploymentStrategy) -> Iterator[Diagnostic]:
    """ECS's own blue/green: https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-blue-green.html"""
    yield from _whole_green(specs, strategy)
    yield from _wait(specs, strategy, ("promotion", "after"), strategy.promotion.after, 20_160, "an ECS pause hook")
    warm = strategy.verify.period + strategy.teardown.after
    yield from _wait(specs, strategy, ("teardown", "after"), warm, 1440, "ECS's bake time (verify and teardown)")
    yield from _fixed_steps(specs, strategy)
    for index, step in enumerate(strategy.steps):
        yield from _wait(specs, strategy, ("steps", index, "pause"), step.pause, 1440, "a step of ECS's")


def _codedeploy(specs: Specs, strategy: DeploymentStrategy) -> Iterator[Diagnostic]:
    yield from _whole_green(specs, strategy)
    yield from _wait(specs, strategy, ("green", "healthy_within"), strategy.green.healthy_within, 60, "CodeDeploy")
    yield from _wait(specs, strategy, ("promotion", "after"), strategy.promotion.after, 2880, "CodeDeploy")
    yield from _wait(specs, strategy, ("teardown", "after"), strategy.teardown.after, 2880, "CodeDeploy")
    yield from _fixed_steps(specs, strategy)
    if len(strategy.verify.alarms) > 10:
        message = f"alarms: CodeDeploy monitors at most 10, not {len(strategy.verify.alarms)}"
        yield Diagnostic("E6007", message, specs.where(strategy, "verify", "alarms", 10))


def _whole_green(specs: Specs, strategy: DeploymentStrategy) -> Iterator[Diagnostic]:
    if strategy.green.scale != 100:
        message = f"scale: {strategy.driver} starts green at full size"
        yield Diagnostic(
            "E6007",
            message,
            specs.where(strategy, "green", "scale"),
            hint="use engine: task_sets to start with fewer tasks",
        )


def _fixed_steps(specs: Specs, strategy: DeploymentStrategy) -> Iterator[Diagnostic]:
    """Both know one canary step, and linear steps with one pause."""
    if strategy.type == "canary" and len(strategy.steps) > 1:
        message = f"steps: {strategy.driver} supports one canary step, not {len(strategy.steps)}"
        yield Diagnostic(
            "E6007", message, specs.where(strategy, "steps", 1), hint="use engine: task_sets for any number of steps"
        )
    for index, step in enumerate(strategy.steps):
        if strategy.type == "linear" and step.pause != strategy.steps[0].pause:
            message = f"pause: {strategy.driver} uses the same pause between all linear steps"
            note = Note("the first one", specs.where(strategy, "steps", 0, "pause"))
            yield Diagnostic("E6007", message, specs.where(strategy, "steps", index, "pause"), notes=(note,))
            return


def _wait(
    specs: Specs,
    strategy: DeploymentStrategy,
    path: tuple[str | int, ...],
    wait: timedelta | None,
    limit: int,
    whose: str,
) -> Iterator[Diagnostic]:
    if wait is None:
        return
    name = shown(str(path[-1]))[1:-1]
    place = specs.where(strategy, *path)
    if wait > limit * MINUTE:
        message = (
            f"{name}: {duration.format(wait)} is more than the maximum for {whose}, {duration.format(limit * MINUTE)}"
        )
        yield Diagnostic("E6006", message, place, hint="use engine: task_sets for longer waits")
    elif wait % MINUTE:
        yield Diagnostic("E6006", f"{name}: {whose} needs whole minutes, not {duration.format(wait)}", place)
