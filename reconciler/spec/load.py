"""Loading of a specs folder: files → text → nodes → environment merged → placeholders → documents → checks.

All problems are reported at once, sorted by position.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from reconciler.spec import adopted_ids, checks, discovery, drift_rules, merge, placeholders, stacks, tag_limits
from reconciler.spec.diagnostics import Diagnostic, Severity, excerpted, in_order
from reconciler.spec.discovery import Source
from reconciler.spec.documents import KINDS, Document, Stack
from reconciler.spec.masking import masked_lines
from reconciler.spec.naming import Naming
from reconciler.spec.node import Mapping, Position, Sequence
from reconciler.spec.parse import Budget, parse
from reconciler.spec.specs import Specs, ordered
from reconciler.spec.validate import validate

MOST_DOCUMENTS = 10_000
MOST_SERVICES = 1_000

__all__ = ["Source", "Specs", "load", "load_sources"]


def load(folder: Path, environment: str | None = None) -> Specs:
    """The specs below `folder`: the base, or one environment laid over it.

    Never raises for what the files say; see `diagnostics`.
    """
    sources, found = discovery.read(folder)
    return load_sources(sources, environment, folder=discovery.shown_folder(folder), found=found)


def load_sources(
    sources: list[Source], environment: str | None = None, *, folder: str = "specs", found: Iterable[Diagnostic] = ()
) -> Specs:
    """The same for files read elsewhere, such as from a git commit; `folder` is how messages call their root."""
    findings = list(found)
    chosen, unknown = discovery.of_environment(sources, environment, folder)
    findings += unknown
    base, partial, broken = _nodes(chosen, findings)
    findings += _too_many((*base, *partial))
    if not findings and not base and not partial:
        findings.append(Diagnostic("E1013", f"no documents in {folder}", Position(folder, 1, 1, 2)))
    bases, nameless, repeated = merge.unique(base)
    partials, nameless_partials, repeated_partials = merge.unique(partial)
    findings += repeated + repeated_partials
    merged = merge.overlay(bases, partials)
    known = discovery.environments(sources)
    roots, unresolved = placeholders.resolved((*merged.values(), *nameless, *nameless_partials), environment, known)
    findings += unresolved
    documents: list[Document] = []
    naming = Naming()
    for root in roots:  # the Stack first
        document, faults = validate(root, naming)
        findings += faults
        if isinstance(document, Stack):
            naming = document.naming
        if document is not None:
            documents.append(document)
        else:
            broken |= {root.text("kind") or ""} & set(KINDS) or set(KINDS)
    nodes = {key: root for root in roots if (key := merge.identity(root)) is not None}
    specs = Specs(
        documents=ordered(documents),
        files=tuple(source.shown for source in chosen),
        environment=environment,
        shares_name=environment is not None and not stacks.has_own_name(bases, partials),
        nodes=nodes,
        broken=frozenset(broken),
    )
    findings += checks.run(specs)
    findings += stacks.check(specs, sources)
    if not any(one.severity is Severity.ERROR for one in findings):
        findings += tag_limits.check(specs)
        findings += adopted_ids.check(specs)
        findings += drift_rules.check(specs)
    return replace(specs, diagnostics=_finished(findings, sources))


def _nodes(sources: list[Source], findings: list[Diagnostic]) -> tuple[list[Mapping], list[Mapping], set[str]]:
    """The documents of the base and of the environment; and which kinds may have documents that could not be read."""
    base: list[Mapping] = []
    partial: list[Mapping] = []
    broken: set[str] = set()
    budget = Budget()
    for source in sources:
        text, faults = discovery.decode(source)
        read, unread = ([], []) if faults else parse(text, source.shown, budget)
        if faults or unread:
            findings += faults + unread
            broken |= set(KINDS)
        for root in read:
            if isinstance(root, Mapping):
                (base if source.environment is None else partial).append(root)
            else:
                what = "a list" if isinstance(root, Sequence) else "text"
                findings.append(
                    Diagnostic("E1015", f"a document is a mapping with kind and name, not {what}", root.position)
                )
    return base, partial, broken


def _too_many(roots: tuple[Mapping, ...]) -> Iterator[Diagnostic]:
    """The first document of each sort that exceeds a limit."""
    services = [root for root in roots if root.text("kind") == "Service"]
    for found, most, what in ((roots, MOST_DOCUMENTS, "documents"), (services, MOST_SERVICES, "services")):
        if len(found) > most:
            yield Diagnostic("E1023", f"more than {most:,} {what}", found[most].position)


def _finished(findings: list[Diagnostic], sources: list[Source]) -> tuple[Diagnostic, ...]:
    """In order, at most 500, each with its source line."""
    found = in_order(findings)
    if len(found) > checks.MOST_FINDINGS:
        rest = Diagnostic(
            "E1020", f"only the first {checks.MOST_FINDINGS} findings are shown", found[checks.MOST_FINDINGS].position
        )
        found = (*found[: checks.MOST_FINDINGS], rest)
    data = {source.shown: source.data for source in sources}
    done: list[Diagnostic] = []
    for file, group in groupby(found, key=lambda finding: finding.position.file):
        lines = masked_lines(discovery.lines(data[file])) if file in data else []
        done += [excerpted(finding, lines) for finding in group]
    return tuple(done)
