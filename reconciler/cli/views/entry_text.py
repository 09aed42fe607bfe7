"""What happens in the loop, as people read it: one line a happening."""

from __future__ import annotations

from datetime import datetime

from reconciler import events
from reconciler.cli.terminal import Look
from reconciler.model.event import Event
from reconciler.rollout.stored_state import Outcome

SIGNS = {
    events.REVISION_TAKEN: ("roll", "bold"),
    events.IN_PLACE: ("ok", "green"),
    events.CHANGED: ("ok", "green"),
    events.SPEC_REJECTED: ("bad", "red"),
    events.ACTION_FAILED: ("bad", "red"),
    events.PASS_FAILED: ("warn", "yellow"),
    events.PLAN_BLOCKED: ("bad", "red"),
    events.DRIFT_FOUND: ("warn", "yellow"),
    events.DRIFT_REPAIRED: ("warn", "yellow"),
    events.CONTESTED: ("bad", "red"),
    events.ROLLOUT_PHASE: ("roll", "cyan"),
    events.ROLLOUT_REFUSED: ("bad", "red"),
    events.SOURCE_UNREACHABLE: ("warn", "yellow"),
    events.SUSPENDED: ("wait", "yellow"),
}
PREFIXES = {
    events.DRIFT_FOUND: "drift, left as it is: ",
    events.DRIFT_REPAIRED: "drift, put back: ",
    events.SPEC_REJECTED: "rejected ",
    events.PLAN_BLOCKED: "blocked: ",
}


def entry_text(entry: Event, look: Look) -> str:
    sign, style = SIGNS.get(entry.name, ("dot", "dim"))
    if entry.name == events.ROLLOUT_ENDED:
        good = entry.details.get("outcome") in (Outcome.PROMOTED, Outcome.FAST_PROMOTED)
        sign, style = ("ok", "green") if good else ("bad", "red")
    cause = f" ({entry.details['cause']})" if "cause" in entry.details else ""
    address = f"{entry.address}  " if entry.address else ""
    mark = look.paint(look.sign(sign), style)
    return f"{_clock(entry.at)} {mark} {address}{PREFIXES.get(entry.name, '')}{entry.message}{cause}"


def _clock(at: datetime) -> str:
    return f"{at:%H:%M:%S}"
