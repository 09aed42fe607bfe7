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
"""Maximum number of findings of one check."""


class Check(Protocol):
    """The interface of a check module."""

    def check(self, specs: Specs) -> Iterator[Diagnostic]:
        """The findings of one subject, each with the id of its rule, which names AWS's own rule as its source.

        Documents may refer to others that are missing. It raises nothing, however odd the specs are.
        """


def modules() -> list[Check]:
    """Every check, by the name of its module."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return [import_module(f"{__name__}.{name}") for name in names]


def run(specs: Specs) -> Iterator[Diagnostic]:
    """The findings of all checks, up to MOST_FINDINGS of each."""
    for module in modules():
        yield from islice(module.check(specs), MOST_FINDINGS)
