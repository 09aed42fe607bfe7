"""Network document: a VPC with its subnets, routes, gateways, endpoints and security groups.

It is one module because a Network is one document, and its blocks are of use nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from reconciler.spec.documents.base import Block, Document, Members, Named, Tags
from reconciler.spec.documents.role import Statement
from reconciler.spec.documents.security_group import SecurityGroup
from reconciler.spec.documents.values import AnyCidr, Cidr, Flag, Whole, matching, no_repeats, problem

Endpoint = Literal[
    "appconfigdata", "aps-workspaces", "athena", "autoscaling", "bedrock-runtime", "cloudformation", "codedeploy",
    "dynamodb", "ec2", "ecr", "ecs", "elasticfilesystem", "elasticloadbalancing", "email-smtp", "events",
    "execute-api", "glue", "kinesis-firehose", "kinesis-streams", "kms", "lambda", "logs", "monitoring", "rds-data",
    "s3", "scheduler", "secretsmanager", "servicediscovery", "sns", "sqs", "ssm", "ssmmessages", "states", "sts",
    "xray",
]  # fmt: skip
"""By the names of AWS PrivateLink, `ecr` and `ecs` aside."""
GATEWAY_ENDPOINTS = frozenset({"s3", "dynamodb"})
"""Endpoints that are routes; the others are network interfaces that are billed by the hour."""
SEVERAL_SERVICES: Mapping[str, tuple[str, ...]] = {
    "ecr": ("ecr.api", "ecr.dkr"),
    "ecs": ("ecs", "ecs-agent", "ecs-telemetry"),
}
"""Endpoints that stand for several services (ECR and ECS guides, interface VPC endpoints)."""

RouteTableName = Annotated[str, *matching(r"[A-Za-z0-9][A-Za-z0-9._-]*", 128, "letters, digits, '.', '_' and '-' only")]


class Subnet(Named):
    """An address range in one availability zone."""

    api = "subnet"

    name: Annotated[
        str,
        *matching(
            r"(?!subnet-)[A-Za-z0-9][A-Za-z0-9._-]*",
            128,
            "letters, digits, '.', '_' and '-' only, and it must not begin with subnet-",
        ),
    ]
    zone: Annotated[str, *matching(r"[a-z]{2,4}(-[a-z]+){1,3}-\d[a-z]", 32, "an availability zone such as us-west-2a")]
    """Its availability zone, such as us-west-2a."""
    cidr: Cidr
    """Its IPv4 range, part of that of the network."""
    access: Literal["public", "private"]
    """`public` routes to the internet gateway; `private` to a NAT gateway if the network has one."""
    route_table: RouteTableName | None = None
    """Subnets with the same table name share it. Default: the subnet's name from `public` or `private` on."""
    ipv6: Annotated[Whole, Field(ge=0, le=255)] | None = None
    """The number of its IPv6 range in that of the network: 3 is the fourth /64. Default: it has no IPv6 range, or that
    which somebody else has given it."""
    tags: Tags = Field(default_factory=dict)
    """Tags of the subnet, in addition to those of the document."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateSubnet, by EC2's names, such as `OutpostArn`."""

    @property
    def table(self) -> str:
        """The route table's name: `app-public1-a` → `public1-a`."""
        if self.route_table is not None:
            return self.route_table
        found = [at for word in ("public", "private") if (at := self.name.find(word)) >= 0]
        return self.name[min(found) :] if found else self.name


_TARGET = r"(?:tgw|pcx|vgw|eni|vpce)-[0-9a-f]{8,17}"


class Route(Block):
    """A route to another network, beside those to the internet."""

    destination: AnyCidr
    """The range of the other network."""
    target: Annotated[
        str,
        *matching(_TARGET, 64, "the id of a transit gateway, peering connection, VPN gateway, interface or endpoint"),
    ]
    """The id of a transit gateway (tgw-…), a peering connection (pcx-…), a VPN gateway (vgw-…), a network interface
    (eni-…) or a gateway load balancer endpoint (vpce-…), made by others."""
    tables: Annotated[tuple[RouteTableName, ...], AfterValidator(no_repeats)] = ()
    """The route tables that have it. Default: all of the network."""


class NetworkEndpoint(Block):
    """A VPC endpoint; plain text is its service."""

    short_form = {"enum": list(get_args(Endpoint))}
    api = "vpc_endpoint"

    service: Endpoint
    """The AWS service that is reachable through it."""
    policy: tuple[Statement, ...] = ()
    """What the endpoint lets through, for everybody inside the network. Default: everything."""
    ip_address_type: Literal["ipv4", "dualstack", "ipv6"] | None = None
    """By which addresses it is reached; all but ipv4 need a network with `ipv6`. Default: ipv4, or what it has."""
    dns_records: Literal["ipv4", "dualstack", "ipv6", "service-defined"] | None = None
    """The addresses that its names stand for. Default: those of `ip_address_type`, as AWS sets them."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateVpcEndpoint, by EC2's names, such as `PrivateDnsEnabled`."""

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        return {"service": value} if isinstance(value, str) else value


def _each_once(endpoints: tuple[NetworkEndpoint, ...]) -> tuple[NetworkEndpoint, ...]:
    no_repeats(tuple(endpoint.service for endpoint in endpoints))
    return endpoints


NetworkName = Annotated[
    str,
    *matching(
        r"(?!vpc-)[A-Za-z0-9][A-Za-z0-9._-]*",
        64,
        "letters, digits, '.', '_' and '-' only, and it must not begin with vpc-",
    ),
]


class Network(Document):
    """A VPC and everything in it.

    AWS names are derived from its name: my-workspace-vpc, my-workspace-subnet-app-public1-a, my-workspace-igw.
    """

    api = "vpc"

    kind: Literal["Network"] = "Network"
    name: NetworkName
    aws_name: NetworkName | None = None
    """The name that its names in AWS begin with. Default: the document's name, with the Stack's prefix and suffix."""
    cidr: Cidr
    """Its IPv4 range, which has the ranges of subnets in it. AWS takes /16 to /28."""
    secondary_cidrs: Annotated[tuple[Cidr, ...], AfterValidator(no_repeats), Field(max_length=4)] | None = None
    """Further ranges, which subnets may be in as well. One can only leave once nothing is in it. Default: those that it
    has; an empty list is none."""
    ipv6: Flag | None = None
    """Gives it an IPv6 range of Amazon's, a /56, of which subnets have parts. Default: none, or that which somebody
    else has given it."""
    subnets: tuple[Subnet, ...] = ()
    """Its subnets. Each belongs to one availability zone."""
    nat: Literal["none", "single", "per_zone"] = "none"
    """How private subnets reach the internet: not at all, through one NAT gateway, or through one in every zone."""
    ipv6_egress: Flag | None = None
    """Whether private subnets with an IPv6 range reach the internet over IPv6, by an egress-only internet gateway,
    through which nobody can connect from outside. Default: if they do over IPv4, by `nat`."""
    routes: tuple[Route, ...] = ()
    """Routes to other networks."""
    endpoints: Annotated[tuple[NetworkEndpoint, ...], AfterValidator(_each_once)] = ()
    """AWS services that are reachable without the internet. `ecr` stands for both of its interfaces and also needs
    `s3`; `ecs` stands for the three that EC2 instances of a cluster need.
    """
    security_groups: tuple[SecurityGroup, ...] = ()
    """Its security groups, which other documents refer to by name."""
    dns_support: Flag = True
    """Answers DNS queries inside of the network. VPC endpoints need it."""
    dns_hostnames: Flag = True
    """Gives DNS names to public addresses. VPC endpoints need it."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateVpc, by EC2's names, such as `InstanceTenancy`."""

    @model_validator(mode="after")
    def _dual_stack(self) -> Network:
        if self.ipv6:
            return self
        for number, subnet in enumerate(self.subnets):
            if subnet.ipv6 is not None:
                message = "an IPv6 range of a subnet is part of that of its network, which needs ipv6: true"
                raise problem("E1103", message, at=("subnets", number, "ipv6"))
        if self.ipv6_egress:
            raise problem("E1103", "'ipv6_egress' needs ipv6: true", at=("ipv6_egress",))
        return self

    @property
    def egress_only(self) -> bool:
        """Whether there is an egress-only internet gateway."""
        out = self.nat != "none" if self.ipv6_egress is None else self.ipv6_egress
        return out and any(subnet.access == "private" and subnet.ipv6 is not None for subnet in self.subnets)

    @property
    def cidrs(self) -> tuple[IPv4Network, ...]:
        return (self.cidr, *(self.secondary_cidrs or ()))

    @property
    def endpoint_services(self) -> tuple[Endpoint, ...]:
        return tuple(endpoint.service for endpoint in self.endpoints)

    @property
    def interface_endpoints(self) -> tuple[Endpoint, ...]:
        return tuple(service for service in self.endpoint_services if service not in GATEWAY_ENDPOINTS)

    @property
    def interface_services(self) -> tuple[tuple[Endpoint, str], ...]:
        """Its interface endpoints, each with a service as AWS names it."""
        return tuple(
            (endpoint, service)
            for endpoint in self.interface_endpoints
            for service in SEVERAL_SERVICES.get(endpoint, (endpoint,))
        )
