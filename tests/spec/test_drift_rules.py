"""Fields that a drift rule may be about: at any depth of what the resource types declare."""

from __future__ import annotations

import pytest

from reconciler.model.type_registry import discover
from reconciler.spec.drift_rules import missing_field
from tests.spec import folder


def found(match: str, path: str) -> list[tuple[str, str]]:
    rule = f"{{match: '{match}', path: '{path}', mode: ignore, reason: because}}"
    specs = folder.lay(f"kind: Stack\nname: my-app\ndrift: [{rule}]\n")
    return [(one.rule, one.hint) for one in specs.diagnostics]


@pytest.mark.parametrize(
    ("match", "path"),
    [
        ("service/*", "desired_count"),
        ("service/*", "tags.team"),
        ("service/*", "deployment.min_percent"),
        ("service/*", "aws.enableECSManagedTags"),
        ("task-definition/*", "containers.frontend.environment.GREETING"),
        ("task-definition/*", "containers.*"),
        ("target-group/*", "attributes.deregistration_delay.timeout_seconds"),
        ("security-group-rules/*", "ingress.tcp 80 from 10.0.0.0/8"),
        ("*", "desired_count"),
        ("service*", "desired_count"),
        ("*frontend", "desired_count"),
        ("service?my-app-frontend", "desired_count"),
        ("s*end", "desired_count"),
        ("task-definition/*", "*image"),
        ("task-definition/*", "containers.*image"),
        ("task-definition/*", "containers?frontend?image"),
    ],
)
def test_a_field_of_the_type(match: str, path: str) -> None:
    if " " in path:
        path = path.replace(" ", "?")  # a pattern has no spaces
    assert found(match, path) == []


@pytest.mark.parametrize(
    ("match", "path", "rule", "meant"),
    [
        ("service/*", "desird_count", "E1158", "desired_count"),
        ("service/*", "deployment.min_prcent", "E1158", "min_percent"),
        ("task-definition/*", "containers.frontend.imagee", "E1158", "image"),
        ("task-definition/*", "containers.frontend.command.0", "E1158", ""),
        ("service/*", "tag.team", "E1158", "tags"),
        ("servce/*", "desired_count", "E2031", "service"),
        ("image/*", "*", "E2031", ""),
        ("service/my-app-frontent", "desired_count", "W1156", "service/my-app-frontend"),
    ],
)
def test_what_does_not_exist(match: str, path: str, rule: str, meant: str) -> None:
    """With the one that was meant; what is only looked up cannot drift."""
    ((found_rule, hint),) = found(match, path)
    assert found_rule == rule
    assert not meant or f"'{meant}'" in hint


def test_every_field_of_every_type_can_be_named() -> None:
    for name, kind in discover().items():
        for field in () if kind.lookup else kind.Spec.model_fields:
            assert missing_field(field, {name: kind}) is None, (name, field)
