"""Security groups of a Network: rules by the protocol, the ports and the other end."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from reconciler.spec.documents import values
from reconciler.spec.documents.base import Block, Named, Tags
from reconciler.spec.documents.values import matching, problem
from reconciler.spec.messages import shown
from reconciler.spec.scalar import Written

ANYWHERE = IPv4Network("0.0.0.0/0")
ANYWHERE_IPV6 = IPv6Network("::/0")
Protocol = Literal["tcp", "udp", "icmp", "icmpv6", "all"]

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


class Rule(Block):
    """Base of ingress and egress rules."""

    port: PortRange = ALL_PORTS
    """A port, a range such as 8000-8010, or `all`. Optional if the protocol is icmp, icmpv6 or all."""
    protocol: Protocol = "tcp"
    """The IP protocol. Where `anywhere` is both IPv4 and IPv6, icmp is icmpv6, too."""
    description: Description = ""
    """Text that AWS shows beside the rule."""

    @property
    @abstractmethod
    def peer(self) -> str:
        """The other end: anywhere, a CIDR range, a prefix list, or a security group."""

    @model_validator(mode="after")
    def _port_given(self) -> Rule:
        if self.protocol in ("tcp", "udp") and "port" not in self.model_fields_set:
            raise problem("E1103", f"a {self.protocol} rule needs 'port'", hint="write port: all for every port")
        if self.protocol not in ("tcp", "udp") and not self.port.all:
            raise problem("E1112", f"protocol {self.protocol} has no ports", at=("port",))
        addresses = peer_range(self.peer)
        version = {"icmp": 4, "icmpv6": 6}.get(self.protocol)
        if self.peer != "anywhere" and addresses is not None and version not in (None, addresses.version):
            other = "icmp" if self.protocol == "icmpv6" else "icmpv6"
            message = f"protocol {self.protocol} is not that of {addresses}"
            raise problem("E1112", message, at=("protocol",), hint=f"write protocol: {other}")
        return self


class Ingress(Rule):
    """Inbound traffic that a security group allows."""

    source: Peer = Field(alias="from")
    """`anywhere`, a CIDR range, a prefix list (pl-…), or the name (or sg-… id) of a security group. `anywhere` is IPv4,
    and IPv6 as well where the network states `ipv6`."""

    @property
    def peer(self) -> str:
        return self.source


class Egress(Rule):
    """Outbound traffic that a security group allows."""

    destination: Peer = Field(alias="to")
    """`anywhere`, a CIDR range, a prefix list (pl-…), or the name (or sg-… id) of a security group. `anywhere` is IPv4,
    and IPv6 as well where the network states `ipv6`."""

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
    """Its name in AWS. Default: its name here, with the Stack's prefix and suffix."""
    description: GroupDescription = "managed by reconciler"
    """Cannot be changed later in AWS: a different description creates a new group."""
    ingress: tuple[Ingress, ...] = ()
    """Rules for inbound traffic. Without any, none is allowed."""
    egress: tuple[Egress, ...] | None = None
    """Default: all outbound traffic is allowed. An empty list allows none."""
    tags: Tags = Field(default_factory=dict)
    """Tags of the security group, in addition to those of the document."""
