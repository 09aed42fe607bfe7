"""A service and tasks on EC2 capacity over the local AWS emulator: the calls and their order, not EC2's instances.

Tasks run as on Fargate there. That instances join the cluster, and how ECS scales them, only AWS can show.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.model.planner import Consent
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
            {"type": "binpack", "field": "memory"},
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


def _task(stage: EmulatedStack) -> dict[str, Any]:
    ecs = stage.laptop.client("ecs")
    arns = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    found: dict[str, Any] = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"][0]
    return found
