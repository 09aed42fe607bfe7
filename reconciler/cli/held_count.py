"""Held counts: `scale` writes one on a service, or ends it, and waits until the count is written.

The tag is the request: the pass of a running controller writes the count. With `--now` this process does, and nothing
else of the plan.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from reconciler import errors
from reconciler.cli.driver_state import answering
from reconciler.cli.lease import held
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, say
from reconciler.cli.session import Stack

if TYPE_CHECKING:
    from reconciler.model.resource import Address, Calls, Observed
    from reconciler.reconcile.held_counts import HeldCount
    from reconciler.resources.scaling import ScalingSpec
    from reconciler.rollout.spec import RolloutSpec

WAIT_SECONDS = 60.0
POLL_SECONDS = 1.0
COUNT = "desired_count"
OVER = "its time is over already; name a longer one with `--for`"
"""Why a plan has no count to write, where ECS has another one and nothing defers it."""


def hold(
    stack: Stack, service: str, count: int, length: timedelta, *, why: str, now: bool, timeout: float | None
) -> Exit:
    """Hold `count` for that long. Exit 4: it is not written yet. Raises `errors.Refused` with the reason."""
    from reconciler.reconcile.held_counts import HeldCount, held_until

    spec, found, applied = _service(stack, service)
    _check(stack, spec)
    _check_driven(stack, spec, applied, now=now, timeout=timeout)
    asked = HeldCount(count, held_until(stack.aws.clock.now(), length), _by(stack, why))
    _write(stack, found, asked)
    until = f"until {asked.until:%a %d %b %H:%M} UTC, then"
    scaling = _scaling(stack, spec)
    if scaling is None:
        declared = stack.target.wanted[spec.service].spec.desired_count
        done = f"{_tasks(count)} {until} {declared} as the specs declare"
    else:
        most = f"{_tasks(count)} and at most {max(count, scaling.max)}"
        done = f"at least {most} {until} {scaling.min} to {scaling.max} as the specs declare"
    return _written(stack, spec, found, count, done, now=now, timeout=timeout)


def _by(stack: Stack, why: str) -> str:
    return f"{stack.identity.who}: {why}" if why else stack.identity.who


def release(stack: Stack, service: str, *, why: str, now: bool, timeout: float | None) -> Exit:
    """End a held count now."""
    from reconciler.reconcile.held_counts import ENDED, of_tags

    spec, found, applied = _service(stack, service)
    there, scaling = of_tags(found.tags), _scaling(stack, spec)
    declared = stack.target.wanted[spec.service].spec.desired_count
    if there is None or (declared is None and scaling is None):
        echo(f"{spec.service}: no count is held; nothing to do.")
        return Exit.DONE
    _check_driven(stack, spec, applied, now=now, timeout=timeout)
    _write(stack, found, replace(there, until=ENDED, by=_by(stack, why)))
    tasks = _tasks(declared) if scaling is None else f"{scaling.min} to {_tasks(scaling.max)}"
    return _written(stack, spec, found, None, f"{tasks}, as the specs declare", now=now, timeout=timeout)


def _check_driven(stack: Stack, spec: RolloutSpec, applied: str, *, now: bool, timeout: float | None) -> None:
    """Raises `errors.Refused` while nobody would write the count."""
    if not now:
        ways = "Add `--now` to write the count, and nothing else, in this process; or start `reconciler run`"
        answering(stack, f"scale {spec.name}", applied=applied, recorded=timeout is not None, ways=ways)


def _service(stack: Stack, name: str) -> tuple[RolloutSpec, Observed[Any], str]:
    """The service, and the revision that a controller has applied last."""
    from reconciler.cli.rollout_session import open_rollouts, service_spec
    from reconciler.model.plan import RefusalCode
    from reconciler.queries import versions
    from reconciler.rollout.requests import RequestRefusalCode

    spec = service_spec(stack.target.deliveries, name)
    session = open_rollouts(stack)
    state = versions.find(session.world, spec, stack.target.place.stack)
    unreadable = session.unreadable or state.marks.unreadable
    if unreadable:
        raise errors.Refused(
            f"scale: {spec.service} is read-only: {unreadable}", code=RequestRefusalCode.UNKNOWN_FORMAT
        )
    if session.suspended_by:
        because = f"the stack is suspended by {session.suspended_by}; `reconciler resume --stack` resumes it"
        raise errors.Refused(because, code=RefusalCode.SUSPENDED)
    return spec, state.service, session.applied


def _check(stack: Stack, spec: RolloutSpec) -> None:
    """Raises `errors.Refused` where something else decides about the count."""
    from reconciler.reconcile.drift import DriftMode

    where = f"scale {spec.name}"
    for address, field in _held_fields(stack, spec):
        rule = next((one for one in stack.target.rules if one.covers(address, field)), None)
        if rule is not None and rule.mode is DriftMode.IGNORE:
            because = f"{where}: `drift` of the Stack ignores {field} ({rule.match}), so change it in AWS instead"
            raise errors.Refused(because, code="drift-ignored")
    if spec.fallback is not None:
        because = f"{where}: it runs what {spec.fallback.main} lacks; scale that, or `reconciler suspend {spec.name}`"
        raise errors.Refused(because, code="fallback")
    if not spec.scales and stack.target.wanted[spec.service].spec.desired_count is None:
        because = f"{where}: the specs state no {COUNT} to go back to; state it first, or change it in ECS"
        raise errors.Refused(because, code="not-declared")


def _scaling(stack: Stack, spec: RolloutSpec) -> ScalingSpec | None:
    """The autoscaling that the specs declare for the service."""
    from reconciler.reconcile.held_counts import scaling_of

    found = stack.target.wanted.get(scaling_of(spec.service))
    declared: ScalingSpec | None = None if found is None else found.spec
    return declared


def _held_fields(stack: Stack, spec: RolloutSpec) -> tuple[tuple[Address, str], ...]:
    """What is held: the count, or the limits of autoscaling, also at the times of its periods."""
    from reconciler.reconcile.held_counts import scaling_of

    if _scaling(stack, spec) is None:
        return ((spec.service, COUNT),)
    return tuple((scaling_of(spec.service), field) for field in ("min", "max", "actions"))


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _write(stack: Stack, found: Observed[Any], count: HeldCount) -> None:
    from reconciler.reconcile.held_counts import write

    say(stack.banner, stack.err_look, err=True)
    stack.aws.run(write(found.id, count))


def _written(
    stack: Stack,
    spec: RolloutSpec,
    found: Observed[Any],
    count: int | None,
    done: str,
    *,
    now: bool,
    timeout: float | None,
) -> Exit:
    """Wait until AWS has the count, or write it. None: what the specs declare again."""
    waits = "the controller or the next `reconciler apply` writes it; `--now` writes it here"
    if now:
        with held(stack, "scale"):
            waits = _execute(stack, spec)
        timeout = 0.0
    clock, never = stack.aws.clock, threading.Event()
    end = clock.monotonic() + (WAIT_SECONDS if timeout is None else timeout) * clock.speed
    while True:
        if not waits or stack.aws.run(_is_written(stack, spec, found, count)):
            echo(f"scale {spec.name}: {done}.")
            return Exit.DONE
        if clock.monotonic() >= end:
            break
        clock.wait(never, POLL_SECONDS)
    echo(f"scale {spec.name}: recorded, not yet written: {waits}.", err=True)
    return Exit.TIMED_OUT


def _execute(stack: Stack, spec: RolloutSpec) -> str:
    """Write the count and nothing else of the plan; why not, or "" if it is written.

    Raises `errors.ReconcilerError`.
    """
    from reconciler.cli.rollout_session import audit_of
    from reconciler.controller.events import EventRecorder
    from reconciler.model.ownership import HELD_COUNT, TagChange
    from reconciler.model.plan import Verb
    from reconciler.reconcile import pass_
    from reconciler.reconcile.executor import Result

    held = set(_held_fields(stack, spec))
    world, plan = pass_.look(stack.aws, stack.kinds, stack.target)
    audit_of(stack, EventRecorder(stack.aws.clock)).of_world(world, plan.stack)
    addresses = {spec.service, *(address for address, _ in held)}
    deferred = next((one.because for one in plan.deferred if one.action.address in addresses), "")
    missing = next((one for one in plan.actions if one.address in addresses and one.verb is Verb.CREATE), None)
    if missing is not None:
        return f"{missing.address} does not exist yet; `reconciler apply` creates it"
    alone, wrote = [], False
    for action in (one for one in plan.actions if one.address in addresses):
        changes = tuple(change for change in action.changes if (action.address, change.field) in held)
        tags = TagChange({}, tuple(key for key in action.tags.drop if key == HELD_COUNT))
        alone += [replace(action, changes=changes, tags=tags)] if changes or tags else []
        wrote = wrote or bool(changes)
    if not alone:
        return deferred or OVER
    for outcome in pass_.act(stack.aws, stack.kinds, stack.target, world, replace(plan, actions=tuple(alone))):
        if outcome.result is not Result.DONE:
            return outcome.because
    return deferred if wrote else deferred or OVER


def _is_written(stack: Stack, spec: RolloutSpec, found: Observed[Any], count: int | None) -> Calls[bool]:
    """Whether AWS has the count, or the limits: those that are held, or what the specs declare again."""
    from reconciler.reconcile.held_counts import present
    from reconciler.resources.scaling import held_at, in_force, limits_now

    scaling = _scaling(stack, spec)
    if scaling is not None:
        wanted = in_force(scaling, stack.aws.clock.now()) if count is None else held_at(scaling, count)
        return (yield from limits_now(scaling.resource)) == (wanted.min, wanted.max)
    declared = stack.target.wanted[spec.service].spec.desired_count
    return bool((yield from present(found.facts["cluster"], found.id)) == (declared if count is None else count))
