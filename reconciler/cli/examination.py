"""Examination of an opened stack by the doctor, for the command of its name and for those that show a plan."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from reconciler import errors
from reconciler.aws.server_time import ServerTime
from reconciler.cli.lease import open_store, table_of
from reconciler.cli.session import Stack
from reconciler.clock import SystemClock
from reconciler.doctor.case import Case
from reconciler.doctor.check import Finding
from reconciler.doctor.examine import examine, examine_cheaply
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Plan
from reconciler.rollout.outlook import RolloutPreview


def examined(
    stack: Stack, plan: Plan, world: ObservedState, previews: Iterable[RolloutPreview], *, read_secrets: bool
) -> tuple[Finding, ...]:
    """The findings of all checks."""
    holder, store_error = _lease(stack)
    case = _case(
        stack, plan, world, previews, ahead=_ahead(stack), holder=holder, store_error=store_error,
        read_secrets=read_secrets,
    )  # fmt: skip
    return examine(stack.aws, case)


def examined_cheaply(
    stack: Stack, plan: Plan, world: ObservedState, previews: Iterable[RolloutPreview]
) -> tuple[Finding, ...]:
    """What would fail of the tasks that a plan starts. A plan that starts none takes no calls."""
    return examine_cheaply(stack.aws, _case(stack, plan, world, previews, starting_only=True))


def _case(stack: Stack, plan: Plan, world: ObservedState, previews: Iterable[RolloutPreview], **about: Any) -> Case:
    assert stack.specs.stack is not None
    target = stack.target
    return Case(
        kinds=stack.kinds,
        place=target.place,
        caller=stack.identity.arn,
        plan=plan,
        world=world,
        desired=tuple(target.desired),
        deliveries=target.deliveries,
        now=stack.aws.clock.now(),
        pending=frozenset(one.address for one in previews if one.pending and not one.quarantined),
        table=table_of(stack.store),
        boundary=stack.specs.stack.roles.permissions_boundary,
        **about,
    )


def _ahead(stack: Stack) -> timedelta:
    clock = stack.aws.clock
    return clock.machine_ahead if isinstance(clock, ServerTime) else timedelta()


def _lease(stack: Stack) -> tuple[str, str]:
    """Who holds the lease of the stack, as far as its record says, and why it cannot be read."""
    place, endpoint = stack.target.place, stack.identity.endpoint
    try:
        transport = stack.signed_in.transport
        store = open_store(stack.store, transport, place.stack, place.account, place.region, endpoint)
        try:
            record = store.records.read()
        finally:
            store.close()
    except (errors.StoreUnreachable, errors.UnknownFormat) as error:
        return "", str(error)
    if record is None or not record.holder:
        return "", ""
    active = SystemClock().now() - record.renewed_at < timedelta(seconds=record.ttl)
    return record.holder.rpartition("/")[0] if active else "", ""
