"""Event patterns: whether an event is one that a rule asks for. Pure.

A pattern has the structure of the events that it matches. Its leaves are lists of which one item must match: a literal,
or a filter such as `{"prefix": "prod-"}`. Fields are joined by and, `$or` joins alternatives. An array in the event
matches if one of its elements does; of an array of objects, one object has to match with all its fields.

Source: EventBridge User Guide, "Creating event patterns" and "Comparison operators".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

import orjson

Pattern = Mapping[str, Any]

MISSING: Final = object()
"""The value of a field that the event has not."""
LARGEST_NUMBER: Final = 5_000_000_000
COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


class InvalidPattern(ValueError):
    """EventBridge refuses the pattern; the text is the reason that it gives."""


# ---- reading --------------------------------------------------------------------------------------------------------


def parse(text: str) -> Pattern:
    """Raises `InvalidPattern` for what EventBridge would not take."""
    try:
        pattern = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidPattern(f"Filter is not valid JSON: {error}") from error
    if not isinstance(pattern, dict):
        raise InvalidPattern("Filter is not an object")
    _check_object(pattern)
    return pattern


def _check_object(pattern: Pattern) -> None:
    if not pattern:
        raise InvalidPattern("Empty objects are not allowed")
    for name, value in pattern.items():
        if name == "$or" and is_or(value):
            for alternative in value:
                _check_object(alternative)
        elif isinstance(value, Mapping):
            _check_object(value)
        elif not isinstance(value, list):
            raise InvalidPattern(f'"{name}" must be an object or an array')
        elif not value:
            raise InvalidPattern("Empty arrays are not allowed")
        else:
            for item in value:
                _check_item(item)


def is_or(value: Any) -> bool:
    """Whether `$or` stands for alternatives and not for a field of that name."""
    several = isinstance(value, list) and len(value) >= 2
    return several and all(isinstance(one, Mapping) and not one.keys() & FILTERS.keys() for one in value)


def _check_item(item: Any) -> None:
    if isinstance(item, list):
        raise InvalidPattern("Match value must be String, number, true, false, or null")
    if isinstance(item, Mapping):
        if len(item) != 1:
            raise InvalidPattern("Only one key allowed in match expression")
        ((name, argument),) = item.items()
        if name not in FILTERS:
            raise InvalidPattern(f"Unrecognized match type {name}")
        FILTERS[name][0](argument)


# ---- matching -------------------------------------------------------------------------------------------------------


def matches(pattern: Pattern, event: Any) -> bool:
    """Whether the event, or one of the events in a list of them, has what the pattern asks for."""
    if isinstance(event, list):
        return any(matches(pattern, one) for one in event)
    fields: Mapping[str, Any] = event if isinstance(event, Mapping) else {}
    for name, wanted in pattern.items():
        if name == "$or" and is_or(wanted):
            if not any(matches(alternative, fields) for alternative in wanted):
                return False
        elif isinstance(wanted, Mapping):
            if not matches(wanted, fields.get(name)):
                return False
        elif not _leaf(wanted, fields.get(name, MISSING)):
            return False
    return True


def _leaf(wanted: list[Any], value: Any) -> bool:
    values = list(_scalars(value))
    return any(_item(one, other) for one in wanted for other in values)


def _scalars(value: Any) -> Iterator[Any]:
    """The values of a field; an object is not a leaf, so that the field is missing like that of an empty array."""
    if isinstance(value, list):
        found = [one for item in value for one in _scalars(item) if one is not MISSING]
        yield from found or [MISSING]
    else:
        yield MISSING if isinstance(value, Mapping) else value


def _item(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, Mapping):
        ((name, argument),) = wanted.items()
        return FILTERS[name][1](argument, value)
    return value is not MISSING and _same(wanted, value)


def _same(wanted: Any, value: Any) -> bool:
    """As they are written: 300 and 300.0 are different, and so are 1 and true."""
    return type(wanted) is type(value) and bool(wanted == value)


# ---- filters --------------------------------------------------------------------------------------------------------


def _texts(argument: Any) -> list[str]:
    return argument if isinstance(argument, list) else [argument]


def _check_text(name: str) -> Callable[[Any], None]:
    def check(argument: Any) -> None:
        if isinstance(argument, Mapping) and name in ("prefix", "suffix"):
            if list(argument) != ["equals-ignore-case"] or not isinstance(argument["equals-ignore-case"], str):
                raise InvalidPattern(f"Unsupported {name} pattern")
        elif not isinstance(argument, str):
            raise InvalidPattern(f"{name} match pattern must be a string")

    return check


def _prefix(argument: Any, value: Any) -> bool:
    if isinstance(argument, Mapping):
        folded = argument["equals-ignore-case"].lower()
        return isinstance(value, str) and value.lower().startswith(folded)
    return isinstance(value, str) and value.startswith(argument)


def _suffix(argument: Any, value: Any) -> bool:
    if isinstance(argument, Mapping):
        folded = argument["equals-ignore-case"].lower()
        return isinstance(value, str) and value.lower().endswith(folded)
    return isinstance(value, str) and value.endswith(argument)


def _ignore_case(argument: str, value: Any) -> bool:
    return isinstance(value, str) and value.lower() == argument.lower()


def _check_wildcard(argument: Any) -> None:
    if not isinstance(argument, str):
        raise InvalidPattern("wildcard match pattern must be a string")
    _wildcard_expression(argument)


@lru_cache(maxsize=1024)
def _wildcard_expression(text: str) -> re.Pattern[str]:
    """`*` is any text; `\\*` and `\\\\` are the characters themselves."""
    parts: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            escaped = text[position + 1 : position + 2]
            if escaped not in ("*", "\\"):
                raise InvalidPattern(f"Invalid escape character at pos {position}")
            parts.append(re.escape(escaped))
            position += 1
        elif character == "*":
            if parts[-1:] == [".*"]:
                raise InvalidPattern(f"Consecutive wildcard characters at pos {position - 1}")
            parts.append(".*")
        else:
            parts.append(re.escape(character))
        position += 1
    return re.compile("".join(parts), re.DOTALL)


def _wildcard(argument: str, value: Any) -> bool:
    return isinstance(value, str) and _wildcard_expression(argument).fullmatch(value) is not None


def _check_exists(argument: Any) -> None:
    if not isinstance(argument, bool):
        raise InvalidPattern("exists match pattern must be either true or false.")


def _exists(argument: bool, value: Any) -> bool:
    return (value is not MISSING) is argument


def _check_numeric(argument: Any) -> None:
    if not isinstance(argument, list):
        raise InvalidPattern("Invalid numeric match: an array is expected")
    operators, bounds = argument[::2], argument[1::2]
    for operator in operators:
        if not isinstance(operator, str) or operator not in COMPARISONS:
            raise InvalidPattern(f"Unrecognized numeric range operator: {operator}")
    for bound in bounds:
        if isinstance(bound, bool) or not isinstance(bound, int | float):
            raise InvalidPattern("Value of numeric match must be numeric")
        if abs(bound) > LARGEST_NUMBER:
            raise InvalidPattern(f"Value must be between -{LARGEST_NUMBER} and {LARGEST_NUMBER}, inclusive")
    if len(operators) != len(bounds) or not 1 <= len(operators) <= 2:
        raise InvalidPattern("Too few or too many terms in numeric range expression")
    if len(operators) == 2 and not (
        operators[0] in (">", ">=") and operators[1] in ("<", "<=") and bounds[0] < bounds[1]
    ):
        raise InvalidPattern("Bottom must be less than top")


def _numeric(argument: list[Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    pairs = zip(argument[::2], argument[1::2], strict=True)
    return all(COMPARISONS[operator](value, bound) for operator, bound in pairs)


def _check_cidr(argument: Any) -> None:
    malformed = InvalidPattern(f"Malformed CIDR, one '/' required: {argument}")
    if not isinstance(argument, str) or "/" not in argument:
        raise malformed
    try:
        ipaddress.ip_network(argument, strict=False)
    except ValueError as error:
        raise malformed from error


def _cidr(argument: str, value: Any) -> bool:
    try:
        return isinstance(value, str) and ipaddress.ip_address(value) in ipaddress.ip_network(argument, strict=False)
    except ValueError:
        return False


def _check_anything_but(argument: Any) -> None:
    if isinstance(argument, Mapping):
        if len(argument) != 1:
            raise InvalidPattern("Only one key allowed in match expression")
        ((name, inner),) = argument.items()
        if name not in NEGATED:
            raise InvalidPattern(f"Unsupported anything-but pattern: {name}")
        if not _texts(inner):
            raise InvalidPattern("Empty arrays are not allowed")
        for one in _texts(inner):
            if name in ("prefix", "suffix") and one == "":
                raise InvalidPattern(f"Null {name} not allowed")
            FILTERS[name][0](one)
        return
    items = _texts(argument)
    if not items:
        raise InvalidPattern("Empty arrays are not allowed")
    texts = [isinstance(one, str) for one in items]
    numbers = [isinstance(one, int | float) and not isinstance(one, bool) for one in items]
    if not all(texts) and not all(numbers):
        raise InvalidPattern("Inside anything but list, start|null|boolean is not supported.")


def _anything_but(argument: Any, value: Any) -> bool:
    if value is MISSING:
        return False
    if isinstance(argument, Mapping):
        ((name, inner),) = argument.items()
        return not any(FILTERS[name][1](one, value) for one in _texts(inner))
    return not any(_same(one, value) for one in _texts(argument))


NEGATED: Final = frozenset({"prefix", "suffix", "wildcard", "equals-ignore-case"})
"""The filters that `anything-but` may hold."""
FILTERS: Final[Mapping[str, tuple[Callable[[Any], None], Callable[[Any, Any], bool]]]] = {
    "prefix": (_check_text("prefix"), _prefix),
    "suffix": (_check_text("suffix"), _suffix),
    "equals-ignore-case": (_check_text("equals-ignore-case"), _ignore_case),
    "wildcard": (_check_wildcard, _wildcard),
    "anything-but": (_check_anything_but, _anything_but),
    "exists": (_check_exists, _exists),
    "numeric": (_check_numeric, _numeric),
    "cidr": (_check_cidr, _cidr),
}
"""Each filter: a check of its argument, and whether a value passes."""
