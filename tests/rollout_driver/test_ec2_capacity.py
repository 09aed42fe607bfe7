"""A service and tasks on EC2 capacity over the local AWS emulator: the calls and their order, not EC2's instances.

Tasks run as on Fargate there. That instances join the cluster, and how ECS scales them, only AWS can show.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.model.plan import Refusal, RefusalCode
from reconciler.model.planner import Consent
from reconciler.model.resource import Address
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack

PROVIDERS = "capacity_providers: [FARGATE, FARGATE_SPOT]"
CAPACITY = f"""{PROVIDERS}
ec2_capacity:
  - name: my-app-instances
    instance_types: [m7i.large, m6i.large]
    max: 4
    subnets: [app-public1-a, app-public1-c]
    security_groups: [my-app-task-sg]
    public_ip: true"""
ON_EC2 = {
    PROVIDERS: CAPACITY,
    "desired_count: 1": "desired_count: 1\ncapacity_providers: [my-app-instances]",
    "  cpu: 256                        # .25 vCPU\n": "",
    "  public_ip: true                 # without NAT": "  strategy: [{spread: zone}, {binpack: memory}] #",
}
MADE = ("auto-scaling-group", "capacity-provider", "cluster-capacity", "instance-profile", "launch-template")

pytestmark = pytest.mark.apart


def there(stage: EmulatedStack) -> dict[str, Any]:
    """What EC2 capacity is made of, by type."""
    world, _ = pass_.look(stage.aws, discover(), stage.desired_state)
    return {one.address.kind: one for one in world if one.address.kind in MADE}


def actions(stage: EmulatedStack) -> list[str]:
    _, plan = pass_.look(stage.aws, discover(), stage.desired_state)
    return [f"{action.verb} {action.address}" for action in plan.actions]


def test_a_service_runs_on_instances_that_are_made_and_removed_in_order() -> None:
    """Made before the service, changed in place by a new version of the launch template, and gone with the service."""
    with emulated_stack(ON_EC2, SHORT) as stage:
        stage.serving()
        assert sorted(there(stage)) == sorted(MADE)
        assert actions(stage) == []
        task = _task(stage)
        assert (task["capacityProviderName"], task["launchType"]) == ("my-app-instances", "EC2")
        assert stage.service()["placementStrategy"] == [
            {"type": "spread", "field": "attribute:ecs.availability-zone"},
            {"type": "binpack", "field": "MEMORY"},  # as ECS answers it
        ]
        definition = stage.laptop.client("ecs").describe_task_definition(taskDefinition=SERVICE)["taskDefinition"]
        assert (definition["requiresCompatibilities"], definition.get("cpu")) == (["EC2"], None)

        stage.change({"    public_ip: true": "    public_ip: true\n    volume: 50"})
        assert actions(stage) == ["update launch-template/my-app-instances"]
        stage.infrastructure()
        versions = stage.laptop.client("ec2").describe_launch_template_versions(
            LaunchTemplateName="my-app-instances", Versions=["$Default"]
        )["LaunchTemplateVersions"]
        assert [one["VersionNumber"] for one in versions] == [2]
        assert actions(stage) == []


@pytest.mark.parametrize(
    "engine",
    [
        "codedeploy",
        pytest.param("ecs_native", marks=pytest.mark.slow),
        pytest.param("task_sets", marks=pytest.mark.slow),
    ],
)
def test_a_new_version_replaces_the_one_on_instances(engine: str) -> None:
    """Every engine that shifts traffic does it there as on Fargate."""
    with emulated_stack(ON_EC2 | {"type: blue_green": f"type: blue_green\nengine: {engine}"}, SHORT) as stage:
        stage.serving()
        stage.spec(v1="v2")
        assert not stage.apply(has_ended, patience=86_400.0).went_wrong
        assert stage.phases[-1] == "idle"
        task = _task(stage)
        assert (task["capacityProviderName"], task["containers"][0]["imageDigest"]) == (
            "my-app-instances",
            stage.digest("v2"),
        )


@pytest.mark.slow
def test_instances_go_once_nothing_runs_on_them() -> None:
    """Back on Fargate: they stay for as long as the previous version runs on them, and then go one after the other."""
    with emulated_stack(ON_EC2, SHORT) as stage:
        stage.serving()
        stage.texts.clear()
        stage.change({})
        assert not stage.apply(has_ended, patience=86_400.0).went_wrong
        assert _task(stage).get("capacityProviderName") is None
        stage.laptop.advance(7200)
        stage.infrastructure()
        assert there(stage) == {}
        assert actions(stage) == []
        cluster = stage.laptop.client("ecs").describe_clusters(clusters=[CLUSTER])["clusters"][0]
        assert sorted(cluster["capacityProviders"]) == ["FARGATE", "FARGATE_SPOT"]


@pytest.mark.slow
def test_all_of_it_is_destroyed() -> None:
    """The cluster last: instances are registered in it until their group is gone."""
    with emulated_stack(ON_EC2, SHORT) as stage:
        stage.serving()
        order: list[str] = []
        stage.transport.before = lambda call: order.append(call.operation)
        consent = Consent(delete_images=True)
        stage.desired_state = replace(stage.desired_state, desired=(), deliveries=(), consent=consent)
        stage.infrastructure()
        names = ["PutClusterCapacityProviders", "DeleteCapacityProvider", "DeleteAutoScalingGroup"]
        names += ["DeleteLaunchTemplate", "DeleteCluster"]
        assert [one for one in order if one in names] == names
        assert there(stage) == {}


UNUSED = {PROVIDERS: CAPACITY}
PROVIDER = Address("capacity-provider", "my-app-instances")


@pytest.mark.slow
def test_a_group_that_was_deleted_outside_is_made_again_with_another_capacity_provider() -> None:
    """ECS cannot give a capacity provider another group: it is detached, deleted, created and attached, with consent.

    Without consent the plan is refused, and says so.
    """
    with emulated_stack(UNUSED, SHORT) as stage:
        stage.serving()
        old = there(stage)["auto-scaling-group"].id
        _delete_group(stage)
        refusal = _refusal(stage)
        assert (refusal.code, refusal.address) == (RefusalCode.IMMUTABLE, PROVIDER)
        assert "auto-scaling-group/my-app-instances does not exist any more" in refusal.because
        assert str(PROVIDER) in refusal.hint
        stage.desired_state = replace(stage.desired_state, consent=Consent(replace=frozenset({PROVIDER})))
        order: list[str] = []
        stage.transport.before = lambda call: order.append(call.operation)
        stage.infrastructure()
        names = ["PutClusterCapacityProviders", "DeleteCapacityProvider", "CreateCapacityProvider"]
        names += ["PutClusterCapacityProviders"]
        assert [one for one in order if one in names] == names
        made = there(stage)
        assert made["capacity-provider"].spec.group == made["auto-scaling-group"].id != old
        assert _attached(stage) == ["FARGATE", "FARGATE_SPOT", "my-app-instances"]
        assert actions(stage) == []


@pytest.mark.slow
def test_a_capacity_provider_that_services_use_is_not_replaced() -> None:
    """ECS would refuse to detach it for as long as they name it. Under another name the service goes over to it."""
    with emulated_stack(ON_EC2, SHORT) as stage:
        stage.serving()
        _delete_group(stage)
        stage.desired_state = replace(stage.desired_state, consent=Consent(replace=frozenset({PROVIDER})))
        refusal = _refusal(stage)
        assert (refusal.code, refusal.address) == (RefusalCode.IMMUTABLE, PROVIDER)
        assert f"service/{SERVICE} uses it" in refusal.because
        assert "ec2_capacity" in refusal.hint

        stage.change({"my-app-instances": "my-app-others"})
        assert not stage.apply(has_ended, patience=86_400.0).went_wrong
        assert _task(stage)["capacityProviderName"] == "my-app-others"


def _delete_group(stage: EmulatedStack) -> None:
    client = stage.laptop.client("autoscaling")
    client.delete_auto_scaling_group(AutoScalingGroupName="my-app-instances", ForceDelete=True)


def _refusal(stage: EmulatedStack) -> Refusal:
    _, plan = pass_.look(stage.aws, discover(), stage.desired_state)
    (refusal,) = plan.refusals
    return refusal


def _attached(stage: EmulatedStack) -> list[str]:
    cluster = stage.laptop.client("ecs").describe_clusters(clusters=[CLUSTER])["clusters"][0]
    return sorted(cluster["capacityProviders"])


def _task(stage: EmulatedStack) -> dict[str, Any]:
    ecs = stage.laptop.client("ecs")
    arns = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    found: dict[str, Any] = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"][0]
    return found
