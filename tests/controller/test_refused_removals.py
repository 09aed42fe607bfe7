"""A plan that is refused refuses a removal, too: what is under way in a service that the specs leave out, or have
elsewhere, goes on by what is there, until the plan is carried out. One that deletes it later leaves it watched."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence

import pytest

from reconciler.local.scripted import Script
from reconciler.model.guard import Guard
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import Outcome
from tests.controller.test_refused_plans import AFTER, BEFORE, STRATEGIES, ended, goes_to_its_end, of, revisions
from tests.harness.copies import StoredCopy
from tests.harness.spec_changes import Document, renamed
from tests.harness.transitions import LivingStack, living
from tests.promises.test_changes import documents_of, with_image

pytestmark = pytest.mark.apart

SPARE = "spare"
GROUPS = ("my-app-frontend-tg-1", "my-app-frontend-tg-2")
Commit = Callable[[tuple[Document, ...]], tuple[Document, ...]]


def base(strategy: str) -> tuple[Document, ...]:
    """With a third listener, which no service uses."""
    documents = documents_of(strategy)
    of(documents, "LoadBalancer")["listeners"][SPARE] = {"port": 8081, "protocol": "HTTP"}
    of(documents, "Network")["security_groups"][0]["ingress"].append({"port": 8081, "from": "203.0.113.7/32"})
    return documents


def _without(documents: Sequence[Document], *kinds: str) -> tuple[Document, ...]:
    return tuple(one for one in documents if one["kind"] not in kinds)


def removed(documents: tuple[Document, ...]) -> tuple[Document, ...]:
    return _without(documents, "Service")


def removed_with_all(documents: tuple[Document, ...]) -> tuple[Document, ...]:
    """With all that is the service's: no listener, no strategy and no repository is in the specs any more."""
    return _without(documents, "Service", "LoadBalancer", "DeploymentStrategy", "Registry")


def another_name(documents: tuple[Document, ...]) -> tuple[Document, ...]:
    of(documents, "Service")["name"] += "-x"
    return documents


def another_name_and_groups(documents: tuple[Document, ...]) -> tuple[Document, ...]:
    for group in GROUPS:
        documents = tuple(renamed(one, group, f"{group}-x") for one in documents)
    return another_name(documents)


def another_cluster(documents: tuple[Document, ...]) -> tuple[Document, ...]:
    of(documents, "Service")["cluster"] = "other"
    return (*documents, {"kind": "Cluster", "name": "other"})


def another_balancer(documents: tuple[Document, ...]) -> tuple[Document, ...]:
    for group in GROUPS:
        documents = tuple(renamed(one, group, f"{group}-x") for one in documents)
    of(documents, "Service")["traffic"]["load_balancer"] = "other"
    balancer = copy.deepcopy(of(documents, "LoadBalancer"))
    return (*documents, balancer | {"name": "other"})


def another_listener(documents: tuple[Document, ...]) -> tuple[Document, ...]:
    """One that is there already, and serves nobody."""
    of(documents, "Service")["traffic"]["listener"] = SPARE
    return _without(documents, "Task")


KINDS: tuple[Commit, ...] = (
    removed, removed_with_all, another_name, another_name_and_groups, another_cluster, another_balancer,
    another_listener,
)  # fmt: skip
NOT_MOVED = {Phase.SHIFTING: Outcome.ABORTED}
"""Of a rollback that comes before the first request has moved."""
QUICK = {("canary", Phase.VERIFYING, removed)}


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, for_a_module: None) -> Iterator[LivingStack]:
    with living(base(request.param)) as found:
        yield found


def table(phases: Sequence[Phase], quick: set[object] = frozenset()) -> list[object]:  # type: ignore[assignment]
    return [
        pytest.param(
            strategy, phase, kind,
            id=f"{strategy}, {phase}, {kind.__name__}",
            marks=[] if (strategy, phase, kind) in quick else [pytest.mark.slow],
        )
        for strategy in STRATEGIES
        for phase in phases
        for kind in KINDS
    ]  # fmt: skip


def refused_in(stack: LivingStack, strategy: str, phase: Phase, kind: Commit) -> str:
    """v2 is in that phase, and a plan is refused that takes its service away. The release of v2."""
    documents = with_image(base(strategy), "v2")
    stack.commit(documents)
    assert stack.until(phase), stack.phases
    (result,) = stack.results
    assert result.step is not None
    stack.guard = Guard(max_delete=0)
    stack.commit(kind(copy.deepcopy(documents)))
    stack.phases.clear()
    stack.go(2.0, lambda: stack.last.revision.id.endswith("3"))
    assert stack.last.refusals
    return str(result.step.release)


@pytest.mark.parametrize(("stack", "phase", "kind"), table((*BEFORE, *AFTER), QUICK), indirect=["stack"])
def test_what_is_under_way_goes_to_its_end(
    stack: LivingStack, phase: Phase, kind: Commit, request: pytest.FixtureRequest
) -> None:
    """Through every phase that is left, by the strategy that it was begun with."""
    goes_to_its_end(stack, refused_in(stack, request.node.callspec.params["stack"], phase, kind), phase)
    assert stack.last.refusals


@pytest.mark.parametrize(("stack", "phase", "kind"), table((*BEFORE, *AFTER)), indirect=["stack"])
def test_a_rollback_is_heard(stack: LivingStack, phase: Phase, kind: Commit, request: pytest.FixtureRequest) -> None:
    """Or an abort, where production has not moved; and v1 goes on."""
    release = refused_in(stack, request.node.callspec.params["stack"], phase, kind)
    stack.ask(RequestVerb.ABORT if phase in BEFORE else RequestVerb.ROLLBACK)
    assert stack.settle(), stack.phases
    name, outcome = ended(stack)
    assert name == release
    assert outcome in ({Outcome.ABORTED} if phase in BEFORE else {Outcome.ROLLED_BACK, NOT_MOVED.get(phase)})
    assert revisions(stack) == {"2"}
    assert stack.breaches == []


@pytest.mark.parametrize(
    ("stack", "phase", "kind"),
    table((*BEFORE, *AFTER), {("canary", Phase.BAKING, another_name)}),
    indirect=["stack"],
)
def test_a_process_that_knows_no_former_specs_goes_on_by_what_is_there(
    stack: LivingStack, phase: Phase, kind: Commit, request: pytest.FixtureRequest
) -> None:
    """Nothing of ours shows the strategy: a person promotes, in one step. Deadlines hold, and so do ECS's own."""
    strategy = request.node.callspec.params["stack"]
    release = refused_in(stack, strategy, phase, kind)
    stack.restart()
    if phase in BEFORE and "ecs_native" not in strategy:
        assert stack.settle(), stack.phases
        assert stack.phases[-1] == Phase.AWAITING_PROMOTION, stack.phases
        stack.ask(RequestVerb.PROMOTE)
    assert stack.settle(), stack.phases
    assert ended(stack) == (release, Outcome.PROMOTED)
    assert revisions(stack) == {"3"}
    assert stack.breaches == []


@pytest.mark.parametrize(
    ("stack", "phase", "kind"),
    table((*BEFORE, *AFTER)),
    indirect=["stack"],
)
def test_a_process_with_the_copy_goes_on_by_the_former_specs(
    stack: LivingStack, phase: Phase, kind: Commit, request: pytest.FixtureRequest
) -> None:
    """The refused revision is the last accepted one. The one before it, which has the strategy, is stored with it."""
    stack.copies = StoredCopy()
    stack.restart()
    stack.go(30.0)
    release = refused_in(stack, request.node.callspec.params["stack"], phase, kind)
    stack.restart()
    left = [str(one) for one in (Phase.VERIFYING, Phase.BAKING, Phase.TEARDOWN)]
    assert stack.settle(), stack.phases
    passed = [one for one in stack.phases if one in left]
    assert passed == left[left.index(str(phase)) if str(phase) in left else 0 :], stack.phases
    assert ended(stack) == (release, Outcome.PROMOTED)
    assert revisions(stack) == {"3"}
    assert stack.breaches == []


@pytest.mark.slow
@pytest.mark.parametrize(("stack", "phase", "kind"), table((*BEFORE, *AFTER)), indirect=["stack"])
def test_a_process_that_knows_no_former_specs_hears_a_rollback(
    stack: LivingStack, phase: Phase, kind: Commit, request: pytest.FixtureRequest
) -> None:
    release = refused_in(stack, request.node.callspec.params["stack"], phase, kind)
    stack.restart()
    stack.go(30.0)
    stack.ask(RequestVerb.ABORT if phase in BEFORE else RequestVerb.ROLLBACK)
    assert stack.settle(), stack.phases
    name, outcome = ended(stack)
    assert name == release
    assert outcome in ({Outcome.ABORTED} if phase in BEFORE else {Outcome.ROLLED_BACK, NOT_MOVED.get(phase)})
    assert revisions(stack) == {"2"}
    assert stack.breaches == []


# -- a plan that is carried out, and deletes the service later


def moving_in(stack: LivingStack, strategy: str, phase: Phase, kind: Commit, image: str = "bad") -> str:
    """v2 is in that phase, and another service is to take its place. The release of v2."""
    documents = with_image(base(strategy), "v2")
    stack.commit(documents)
    assert stack.until(phase), stack.phases
    (result,) = stack.results
    assert result.step is not None
    stack.guard = Guard(max_delete=50, max_delete_percent=100)
    stack.commit(with_image(kind(copy.deepcopy(documents)), image))
    stack.go(20.0)
    assert not stack.last.refusals
    return str(result.step.release)


def fall_ill(stack: LivingStack, tag: str) -> None:
    (image,) = stack.laptop.client("ecr").describe_images(
        repositoryName="my-app-frontend", imageIds=[{"imageTag": tag}]
    )["imageDetails"]
    stack.laptop.script(Script(image=f"*{image['imageDigest']}*", healthy=False))


RENAMES: tuple[Commit, ...] = (another_name, another_name_and_groups)
LEAVING = [
    pytest.param(
        "canary", phase, kind,
        id=f"canary, {phase}, {kind.__name__}",
        marks=[] if (phase, kind) == (Phase.BAKING, another_name) else [pytest.mark.slow],
    )
    for phase in (*BEFORE, *AFTER)
    for kind in RENAMES
]  # fmt: skip


@pytest.mark.parametrize(("stack", "phase", "kind"), LEAVING, indirect=["stack"])
def test_an_ill_version_goes_back_although_its_service_leaves(
    stack: LivingStack, phase: Phase, kind: Commit, request: pytest.FixtureRequest
) -> None:
    """The service that is to take its place never becomes healthy, and until then nobody else looks after it."""
    release = moving_in(stack, request.node.callspec.params["stack"], phase, kind)
    fall_ill(stack, "v2")
    stack.go(1200.0)
    assert stack.unserved() == {}
    name, outcome = ended(stack)
    assert (name, outcome is Outcome.PROMOTED) == (release, False)
    assert revisions(stack) == {"2"}


@pytest.mark.slow
@pytest.mark.parametrize(("stack", "phase", "kind"), LEAVING, indirect=["stack"])
def test_a_service_that_leaves_gives_way_to_a_healthy_one(
    stack: LivingStack, phase: Phase, kind: Commit, request: pytest.FixtureRequest
) -> None:
    moving_in(stack, request.node.callspec.params["stack"], phase, kind, "v1")
    assert stack.settle(), stack.phases
    assert stack.why_not_in_place() == []
    assert stack.unserved() == {}
    assert stack.breaches == []
