"""Value types of documents: text, numbers, durations, addresses, names.

Each accepts what the loader passes (`Written` scalars, see scalar.py) and what Python code passes, and refuses
everything else with a message of its own. The pydantic type of an error is the rule id; its context may carry a `hint`
and `at`, the path below the failing value to point to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time, timedelta
from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from reconciler.model import duration
from reconciler.spec.messages import described, shown
from reconciler.spec.scalar import Written

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_FORMER_TRUTHS = {"yes": True, "on": True, "y": True, "no": False, "off": False, "n": False}


def problem(rule: str, message: str, *, hint: str = "", at: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """An error with its own message; braces in user input are not read as a template."""
    return PydanticCustomError(rule, "{message}", {"message": message, "hint": hint, "at": at})


def text(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | int | float):
        raise problem("E1105", f"expected text, found {described(value)}", hint="put it in quotes")
    raise problem("E1105", f"expected text, found {described(value)}")


def line(value: Any) -> str:
    found = text(value)
    if "\n" in found or "\t" in found:
        what = "a line break" if "\n" in found else "a tab"
        raise problem("E1022", f"expected one line of text, found {what} in it", hint="write it on one line, in quotes")
    return found


def whole(value: Any) -> int:
    if isinstance(value, Written):
        if value.ambiguous:
            unquoted = str(int(value)) if len(value) < 19 else "no leading zero"
            raise problem(
                "E1110",
                f"{shown(value)} is 12 in one YAML version and 10 in another"
                if value == "012"
                else f"a number with a leading zero, {shown(value)}, is read differently by YAML 1.1 and 1.2",
                hint=f"write {unquoted}, or quote it if you mean text",
            )
        value = value.value
        if value is None:
            raise problem("E1106", "the number is too large")
    if isinstance(value, bool) or not isinstance(value, int):
        if isinstance(value, float):
            raise problem("E1105", "expected a whole number")
        raise problem("E1105", f"expected a whole number, found {described(value)}", hint=_unquoted(value))
    return value


def flag(value: Any) -> bool:
    if isinstance(value, Written) and isinstance(value.value, bool):
        return value.value
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _FORMER_TRUTHS:
        meant = str(_FORMER_TRUTHS[value.lower()]).lower()
        raise problem(
            "E1111", f"{shown(value)} is text in YAML 1.2; this field is true or false", hint=f"write {meant}"
        )
    hint = f"write {value.lower()} without quotes" if str(value).lower() in ("true", "false") else ""
    raise problem("E1105", f"expected true or false, found {described(value)}", hint=hint)


def _unquoted(value: object) -> str:
    return "remove the quotes" if isinstance(value, str) and re.fullmatch(r"[1-9]\d{0,17}|0", value, re.ASCII) else ""


def percent(value: Any) -> float:
    """`0.5%`; a plain 0.5 could be a half or half a percent."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return float(value)
    match = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?)%", value, re.ASCII) if isinstance(value, str) else None
    if match is None:
        hint = f"write {value}%" if isinstance(value, Written) and isinstance(value.value, int | float) else ""
        raise problem("E1108", "expected a percentage such as 0.5%", hint=hint)
    return float(match[1])


def number(value: Any) -> float:
    plain = value.value if isinstance(value, Written) else value
    if isinstance(plain, bool) or not isinstance(plain, int | float):
        raise problem("E1105", f"expected a number, found {described(value)}")
    return float(plain)


def _duration(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, Written) and isinstance(value.value, int) and not isinstance(value.value, bool):
        raise problem("E1108", f"a duration needs a unit: {value}s, {value}m or {value}h?")
    try:
        if isinstance(value, str):
            return duration.parse(value)
    except ValueError:
        pass
    found = shown(value) if isinstance(value, str) else described(value)
    raise problem("E1108", f"expected a duration such as 90s, 15m, 2h or 1h30m, found {found}")


def clock(value: Any) -> time:
    if isinstance(value, time):
        return value
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise problem("E1109", "expected a time of day such as 09:00")
    return time(int(match[1]), int(match[2]))


def cidr(value: Any) -> IPv4Network:
    found = any_cidr(value)
    if not isinstance(found, IPv4Network):
        raise problem(
            "E3001", f"{shown(value)} is an IPv6 range; networks and subnets take an IPv4 range such as 10.0.0.0/20"
        )
    return found


def any_cidr(value: Any) -> IPv4Network | IPv6Network:
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    written = text(value)
    if len(written) > 64 or "%" in written:
        raise problem("E3001", f"{shown(written)} is not a CIDR range such as 10.0.0.0/20")
    try:
        loose = ip_network(written, strict=False)
    except ValueError:
        raise problem("E3001", f"{shown(written)} is not a CIDR range such as 10.0.0.0/20") from None
    prefix = written.partition("/")[2]
    if not prefix:
        raise problem("E3001", f"{shown(written)} has no prefix length", hint=f"write {loose}")
    if not (prefix.isascii() and prefix.isdigit()):
        raise problem("E3001", f"{shown(written)} is not a CIDR range", hint=f"write {loose}")
    try:
        return ip_network(written)
    except ValueError:
        raise problem("E3002", f"{shown(written)} has bits set beyond its prefix", hint=f"write {loose}") from None


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def no_repeats(values: tuple[Any, ...]) -> tuple[Any, ...]:
    seen = set()
    for index, value in enumerate(values):
        if value in seen:
            raise problem("E1113", f"{shown(value)} is listed twice", at=(index,))
        seen.add(value)
    return values


def lasting(shortest: str, longest: str) -> AfterValidator:
    """A duration between two limits, both included."""
    low, high = duration.parse(shortest), duration.parse(longest)

    def check(value: timedelta) -> timedelta:
        if not low <= value <= high:
            raise problem("E1106", f"{duration.format(value)} is outside the limits, {shortest} to {longest}")
        return value

    check.limits = f"{shortest} to {longest}"  # type: ignore[attr-defined]  # for the reference
    return AfterValidator(check)


@dataclass(frozen=True)
class NameRule:
    """A check of a name that AWS accepts: its characters as a pattern, its length, and the rule in words."""

    pattern: str
    longest: int
    rule: str
    shortest: int = 1

    def __call__(self, value: str) -> str:
        if not self.shortest <= len(value) <= self.longest:
            several = self.shortest < self.longest
            allowed = f"{self.shortest} to {self.longest} are allowed" if several else f"{self.longest} are needed"
            raise problem("E1109", f"{shown(value)} has {len(value)} characters; {allowed}")
        if not self.fits(value):
            raise problem("E1109", f"{shown(value)} is not allowed here: {self.rule}")
        return value

    def fits(self, value: str) -> bool:
        """Whether AWS takes its characters, whatever its length."""
        return self._compiled.fullmatch(value) is not None

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern, re.ASCII)


def matching(pattern: str, longest: int, rule: str, shortest: int = 1) -> tuple[Any, ...]:
    """The metadata of a name field: `Annotated[str, *matching(...)]`."""
    schema = {"type": ["string", "number"], "pattern": f"^(?:{pattern})$", "minLength": shortest, "maxLength": longest}
    return BeforeValidator(line), AfterValidator(NameRule(pattern, longest, rule, shortest)), WithJsonSchema(schema)


_SCALAR = {"type": ["string", "number", "boolean"]}
_DURATION_SCHEMA = {"type": "string", "pattern": r"^(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$", "examples": ["90s", "2h"]}


def one_or_many(item: Any) -> BeforeValidator:
    """A list of `item` that may be written as its only one, which is text."""
    return BeforeValidator(_one_or_many, json_schema_input_type=item | tuple[item, ...])


ONE_OR_MANY = one_or_many(str)
"""A list that may be written as its only item."""

Text: TypeAlias = Annotated[str, BeforeValidator(text), WithJsonSchema(_SCALAR)]
"""Any text, such as a command or a script: line breaks and tabs are part of it."""
Line: TypeAlias = Annotated[str, BeforeValidator(line), WithJsonSchema(_SCALAR)]
Words: TypeAlias = Annotated[
    str,
    BeforeValidator(line),
    StringConstraints(min_length=1, max_length=1024),
    WithJsonSchema({**_SCALAR, "minLength": 1, "maxLength": 1024}),
]
"""Text that is not empty and goes to AWS as one field."""
Whole: TypeAlias = Annotated[int, BeforeValidator(whole)]
Number: TypeAlias = Annotated[float, BeforeValidator(number)]
Flag: TypeAlias = Annotated[bool, BeforeValidator(flag)]
Percent: TypeAlias = Annotated[
    float, BeforeValidator(percent), WithJsonSchema({"type": "string", "pattern": r"^\d{1,3}(\.\d{1,6})?%$"})
]
Duration: TypeAlias = Annotated[timedelta, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
Clock: TypeAlias = Annotated[
    time, BeforeValidator(clock), WithJsonSchema({"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d$"})
]
Cidr: TypeAlias = Annotated[
    IPv4Network, BeforeValidator(cidr), PlainSerializer(str), WithJsonSchema({"type": "string", "format": "cidr"})
]
AnyCidr: TypeAlias = Annotated[
    IPv4Network | IPv6Network,
    BeforeValidator(any_cidr),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "format": "cidr"}),
]
Port: TypeAlias = Annotated[int, BeforeValidator(whole), Field(ge=1, le=65535)]
KmsKey: TypeAlias = Annotated[
    str,
    *matching(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key/[A-Za-z0-9-]+", 2048, "the ARN of a KMS key, not of an alias"),
]
Reference: TypeAlias = Annotated[str, BeforeValidator(line), StringConstraints(min_length=1, max_length=2048)]
"""The name of another document or a part of one; an AWS id or ARN for a resource outside the specs."""
Architecture = Literal["X86_64", "ARM64"]
Many: TypeAlias = Annotated[
    tuple[Reference, ...], AfterValidator(no_repeats), WithJsonSchema({"type": "array", "items": {"type": "string"}})
]


def literal(value: str, *prefixes: str) -> bool:
    """Whether a reference is an AWS id or ARN instead of a name."""
    return value.startswith(prefixes)
