"""The outsider sees what a request would meet, at every moment, and who still uses what is deleted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.local.scripted import Script
from reconciler.model.resource import ServiceApi
from reconciler.rollout.engine import Phase
from tests.harness.emulated_stack import SERVICE
from tests.harness.transitions import LivingStack, living
from tests.promises.test_changes import documents_of, with_image

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def stack(for_a_module: None) -> Iterator[LivingStack]:
    with living(documents_of("blue_green")) as found:
        yield found


def test_a_rollout_goes_through_its_phases_without_a_breach(stack: LivingStack) -> None:
    stack.commit(with_image(stack.commits.documents, "v2"))
    assert stack.until(Phase.BAKING)
    assert stack.settle()
    assert stack.phases[-1] == "idle"
    assert "shifting" in stack.phases
    assert (stack.breaches, stack.why_not_in_place(), stack.unserved()) == ([], [], {})


def test_traffic_to_a_group_without_tasks_is_a_breach(stack: LivingStack) -> None:
    stack.outsider.expect({"my-app-alb": 2})
    elb = stack.laptop.client("elbv2")
    groups = {one["TargetGroupName"]: one["TargetGroupArn"] for one in elb.describe_target_groups()["TargetGroups"]}
    empty = min(groups.values(), key=lambda arn: len(stack.laptop.targets.states(arn)))
    balancer = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    listener = next(one for one in elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"] if one["Port"] == 80)
    half = [{"TargetGroupArn": arn, "Weight": 1} for arn in groups.values()]
    elb.modify_listener(
        ListenerArn=listener["ListenerArn"],
        DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": half}}],
    )
    stack.outsider.look()
    assert stack.breaches == ["my-app-alb: 50% of the requests reach no healthy target"]
    assert empty in groups.values()


def test_fewer_tasks_than_before_and_than_wanted_is_a_breach(stack: LivingStack) -> None:
    stack.outsider.expect({"my-app-alb": 2})
    running = stack.laptop.tasks.running.items()
    stack.laptop.tasks.kill(next(key for key, one in running if one.containers[0].name == "frontend"))
    stack.laptop.advance(1.0)
    stack.outsider.look()
    assert stack.breaches == ["my-app-alb: 1 healthy targets, fewer than 2"]


def test_what_may_end_by_the_specs_may_end(stack: LivingStack) -> None:
    documents = [dict(one) for one in stack.commits.documents]
    for one in documents:
        if one["kind"] == "Service":
            one["desired_count"] = 0
    stack.commit(documents)
    assert stack.settle()
    assert stack.breaches == []


def test_a_deletion_of_what_a_task_uses_is_a_breach(stack: LivingStack) -> None:
    stack.watched.perform(ServiceApi("logs").delete_log_group(logGroupName=f"/ecs/{SERVICE}"))
    assert len(stack.breaches) == 1
    assert stack.breaches[0].startswith("logs.DeleteLogGroup of /ecs/my-app-frontend, which task ")


def test_a_version_that_is_not_healthy_is_a_reason_and_no_breach(stack: LivingStack) -> None:
    stack.laptop.script(Script(image="*", healthy=True))
    stack.commit(with_image(stack.commits.documents, "missing"))
    assert stack.settle()
    assert stack.why_not_in_place()
    assert stack.breaches == []
