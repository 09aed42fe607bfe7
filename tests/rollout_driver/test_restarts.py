"""Restarts under every engine: fresh tasks of the same release, once, while healthy tasks serve throughout."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.controller.goals import Restarted
from reconciler.controller.until import Ending, has_ended
from reconciler.queries import history
from reconciler.rollout import state_tags
from reconciler.rollout.requests import RequestRefusalCode, RequestVerb, Response
from reconciler.rollout.stored_state import StoredState
from tests.controller.commands import command
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.harness.seed import SEED
from tests.promises.conftest import mostly_slow

pytestmark = pytest.mark.apart

ENGINES = ["rolling", "task_sets", "codedeploy", "ecs_native"]


@pytest.fixture(scope="module", params=mostly_slow(ENGINES, "rolling", "ecs_native"))
def stage(
    request: pytest.FixtureRequest, for_a_module: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EmulatedStack]:
    """v1 serves, and is to be promoted by hand where the engine has a gate."""
    specs = Path(shutil.copytree(SEED, tmp_path_factory.mktemp(request.param) / "specs"))
    if request.param == "rolling":
        file = specs / "services" / "frontend.yaml"
        text = re.sub(r"deployment: .*\n", "", file.read_text(encoding="utf-8"))
        file.write_text(re.sub(r"(my-app-frontend-tg-1), my-app-frontend-tg-2", r"\1", text), encoding="utf-8")
    texts = {
        "type: blue_green": f"type: blue_green\nengine: {request.param}",
        "promotion: {mode: timed, after: 2h}": "promotion: {mode: manual}",
    }
    terms = {name: value for name, value in SHORT.items() if name != "promote_after"}
    with emulated_stack(texts if request.param != "rolling" else {}, terms=terms, folder=specs) as found:
        found.serving()
        found.laptop.advance(7200)
        assert not found.follow(has_ended).went_wrong
        yield found


def tasks(stage: EmulatedStack) -> list[dict[str, Any]]:
    """The running tasks."""
    ecs = stage.laptop.client("ecs")
    arns = ecs.list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    found = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
    return [one for one in found if one["lastStatus"] == "RUNNING"]


def marks(stage: EmulatedStack) -> StoredState:
    return state_tags.of_tags(stage.tags())


def revision(stage: EmulatedStack) -> int:
    """The only one that runs."""
    (number,) = {int(one["taskDefinitionArn"].rpartition(":")[2]) for one in tasks(stage)}
    return number


def ask(stage: EmulatedStack) -> None:
    stage.follow(has_ended)
    stage.say(RequestVerb.RESTART)


def restart(stage: EmulatedStack) -> Ending:
    """`restart --now`: a controller that ends once the restart has."""
    ask(stage)
    asked = marks(stage).request
    assert asked is not None
    goal = Restarted(stage.last.rollout.address, asked.id)
    ending = command(stage).run(goal)
    assert goal.answer == Response(asked.id)
    return ending


def test_every_task_is_replaced_by_one_of_the_same_release(stage: EmulatedStack) -> None:
    """In a revision of its own, with the version before still the one to go back to; and then nothing is left to do."""
    old, before, number = {one["taskArn"] for one in tasks(stage)}, marks(stage).previous, revision(stage)
    assert restart(stage) is Ending.REACHED
    new = tasks(stage)
    assert {one["taskArn"] for one in new}.isdisjoint(old)
    assert len(new) == len(old)
    assert revision(stage) == number + 1
    assert marks(stage).previous == before
    assert marks(stage).quarantine == ()
    assert stage.infrastructure().last.plan.actions == ()
    stage.follow(has_ended)
    assert revision(stage) == number + 1


@pytest.mark.slow
def test_a_second_restart_is_another_one(stage: EmulatedStack) -> None:
    """And the same request is not heeded twice, whoever looks at the service afterwards."""
    number = revision(stage)
    assert restart(stage) is Ending.REACHED
    stage.restart()
    stage.laptop.advance(7200)
    assert not stage.apply(has_ended).went_wrong
    assert revision(stage) == number + 1


@pytest.mark.slow
def test_history_says_who_asked_for_it_and_why(stage: EmulatedStack) -> None:
    assert restart(stage) is Ending.REACHED
    rows = stage.aws.run(history.revisions(SERVICE, stage.desired_state.place.stack))
    assert rows[0].name == f"{SERVICE}:{revision(stage)}"
    assert rows[0].restart == "ana"


def test_it_is_refused_during_a_rollout(stage: EmulatedStack) -> None:
    number = revision(stage)
    stage.spec(v1="v2")
    report = stage.infrastructure()
    rollouts = stage.rollouts(report)
    for _ in range(3):
        stage.seen.extend(stage.driver.advance(rollouts))
        stage.laptop.advance(5)
    stage.say(RequestVerb.RESTART)
    stage.seen.extend(stage.driver.advance(rollouts))
    stage.seen.extend(stage.driver.advance(rollouts))
    response = marks(stage).response
    assert response is not None
    assert response.refusal is not None
    assert response.refusal.code is RequestRefusalCode.ROLLOUT_IN_PROGRESS
    stage.spec(v1="v1")
    stage.change({"tag: v1": "tag: v1"})
    stage.apply(has_ended)
    stage.laptop.advance(7200)
    stage.apply(has_ended)
    assert revision(stage) >= number
