"""A listener that others own, looked up by its port or its ARN. Rules of the stack may be added to it.

Its default action, its certificates and the rules of others stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from reconciler.model import resource
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.resource import Calls, Desired, Link, Observed, ResourceHealth
from reconciler.model.resource_type import Scope
from reconciler.resources import _gone
from reconciler.resources._elb import elbv2

BALANCER = "existing-load-balancer"


class ExistingListenerSpec(resource.Spec):
    """What is known of it once it is found: its port and its protocol."""

    load_balancer: Link
    listener: Link
    """Its port, or its ARN."""
    port: int | None = None
    protocol: str | None = None


class ExistingListener(LookedUpType[ExistingListenerSpec]):
    kind: ClassVar[str] = "existing-listener"
    of_others: ClassVar[bool] = True
    Spec = ExistingListenerSpec
    inside: ClassVar[tuple[str, str] | None] = ("load_balancer", BALANCER)
    observe_after: ClassVar[tuple[str, ...]] = ("lookup", BALANCER)

    def observe(self, scope: Scope) -> Calls[list[Observed[ExistingListenerSpec]]]:
        balancers = sorted({one.id for one in scope.seen.get(BALANCER, ()) if one.id.startswith("arn:")})
        answers = yield from _gone.answers([elbv2.describe_listeners(LoadBalancerArn=arn) for arn in balancers])
        items = {arn: answer["Listeners"] for arn, answer in zip(balancers, answers, strict=True) if answer}
        lost = {one.id: one.reason for one in scope.seen.get(BALANCER, ()) if not one.id.startswith("arn:")}
        return [_look_up(want, items.get(str(want.spec.load_balancer)), lost) for want in scope.wanted]


def _look_up(
    want: Desired[ExistingListenerSpec], items: Iterable[Mapping[str, Any]] | None, lost: Mapping[str, str]
) -> Observed[ExistingListenerSpec]:
    spec, listeners = want.spec, list(items or ())
    item = next((one for one in listeners if str(spec.listener) in (one["ListenerArn"], str(one.get("Port")))), None)
    if item is not None:
        found = spec.model_copy(update={"port": item.get("Port"), "protocol": item.get("Protocol")})
        facts = {"protocol": item.get("Protocol", ""), "port": str(item.get("Port", ""))}
        return Observed(want.address, item["ListenerArn"], found, facts=facts)
    reason = lost.get(str(spec.load_balancer)) or f"the load balancer {_there(spec, listeners)}"
    return Observed(want.address, str(want.address), spec, health=ResourceHealth.DEGRADED, reason=reason)


def _there(spec: ExistingListenerSpec, items: Iterable[Mapping[str, Any]]) -> str:
    named = str(spec.listener)
    what = f"listener on port {named}" if named.isdigit() else f"listener {named}"
    ports = ", ".join(str(port) for port in sorted(item.get("Port", 0) for item in items))
    return f"has no {what}{f'; it has listeners on {ports}' if ports else ', and no listener at all'}"
