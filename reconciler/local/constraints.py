"""The limits that AWS's own service models state: required members, minima, maxima, enums and patterns.

botocore checks required members and some minima before it sends; AWS checks them all when it receives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from botocore.model import Shape

from reconciler.local.refusal import Refusal

FOREIGN = re.compile(r"\\p|\\u")
"""What Java's patterns have and Python's lack or read otherwise: such a pattern is not checked."""

WORDED_BY_THE_SERVICE = frozenset({"DeploymentLifecycleHookTargetType"})
"""Enums whose violation has words of its own (ECS developer guide, "Invalid targetType for lifecycle hook")."""


def check(shape: Shape | None, params: dict[str, Any], code: str) -> None:
    """Raise `code` with every violation, in the words that AWS's request validation has for them."""
    if shape is None:
        return
    found = list(violations(shape, params, ""))
    if found:
        noun = "error" if len(found) == 1 else "errors"
        raise Refusal(code, f"{len(found)} validation {noun} detected: " + "; ".join(found))


def violations(shape: Shape, value: Any, path: str) -> Iterator[str]:
    kind = shape.type_name
    if kind == "structure":
        for name, member in shape.members.items():  # type: ignore[attr-defined]  # StructureShape, as type_name says
            where = f"{path}.{_lower(name)}" if path else _lower(name)
            if value.get(name) is None:
                if name in shape.required_members:
                    yield f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
            else:
                yield from violations(member, value[name], where)
        return
    if kind == "list":
        yield from _bounds(shape, len(value), value, path, "length")
        for index, item in enumerate(value):
            yield from violations(shape.member, item, f"{path}.{index + 1}.member")  # type: ignore[attr-defined]  # ListShape
        return
    if kind in ("integer", "long", "double", "float"):
        yield from _bounds(shape, value, value, path, "value")
        return
    if kind != "string":
        return
    yield from _bounds(shape, len(value), value, path, "length")
    enum = shape.metadata.get("enum")
    if enum and value not in enum and shape.name not in WORDED_BY_THE_SERVICE:
        yield _violation(value, path, f"Member must satisfy enum value set: [{', '.join(enum)}]")
    pattern = shape.metadata.get("pattern", "")
    if pattern and not FOREIGN.search(pattern) and not re.fullmatch(pattern, value):
        yield _violation(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _bounds(shape: Shape, measure: float, value: Any, path: str, what: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and measure < low:
        yield _violation(value, path, f"Member must have {what} greater than or equal to {low}")
    if high is not None and measure > high:
        yield _violation(value, path, f"Member must have {what} less than or equal to {high}")


def _violation(value: Any, path: str, what: str) -> str:
    return f"Value '{value}' at '{path}' failed to satisfy constraint: {what}"


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]
