"""Domains of a service's traffic: the names by which its users reach it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from reconciler.spec.documents.base import Block
from reconciler.spec.documents.references import RoleReference
from reconciler.spec.documents.values import Flag, literal, matching, no_repeats, problem

DOMAIN = r"(?:\*\.)?(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]{2,}"
DomainName = Annotated[str, *matching(DOMAIN, 253, "a domain name in lower case, such as example.com")]


class Domain(Block):
    """A domain; plain text is its name."""

    short_form = {"type": "string"}

    name: DomainName
    """`*.example.com` stands for any name directly below example.com."""
    zone: (
        Annotated[str, *matching(r"[A-Z0-9]{1,32}", 32, "the id of a hosted zone, such as Z0123456789ABCDEFGHIJ")]
        | None
    ) = None
    """Id of its hosted zone in Route 53. Default: the public one with the longest name that the domain ends with."""
    role: RoleReference | None = None
    """ARN of a role to assume for the hosted zone, which may be in another account."""
    adopt: Flag = False
    """Take over a record of this name that leads elsewhere: it leads to the load balancer from then on."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _outside(self) -> Domain:
        if self.role is not None and not literal(self.role, "arn:"):
            raise problem("E1109", "the role of a hosted zone is given by its ARN", at=("role",))
        return self

    @property
    def slug(self) -> str:
        """Its name in addresses. No host name begins with an underscore."""
        return self.name.replace("*.", "_any.", 1)

    def __str__(self) -> str:
        return self.name


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str | dict | Domain) else value


def _different(domains: tuple[Domain, ...]) -> tuple[Domain, ...]:
    no_repeats(tuple(domain.name for domain in domains))
    return domains


Domains = Annotated[
    tuple[Domain, ...],
    BeforeValidator(_several, json_schema_input_type=Domain | tuple[Domain, ...]),
    AfterValidator(_different),
    Field(max_length=25),
]
"""A load balancer shows 25 certificates beside its default one (ELB User Guide, Quotas)."""
