"""Promotion of a release that has nothing new but versions of secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from reconciler.model.resource import Address, Observed
from reconciler.resources.task_definition import ROTATED, TaskDefinitionSpec
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.strategy import Promotion, Strategy
from reconciler.rollout_driver.resolution import ResolutionContext
from reconciler.rollout_driver.rotations import promoting_rotation

SERVICE, DEFINITION = Address("service", "web"), Address("task-definition", "web")
ARN = "arn:aws:ecs:us-west-2:123456789012:task-definition/web"


@pytest.mark.parametrize(
    ("live", "tags", "asked", "expected"),
    [
        ("web:6", {ROTATED: "web:6"}, True, Promotion.AUTO),
        ("web:7", {ROTATED: "web:6"}, True, Promotion.AUTO),
        ("web:5", {ROTATED: "web:6"}, True, Promotion.TIMED),
        ("web:6", {}, True, Promotion.TIMED),
        ("web:6", {ROTATED: "web:6"}, False, Promotion.TIMED),
    ],
    ids=["a rotation", "in production", "of a version that was never promoted", "a new image", "not asked for"],
)
@pytest.mark.parametrize("sets", [True, False])
def test_only_a_rotation_of_what_is_in_production_goes_without(
    live: str, tags: dict[str, str], asked: bool, expected: Promotion, sets: bool
) -> None:
    """Whichever engine runs the service."""
    policy = Strategy(promotion=Promotion.TIMED, promote_after=timedelta(hours=2), promotes_rotations=asked)
    arn = ARN.replace("task-definition/web", f"task-definition/{live}")
    primary = ({"status": "PRIMARY", "taskDefinition": arn},) if sets else ()
    facts = {"sets": primary, "task_definition": None if sets else arn}
    service: Observed[Any] = Observed(SERVICE, "web", TaskDefinitionSpec(family="web", containers={}), facts=facts)
    definition = Observed(DEFINITION, f"{ARN}:7", TaskDefinitionSpec(family="web", containers={}), tags=tags)
    context = ResolutionContext({}, {DEFINITION: definition}, {}, {})
    found = promoting_rotation(RolloutSpec(SERVICE, DEFINITION, policy), service, context).policy
    assert found.promotion is expected
    assert found.promote_after == (timedelta() if expected is Promotion.AUTO else timedelta(hours=2))
