"""Rotations under every engine: a new version of a secret is a release, and a rollback takes its version back."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.local.ports import Forward, Traffic
from reconciler.local.scripted import Script
from reconciler.model import input_version
from reconciler.rollout.engine import Phase
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.harness.seed import SEED
from tests.promises.conftest import mostly_slow

pytestmark = pytest.mark.apart

ENGINES = ["rolling", "task_sets", "codedeploy", "ecs_native"]
SECRETS = "port: 80\n      secrets: {API_KEY: 'secretsmanager:shop/api', TOKEN: 'ssm:/shop/token'}"


@pytest.fixture(scope="module", params=mostly_slow(ENGINES, "task_sets"))
def stage(
    request: pytest.FixtureRequest, for_a_module: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmulatedStack]:
    """v1 serves with the first version of a secret and of a parameter."""
    left_out = shutil.ignore_patterns("tasks.yaml", "environments")
    specs = Path(shutil.copytree(SEED, tmp_path_factory.mktemp(request.param) / "specs", ignore=left_out))
    file = specs / "services" / "frontend.yaml"
    text = file.read_text(encoding="utf-8").replace("port: 80", SECRETS)
    texts = {"type: blue_green": f"type: blue_green\nengine: {request.param}"}
    if request.param == "rolling":
        texts, text = {}, re.sub(r"deployment: .*\n", "", text)
        text = re.sub(r"(my-app-frontend-tg-1), my-app-frontend-tg-2", r"\1", text)
    file.write_text(text, encoding="utf-8")
    verified = {"verify_for": timedelta(minutes=10), "max_5xx": 5.0} if request.param == "task_sets" else {}
    with emulated_stack(texts, terms={**SHORT, **verified}, folder=specs) as found:
        found.laptop.client("secretsmanager").create_secret(Name="shop/api", SecretString="first")
        found.laptop.client("ssm").put_parameter(Name="/shop/token", Value="one", Type="SecureString")
        found.serving()
        found.laptop.advance(7200)
        assert not found.follow(has_ended).went_wrong
        yield found


def rotate(stage: EmulatedStack, value: str) -> None:
    stage.laptop.client("secretsmanager").put_secret_value(SecretId="shop/api", SecretString=value)
    stage.laptop.advance(1)


def versions(stage: EmulatedStack) -> dict[str, str]:
    """Version id by label."""
    stages = stage.laptop.client("secretsmanager").describe_secret(SecretId="shop/api")["VersionIdsToStages"]
    return {label: id for id, labels in stages.items() for label in labels}


def running(stage: EmulatedStack) -> list[dict[str, str]]:
    """The variables of each running task, and the version that its revision is pinned to."""
    ecs = stage.laptop.client("ecs")
    arns = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    tasks = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
    found = []
    for task in (one for one in tasks if one["lastStatus"] == "RUNNING"):
        launch = stage.laptop.tasks.running[task["taskArn"].rpartition("/")[2]]
        found.append({**launch.containers[0].environment, "pinned": pinned(stage, task["taskDefinitionArn"])})
    return found


def pinned(stage: EmulatedStack, revision: str) -> str:
    item: dict[str, Any] = stage.laptop.client("ecs").describe_task_definition(taskDefinition=revision)[
        "taskDefinition"
    ]
    (key,) = (one for one in item["containerDefinitions"][0]["secrets"] if one["name"] == "API_KEY")
    return input_version.read(key["valueFrom"]).version


def requests(stage: EmulatedStack) -> Iterator[Traffic]:
    """A minute of production traffic; a version with the broken value answers all of it with errors."""
    tasks = stage.laptop.aws.world.ecs.tasks.values()
    (listener,) = (one for one in stage.laptop.listeners.table if one.port == 80)
    action = listener.routes[-1].action
    assert isinstance(action, Forward)
    for group in (one for one in action.groups if one.weight):
        here = [task for task in tasks if any(arn == group.group_arn for arn, _ in task.registered) and task.running]
        launches = [stage.laptop.tasks.running.get(task.id) for task in here]
        broken = any(one and one.containers[0].environment["API_KEY"] == "broken" for one in launches)
        yield Traffic(listener.listener_arn, group.group_arn, 500 if broken else 200, "target", 600, 0.05)


def test_a_release_is_pinned_and_nothing_is_left_to_do(stage: EmulatedStack) -> None:
    (task,) = running(stage)
    assert (task["API_KEY"], task["TOKEN"]) == ("first", "one")
    assert task["pinned"] == versions(stage)["AWSCURRENT"]
    assert stage.infrastructure().last.plan.actions == ()


def test_a_rotation_is_a_release_and_a_failing_one_is_taken_back(stage: EmulatedStack) -> None:
    """The tasks have the old version id again, and a repaired secret is a release of its own."""
    first = versions(stage)["AWSCURRENT"]
    if stage.last.rollout.engine.name == "task_sets":
        stage.laptop.listeners.requests = lambda: tuple(requests(stage))
    else:
        stage.laptop.script(Script(variable="API_KEY=broken", healthy=False, exits_after=5.0, exit_code=1))
    rotate(stage, "broken")
    assert stage.apply(has_ended, patience=3600.0).went_wrong
    stage.laptop.advance(600)
    stage.follow(has_ended)
    assert {(one["API_KEY"], one["pinned"]) for one in running(stage)} == {("first", first)}
    assert stage.last.seen is not None
    assert stage.last.seen.marks.quarantine == (stage.last.seen.wanted,)

    rotate(stage, "repaired")
    assert not stage.apply(has_ended, patience=3600.0).went_wrong
    stage.laptop.advance(3600)
    stage.follow(has_ended)
    assert {(one["API_KEY"], one["pinned"]) for one in running(stage)} == {("repaired", versions(stage)["AWSCURRENT"])}


def test_a_new_version_of_a_parameter_is_a_release(stage: EmulatedStack) -> None:
    """Of which the revision records the version, because ECS takes the latest one."""
    before = {one["pinned"] for one in running(stage)}
    stage.laptop.client("ssm").put_parameter(Name="/shop/token", Value="two", Type="SecureString", Overwrite=True)
    stage.laptop.advance(1)
    assert not stage.apply(has_ended, patience=3600.0).went_wrong
    stage.laptop.advance(3600)
    stage.follow(has_ended)
    (task,) = running(stage)
    assert (task["TOKEN"], {task["pinned"]}) == ("two", before)
    assert stage.infrastructure().last.plan.actions == ()


def test_an_ignored_rotation_is_part_of_the_next_release_only(stage: EmulatedStack) -> None:
    api = "{value_from: 'secretsmanager:shop/api', on_rotation: ignore}"
    stage.change({"'secretsmanager:shop/api'": api})
    rotate(stage, "later")
    assert stage.infrastructure().last.plan.actions == ()
    stage.spec(v1="v2")
    assert not stage.apply(has_ended, patience=3600.0).went_wrong
    stage.laptop.advance(3600)
    stage.follow(has_ended)
    assert {one["API_KEY"] for one in running(stage)} == {"later"}


@pytest.mark.slow
def test_a_rotation_needs_no_promotion_where_the_strategy_says_so(stage: EmulatedStack) -> None:
    """Nor do two in a row. An image that comes with it does, also if it was there before, and so does anything else of
    the service."""
    if stage.last.rollout.engine.name == "rolling":
        return  # it has no promotion
    mode = "promotion: {mode: manual, on_rotation: auto}"
    stage.terms.pop("promote_after", None)
    stage.texts.pop("'secretsmanager:shop/api'", None)
    stage.change({"promotion: {mode: timed, after: 2h}": mode})
    stage.follow(has_ended)

    def rolled_out(value: str) -> None:
        assert not stage.apply(has_ended, patience=3600.0).went_wrong
        stage.laptop.advance(3600)
        stage.follow(has_ended)
        assert {one["API_KEY"] for one in running(stage)} == {value}

    def waits() -> None:
        stage.apply(has_ended, patience=3600.0)
        assert stage.last.step is not None
        assert stage.last.step.phase is Phase.AWAITING_PROMOTION

    rotate(stage, "second")
    rolled_out("second")
    rotate(stage, "third")
    stage.infrastructure()
    rotate(stage, "fourth")
    rolled_out("fourth")

    rotate(stage, "fifth")
    both = "subnets: [app-public1-a, app-public1-c]\n  security_groups: [my-app-task-sg]"
    stage.change({both: both.replace(", app-public1-c", "")})
    waits()
    stage.change({both: both})
    rotate(stage, "sixth")
    rolled_out("sixth")

    rotate(stage, "seventh")
    stage.spec(v1="v3")
    waits()
    rotate(stage, "eighth")
    waits()
