"""Documents that the checks of the specs accept: what they find in a document corrects what is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from reconciler import errors
from reconciler.importing.documents import Imported, imported
from reconciler.importing.inventory import Inventory
from reconciler.importing.workloads import Corrections
from reconciler.spec import discovery
from reconciler.spec.diagnostics import Diagnostic, Severity
from reconciler.spec.load import load_sources
from reconciler.spec.specs import Specs

WIDE: Final = frozenset({"E7004", "E7005", "E7008", "E7010"})
"""Rules about what a role allows, to which its document can consent."""


def loaded(files: Mapping[str, str]) -> Specs:
    """The specs of `files`, texts by path."""
    return load_sources([discovery.Source(path, path, text.encode()) for path, text in sorted(files.items())])


def valid_documents(inventory: Inventory, stack: str, own: frozenset[str]) -> Imported:
    """The documents. A service or a scheduled task whose document would be invalid is left out, and anything else is
    then referred to.

    Raises `errors.ReconcilerError` if none is left.
    """
    corrections = Corrections()
    while True:
        found = imported(inventory, stack, own, corrections)
        if not (found.services or found.tasks):
            reasons = "".join(f"\n  {name}: {why}" for name, why in found.refused)
            raise errors.ReconcilerError(f"nothing can be imported{reasons}" if reasons else "there are no services")
        if found.impossible:
            corrections = replace(corrections, services={**found.impossible, **corrections.services})
            continue
        specs = loaded(found.files)
        if specs.ok:
            return found
        wrong = [one for one in specs.diagnostics if one.severity is Severity.ERROR]
        corrected = corrections
        for one in wrong:
            corrected = _corrected(corrected, found, one)
        if corrected == corrections:
            raise errors.SpecInvalid("; ".join(str(one) for one in wrong[:5]))
        corrections = corrected


def _corrected(corrections: Corrections, found: Imported, wrong: Diagnostic) -> Corrections:
    path = wrong.position.file
    lines = found.files.get(path, "").split("\n")[: wrong.position.line - 1]
    ids = found.sources.get(path, ())
    id = ids[lines.count("---")] if ids else ""
    why = f"{wrong.rule}: {wrong.message}"
    if not id:
        return corrections
    if any(one.id == id for one in (*found.services, *found.tasks)):
        return replace(corrections, services={id: why, **corrections.services})
    if wrong.rule in WIDE and id not in corrections.wildcards:
        return replace(corrections, wildcards=corrections.wildcards | {id})
    return replace(corrections, referred={id: f"its document would not be valid: {why}", **corrections.referred})
