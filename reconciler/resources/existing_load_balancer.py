"""A load balancer that others own, looked up by its name or its ARN. Nothing of it is ever written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from reconciler.model import resource
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.resource import Calls, Desired, Link, Observed, ResourceHealth
from reconciler.model.resource_type import Scope
from reconciler.resources import _gone
from reconciler.resources._elb import elbv2


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
        calls = [
            elbv2.describe_load_balancers(LoadBalancerArns=[name])
            if (name := str(want.spec.name)).startswith("arn:")
            else elbv2.describe_load_balancers(Names=[name])
            for want in scope.wanted
        ]
        answers = yield from _gone.answers(calls)
        return [_look_up(want, answer) for want, answer in zip(scope.wanted, answers, strict=True)]


def _look_up(
    want: Desired[ExistingLoadBalancerSpec], answer: Mapping[str, Any] | None
) -> Observed[ExistingLoadBalancerSpec]:
    name = str(want.spec.name)
    if answer is None or not answer["LoadBalancers"]:
        reason = f"the load balancer {name} does not exist in this account and region"
        return Observed(want.address, name, want.spec, health=ResourceHealth.DEGRADED, reason=reason)
    item = answer["LoadBalancers"][0]
    health, reason = _health(item)
    facts = {
        "type": item["Type"],
        "vpc": item.get("VpcId", ""),
        "dns_name": item.get("DNSName", ""),
        "zone_id": item.get("CanonicalHostedZoneId", ""),
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
