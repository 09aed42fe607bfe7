"""A plan that is refused refuses what is new in it: the rollout that is under way goes on by what is there.

In each kind of refusal a newer version comes along, which is not started and takes nothing away.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import pytest

from reconciler.local.faults import Fault, FaultKind
from reconciler.model.guard import Guard
from reconciler.rollout import state_tags
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import Outcome
from tests.harness.spec_changes import Document, renamed
from tests.harness.transitions import LivingStack, living
from tests.promises.test_changes import documents_of, with_image

pytestmark = pytest.mark.apart

SECOND = "my-app-frontend-tg-2"
Commit = Callable[[LivingStack, tuple[Document, ...]], tuple[Document, ...]]


def of(documents: Sequence[Document], kind: str) -> Document:
    return next(one for one in documents if one["kind"] == kind)


def _without_task(documents: Sequence[Document]) -> tuple[Document, ...]:
    return tuple(one for one in documents if one["kind"] != "Task")


def immutable(stack: LivingStack, documents: tuple[Document, ...]) -> tuple[Document, ...]:
    of(documents, "Network")["cidr"] = "10.0.0.0/21"
    return documents


def other_rule(stack: LivingStack, documents: tuple[Document, ...]) -> tuple[Document, ...]:
    of(documents, "Service")["traffic"]["match"] = {"path": "/*", "priority": 10}
    return documents


def guarded(stack: LivingStack, documents: tuple[Document, ...]) -> tuple[Document, ...]:
    stack.guard = Guard(max_delete=0)
    return _without_task(documents)


def guarded_and_renamed(stack: LivingStack, documents: tuple[Document, ...]) -> tuple[Document, ...]:
    stack.guard = Guard(max_delete=0)
    documents = tuple(renamed(one, SECOND, f"{SECOND}-x") for one in documents)
    listeners = of(documents, "LoadBalancer")["listeners"]
    for name in ("production", "test"):
        listeners[f"{name}-x"] = listeners.pop(name)
    of(documents, "Service")["traffic"] |= {"listener": "production-x", "test_listener": "test-x"}
    return _without_task(documents)


def owned_by_others(stack: LivingStack, documents: tuple[Document, ...]) -> tuple[Document, ...]:
    stack.laptop.client("ecr").create_repository(repositoryName="taken")
    return (*documents, {"kind": "Registry", "name": "taken"})


def group_of_others(stack: LivingStack, documents: tuple[Document, ...]) -> tuple[Document, ...]:
    (vpc,) = stack.laptop.client("ec2").describe_vpcs(Filters=[{"Name": "tag:reconciler:stack", "Values": ["*"]}])[
        "Vpcs"
    ]
    stack.laptop.client("elbv2").create_target_group(
        Name=f"{SECOND}-x", Protocol="HTTP", Port=80, VpcId=vpc["VpcId"], TargetType="ip"
    )
    return tuple(renamed(one, SECOND, f"{SECOND}-x") for one in documents)


def without_our_tags(stack: LivingStack, documents: tuple[Document, ...]) -> tuple[Document, ...]:
    elb = stack.laptop.client("elbv2")
    groups = elb.describe_target_groups(Names=[SECOND])["TargetGroups"]
    elb.remove_tags(ResourceArns=[groups[0]["TargetGroupArn"]], TagKeys=["reconciler:stack", "reconciler:address"])
    return documents


def unreadable(stack: LivingStack, documents: tuple[Document, ...]) -> tuple[Document, ...]:
    stack.laptop.aws.faults.add(Fault(kind="denied", operation="DescribeSecurityGroups"))
    return documents


def missing(stack: LivingStack, documents: tuple[Document, ...]) -> tuple[Document, ...]:
    return with_image(documents, "missing")


def invalid(stack: LivingStack, documents: tuple[Document, ...]) -> tuple[Document, ...]:
    of(documents, "Service")["nonsense"] = "many"
    return documents


def host(stack: LivingStack, documents: tuple[Document, ...]) -> tuple[Document, ...]:
    """Requests are to come in by a rule that is not created, which the tests would have to satisfy."""
    stack.guard = Guard(max_delete=0)
    of(documents, "Service")["traffic"]["match"] = {"host": ["other.example.com"], "priority": 10}
    return _without_task(documents)


KINDS = (
    immutable, other_rule, guarded, guarded_and_renamed, owned_by_others, group_of_others, without_our_tags, unreadable,
    missing, invalid, host,
)  # fmt: skip
OF_ECS = frozenset({other_rule})
"""Refused for a service whose traffic ECS shifts only."""

STRATEGIES = ("canary", "canary by ecs_native", "blue_green by codedeploy")
BEFORE = (Phase.SCALING_UP, Phase.TESTING, Phase.AWAITING_PROMOTION)
AFTER = (Phase.SHIFTING, Phase.VERIFYING, Phase.BAKING)
QUICK = {("canary by ecs_native", Phase.TESTING, guarded_and_renamed)}


def serves(strategy: str) -> Iterator[LivingStack]:
    with living(documents_of(strategy)) as stack:
        yield stack


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, for_a_module: None) -> Iterator[LivingStack]:
    yield from serves(request.param)


def table(strategies: Sequence[str], phases: Sequence[Phase]) -> list[object]:
    """By strategy, so that each is brought up once."""
    return [
        pytest.param(
            strategy, phase, kind,
            id=f"{strategy}, {phase}, {kind.__name__}",
            marks=[] if (strategy, phase, kind) in QUICK else [pytest.mark.slow],
        )
        for strategy in strategies
        for phase in phases
        for kind in KINDS
        if "ecs_native" in strategy or kind not in OF_ECS
    ]  # fmt: skip


def refused_in(stack: LivingStack, strategy: str, phase: Phase, kind: Commit) -> str:
    """v2 is in that phase, and a plan with v3 is refused. The release of v2."""
    documents = with_image(documents_of(strategy), "v2")
    stack.commit(documents)
    assert stack.until(phase), stack.phases
    (result,) = stack.results
    assert result.step is not None
    changed = kind(stack, copy.deepcopy(documents))
    stack.commit(changed if kind is missing else with_image(changed, "v3"))
    stack.phases.clear()
    stack.go(2.0, lambda: stack.last.revision.id.endswith("3"))
    return str(result.step.release)


def ended(stack: LivingStack) -> tuple[str, Outcome]:
    found = state_tags.of_tags(stack.stage.tags()).ended
    assert found is not None
    return found.release, found.outcome


def revisions(stack: LivingStack) -> set[str]:
    """Of what runs."""
    service = stack.stage.service()
    several = service.get("taskSets") or service["deployments"]
    return {one["taskDefinition"].rpartition(":")[2] for one in several if one["status"] != "DRAINING"}


def goes_to_its_end(stack: LivingStack, release: str, phase: Phase) -> None:
    """From `phase` through all that are left, by the strategy that it was begun with."""
    left = [str(one) for one in (Phase.VERIFYING, Phase.BAKING, Phase.TEARDOWN)]
    assert stack.settle(), stack.phases
    passed = [one for one in stack.phases if one in left]
    assert passed == left[left.index(str(phase)) if str(phase) in left else 0 :], stack.phases
    assert ended(stack) == (release, Outcome.PROMOTED)
    assert revisions(stack) == {"3"}
    assert stack.breaches == []


@pytest.mark.parametrize(("stack", "phase", "kind"), table(STRATEGIES, (*BEFORE, *AFTER)), indirect=["stack"])
def test_what_is_under_way_goes_to_its_end(
    stack: LivingStack, phase: Phase, kind: Commit, request: pytest.FixtureRequest
) -> None:
    """Through every phase that is left, verification among them; the newer version is not begun."""
    goes_to_its_end(stack, refused_in(stack, request.node.callspec.params["stack"], phase, kind), phase)
    assert stack.last.refusals or stack.controller.revisions.rejected


@pytest.mark.parametrize(
    ("stack", "phase", "kind"),
    table(STRATEGIES, (Phase.AWAITING_PROMOTION,)),
    indirect=["stack"],
)
def test_a_promotion_is_heard(stack: LivingStack, phase: Phase, kind: Commit, request: pytest.FixtureRequest) -> None:
    refused_in(stack, request.node.callspec.params["stack"], phase, kind)
    stack.ask(RequestVerb.PROMOTE)
    began = stack.laptop.clock.monotonic()
    assert stack.until(Phase.SHIFTING, within=60.0) or stack.until(Phase.VERIFYING, within=30.0), stack.phases
    assert stack.laptop.clock.monotonic() - began < 90
    assert stack.breaches == []


@pytest.mark.parametrize(("stack", "phase", "kind"), table(STRATEGIES, (*BEFORE, *AFTER)), indirect=["stack"])
def test_a_rollback_is_heard(stack: LivingStack, phase: Phase, kind: Commit, request: pytest.FixtureRequest) -> None:
    """Or an abort, where production has not moved; and v1 goes on."""
    release = refused_in(stack, request.node.callspec.params["stack"], phase, kind)
    stack.ask(RequestVerb.ABORT if phase in BEFORE else RequestVerb.ROLLBACK)
    assert stack.settle(), stack.phases
    assert ended(stack) == (release, Outcome.ABORTED if phase in BEFORE else Outcome.ROLLED_BACK)
    assert revisions(stack) == {"2"}
    assert stack.breaches == []


WRITES = (
    "UpdateService", "ContinueServiceDeployment", "StopServiceDeployment", "CreateTaskSet", "UpdateTaskSet",
    "DeleteTaskSet", "UpdateServicePrimaryTaskSet", "ModifyListener", "ModifyRule", "CreateDeployment",
    "ContinueDeployment", "StopDeployment", "TagResource",
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["lost", "error_after"])
@pytest.mark.parametrize(
    ("stack", "phase", "kind"),
    [one for one in table(STRATEGIES, (*BEFORE, *AFTER)) if one.values[2] in (guarded_and_renamed, without_our_tags)],  # type: ignore[attr-defined]
    indirect=["stack"],
)
def test_another_process_and_lost_answers_change_nothing(
    stack: LivingStack, phase: Phase, kind: Commit, answer: FaultKind, request: pytest.FixtureRequest
) -> None:
    """The process ends in each phase from there on, and of every sort of write one answer is lost."""
    release = refused_in(stack, request.node.callspec.params["stack"], phase, kind)
    for operation in WRITES:
        stack.laptop.aws.faults.add(Fault(kind=answer, operation=operation, count=1))
    for one in (*BEFORE, *AFTER)[(*BEFORE, *AFTER).index(phase) :]:
        stack.restart()
        stack.until(one, within=300.0)
    stack.restart()
    assert stack.settle(), stack.phases
    assert ended(stack) == (release, Outcome.PROMOTED)
    assert revisions(stack) == {"3"}
    assert stack.breaches == []
