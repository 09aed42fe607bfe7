"""Rollbacks to releases whose tasks are gone: deregistered revisions, named releases, and what must not go back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.controller.until import has_ended
from reconciler.local.scripted import Script
from reconciler.rollout.requests import Request, RequestRefusalCode, RequestVerb
from reconciler.rollout.stored_state import KEYS
from tests.harness.emulated_stack import SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.harness.seed import SEED

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module", params=["task_sets", "rolling"])
def stage(
    request: pytest.FixtureRequest, for_a_module: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmulatedStack]:
    """v1, v2 and v3 were deployed one after the other, by each engine; v3 serves."""
    specs = Path(shutil.copytree(SEED, tmp_path_factory.mktemp(request.param) / "specs"))
    if request.param == "rolling":
        file = specs / "services" / "frontend.yaml"
        text = re.sub(r"deployment: .*\n", "", file.read_text(encoding="utf-8"))
        file.write_text(re.sub(r"(my-app-frontend-tg-1), my-app-frontend-tg-2", r"\1", text), encoding="utf-8")
    with emulated_stack(terms=SHORT, folder=specs) as found:
        found.serving()
        for tag in ("v2", "v3"):
            found.spec(v1=tag)
            assert not found.apply(has_ended).went_wrong
        yield found


def runs(stage: EmulatedStack) -> list[str]:
    """The revision of each running task."""
    ecs = stage.laptop.client("ecs")
    arns = ecs.list_tasks(cluster="my-app-cluster", serviceName=SERVICE)["taskArns"]
    tasks = ecs.describe_tasks(cluster="my-app-cluster", tasks=arns)["tasks"] if arns else []
    return sorted(one["taskDefinitionArn"].rpartition("/")[2] for one in tasks if one["lastStatus"] == "RUNNING")


def image(stage: EmulatedStack, revision: str) -> str:
    answer = stage.laptop.client("ecs").describe_task_definition(taskDefinition=revision)
    return str(answer["taskDefinition"]["containerDefinitions"][0]["image"])


def test_a_deregistered_revision_is_registered_again(stage: EmulatedStack) -> None:
    """ECS starts nothing from it, and still describes it; the same content runs under a new number."""
    ecs, old = stage.laptop.client("ecs"), f"{SERVICE}:3"
    ecs.deregister_task_definition(taskDefinition=old)
    stage.say(RequestVerb.ROLLBACK)
    stage.follow(has_ended)

    assert stage.last.error is None
    (running,) = runs(stage)
    assert running != old
    assert image(stage, running) == image(stage, old)
    assert stage.transport.sent["RegisterTaskDefinition"] == 3, "two versions, and this one once"


def test_a_revision_is_registered_again_with_what_the_specs_cannot_declare(stage: EmulatedStack) -> None:
    """Such as the volumes of an adopted service, which its releases keep."""
    ecs = stage.laptop.client("ecs")
    answer = ecs.describe_task_definition(taskDefinition=f"{SERVICE}:3", include=["TAGS"])
    item = answer["taskDefinition"]
    names = ("family", "networkMode", "requiresCompatibilities", "cpu", "memory", "executionRoleArn", "taskRoleArn")
    made = ecs.register_task_definition(
        **{name: item[name] for name in names if item.get(name)},
        containerDefinitions=item["containerDefinitions"],
        runtimePlatform=item["runtimePlatform"],
        volumes=[{"name": "data"}],
        tags=answer["tags"],
    )
    old = made["taskDefinition"]["taskDefinitionArn"].rpartition("/")[2]
    ecs.deregister_task_definition(taskDefinition=old)
    assert stage.last.seen is not None
    known = stage.last.seen.marks.previous
    assert known is not None
    arn = stage.last.rollout.subject.service
    ecs.tag_resource(resourceArn=arn, tags=[{"key": KEYS["previous"], "value": f"{known.release}:{old}"}])
    stage.say(RequestVerb.ROLLBACK)
    stage.follow(has_ended)

    (running,) = runs(stage)
    assert running != old
    again = ecs.describe_task_definition(taskDefinition=running)["taskDefinition"]
    assert [volume["name"] for volume in again["volumes"]] == ["data"]


def test_a_revision_that_is_gone_is_refused(stage: EmulatedStack) -> None:
    """The request is answered with the reason, and nothing is done."""
    ecs, old = stage.laptop.client("ecs"), f"{SERVICE}:3"
    ecs.deregister_task_definition(taskDefinition=old)
    ecs.delete_task_definitions(taskDefinitions=[old])
    stage.laptop.advance(24 * 3600)
    assert stage.last.seen is not None
    known = stage.last.seen.marks.previous
    assert known is not None
    missing = known.task_definition.replace(":3", ":77")
    ecs.tag_resource(
        resourceArn=stage.last.rollout.subject.service,
        tags=[{"key": KEYS["previous"], "value": f"{known.release}:{missing}"}],
    )
    before = runs(stage)
    stage.say(RequestVerb.ROLLBACK)
    stage.follow(has_ended)

    assert stage.last.seen is not None
    response = stage.last.seen.marks.response
    assert response is not None
    assert response.refusal is not None
    assert response.refusal.code is RequestRefusalCode.NO_PREVIOUS_VERSION
    assert stage.last.seen.marks.quarantine == ()
    assert runs(stage) == before


def test_any_earlier_release_can_be_named(stage: EmulatedStack) -> None:
    """Two versions back, without tests and promotion; what the specs declare is quarantined."""
    assert stage.last.seen is not None
    seen = stage.last.seen
    now = stage.laptop.clock.now()
    live = next(one.release for one in seen.alive if one.primary)
    request = Request(RequestVerb.ROLLBACK, live, "back", now, "ana", to="v1release", revision=2)
    stage.laptop.client("ecs").tag_resource(
        resourceArn=stage.last.rollout.subject.service, tags=[{"key": KEYS["request"], "value": request.text()}]
    )
    stage.follow(has_ended)

    assert runs(stage) == [f"{SERVICE}:2"]
    assert stage.last.seen.marks.quarantine == (seen.wanted,)


def test_a_version_that_never_served_leaves_production_alone(stage: EmulatedStack) -> None:
    """There is nothing to roll back: the good version stays, and is not quarantined."""
    stage.push("v4")
    assert stage.last.seen is not None
    good = stage.last.seen.wanted
    pushed = stage.laptop.client("ecr").describe_images(repositoryName=SERVICE, imageIds=[{"imageTag": "v4"}])
    digest = pushed["imageDetails"][0]["imageDigest"]
    stage.laptop.script(Script(image=f"*{digest}*", fails_to_start="CannotPullContainerError: not found"))
    stage.spec(v1="v4")
    stage.apply(has_ended)
    assert stage.last.seen is not None
    assert stage.last.seen.marks.quarantined(stage.last.seen.wanted)
    before = runs(stage)
    seen = stage.last.seen
    assert seen is not None
    policy, engine = stage.last.rollout.delivery.policy, stage.last.rollout.engine
    assert RequestVerb.ROLLBACK not in engine.allowed_requests(policy, seen, stage.laptop.clock.now())
    stage.say(RequestVerb.ROLLBACK, release=good)
    stage.follow(has_ended)

    assert stage.last.seen is not None
    assert not stage.last.seen.marks.quarantined(good)
    response = stage.last.seen.marks.response
    assert response is not None
    assert response.refusal is not None
    assert runs(stage) == before
