"""A load balancer that others own, looked up by its name or its ARN. Nothing of it is ever written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from reconciler.model import resource
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.resource import Calls, Desired, Link, Observed, ResourceHealth
from reconciler.model.resource_type import Scope
from reconciler.resources import _gone
from reconciler.resources._elb import elbv2

NAMED: Final = re.compile(r"[A-Za-z0-9-]{1,32}|arn:[^:]+:elasticloadbalancing:[^:]+:\d{12}:loadbalancer/\S+", re.ASCII)
"""What AWS takes as the name or the ARN of one; a value that is looked up may be anything."""


class ExistingLoadBalancerSpec(resource.Spec):
    name: Link
    """Its name, or its ARN."""


class ExistingLoadBalancer(LookedUpType[ExistingLoadBalancerSpec]):
    kind: ClassVar[str] = "existing-load-balancer"
    of_others: ClassVar[bool] = True
    Spec = ExistingLoadBalancerSpec
    observe_after: ClassVar[tuple[str, ...]] = ("lookup",)
    slow_to_create: ClassVar[bool] = True  # one that is being provisioned receives no requests yet

    def observe(self, scope: Scope) -> Calls[list[Observed[ExistingLoadBalancerSpec]]]:
        """One call for each: AWS rejects a list of which one is missing."""
        names = sorted({name for want in scope.wanted if NAMED.fullmatch(name := str(want.spec.name))})
        calls = [
            elbv2.describe_load_balancers(LoadBalancerArns=[name])
            if name.startswith("arn:")
            else elbv2.describe_load_balancers(Names=[name])
            for name in names
        ]
        answers = dict(zip(names, (yield from _gone.answers(calls)), strict=True))
        return [_look_up(want, answers.get(str(want.spec.name))) for want in scope.wanted]


def _look_up(
    want: Desired[ExistingLoadBalancerSpec], answer: Mapping[str, Any] | None
) -> Observed[ExistingLoadBalancerSpec]:
    name = str(want.spec.name)
    if answer is None or not answer["LoadBalancers"]:
        known = NAMED.fullmatch(name) is not None
        what = f"the load balancer {name} does not exist in this account and region"
        reason = what if known else f"{name!r} is neither the name nor the ARN of a load balancer"
        return Observed(want.address, name, want.spec, health=ResourceHealth.DEGRADED, reason=reason)
    item = answer["LoadBalancers"][0]
    health, reason = _health(item)
    facts = {
        "type": item["Type"],
        "vpc": item.get("VpcId", ""),
        "dns_name": item.get("DNSName", ""),
        "zone_id": item.get("CanonicalHostedZoneId", ""),
        "ip_address_type": item.get("IpAddressType", "ipv4"),
    }
    return Observed(want.address, item["LoadBalancerArn"], want.spec, health=health, reason=reason, facts=facts)


def _health(item: Mapping[str, Any]) -> tuple[ResourceHealth, str]:
    match item.get("State", {}).get("Code"):
        case "provisioning":
            return ResourceHealth.PROGRESSING, "the load balancer is still being provisioned"
        case "failed":
            return ResourceHealth.DEGRADED, "AWS could not set up the load balancer"
        case _:
            return ResourceHealth.READY, ""
