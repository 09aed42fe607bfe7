"""Capacity providers: the law example, and what is in progress."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.model.resource import Observed, ResourceHealth
from reconciler.resources.capacity_provider import CapacityProvider, CapacityProviderSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, scope, tagged
from tests.resources.test_auto_scaling_group import EXAMPLE as GROUP
from tests.resources.workload import ECS, lower_pairs

SETTINGS: dict[str, Any] = {"target_capacity": 100, "termination_protection": True, "draining": True}

EXAMPLE = Example(
    wish("capacity-provider/web", CapacityProviderSpec(name="web", group=ref("auto-scaling-group/web"), **SETTINGS)),
    needs=(*GROUP.needs, GROUP.desired),
    edits=(
        Edit({"target_capacity": 80}, "target_capacity"),
        Edit({"termination_protection": False}, "termination_protection"),
    ),
    unique=True,
    decoys=(
        *GROUP.decoys,
        wish(
            "capacity-provider/decoy",
            CapacityProviderSpec(name="decoy", group=ref("auto-scaling-group/decoy"), **SETTINGS),
        ),
    ),
)

WANT = wish("capacity-provider/web", CapacityProviderSpec(name="web", group="arn:group", **SETTINGS))
WANT = replace(WANT, tags=tagged(WANT))


def item(**fields: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "capacityProviderArn": f"{ECS}:capacity-provider/web",
        "status": "ACTIVE",
        "autoScalingGroupProvider": {
            "autoScalingGroupArn": "arn:group",
            "managedScaling": {"status": "ENABLED", "targetCapacity": 100},
            "managedTerminationProtection": "ENABLED",
            "managedDraining": "ENABLED",
        },
        "tags": lower_pairs(WANT.tags),
        **fields,
    }


def observed(**fields: Any) -> list[Observed[CapacityProviderSpec]]:
    talk = Talk(DescribeCapacityProviders={"capacityProviders": [item(**fields)], "failures": []})
    return talk.hold(CapacityProvider().observe(scope(WANT)))


@pytest.mark.parametrize(
    ("fields", "health", "deleting"),
    [
        ({}, ResourceHealth.READY, False),
        ({"updateStatus": "UPDATE_COMPLETE"}, ResourceHealth.READY, False),
        ({"updateStatus": "UPDATE_IN_PROGRESS"}, ResourceHealth.PROGRESSING, False),
        ({"updateStatus": "DELETE_IN_PROGRESS"}, ResourceHealth.PROGRESSING, True),
        ({"updateStatus": "UPDATE_FAILED", "updateStatusReason": "no"}, ResourceHealth.DEGRADED, False),
    ],
)
def test_what_is_in_progress_shows(fields: dict[str, Any], health: ResourceHealth, *, deleting: bool) -> None:
    """ECS changes the scaling of the Auto Scaling group in the background."""
    (found,) = observed(**fields)
    assert (found.health, found.facts.get("deleting", False)) == (health, deleting)


def test_a_deleted_one_is_absent() -> None:
    """ECS answers it as INACTIVE for a while; its name is free."""
    assert observed(status="INACTIVE") == []


def test_scaling_that_somebody_turned_off_is_a_difference() -> None:
    (found,) = observed(autoScalingGroupProvider={"managedScaling": {"status": "DISABLED", "targetCapacity": 100}})
    assert found.spec.target_capacity == 0


def test_what_somebody_else_made_is_not_taken() -> None:
    """ECS's error for a name that is taken is one for anything, so it is asked first."""
    talk = Talk(DescribeCapacityProviders={"capacityProviders": [item(tags=[])], "failures": []})
    with pytest.raises(errors.Exists):
        talk.hold(CapacityProvider().create(WANT))
    assert "CreateCapacityProvider" not in talk.operations()
