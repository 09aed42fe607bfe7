"""Variables of a service of a Compose file: those with a value, secrets, and those whose value is elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from reconciler.model import secrecy
from reconciler.printable import hidden
from reconciler.scaffold.compose_values import interpolated
from reconciler.scaffold.containers import reads_variable
from reconciler.scaffold.findings import Findings
from reconciler.spec.messages import shown
from reconciler.spec.node import Node, Scalar, Sequence

_TYPICAL: Final = "k3Vt9qLw2ZpX"
"""A value that under the name of a secret is one."""
_PASSWORD_IN_URL: Final = re.compile(r"://[^/@\s]*:[^/@\s]*@")


@dataclass(slots=True)
class Environment:
    clear: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """The shell or a file has their values."""


def read_environment(findings: Findings, node: Node) -> Environment:
    """A mapping, or a list of NAME=value. Problems are added to `findings`."""
    found = Environment()
    for name, text, place in _variables(findings, node):
        value = None if text is None else interpolated(text)
        if not reads_variable(name):
            findings.add(place, f"{shown(name)} is not the name of a variable")
        elif value is not None and any(hidden(one) for one in value if one not in "\n\t"):
            findings.add(place, f"the value of {shown(name)} contains invisible characters")
        elif _is_secret(name, text or "", value):
            found.secrets.append(name)
        elif value is None:
            found.unknown.append(name)
        else:
            found.clear[name] = value
    return found


def _variables(findings: Findings, node: Node) -> Iterator[tuple[str, str | None, Node]]:
    """Name, value and place; no value for a variable of the shell."""
    if isinstance(node, Sequence):
        for item in node.items:
            name, sign, value = findings.text(item, "environment").partition("=")
            yield name, value if sign else None, item
        return
    for name, entry in findings.mapping(node, "environment").items():
        empty = isinstance(entry.value, Scalar) and entry.value.value is None
        yield name, None if empty else findings.text(entry.value, name), entry.value


def _is_secret(name: str, written: str, value: str | None) -> bool:
    """Whether a variable holds a secret. Where its value comes from the shell, its name and what is round it tell."""
    if value is not None:
        return secrecy.looks_secret(name, value)
    return secrecy.looks_secret(name, _TYPICAL) or _PASSWORD_IN_URL.search(written) is not None
