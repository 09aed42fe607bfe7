"""Checks of deployment strategies: blocks that fit the type, and waits that fit the engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from reconciler.model import duration
from reconciler.rollout.engine import Limits, TrafficShifter, engines
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents import DeploymentStrategy
from reconciler.spec.documents.deployment_strategy import ROLLING
from reconciler.spec.messages import joined, shown
from reconciler.spec.specs import Specs

_NOT_ROLLING = ("green", "test", "promotion", "steps", "stickiness", "teardown")
MINUTE = timedelta(minutes=1)


def check(specs: Specs) -> Iterator[Diagnostic]:
    for strategy in specs.strategies:
        yield from _blocks(specs, strategy)
        yield from _promotion(specs, strategy)
        yield from _steps(specs, strategy)
        yield from _windows(specs, strategy)
        yield from _limits(specs, strategy, engines()[strategy.driver].limits)


def _blocks(specs: Specs, strategy: DeploymentStrategy) -> Iterator[Diagnostic]:
    able = [name for name, engine in engines().items() if strategy.type in engine.types]
    if strategy.driver not in able:
        message = f"engine: {strategy.driver} does not support {strategy.type}; use {joined(able, 'or')}"
        yield Diagnostic("E6002", message, specs.where(strategy, "engine"))
    given = strategy.model_fields_set
    for block in _NOT_ROLLING if strategy.type == ROLLING else (ROLLING,):
        if block in given:
            message = f"'{block}' does not apply to a {strategy.type} deployment"
            yield Diagnostic("E6005", message, specs.where(strategy, block, key=True))
    if strategy.type == ROLLING and strategy.verify.max_5xx is not None:
        message = "'max_5xx' does not apply to a rolling deployment; ECS monitors alarms only"
        yield Diagnostic("E6005", message, specs.where(strategy, "verify", "max_5xx", key=True))
    if strategy.role is not None and not engines()[strategy.driver].shifts_traffic.takes_role:
        message = f"'role' does not apply to engine: {strategy.driver}, which uses no role of its own"
        yield Diagnostic("E6005", message, specs.where(strategy, "role", key=True))
    if strategy.stickiness is not None and strategy.type != ROLLING:
        place = specs.where(strategy, "stickiness", key=True)
        if strategy.type == "blue_green":
            message = "'stickiness' does not apply to a blue_green deployment, which shifts all traffic at once"
            yield Diagnostic("E6005", message, place)
        elif engines()[strategy.driver].shifts_traffic is not TrafficShifter.US:
            message = f"'stickiness' does not apply to engine: {strategy.driver}, where AWS writes the weights"
            yield Diagnostic("E6005", message, place)
    if (
        strategy.rolling.rollback
        and not strategy.rolling.circuit_breaker
        and "rollback" in strategy.rolling.model_fields_set
    ):
        message = "rollback: needs the circuit breaker, which is disabled"
        yield Diagnostic("E6005", message, specs.where(strategy, ROLLING, "rollback"))


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


def _limits(specs: Specs, strategy: DeploymentStrategy, limits: Limits) -> Iterator[Diagnostic]:
    """Settings that the engine of the strategy does not support."""
    if limits.whole and strategy.green.scale != 100:
        message = f"scale: {strategy.driver} starts green at full size"
        yield Diagnostic("E6007", message, specs.where(strategy, "green", "scale"))
    green, promotion, teardown = strategy.green.healthy_within, strategy.promotion.after, strategy.teardown.after
    tested = None if promotion is None else promotion + _tested(strategy)
    bake, whole = strategy.verify.period + teardown, not limits.own_timers
    yield from _wait(specs, strategy, ("green", "healthy_within"), green, limits.healthy_within, whole=whole)
    yield from _tests(specs, strategy, limits.tests)
    yield from _wait(specs, strategy, ("promotion", "after"), tested, limits.promotion, whole=False)
    if whole and limits.promotion is not None and promotion is not None and promotion % MINUTE:
        yield _of_minutes(specs, strategy, ("promotion", "after"), promotion)
    yield from _wait(specs, strategy, ("teardown", "after"), teardown, limits.teardown, whole=whole)
    yield from _wait(specs, strategy, ("teardown", "after"), bake, limits.bake, whole=whole)
    for index, step in enumerate(strategy.steps):
        yield from _wait(specs, strategy, ("steps", index, "pause"), step.pause, limits.pause, whole=True)
    if limits.fixed_steps:
        yield from _fixed_steps(specs, strategy)
    if strategy.type == "linear" and strategy.steps and strategy.steps[0].weight < limits.least_linear_step:
        least, size = limits.least_linear_step, strategy.steps[0].weight
        message = f"weight: {strategy.driver} supports linear steps of at least {least} percent, not {size}"
        yield Diagnostic("E6007", message, specs.where(strategy, "steps", 0, "weight"))
    yield from _hooks(specs, strategy, limits)
    if limits.alarms is not None and len(strategy.verify.alarms) > limits.alarms:
        message = f"alarms: {strategy.driver} monitors at most {limits.alarms}, not {len(strategy.verify.alarms)}"
        yield Diagnostic("E6007", message, specs.where(strategy, "verify", "alarms", limits.alarms))


def _hooks(specs: Specs, strategy: DeploymentStrategy, limits: Limits) -> Iterator[Diagnostic]:
    if "hooks" in strategy.model_fields_set and not limits.hooks:
        able = joined([name for name, engine in engines().items() if engine.limits.hooks], "or")
        message = f"'hooks' does not apply to engine: {strategy.driver}, which calls no functions"
        yield Diagnostic("E6005", message, specs.where(strategy, "hooks", key=True), hint=f"use engine: {able}")
        return
    if len(strategy.hooks) > limits.hooks:
        message = f"hooks: {strategy.driver} calls at most {limits.hooks} functions, not {len(strategy.hooks)}"
        yield Diagnostic("E6007", message, specs.where(strategy, "hooks", limits.hooks))
    first: dict[tuple[str, str], int] = {}
    for index, hook in enumerate(strategy.hooks):
        yield from _wait(specs, strategy, ("hooks", index, "within"), hook.within, hook.within, whole=True)
        for number, stage in enumerate(hook.stages):
            other = first.setdefault((hook.function, stage), index)
            if other != index:
                message = f"{shown(hook.function)} is called in {stage} already"
                note = Note("the other one", specs.where(strategy, "hooks", other))
                place = specs.where(strategy, "hooks", index, "stages", number)
                yield Diagnostic("E6013", message, place, notes=(note,))


def _tested(strategy: DeploymentStrategy) -> timedelta:
    return sum((test.within for test in strategy.test), timedelta())


def _tests(specs: Specs, strategy: DeploymentStrategy, limit: timedelta | None) -> Iterator[Diagnostic]:
    time = _tested(strategy)
    if limit is not None and time > limit:
        wanted, most = duration.format(time), duration.format(limit)
        message = f"test: {wanted} for all tests is more than the maximum for {strategy.driver}, {most}"
        yield Diagnostic("E6006", message, specs.where(strategy, "test", key=True))


def _fixed_steps(specs: Specs, strategy: DeploymentStrategy) -> Iterator[Diagnostic]:
    """Steps that such an engine cannot do: it takes one canary step, or linear steps with equal pauses."""
    if strategy.type == "canary" and len(strategy.steps) > 1:
        message = f"steps: {strategy.driver} supports one canary step, not {len(strategy.steps)}"
        yield Diagnostic("E6007", message, specs.where(strategy, "steps", 1))
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
    limit: timedelta | None,
    *,
    whole: bool,
) -> Iterator[Diagnostic]:
    """Of an engine that has a limit. `whole`: AWS counts the minutes."""
    if wait is None or limit is None:
        return
    name = shown(str(path[-1]))[1:-1]
    place = specs.where(strategy, *path)
    if wait > limit:
        message = (
            f"{name}: {duration.format(wait)} is more than the maximum for {strategy.driver}, {duration.format(limit)}"
        )
        yield Diagnostic("E6006", message, place)
    elif whole and wait % MINUTE:
        yield _of_minutes(specs, strategy, path, wait)


def _of_minutes(specs: Specs, strategy: DeploymentStrategy, path: tuple[str | int, ...], wait: timedelta) -> Diagnostic:
    name = shown(str(path[-1]))[1:-1]
    message = f"{name}: {strategy.driver} needs whole minutes, not {duration.format(wait)}"
    return Diagnostic("E6006", message, specs.where(strategy, *path))
