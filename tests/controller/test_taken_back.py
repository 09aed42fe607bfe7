"""No capacity is no verdict on a version, whichever engine deploys it.

It makes no difference whether a controller ran when AWS gave the deployment up.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.local.faults import Fault
from reconciler.local.scripted import Script
from reconciler.rollout import state_tags
from reconciler.rollout.engine import Phase
from reconciler.rollout.stored_state import Outcome, StoredState
from tests.controller.test_refused_plans import ended, revisions, serves
from tests.harness.transitions import LivingStack
from tests.promises.test_changes import STRATEGIES, documents_of, with_image

pytestmark = [pytest.mark.apart, pytest.mark.slow]

HOUR = 3600.0


@pytest.fixture(scope="module")
def stack(request: pytest.FixtureRequest, for_a_module: None) -> Iterator[LivingStack]:
    yield from serves(request.param)


def marks(stack: LivingStack) -> StoredState:
    return state_tags.of_tags(stack.stage.tags())


def image_of(stack: LivingStack, tag: str) -> str:
    """The digest of an image."""
    ecr, name = stack.laptop.client("ecr"), "my-app-frontend"
    (found,) = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": tag}])["imageDetails"]
    return str(found["imageDigest"])


def begun(stack: LivingStack, strategy: str) -> None:
    """v2 has been started, and there is no room for its tasks."""
    stack.laptop.aws.inject(Fault("no_capacity"))
    stack.commit(with_image(documents_of(strategy), "v2"))
    stack.go(30.0)


@pytest.mark.parametrize("hours", [0.2, 1.2, 3.0])
@pytest.mark.parametrize("watched", [True, False], ids=["watched", "away"])
@pytest.mark.parametrize("stack", list(STRATEGIES), indirect=True)
def test_a_version_without_room_is_not_to_blame(
    stack: LivingStack, hours: float, watched: bool, request: pytest.FixtureRequest
) -> None:
    """It is deployed once there is capacity, and never quarantined."""
    begun(stack, request.node.callspec.params["stack"])
    if watched:
        stack.go(hours * HOUR)
    else:
        stack.laptop.advance(hours * HOUR)
        stack.restart()
        stack.go(90.0)
    assert marks(stack).quarantine == (), marks(stack).verdicts
    stack.laptop.aws.faults.clear()
    stack.go(HOUR)  # the next attempt may be so far away
    assert stack.settle(), stack.phases
    assert ended(stack)[1] is Outcome.PROMOTED
    assert revisions(stack) == {"3"}
    assert stack.breaches == []


@pytest.mark.parametrize("stack", list(STRATEGIES), indirect=True)
def test_a_version_that_fails_by_itself_is_to_blame(stack: LivingStack, request: pytest.FixtureRequest) -> None:
    """Although there was no room for it at first, and no controller when it failed."""
    stack.laptop.script(Script(fails_to_start="CannotPullContainerError: pull access denied"))
    begun(stack, request.node.callspec.params["stack"])
    stack.laptop.advance(60.0)
    stack.laptop.aws.faults.clear()
    stack.laptop.advance(0.3 * HOUR)
    stack.restart()
    stack.go(600.0)
    assert marks(stack).quarantine != ()


@pytest.mark.parametrize("phase", [Phase.VERIFYING, Phase.BAKING])
@pytest.mark.parametrize("back", [True, False], ids=["capacity is back", "no capacity"])
@pytest.mark.parametrize("stack", [one for one in STRATEGIES if one != "rolling"], indirect=True)
def test_a_version_that_is_lost_in_production_is_not_to_blame(
    stack: LivingStack, phase: Phase, back: bool, request: pytest.FixtureRequest
) -> None:
    """All its tasks are interrupted while no controller runs."""
    stack.commit(with_image(documents_of(request.node.callspec.params["stack"]), "v2"))
    assert stack.until(phase), stack.phases
    stack.laptop.aws.inject(Fault("no_capacity"))
    stack.laptop.aws.inject(Fault("spot_interruption", count=2, image=f"*{image_of(stack, 'v2')}*"))
    stack.laptop.advance(0.2 * HOUR)
    if back:
        stack.laptop.aws.faults.clear()
        stack.laptop.advance(60.0)
    stack.restart()
    stack.go(0.3 * HOUR)
    assert marks(stack).quarantine == (), marks(stack).verdicts
    stack.laptop.aws.faults.clear()
    stack.go(HOUR)
    assert stack.settle(), stack.phases
    assert ended(stack)[1] is Outcome.PROMOTED
    assert revisions(stack) == {"3"}
