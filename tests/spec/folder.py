"""Specs made from text: laid over a working folder, or alone."""

from __future__ import annotations

from pathlib import Path

from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.load import Source, Specs, load_sources

BASE = Path(__file__).with_name("base.yaml").read_text(encoding="utf-8")


def lay(text: str) -> Specs:
    """A working folder with `text` laid over it, as an environment's partial documents are."""
    base = Source("base.yaml", "base.yaml", BASE.encode())
    case = Source("environments/case/case.yaml", "case.yaml", text.encode())
    return load_sources([base, case], "case")


def alone(text: str | bytes) -> Specs:
    """A folder with one file."""
    data = text.encode() if isinstance(text, str) else text
    return load_sources([Source("case.yaml", "case.yaml", data)])


def documents(text: str) -> Specs:
    """A folder with a Stack and what `text` says."""
    return alone(text.rstrip("\n") + "\n---\n{kind: Stack, name: my-app, region: us-west-2}\n")


def told(found: Diagnostic) -> str:
    """`E2001 case.yaml 3:10 my-ap-cluster`: the rule, the place, and the text over the carets."""
    at = found.position
    (line,) = [text for number, text in found.excerpt if number == at.line] or [""]
    marked = line[found.caret[0] - 1 : found.caret[1] - 1]
    return f"{found.rule} {at.file} {at.line}:{at.column} {marked}".rstrip()


def rules(specs: Specs) -> set[str]:
    return {found.rule for found in specs.diagnostics}
