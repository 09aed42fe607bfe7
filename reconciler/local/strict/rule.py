"""What a rule of the strict layer is, and how it reads a flat form."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.local.wire import Response
from reconciler.local.world import World

Form = Mapping[str, Any]
Before = Callable[[World, Form], None]
"""Raises a `Refusal` when AWS would refuse."""
After = Callable[[World, Form, Response], Response | None]
"""Puts right what moto has done; returns another answer, or None for moto's own."""
Rewrite = Callable[[World, dict[str, Any]], dict[str, Any]]
"""The parameters as moto is to see them."""


def listed(form: Form, name: str) -> list[str]:
    """`SubnetId.1`, `SubnetId.2` … as a list."""
    return [str(form[key]) for key in sorted((key for key in form if key.startswith(f"{name}.")), key=_index)]


def _index(key: str) -> int:
    tail = key.rpartition(".")[2]
    return int(tail) if tail.isdigit() else 0


def groups(form: Form, name: str) -> Iterator[dict[str, str]]:
    """`IpPermissions.1.FromPort=…` as one mapping per number, keys relative."""
    found: dict[int, dict[str, str]] = {}
    for key, value in form.items():
        if key.startswith(f"{name}."):
            number, _, rest = key[len(name) + 1 :].partition(".")
            if number.isdigit():
                found.setdefault(int(number), {})[rest] = str(value)
    return iter(found[number] for number in sorted(found))
