"""Values as other tools write them, and how they are written here: hints for what is refused anyway."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from reconciler.spec.messages import shown
from reconciler.spec.scalar import Written

_SIZE: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)\s*(k|m|g|t)i?b?", re.IGNORECASE)
_FACTORS: Final = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024 * 1024}
_VCPU: Final = re.compile(r"(\d{0,3}(?:\.\d{1,4})?)\s*(?:vcpus?|cpus?)?", re.IGNORECASE)
_MILLICORES: Final = re.compile(r"(\d{1,6})m")
_UNITS: Final = 1024
"""CPU units of one vCPU."""
_VARIABLE: Final = re.compile(r"\$\{[^}]*\}|\$[A-Za-z_]\w*|\{\{.*\}\}")
_ENTRY: Final = re.compile(r"([A-Za-z_][\w.-]{0,127})=")
_SHOWN: Final = 3


def hint(field: str, value: object) -> str:
    """How a value that the field does not take is written here; "" where it is not known what was meant."""
    text = str(value).strip() if isinstance(value, str | Written | int | float) else ""
    if field in ("memory", "memory_reservation"):
        return _memory(text)
    if field == "cpu":
        return _cpu(text)
    if field in ("environment", "secrets", "labels") and isinstance(value, Sequence) and not isinstance(value, str):
        return _mapping(field, value)
    return _variable(field, text)


def _memory(text: str) -> str:
    match = _SIZE.fullmatch(text)
    size = 0 if match is None else round(float(match[1]) * _FACTORS[match[2].lower()])
    return f"it is in MiB: write {size}" if size else ""


def _cpu(text: str) -> str:
    """Units of a fraction or a number of vCPUs, or of Kubernetes' thousandths."""
    thousandths, cores = _MILLICORES.fullmatch(text), _VCPU.fullmatch(text)
    if thousandths is not None:
        share = int(thousandths[1]) / 1000
    elif cores is not None and cores[1] not in ("", "."):
        share = float(cores[1])
    else:
        return ""
    units = round(share * _UNITS)
    return f"it is in CPU units, 1024 for one vCPU: write {units}" if units else ""


def _mapping(field: str, items: Sequence[object]) -> str:
    """`[A=b]` of Compose, and `[{name: A, value: b}]` of task definitions and Kubernetes. Values may be secrets."""
    names = []
    for item in items:
        if isinstance(item, str) and (entry := _ENTRY.match(item)):
            names.append(entry[1])
        elif isinstance(item, Mapping) and isinstance(item.get("name"), str):
            names.append(str(item["name"]))
    if not names or len(names) < len(items):
        return "write {NAME: value} instead of a list"
    entries = ", ".join(f"{shown(name)[1:-1]}: …" for name in names[:_SHOWN])
    more = ", …" if len(names) > _SHOWN else ""
    return f"write {field}: {{{entries}{more}}}"


def _variable(field: str, text: str) -> str:
    if not _VARIABLE.search(text):
        return ""
    if field == "tag":
        return "specs have no variables; have CI write the tag here, such as with `reconciler set-image`, and commit it"
    return "specs have no variables; write the value, or what differs in a file of environments/NAME"
