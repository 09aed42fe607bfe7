"""Events of one pass: drift, the outcome of each step, and the summary in the log."""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator
from datetime import timedelta
from typing import Final

from reconciler import errors, events
from reconciler.aws.server_time import ServerTime
from reconciler.controller.events import EventRecorder
from reconciler.log import log
from reconciler.model import duration
from reconciler.model.plan import Refusal
from reconciler.reconcile.attribution import Attribution
from reconciler.reconcile.drift import REVERTS, Drift, DriftMode
from reconciler.reconcile.executor import Result, StepOutcome
from reconciler.reconcile.result import PassResult

MINUTE: Final = timedelta(minutes=1)
CORRECTED: Final = "corrected"
RECURRING: Final = "recurring"
DECLINED: Final = "declined "
"""Beginning of the keys of changes that AWS has declined, before the id and the address of the resource."""


def record_refusals(recorder: EventRecorder, refusals: Collection[Refusal]) -> None:
    """A plan that is blocked is reported when that begins and when it is over."""
    because = "; ".join(one.because for one in refusals)
    codes = sorted({one.code.value for one in refusals})
    if codes:
        recorder.emit_once("blocked", events.PLAN_BLOCKED, because, details={"codes": codes})
    else:
        recorder.resolve("blocked", events.PLAN_FREE, "plan no longer blocked")


def record_drift(
    recorder: EventRecorder, drifts: Iterable[Drift], author_of: Callable[[Drift], Attribution | None]
) -> Iterator[tuple[Drift, str]]:
    """Drift that is corrected is reported each time; drift that remains is reported once.

    Yields what was reported, with what becomes of it.
    """
    for one in drifts:
        address, again = str(one.address), one.mode is DriftMode.ENFORCE
        reason = f" ({one.reason})" if one.reason else ""
        name, outcome = (events.DRIFT_REPAIRED, CORRECTED) if again else (events.DRIFT_FOUND, "detected")
        because = f"{one}{reason}"
        if one.contested:
            name, outcome = events.CONTESTED, RECURRING
            because = f"{one} was reverted {REVERTS} times; not corrected again until the specs change"
        key = f"{name} {because}"
        if not again and recorder.is_ongoing(key):
            continue
        found = author_of(one)
        details = {} if found is None else found.details
        recorder.emit_once(
            key, name, because if found is None else f"{because}, {found}", address, details, again=again
        )
        yield one, outcome


def record_outcomes(recorder: EventRecorder, outcomes: Iterable[StepOutcome]) -> None:
    """Every change is an event; a failure is one when it begins."""
    for one in outcomes:
        address = str(one.step.address)
        if one.result is Result.DONE:
            recorder.clear(f"failed {one.step}")
        if isinstance(one.error, errors.Declined):
            key = f"{DECLINED}{one.action.drop.id} {address}"
            recorder.emit_once(key, events.CHANGE_DECLINED, one.because, address)
        elif one.result is Result.DONE and not one.action.only_rolls:
            recorder.emit(events.CHANGED, address, one.action.summary)
        elif one.result is Result.FAILED:
            recorder.emit_once(f"failed {one.step}", events.ACTION_FAILED, one.because, address)


def record_settled(recorder: EventRecorder, declined: Container[str]) -> None:
    """The end of a declined change is an event. `declined` are the ids of what is not tried again for now."""
    for key in recorder.ongoing(DECLINED):
        id, address = key.removeprefix(DECLINED).rsplit(" ", 1)
        if id not in declined:
            because = "the change that AWS had declined was made, or is not declared any more"
            recorder.resolve(key, events.CHANGE_SETTLED, because, address)


def record_clock(recorder: EventRecorder) -> None:
    """A machine whose clock is noticeably wrong is reported once, and when it is right again."""
    if not isinstance(recorder.clock, ServerTime):
        return
    ahead = recorder.clock.machine_ahead
    if not ahead:
        recorder.resolve("clock", events.CLOCK_AGREES, "the clock of this machine agrees with AWS's again")
        return
    side = "ahead of" if ahead > timedelta(0) else "behind"
    difference = duration.format(abs(ahead) // MINUTE * MINUTE)
    because = f"the clock of this machine is {difference} {side} AWS's; deadlines follow AWS's clock"
    recorder.emit_once("clock", events.CLOCK_DIFFERS, because)


def log_pass(report: PassResult) -> None:
    """One line with everything in it; at debug level if the pass changed nothing."""
    level = log.info if report.writes or report.outcomes else log.debug
    level(
        events.PASS_ENDED, number=report.number, depth=report.depth.name.lower(), seconds=round(report.seconds, 3),
        calls=report.calls, writes=report.writes, changes=len(report.outcomes), drift=len(report.drifts),
        revision=report.revision.short,
    )  # fmt: skip
