"""From one engine to another on a service that lives, while somebody outside sends requests: none is lost.

A world is a stack that serves (tests/harness/transitions.py). One commit names another engine, and nothing else; then
the commit is taken back. In between a process dies at every write, AWS refuses, or another commit comes.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler import errors, events
from reconciler.aws.retry import is_read
from reconciler.controller.revisions import ActiveRevision
from reconciler.model.plan import DeferralCode, RefusalCode, Verb
from reconciler.model.resource import Call
from reconciler.rollout import observe_engine, state_tags
from reconciler.rollout.engine import Controller, Phase, TrafficShifter, engines
from reconciler.rollout.engine_change import possible
from reconciler.rollout.outlook import Outlook, RolloutPreview
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout_driver.preview import prospects
from tests.harness.crash import Crash
from tests.harness.spec_changes import Document
from tests.harness.transitions import LivingStack, living
from tests.promises.test_changes import BLUE_GREEN, ROLLING, documents_of, with_image

SLOW = pytest.mark.slow
PAIRS = list(itertools.permutations(engines(), 2))
IN_PLACE = [(a, b) for a, b in PAIRS if possible(engines()[a].controller, engines()[b].controller)]
AND_BACK = [one for one in IN_PLACE if one[::-1] in IN_PLACE]
SAMPLE = [("rolling", "ecs_native"), ("codedeploy", "task_sets")]
"""What `make test` plays; there is nothing of which the others have none."""


def sampled(pairs: Sequence[tuple[str, str]], sample: Sequence[tuple[str, str]] = SAMPLE) -> list[Any]:
    return [pytest.param(*one, id=" to ".join(one), marks=[] if one in sample else [SLOW]) for one in pairs]


def documents(engine: str, image: str = "v1", *, one_group: bool = False) -> tuple[Document, ...]:
    """The same documents but for the strategy: one type and one engine."""
    shifts = engines()[engine].shifts_traffic is not TrafficShifter.NOBODY
    found = copy.deepcopy(documents_of("blue_green"))
    for one in found:
        if one["kind"] == "DeploymentStrategy":
            one.clear()
            one.update(copy.deepcopy(BLUE_GREEN | {"engine": engine, "verify": {"for": "1m"}} if shifts else ROLLING))
        elif one["kind"] == "Service" and one_group and not shifts:
            one["traffic"]["target_groups"] = one["traffic"]["target_groups"][:1]
    return with_image(found, image)


@contextmanager
def serving(engine: str, image: str = "v1", **kind: Any) -> Iterator[LivingStack]:
    """That version has been deployed by that engine; if it is not the first one, another one was before."""
    with living(documents(engine, **kind)) as stack:
        if image != "v1":
            stack.commit(documents(engine, image, **kind))
            assert stack.settle(), stack.why_not_in_place()
        stack.phases.clear()
        stack.events.clear()
        yield stack


def in_place(stack: LivingStack, engine: str, image: str) -> None:
    """The engine runs the service, all of the revision is in place, the version is the one that was, and whoever sent
    requests has lost none.
    """
    assert stack.why_not_in_place() == []
    assert stack.breaches == []
    assert stack.unserved() == {}
    assert running(stack) == (engine, image)
    (result,) = stack.results
    assert result.seen is not None
    assert [one.release for one in result.seen.alive] == [result.seen.wanted]
    assert not observe_engine.differs(engines()[engine], described(stack))


def running(stack: LivingStack) -> tuple[str, str]:
    """Engine and image, as AWS shows them."""
    item = described(stack)
    found = observe_engine.engine_of(item)
    ecs, digest = stack.laptop.client("ecs"), {stack.stage.digest(tag): tag for tag in ("v1", "v2", "v3")}
    tasks = ecs.list_tasks(cluster=item["clusterArn"], serviceName=item["serviceName"])["taskArns"]
    shown = ecs.describe_tasks(cluster=item["clusterArn"], tasks=tasks)["tasks"]
    definitions = {one["taskDefinitionArn"] for one in shown if one["desiredStatus"] == "RUNNING"}
    images = {
        container["image"].partition("@")[2]
        for arn in definitions
        for container in ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]["containerDefinitions"]
    }
    (image,) = {digest[one] for one in images if one in digest}
    return "" if found is None else found.name, image


def known_as(stack: LivingStack) -> set[str]:
    """The release in the stored state, as commands read it that look at nothing else."""
    live = state_tags.of_tags(stack.stage.tags()).live
    return set() if live is None else {live.release}


def described(stack: LivingStack) -> dict[str, Any]:
    return stack.stage.service()


def left_overs(stack: LivingStack) -> tuple[int, list[str]]:
    """Deployment groups of CodeDeploy, and the names of the roles."""
    applications = stack.laptop.client("codedeploy").list_applications()["applications"]
    return len(applications), sorted(one["RoleName"] for one in stack.laptop.client("iam").list_roles()["Roles"])


# -- each way, and back


@pytest.mark.parametrize(("was", "engine"), sampled(IN_PLACE))
@pytest.mark.parametrize("image", ["v1", pytest.param("v2", marks=SLOW)])
def test_one_line_changes_the_engine_and_no_request_is_lost(was: str, engine: str, image: str) -> None:
    """The tasks of a release that serves are not started a second time beside it, and nothing is left of the former
    engine. Taken back, everything is as it was.
    """
    with serving(was, image) as stack:
        before = left_overs(stack)
        stack.commit(documents(engine, image))
        assert stack.settle(), stack.why_not_in_place()
        in_place(stack, engine, image)
        assert stack.phases[0] == Phase.CHANGING_ENGINE
        assert known_as(stack) == {one.seen.wanted for one in stack.results if one.seen is not None}
        assert not stack.watched.writes["ecs.CreateTaskSet"]
        assert not stack.watched.writes["codedeploy.CreateDeployment"]
        assert stack.watched.refused.total() == 0
        if engines()[engine].controller is not Controller.CODE_DEPLOY:
            assert left_overs(stack)[0] == 0
        if (engine, was) not in IN_PLACE:
            return
        stack.commit(documents(was, image))
        assert stack.settle(), stack.why_not_in_place()
        in_place(stack, was, image)
        assert left_overs(stack) == before


@pytest.mark.slow
@pytest.mark.parametrize("image", [pytest.param("v1", marks=SLOW), "v2"])
def test_a_service_with_one_target_group_becomes_blue_green_and_rolling_again(image: str) -> None:
    """The second group comes with the same commit, and goes when it is taken back, once nothing serves there."""
    with serving("rolling", image, one_group=True) as stack:
        stack.commit(documents("ecs_native", image))
        assert stack.settle(), stack.why_not_in_place()
        in_place(stack, "ecs_native", image)
        stack.commit(documents("ecs_native", "v3"))
        assert stack.settle(), stack.why_not_in_place()
        in_place(stack, "ecs_native", "v3")
        stack.commit(documents("rolling", "v3", one_group=True))
        assert stack.settle(), stack.why_not_in_place()
        in_place(stack, "rolling", "v3")
        assert len(stack.laptop.client("elbv2").describe_target_groups()["TargetGroups"]) == 1


@pytest.mark.parametrize(("was", "engine"), sampled(IN_PLACE, []))
def test_the_new_engine_deploys_the_next_version(was: str, engine: str) -> None:
    """A commit with another engine and another version: the engine first, with the version that runs."""
    with serving(was, "v1") as stack:
        stack.commit(documents(engine, "v2"))
        assert stack.settle(), stack.why_not_in_place()
        in_place(stack, engine, "v2")
        assert stack.phases.index(str(Phase.SCALING_UP)) > stack.phases.index(str(Phase.CHANGING_ENGINE))


@pytest.mark.slow
@pytest.mark.parametrize(("was", "engine"), sampled(IN_PLACE, [("task_sets", "rolling")]))
def test_the_previous_version_can_be_rolled_back_to(was: str, engine: str) -> None:
    with serving(was, "v2") as stack:
        stack.commit(documents(engine, "v2"))
        assert stack.settle(), stack.why_not_in_place()
        stack.stage.seen.extend(stack.results)
        stack.stage.say(RequestVerb.ROLLBACK)
        assert stack.settle(), stack.why_not_in_place()
        assert running(stack) == (engine, "v1")
        assert stack.breaches == []


# -- what goes wrong


@dataclass(slots=True)
class Dying:
    """A process that dies right before or right after its first write, once it was `spared` so many times."""

    inner: Any
    after: bool
    spared: int = 0

    def perform(self, call: Call) -> dict[str, Any]:
        if is_read(call):
            return self.inner.perform(call)  # type: ignore[no-any-return]
        if self.spared:
            self.spared -= 1
            return self.inner.perform(call)  # type: ignore[no-any-return]
        if self.after:
            self.inner.perform(call)
        raise Crash


@pytest.mark.slow
@pytest.mark.parametrize(("was", "engine"), sampled(IN_PLACE, [("rolling", "ecs_native")]))
def test_a_process_that_dies_at_each_write_gets_there(was: str, engine: str) -> None:
    """Every second process dies before its first write, every other one after it. Later ones live longer, because a
    deletion of two writes begins with the first one each time.
    """
    with serving(was) as stack:
        stack.commit(documents(engine))
        deaths = 0
        for number in itertools.count():
            stack.restart(Dying(stack.watched, after=number % 2 == 1, spared=number // 16))
            try:
                assert stack.settle(), stack.why_not_in_place()
            except Crash:
                deaths += 1
                continue
            break
        assert deaths > 4
        in_place(stack, engine, "v1")


@dataclass(slots=True)
class Refusing:
    """AWS refuses an UpdateService that has one of the members, for as long as `on`."""

    inner: Any
    members: frozenset[str]
    on: bool = True
    refused: list[str] = field(default_factory=list)

    def perform(self, call: Call) -> dict[str, Any]:
        hit = self.members & call.params.keys() if call.operation == "UpdateService" and self.on else ()
        if hit:
            self.refused.append(min(hit))
            raise errors.Invalid("No, said AWS.", call=str(call), code="InvalidParameterException")
        return self.inner.perform(call)  # type: ignore[no-any-return]


@pytest.mark.slow
@pytest.mark.parametrize(("was", "engine"), sampled(IN_PLACE, [("task_sets", "ecs_native")]))
@pytest.mark.parametrize(
    "member",
    ["deploymentController", *(pytest.param(one, marks=SLOW) for one in ("loadBalancers", "deploymentConfiguration"))],
)
def test_where_aws_refuses_the_service_serves_and_the_reason_is_told(was: str, engine: str, member: str) -> None:
    with serving(was) as stack:
        refusing = Refusing(stack.watched, frozenset({member}))
        stack.restart(refusing)
        stack.commit(documents(engine))
        stack.go(1800.0)
        assert stack.breaches == []
        assert stack.unserved() == {}
        if refusing.refused and running(stack)[0] != engine:
            assert any("No, said AWS." in one for one in stack.why_not_in_place())
            assert observe_engine.differs(engines()[engine], described(stack))
        refusing.on = False
        assert stack.settle(), stack.why_not_in_place()
        in_place(stack, engine, "v1")


def middle(stack: LivingStack, count: int) -> bool:
    """Until so many writes of the change have been made."""

    def there() -> bool:
        return stack.watched.writes["ecs.UpdateService"] >= count

    stack.go(3600.0, there)
    return there()


@pytest.mark.parametrize(("was", "engine"), sampled(AND_BACK, [("rolling", "ecs_native")]))
@pytest.mark.parametrize("count", [1, pytest.param(2, marks=SLOW), pytest.param(3, marks=SLOW)])
def test_it_can_be_taken_back_in_the_middle(was: str, engine: str, count: int) -> None:
    with serving(was, "v2") as stack:
        stack.commit(documents(engine, "v2"))
        middle(stack, count)
        stack.commit(documents(was, "v2"))
        assert stack.settle(), stack.why_not_in_place()
        in_place(stack, was, "v2")


@pytest.mark.parametrize(("was", "engine"), sampled(IN_PLACE, []))
@pytest.mark.parametrize("count", [1, 2])
def test_a_newer_version_in_the_middle_is_deployed_by_the_new_engine(was: str, engine: str, count: int) -> None:
    with serving(was) as stack:
        stack.commit(documents(engine))
        middle(stack, count)
        stack.commit(documents(engine, "v2"))
        assert stack.settle(), stack.why_not_in_place()
        in_place(stack, engine, "v2")


@pytest.mark.parametrize(("was", "engine"), sampled(IN_PLACE, []))
def test_a_rollout_under_way_ends_first(was: str, engine: str) -> None:
    """Its gate is left to a person: the strategy that it began with is not declared any more."""
    with serving(was) as stack:
        stack.commit(documents(was, "v2"))
        assert stack.until(Phase.SCALING_UP)
        stack.commit(documents(engine, "v2"))
        stack.settle()
        if any(one.step is not None and one.step.phase is Phase.AWAITING_PROMOTION for one in stack.results):
            assert running_engine(stack) == was
            stack.stage.seen.extend(stack.results)
            stack.stage.say(RequestVerb.PROMOTE)
        assert stack.settle(), stack.why_not_in_place()
        in_place(stack, engine, "v2")


def running_engine(stack: LivingStack) -> str:
    found = observe_engine.engine_of(described(stack))
    return "" if found is None else found.name


# -- what is told


def previewed(stack: LivingStack, engine: str, image: str = "v1") -> tuple[Any, RolloutPreview]:
    """The plan and what `diff` says of the rollout; nothing is written."""
    stack.commit(documents(engine, image))
    report = stack.controller.look()
    active = stack.controller.revisions.active
    assert isinstance(active, ActiveRevision)
    stack.controller.queue.plan(active, report.world, (), plan=report.plan)
    (found,) = prospects(stack.stage.driver, stack.controller.queue.rollouts, stack.controller.queue.missing, {})
    return report.plan, found


@pytest.mark.parametrize(("was", "engine"), sampled(IN_PLACE, [("codedeploy", "task_sets")]))
def test_a_plan_shows_a_change_in_place_and_how_long_it_takes(was: str, engine: str) -> None:
    """No replacement, and so no consent. What the former engine works with goes last."""
    with serving(was) as stack:
        plan, found = previewed(stack, engine)
        (action,) = (one for one in plan.actions if one.address.kind == "service")
        assert (action.verb, action.only_rolls, plan.refusals) == (Verb.ROLL, True, ())
        assert plan.count(Verb.REPLACE, Verb.DELETE) == 0
        codes = {one.code for one in plan.deferred if one.action.verb is Verb.DELETE}
        assert codes <= {DeferralCode.ENGINE, DeferralCode.IN_USE, DeferralCode.SEVERAL_VERSIONS}
        assert found.outlook is Outlook.ENGINE
        assert found.then.startswith(f"in place: {was} → {engine} in ")
        assert stack.watched.writes.total() == 0


@pytest.mark.parametrize(("was", "engine"), sampled(sorted(set(PAIRS) - set(IN_PLACE)), [("rolling", "codedeploy")]))
def test_where_aws_has_no_way_the_plan_is_refused(was: str, engine: str) -> None:
    """With a code, the place in the document, and what to do instead. Nothing is written."""
    with serving(was) as stack:
        plan, _ = previewed(stack, engine)
        (refusal,) = plan.refusals
        assert refusal.code is RefusalCode.IMMUTABLE
        assert refusal.where
        assert was in refusal.hint
        assert "second service" in refusal.hint
        stack.go(120.0)
        assert running_engine(stack) == was
        assert stack.breaches == []


def test_events_tell_each_step() -> None:
    """Also which engine it was, since AWS shows only the one that it is."""
    with serving("rolling") as stack:
        stack.commit(documents("ecs_native"))
        assert stack.settle(), stack.why_not_in_place()
        told = [one for one in stack.events if one.name == events.ENGINE_STEP]
        assert [one.details["step"] for one in told] == ["pair", "shift"]
        assert {(one.details["was"], one.details["engine"]) for one in told} == {("rolling", "ecs_native")}
