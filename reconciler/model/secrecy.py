"""Detection and masking of secrets, by the name of a field or by the form of a value.

What is taken for one is in secret_patterns.yaml.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final

import yaml

_LONGEST_KEPT: Final = 128
"""Characters of a name whose patterns are remembered: the specs repeat names, and values differ."""
_ASSIGNED = re.compile(
    r"""(["']?)([A-Za-z_][A-Za-z0-9_.-]{2,60})\1[ \t]*[:=][ \t]*(?=[^\s{\[|>&*#])"""
    r"""("[^"]*"?|'[^']*'?|(?:\$\{[^}$\s]*\}|[^\s,}\]#])+)""",
    re.ASCII,
)
_HARMLESS = re.compile(
    r"""["']?(?:ssm:|secretsmanager:|arn:|/(?:run|var|etc|mnt|opt|tmp)/|(?:true|false|null|~)?["']{0,2}\s*$"""
    r"""|(?:(?:[^\w$]|_)*\$\{[^}]*(?:\}|$))+(?:[^\w$]|_)*$)""",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """An entry of the table. `entropy` is in bits for each character; what matches `unless` is no secret."""

    name: str
    where: str
    pattern: re.Pattern[str]
    entropy: float = 0.0
    unless: re.Pattern[str] | None = None

    def believes(self, value: str) -> bool:
        """Whether a value whose name or form matched is one."""
        ordinary = self.unless is not None and self.unless.match(value) is not None
        return not ordinary and (not self.entropy or entropy(value) >= self.entropy)

    def masked(self, line: str) -> str:
        def stars(found: re.Match[str]) -> str:
            return "*" * len(found[0]) if self.believes(found[0]) else found[0]

        return self.pattern.sub(stars, line)


@cache
def patterns(where: str) -> tuple[Pattern, ...]:
    """The patterns of names, or of values."""
    text = files(__package__).joinpath("secret_patterns.yaml").read_text(encoding="utf-8")
    table = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return tuple(_pattern(name, **fields) for name, fields in table.items() if fields["where"] == where)


def _pattern(name: str, *, where: str, pattern: str, entropy: float = 0.0, unless: str | None = None) -> Pattern:
    ordinary = None if unless is None else re.compile(unless, re.ASCII)
    return Pattern(name, where, re.compile(pattern, re.ASCII), entropy, ordinary)


def entropy(text: str) -> float:
    """Shannon's, in bits for each character."""
    counts, size = Counter(text), len(text)
    return -sum(count / size * math.log2(count / size) for count in counts.values())


def secret(name: str, value: str) -> bool:
    """Whether a variable of this name and value holds a secret: DB_PASSWORD, API_KEY, but not TOKEN_URL."""
    found = _of_name(name) if len(name) <= _LONGEST_KEPT else _of_name.__wrapped__(name)
    return bool(found) and not harmless(value) and any(one.believes(value) for one in found)


@lru_cache(maxsize=4096)
def _of_name(name: str) -> tuple[Pattern, ...]:
    return tuple(one for one in patterns("name") if one.pattern.search(name) is not None)


def secret_value(text: str) -> bool:
    """Whether a value contains the form of a secret: access keys, private keys, passwords in URLs."""
    return masked_values(text) != text


def looks_secret(name: str, value: str) -> bool:
    """Whether the specs must not hold a variable in clear text."""
    return secret(name, value) or secret_value(value) or sensitive((name,), value)


def sensitive(path: Iterable[str], *values: Any) -> bool:
    """Whether the value at `path` must not be shown: its name is a secret's, or it contains one at any depth."""
    names = tuple(path)
    return any(_holds(value, names) for value in values)


def _holds(value: Any, names: tuple[str, ...]) -> bool:
    match value:
        case str():
            return masked(value) != value or any(secret(name, value) for name in names)
        case Mapping():
            return any(_holds(item, (*names, str(key))) for key, item in value.items())
        case list() | tuple():
            return any(_holds(item, names) for item in value)
        case _:
            return False


def harmless(text: str) -> bool:
    """Whether a value under a secret's name is not one: empty, placeholders `${…}`, a switch, a path, a reference."""
    return _HARMLESS.match(text) is not None


def masked(line: str) -> str:
    """A source line with secrets masked, at the same length."""
    return _ASSIGNED.sub(_starred, masked_values(line))


def masked_values(line: str) -> str:
    for one in patterns("value"):
        line = one.masked(line)
    return line


def _starred(found: re.Match[str]) -> str:
    value = found[3].strip("\"'")
    if not secret(found[2], value):
        return found[0]
    return found[0][: found.start(3) - found.start()] + "*" * len(found[3])
