"""Network document: a VPC with its subnets, routes, gateways, endpoints and security groups.

It is one module because a Network is one document, and its blocks are of use nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from reconciler.spec.documents import values
from reconciler.spec.documents.base import Block, Document, Members, Named, Tags
from reconciler.spec.documents.role import Statement
from reconciler.spec.documents.values import Cidr, Flag, matching, no_repeats, problem
from reconciler.spec.messages import shown
from reconciler.spec.scalar import Written

ANYWHERE = IPv4Network("0.0.0.0/0")
Protocol = Literal["tcp", "udp", "icmp", "all"]
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

_DESCRIBABLE_RULE = "letters, digits and . _-:/()#,@[]+=&;{}!$* only"
_DESCRIBABLE = r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]"


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a security group rule, both ends included."""

    first: int
    last: int

    @property
    def all(self) -> bool:
        return (self.first, self.last) == (0, 65535)

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last

    def __str__(self) -> str:
        return "all" if self.all else str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


ALL_PORTS = Ports(0, 65535)


def _ports(value: Any) -> Ports:
    if isinstance(value, Ports):
        return value
    if value == "all":
        return ALL_PORTS
    if isinstance(value, str) and not isinstance(value, Written):
        first, dash, last = value.partition("-")
        if not (
            dash and first.strip().isdecimal() and last.strip().isdecimal() and value.isascii() and len(value) < 16
        ):
            raise problem("E1105", f"expected a port, a range such as 8000-8010, or all, found {shown(value)}")
        found = Ports(int(first), int(last))
        if found.first > found.last:
            raise problem("E1106", f"the range {found} is reversed", hint=f"write {found.last}-{found.first}")
    else:
        number = values.whole(value)
        found = Ports(number, number)
    if not 0 <= found.first <= found.last <= 65535:
        raise problem("E1106", f"ports are 0 to 65535, not {found}")
    return found


def _peer(value: Any) -> str:
    """`anywhere`, a CIDR range, a prefix list, or the name or id of a security group; ranges are checked here,
    names by reference."""
    written = values.text(value)
    if not written:
        raise problem("E1105", "expected anywhere, a CIDR range or a security group, found nothing")
    if written[0].isdigit() or ":" in written or "/" in written:
        return str(values.any_cidr(written))
    return written


PortRange: TypeAlias = Annotated[
    Ports,
    BeforeValidator(_ports),
    PlainSerializer(str),
    WithJsonSchema(
        {
            "oneOf": [
                {"type": "integer", "minimum": 0, "maximum": 65535},
                {"const": "all"},
                {"type": "string", "pattern": r"^\d+-\d+$"},
            ]
        }
    ),
]
Peer: TypeAlias = Annotated[str, BeforeValidator(_peer), WithJsonSchema({"type": "string"})]
Description: TypeAlias = Annotated[str, *matching(rf"{_DESCRIBABLE}*", 255, _DESCRIBABLE_RULE, 0)]
GroupName: TypeAlias = Annotated[
    str,
    *matching(
        rf"(?!sg-)(?!pl-)(?!default$){_DESCRIBABLE}+",
        255,
        f"{_DESCRIBABLE_RULE}, and neither 'default' nor sg-… or pl-…",
    ),
]


GroupDescription = Annotated[str, *matching(rf"{_DESCRIBABLE}+", 255, _DESCRIBABLE_RULE)]
RouteTableName = Annotated[str, *matching(r"[A-Za-z0-9][A-Za-z0-9._-]*", 128, "letters, digits, '.', '_' and '-' only")]


class Rule(Block):
    """Base of ingress and egress rules."""

    port: PortRange = ALL_PORTS
    """A port, a range such as 8000-8010, or `all`. Optional if the protocol is icmp or all."""
    protocol: Protocol = "tcp"
    """The IP protocol."""
    description: Description = ""
    """Text that AWS shows beside the rule."""

    @property
    def peer(self) -> str:
        """The other end: anywhere, a CIDR range, a prefix list, or a security group."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _port_given(self) -> Rule:
        if self.protocol in ("tcp", "udp") and "port" not in self.model_fields_set:
            raise problem("E1103", f"a {self.protocol} rule needs 'port'", hint="write port: all for every port")
        if self.protocol in ("icmp", "all") and not self.port.all:
            raise problem("E1112", f"protocol {self.protocol} has no ports", at=("port",))
        return self


class Ingress(Rule):
    """Inbound traffic that a security group allows."""

    source: Peer = Field(alias="from")
    """`anywhere`, a CIDR range, a prefix list (pl-…), or the name (or sg-… id) of a security group."""

    @property
    def peer(self) -> str:
        return self.source


class Egress(Rule):
    """Outbound traffic that a security group allows."""

    destination: Peer = Field(alias="to")
    """`anywhere`, a CIDR range, a prefix list (pl-…), or the name (or sg-… id) of a security group."""

    @property
    def peer(self) -> str:
        return self.destination


def peer_range(peer: str) -> IPv4Network | IPv6Network | None:
    """The addresses of a rule's `from` or `to`; None for a security group or a prefix list."""
    if peer == "anywhere":
        return ANYWHERE
    return ip_network(peer) if "/" in peer else None


class SecurityGroup(Named):
    """A firewall for network interfaces. Without `egress`, all outbound traffic is allowed (AWS's default)."""

    name: GroupName
    aws_name: GroupName | None = None
    """Its name in AWS. Default: its name here."""
    description: GroupDescription = "managed by reconciler"
    """Cannot be changed later in AWS: a different description creates a new group."""
    ingress: tuple[Ingress, ...] = ()
    """Rules for inbound traffic. Without any, none is allowed."""
    egress: tuple[Egress, ...] | None = None
    """Default: all outbound traffic is allowed. An empty list allows none."""
    tags: Tags = Field(default_factory=dict)
    """Tags of the security group, in addition to those of the document."""


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
    tags: Tags = Field(default_factory=dict)
    """Tags of the subnet, in addition to those of the document."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateSubnet, by EC2's names, such as `Ipv6CidrBlock`."""

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

    destination: Cidr
    """The IPv4 range of the other network."""
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
    aws: Members = Field(default_factory=dict)
    """Further members of CreateVpcEndpoint, by EC2's names, such as `IpAddressType`."""

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
    """The name that its names in AWS begin with. Default: the document's name."""
    cidr: Cidr
    """Its IPv4 range, which has the ranges of subnets in it. AWS takes /16 to /28."""
    secondary_cidrs: Annotated[tuple[Cidr, ...], AfterValidator(no_repeats), Field(max_length=4)] | None = None
    """Further ranges, which subnets may be in as well. One can only leave once nothing is in it. Default: those that it
    has; an empty list is none."""
    subnets: tuple[Subnet, ...] = ()
    """Its subnets. Each belongs to one availability zone."""
    nat: Literal["none", "single", "per_zone"] = "none"
    """How private subnets reach the internet: not at all, through one NAT gateway, or through one in every zone."""
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
