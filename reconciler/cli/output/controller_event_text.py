"""Events of the controller as text, one line each."""

from __future__ import annotations

import sys
from datetime import datetime

from reconciler import events
from reconciler.cli.output.terminal import Look, say
from reconciler.controller.events import Sink
from reconciler.model.event import Event
from reconciler.rollout.stored_state import Outcome

SIGNS = {
    events.REVISION_TAKEN: ("roll", "bold"),
    events.REVISION_RESTORED: ("warn", "yellow"),
    events.COPY_UNUSABLE: ("warn", "yellow"),
    events.IN_PLACE: ("ok", "green"),
    events.CHANGED: ("ok", "green"),
    events.SPEC_REJECTED: ("bad", "red"),
    events.ACTION_FAILED: ("bad", "red"),
    events.CHANGE_DECLINED: ("warn", "yellow"),
    events.CHANGE_SETTLED: ("ok", "green"),
    events.PASS_FAILED: ("warn", "yellow"),
    events.CLOCK_DIFFERS: ("warn", "yellow"),
    events.PLAN_BLOCKED: ("bad", "red"),
    events.DRIFT_FOUND: ("warn", "yellow"),
    events.DRIFT_REPAIRED: ("warn", "yellow"),
    events.DRIFT_ATTRIBUTED: ("warn", "yellow"),
    events.ATTRIBUTION_FAILED: ("warn", "yellow"),
    events.CONTESTED: ("bad", "red"),
    events.ROLLOUT_PHASE: ("roll", "cyan"),
    events.ENGINE_STEP: ("roll", "cyan"),
    events.FALLBACK: ("warn", "yellow"),
    events.ROLLOUT_REFUSED: ("bad", "red"),
    events.SAFETY_BREACHED: ("bad", "red"),
    events.READ_ONLY: ("bad", "red"),
    events.SOURCE_UNREACHABLE: ("warn", "yellow"),
    events.EVENTS_DISTRUSTED: ("warn", "yellow"),
    events.EVENT_SWEEP: ("warn", "yellow"),
    events.SUSPENDED: ("wait", "yellow"),
    events.TASK_STOPPED: ("bad", "red"),
}
PREFIXES = {
    events.REVISION_RESTORED: "restored revision ",
    events.DRIFT_FOUND: "drift detected (not corrected): ",
    events.DRIFT_REPAIRED: "drift corrected: ",
    events.DRIFT_ATTRIBUTED: "author of the drift: ",
    events.ATTRIBUTION_FAILED: "authors of drift are not known: ",
    events.SPEC_REJECTED: "rejected revision ",
    events.PLAN_BLOCKED: "blocked: ",
    events.READ_ONLY: "read-only: ",
}


def event_text(event: Event, look: Look) -> str:
    sign, style = SIGNS.get(event.name, ("dot", "dim"))
    if event.name == events.ROLLOUT_ENDED:
        good = event.details.get("outcome") in (Outcome.PROMOTED, Outcome.FAST_PROMOTED)
        sign, style = ("ok", "green") if good else ("bad", "red")
    told = [event.details.get("cause", ""), f"changed: {place}" if (place := event.details.get("changed")) else ""]
    cause = f" ({'; '.join(filter(None, told))})" if any(told) else ""
    address = f"{event.address} " if event.address else ""
    message = event.message.removeprefix(f"{event.address}: ")
    mark = look.paint(look.sign(sign), style)
    return f"{_clock(event.at)} {mark} {address}{PREFIXES.get(event.name, '')}{message}{cause}"


def printer(look: Look) -> Sink:
    """Prints events on stdout as they are emitted."""

    def show(event: Event) -> None:
        say(event_text(event, look), look)
        sys.stdout.flush()

    return show


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}"
