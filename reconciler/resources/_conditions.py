"""Conditions of listener rules: which requests a rule takes, and how requests pass from one rule to another. Pure.

A request is taken by the first rule that takes it, whether or not its target group has healthy targets. A rule whose
targets are new therefore takes no requests at first, and one that gives requests up takes them until another one does.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from typing import Any, Final, Protocol

FIELDS: Final = ("paths", "hosts", "methods", "headers", "queries", "sources")
"""Fields of a rule's spec that say which requests it takes. AWS replaces them as a whole."""

NONE_YET: Final[dict[str, Any]] = {
    "paths": (),
    "hosts": ("not-yet.invalid",),
    "methods": (),
    "headers": {},
    "queries": (),
    "sources": (),
}
"""What a rule takes whose targets are not healthy yet. No host has a name that ends so (RFC 2606)."""

MOST: Final = 5
"""Values of one rule, and wildcards in them (ELB User Guide, Quotas)."""


class Conditions(Protocol):
    """None: as AWS has it; empty: requests of any kind."""

    @property
    def paths(self) -> tuple[str, ...] | None: ...
    @property
    def hosts(self) -> tuple[str, ...] | None: ...
    @property
    def methods(self) -> tuple[str, ...] | None: ...
    @property
    def headers(self) -> dict[str, tuple[str, ...]] | None: ...
    @property
    def queries(self) -> tuple[str, ...] | None: ...
    @property
    def sources(self) -> tuple[str, ...] | None: ...


def takes_none(rule: Conditions) -> bool:
    """Whether it was created before its targets were healthy, and has not been changed since."""
    return bool(rule.hosts == NONE_YET["hosts"])


def overlap(one: Conditions, other: Conditions) -> bool:
    """Whether both may take the same request. Headers, parameters and addresses are not looked at."""
    if one.methods and other.methods and not set(one.methods) & set(other.methods):
        return False
    return _shared(one.paths, other.paths) and _shared(one.hosts, other.hosts)


def covers(wide: Conditions, narrow: Conditions) -> bool:
    """Whether `wide` takes all that `narrow` does, as far as their values show."""
    names = [name for name in FIELDS if name != "headers"]
    pairs = [(_given(wide, name), _given(narrow, name)) for name in names]
    for header, values in (wide.headers or {}).items():
        pairs.append((values, (narrow.headers or {}).get(header, ())))
    return all(not more or (bool(less) and set(less) <= set(more)) for more, less in pairs)


def widened(old: Conditions, new: Conditions) -> dict[str, Any] | None:
    """What takes the requests of both; None if no rule can."""
    if covers(new, old):
        return {}
    if (old.headers or {}) != (new.headers or {}):
        return None
    changed = [name for name in FIELDS if name != "headers" and set(_given(old, name)) != set(_given(new, name))]
    if len(changed) != 1 or not all(_given(one, changed[0]) for one in (old, new)):
        return None
    (name,) = changed
    both = tuple(dict.fromkeys((*_given(old, name), *_given(new, name))))
    headers = [value for values in (new.headers or {}).values() for value in values]
    others = [value for field in FIELDS if field not in (name, "headers") for value in _given(new, field)]
    values = (*both, *others, *headers)
    wildcards = sum(value.count("*") + value.count("?") for value in values)
    return {name: both} if max(len(values), wildcards) <= MOST else None


def _given(rule: Conditions, name: str) -> tuple[str, ...]:
    values: tuple[str, ...] | None = getattr(rule, name)
    return values or ()


def _shared(some: Iterable[str] | None, others: Iterable[str] | None) -> bool:
    return not some or not others or any(_both(one, other) for one in some for other in others)


def _both(one: str, other: str) -> bool:
    """Whether a text may match both patterns. Of two with wildcards only what comes before these is compared."""
    first, second = (pattern.replace("[", "[[]") for pattern in (one, other))
    if fnmatch.fnmatchcase(one, second) or fnmatch.fnmatchcase(other, first):
        return True
    starts = [min((pattern.split(mark, 1)[0] for mark in "*?"), key=len) for pattern in (one, other)]
    return (
        one != starts[0] and other != starts[1] and (starts[0].startswith(starts[1]) or starts[1].startswith(starts[0]))
    )
