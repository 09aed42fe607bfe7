"""What becomes of drift: put back, only told, or left alone; and when somebody keeps undoing what we put back.

Drift is what differs although the specs have not changed since all of them was in place. What the specs themselves
change is always carried out, except where a field is to be ignored: then it is somebody else's.

    drift:
      - {match: "security-group-rules/*", mode: warn, reason: "ports are opened by ticket"}
      - {match: "service/api", path: desired_count, mode: ignore, reason: "scaled by hand on match days"}

The first rule that matches decides; without one, drift is put back.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final

from reconciler.model import ordering
from reconciler.model.kind import Kinds
from reconciler.model.ownership import TagChange
from reconciler.model.plan import Action, Plan, Verb
from reconciler.model.resource import Address, Desired

REVERTS: Final = 3
"""So often somebody may undo within the window what we put back, before we stop."""

WINDOW_SECONDS: Final = 3600.0

Wanted = Mapping[Address, Desired[Any]]


class Mode(StrEnum):
    ENFORCE = "enforce"
    WARN = "warn"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Rule:
    """`match` is a pattern over addresses, `path` one over dotted paths; a path covers everything below it."""

    match: str
    mode: Mode
    path: str = "*"
    reason: str = ""

    def covers(self, address: Address, path: str) -> bool:
        below = fnmatchcase(path, self.path) or fnmatchcase(path, f"{self.path}.*")
        return below and fnmatchcase(str(address), self.match)


@dataclass(frozen=True, slots=True)
class Drift:
    """One resource that is not as it was left. `paths` are its fields; empty: it is gone.

    `contested`: somebody keeps undoing what is put back, and it is left as it is.
    """

    address: Address
    paths: tuple[str, ...]
    mode: Mode = Mode.ENFORCE
    reason: str = ""
    where: str = ""
    contested: bool = False

    def __str__(self) -> str:
        return f"{self.address}: {', '.join(self.paths) or 'it is gone'}"


def sort_out(
    plan: Plan, wanted: Wanted, settled: Wanted | None, rules: Iterable[Rule], kinds: Kinds
) -> tuple[Plan, tuple[Drift, ...]]:
    """The plan with only what is to be carried out, and the drift that was found.

    `settled` is what was wanted when all of it was in place; None where that is not known: then nothing is drift.
    """
    several, kept, drifts = tuple(rules), list[Action](), list[Drift]()
    for action in plan.actions:
        drifted = settled is not None and _same(settled.get(action.address), wanted.get(action.address))
        left, found = _sorted(action, several, drifted=drifted)
        drifts += found
        kept += [] if left is None else [left]
    if tuple(kept) == plan.actions:
        return plan, tuple(drifts)
    return replace(plan, actions=tuple(kept), after=ordering.edges(kept, wanted, kinds)), tuple(drifts)


def _same(before: Desired[Any] | None, now: Desired[Any] | None) -> bool:
    if before is None or now is None:
        return False  # it is new in the specs, or dropped from them
    return before.spec == now.spec and dict(before.tags) == dict(now.tags)


def _sorted(action: Action, rules: tuple[Rule, ...], *, drifted: bool) -> tuple[Action | None, list[Drift]]:
    """What is left to do of an action, and the drift in it by mode."""
    if action.verb in (Verb.DELETE, Verb.ADOPT):
        return action, []
    if action.verb is Verb.CREATE:
        mode, reason = _mode(rules, action.address, "")
        if not drifted:
            return action, []
        found = Drift(action.address, (), mode if mode is not Mode.IGNORE else Mode.WARN, reason, action.where)
        return (action if found.mode is Mode.ENFORCE else None), [found]
    fields = [str(change) for change in action.changes if not change.rolls]  # versions are the rollout's business
    modes = {path: _mode(rules, action.address, path) for path in fields}
    tags = {f"tags.{key}": key for key in (*action.tags.put, *action.tags.drop)}
    modes |= {path: _mode(rules, action.address, path) for path in tags}
    held = {path for path, (mode, _) in modes.items() if mode is Mode.IGNORE or (mode is Mode.WARN and drifted)}
    by_mode: dict[tuple[Mode, str], list[str]] = defaultdict(list)
    for path, (mode, reason) in modes.items():
        if drifted and mode is not Mode.IGNORE:
            by_mode[mode, reason].append(path)
    found_drifts = [
        Drift(action.address, tuple(sorted(paths)), mode, reason, action.where)
        for (mode, reason), paths in sorted(by_mode.items())
    ]
    if not held:
        return action, found_drifts
    if action.verb is Verb.REPLACE:
        return None, found_drifts  # half a replacement is none
    changes = tuple(change for change in action.changes if str(change) not in held)
    kept = {key for path, key in tags.items() if path not in held}
    left = TagChange(
        {key: value for key, value in action.tags.put.items() if key in kept},
        tuple(key for key in action.tags.drop if key in kept),
    )
    if not changes and not left:
        return None, found_drifts
    return replace(action, changes=changes, tags=left), found_drifts


def _mode(rules: tuple[Rule, ...], address: Address, path: str) -> tuple[Mode, str]:
    return next(((rule.mode, rule.reason) for rule in rules if rule.covers(address, path)), (Mode.ENFORCE, ""))


@dataclass(slots=True)
class Flaps:
    """Notices who keeps undoing what we put back: another tool, another reconciler, or a person who means it."""

    times: dict[tuple[Address, tuple[str, ...]], deque[float]] = field(default_factory=dict)

    def put_back(self, drift: Drift, now: float) -> None:
        """`drift` was put back at `now`, seconds of a clock that never goes back."""
        self.times.setdefault((drift.address, drift.paths), deque(maxlen=REVERTS)).append(now)

    def contested(self, drift: Drift, now: float) -> bool:
        """It was put back so often within the window that putting it back once more helps nobody."""
        times = self.times.get((drift.address, drift.paths))
        return times is not None and len(times) >= REVERTS and now - times[0] <= WINDOW_SECONDS

    def forget(self) -> None:
        """The specs have changed, or a person has looked."""
        self.times.clear()
