"""Who made the differences that a plan shows: from the drift journal, and from CloudTrail where that is asked for.

The journal costs one read of the store. It has what a controller has found; for everything else `diff --who` asks
CloudTrail. Both have a bounded time, and what is not known by then is left out.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from reconciler import errors, events
from reconciler.cli.event_history import event_history
from reconciler.cli.lease import existing_store
from reconciler.cli.output.terminal import echo
from reconciler.log import log

if TYPE_CHECKING:
    from reconciler.cli.session import Stack
    from reconciler.model.plan import Action, Plan
    from reconciler.model.resource import Address
    from reconciler.reconcile.attribution import Question
    from reconciler.reconcile.origins import Origins
    from reconciler.store.drift_journal import DriftEntry

JOURNAL_SECONDS: Final = 3.0
"""Time that the store has."""
SECONDS: Final = 10.0
"""Time that CloudTrail has. It answers two calls a second, in an account and a region."""
MOST_ASKED: Final = 10
"""Resources that CloudTrail is asked about."""


def plan_authors(stack: Stack, plan: Plan, origins: Origins | None = None, *, ask: bool) -> dict[Address, str]:
    """By address, `by ana …`. `origins` tell drift from changes of the specs, if that is known.

    Why CloudTrail cannot be asked is printed on stderr; why the store cannot be read is not.
    """
    drifted = {action.address: _drifted(action, origins) for action in plan.actions if _may_be_drift(action, origins)}
    search = _Search(stack, [action for action in plan.actions if action.address in drifted], drifted, ask)
    if search.actions:
        thread = threading.Thread(target=search.run, name="authors", daemon=True)
        thread.start()
        thread.join(SECONDS if ask else JOURNAL_SECONDS)
        if ask and (search.failure or thread.is_alive()):
            because = search.failure or f"CloudTrail took longer than {SECONDS:.0f} s"
            echo(f"warning: not all authors of changes are known: {because}", err=True)
    return dict(search.found)


def _may_be_drift(action: Action, origins: Origins | None) -> bool:
    from reconciler.model.plan import Verb
    from reconciler.reconcile.origins import Origin

    known = origins is None or Origin.DRIFT in origins.of.get(action.address, frozenset())
    return known and action.verb in (Verb.CREATE, Verb.UPDATE, Verb.ROLL, Verb.REPLACE)


def _drifted(action: Action, origins: Origins | None) -> tuple[str, ...]:
    """The fields that are drift, or that may be; none if it was deleted."""
    from reconciler.reconcile.drift import changed_paths

    if action.old is None:
        return ()
    return tuple(changed_paths(action) if origins is None else origins.drifted.get(action.address, ()))


def _entry(action: Action, drifted: tuple[str, ...], journal: tuple[DriftEntry, ...]) -> DriftEntry | None:
    """The newest entry about the same fields that was not corrected since."""
    from reconciler.controller.pass_events import CORRECTED

    for entry in reversed(journal):
        about = not entry.paths if action.old is None else not set(drifted).isdisjoint(entry.paths)
        if entry.address == str(action.address) and about:
            return None if entry.outcome == CORRECTED else entry
    return None


@dataclass(slots=True)
class _Search:
    """It runs beside the command, and what it has `found` in time is taken."""

    stack: Stack
    actions: list[Action]
    drifted: dict[Address, tuple[str, ...]]
    ask: bool
    found: dict[Address, str] = field(default_factory=dict)
    failure: str = ""

    def run(self) -> None:
        try:
            self._in_journal()
            if self.ask:
                self._in_event_history([one for one in self.actions if one.address not in self.found][:MOST_ASKED])
        except errors.ReconcilerError as error:
            self.failure = str(error)

    def _in_journal(self) -> None:
        from reconciler.store.drift_journal import Finding, drift_journal

        try:
            store = existing_store(self.stack)
            if store is None:
                return
            with contextlib.closing(store):
                journal = drift_journal(store).read()
        except (errors.StoreUnreachable, errors.StoreFormatUnknown) as error:
            log.debug(events.ATTRIBUTION_FAILED, because=str(error))
            return
        for action in self.actions:
            entry = _entry(action, self.drifted[action.address], journal)
            if entry is not None and entry.finding is Finding.FOUND:
                self.found[action.address] = entry.by

    def _in_event_history(self, actions: list[Action]) -> None:
        from reconciler.reconcile.event_lookups import search

        client, known = event_history(self.stack.signed_in), dict[Any, Any]()
        for action in actions:
            asked_for = _question(self.stack, action, self.drifted[action.address])
            author = search(asked_for, 0, client, known, stack=self.stack.target.place.stack)
            if author is not None:
                self.found[action.address] = str(author)


def _question(stack: Stack, action: Action, drifted: tuple[str, ...]) -> Question:
    from reconciler.iam import calls
    from reconciler.model.resource import Observed
    from reconciler.reconcile.attribution import question

    kind, address = stack.kinds[action.address.kind], action.address
    seen = action.old
    if seen is None:  # what is gone is known by its name only
        assert action.new is not None
        seen = Observed(address, "", action.new.spec)
    return question(kind, address, drifted, stack.aws.clock.now(), [seen]).by(calls.of_kind(kind))
