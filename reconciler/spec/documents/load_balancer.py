"""LoadBalancer document: an application or network load balancer and its listeners."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from reconciler.spec.documents.base import Block, Document, Members
from reconciler.spec.documents.domain import DomainName
from reconciler.spec.documents.listener_rule import Answer, ListenerName, ListenerRule
from reconciler.spec.documents.references import IdReference, Ids
from reconciler.spec.documents.values import (
    Duration,
    Flag,
    Line,
    Port,
    Reference,
    Words,
    lasting,
    matching,
    no_repeats,
    problem,
)

MODERN_TLS = "ELBSecurityPolicy-TLS13-1-2-2021-06"
"""Default policy of HTTPS and TLS listeners; AWS's own default still allows TLS 1.0."""


class CertificateReference(Block):
    """A certificate: its ARN, or `{domain: example.com}`, which is looked up in ACM at plan time."""

    short_form = {"type": "string"}

    arn: Reference | None = None
    """ARN of a certificate in ACM or IAM."""
    domain: DomainName | None = None
    """The domain or an alternative name of the certificate. Of several, the one that is valid longest is used."""

    @model_validator(mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return {"arn": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_of_both(self) -> CertificateReference:
        if (self.arn is None) == (self.domain is None):
            rule = "E1103" if self.arn is None else "E1112"
            raise problem(rule, "a certificate is either an ARN or {domain: …}")
        return self

    def __str__(self) -> str:
        return self.arn or self.domain or ""


class Listener(Block):
    """A port that the load balancer listens on."""

    api = "listener"

    port: Port
    """The port that clients connect to."""
    protocol: Literal["HTTP", "HTTPS", "TCP", "TLS", "UDP", "TCP_UDP"] = "HTTP"
    """HTTPS needs `certificates` or a service with a `domain`, TLS `certificates`. TCP, TLS, UDP or TCP_UDP in a
    network load balancer."""
    certificates: Annotated[tuple[CertificateReference, ...], AfterValidator(no_repeats)] = ()
    """ARNs or domains of certificates, the default certificate first. Those of services' domains are added."""
    ssl_policy: Words | None = None
    """Name of a security policy of Elastic Load Balancing, for HTTPS. Default: ELBSecurityPolicy-TLS13-1-2-2021-06."""
    default_action: Answer | None = None
    """What answers requests that no service takes, such as a redirect to HTTPS. Default: the status 404; for a listener
    on port 80 that no service uses, beside domains, a redirect to HTTPS."""
    moved_from: ListenerName | None = None
    """The listener's name before a rename: it stays as it is. Remove it once it has taken effect."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateListener, by ELB's names, such as `MutualAuthentication`."""

    @property
    def secure(self) -> bool:
        return self.protocol in ("HTTPS", "TLS")

    @property
    def tls_policy(self) -> str | None:
        """The security policy of the listener; None where it has no certificate."""
        return (self.ssl_policy or MODERN_TLS) if self.secure else None


LoadBalancerName = Annotated[
    str,
    *matching(
        r"(?!internal-)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?",
        32,
        "letters, digits and inner '-' only, and it must not begin with internal-",
    ),
]


class LoadBalancer(Document):
    """A load balancer. Services that deploy blue/green use its `production` and `test` listeners."""

    api = "load_balancer"

    kind: Literal["LoadBalancer"] = "LoadBalancer"
    name: LoadBalancerName
    aws_name: LoadBalancerName | None = None
    """Its name in AWS. Default: the document's name, with the Stack's prefix and suffix."""
    type: Literal["application", "network"] = "application"
    """An application load balancer routes requests of HTTP; a network load balancer, connections of TCP."""
    scheme: Literal["internet-facing", "internal"] = "internet-facing"
    """`internal` has addresses in its network only."""
    network: IdReference | None = None
    """Default: the network of its subnets. Use a vpc-… id for a network outside the specs."""
    subnets: Ids
    """Subnets of at least two availability zones, by name or subnet-… id."""
    security_groups: Annotated[Ids, Field(max_length=5)] = ()
    """Security groups of the load balancer, by name or sg-… id. A network load balancer may have none; AWS cannot add
    any to one that was created without."""
    listeners: dict[ListenerName, Listener]
    """Its listeners, by a name of your choice. Services use `production` and `test`."""
    rules: dict[ListenerName, ListenerRule] = Field(default_factory=dict)
    """Redirects and fixed responses, by a name of your choice."""
    ip_address_type: Literal["ipv4", "dualstack", "dualstack-without-public-ipv4"] | None = None
    """The addresses that clients connect to: IPv4, IPv4 and IPv6, or, of an application load balancer in the internet,
    public ones of IPv6 only. Default: ipv4."""
    idle_timeout: Annotated[Duration, lasting("1s", "4000s")] | None = None
    """Time after which a connection without data is closed. Default: 60s, that of AWS."""
    deletion_protection: Flag = False
    """Makes AWS refuse to delete the load balancer."""
    attributes: dict[str, Line] = Field(default_factory=dict)
    """AWS's own attribute keys, such as routing.http2.enabled."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateLoadBalancer, by ELB's names, such as `IpamPools`."""

    @model_validator(mode="after")
    def _guarded(self) -> LoadBalancer:
        if self.type == "application" and "security_groups" not in self.model_fields_set:
            raise problem("E1103", "an application load balancer needs 'security_groups'")
        return self
