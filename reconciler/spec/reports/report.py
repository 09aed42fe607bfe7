"""Input of a report."""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.spec.diagnostics import Diagnostic, Severity
from reconciler.spec.messages import counted
from reconciler.spec.specs import Specs


@dataclass(frozen=True, slots=True)
class Report:
    """The findings of one run over `files`; `seconds` is how long it took, where somebody measured."""

    diagnostics: tuple[Diagnostic, ...]
    files: tuple[str, ...] = ()
    documents: int = 0
    seconds: float | None = None

    @property
    def errors(self) -> int:
        return sum(found.severity is Severity.ERROR for found in self.diagnostics)

    @property
    def warnings(self) -> int:
        return len(self.diagnostics) - self.errors

    @property
    def summary(self) -> str:
        """2 errors in 8 files (0.2 s)."""
        time = f" ({self.seconds:.1f} s)" if self.seconds is not None else ""
        counts = [counted(self.errors, "error")] if self.errors else []
        counts += [counted(self.warnings, "warning")] if self.warnings else []
        if not counts:
            return (
                f"{counted(self.documents, 'document')} in {counted(len(self.files), 'file')}, no problems found{time}."
            )
        return f"{' and '.join(counts)} in {counted(len(self.files), 'file')}{time}."


def report(specs: Specs, *, seconds: float | None = None) -> Report:
    return Report(specs.diagnostics, specs.files, len(specs.documents), seconds)


def sentence(found: Diagnostic) -> str:
    """The finding in one line: message and hint."""
    return "; ".join(part for part in (found.message, found.hint) if part)
