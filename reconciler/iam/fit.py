"""Makes a policy short enough for IAM, in the way that gives away least.

A role's inline policies may have 10,240 characters together. As long as everything fits, every name and every action is
written out. Where it does not, names are folded first (`role/shop-*-execution` for forty of them), then the reads of
each service (`ec2:Describe*`), the ids of statements are left out, and last those that allow actions on the same things
are put together. What is written to is never folded but by the beginning of its name.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from reconciler.iam.statement import EVERYTHING, Statement
from reconciler.iam.statements import document

LARGEST: Final = 10_240
"""Characters of all inline policies of a role, white space aside (IAM User Guide, IAM and AWS STS quotas)."""

FEW: Final = 3
"""Names that are written out in any case."""

FOLDED_NAMES: Final = "names are folded by how they begin"
FOLDED_READS: Final = "reads are folded by service"
WITHOUT_SIDS: Final = "statements have no ids"
MERGED: Final = "statements about the same things are one"

_BEGINNING: Final = re.compile(r"^[a-z-]+[:/]/?(?:[^/:]+/)*?[^-_./:*]+")
_VERB: Final = re.compile(r"^([\w-]+:[A-Z][a-z]+)")


def fitted(given: Iterable[Statement]) -> tuple[tuple[Statement, ...], tuple[str, ...]]:
    """The statements, folded as far as they have to be, and how that was done. They may still be too long."""
    statements, done = tuple(given), []
    steps: tuple[tuple[str, Callable[[tuple[Statement, ...]], Iterable[Statement]]], ...] = (
        (FOLDED_NAMES, lambda every: map(_with_folded_names, every)),
        (FOLDED_READS, lambda every: map(_with_folded_reads, every)),
        (WITHOUT_SIDS, lambda every: (replace(one, named=False) for one in every)),
        (MERGED, _merged),
    )
    for how, fold in steps:
        if size(statements) <= LARGEST:
            break
        statements = tuple(fold(statements))
        done.append(how)
    return statements, tuple(done)


def size(given: Iterable[Statement]) -> int:
    """As IAM counts it."""
    return len(re.sub(r"\s", "", json.dumps(document(given), separators=(",", ":"))))


def _merged(statements: Iterable[Statement]) -> Iterable[Statement]:
    """One for all that have the same resources and conditions; it is known by the first of them."""
    found: dict[str, Statement] = {}
    for one in statements:
        about = json.dumps((one.resources, one.condition), sort_keys=True)
        before = found.get(about)
        found[about] = (
            one if before is None else replace(before, actions=tuple(sorted({*before.actions, *one.actions})))
        )
    return map(_with_folded_reads, found.values())


def _with_folded_names(statement: Statement) -> Statement:
    if statement.resources == EVERYTHING:
        return statement
    groups: dict[str, list[str]] = defaultdict(list)
    for arn in statement.resources:
        *head, resource = arn.split(":", 5)
        begun = _BEGINNING.match(resource)
        groups[":".join([*head, begun.group() if begun else resource])].append(arn)
    return replace(statement, resources=tuple(arn for group in groups.values() for arn in _folded(group)))


def _folded(arns: list[str]) -> list[str]:
    if len(arns) <= FEW:
        return arns
    start = _shared(arns)
    end = _shared([arn[len(start) :][::-1] for arn in arns])[::-1]
    return [f"{start}*{end}"]


def _shared(texts: list[str]) -> str:
    """How all of them begin."""
    first, last = min(texts), max(texts)
    return next((first[:place] for place, letter in enumerate(first) if last[place : place + 1] != letter), first)


def _with_folded_reads(statement: Statement) -> Statement:
    if statement.sid not in ("Look", "Examine"):
        return statement
    verbs: dict[str, list[str]] = defaultdict(list)
    for one in statement.actions:
        verb = _VERB.match(one)
        verbs[verb.group() if verb else one].append(one)
    folded = (
        [f"{verb}*"] if len(several) > 1 or verb.endswith((":Describe", ":List")) else several
        for verb, several in verbs.items()
    )
    return replace(statement, actions=tuple(one for several in folded for one in several))
