"""What is looked at for a service that the specs leave out."""

from __future__ import annotations

from typing import Any

from reconciler.model.resource import Address, Desired, Ref
from reconciler.reconcile.observe import StackId
from reconciler.reconcile.pass_ import DesiredState
from reconciler.resources.existing_listener import ExistingListenerSpec
from reconciler.resources.existing_load_balancer import ExistingLoadBalancerSpec
from reconciler.resources.listener_rule import ListenerRuleSpec
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout_driver.leaving import with_lookups

WEB, TASKS = Address("service", "web"), Address("task-definition", "web")
RULE, GROUP = Address("listener-rule", "web-production"), Address("target-group", "web")
DOOR, BALANCER = Address("existing-listener", "shared:443"), Address("existing-load-balancer", "shared")
OTHER = Address("existing-load-balancer", "other")


def state(*desired: Desired[Any], services: tuple[Address, ...] = ()) -> DesiredState:
    deliveries = tuple(RolloutSpec(one, TASKS, production=RULE) for one in services)
    return DesiredState(StackId("shop", "123456789012", "us-west-2"), desired, deliveries=deliveries)


def test_the_load_balancer_of_others_is_looked_up_for_as_long_as_the_service_is_there() -> None:
    """The tests of a rollout ask it by its name. What nobody needs is not read."""
    former = state(
        Desired(RULE, ListenerRuleSpec(listener=Ref(DOOR), priority=10)),
        Desired(DOOR, ExistingListenerSpec(load_balancer=Ref(BALANCER), listener="443")),
        Desired(BALANCER, ExistingLoadBalancerSpec(name="shared")),
        Desired(OTHER, ExistingLoadBalancerSpec(name="other")),
        services=(WEB,),
    )
    assert [one.address for one in with_lookups(state(), [former])] == [DOOR, BALANCER]
    assert with_lookups(state(services=(WEB,)), [former]) == ()
    assert with_lookups(state(), []) == ()
