"""Checks of the API members under `aws:`, by the model of the service."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.members import FIELD
from reconciler.spec import members
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for document in specs.documents:

        def stated(field: str, root: object = document) -> bool:
            for step in field.split("."):
                root = getattr(root, step, None)
            return root is not None

        for path, block in members.blocks(document):
            for fault in members.faults(members.api_of(block), getattr(block, FIELD), stated):
                place = specs.where(document, *path, FIELD, *fault.path, key=fault.key)
                yield Diagnostic(fault.rule, fault.message, place, hint=fault.hint)
