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
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final

from reconciler.model.ownership import TagChange
from reconciler.model.plan import Action, Note, Plan, Verb
from reconciler.model.resource import Address, Desired

REVERTS: Final = 3
"""So often somebody may undo within the window what we put back, before we stop."""

WINDOW_SECONDS: Final = 3600.0

CONTESTED: Final = "contested"

Wanted = Mapping[Address, Desired[Any]]


class DriftMode(StrEnum):
    ENFORCE = "enforce"
    WARN = "warn"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class DriftRule:
    """`match` is a pattern over addresses, `path` one over dotted paths; a path covers everything below it."""

    match: str
    mode: DriftMode
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
    mode: DriftMode = DriftMode.ENFORCE
    reason: str = ""
    where: str = ""
    contested: bool = False

    def __str__(self) -> str:
        return f"{self.address}: {', '.join(self.paths) or 'it is gone'}"


@dataclass(slots=True)
class FlapDetector:
    """Notices who keeps undoing what we put back: another tool, another reconciler, or a person who means it."""

    times: dict[tuple[Address, tuple[str, ...]], deque[float]] = field(default_factory=dict)

    def record_fix(self, drift: Drift, now: float) -> None:
        """`drift` was put back at `now`, seconds of a clock that never goes back."""
        self.times.setdefault((drift.address, drift.paths), deque(maxlen=REVERTS)).append(now)

    def is_flapping(self, drift: Drift, now: float) -> bool:
        """It was put back so often within the window that putting it back once more helps nobody."""
        times = self.times.get((drift.address, drift.paths))
        return times is not None and len(times) >= REVERTS and now - times[0] <= WINDOW_SECONDS

    def forget(self) -> None:
        """The specs have changed, or a person has looked."""
        self.times.clear()


@dataclass(slots=True)
class DriftPolicy:
    """What a running controller knows of the past, which tells drift from a change of the specs.

    `settled` is what was wanted when all of it was in place; None where that is not known: then nothing is drift, and
    what would be left alone as drift is written like any other difference.
    """

    settled: Wanted | None = None
    flaps: FlapDetector = field(default_factory=FlapDetector)

    def judge(
        self, plan: Plan, wanted: Wanted, rules: tuple[DriftRule, ...], now: float
    ) -> tuple[Plan, tuple[Drift, ...]]:
        """The plan with only what is to be carried out, and the drift that was found.

        Left out is what somebody keeps undoing, too: after three times a person has to say who is right.
        """
        left, drifts = _judge(plan, wanted, self.settled, rules)
        alone = {one.address for one in drifts if one.mode is DriftMode.ENFORCE and self.flaps.is_flapping(one, now)}
        if not alone:
            return left, drifts
        yielding = tuple(DriftRule(str(address), DriftMode.WARN, reason=CONTESTED) for address in sorted(alone))
        left, _ = _judge(left, wanted, self.settled, (*yielding, *rules))
        told = (replace(one, mode=DriftMode.WARN, contested=True) if one.address in alone else one for one in drifts)
        return left, tuple(told)

    def corrected(self, drifts: Iterable[Drift], written: Collection[Address], now: float) -> None:
        """Of the drift, what is at `written` was corrected."""
        for one in drifts:
            if one.mode is DriftMode.ENFORCE and one.address in written:
                self.flaps.record_fix(one, now)

    def settle(self, wanted: Wanted) -> bool:
        """All of it is in place, from here on all else is drift; whether it is for the first time."""
        first = self.settled is None or self.settled != wanted
        self.settled = wanted
        return first


def _judge(
    plan: Plan, wanted: Wanted, settled: Wanted | None, rules: tuple[DriftRule, ...]
) -> tuple[Plan, tuple[Drift, ...]]:
    kept, drifts, notes = list[Action](), list[Drift](), list[Note]()
    for action in plan.actions:
        drifted = settled is not None and _same(settled.get(action.address), wanted.get(action.address))
        left, found = _sorted(action, rules, drifted=drifted)
        drifts += found
        kept += [] if left is None else [left]
        if settled is None and left is not None:
            notes += _left_by_a_controller(left, rules)
    return replace(plan, actions=tuple(kept), warnings=(*plan.warnings, *notes)), tuple(drifts)


def _left_by_a_controller(action: Action, rules: tuple[DriftRule, ...]) -> Iterator[Note]:
    """What a controller that has seen the stack in place would only report, if it is drift."""
    if action.verb in (Verb.DELETE, Verb.ADOPT):
        return
    paths = sorted(path for path in _paths(action) if _mode(rules, action.address, path)[0] is DriftMode.WARN)
    if paths:
        yield Note(
            action.address,
            f"`drift: warn` covers {', '.join(paths)}: a running controller reports a change made outside the specs, "
            "and does not correct it",
        )


def _paths(action: Action) -> list[str]:
    fields = [str(change) for change in action.changes if not change.rolls]  # versions are the rollout's business
    return [*fields, *(f"tags.{key}" for key in (*action.tags.put, *action.tags.drop))]


def _same(before: Desired[Any] | None, now: Desired[Any] | None) -> bool:
    if before is None or now is None:
        return False  # it is new in the specs, or dropped from them
    return before.spec == now.spec and dict(before.tags) == dict(now.tags)


def _sorted(action: Action, rules: tuple[DriftRule, ...], *, drifted: bool) -> tuple[Action | None, list[Drift]]:
    """What is left to do of an action, and the drift in it by mode."""
    if action.verb is Verb.DELETE:
        return action, []
    if action.verb is Verb.ADOPT:  # what is somebody else's stays so, whoever it belonged to before
        ours = (one for one in action.changes if _mode(rules, action.address, str(one))[0] is not DriftMode.IGNORE)
        return replace(action, changes=tuple(ours)), []
    if action.verb is Verb.CREATE:
        mode, reason = _mode(rules, action.address, "")
        if not drifted:
            return action, []
        found = Drift(
            action.address, (), mode if mode is not DriftMode.IGNORE else DriftMode.WARN, reason, action.where
        )
        return (action if found.mode is DriftMode.ENFORCE else None), [found]
    modes = {path: _mode(rules, action.address, path) for path in _paths(action)}
    tags = {f"tags.{key}": key for key in (*action.tags.put, *action.tags.drop)}
    held = {
        path for path, (mode, _) in modes.items() if mode is DriftMode.IGNORE or (mode is DriftMode.WARN and drifted)
    }
    by_mode: dict[tuple[DriftMode, str], list[str]] = defaultdict(list)
    for path, (mode, reason) in modes.items():
        if drifted and mode is not DriftMode.IGNORE:
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


def _mode(rules: tuple[DriftRule, ...], address: Address, path: str) -> tuple[DriftMode, str]:
    return next(((rule.mode, rule.reason) for rule in rules if rule.covers(address, path)), (DriftMode.ENFORCE, ""))
