"""Check that there is a Stack, which names the owner and the region of everything."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.node import Position
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    if specs.documents and specs.stack is None and "Stack" not in specs.broken:
        place = Position(specs.files[0], 1, 1, 2)
        yield Diagnostic("E1114", "no Stack document found", place, hint="add one: {kind: Stack, name: …, region: …}")
