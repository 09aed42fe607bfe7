"""Where AWS does not let a service go to the engine that it declares, and what waits until it has gone there."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, Refusal, RefusalCode, Verb
from reconciler.model.resource import Address, Desired, Observed, ResourceHealth
from reconciler.reconcile.engine_changes import changing, held, refused
from reconciler.resources.codedeploy_deployment_group import DeploymentGroupSpec
from reconciler.resources.service import ServiceSpec
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.strategy import Strategy

WEB = Address("service", "web")
DOOR = Address("listener", "alb-production")
ARN = "arn:aws:ecs:us-west-2:123456789012:service/prod/web"
SPEC = ServiceSpec(cluster="prod", name="web")


def declared(engine: str) -> RolloutSpec:
    return RolloutSpec(WEB, Address("task-definition", "web"), Strategy(engine=engine), production=DOOR)


def service(controller: str, health: ResourceHealth = ResourceHealth.READY, **primary: Any) -> Observed[ServiceSpec]:
    item = {
        "serviceArn": ARN,
        "deploymentController": {"type": controller},
        "deployments": [{"status": "PRIMARY", **primary}],
    }
    return Observed(WEB, ARN, SPEC, health=health, facts={"item": item})


def refusals(engine: str, found: Observed[ServiceSpec], *before: Refusal) -> list[Refusal]:
    world = ObservedState({"service": (found,)})
    wanted = {WEB: Desired(WEB, SPEC, where="web.yaml:2")}
    return list(refused(before, world, wanted, (declared(engine),)))


@pytest.mark.parametrize(
    "networking",
    [
        {"serviceConnectConfiguration": {"enabled": True, "namespace": "n"}},
        {"vpcLatticeConfigurations": [{"portName": "p"}]},
    ],
)
def test_what_only_the_ecs_controller_has_keeps_a_service_there(networking: dict[str, Any]) -> None:
    """ECS refuses the change with Service Connect or VPC Lattice; the plan says so before anything has moved."""
    (refusal,) = refusals("task_sets", service("ECS", **networking))
    assert (refusal.code, refusal.address, refusal.where) == (RefusalCode.IMMUTABLE, WEB, "web.yaml:2")
    assert refusal.hint
    assert refusals("ecs_native", service("ECS", **networking)) == []
    assert refusals("task_sets", service("ECS")) == []


def test_where_there_is_no_way_the_refusal_says_what_to_do_instead() -> None:
    """Other refusals of the service, such as of its name, stay as they are."""
    plain = Refusal(RefusalCode.IMMUTABLE, WEB, "AWS cannot change it", "`--allow-replace service/web` …", "web.yaml:2")
    (told,) = refusals("codedeploy", service("ECS"), plain)
    assert (told.code, told.where) == (plain.code, plain.where)
    assert "`engine: rolling`" in told.hint
    assert refusals("task_sets", service("ECS"), plain) == [plain]


def test_listeners_stay_as_they_are_until_the_engine_has_changed() -> None:
    update = Action(Verb.UPDATE, DOOR, "it differs")
    for found, waits in ((service("EXTERNAL"), WEB), (service("ECS"), None)):
        several = tuple(changing([declared("rolling")], [found]))
        assert held(update, [declared("rolling")], several, [found]) == waits


@pytest.mark.parametrize(
    ("controller", "health", "waits"),
    [
        ("CODE_DEPLOY", ResourceHealth.READY, WEB),
        ("ECS", ResourceHealth.PROGRESSING, WEB),
        ("ECS", ResourceHealth.READY, None),
    ],
)
def test_what_the_former_engine_works_with_goes_last(
    controller: str, health: ResourceHealth, waits: Address | None
) -> None:
    """Once the new engine runs the service, and all of its tasks are healthy."""
    group = DeploymentGroupSpec(
        application="a", name="g", service=ARN, role="r", config="c", target_groups=(), production="l",
        ready_wait=0, termination_wait=0,
    )  # fmt: skip
    at = Address("codedeploy-deployment-group", "web")
    delete = Action(Verb.DELETE, at, "not in the specs", old=Observed(at, "g", group))
    found = service(controller, health)
    several = tuple(changing([declared("rolling")], [found]))
    assert held(delete, [declared("rolling")], several, [found]) == waits
