"""The reference of the specs is complete, and its examples and what it says of changes are true."""

from __future__ import annotations

import pytest

from reconciler.spec import effects, reference
from reconciler.spec.documents import KINDS
from reconciler.spec.effects import Effect
from reconciler.spec.reference import Field
from reconciler.spec.schema import json_schema
from tests.spec import folder

FIELDS = [field for kind in KINDS for field in reference.fields(kind)]
SHOWN = {".".join(field.path): field for field in FIELDS}
OWN = {name: field for name, field in SHOWN.items() if effects.classified(field)}
SAMPLE = sorted(OWN)[::60]


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_has_a_description(kind: str) -> None:
    """It stands under the field; an inherited one counts."""
    assert [".".join(field.path) for field in reference.fields(kind) if not field.description] == []


def test_the_schema_has_the_same_descriptions() -> None:
    """But for the kind: who points at it wants to know what a document of it is."""
    definitions = json_schema()["$defs"]
    for field in FIELDS:
        definition = definitions[field.block.__name__]
        definition = definition["anyOf"][-1] if "anyOf" in definition else definition
        expected = definition["description"] if field.path[1:] == ("kind",) else field.description
        assert definition["properties"][field.name]["description"] == expected, field.path


def test_every_field_is_in_an_example() -> None:
    """There, or where else its block may stand."""
    assert sorted(".".join(field.path) for field in FIELDS if effects.example(field) is None) == []


def test_the_examples_are_valid() -> None:
    """Together they are a working folder of specs without a finding."""
    specs = effects.loaded(effects.documents())
    assert [folder.told(found) for found in specs.diagnostics] == []


def test_the_table_of_changes_has_every_field() -> None:
    """`python -m docs.specs` adds what is new; `python -m docs.specs all` computes all of it."""
    assert effects.stored().keys() == OWN.keys(), "run `python -m docs.specs` and `make docs`"


def holds(field: Field) -> None:
    assert list(map(str, effects.computed(field))) == effects.stored()[".".join(field.path)]


@pytest.mark.parametrize("name", SAMPLE)
def test_a_change_of_some_fields_means_what_the_table_says(name: str) -> None:
    """The table is computed, and the classes of resource types are what it comes from."""
    holds(OWN[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", OWN)
def test_a_change_of_a_field_means_what_the_table_says(name: str) -> None:
    """The same of all of them."""
    holds(OWN[name])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Service.task.cpu", Effect.NEW_TASKS),
        ("Service.placement.subnets", Effect.NEW_TASKS),
        ("Service.desired_count", Effect.IN_PLACE),
        ("Service.grace_period", Effect.IN_PLACE),
        ("Service.traffic.health_check.path", Effect.CREATION),
        ("Network.subnets.*.zone", Effect.REPLACEMENT),
        ("LoadBalancer.scheme", Effect.REFUSED),
        ("Registry.encryption", Effect.REFUSED),
        ("DeploymentStrategy.teardown.after", Effect.ROLLOUT),
        ("Service.task.execution_role_statements.*.actions", Effect.IN_PLACE),
    ],
)
def test_what_aws_cannot_change_and_what_starts_tasks_is_known(name: str, expected: Effect) -> None:
    """Anchors of the table, by what AWS documents of its calls."""
    assert expected in effects.effects(SHOWN[name])


def test_a_field_is_found_with_and_without_the_names_that_specs_choose() -> None:
    paths = (("Service", "task", "containers", "image"), ("Service", "task", "containers", "app", "image"))
    assert {found.path for path in paths if (found := reference.find(path))} == {
        ("Service", "task", "containers", "*", "image")
    }
    assert reference.find(("Service", "task", "container")) is None
    assert reference.nearest(("Service", "task", "container"))[:2] == (("Service", "task"), "container")
