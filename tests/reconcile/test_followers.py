"""A lower count that came with a release that failed stays undone; one of a later commit belongs to what serves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.plan import DeferralCode, Plan
from reconciler.model.resource import Address, Desired, Observed
from reconciler.reconcile.followers import digests
from reconciler.resources.image import ImageSpec
from reconciler.resources.service import ServiceSpec
from reconciler.rollout.state_tags import written
from reconciler.rollout.stored_state import Outcome, StoredState, Verdict
from tests.reconcile.test_deferral import definition, delivery, planned, tags
from tests.rollout.facts import NOW

WEB = Address("service", "web")
IMAGE = Address("image", "web")
ROLLOUT = replace(delivery("web"), images=(IMAGE,))


def desired(count: int, revision: str = "web:2") -> Desired[Any]:
    return Desired(WEB, ServiceSpec(cluster="c", name="web", desired_count=count, task_definition=revision), tags(WEB))


def plan(want: Desired[Any], verdict: Verdict | None, image: str = "web@1") -> Plan:
    """Four tasks of the first revision serve; a release may have been quarantined."""
    marks = StoredState() if verdict is None else StoredState(quarantine=(verdict.release,), verdicts=(verdict,))
    spec = ServiceSpec(cluster="c", name="web", desired_count=4, task_definition="web:1")
    deployment = {"status": "PRIMARY", "runningCount": 4}
    facts = {"item": {"deployments": [deployment]}, "deployments": [deployment], "task_definitions": ("web:1",)}
    there = Observed(WEB, "web", spec, {**tags(WEB), **written(StoredState(), marks)[0]}, facts=facts)
    pushed = Observed(IMAGE, image, ImageSpec(repository="web", tag="latest", uri="web:latest"), {})
    return planned([want], [there, definition("web", "web:2"), pushed], ROLLOUT)


def failed(count: int, by: str = "r5b1e08.") -> Verdict:
    """The release that wants the second revision, as it was declared when it failed."""
    return Verdict("b", Outcome.FAILED, NOW, by + digests(ROLLOUT, {WEB: desired(count)}, {IMAGE: "web@1"}), "5xx")


@pytest.mark.parametrize(
    ("want", "verdict", "waits"),
    [
        pytest.param(desired(2), None, True, id="a release is due"),
        pytest.param(desired(2), failed(2), True, id="it came with the release that failed"),
        pytest.param(desired(2), failed(4), False, id="it was committed after the release had failed"),
        pytest.param(desired(2), failed(4, "-."), False, id="after a person had stopped it"),
        pytest.param(desired(2, "web:3"), failed(4), True, id="it comes with another release"),
        pytest.param(desired(2), replace(failed(4), judges="r5b1e08"), True, id="it is not known what was declared"),
    ],
)
def test_a_lower_count_follows_the_release_that_it_was_committed_with(
    want: Desired[Any], verdict: Verdict | None, waits: bool
) -> None:
    """As the specs were when the release was quarantined."""
    found = plan(want, verdict)
    lowered = [change for action in found.actions for change in action.changes if change.field == "desired_count"]
    assert bool(lowered) is not waits
    assert [one.code for one in found.deferred] == ([DeferralCode.WITH_RELEASE] if waits else [])


def test_a_lower_count_follows_an_image_that_was_pushed_since() -> None:
    """It is another release, though the specs of both read the same."""
    found = plan(desired(2), failed(4), image="web@2")
    assert [one.code for one in found.deferred] == [DeferralCode.WITH_RELEASE]
