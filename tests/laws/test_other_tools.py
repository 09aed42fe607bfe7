"""What every resource type is in Terraform and in CloudFormation, or why it is nothing there."""

from __future__ import annotations

import re

import pytest

from reconciler.model.other_tools import CLOUDFORMATION, TERRAFORM, KnownElsewhere
from reconciler.model.type_registry import discover
from tests.exporting.test_cloudformation import TYPES
from tests.laws.account import Stack
from tests.laws.example import Example
from tests.laws.test_laws import every_type, make

SAID = {TERRAFORM: ("terraform", "in_terraform"), CLOUDFORMATION: ("cloudformation", "in_cloudformation")}


@pytest.mark.parametrize("tool", SAID)
@pytest.mark.parametrize("kind", [name for name, found in discover().items() if not found.lookup])
def test_a_type_says_what_it_is_elsewhere(kind: str, tool: str) -> None:
    """An attribute or a method says it, or `not_exported` says why not."""
    found = discover()[kind]
    said = any(getattr(type(found), name) is not getattr(KnownElsewhere, name) for name in SAID[tool])
    assert said or found.not_exported.get(tool)


@every_type
def test_what_is_there_has_a_name_elsewhere(ours: Stack, example: Example) -> None:
    """Of something that was made, all parts of its ids are known, and no two of its parts are one resource there."""
    found = make(ours, example)
    kind = discover()[found.address.kind]
    blocks = list(kind.in_terraform(found))
    assert blocks or TERRAFORM in kind.not_exported
    assert len({(one.type, one.id) for one in blocks}) == len(blocks)
    for block in blocks:
        assert re.fullmatch(r"aws_[a-z0-9_]+", block.type)
        assert block.id
        assert "None" not in block.id
    resources = list(kind.in_cloudformation(found))
    assert resources or CLOUDFORMATION in kind.not_exported
    for resource in resources:
        assert re.fullmatch(r"AWS::\w+::\w+", resource.type)
        assert resource.identifier
        assert all(value and isinstance(value, str) for value in resource.identifier.values())
        assert sorted(resource.identifier) == sorted(TYPES[resource.type]["identifier"])
        assert set(TYPES[resource.type]["required"]) <= resource.properties.keys()
