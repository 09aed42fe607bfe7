"""Members of an AWS API that the specs say by AWS's own names, under `aws:`.

Which members a type has, how their values look, whether AWS shows them again and whether it can change them is read
from the service's model. A type only says which operations it is made of, which members a word of ours says already,
and which belong to somebody else (`ApiMembers`).

What the specs say is merged over what is compiled. What they do not say is nobody's to remove: a live member that no
word of ours stands for is carried over wherever a write would replace it, and only `member: null` removes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from reconciler import service_models
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
    where it is stated. `owned` are those that the specs cannot say, with the reason. `constant` are those that are
    always sent, and therefore never carried over. `keys` are the lists whose items are told apart by a member.
    """

    service: str
    create: str
    described: str
    update: str = ""
    inside: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    owned: Mapping[str, str] = field(default_factory=dict)
    constant: frozenset[str] = frozenset()
    keys: Mapping[str, str] = field(default_factory=dict)
    elsewhere: Mapping[str, str] = field(default_factory=dict)

    @property
    def shape(self) -> Shape:
        """What `aws:` may hold, with what is refused."""
        found = service_models.takes(self.service, self.create)
        return found if not self.inside else found.members[self.inside].item

    def observed(self, path: Path) -> bool:
        """Whether AWS shows the member again."""
        shown = service_models.shape(self.service, self.described)
        there = tuple(self.elsewhere.get(path[0], path[0]).split("."))
        return shown.at(*there, *path[1:]) is not None

    def updatable(self, path: Path) -> bool:
        """Whether AWS can change the member."""
        return bool(self.update) and service_models.takes(self.service, self.update).at(*path) is not None

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

NO_KEYS: Final[Mapping[str, str]] = {}


def merged(under: Any, over: Any, keys: Mapping[str, str] = NO_KEYS, name: str = "") -> Any:
    """`over` laid over `under`: structures merge, and so do lists whose items have a key; None removes."""
    if isinstance(under, Mapping) and isinstance(over, Mapping):
        found = dict(under)
        for key, value in over.items():
            if value is None:
                found.pop(key, None)
            else:
                found[key] = merged(found.get(key), value, keys, key)
        return found
    if isinstance(under, Sequence) and isinstance(over, Sequence) and name in keys:
        items = {_key(item, keys[name]): item for item in under}
        for item in over:
            items[_key(item, keys[name])] = merged(items.get(_key(item, keys[name])), item, keys)
        return list(items.values())
    return without_none(over)


def _key(item: Any, key: str) -> Any:
    found = item.get(key) if isinstance(item, Mapping) else item
    return repr(item) if found is None else found


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
