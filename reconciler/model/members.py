"""Members of an AWS API that the specs say by AWS's own names, under `aws:`.

Which members a type has, how their values look, whether AWS shows them again and whether it can change them is read
from the service's model. A type only says which operations it is made of, which members a word of ours says already,
and which belong to somebody else (`ApiMembers`).

What the specs say is merged over what is compiled. What they do not say is nobody's to remove: a live member that no
word of ours stands for is carried over wherever a write would replace it, and only `member: null` removes it.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from reconciler import service_models
from reconciler.model import ownership
from reconciler.model.resource import Address
from reconciler.service_models import Shape

Path: TypeAlias = tuple[str, ...]
Values: TypeAlias = Mapping[str, Any]
"""Members by name, as an API takes them; None for a member that is to be removed."""

FIELD: Final = "aws"
"""The field of documents, and of the specs of resources, that holds them."""


@dataclass(frozen=True, slots=True)
class ApiMembers:
    """The members of one type, as a call that makes one takes them.

    `inside` is the member of the call whose items these are. `described` is the shape in which answers show it.
    `words` are the members that a field of ours says, by path, with that field; one that ends with `?` says it only
    where it is stated. `owned` are those that the specs cannot say, with the reason. `rolls` are
    those whose change starts new tasks. `elsewhere` says where answers show a member that has another place in them.
    `others` are those that no word says, and that AWS shows only where somebody has set them. `more` are members of
    another operation, which is called right after. `fields` are members for which the spec of the resource has a field.
    """

    service: str
    create: str
    described: str
    update: str = ""
    inside: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    owned: Mapping[str, str] = field(default_factory=dict)
    rolls: frozenset[str] = frozenset()
    elsewhere: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    more: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """What `aws:` may hold, with what is refused."""
        found = service_models.takes(self.service, self.create)
        if self.inside:
            return found.members[self.inside].item
        more = ((name, service_models.takes(self.service, other).members[name]) for name, other in self.more.items())
        return replace(found, more=tuple(more)) if self.more else found

    def observed(self, path: Path) -> bool:
        """Whether AWS shows the member again."""
        shown = service_models.shape(self.service, self.described)
        there = tuple(self.elsewhere.get(path[0], path[0]).split("."))
        return shown.at(*self._inside, *there, *path[1:]) is not None

    def updatable(self, path: Path) -> bool:
        """Whether AWS can change the member."""
        takes = service_models.takes(self.service, self.update) if self.update else None
        return takes is not None and takes.at(*self._inside, *path) is not None

    @property
    def _inside(self) -> Path:
        return (self.inside,) if self.inside else ()

    @property
    def revised(self) -> bool:
        """Whether a change makes a new one, by the same call."""
        return self.create == self.update

    def said_by(self, path: Path) -> str:
        """The field of ours that says the member at `path`, or everything round it; empty if none does."""
        return _nearest(self.words, path)

    def owner(self, path: Path) -> str:
        """Why the specs cannot say the member at `path`; empty if they can."""
        return _nearest(self.owned, path)


def _nearest(table: Mapping[str, str], path: Path) -> str:
    for length in range(len(path), 0, -1):
        if found := table.get(".".join(path[:length]), ""):
            return found
    return ""


# -- values


def merged(under: Any, over: Any) -> Any:
    """`over` laid over `under`: structures merge, everything else is replaced, and None removes."""
    if not (isinstance(under, Mapping) and isinstance(over, Mapping)):
        return without_none(over)
    found = dict(under)
    for key, value in over.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


def without_none(value: Any) -> Any:
    """`value` without the members that are to be removed."""
    if isinstance(value, Mapping):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return value


def aligned(have: Any, want: Any, *, ordered: bool = True, only_said: bool = False) -> Any:
    """`have` in the spelling of `want` wherever both say the same, so that only differences differ.

    AWS leaves out what says nothing, and fills in members of the items of lists. With `only_said`, members that `want`
    does not name are left out.
    """
    if isinstance(want, Mapping) and (have is None or isinstance(have, Mapping)):
        shown = have or {}
        found = {} if only_said else {key: value for key, value in shown.items() if key not in want}
        for key, value in want.items():
            there = aligned(shown.get(key), value, ordered=ordered, only_said=only_said)
            if there is not None and (key in shown or says_something(there) or value is not None):
                found[key] = there
        return found
    if isinstance(want, list | tuple) and isinstance(have, list | tuple):
        return want if _same_items(have, want, ordered) else have
    if have is None and want is not None and not says_something(want):
        return want
    return want if _same(have, want) else have


def _same_items(have: Sequence[Any], want: Sequence[Any], ordered: bool) -> bool:
    if len(have) != len(want):
        return False
    if ordered and not any(isinstance(item, Mapping) for item in want):
        return all(_same(one, other) for one, other in zip(have, want, strict=True))
    left = list(have)
    for item in want:
        found = next((one for one in left if _covers(one, item, ordered)), None)
        if found is None:
            return False
        left.remove(found)
    return True


def _covers(have: Any, want: Any, ordered: bool) -> bool:
    """Whether everything that `want` says is as `have` has it."""
    if isinstance(want, Mapping):
        return isinstance(have, Mapping) and all(_covers(have.get(key), item, ordered) for key, item in want.items())
    if isinstance(want, list | tuple) and isinstance(have, list | tuple):
        return _same_items(have, want, ordered)
    return _same(have, want) or (have is None and not says_something(want))


def _same(have: Any, want: Any) -> bool:
    return have == want and isinstance(have, bool) == isinstance(want, bool)


def says_something(value: Any) -> bool:
    """Whether a value is anything but empty, false or 0 all through."""
    if isinstance(value, Mapping):
        return any(says_something(part) for part in value.values())
    if isinstance(value, list | tuple):
        return any(says_something(part) for part in value)
    return bool(value)


def unsaid(have: Values, said: Values, known: Callable[[str], bool] = lambda _: True) -> Iterator[Path]:
    """The paths of what `have` says and `said` does not: as short as they can be."""
    for name, value in have.items():
        if not says_something(value) or not known(name):
            continue
        if name not in said:
            yield (name,)
        elif isinstance(value, Mapping) and isinstance(said[name], Mapping):
            yield from ((name, *path) for path in unsaid(value, said[name]))


# -- of what is changed in place

DIGEST: Final = 12


def removed(shape: Shape) -> Any:
    """What a member of this type is set to where it is to be removed from something that is changed in place; None if
    nothing says so."""
    match shape.kind:
        case "list":
            return []
        case "map":
            return {}
        case "structure":
            switch = next((name for name in ("enabled", "enable", "Enabled") if name in shape.members), None)
            return None if switch is None else {switch: False}
    return None


def resolved(shape: Shape, said: Values) -> dict[str, Any]:
    """`said`, with what removes a member in the place of None."""
    found = {}
    for name, value in said.items():
        inner = shape.members[name]
        if value is None:
            found[name] = removed(inner)
        else:
            found[name] = resolved(inner, value) if inner.kind == "structure" and inner.members else value
    return found


def seen(api: ApiMembers, said: Values, item: Values, tags: Mapping[str, str], at: Address) -> dict[str, Any]:
    """What AWS has of the members in `said`; `item` is its answer."""
    written = dict(part.split(":", 1) for part in tags.get(ownership.MEMBERS, "").split() if ":" in part)
    found: dict[str, Any] = {}
    for name, value in said.items():
        if not api.observed((name,)):
            found |= {name: value} if written.get(name) == _digest(name, value, at) else {}
        elif (there := aligned(item.get(name), value, ordered=False, only_said=True)) is not None:
            found[name] = there
    return found


def digests(api: ApiMembers, said: Values, at: Address) -> dict[str, str]:
    """The tag of a resource at `at` with these members; none if AWS shows all of them."""
    hidden = {name: value for name, value in said.items() if not api.observed((name,))}
    parts = (f"{name}:{_digest(name, value, at)}" for name, value in sorted(hidden.items()))
    return {ownership.MEMBERS: " ".join(parts)} if hidden else {}


def _digest(name: str, value: Any, at: Address) -> str:
    text = json.dumps([name, value], sort_keys=True)
    return hmac.new(str(at).encode(), text.encode(), "sha256").hexdigest()[:DIGEST]


def changed(api: ApiMembers, said: Values, item: Values, changes: Iterable[Path]) -> dict[str, Any]:
    """The parameters that make `changes`: each member whole, with what `item`, the answer, has beyond it."""
    takes = service_models.takes(api.service, api.update).members
    names = {path[1] for path in changes if path[0] == FIELD}
    return {name: merged(_taken(takes[name], item.get(name)), said[name]) for name in sorted(names)}


def _taken(shape: Shape, value: Any) -> Any:
    """`value` of an answer without the members that a call does not take."""
    if isinstance(value, Mapping) and shape.kind == "structure":
        return {name: _taken(shape.members[name], item) for name, item in value.items() if name in shape.members}
    if isinstance(value, list | tuple) and shape.kind == "list":
        return [_taken(shape.item, item) for item in value]
    return value


def unstated(api: ApiMembers, said: Values, item: Values) -> tuple[Path, ...]:
    """Those of `others` that `item`, the answer, has and `said` does not name."""
    found = []
    for name in api.others:
        path = tuple(name.split("."))
        there, mine = _at(item, path), _at(said, path)
        if says_something(there):
            found += [path] if mine is None else [(*path, *rest) for rest in _beyond(there, mine)]
    return tuple(found)


def _beyond(there: Any, mine: Any) -> Iterator[Path]:
    return unsaid(there, mine) if isinstance(there, Mapping) and isinstance(mine, Mapping) else iter(())


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def with_fields(api: ApiMembers, said: Values) -> tuple[dict[str, Any], dict[str, Any]]:
    """`said`, without the members for which the resource has fields, and the values of those fields by their paths.

    A list of keys and values is a mapping.
    """
    rest, found = dict(said), dict[str, Any]()
    for member, name in api.fields.items():
        top, _, inner = member.partition(".")
        if top in rest and inner in ("", *rest[top]):
            value = rest.pop(top) if not inner else rest[top][inner]
            if inner:
                rest[top] = {key: item for key, item in rest[top].items() if key != inner}
                rest = {key: item for key, item in rest.items() if key != top or item}
            keyed = isinstance(value, list) and all(isinstance(item, Mapping) and "Key" in item for item in value)
            found[name] = {item["Key"]: item["Value"] for item in value} if keyed else value
    return rest, found
