"""Terraform's `import` blocks for what a stack owns. Terraform itself writes the rest: `-generate-config-out`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from reconciler.exporting.owned import left_behind, unique, words
from reconciler.model.other_tools import TERRAFORM
from reconciler.model.resource import Observed
from reconciler.model.type_registry import ResourceTypes

FILE = "imports.tf"


def import_blocks(kinds: ResourceTypes, resources: Iterable[Observed[Any]], stack: str, region: str) -> str:
    """The text of the file, with the provider of the stack's region."""
    found = tuple(resources)
    lines = [
        f"# Everything that the stack {stack} owns. To let Terraform write the configuration:",
        "#",
        "#   terraform init",
        "#   terraform plan -generate-config-out=generated.tf",
        "#",
        "# Review generated.tf, then run `terraform apply`. Do not run `reconciler destroy`, and stop the controller.",
        "",
        'terraform {\n  required_providers {\n    aws = { source = "hashicorp/aws" }\n  }\n}',
        "",
        f'provider "aws" {{\n  region = {_quoted(region)}\n}}',
    ]
    taken: set[tuple[str, str]] = set()
    for one in found:
        for block in kinds[one.address.kind].in_terraform(one):
            name = unique(_name(one.address.name, block.part), {name for kind, name in taken if kind == block.type})
            taken.add((block.type, name))
            lines.append(f"\nimport {{\n  to = {block.type}.{name}\n  id = {_quoted(block.id)}\n}}")
    left = list(left_behind(kinds, found, TERRAFORM))
    if left:
        lines += ["", "# Without a block of its own:", *(f"# - {address}: {why}" for address, why in left)]
    return "\n".join(lines) + "\n"


def _name(name: str, part: str) -> str:
    """A name of Terraform's for a resource, and a part of it."""
    found = "_".join(words(f"{name} {part}")).lower()
    return found if found[:1].isalpha() else f"_{found}"


def _quoted(text: str) -> str:
    """A string of HCL, in which `${` and `%{` begin templates."""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")
