"""Requests about the whole stack, as tags on its services: reconcile now, suspend, resume.

See `reconcile/request_tags.py` for the tags.
"""

from __future__ import annotations

import re
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from reconciler import errors
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo
from reconciler.cli.session import Stack

if TYPE_CHECKING:
    from reconciler.model.observed_state import ObservedState
    from reconciler.model.resource import Observed

RECONCILE_SECONDS = 120.0
POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RequestCarriers:
    """The services whose tags carry the requests of a stack; new requests are written on the first."""

    stack: Stack
    services: tuple[Observed[Any], ...]

    def request(self, **tags: str) -> str:
        """Request a full reconciliation, and write `tags` with it; the id of the request."""
        from reconciler.reconcile import request_tags

        id = request_id()
        self.stack.aws.run(request_tags.write(self.services[0].facts["arn"], {request_tags.REQUEST: id, **tags}))
        return id

    def handled_at(self, id: str, accepted: str = "") -> str | None:
        """The revision at which the controller answered the request `id`; None if it has not.

        With `accepted`, an answer counts once the commit that begins with it is applied.
        """
        from reconciler.reconcile import request_tags

        facts = self.services[0].facts
        tags = self.stack.aws.run(request_tags.read(facts["cluster"], facts["arn"]))
        found = request_tags.of_tags(tags)
        if found.handled != id or not found.revision.startswith(accepted):
            return None
        if accepted:
            return found.revision[:7]
        return tags[request_tags.HANDLED].partition(":")[2]


def request_id() -> str:
    return uuid.uuid4().hex[:8]


def open_carriers(stack: Stack, world: ObservedState | None = None) -> RequestCarriers:
    """`world`: the observed state, if it is known already.

    Raises `errors.ReconcilerError` if the stack has no service to carry the tags.
    """
    from reconciler.reconcile.observe import owned_ids
    from reconciler.reconcile.pass_ import look

    if world is None:
        world, _ = look(stack.aws, stack.kinds, stack.target)
    stack.aws.mine.add(*sorted(owned_ids(world, stack.target.place.stack, {})))
    return RequestCarriers(stack, _carriers(stack, world))


def _carriers(stack: Stack, world: ObservedState) -> tuple[Observed[Any], ...]:
    from reconciler.reconcile import request_tags

    unreadable = world.unreadable.get("service")
    if unreadable is not None:
        raise unreadable
    wanted = {desired.address for desired in stack.target.desired}
    services = request_tags.candidates(world.found.get("service", ()), stack.target.place.stack, wanted)
    unknown = request_tags.merged(services).unreadable
    if unknown:
        raise errors.UnknownFormat(f"the stack is read-only: {unknown}")
    if services and request_tags.read_only(services[0]):
        raise errors.UnknownFormat("every service of the stack that could carry the request is read-only")
    if request_tags.service_for_tags(services, wanted) is not None:
        return services
    if not stack.target.deliveries:
        raise errors.ReconcilerError(
            "the stack has no ECS service to carry the request tag; restart `reconciler run` instead, it reconciles "
            "everything at the start"
        )
    raise errors.ReconcilerError(
        "the stack's ECS services, which carry the request tag, are not deployed yet; "
        f"run `reconciler apply {stack.folder}` first"
    )


def request_reconciliation(
    stack: Stack, *, wait: bool, timeout: float | None, accept_history: str | None = None
) -> Exit:
    """`accept_history`: a commit that the controller accepts whatever it descends from, at least seven digits of it.

    Raises `click.UsageError` for anything else, and `errors.Refused` while no controller runs: one that starts
    reconciles everything, but does not accept a commit unasked.
    """
    from reconciler.cli.driver_state import answering, stopped
    from reconciler.reconcile import request_tags

    if accept_history is not None and not re.fullmatch(r"[0-9a-f]{7,64}", accept_history):
        raise click.UsageError(f"--accept-history takes at least 7 digits of a commit's id, not {accept_history!r}")
    carriers = open_carriers(stack)
    applied = request_tags.merged(carriers.services).revision
    recorded = timeout is not None or accept_history is not None
    ways = "Run `reconciler apply` instead, or start `reconciler run`, which reconciles everything at the start"
    awaited = answering(stack, "reconcile", applied=applied, recorded=recorded, ways=ways)
    id = carriers.request(**({request_tags.ACCEPTED: accept_history} if accept_history is not None else {}))
    if not wait:
        echo(f"Reconciliation requested ({id}); it starts with the next pass.")
        return Exit.DONE
    clock, never = stack.aws.clock, threading.Event()
    end = clock.monotonic() + (RECONCILE_SECONDS if timeout is None else timeout) * clock.speed
    while (revision := carriers.handled_at(id, accept_history or "")) is None:
        if clock.monotonic() >= end or stopped(stack, awaited, applied=applied):
            silent = carriers.handled_at(id) is None
            why = "is `reconciler run` running?" if silent else f"{accept_history} is not applied yet."
            echo(f"Timed out waiting for the controller; {why}", err=True)
            return Exit.TIMED_OUT
        clock.wait(never, POLL_SECONDS)
    echo(f"Reconciled at revision {revision}.")
    return Exit.DONE


def suspend_stack(stack: Stack, why: str) -> Exit:
    suspend(open_carriers(stack), stack.identity.who, why)
    echo(f"Stack {stack.target.place.stack} suspended. Run `reconciler resume --stack` to resume it.")
    return Exit.DONE


def resume_stack(stack: Stack, why: str) -> Exit:
    if resume(open_carriers(stack), stack.identity.who, why):
        echo(f"Stack {stack.target.place.stack} resumed.")
    else:
        echo(f"Stack {stack.target.place.stack} is not suspended; nothing to do.")
    return Exit.DONE


def suspend(carriers: RequestCarriers, who: str, why: str) -> None:
    from reconciler.reconcile import request_tags

    now = carriers.stack.aws.clock.now()
    carriers.request(**{request_tags.SUSPEND: request_tags.suspended(who, why, now)})


def resume(carriers: RequestCarriers, who: str, why: str) -> bool:
    """False if the stack is not suspended. Raises `errors.UnknownFormat` if that cannot be undone."""
    from reconciler.reconcile import request_tags

    suspended = [service for service in carriers.services if request_tags.SUSPEND in service.tags]
    if any(request_tags.read_only(service) for service in suspended):
        raise errors.UnknownFormat("the suspension is stored on a service that is read-only")
    if suspended:
        now = carriers.stack.aws.clock.now()
        carriers.request(**{request_tags.REQUEST: request_tags.resumed(request_id(), who, why, now)})
    for service in suspended:
        carriers.stack.aws.run(request_tags.erase(service.facts["arn"], request_tags.SUSPEND))
    return bool(suspended)
