"""What CloudFormation needs to import what a stack owns: a template, and the list of resources to import."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from reconciler.exporting.owned import left_behind, unique, words
from reconciler.model.other_tools import CLOUDFORMATION, CloudFormationAttribute
from reconciler.model.resource import Observed
from reconciler.model.type_registry import ResourceTypes

TEMPLATE = "template.yaml"
RESOURCES = "resources-to-import.json"


def template_and_resources(kinds: ResourceTypes, resources: Iterable[Observed[Any]], stack: str) -> tuple[str, str]:
    """The texts of the template and of the list. A template has the properties that its types require, and retains
    everything, so that deleting the CloudFormation stack deletes nothing."""
    found = tuple(resources)
    declared: dict[str, Any] = {}
    listed: list[dict[str, Any]] = []
    by_id: dict[str, str] = {}
    for one in found:
        for item in kinds[one.address.kind].in_cloudformation(one):
            logical = unique(_logical(one.address.kind, one.address.name, item.part), declared)
            by_id.setdefault(one.id, logical)
            declared[logical] = {
                "Type": item.type,
                "DeletionPolicy": "Retain",
                "UpdateReplacePolicy": "Retain",
                **({"Properties": item.properties} if item.properties else {}),
            }
            listed.append(
                {
                    "ResourceType": item.type,
                    "LogicalResourceId": logical,
                    "ResourceIdentifier": dict(item.identifier),
                }
            )
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"What the stack {stack} of reconciler owns",
        "Resources": _plain(declared, by_id),
    }
    left = [f"# - {address}: {why}\n" for address, why in left_behind(kinds, found, CLOUDFORMATION)]
    comment = "".join(["# Not in this template, or not as a whole:\n", *left]) if left else ""
    text = yaml.safe_dump(template, sort_keys=False, allow_unicode=True, width=120)
    return comment + text, json.dumps(listed, indent=2) + "\n"


def _logical(kind: str, name: str, part: str) -> str:
    """Logical ids have letters and digits only."""
    return "".join(word[:1].upper() + word[1:] for word in words(f"{kind} {name} {part}"))[:250]


def _plain(value: Any, by_id: Mapping[str, str]) -> Any:
    """Without members that have no value; `by_id` are the logical ids of resources."""
    match value:
        case Mapping():
            return {str(name): _plain(one, by_id) for name, one in value.items() if one is not None}
        case list() | tuple():
            return [_plain(one, by_id) for one in value]
        case CloudFormationAttribute(id, name):
            return {"Fn::GetAtt": [by_id.get(id, id), name]}
        case bool() | int() | float():
            return value
        case _:
            return str(value)
