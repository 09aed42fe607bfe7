"""Values of API members: how they merge, and when two say the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str, ...]
Values: TypeAlias = Mapping[str, Any]
"""Members by name, as an API takes them; None for a member that is to be removed."""


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
