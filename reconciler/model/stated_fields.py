"""Stated fields: the fields of a document whose default is AWS's own, as a tag of the resource names them.

A field that a document does not state stays as AWS has it, because somebody else may have set it. One that the
document stated before, and does not any more, goes back to AWS's default: the tag tells the one from the other. It is
written after what it speaks of, so that an update that is cut short is repeated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from reconciler.model import ownership
from reconciler.model.resource import Desired, Observed, Path, S


def tag(fields: Iterable[str]) -> dict[str, str]:
    """The tag of a resource whose document states `fields`; none if it states none of them."""
    listed = " ".join(sorted(fields))
    return {ownership.FIELDS: listed} if listed else {}


def restored(want: Desired[S], found: Observed[Any]) -> Desired[S]:
    """`want` with AWS's defaults in place of what its document stated before."""
    before, now = (set(tags.get(ownership.FIELDS, "").split()) for tags in (found.tags, want.tags))
    missing = [want.defaults[field] for field in sorted((before - now) & want.defaults.keys())]
    if not missing:
        return want
    return replace(want, spec=want.spec.model_copy(update=_with(want.spec, missing)))


def _with(spec: S, missing: Iterable[Mapping[Path, Any]]) -> dict[str, dict[str, Any]]:
    """The mappings of a spec, by the name of the field, with the values that are missing in them."""
    found: dict[str, dict[str, Any]] = {}
    for values in missing:
        for (field, key), value in values.items():
            found.setdefault(field, dict(getattr(spec, field) or {})).setdefault(key, value)
    return found
