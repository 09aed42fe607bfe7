"""A service whose traffic ECS shifts keeps its pair of target groups, their rules, its port and its role."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.model.plan import RefusalCode, Verb
from reconciler.model.resource import Address
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.emulated_stack import SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.rollout_driver.test_ecs_native import FIRST, NATIVE, SECOND, serving

GROUPS = "[my-app-frontend-tg-1, my-app-frontend-tg-2]"
ROLE = {"engine: ecs_native": "engine: ecs_native\nrole: arn:aws:iam::123456789012:role/other"}

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    with emulated_stack(NATIVE, SHORT) as found:
        serving(found)
        yield found


@pytest.mark.parametrize(
    ("texts", "what"),
    [
        ({GROUPS: "[my-app-frontend-tg-1, my-app-frontend-tg-9]"}, "other target groups"),
        ({GROUPS: "[my-app-frontend-tg-8, my-app-frontend-tg-9]"}, "other target groups"),
        ({"traffic:\n": "traffic:\n  match: {path: /shop, priority: 10}\n"}, "another production listener or rule"),
        ({"traffic:\n": "traffic:\n  listener: test\n  test_listener: production\n"}, "another production listener"),
        ({"      port: 80\n": "      port: 81\n", "{port: 80, from: my-app": "{port: 81, from: my-app"},
         "another container or port"),
        (ROLE, "another role"),
    ],
)  # fmt: skip
def test_what_ecs_cannot_be_given_safely_is_refused(stage: EmulatedStack, texts: dict[str, str], what: str) -> None:
    """At the service, before anything is written, with what to do instead."""
    stage.change(texts)
    stage.transport.sent.clear()
    _, plan = pass_.look(stage.aws, discover(), stage.desired_state)
    refusals = [one for one in plan.refusals if one.address == Address("service", SERVICE)]
    assert [one.code for one in refusals] == [RefusalCode.IMMUTABLE]
    assert what in refusals[0].because
    assert refusals[0].where.startswith("specs/services/frontend.yaml:")
    assert "rolling" in refusals[0].hint


@pytest.mark.slow
@pytest.mark.parametrize("port", [80, 9000])
def test_a_rule_that_was_deleted_is_created_again(port: int) -> None:
    """ECS goes on having the previous one; without it nobody would be served."""
    with emulated_stack(NATIVE | {"traffic:\n": "traffic:\n  match: {path: /*, priority: 10}\n"}, SHORT) as stage:
        serving(stage)
        elb = stage.laptop.client("elbv2")
        (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
        listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        listener = next(one["ListenerArn"] for one in listeners if one["Port"] == port)
        (rule,) = (one for one in elb.describe_rules(ListenerArn=listener)["Rules"] if not one["IsDefault"])
        elb.delete_rule(RuleArn=rule["RuleArn"])
        _, plan = pass_.look(stage.aws, discover(), stage.desired_state)
        assert plan.refusals == ()
        assert [(one.verb, one.address.kind) for one in plan.actions] == [(Verb.CREATE, "listener-rule")]


@pytest.mark.parametrize(
    "texts",
    [
        {GROUPS: "[my-app-frontend-tg-2, my-app-frontend-tg-1]"},
        {GROUPS: f"[{SECOND}, {{name: new, moved_from: {FIRST}, aws_name: {FIRST}}}]"},
    ],
)  # fmt: skip
def test_what_is_the_same_to_ecs_is_not(stage: EmulatedStack, texts: dict[str, str]) -> None:
    """Another order, and another name in the specs."""
    stage.change(texts)
    _, plan = pass_.look(stage.aws, discover(), stage.desired_state)
    assert plan.refusals == ()
