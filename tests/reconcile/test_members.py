"""API members that no word of ours stands for: said under `aws`, or made elsewhere and carried over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.model.plan import Plan
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.rollout.engine import Phase
from tests.harness.emulated_stack import EmulatedStack, emulated_stack

DOCUMENTS = """
kind: Stack
name: shop
region: us-west-2
---
kind: Network
name: net
cidr: 10.0.0.0/16
subnets:
  - {name: public-a, zone: us-west-2a, cidr: 10.0.0.0/24, access: public}
security_groups:
  - {name: app}
---
kind: Cluster
name: prod
---
kind: Service
name: web
cluster: prod
placement: {subnets: [public-a], security_groups: [app], public_ip: true}
task:
  cpu: 256
  memory: 512
  containers:
    app: {image: "public.ecr.aws/nginx/nginx:1.27", aws: {}}
  aws: {}
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[EmulatedStack]:
    """A rolling service without anything under `aws`, deployed."""
    (tmp_path / "stack.yaml").write_text(DOCUMENTS)
    with emulated_stack(folder=tmp_path) as stage:
        assert not stage.apply(has_ended).went_wrong
        yield stage


def planned(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def changes(stage: EmulatedStack) -> list[str]:
    """What a plan changes, but for the revision that a service runs."""
    plan = planned(stage)
    assert plan.refusals == ()
    found = (str(change) for action in plan.actions for change in action.changes)
    return sorted(change for change in found if change != "task_definition")


def notes(stage: EmulatedStack) -> list[str]:
    return [f"{note.address}: {note.because}" for note in planned(stage).warnings]


def says(stage: EmulatedStack, container: str = "{}", task: str = "{}", image: str = "1.27") -> None:
    """Let the specs say these members from now on."""
    stage.texts.clear()
    stage.change({"aws: {}}": f"aws: {container}}}", "  aws: {}\n": f"  aws: {task}\n", "nginx:1.27": f"nginx:{image}"})


def deployed(stage: EmulatedStack) -> None:
    assert not stage.apply(has_ended).went_wrong
    assert stage.last.step is not None
    assert stage.last.step.phase is Phase.IDLE


def service(stage: EmulatedStack) -> dict[str, Any]:
    answer = stage.laptop.client("ecs").describe_services(cluster="prod", services=["web"])
    found: dict[str, Any] = answer["services"][0]
    return found


def running(stage: EmulatedStack, *, tags: bool = False) -> dict[str, Any]:
    """The revision that the service runs."""
    name = service(stage)["taskDefinition"]
    answer = stage.laptop.client("ecs").describe_task_definition(taskDefinition=name, include=["TAGS"])
    found: dict[str, Any] = answer if tags else answer["taskDefinition"]
    return found


SENT = ("family", "networkMode", "requiresCompatibilities", "cpu", "memory", "executionRoleArn", "runtimePlatform")


def edited(stage: EmulatedStack, container: dict[str, Any], **members: Any) -> None:
    """What the console does: it registers a revision like the one that runs, tags included, and deploys it."""
    ecs, before = stage.laptop.client("ecs"), running(stage, tags=True)
    item = before["taskDefinition"]
    containers = [{**one, **container} for one in item["containerDefinitions"]]
    again = {name: item[name] for name in SENT if item.get(name)}
    made = ecs.register_task_definition(**again, containerDefinitions=containers, tags=before["tags"], **members)
    ecs.update_service(cluster="prod", service="web", taskDefinition=made["taskDefinition"]["taskDefinitionArn"])
    stage.laptop.advance(600)


def test_members_of_a_container_go_by_the_release(stage: EmulatedStack) -> None:
    """They are part of a release; once deployed, nothing differs; and a change shows as that one, by AWS's name."""
    says(stage, "{linuxParameters: {swappiness: 10}, dnsSearchDomains: [shop]}", "{enableFaultInjection: true}")
    assert changes(stage) == [
        "aws.enableFaultInjection",
        "containers.app.aws.dnsSearchDomains",
        "containers.app.aws.linuxParameters.swappiness",
    ]
    deployed(stage)
    (app,) = running(stage)["containerDefinitions"]
    assert (app["linuxParameters"], app["dnsSearchDomains"]) == ({"swappiness": 10}, ["shop"])
    assert running(stage)["enableFaultInjection"] is True
    assert planned(stage).actions == ()
    assert notes(stage) == []

    says(stage, "{linuxParameters: {swappiness: 20}, dnsSearchDomains: [shop]}", "{enableFaultInjection: true}", "1.28")
    assert changes(stage) == ["containers.app.aws.linuxParameters.swappiness", "containers.app.image"]


def test_what_the_console_adds_is_carried_over(stage: EmulatedStack) -> None:
    """It stays, with a note of it, and in the next revision, too; until the specs say that it is to go."""
    volumes = [{"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-12345678"}}]
    mounts = [{"sourceVolume": "data", "containerPath": "/data"}]
    edited(stage, {"dockerLabels": {"team": "shop"}, "mountPoints": mounts}, volumes=volumes)
    assert planned(stage).actions == ()
    (note,) = notes(stage)
    assert note.startswith("task-definition/web: kept, not in the specs: ")
    assert "containers.app.dockerLabels, containers.app.mountPoints, volumes" in note
    stage.apply()
    assert running(stage)["volumes"]

    says(stage, image="1.28")
    assert changes(stage) == ["containers.app.image"]
    deployed(stage)
    (app,) = running(stage)["containerDefinitions"]
    assert app["image"].endswith(":1.28")
    assert (app["dockerLabels"], app["mountPoints"]) == ({"team": "shop"}, mounts)
    assert running(stage)["volumes"][0]["efsVolumeConfiguration"]["fileSystemId"] == "fs-12345678"
    assert planned(stage).actions == ()
    assert len(notes(stage)) == 1

    says(stage, "{dockerLabels: null, mountPoints: null}", "{volumes: null}", image="1.28")
    assert changes(stage) == [
        "aws.volumes", "containers.app.aws.dockerLabels", "containers.app.aws.mountPoints",
    ]  # fmt: skip
    deployed(stage)
    (app,) = running(stage)["containerDefinitions"]
    assert (running(stage)["volumes"], app["mountPoints"], app.get("dockerLabels")) == ([], [], None)
    assert planned(stage).actions == ()
    assert notes(stage) == []


def test_a_line_that_leaves_the_specs_is_kept_and_told(stage: EmulatedStack) -> None:
    """Nothing tells who made a member: it is removed by `null` only."""
    says(stage, "{linuxParameters: {swappiness: 10, maxSwap: 64}}")
    deployed(stage)
    says(stage, "{linuxParameters: {swappiness: 10}}")
    assert changes(stage) == []
    (note,) = notes(stage)
    assert "containers.app.linuxParameters.maxSwap" in note

    says(stage, "{linuxParameters: {swappiness: 10, maxSwap: null}}")
    assert changes(stage) == ["containers.app.aws.linuxParameters.maxSwap"]
    deployed(stage)
    assert running(stage)["containerDefinitions"][0]["linuxParameters"] == {"swappiness": 10}


def test_a_release_has_one_id_however_it_came_about(stage: EmulatedStack) -> None:
    """What is carried over is part of the release before its revision is registered, and after it."""
    edited(stage, {"dockerLabels": {"team": "shop"}})
    stage.apply(has_ended)
    says(stage, image="1.28")
    deployed(stage)
    (before,) = (one.subject.release.id for one in stage.rollouts())
    stage.restart()
    deployed(stage)
    (after,) = (one.subject.release.id for one in stage.rollouts())
    assert before == after
    assert len(service(stage)["deployments"]) == 1


SERVICE = "cluster: prod\nplacement"


def service_says(stage: EmulatedStack, text: str) -> None:
    stage.texts.clear()
    stage.change({SERVICE: f"cluster: prod\naws: {text}\nplacement"})


def test_what_starts_new_tasks_is_part_of_the_release(stage: EmulatedStack) -> None:
    """A member of a deployment is brought by a rollout, which ECS may give up like any other."""
    (before,) = (one.subject.release.id for one in stage.rollouts())
    registry = "arn:aws:servicediscovery:us-west-2:123456789012:service/srv-1"
    service_says(stage, f'{{serviceRegistries: [{{registryArn: "{registry}"}}]}}')
    plan = planned(stage)
    (action,) = plan.actions
    assert action.only_rolls
    assert changes(stage) == ["aws.serviceRegistries"]
    deployed(stage)
    (after,) = (one.subject.release.id for one in stage.rollouts())
    assert before != after
    assert service(stage)["serviceRegistries"][0]["registryArn"] == registry
    assert planned(stage).actions == ()


def test_what_aws_does_not_show_is_told_by_a_digest(stage: EmulatedStack) -> None:
    """A tag says which value was written last: another one is written again, and the same is not."""
    text = "{{monitoring: {{metricConfigurations: [{{metricNames: [CPUUtilization], resolutionSeconds: {}}}]}}}}"
    service_says(stage, text.format(20))
    stage.apply()
    digest = {one["key"]: one["value"] for one in tags(stage)}["reconciler:members"]
    assert digest.startswith("monitoring:")
    assert planned(stage).actions == ()
    service_says(stage, text.format(60))
    assert changes(stage) == ["aws.monitoring"]
    stage.apply()
    assert planned(stage).actions == ()
    service_says(stage, "{}")
    stage.apply()
    assert "reconciler:members" not in {one["key"] for one in tags(stage)}


def tags(stage: EmulatedStack) -> list[dict[str, str]]:
    answer = stage.laptop.client("ecs").describe_services(cluster="prod", services=["web"], include=["TAGS"])
    found: list[dict[str, str]] = answer["services"][0]["tags"]
    return found
