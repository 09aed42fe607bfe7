"""What other tools call a resource, and how they change it: its types in Terraform and CloudFormation, the ids by which
they import it, and what its writes look like in CloudTrail.

It is a fact of each resource type, which says so in its own file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic

from reconciler.model.permissions import Operation
from reconciler.model.resource import Observed, S

TERRAFORM: Final = "terraform"
CLOUDFORMATION: Final = "cloudformation"


@dataclass(frozen=True, slots=True)
class TerraformImport:
    """A resource of Terraform's AWS provider. `part` tells those apart that one resource of ours is there."""

    type: str
    id: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class CloudFormationImport:
    """A resource of CloudFormation. `identifier` has the properties that its schema calls the primary identifier,
    `properties` those without which a template is not valid."""

    type: str
    identifier: Mapping[str, str]
    properties: Mapping[str, Any] = field(default_factory=dict)
    part: str = ""


@dataclass(frozen=True, slots=True)
class CloudFormationAttribute:
    """An attribute of another resource of the template, which is known by the id that AWS's calls take."""

    id: str
    name: str


class KnownElsewhere(Generic[S]):
    """The part of a resource type that says what other tools call it, and by which calls others change it.

    A type says for each tool what it is there, or why it is nothing there.
    """

    terraform: ClassVar[str] = ""
    """Its type in Terraform, where its import id is the id that AWS's calls take."""

    cloudformation: ClassVar[tuple[str, str]] = ("", "")
    """Its type in CloudFormation, and the property that identifies it by the id that AWS's calls take."""

    not_exported: ClassVar[Mapping[str, str]] = {}
    """Tool → why it, or a part of it, cannot be imported there."""

    changed_by: ClassVar[tuple[Operation, ...]] = ()
    """Operations by which others change one, beside those that its methods yield."""

    named_within: ClassVar[int] = 2
    """How deep in the parameters of a write one may be named as its target; what is deeper is what it refers to."""

    def in_terraform(self, found: Observed[S]) -> Iterator[TerraformImport]:
        """What it is in Terraform; several where Terraform has parts of it as resources of their own."""
        if self.terraform:
            yield TerraformImport(self.terraform, found.id)

    def in_cloudformation(self, found: Observed[S]) -> Iterator[CloudFormationImport]:
        """What it is in CloudFormation."""
        kind, identifier = self.cloudformation
        if kind:
            yield CloudFormationImport(kind, {identifier: found.id}, self.required_properties(found))

    def required_properties(self, found: Observed[S]) -> Mapping[str, Any]:
        """The properties that a template has to have for it."""
        return {}
