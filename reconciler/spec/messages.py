"""Formatting of values in messages."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.secrecy import masked_values
from reconciler.spec.scalar import Written

_LOOKED_AT = 1_000
"""Characters of a value that are searched for a secret before it is shortened, when its form is no longer whole."""


def shown(value: object, *, longest: int = 60) -> str:
    """User input for a message: shortened, printable, and without what has the form of a secret."""
    known = masked_values(str(value)[:_LOOKED_AT])
    text = "".join(character if character.isprintable() else "·" for character in known[: longest + 1])
    return f"'{text}'" if len(text) <= longest else f"'{text[: longest - 1]}…'"


def described(value: object) -> str:
    """The YAML type of a value; never the value itself, which may be a secret."""
    match value:
        case None:
            return "nothing"
        case Written(value=bool()) | bool():
            return "true or false"
        case Written() | int() | float():
            return "a number"
        case str():
            return "text"
        case dict():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return "something else"


def joined(values: Iterable[str], word: str = "or") -> str:
    """`a, b or c`."""
    *most, last = list(values) or ["nothing"]
    return f"{', '.join(most)} {word} {last}" if most else last


def counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def raised(quota: str) -> str:
    """The hint for a quota that AWS raised for the account."""
    return f"if AWS raised this quota for your account, set it in the Stack: quotas: {{{quota}: …}}"
