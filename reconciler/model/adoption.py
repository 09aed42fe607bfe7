"""What a resource keeps that its document does not state, and adoption, under which that is more.

Members of an API that our language has no word for are kept by every resource, wherever a write would replace them
(model/members.py). A resource that another tool has made keeps more, under a document that sets `adopt`.

A field that the document does not state keeps its value in AWS: our default is for creating the resource, and is not
what the document asks for. `Desired.kept` names those fields. What the document does state is applied. Where that
would remove something that it does not mention, it is a *loss*: the plan is refused until the document consents to it.

Nothing remembers which resources were adopted and which were created, so this holds as long as the document says so.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from reconciler.model import input_version, member_values, members
from reconciler.model.diff import ABSENT, Change, diff, value_at
from reconciler.model.ownership import FIELDS, NAME
from reconciler.model.plan import Note
from reconciler.model.resource import Address, Desired, Keep, Observed, Path, S
from reconciler.model.secrecy import sensitive

Losses = Mapping[Path, Any]
"""What would be lost, with its value in AWS."""

LONGEST = 120

_OF_VERSIONS = frozenset({Keep.VERSION, Keep.ANY_VERSION, Keep.PINNED})


@dataclass(frozen=True, slots=True)
class LossConsent:
    """The losses that a document accepts: `service/web.load_balancers`, with everything below it.

    `stated` are the codes of the members that fields of the document have set; those may go, too. `late`: nothing else
    of the resource changes, so that its versions need not.
    """

    address: Address
    accepted: frozenset[str]
    stated: frozenset[str] = frozenset()
    late: bool = False

    def covers(self, path: Path) -> bool:
        text = entry(self.address, path)
        return any(text == one or text.startswith(f"{one}.") for one in self.accepted)


def consent_of(want: Desired[Any], address: Address | None = None) -> LossConsent:
    return LossConsent(address or want.address, want.accept_loss)


def entry(address: Address, path: Path) -> str:
    """A loss as a document names it."""
    return ".".join((str(address), *path))


def adopted(want: Desired[S], found: Observed[S]) -> Desired[S]:
    """`want` with the values of `found` in the fields that it keeps, and without what fields have set that it does not
    state any more."""
    if left := {**found.facts.get(members.LEFT, {}), **_left(want, found)}:
        removed = members.laid(left).items()
        update = {name: member_values.merged(getattr(want.spec, name), value) for name, value in removed}
        want = replace(want, spec=want.spec.model_copy(update=update))
        if any(path[0] in found.unread for path in left):  # the tag stays until they can be compared
            want = replace(want, tags={**want.tags, FIELDS: found.tags[FIELDS]})
    if not want.kept and not want.adopt:
        return want
    consent = replace(consent_of(want), stated=members.stated_before(found.tags))
    spec = _merged(want.spec, found.spec, want.kept, consent, ())
    versions = {path: how for path, how in want.kept.items() if how in _OF_VERSIONS}
    if versions:
        late = _merged(spec, found.spec, versions, replace(consent, late=True), ())
        spec = spec if late is spec or diff(found, late) else late
    if spec is want.spec and not want.adopt:
        return want
    tags = want.tags
    if want.adopt and want.keeps_name and NAME in tags and NAME in found.tags:
        tags = {**tags, NAME: found.tags[NAME]}
    return replace(want, spec=spec, tags=tags)


def _left(want: Desired[S], found: Observed[S]) -> dict[Path, Any]:
    """The fields of `Spec.optional` that the document of `want` stated before and does not state any more, with the
    values that AWS has by default."""
    defaults, before = type(want.spec).optional, members.stated_before(found.tags)
    gone = (path for path in defaults if before and members.code(path) in before)
    return {path: defaults[path] for path in gone if value_at(want.spec, path) is None}


def losses(raw: Desired[Any], want: Desired[Any], found: Observed[Any], changes: Iterable[Change]) -> dict[Path, Any]:
    """What `changes` remove from `found`: items that are not wanted, and structures of a list that is replaced; not
    what its document, `raw`, says is to go."""
    lost: dict[Path, Any] = {}
    for change in changes:
        if _said_to_go(raw.spec, change.path):
            continue
        before, after = value_at(found.spec, change.path), value_at(want.spec, change.path)
        if change.new is ABSENT:
            lost[change.path] = change.old
        elif isinstance(before, tuple | list) and isinstance(after, tuple | list):
            gone = [item for item in before if isinstance(item, Mapping) and item not in after]
            if gone:
                lost[change.path] = gone
    return lost


def _said_to_go(spec: Any, path: Path) -> bool:
    """Whether it holds None for the member at `path`, or for one that contains it."""
    parents = (value_at(spec, path[:length]) for length in range(len(path)))
    steps = zip(parents, path, strict=True)
    return any(isinstance(parent, Mapping) and parent.get(step, ABSENT) is None for parent, step in steps)


def kept_notes(raw: Desired[Any], want: Desired[Any], found: Observed[Any]) -> Iterator[Note]:
    """What `found` keeps that its document, `raw`, does not state: at most one note."""
    left = found.facts.get(members.LEFT, {})
    kept = (path for path in unstated(raw.spec, want.spec) if not any(one[: len(path)] == path for one in left))
    paths = [*kept, *found.facts.get("unstated", ())]
    if paths:
        listed = ", ".join(".".join(path) for path in sorted(paths))
        yield Note(
            want.address,
            f"kept, not in the specs: {listed} (state it in the document, or remove it with `null` under `aws`)",
        )


def refused(want: Desired[Any], lost: Losses) -> tuple[str, str]:
    """Why the plan is refused for the sake of `lost`, and what to do; empty if the document accepts all of it."""
    consent = consent_of(want)
    open_ = {path: value for path, value in sorted(lost.items()) if not consent.covers(path)}
    if not open_:
        return "", ""
    listed = ", ".join(f"{'.'.join(path)} = {_shown(path, value)}" for path, value in open_.items())
    entries = ", ".join(entry(want.address, path) for path in open_)
    return (
        f"the change would remove what AWS has and its document does not mention: {listed}",
        f"add it to the document, or accept its loss: `adopt: {{accept_loss: [{entries}]}}`",
    )


def with_losses(changes: tuple[Change, ...], lost: Losses) -> tuple[Change, ...]:
    """The changes with the accepted losses marked, those among them that no field shows included."""
    known = {change.path for change in changes}
    marked = (replace(change, loss=change.path in lost) for change in changes)
    unseen = (
        Change(path, value, ABSENT, secret=sensitive(path, value), loss=True)
        for path, value in sorted(lost.items())
        if path not in known
    )
    return (*marked, *unseen)


# -- keeping


def _merged(want: Any, have: Any, kept: Mapping[Path, Keep], consent: LossConsent, at: Path) -> Any:
    if () in kept:
        whole = frozenset((*at, *path) for path, how in kept.items() if how is Keep.STATED)
        return want if consent.covers(at) else _taken(want, have, kept[()], consent, at, whole)
    below: dict[str, dict[Path, Keep]] = defaultdict(dict)
    for path, how in kept.items():
        below[path[0]][path[1:]] = how
    match want:
        case BaseModel() if isinstance(have, BaseModel):
            update: dict[str, Any] = {}
            for name, inner in below.items():
                before = getattr(want, name)
                after = _merged(before, getattr(have, name), inner, consent, (*at, name))
                update |= {} if after is before else {name: after}
            return want.model_copy(update=update) if update else want
        case dict() if isinstance(have, Mapping):
            found = {
                key: _merged(item, have[key], below[key], consent, (*at, key)) if key in have and key in below else item
                for key, item in want.items()
            }
            return found if any(found[key] is not want[key] for key in found) else want
        case tuple() if isinstance(have, tuple):
            theirs = {str(item): item for item in have}
            return tuple(
                _merged(item, theirs[str(item)], below[str(item)], consent, (*at, str(item)))
                if str(item) in theirs and str(item) in below
                else item
                for item in want
            )
        case _:
            return want


def _taken(want: Any, have: Any, how: Keep, consent: LossConsent, at: Path, whole: frozenset[Path]) -> Any:
    match how:
        case Keep.VALUE:
            if members.code(at) in consent.stated:
                return want
            if isinstance(have, Mapping):
                return {key: item for key, item in have.items() if not consent.covers((*at, str(key)))}
            return have
        case Keep.PRESENT:
            return want if have in (None, "", (), {}) else have
        case Keep.MEMBERS:
            return _with_members(want, have or {}, consent, at, whole) if have or want else want
        case Keep.STATED:
            return want
        case Keep.VERSION | Keep.ANY_VERSION | Keep.PINNED:
            return _versions(want, have, how, late=consent.late)
        case Keep.ITEMS:
            if isinstance(want, Mapping) and isinstance(have, Mapping):
                return {key: item for key, item in have.items() if not consent.covers((*at, str(key)))} | dict(want)
            if isinstance(want, tuple) and isinstance(have, tuple):
                named = {str(item) for item in want}
                others = (item for item in have if str(item) not in named and not consent.covers((*at, str(item))))
                return (*want, *others)
            return want


def _versions(want: Any, have: Any, how: Keep, *, late: bool) -> Any:
    """A reference, or a mapping of them: where nothing else changes, without those of which no version is recorded."""
    if isinstance(want, Mapping) and (late or have):
        have = have or {}
        named = {key: item for key, item in want.items() if key in have or not late}
        found = {key: _versions(item, have.get(key), how, late=late) for key, item in named.items()}
        return want if found == want else found or None
    if not isinstance(want, str) or not isinstance(have, str):
        return want
    return input_version.kept(want, have, how, late=late)


def _with_members(
    said: Mapping[str, Any], have: Mapping[str, Any], consent: LossConsent, at: Path, whole: frozenset[Path]
) -> dict[str, Any]:
    """`said`, and what `have` has beyond it, apart from what a field has set that is not stated any more. A member that
    is stated as None is removed, and one in `whole` is what the specs say."""
    found: dict[str, Any] = {}
    for key, item in have.items():
        if key not in said and not consent.covers((*at, key)):
            left = _of_others(item, consent.stated, (*at, key))
            found |= {} if left is None else {key: left}
    for key, item in said.items():
        there = have.get(key)
        if isinstance(item, Mapping) and isinstance(there, Mapping) and (*at, key) not in whole:
            found[key] = _with_members(item, there, consent, (*at, key), whole)
        elif item is not None:
            found[key] = member_values.without_none(item)
    return found


def _of_others(value: Any, stated: frozenset[str], at: Path) -> Any:
    """`value` without the members that fields have set; None if nothing is left of it."""
    if not stated:
        return value
    if members.code(at) in stated:
        return None
    if not isinstance(value, Mapping):
        return value
    left = {key: part for key, item in value.items() if (part := _of_others(item, stated, (*at, key))) is not None}
    return left if left or not value else None


def unstated(raw: Any, kept: Any, at: Path = ()) -> Iterator[Path]:
    """The members of `kept`, a spec as it is with what it keeps, that `raw` does not state."""
    if isinstance(kept, BaseModel):
        for name in type(kept).model_fields:
            mine, theirs = getattr(raw, name, None), getattr(kept, name)
            if mine is theirs:
                continue
            if name == members.FIELD:
                yield from ((*at, *path) for path in member_values.unsaid(theirs, mine or {}))
            else:
                yield from unstated(mine, theirs, (*at, name))
    elif isinstance(kept, dict) and isinstance(raw, Mapping):
        for key, item in kept.items():
            if key in raw and raw[key] is not item:
                yield from unstated(raw[key], item, (*at, str(key)))


def _shown(path: Path, value: Any) -> str:
    if sensitive(path, value):
        return "(sensitive)"
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def immutable_changes(found: Observed[Any], want: Desired[Any]) -> int:
    """How many fields of `found` AWS would have to replace it for. Of two under one address the new one has fewer."""
    return sum(change.immutable for change in diff(found, adopted(want, found).spec))
