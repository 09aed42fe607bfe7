"""Base of all documents and blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

from reconciler.model import tagging
from reconciler.spec.documents import values
from reconciler.spec.documents.values import Flag, Line, Reference, Words
from reconciler.spec.messages import described, shown
from reconciler.spec.naming import Naming


class Block(BaseModel):
    """Part of a document: a mapping with a fixed set of fields. Unknown fields are errors."""

    short_form: ClassVar[dict[str, Any] | None] = None
    """JSON Schema of the short form that may be written instead of the mapping."""
    api: ClassVar[str] = ""
    """The module of `reconciler.resources` that says which API's members it takes under `aws`."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)


def _tags(tags: dict[str, str]) -> dict[str, str]:
    for key, value in tags.items():
        check_tag(key, value)
    return tags


def check_tag(key: str, value: str) -> None:
    if tagging.is_reserved(key) or key.lower().startswith("reconciler:"):
        raise values.problem("E1109", f"tag keys that begin with {key.split(':')[0]}: are reserved", at=(key,))
    if not key or not tagging.is_accepted(key, tagging.KEY_LENGTH):
        message = f"a tag key has 1 to 128 letters, digits, inner spaces or _.:/=+-@, not {shown(key)}"
        raise values.problem("E1109", message, at=(key,))
    if tagging.is_reserved(value):
        raise values.problem("E1109", "tag values that begin with aws: are reserved", at=(key,))
    if not tagging.is_accepted(value, tagging.VALUE_LENGTH):
        message = "a tag value has at most 256 letters, digits, inner spaces or _.:/=+-@"
        raise values.problem("E1109", message, at=(key,))


Tags: TypeAlias = Annotated[dict[str, Line], AfterValidator(_tags)]


def _mapping(value: Any) -> Any:
    if not isinstance(value, dict):
        raise values.problem("E1105", f"expected a mapping, found {described(value)}")
    return value


Members: TypeAlias = Annotated[dict[str, Any], BeforeValidator(_mapping)]
"""API members by AWS's own names. What they may be is checked by the service's model: spec/members.py."""


class Adoption(Block):
    """`true`, or what is adopted by its id and which losses are accepted."""

    short_form = {"type": "boolean"}

    ids: dict[Words, Words] = Field(default_factory=dict)
    """Address → id in AWS, such as vpc/main: vpc-0123, for parts of a network, which have no unique names."""
    accept_loss: tuple[Words, ...] = ()
    """What may be removed although the document does not mention it, as the refusal of a plan names it."""


def _adoption(value: Any) -> Any:
    """`false` is as good as nothing."""
    if value is None or isinstance(value, dict | Adoption):
        return value
    return Adoption() if values.flag(value) else None


class NamedInAws(Block):
    """What has a name in AWS of its own, to which the prefix and suffix of the Stack are applied.

    They are the context of its validation: `model_validate(…, context=Naming(…))`.
    """

    name: str
    """Its name in the specs, by which others refer to it."""
    _naming: Naming = PrivateAttr(default_factory=Naming)

    def model_post_init(self, context: Any, /) -> None:
        if isinstance(context, Naming):
            self._naming = context

    @property
    def name_in_aws(self) -> str:
        """`aws_name` as it is, else the name with the prefix and suffix; AWS names are derived from it."""
        given: str | None = getattr(self, "aws_name", None)
        return given or self._naming.applied(self.name)

    def role_in_aws(self, named: Callable[[str], str]) -> str:
        """The name of a role that is generated for it; one that follows an `aws_name` has no suffix of roles either."""
        name = named(self.name_in_aws)
        return name if getattr(self, "aws_name", None) else self._naming.of_role(name)

    @property
    def lasting_name(self) -> str:
        """`aws_name` or the name, without the prefix and suffix: addresses stay when these change."""
        given: str | None = getattr(self, "aws_name", None)
        return given or self.name


class Named(NamedInAws):
    """A document or a named part of one, which may have had another name before."""

    moved_from: Reference | None = None
    """The name before a rename: its resources stay as they are. Remove it once it has taken effect."""


class Document(Named):
    """A declaration, identified by kind and name."""

    adopt: Annotated[Adoption | None, BeforeValidator(_adoption)] = None
    """Take over existing AWS resources with this document's names that have no reconciler tags. What the document does
    not state stays as it is in AWS, and nothing that it does not mention is removed."""
    protect: Flag = False
    """Never delete or replace the resources of this document, even after the document is removed."""
    tags: Tags = Field(default_factory=dict)
    """Tags for every AWS resource of this document, in addition to the stack's tags."""

    @property
    def address(self) -> str:
        """`Service my-app-frontend`, as shown in messages."""
        return f"{type(self).__name__} {self.name}"
