"""Facts about a type stand on the type: no list elsewhere has to be edited when one is added."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import reconciler
from reconciler.aws.catalogue import service_facts
from reconciler.aws.retry import is_read
from reconciler.iam import calls
from reconciler.model.aws_event import pattern, source_of
from reconciler.model.resource import Call
from reconciler.model.type_registry import discover

PRODUCT = Path(reconciler.__file__).parent
ELSEWHERE = ("resources/", "local/", "spec/", "diagnosis/")
"""The types themselves; an AWS of its own; documents and the words of failures, which have names of their own."""


def texts(node: ast.AST) -> set[str]:
    return {one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def tables(path: Path) -> Iterator[tuple[int, set[str]]]:
    """What stands in a module or a class as data: line, and the names of types in it."""
    for scope in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(scope, ast.Module | ast.ClassDef):
            for node in scope.body:
                if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                    yield node.lineno, texts(node.value) & set(discover())


def test_no_table_outside_the_types_lists_them() -> None:
    """One type may be meant by name; two in one table are a fact about types in the wrong place."""
    found = [
        f"{path.relative_to(PRODUCT)}:{line}: {', '.join(sorted(names))}"
        for path in sorted(PRODUCT.rglob("*.py"))
        if not str(path.relative_to(PRODUCT)).startswith(ELSEWHERE)
        for line, names in tables(path)
        if len(names) > 1
    ]
    assert found == []


@pytest.mark.parametrize("kind", discover())
def test_what_a_type_says_of_itself_is_there(kind: str) -> None:
    """The operations that it creates by and that IAM binds are calls of its own; what it is inside of is a type."""
    found = discover()[kind]
    made = {name for _, name in calls.of_kind(found)}
    assert set(found.creates) <= made
    assert not found.may_duplicate or found.creates
    if found.inside is not None:
        field, parent = found.inside
        assert field in found.Spec.model_fields
        assert parent in discover()


@pytest.mark.parametrize("kind", [name for name, found in discover().items() if not found.lookup])
def test_a_creation_by_the_usual_verbs_is_said(kind: str) -> None:
    """What a type's own `create` calls by a name like `CreateX` is one of its creations, or is said to be none."""
    changes = {"CreateLaunchTemplateVersion", "CreateOrUpdateTags", "CreateRoute", "CreateTags", "RegisterTargets"}
    verbs = ("Create", "Allocate", "Register", "Run", "Request", "Import")
    made = {name for _, name in calls.of_kind(discover()[kind]) if name.startswith(verbs)}
    assert made - changes <= set(discover()[kind].creates)


@pytest.mark.parametrize("kind", [name for name, found in discover().items() if not found.lookup])
def test_what_it_writes_is_an_event_of_a_source_that_the_rule_has(kind: str) -> None:
    """Of services in a region; those in none report to us-east-1."""
    found = discover()[kind]
    written = {service for service, name in calls.of_kind(found) if not is_read(Call(service, name))}
    regional = {source_of(service) for service in written if service_facts(service).regional}
    assert regional <= {name.removeprefix("aws.") for name in pattern(discover().values())["source"]}
