"""Acts of the console: what each request does in words, and its request tag, as the commands write it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.output.rollout_text import PROMOTED, as_shown
from reconciler.cli.service_status import ServiceStatus
from reconciler.console.ports import Order
from reconciler.console.snapshot import Act
from reconciler.model import duration
from reconciler.rollout.engine import Phase
from reconciler.rollout.release import entrance
from reconciler.rollout.requests import OF_THE_SERVICE, RequestVerb
from reconciler.rollout.state import short

if TYPE_CHECKING:
    from reconciler.cli.rollout_session import RolloutSession
    from reconciler.cli.stack_requests import RequestCarriers

OFFERED: Final = tuple(verb for verb in RequestVerb if verb is not RequestVerb.RESTART)
DANGEROUS: Final = frozenset({RequestVerb.ROLLBACK, RequestVerb.ABORT, RequestVerb.FINISH})
ABOUT_WHAT_IS_SHOWN: Final = frozenset(OFFERED) - OF_THE_SERVICE - {RequestVerb.RETRY}
"""Requests about the release that the person saw, and about no later one."""
RECONCILE, SUSPEND, RESUME = "reconcile", "suspend", "resume"


def acts_of(status: ServiceStatus, *, paused: bool) -> tuple[Act, ...]:
    """What would be accepted now. `paused`: the stack is suspended, and what its services are asked for has to wait."""
    verbs = [verb for verb in OFFERED if verb in status.verbs and (verb in OF_THE_SERVICE or not paused)]
    return tuple(
        Act(
            verb.value,
            verb.value.capitalize(),
            consequence(verb, status),
            takes_time=verb is RequestVerb.EXTEND,
            danger=verb in DANGEROUS,
        )
        for verb in verbs
    )


def consequence(verb: RequestVerb, status: ServiceStatus) -> str:
    """What happens once the request is accepted."""
    spec, observed = status.rollout.delivery, status.observed
    step = as_shown(status.step, observed)
    policy, release, production = spec.policy, short(step.release), entrance(spec.ports[0])
    others = [one.release for one in observed.alive if one.release != step.release]
    before = f"release {short(others[-1])}" if others else "the previous version"
    promoted = step.phase in PROMOTED
    lifted = "It is not rolled out again before a retry or a new version."
    match verb:
        case RequestVerb.PROMOTE:
            way = f"in {len(policy.shares) + 1} steps" if policy.shares else "at once"
            lasts = f"for {duration.format(policy.warm_for)} " if policy.warm_for else ""
            stays = f" Afterwards, {before} keeps running {lasts}and is ready for a rollback." if others else ""
            return f"Production {production} moves to {release} {way}.{stays}"
        case RequestVerb.ROLLBACK if promoted and others:
            goes = f"Production {production} returns to {before}, which is still running, at once."
            return f"{goes} {release} is quarantined. {lifted}"
        case RequestVerb.ROLLBACK:
            starts = "Where its tasks do not run any more, they are started first."
            return f"The previous version is brought back into production. {starts} {release} is quarantined. {lifted}"
        case RequestVerb.ABORT:
            stops = f"The rollout of {release} stops, and its tasks are removed."
            return f"{stops} Production stays with {before}, or returns to it. {release} is quarantined. {lifted}"
        case RequestVerb.HOLD if promoted:
            return f"Until a resume lifts the hold, or a finish is asked for, {before} is kept."
        case RequestVerb.HOLD:
            return f"Release {release} is not promoted automatically: a person promotes it, or a resume lifts the hold."
        case RequestVerb.EXTEND:
            return "The deadline of this phase moves by the time that you give. Everything else stays as it is."
        case RequestVerb.FINISH:
            return f"Now {before} is removed. From then on, a rollback has to start its tasks again."
        case RequestVerb.RETRY:
            wanted = short(observed.wanted)
            return f"The quarantine of {wanted} is lifted, and it is rolled out again from the beginning."
        case RequestVerb.SUSPEND:
            stays = "Running tasks stay, and other resources are still kept as the specs say."
            return f"Nothing of this service is rolled out, promoted or removed until it is resumed. {stays}"
        case RequestVerb.RESUME:
            goes = " What was waiting goes on at once." if step.phase is not Phase.IDLE else ""
            return f"The suspension or hold of this service is lifted.{goes}"
        case RequestVerb.RESTART:
            return "All tasks are replaced."


def stack_acts(suspended_by: str, *, driven: bool) -> tuple[Act, ...]:
    """What can be asked of the stack as a whole. Suspending it needs nobody who answers."""
    now = "The controller reads everything in the account with its next pass, and corrects what differs from the specs."
    stops = (
        "The controller writes nothing to any resource of the stack, and rolls nothing out, until it is resumed. "
        "Running tasks stay."
    )
    goes = "The controller works on the stack again: what differs from the specs is corrected, and rollouts go on."
    acts = [Act(RECONCILE, "Reconcile now", now)] if driven and not suspended_by else []
    return (*acts, Act(RESUME, "Resume", goes) if suspended_by else Act(SUSPEND, "Suspend", stops, danger=True))


@dataclass(frozen=True, slots=True)
class StackActs:
    """Writes requests in the name of the person who asks. Both functions read the account as it is now.

    `check` raises `errors.Refused` while nobody would answer.
    """

    session: Callable[[], RolloutSession]
    carriers: Callable[[], RequestCarriers]
    check: Callable[[str], None]

    def fault(self, reason: str) -> str:
        try:
            options.reason_text(reason)
        except click.BadParameter as error:
            return f"The reason cannot be kept: {error.message}."
        return ""

    def perform(self, order: Order) -> str:
        if not order.service:
            return self._of_stack(order)
        from reconciler.cli.prepared_requests import prepare

        verb = RequestVerb(order.verb)
        release = order.release if verb in ABOUT_WHAT_IS_SHOWN and order.release else None
        session = self.session()
        prepared = prepare(
            session, verb, service=order.service, release=release, why=order.reason, who=order.person, by=order.by
        )
        self.check(f"{verb} {order.service}")
        prepared.write()
        return f"{verb} {order.service}: requested"

    def _of_stack(self, order: Order) -> str:
        from reconciler.cli import stack_requests

        carriers = self.carriers()
        match order.verb:
            case "suspend":
                stack_requests.suspend(carriers, order.person, order.reason)
            case "resume":
                if not stack_requests.resume(carriers, order.person, order.reason):
                    raise errors.Refused("the stack is not suspended", code="not-suspended")
            case "reconcile":
                self.check("reconcile")
                carriers.request()
            case _:
                raise errors.Refused(f"there is no request {order.verb!r} of a stack", code="unsupported")
        return f"{order.verb}: requested"
