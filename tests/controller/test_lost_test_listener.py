"""The test listener of a service that ECS deploys is deleted after test traffic has shifted: the way back to normal."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from reconciler.rollout import state_tags
from reconciler.rollout.engine import Phase
from reconciler.rollout.stored_state import Outcome
from tests.harness.spec_changes import Document
from tests.harness.transitions import LivingStack, living
from tests.promises.test_changes import ROLLING, documents_of, with_image

pytestmark = [pytest.mark.apart, pytest.mark.slow]

STRATEGY = "blue_green by ecs_native"


@pytest.fixture(scope="module")
def stack(for_a_module: None) -> Iterator[LivingStack]:
    with living(documents_of(STRATEGY)) as found:
        yield found


def by_rolling(documents: tuple[Document, ...]) -> tuple[Document, ...]:
    changed = copy.deepcopy(documents)
    for one in changed:
        if one["kind"] == "DeploymentStrategy":
            one.clear()
            one.update(ROLLING)
    return changed


def delete_test_listener(stack: LivingStack) -> None:
    elb = stack.laptop.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    elb.delete_listener(ListenerArn=next(one["ListenerArn"] for one in listeners if one["Port"] == 9000))


def test_the_version_goes_out_once_ecs_has_the_listener_that_there_is(stack: LivingStack) -> None:
    """It is not quarantined; what `status` says to do is what helps, and nobody in production notices."""
    v1, v2 = documents_of(STRATEGY), with_image(documents_of(STRATEGY), "v2")
    stack.commit(v2)
    assert stack.until(Phase.TESTING), stack.phases
    delete_test_listener(stack)
    assert stack.until(Phase.BLOCKED, within=60.0), stack.phases
    stack.restart()
    stack.go(120.0)
    (result,) = stack.results
    assert result.step is not None
    assert result.step.phase is Phase.BLOCKED
    assert "change the engine to `rolling`" in result.step.because
    assert state_tags.of_tags(stack.stage.tags()).quarantine == ()
    for documents in (by_rolling(v1), v1):
        stack.commit(documents)
        assert stack.settle(), stack.phases
        assert stack.why_not_in_place() == []
    stack.phases.clear()
    stack.commit(v2)
    assert stack.settle(), stack.phases
    assert [str(one) for one in (Phase.TESTING, Phase.VERIFYING, Phase.BAKING)] == [
        one for one in stack.phases if one in (Phase.TESTING, Phase.VERIFYING, Phase.BAKING)
    ]
    ended = state_tags.of_tags(stack.stage.tags()).ended
    assert ended is not None
    assert ended.outcome is Outcome.PROMOTED
    assert stack.breaches == []
