"""Which versions run, and which of them production has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Observed
from reconciler.queries.versions import RunningVersion, ServiceState, find
from reconciler.resources._elb_actions import Action, Forward
from reconciler.resources.listener import ListenerSpec
from reconciler.resources.service import ServiceSpec
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.strategy import Strategy

NOW = datetime(2026, 1, 5, tzinfo=UTC)
PRODUCTION = Address("listener", "alb-production")
WEB = Address("service", "web")
DELIVERY = RolloutSpec(WEB, Address("task-definition", "web"), production=PRODUCTION)
ROLLING = RolloutSpec(WEB, Address("task-definition", "web"), Strategy(engine="rolling"))


def task_set(number: int, group: str, status: str = "ACTIVE") -> dict[str, Any]:
    return {
        "id": f"ecs-svc/{number}",
        "status": status,
        "externalId": f"r{number}",
        "taskDefinition": f"arn:aws:ecs:x:1:task-definition/web:{number}",
        "createdAt": NOW + timedelta(hours=number),
        "loadBalancers": [{"targetGroupArn": group}],
        "runningCount": 2,
    }


def world(
    *sets: dict[str, Any], weights: dict[str, int] | None = None, owner: str = "shop", **more: Any
) -> ObservedState:
    facts = {"cluster": "main", "sets": sets, "deployments": (), **more}
    service = Observed(WEB, "arn:web", ServiceSpec(cluster="main", name="web"), {ownership.STACK: owner}, facts=facts)
    forward = tuple(Forward(target_group=group, weight=weight) for group, weight in (weights or {}).items())
    spec = ListenerSpec(load_balancer="lb", port=80, protocol="HTTP", default_action=Action(forward=forward))
    return ObservedState({"service": (service,), "listener": (Observed(PRODUCTION, "arn:listener", spec),)}, {})


def shares(found: ServiceState) -> dict[str, int]:
    return {one.revision: one.share for one in found.runs}


def test_production_is_what_the_listener_says_and_not_ecs() -> None:
    """Right after the switch ECS still calls the old version PRIMARY."""
    found = find(world(task_set(1, "a", "PRIMARY"), task_set(2, "b"), weights={"a": 0, "b": 100}), DELIVERY, "shop")
    assert shares(found) == {"web:2": 100, "web:1": 0}
    assert [one.release for one in found.in_production] == ["r2"]


def test_a_share_is_a_share_however_small() -> None:
    """Weights are relative; one in a thousand is still in production."""
    found = find(world(task_set(1, "a"), task_set(2, "b"), weights={"a": 998, "b": 1}), DELIVERY, "shop")
    assert shares(found) == {"web:2": 1, "web:1": 100}
    assert len(found.in_production) == 2


def test_a_set_that_is_going_away_has_nothing() -> None:
    """Its group's share is that of the newest set which stays."""
    sets = (task_set(1, "a"), task_set(2, "a"), task_set(3, "a", "DRAINING"))
    found = find(world(*sets, weights={"a": 100, "b": 0}), DELIVERY, "shop")
    assert shares(found) == {"web:3": 0, "web:2": 100, "web:1": 0}


def test_a_listener_that_does_something_else_gives_nothing() -> None:
    """Then nothing of this service is in production."""
    assert find(world(task_set(1, "a", "PRIMARY"), weights={"z": 100}), DELIVERY, "shop").in_production == ()
    assert find(world(task_set(1, "a", "PRIMARY")), DELIVERY, "shop").in_production == ()


def test_where_ecs_deploys_each_deployment_has_the_share_of_its_tasks() -> None:
    """Both serve while one takes over from the other; the release is known where a mark says it."""
    deployments = [
        {
            "id": f"ecs-svc/{n}",
            "status": status,
            "taskDefinition": f"x/web:{n}",
            "createdAt": NOW,
            "runningCount": count,
        }
        for n, status, count in ((1, "ACTIVE", 3), (2, "PRIMARY", 1), (3, "ACTIVE", 0))
    ]
    found = find(world(deployments=tuple(deployments)), ROLLING, "shop")
    assert shares(found) == {"web:1": 75, "web:2": 25, "web:3": 0}


def test_what_is_somebody_elses_is_not_shown_as_ours() -> None:
    """Not there, not ours, and not to be read are three different answers."""
    with pytest.raises(errors.ReconcilerError, match="exists but does not belong to this stack"):
        find(world(owner="other"), DELIVERY, "shop")
    with pytest.raises(errors.ReconcilerError, match="does not exist yet"):
        find(ObservedState({}, {}), DELIVERY, "shop")
    denied = errors.Denied("no", call="elbv2.DescribeListeners", code="AccessDenied")
    with pytest.raises(errors.Denied):
        find(ObservedState({}, {"listener": denied}), DELIVERY, "shop")


def test_draining_is_ecs_own_word() -> None:
    """Anything but the two states of what stays."""
    assert [RunningVersion("x", "r", state=state).draining for state in ("PRIMARY", "ACTIVE", "DRAINING")] == [0, 0, 1]


def test_where_the_listener_is_not_known_production_is_what_ecs_says() -> None:
    """Of a stack whose specs are not at hand: the label is late by the verification, and there is nothing better."""
    bare = RolloutSpec(WEB, Address("task-definition", "web"))
    found = find(world(task_set(1, "a", "PRIMARY"), task_set(2, "b")), bare, "shop")
    assert shares(found) == {"web:2": 0, "web:1": 100}
