"""How a deployment of ECS's own blue/green ends before it has succeeded. At the gate and in the bake time:
test_ecs_native.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from reconciler.controller.until import has_ended
from reconciler.local.scripted import Script
from reconciler.model.resource import Address
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.rollout import state_tags
from reconciler.rollout.engine import Phase, Waiting
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import Actor, Outcome
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.harness.rollout_outcomes import DAY, ended_in, in_phase, outcome, quarantined
from tests.rollout_driver.test_ecs_native import FIRST, SECOND, all_to, running, sent, serving, statuses

CANARY = {"type: blue_green": "type: canary\nengine: ecs_native\nsteps: [{weight: 20, pause: 5m}]"}

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    """v1 serves; a canary has each stage."""
    with emulated_stack(CANARY, SHORT) as found:
        serving(found)
        yield found


@pytest.mark.parametrize(
    ("phase", "ends"),
    [
        (Phase.SCALING_UP, Outcome.ABORTED),
        (Phase.TESTING, Outcome.ABORTED),
        (Phase.SHIFTING, Outcome.ROLLED_BACK),
        (Phase.VERIFYING, Outcome.ROLLED_BACK),
    ],
)
def test_a_deployment_is_stopped_in_each_stage(stage: EmulatedStack, phase: Phase, ends: Outcome) -> None:
    """By one call; production is the previous version's again, green is gone, and the release is not tried again."""
    if phase is Phase.TESTING:
        stage.answers = lambda path: (500, "")
    stage.spec(v1="v2")
    stage.apply(in_phase(phase) if phase is not Phase.TESTING else _testing, patience=DAY)
    assert stage.last.step is not None
    assert stage.last.step.phase is phase
    stage.transport.sent.clear()
    stage.say(RequestVerb.ROLLBACK if ends is Outcome.ROLLED_BACK else RequestVerb.ABORT)
    stage.follow(has_ended)
    assert sent(stage) == {"StopServiceDeployment": 1}
    assert statuses(stage) == ["ROLLBACK_SUCCESSFUL"]
    assert outcome(stage)[:2] == (ends, Actor.PERSON)
    assert stage.weights(80) == stage.weights(9000) == all_to(FIRST)
    assert running(stage) == [("PRIMARY", f"{SERVICE}:2")]
    assert quarantined(stage)


def _testing(result: object) -> bool:
    step = getattr(result, "step", None)
    return step is not None and step.phase is Phase.TESTING


def test_the_circuit_breaker_of_ecs_is_followed_where_it_is_first(stage: EmulatedStack) -> None:
    """It rolls back after three tasks; nothing is stopped by us, and the reason is ECS's."""
    stage.terms["max_failed_tasks"] = 100
    stage.laptop.script(Script(image=f"*{stage.digest('v3')}*", healthy=False, exits_after=2.0, exit_code=1))
    stage.spec(v1="v3")
    assert ended_in(stage.apply(has_ended, patience=600.0)) == [Phase.FAILED]
    assert outcome(stage)[:2] == (Outcome.FAILED, Actor.ENGINE)
    assert "circuit breaker" in outcome(stage)[2]
    assert statuses(stage) == ["ROLLBACK_SUCCESSFUL"]
    assert "StopServiceDeployment" not in sent(stage)
    assert stage.weights(80) == all_to(FIRST)
    assert quarantined(stage)


@pytest.mark.slow
def test_a_deployment_of_somebody_else_that_supersedes_ours_blocks_until_it_is_over(stage: EmulatedStack) -> None:
    """ECS stops ours for it; the version is not blamed, and comes again once the other one has ended."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION), patience=DAY)
    ecs = stage.laptop.client("ecs")
    item = ecs.describe_task_definition(taskDefinition=f"{SERVICE}:2")["taskDefinition"]
    fields = ("family", "containerDefinitions", "networkMode", "cpu", "memory", "executionRoleArn",
              "requiresCompatibilities", "runtimePlatform")  # fmt: skip
    made = ecs.register_task_definition(**{key: item[key] for key in fields if key in item})
    theirs = made["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(
        cluster=CLUSTER, service=SERVICE, taskDefinition=theirs, deploymentConfiguration={"lifecycleHooks": []}
    )
    stage.laptop.advance(30)
    stage.transport.sent.clear()
    stage.follow(lambda result: result.step is not None and result.step.phase is Phase.BLOCKED)
    assert statuses(stage)[0] in ("STOP_REQUESTED", "STOPPED")
    assert "StopServiceDeployment" not in sent(stage)
    stage.laptop.advance(7200)
    assert statuses(stage) == ["STOPPED", "SUCCESSFUL"]
    assert not stage.apply(has_ended, patience=DAY).went_wrong
    assert statuses(stage) == ["STOPPED", "SUCCESSFUL", "SUCCESSFUL"]
    assert state_tags.of_tags(stage.tags()).quarantine == ()
    assert running(stage) == [("PRIMARY", f"{SERVICE}:3")]


def _without(stage: EmulatedStack, what: str) -> None:
    """The test listener, or the target group that nothing is in, is deleted and created again."""
    elb = stage.laptop.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    if what == "test listener":
        elb.delete_listener(ListenerArn=next(one["ListenerArn"] for one in listeners if one["Port"] == 9000))
    else:
        groups = {one["TargetGroupName"]: one["TargetGroupArn"] for one in elb.describe_target_groups()["TargetGroups"]}
        forward = [{"Type": "forward", "TargetGroupArn": groups[FIRST]}]
        for one in listeners:
            elb.modify_listener(ListenerArn=one["ListenerArn"], DefaultActions=forward)
        elb.delete_target_group(TargetGroupArn=groups[SECOND])
    stage.apply(lambda result: result.step is not None)


def test_a_version_that_loses_its_test_listener_is_not_to_blame(stage: EmulatedStack) -> None:
    """ECS can neither test it nor take the test traffic back. Production goes on, and it is said what to do."""
    stage.answers = lambda path: (500, "")
    stage.spec(v1="v2")
    stage.apply(_testing, patience=DAY)
    stage.transport.sent.clear()
    _delete_listener(stage)
    stage.follow(lambda result: result.step is not None and result.step.phase is Phase.BLOCKED, patience=DAY)
    assert sent(stage) == {"StopServiceDeployment": 1}
    assert statuses(stage) == ["ROLLBACK_FAILED"]
    assert outcome(stage)[:2] == (Outcome.FAILED, Actor.ENGINE)
    assert state_tags.of_tags(stage.tags()).quarantine == ()
    stage.apply(lambda result: result.step is not None)
    step = stage.last.step
    assert step is not None
    assert "the test listener or its rule" in step.because
    assert "change the engine to `rolling`" in step.because
    assert stage.weights(80) == all_to(FIRST)


def _delete_listener(stage: EmulatedStack) -> None:
    elb = stage.laptop.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    elb.delete_listener(ListenerArn=next(one["ListenerArn"] for one in listeners if one["Port"] == 9000))


def _delete_role(stage: EmulatedStack) -> None:
    iam, name = stage.laptop.client("iam"), f"{SERVICE}-infrastructure"
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def _delete_group(stage: EmulatedStack) -> None:
    """The one that nothing is in."""
    elb = stage.laptop.client("elbv2")
    groups = {one["TargetGroupName"]: one["TargetGroupArn"] for one in elb.describe_target_groups()["TargetGroups"]}
    forward = [{"Type": "forward", "TargetGroupArn": groups[FIRST]}]
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    for one in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
        elb.modify_listener(ListenerArn=one["ListenerArn"], DefaultActions=forward)
    elb.delete_target_group(TargetGroupArn=groups[SECOND])


def _break_test_listener(stage: EmulatedStack) -> None:
    """It is there, and answers by itself: drift, which is put back."""
    elb = stage.laptop.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    arn = next(one["ListenerArn"] for one in listeners if one["Port"] == 9000)
    fixed = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
    elb.modify_listener(ListenerArn=arn, DefaultActions=[fixed])


@pytest.mark.parametrize(
    ("lose", "named", "advice", "repaired"),
    [
        (_delete_group, f"the target group {SECOND}", "change the engine to `rolling`", False),
        (_delete_listener, "the test listener or its rule", "change the engine to `rolling`", False),
        (_delete_role, f"role/{SERVICE}-infrastructure", "the plan creates it again", True),
    ],
    ids=["target group", "test listener", "role"],
)
def test_what_is_lost_at_rest_is_said_before_the_next_deployment(
    stage: EmulatedStack, lose: Callable[[EmulatedStack], None], named: str, advice: str, repaired: bool
) -> None:
    """With what to do, and whether the plan repairs it."""
    assert pass_.look(stage.aws, discover(), stage.desired_state)[1].warnings == ()
    lose(stage)
    (note,) = pass_.look(stage.aws, discover(), stage.desired_state)[1].warnings
    assert note.address == Address("service", SERVICE)
    assert named in note.because
    assert advice in note.because
    stage.infrastructure()
    left = pass_.look(stage.aws, discover(), stage.desired_state)[1].warnings
    assert [named in one.because for one in left] == ([] if repaired else [True])


def test_a_listener_that_somebody_changed_is_not_lost(stage: EmulatedStack) -> None:
    _break_test_listener(stage)
    assert pass_.look(stage.aws, discover(), stage.desired_state)[1].warnings == ()


@pytest.mark.parametrize("what", ["test listener", "target group"])
def test_a_version_waits_while_ecs_has_what_was_deleted(stage: EmulatedStack, what: str) -> None:
    """ECS would roll it back, whichever version it is. Nor is a rollback to the previous one begun."""
    _without(stage, what)
    stage.spec(v1="v2")
    stage.apply(lambda result: result.step is not None and result.step.phase is Phase.IDLE)
    step = stage.last.step
    assert step is not None
    assert (step.waits_for, quarantined(stage)) == (Waiting.DEPENDENCY, False)
    assert what in step.because
    assert "engine to `rolling`" in step.because
    assert statuses(stage) == []
