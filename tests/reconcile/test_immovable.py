"""A service whose traffic the controller shifts stays behind its load balancer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Refusal, RefusalCode
from reconciler.model.resource import Address, Desired, Observed, Ref
from reconciler.model.type_registry import discover
from reconciler.reconcile.immovable import explained, immovable
from reconciler.resources.listener import ListenerSpec
from reconciler.resources.load_balancer import LoadBalancerSpec
from reconciler.resources.service import ServiceSpec
from reconciler.resources.target_group import TargetGroupSpec
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.strategy import Strategy

WEB, DOOR, GROUP = Address("service", "web"), Address("listener", "main"), Address("target-group", "old")
BALANCER = LoadBalancerSpec(name="lb", scheme="internal", subnets=("subnet-1",), security_groups=())
SERVICE = ServiceSpec(cluster="c", name="web")
SHIFTS, ROLLS = Strategy(engine="task_sets"), Strategy(engine="rolling")


def world(*, deployed: bool = True) -> ObservedState:
    """A service with tasks in a target group of the first load balancer."""
    sets = [{"loadBalancers": [{"targetGroupArn": "old-arn"}]}] if deployed else []
    facts = {"item": {"taskSets": sets}, "task_definitions": ()}
    group = TargetGroupSpec(name="old", port=80, protocol="HTTP", vpc="vpc-1", target_type="ip")
    return ObservedState(
        {
            "service": [Observed(WEB, "web-arn", SERVICE, facts=facts)],
            "target-group": [Observed(GROUP, "old-arn", group, facts={"load_balancers": ("first-arn",)})],
            "load-balancer": [Observed(Address("load-balancer", "first"), "first-arn", BALANCER)],
        }
    )


def wanted(listener_on: Any) -> dict[Address, Desired[Any]]:
    at = Address("load-balancer", "second")
    door = ListenerSpec(load_balancer=listener_on, port=80, protocol="HTTP")
    several = (Desired(at, BALANCER), Desired(DOOR, door), Desired(WEB, SERVICE, where="web.yaml:2"))
    return {one.address: one for one in several}


def delivery(policy: Strategy) -> RolloutSpec:
    return RolloutSpec(WEB, Address("task-definition", "web"), policy, production=DOOR)


@pytest.mark.parametrize(
    ("balancer", "policy", "deployed", "refused"),
    [
        ("second", SHIFTS, True, True),
        ("first", SHIFTS, True, False),
        ("second", SHIFTS, False, False),
        ("second", ROLLS, True, False),
    ],
)
def test_a_service_that_serves_cannot_leave_its_load_balancer(
    balancer: str, policy: Strategy, deployed: bool, refused: bool
) -> None:
    """ECS attaches a rolling service to both; one without tasks is attached where it starts."""
    desired = wanted(Ref(Address("load-balancer", balancer)))
    found = list(immovable(world(deployed=deployed), desired, discover(), [delivery(policy)]))
    told = [(one.code, one.address, one.where) for one in found]
    assert told == ([(RefusalCode.IMMUTABLE, WEB, "web.yaml:2")] if refused else [])
    assert all("load-balancer/second" in one.hint for one in found)


def test_what_follows_from_it_is_not_refused_besides() -> None:
    """One piece of advice: a new target group would not help, and the load balancer may only have another name."""
    desired, rollouts = wanted(Ref(Address("load-balancer", "second"))), [delivery(SHIFTS)]
    (stays,) = immovable(world(), desired, discover(), rollouts)
    assert "moved_from: first" in stays.hint
    attached = Refusal(RefusalCode.CONFLICT, DOOR, "attached", about=Address("load-balancer", "first"))
    taken = Refusal(RefusalCode.CONFLICT, DOOR, "port 80 is held")
    assert explained([attached, taken], [stays], rollouts) == (taken, stays)
    assert explained([attached, taken], [], rollouts) == (attached, taken)


def test_nothing_is_known_of_a_load_balancer_of_somebody_else() -> None:
    """Its listener, or the listener's balancer, is given by AWS's id; nor of a service without requests."""
    literal = wanted("arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/other/1")
    assert list(immovable(world(), literal, discover(), [delivery(SHIFTS)])) == []
    alone = replace(delivery(SHIFTS), production=None)
    assert list(immovable(world(), wanted(Ref(Address("load-balancer", "second"))), discover(), [alone])) == []
