"""Checks of specs that need no AWS access: one subject per file, found by discovery.

Each module has `check(specs) -> Iterator[Diagnostic]`. It only sees documents that are valid on their own, and does not
report references to a kind in `specs.broken`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from typing import Protocol

from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.specs import Specs

MOST_FINDINGS = 500


class Check(Protocol):
    def check(self, specs: Specs) -> Iterator[Diagnostic]: ...


def modules() -> list[Check]:
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return [import_module(f"{__name__}.{name}") for name in names]


def run(specs: Specs) -> Iterator[Diagnostic]:
    """All findings; of each subject the first 500, which is more than anybody reads."""
    for module in modules():
        yield from islice(module.check(specs), MOST_FINDINGS)
