"""Compilation of what others own and documents refer to: it is looked up, checked, and never written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel

from reconciler.model.ecr_image import ecr_image
from reconciler.model.requirement import Requirement
from reconciler.model.resource import Address, Desired, Link, Ref, Spec, existing
from reconciler.resources._existing_by_name import ExistingByNameSpec
from reconciler.resources._existing_in_ec2 import ExistingInEc2Spec
from reconciler.resources.existing_cluster import ExistingClusterSpec
from reconciler.resources.existing_listener import ExistingListenerSpec
from reconciler.resources.existing_load_balancer import ExistingLoadBalancerSpec
from reconciler.resources.existing_role import ExistingRoleSpec
from reconciler.resources.existing_vpc import ExistingVpcSpec
from reconciler.resources.lookup import LookupSpec
from reconciler.spec import queries
from reconciler.spec.compile import load_balancer
from reconciler.spec.compile.context import Context, link, lookup_address
from reconciler.spec.documents import Document, LoadBalancer, Service, Task
from reconciler.spec.documents.references import LOOKUP, NAMED
from reconciler.spec.documents.service import Forwarding, Traffic
from reconciler.spec.node import Path
from reconciler.spec.outside import Outside, outside

BY_NAME = ("topic", "queue", "log-group", "repository")
"""Types of which nothing matters but whether they exist."""
IN_VPC = ("subnet", "security-group")
"""Types of which each is in one VPC."""
DUALSTACK = ("dualstack", "dualstack-without-public-ipv4")
"""Load balancers that connect to IPv6 addresses."""


def name_of(reference: str) -> str:
    """The name or ARN in AWS that a reference to something outside the specs gives, or where it is looked up."""
    return reference.removeprefix(NAMED).removeprefix(LOOKUP)


def short(reference: str) -> str:
    """The same without the service, region and account of an ARN, for addresses: `app/shared/50dc6c495c0c9188`."""
    name = name_of(reference)
    return name.split(":", 5)[5].partition("/")[2] if name.startswith("arn:") else name


def with_lookups(context: Context, document: Document, wants: Iterable[Desired[Any]]) -> Iterator[Desired[Any]]:
    """The resources of a document after what others own and they name, which is looked up first.

    The id stays in them as the document gives it; what is missing holds back what names it.
    """
    named = [one for one in outside(context.specs, document) if _of_account(context, one)]
    found = {_literal(context, one): (one, _lookup(context, one)) for one in named}
    yield from _values(context, document)
    yield from (want for one, want in found.values() if one.kind != "lookup")
    vpc = _vpc_of(context, document) if found else None
    if isinstance(vpc, Desired):
        yield vpc
    for want in wants:
        texts = (
            [*_texts(want.spec), *(LOOKUP + ref.name for ref in want.refs() if ref.kind == "lookup")] if found else []
        )
        used = [
            found[text]
            for text in dict.fromkeys(texts)
            if text in found and want.address.kind in USERS.get(found[text][0].kind, (want.address.kind,))
        ]
        after = want.after | {looked_up.address for _, looked_up in used}
        requires = (
            *want.requires,
            *(_within(one, at, vpc) for one, at in used if vpc is not None and one.kind in IN_VPC),
        )
        yield replace(want, after=after, requires=requires) if used else want


USERS = {"queue": ("scaling", "schedule"), "log-group": ("cluster", "task-definition")}
"""Types that use what goes by a name, which other resources may have, too."""


def _of_account(context: Context, one: Outside) -> bool:
    """Whether it can be looked up. What another account has, it may share for just its use."""
    match one.kind:
        case "topic" | "queue":
            return not queries.is_arn(one.text) or one.text.split(":")[3:5] == [context.stack.region, context.account]
        case "repository":
            image = ecr_image(one.text)
            return image is not None and image.account == context.account
    return True


def _literal(context: Context, one: Outside) -> str:
    """What resources have in the place of a reference."""
    if one.kind == "queue" and isinstance(one.document, Task) and not queries.is_arn(one.text):
        return context.arn("sqs", one.text)
    return queries.name_in_arn(one.text) if one.kind == "cluster" else one.text


def _lookup(context: Context, one: Outside) -> Desired[Any]:
    if one.kind == "lookup":
        return context.looked_up(one.document, lookup_address(one.text), _source(one.text), *one.path)
    if one.kind in BY_NAME:
        name = _name(one)
        at = Address(existing(one.kind), name.rpartition(":")[2])
        return context.looked_up(one.document, at, ExistingByNameSpec(name=name), *one.path)
    at = Address(existing(one.kind), short(one.text) if queries.is_arn(one.text) else _literal(context, one))
    id = link(one.kind, one.text, literal=one.text)
    at = at if isinstance(id, str) else Address(at.kind, id.address.name)
    spec: Spec
    match one.kind:
        case "cluster":
            spec = ExistingClusterSpec(name=_literal(context, one))
        case "role":
            spec = ExistingRoleSpec(arn=one.text)
        case "vpc":
            spec = ExistingVpcSpec(of=id)
        case _:
            spec = ExistingInEc2Spec(id=id)
    return context.looked_up(one.document, at, spec, *one.path)


def _name(one: Outside) -> str:
    """By which it is looked up: a topic by its ARN, and the others by their names."""
    image = ecr_image(one.text)
    if image is not None:
        return image.repository
    return one.text if one.kind == "topic" else one.text.rpartition(":")[2]


def _values(context: Context, document: Document) -> Iterator[Desired[Any]]:
    """The values of others that a document names, once each."""
    found: dict[Address, Desired[Any]] = {}
    for one in outside(context.specs, document):
        if one.text.startswith(LOOKUP):
            at = lookup_address(one.text)
            found.setdefault(at, context.looked_up(one.document, at, _source(one.text), *one.path))
    yield from found.values()


def _source(reference: str) -> LookupSpec:
    return LookupSpec(source=reference.removeprefix(LOOKUP))


def _texts(value: Any) -> Iterator[str]:
    """Every text in a spec, at any depth."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _texts(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _texts(item)


# -- networks


def _vpc_of(context: Context, document: Document) -> Desired[Any] | Link | None:
    """The VPC that the subnets and security groups of a document have to be in: that of its load balancer or its
    network, or of its first subnet, which is then looked up."""
    if isinstance(document, LoadBalancer):
        named, subnets = document.network, document.subnets
    elif isinstance(document, Service | Task):
        traffic = document.traffic if isinstance(document, Service) else None
        if traffic is not None and traffic.outside:
            return vpc(traffic)
        balancer = queries.balancer(context.specs, traffic)
        named, subnets = None if balancer is None else balancer.network, document.placement.subnets
    else:
        return None
    network = context.network_of(subnets)
    if network is not None:
        return Ref(Address("vpc", network.name))
    if named is not None:
        return link("vpc", named, literal="vpc-")
    if not subnets or not queries.is_subnet_id(subnets[0]):
        return None
    name = subnets[0].removeprefix(LOOKUP)
    spec = ExistingVpcSpec(of=Ref(Address(existing("subnet"), name)))
    return context.desired(document, Address(existing("vpc"), name), spec)


def _within(one: Outside, at: Desired[Any], vpc: Desired[Any] | Link) -> Requirement:
    link: Link = Ref(vpc.address) if isinstance(vpc, Desired) else vpc
    whose = f"the load balancer {one.document.name}" if isinstance(one.document, LoadBalancer) else one.document.name
    because = f"{one.text} is in {{}}, which is not the VPC of {whose}"
    return Requirement(at.address, "vpc", (link,), because, at.where)


# -- load balancers


def balancer_name(reference: str) -> str:
    """The name of a load balancer, which its ARN has before its id; `*` if it is looked up."""
    if reference.startswith(LOOKUP):
        return "*"
    return short(reference).split("/")[1] if queries.is_arn(reference) else name_of(reference)


def balancer_address(traffic: Forwarding) -> Address:
    """The load balancer that requests come through, whoever owns it."""
    if not traffic.outside:
        return Address("load-balancer", traffic.load_balancer)
    return Address(existing("load-balancer"), short(traffic.load_balancer))


def listener_address(traffic: Forwarding, listener: str) -> Address:
    """A listener of the load balancer, by its name there, or by its port or ARN if others own it."""
    if not traffic.outside:
        return load_balancer.listener_address(traffic.load_balancer, listener)
    within = name_of(listener) if listener.startswith(LOOKUP) else listener.rpartition("/")[2]
    return Address(existing("listener"), f"{short(traffic.load_balancer)}:{within}")


def vpc(traffic: Forwarding) -> Ref:
    """The VPC of a load balancer that others own."""
    return Ref(Address(existing("vpc"), short(traffic.load_balancer)))


def compile_balancer(context: Context, service: Service, traffic: Forwarding, path: Path) -> Iterator[Desired[Any]]:
    """The load balancer of a service's traffic, if others own it, with its VPC and the listeners that are used."""
    if not traffic.outside:
        return
    at = balancer_address(traffic)
    if traffic.load_balancer.startswith(LOOKUP):
        place = lookup_address(traffic.load_balancer)
        yield context.looked_up(service, place, _source(traffic.load_balancer), *path, "load_balancer")
        spec = ExistingLoadBalancerSpec(name=Ref(place))
    else:
        spec = ExistingLoadBalancerSpec(name=name_of(traffic.load_balancer))
    yield context.looked_up(service, at, spec, *path, "load_balancer")
    yield context.looked_up(service, vpc(traffic).address, ExistingVpcSpec(of=Ref(at)), *path, "load_balancer")
    for field, listener in queries.entries(context.specs, traffic).items():
        address = listener_address(traffic, listener)
        at_place: Link = listener
        if listener.startswith(LOOKUP):
            at_place = Ref(lookup_address(listener))
            yield context.looked_up(service, lookup_address(listener), _source(listener), *path, field)
        found = ExistingListenerSpec(load_balancer=Ref(at), listener=at_place)
        yield context.looked_up(service, address, found, *path, field)


def of_rule(context: Context, service: Service, traffic: Forwarding, path: Path, field: str) -> tuple[Requirement, ...]:
    """What a rule requires of a load balancer and a listener that others own."""
    if not traffic.outside:
        return ()
    listener = getattr(traffic, field)
    name, where = name_of(traffic.load_balancer), str(context.specs.where(service, *path, "load_balancer"))
    secure = traffic.protocol_version != "HTTP1" or traffic.sign_in_at(listener) is not None
    protocols: tuple[Link, ...] = ("HTTPS",) if secure else ("HTTP", "HTTPS")
    able = " or ".join(map(str, protocols))
    return (
        Requirement(
            balancer_address(traffic),
            "type",
            ("application",),
            f"{name} is a {{}} load balancer; only the listeners of application load balancers have rules",
            where,
        ),
        Requirement(
            listener_address(traffic, listener),
            "protocol",
            protocols,
            f"the listener {name_of(listener)} of {name} uses {{}}, and {service.name} needs {able}",
            str(context.specs.where(service, *path, field)),
        ),
    )


def of_target_group(context: Context, service: Service, traffic: Forwarding, path: Path) -> Iterator[Requirement]:
    """What a target group requires of a load balancer that others own: tasks in a network of the specs are reached only
    from within it, and their IPv6 addresses only by one that has some."""
    if not traffic.outside:
        return
    at, name = balancer_address(traffic), name_of(traffic.load_balancer)
    if (network := context.network_of(service.placement.subnets)) is not None:
        because = f"{name} is in {{}}, and the tasks of {service.name} are in the network {network.name}"
        where = str(context.specs.where(service, *path, "load_balancer"))
        yield Requirement(at, "vpc", (Ref(Address("vpc", network.name)),), because, where)
    if traffic.ip_address_type == "ipv6":
        because = f"{name} has the IP address type {{}}, and connects to IPv4 addresses only"
        where = str(context.specs.where(service, *path, "ip_address_type"))
        yield Requirement(at, "ip_address_type", DUALSTACK, because, where)


def is_for_tests(traffic: Forwarding, listener: str) -> bool:
    return isinstance(traffic, Traffic) and listener == traffic.test_listener != traffic.listener
