"""Values as text: ids as addresses, digests shortened, secrets redacted."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from reconciler.model import input_version
from reconciler.model.diff import ABSENT, Change
from reconciler.model.resource import Address, Ref

AFTER_APPLY = "(known after apply)"
SENSITIVE = "(sensitive)"
LONGEST = 160
CONTEXT = 40

_MADE_BY_AWS = re.compile(r"arn:.+|[a-z]+-[0-9a-f]{8,17}|Z[A-Z0-9]{7,31}")
"""Ids that stand for nothing but a resource. Others are names, which any text may happen to be."""
_DIGEST = re.compile(r"sha256:([0-9a-f]{6})[0-9a-f]{58}")


def show(value: Any, names: Mapping[str, Address]) -> str:
    """One value on one line."""
    text = _text(value, names)
    text = _DIGEST.sub(r"sha256:\1…", " ".join(text.split()))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _text(value: Any, names: Mapping[str, Address]) -> str:
    match value:
        case Ref(address):
            return f"{address} {AFTER_APPLY}"
        case str():
            if ":task-definition/" in value:
                return value.rpartition("/")[2]
            if (known := _named(value, names)) is not None:
                return str(known)
            return value if value in (ABSENT, SENSITIVE) or _plain(value) else json.dumps(value, ensure_ascii=False)
        case bool():
            return "true" if value else "false"
        case Mapping():
            inner = ", ".join(f"{_key(key, names)}: {_text(item, names)}" for key, item in value.items())
            return "{" + inner + "}"
        case tuple() | list():
            return "[" + ", ".join(_text(item, names) for item in value) + "]"
        case _:
            return str(value)


def path(change: Change, names: Mapping[str, Address]) -> str:
    return ".".join(_key(step, names) for step in change.path)


def _key(step: Any, names: Mapping[str, Address]) -> str:
    """A step of a path; items of sets may contain ids, too: `tcp 80 from sg-…`."""
    text = str(step)
    if (address := _named(text, names)) is not None:
        return str(address)
    head, space, tail = text.rpartition(" ")
    address = _named(tail, names)
    return f"{head} {address}" if space and address is not None else text


def _named(text: str, names: Mapping[str, Address]) -> Address | None:
    return names.get(text) if _MADE_BY_AWS.fullmatch(text) else None


def _plain(text: str) -> bool:
    return bool(text) and not re.search(r"[\s\"'{}\[\],]", text) and text.isprintable()


def sides(change: Change, names: Mapping[str, Address]) -> tuple[str | None, str | None]:
    """The old and the new value as text; None for an absent one."""
    if versions := _versions(change):
        return versions
    if change.secret:
        return SENSITIVE, SENSITIVE
    old = None if change.old is ABSENT else show(change.old, names)
    new = None if change.new is ABSENT else show(change.new, names)
    if old != new:
        return old, f"{new} ({change.origin})" if change.origin else new
    known = names if _text(change.old, names) != _text(change.new, names) else {}
    return _apart(_text(change.old, known), _text(change.new, known))


def _versions(change: Change) -> tuple[str, str] | None:
    """Of two references to the same secret, parameter or file nothing but the versions."""
    if not isinstance(change.old, str) or not isinstance(change.new, str) or not change.origin:
        return None
    old, new = input_version.read(change.old), input_version.read(change.new)
    return (_version(old), _version(new)) if new.names(old) else None


def _version(one: input_version.Input) -> str:
    if not one.version:
        return "the latest version"
    return f"version {one.version if one.pinned else one.short}{' (pinned)' if one.pinned else ''}"


def _apart(old: str, new: str) -> tuple[str, str]:
    """Both from shortly before the place where they differ, which is beyond what is usually shown."""
    same = next((at for at, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    start = max(0, same - CONTEXT)
    cut = (f"{'…' if start else ''}{text[start : start + LONGEST]}" for text in (old, new))
    before, after = (
        text + ("…" if len(whole) > start + LONGEST else "") for text, whole in zip(cut, (old, new), strict=True)
    )
    return before, after


def change_text(change: Change, names: Mapping[str, Address], arrow: str) -> str:
    """`path old → new` on one line."""
    old, new = (str(ABSENT) if side is None else side for side in sides(change, names))
    return f"{path(change, names)} {old} {arrow} {new}"


def flat(value: Any, prefix: str = "") -> list[tuple[str, Any]]:
    """A nested declaration as rows of path and value."""
    if isinstance(value, Mapping):
        rows: list[tuple[str, Any]] = []
        for key, item in value.items():
            rows += flat(item, f"{prefix}.{key}" if prefix else str(key))
        return rows
    return [] if value in ("", [], None) else [(prefix, value)]
