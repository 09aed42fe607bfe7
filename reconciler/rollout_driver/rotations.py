"""Rotation: a release of which nothing is new but versions of secrets, parameters and files.

Its revision says which one it was made from. If that one is in production, or this one already is, the strategy may do
without a promotion; if not, something else of the release is new as well.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from reconciler.model.resource import Observed
from reconciler.resources import _ecs
from reconciler.resources.task_definition import ROTATED
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.strategy import Promotion
from reconciler.rollout_driver.resolution import ResolutionContext


def promoting_rotation(spec: RolloutSpec, service: Observed[Any], context: ResolutionContext) -> RolloutSpec:
    """The spec by which a rotation is rolled out; health, tests and verification count as ever."""
    definition = context.found.get(spec.task_definition)
    if not spec.policy.promotes_rotations or definition is None or ROTATED not in definition.tags:
        return spec
    if in_production(service) not in (definition.tags[ROTATED], _ecs.last(definition.id)):
        return spec
    return replace(spec, policy=replace(spec.policy, promotion=Promotion.AUTO, promote_after=timedelta()))


def in_production(service: Observed[Any]) -> str:
    """The revision of the primary task set, or of the service, as `family:number`."""
    primary = next((one for one in service.facts["sets"] if one.get("status") == "PRIMARY"), None)
    arn = service.facts["task_definition"] if primary is None else primary.get("taskDefinition")
    return _ecs.last(arn or "")
