"""Autoscaling: the law example, whose it is, and what AWS answers that moto does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.resource import Address, Desired, Observed
from reconciler.resources._scaling_fields import Query
from reconciler.resources.scaling import DIMENSION, Policy, Scaling, ScalingSpec, ScheduledAction
from reconciler.resources.service import ServiceSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import STACK, Talk, scope, tagged
from tests.resources.workload import ECS, cluster, definition, network, placed

CPU = Policy(metric="ECSServiceAverageCPUUtilization", target=60.0, scale_in_cooldown=300, scale_out_cooldown=60)
MEMORY = Policy(metric="ECSServiceAverageMemoryUtilization", target=70.0, scale_in_cooldown=300, scale_out_cooldown=300)

NIGHT = ScheduledAction(schedule="cron(0 20 * * ? *)", time_zone="Europe/Berlin", min=0, max=0)
OWN = Policy(
    metric="CustomizedMetric",
    target=100.0,
    scale_in_cooldown=300,
    scale_out_cooldown=300,
    queries={
        "jobs": Query(
            namespace="AWS/SQS",
            metric="ApproximateNumberOfMessagesVisible",
            dimensions={"QueueName": "jobs"},
            statistic="Average",
        ),
        "share": Query(expression="jobs / 2", returned=True),
    },
)


def needs(name: str, cidr: str) -> tuple[Desired[Any], ...]:
    spec = ServiceSpec(
        cluster=ref(f"cluster/{name}"),
        name=name,
        task_definition=ref(f"task-definition/{name}"),
        initial_count=1,
        launch_type="FARGATE",
        network=placed(name),
    )
    return *network(name, cidr), cluster(name), definition(name), wish(f"service/{name}", spec)


def scaling(name: str) -> Desired[Any]:
    spec = ScalingSpec(
        resource=f"service/{name}/{name}",
        service=ref(f"service/{name}"),
        min=1,
        max=4,
        policies={"cpu": CPU},
        actions={},
        suspended=False,
    )
    return wish(f"scaling/{name}", spec)


EXAMPLE = Example(
    scaling("web"),
    needs=needs("web", "10.0"),
    edits=(
        Edit({"max": 9}, "max"),
        Edit({"min": 2, "max": 2}, "max", "min"),
        Edit({"policies": {"cpu": CPU.model_copy(update={"target": 80.0})}}, "policies.cpu.target"),
        Edit(
            {"policies": {"cpu": CPU.model_copy(update={"scale_out_cooldown": 5})}}, "policies.cpu.scale_out_cooldown"
        ),
        Edit({"policies": {"cpu": CPU, "memory": MEMORY}}, "policies.memory"),
        Edit({"policies": {"cpu": CPU.model_copy(update={"scale_in_cooldown": None})}}),
        Edit({"suspended": True}, "suspended"),
        Edit({"actions": {"reconciler-night": NIGHT}}, "actions.reconciler-night"),
        Edit({"policies": {"cpu": CPU, "own": OWN}}, "policies.own"),
        Edit({"resource": "service/web/other"}, "resource"),
    ),
    taggable=False,
    decoys=(*needs("decoy", "10.1"), scaling("decoy")),
)

NAME = "service/c/web"
SERVICE = f"{ECS}:{NAME}"
BALANCER = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/web/0123456789abcdef"
GROUP = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/web/fedcba9876543210"
LABEL = "app/web/0123456789abcdef/targetgroup/web/fedcba9876543210"
SPEC = ScalingSpec(resource=NAME, service=SERVICE, min=1, max=4, policies={"cpu": CPU})
DESIRED = wish("scaling/web", SPEC)
DESIRED = replace(DESIRED, tags=tagged(DESIRED))


def service(name: str = "web", stack: str = STACK) -> Observed[Any]:
    tags = {ownership.STACK: stack, ownership.ADDRESS: f"service/{name}"}
    return Observed(Address("service", name), f"{ECS}:service/c/{name}", SPEC, tags=tags)


def target(**fields: Any) -> dict[str, Any]:
    return {"ResourceId": NAME, "ScalableDimension": DIMENSION, "MinCapacity": 1, "MaxCapacity": 4, **fields}


def policy(name: str = "cpu", **fields: Any) -> dict[str, Any]:
    tracking = {
        "TargetValue": 60.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": CPU.metric},
        "ScaleInCooldown": 300,
        "ScaleOutCooldown": 60,
        "DisableScaleIn": False,
    }
    return {
        "PolicyName": name,
        "ResourceId": NAME,
        "ScalableDimension": DIMENSION,
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": {**tracking, **fields.pop("tracking", {})},
        "Alarms": [{"AlarmName": f"TargetTracking-{NAME}-AlarmHigh-1"}],
        **fields,
    }


def observe(
    targets: list[dict[str, Any]],
    policies: list[dict[str, Any]],
    *services: Observed[Any],
    actions: Iterable[dict[str, Any]] = (),
    want: Desired[Any] = DESIRED,
) -> Any:
    talk = Talk(
        DescribeScalableTargets={"ScalableTargets": targets},
        DescribeScalingPolicies={"ScalingPolicies": policies},
        DescribeScheduledActions={"ScheduledActions": list(actions)},
    )
    found = talk.hold(Scaling().observe(scope(want, seen={"service": services or (service(),)})))
    return found, talk


def one(*policies: dict[str, Any], **fields: Any) -> Observed[ScalingSpec]:
    found, _ = observe([target(**fields)], list(policies) or [policy()])
    assert len(found) == 1
    result: Observed[ScalingSpec] = found[0]
    return result


def test_it_belongs_to_whoever_owns_the_service() -> None:
    """Neither targets nor policies say whose they are, so the service does."""
    assert not diff(one(), SPEC)
    assert (one().parent, ownership.owner(one().tags)) == (SERVICE, STACK)

    found, _ = observe([target()], [policy()], service(stack="theirs"))
    assert ownership.owner(found[0].tags) == "theirs"


def test_policies_are_asked_for_once_for_all_services() -> None:
    """Fifty services a call for the targets, one call for every policy; none of either without a service."""
    services = [service(f"s{number}") for number in range(51)]
    found, talk = observe([target()], [policy(), policy("other", ResourceId="service/c/other")], service(), *services)

    assert [len(params["ResourceIds"]) for params in talk.params("DescribeScalableTargets")] == [50, 2]
    assert len(talk.params("DescribeScalingPolicies")) == 1
    assert not diff(found[0], SPEC)
    assert Talk().hold(Scaling().observe(scope(DESIRED))) == []


def test_without_a_target_no_policies_are_read() -> None:
    """Policies live on targets."""
    found, talk = observe([], [])

    assert found == []
    assert talk.operations() == ["DescribeScalableTargets"]


def test_a_policy_that_a_person_added_shows_and_goes() -> None:
    """Of whatever sort it is, it would fight with what the specs say."""
    step = policy("by-hand", PolicyType="StepScaling")
    del step["TargetTrackingScalingPolicyConfiguration"]
    old = one(policy(), step)

    changes = diff(old, SPEC)
    assert [str(change) for change in changes] == ["policies.by-hand"]
    talk = Talk()
    talk.hold(Scaling().update(old, DESIRED, changes))
    assert [(call.operation, call.params["PolicyName"]) for call in talk.said] == [("DeleteScalingPolicy", "by-hand")]


def test_a_policy_of_another_sort_makes_way() -> None:
    """AWS cannot turn a step policy into one that tracks a target: it goes first, under the same name."""
    step = policy(PolicyType="StepScaling")
    del step["TargetTrackingScalingPolicyConfiguration"]
    old, talk = one(step), Talk()

    talk.hold(Scaling().update(old, DESIRED, diff(old, SPEC)))

    assert talk.operations() == ["DeleteScalingPolicy", "PutScalingPolicy"]


def test_what_is_not_declared_of_a_policy_is_sent_as_it_is() -> None:
    """Putting a policy replaces it, and a cooldown that is left out would go back to AWS's default."""
    old = one(policy(tracking={"ScaleInCooldown": 17}))
    bare = SPEC.model_copy(update={"policies": {"cpu": Policy(metric=CPU.metric, target=50.0)}})
    talk = Talk()

    talk.hold(Scaling().update(old, replace(DESIRED, spec=bare), diff(old, bare)))

    sent = talk.params("PutScalingPolicy")[0]["TargetTrackingScalingPolicyConfiguration"]
    assert (sent["ScaleInCooldown"], sent["ScaleOutCooldown"], sent["TargetValue"]) == (17, 60, 50.0)


def test_requests_are_counted_for_one_target_group() -> None:
    """The label is made of both ARNs, and read back into them."""
    requests = Policy(metric="ALBRequestCountPerTarget", target=100.0, load_balancer=BALANCER, target_group=GROUP)
    spec = SPEC.model_copy(update={"policies": {"requests": requests}})
    talk = Talk()
    talk.hold(Scaling().create(replace(DESIRED, spec=spec)))
    metric = talk.params("PutScalingPolicy")[0]["TargetTrackingScalingPolicyConfiguration"][
        "PredefinedMetricSpecification"
    ]
    assert metric == {"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": LABEL}

    old = one(policy("requests", tracking={"TargetValue": 100.0, "PredefinedMetricSpecification": metric}))
    assert not diff(old, spec)
    moved = requests.model_copy(update={"target_group": GROUP.replace("/web/", "/green/")})
    assert [str(change) for change in diff(old, spec.model_copy(update={"policies": {"requests": moved}}))] == [
        "policies.requests.target_group"
    ]


def test_suspended_is_all_three_or_not_at_all() -> None:
    """Scaling that may still go one way is not suspended."""
    state = dict.fromkeys(
        ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"), True
    )
    assert one(SuspendedState=state).spec.suspended is True
    assert one(SuspendedState={**state, "DynamicScalingOutSuspended": False}).spec.suspended is False
    assert one().spec.suspended is False

    held = SPEC.model_copy(update={"suspended": True})
    talk = Talk()
    talk.hold(Scaling().update(one(), replace(DESIRED, spec=held), diff(one(), held)))
    assert talk.params("RegisterScalableTarget")[0]["SuspendedState"] == state


def test_other_limits_do_not_touch_what_is_suspended() -> None:
    """A deployment suspends scaling and resumes it; changing the limits meanwhile leaves that alone."""
    wider = SPEC.model_copy(update={"max": 9, "suspended": False})
    talk = Talk()

    talk.hold(Scaling().update(one(), replace(DESIRED, spec=wider), diff(one(), wider)))

    assert "SuspendedState" not in talk.params("RegisterScalableTarget")[0]
    assert "PutScalingPolicy" not in talk.operations()


def test_deleting_what_is_gone_succeeds() -> None:
    """There is nothing left to deregister."""
    Talk(DeregisterScalableTarget=errors.Gone("No scalable target found")).hold(Scaling().delete(one()))
