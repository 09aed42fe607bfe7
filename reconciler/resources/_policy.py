"""IAM policy documents in canonical form, so that two of them differ only if they have different meanings.

AWS stores documents as they were written, and there are many spellings: one action or a list of one, any order,
`"*"` or `{"AWS": "*"}`, an account's number or its root's ARN, action names in any case. `document` normalizes what can
be rewritten without a visible change; `same` compares the rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import AfterValidator

_LISTS = ("Action", "NotAction", "Resource", "NotResource")
_ROOT = re.compile(r"^arn:[\w-]+:iam::(\d{12}):root$")
_OLDEST = "2008-10-17"  # what a document without a version is taken for (IAM User Guide, Version element)


def document(value: Mapping[str, Any]) -> dict[str, Any]:
    """`value` with every list as a sorted tuple. It may contain references to other resources."""
    given = value.get("Statement", ())
    statements = (given,) if isinstance(given, Mapping) else tuple(given)
    head = {"Id": value["Id"]} if value.get("Id") else {}
    return {"Version": value.get("Version", _OLDEST), **head, "Statement": tuple(map(_statement, statements))}


Document = Annotated[dict[str, Any], AfterValidator(document)]
"""A policy document in a spec."""


def seen_as(found: Any, wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    """The document of a response, a mapping or JSON that may be URL-encoded; `wanted` itself if both mean the same."""
    read = document(_parsed(found))
    return dict(wanted) if wanted is not None and same(read, wanted) else read


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether both allow and deny the same."""
    return _meaning(one) == _meaning(other)


def with_statements(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, Any]:
    """`wanted` with the statements of `present` that it leaves out, so that it allows all that either of them allows.

    A statement that denies something is left out until both have it. What stays has no `Sid`, which may be taken.
    """
    mine, theirs = _by_meaning(wanted), _by_meaning(present)
    kept = [item for meaning, item in mine.items() if item["Effect"] != "Deny" or meaning in theirs]
    more = [item for meaning, item in theirs.items() if meaning not in mine and item["Effect"] != "Deny"]
    if not more and len(kept) == len(mine):
        return dict(wanted)
    bare = ({key: value for key, value in item.items() if key != "Sid"} for item in more)
    return {**wanted, "Statement": (*kept, *bare)}


def _by_meaning(value: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Statements by what they say, whatever they are called."""
    return {
        json.dumps(_told({key: part for key, part in item.items() if key != "Sid"}), sort_keys=True, default=str): item
        for item in value["Statement"]
    }


def text(value: Mapping[str, Any]) -> str:
    """JSON without spaces, which would count towards IAM's size quotas (IAM User Guide, IAM and STS quotas)."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _parsed(found: Any) -> Mapping[str, Any]:
    if isinstance(found, str):
        parsed: Mapping[str, Any] = json.loads(unquote(found) if found.startswith("%") else found)
        return parsed
    assert isinstance(found, Mapping), f"not a policy document: {type(found).__name__}"
    return found


def _statement(value: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for key, item in value.items():
        match key:
            case "Sid" if not item:
                continue
            case "Principal" | "NotPrincipal":
                said[key] = {"AWS": ("*",)} if item == "*" else {who: _sorted(item[who]) for who in sorted(item)}
            case "Condition":
                said[key] = {
                    test: {name: _sorted(values) for name, values in sorted(item[test].items())}
                    for test in sorted(item)
                }
            case _:
                said[key] = _sorted(item) if key in _LISTS else item
    return said


def _sorted(value: Any) -> tuple[Any, ...]:
    """One item or several as a sorted tuple without repeats."""
    items = value if isinstance(value, list | tuple | set | frozenset) else (value,)
    plain = {str(item): item for item in map(_plain, items)}
    return tuple(plain[key] for key in sorted(plain))


def _plain(value: Any) -> Any:
    """IAM stores booleans and numbers in conditions as text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _meaning(value: Mapping[str, Any]) -> tuple[str, list[str]]:
    """Canonical form that ignores the order of statements, the case of actions, and the spelling of an account."""
    said = document(value)
    return said["Version"], sorted(json.dumps(_told(item), sort_keys=True, default=str) for item in said["Statement"])


def _told(statement: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(statement)
    for key in ("Action", "NotAction"):
        if key in result:
            result[key] = sorted({str(action).lower() for action in result[key]})
    for key in ("Principal", "NotPrincipal"):
        if key in result:
            result[key] = {
                who: sorted({_ROOT.sub(r"\1", str(name)) for name in result[key][who]}) for who in result[key]
            }
    return result
