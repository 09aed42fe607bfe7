"""Drift policy: drift is corrected, only reported, or ignored; and detection of drift that keeps recurring.

Drift is a difference although the specs have not changed since they were applied as a whole. Changes of the specs
themselves are always applied, except to fields with `mode: ignore`, which belong to somebody else. So is a release: a
tag that was pushed again names a new version, and so does what follows from it.

    drift:
      - {match: "security-group-rules/*", mode: warn, reason: "ports are opened by ticket"}
      - {match: "service/api", path: desired_count, mode: ignore, reason: "scaled by hand on match days"}

The first matching rule decides; without one, drift is corrected.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, Final

from reconciler.model.ownership import HELD_COUNT, TagChange
from reconciler.model.plan import Action, Note, Plan, Verb
from reconciler.model.resource import Address, Desired, Ref

REVERTS: Final = 3
"""Number of times a correction may be reverted within the window before it is no longer repeated."""

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
    """Drift of one resource. `paths` are its fields; empty if it was deleted.

    `contested`: the correction keeps being reverted, so it is not repeated.
    """

    address: Address
    paths: tuple[str, ...]
    mode: DriftMode = DriftMode.ENFORCE
    reason: str = ""
    where: str = ""
    contested: bool = False

    def __str__(self) -> str:
        return f"{self.address}: {', '.join(self.paths) or 'deleted'}"


@dataclass(slots=True)
class FlapDetector:
    """Detects corrections that keep being reverted: by another tool, another reconciler, or on purpose."""

    times: dict[tuple[Address, tuple[str, ...]], deque[float]] = field(default_factory=dict)
    flapping: set[tuple[Address, tuple[str, ...]]] = field(default_factory=set)

    def record_fix(self, drift: Drift, now: float) -> None:
        """`drift` was corrected at `now`, in seconds of a monotonic clock."""
        self.times.setdefault((drift.address, drift.paths), deque(maxlen=REVERTS)).append(now)

    def is_flapping(self, drift: Drift, now: float) -> bool:
        """Whether it was corrected too often within the window, now or earlier."""
        key = drift.address, drift.paths
        times = self.times.get(key)
        if times is not None and len(times) >= REVERTS and now - times[0] <= WINDOW_SECONDS:
            self.flapping.add(key)
        return key in self.flapping

    def forget(self) -> None:
        """The specs have changed, or an operator has intervened."""
        self.times.clear()
        self.flapping.clear()


@dataclass(slots=True)
class DriftPolicy:
    """Memory of a running controller that distinguishes drift from a change of the specs.

    `settled` is the desired state when it was applied as a whole. If it is None, nothing counts as drift, and every
    difference is corrected. What was still `pending` then, because it had to wait, does not count as drift either.
    """

    settled: Wanted | None = None
    pending: frozenset[Address] = frozenset()
    flaps: FlapDetector = field(default_factory=FlapDetector)

    def judge(
        self, plan: Plan, wanted: Wanted, rules: tuple[DriftRule, ...], now: float
    ) -> tuple[Plan, tuple[Drift, ...]]:
        """The plan with only the actions to execute, and the drift that was found.

        Drift that keeps recurring is left out too: after three times an operator has to decide.
        """
        settled = self.settled
        if settled is not None:
            settled = {address: want for address, want in settled.items() if address not in self.pending}
        left, drifts = _judge(plan, wanted, settled, rules)
        alone = {one.address for one in drifts if one.mode is DriftMode.ENFORCE and self.flaps.is_flapping(one, now)}
        if not alone:
            return left, drifts
        yielding = tuple(DriftRule(str(address), DriftMode.WARN, reason=CONTESTED) for address in sorted(alone))
        left, _ = _judge(left, wanted, settled, (*yielding, *rules))
        judged = (replace(one, mode=DriftMode.WARN, contested=True) if one.address in alone else one for one in drifts)
        return left, tuple(judged)

    def corrected(self, drifts: Iterable[Drift], written: Collection[Address], now: float) -> None:
        """Record the drift at `written` as corrected."""
        for one in drifts:
            if one.mode is DriftMode.ENFORCE and one.address in written:
                self.flaps.record_fix(one, now)

    def settle(self, wanted: Wanted) -> bool:
        """Everything is applied, and any difference from now on is drift. True the first time."""
        first = self.settled is None or self.settled != wanted
        self.settled = wanted
        return first


def _judge(
    plan: Plan, wanted: Wanted, settled: Wanted | None, rules: tuple[DriftRule, ...]
) -> tuple[Plan, tuple[Drift, ...]]:
    kept, drifts, notes = list[Action](), list[Drift](), list[Note]()
    for action in plan.actions:
        drifted = settled is not None and _same(settled.get(action.address), wanted.get(action.address))
        drifted = drifted and HELD_COUNT not in action.tags.drop  # a held count is over
        left, found = _sorted(action, rules, drifted=drifted)
        drifts += found
        kept += [] if left is None else [left]
        if not drifted:
            notes += _left_alone(action, rules)
        if settled is None and left is not None:
            notes += _left_by_a_controller(left, rules)
    return replace(plan, actions=tuple(kept), warnings=(*plan.warnings, *notes)), tuple(drifts)


def _left_by_a_controller(action: Action, rules: tuple[DriftRule, ...]) -> Iterator[Note]:
    """Changes that a controller would only report, if they are drift."""
    if action.verb not in (Verb.DELETE, Verb.ADOPT):
        effect = "a running controller reports a change made outside the specs, but does not correct it"
        paths = [path for path in changed_paths(action) if path not in _follows(action)]
        yield from _covered(action, paths, rules, DriftMode.WARN, effect)


def _left_alone(action: Action, rules: tuple[DriftRule, ...]) -> Iterator[Note]:
    """Differences that may be a change of the specs, and are not written all the same."""
    if action.verb not in (Verb.CREATE, Verb.DELETE):
        yield from _covered(
            action, changed_paths(action), rules, DriftMode.IGNORE, "what the specs declare is not written"
        )


def _covered(
    action: Action, paths: Iterable[str], rules: tuple[DriftRule, ...], mode: DriftMode, effect: str
) -> Iterator[Note]:
    """A note for each reason of the rules with this mode, with the fields that they cover."""
    covered: dict[str, list[str]] = defaultdict(list)
    for path in sorted(paths):
        found, reason = _mode(rules, action.address, path)
        if found is mode:
            covered[reason].append(path)
    for reason, several in sorted(covered.items()):
        because = f"`drift: {mode}` covers {', '.join(several)}: {effect}{reason and f' ({reason})'}"
        yield Note(action.address, because, reason)


def changed_paths(action: Action) -> list[str]:
    """What may be drift of an action: fields and tags, without what a release or an event changes."""
    fields = [str(change) for change in action.changes if not (change.rolls or change.release or change.event)]
    return [*fields, *(f"tags.{key}" for key in (*action.tags.put, *action.tags.drop))]


def _follows(action: Action) -> frozenset[str]:
    """Fields that are to name something which this plan makes: they follow from that change, and are no drift."""
    return frozenset(str(change) for change in action.changes if isinstance(change.new, Ref))


def _same(before: Desired[Any] | None, now: Desired[Any] | None) -> bool:
    if before is None or now is None:
        return False  # it was added to the specs, or removed from them
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
    modes = {path: _mode(rules, action.address, path) for path in changed_paths(action)}
    tags = {f"tags.{key}": key for key in (*action.tags.put, *action.tags.drop)}
    drift = modes.keys() - _follows(action) if drifted else set[str]()
    held = {path for path, (mode, _) in modes.items() if mode is DriftMode.IGNORE}
    held |= {path for path in drift if modes[path][0] is DriftMode.WARN}
    by_mode: dict[tuple[DriftMode, str], list[str]] = defaultdict(list)
    for path, (mode, reason) in modes.items():
        if path in drift and mode is not DriftMode.IGNORE:
            by_mode[mode, reason].append(path)
    found_drifts = [
        Drift(action.address, tuple(sorted(paths)), mode, reason, action.where)
        for (mode, reason), paths in sorted(by_mode.items())
    ]
    if not held:
        return action, found_drifts
    if action.verb is Verb.REPLACE:
        return None, found_drifts  # a replacement is done as a whole
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
