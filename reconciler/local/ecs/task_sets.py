"""Task sets of services whose deployment controller is EXTERNAL.

Of a service that CodeDeploy deploys, they can be deleted and made primary, too, which is assumed: CodeDeploy does both
with its service role, through ECS's API.
"""

from __future__ import annotations

from reconciler.local.ecs import launch, show
from reconciler.local.ecs.lookup import cluster, invalid, last, once, remember, service, tags_of, task_set
from reconciler.local.ecs.state import Deployment, Params, Service, TaskSet
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

SETS_MOST = 5


def _external(world: World, params: Params, *others: str) -> Service:
    found = service(world, params)
    if found.controller not in ("EXTERNAL", *others):
        kind = found.controller
        raise invalid(
            f"Cannot manage task sets of a service whose deployment controller is {kind}: it must be EXTERNAL."
        )
    return found


def create_task_set(world: World, params: Params) -> Params:
    found = _external(world, params)
    owner = cluster(world, params["cluster"])
    tags = tags_of(params)
    if repeated := once(world, "CreateTaskSet", params):
        if not repeated["same"]:
            raise invalid("Creation of TaskSet was not idempotent.")
        if repeated["result"] in found.deployments:
            return {"taskSet": show.task_set(world, found, repeated["result"], tags=True)}
    check_room(found)
    scale = _scale(params.get("scale"))
    wanted = launch.from_params(world, owner, params)
    number = world.ids.digits(19)
    made = Deployment(
        number=number,
        launch=wanted,
        created_at=world.now,
        updated_at=world.now,
        status="ACTIVE",
        task_set=TaskSet(
            arn=world.arn("ecs", f"task-set/{owner.name}/{found.name}/ecs-svc/{number}"),
            scale=scale,
            external_id=params.get("externalId", ""),
            stability_at=world.now,
            tags=tags,
        ),
    )
    found.deployments.insert(0, made)
    remember(world, "CreateTaskSet", params, made)
    world.touch(found)
    return {"taskSet": show.task_set(world, found, made, tags=True)}


def check_room(found: Service) -> None:
    if len(found.deployments) >= SETS_MOST:
        raise invalid(
            f"{SETS_MOST} deployments exist on the service. Unable to create new TaskSet since this exceeds the "
            "maximum limit."
        )


def _scale(scale: Params | None) -> float:
    if scale is None:
        return 0.0
    value = float(scale.get("value", 0.0))
    if not 0 <= value <= 100 or scale.get("unit", "PERCENT") != "PERCENT":
        raise invalid("Scale must be between 0 and 100 PERCENT.")
    return value


def describe_task_sets(world: World, params: Params) -> Params:
    found = service(world, params)
    if found.controller == "ECS":
        raise invalid("Cannot describe the task sets of a service whose deployment controller is ECS.")
    tags = "TAGS" in params.get("include", [])
    names = params.get("taskSets")
    chosen = [item for item in found.deployments if item.task_set]
    failures: list[Params] = []
    if names:
        wanted = {last(name): name for name in names}
        chosen = [item for item in chosen if item.number in wanted]
        gone = set(wanted) - {item.number for item in chosen}
        failures = [{"arn": wanted[number], "reason": "MISSING"} for number in sorted(gone)]
    return {"taskSets": [show.task_set(world, found, item, tags=tags) for item in chosen], "failures": failures}


def update_task_set(world: World, params: Params) -> Params:
    found = _external(world, params)
    item = task_set(found, params["taskSet"])
    assert item.task_set is not None
    if item.status == "DRAINING":
        raise Refusal("TaskSetNotFoundException", "The specified task set is DRAINING.")
    item.task_set.scale, item.updated_at = _scale(params["scale"]), world.now
    world.touch(found)
    return {"taskSet": show.task_set(world, found, item, tags=True)}


def update_service_primary_task_set(world: World, params: Params) -> Params:
    """A label: no traffic moves. The service shows the primary's task definition, network and load balancers."""
    found = _external(world, params, "CODE_DEPLOY")
    item = task_set(found, params["primaryTaskSet"])
    if item.status == "DRAINING":
        raise invalid("A task set that is DRAINING cannot become the primary task set.")
    make_primary(world, found, item)
    return {"taskSet": show.task_set(world, found, item, tags=True)}


def make_primary(world: World, found: Service, item: Deployment) -> None:
    for other in found.deployments:
        if other.status == "PRIMARY" and other is not item:
            other.status, other.updated_at = "ACTIVE", world.now
    item.status, item.updated_at = "PRIMARY", world.now
    found.launch = item.launch


def delete_task_set(world: World, params: Params) -> Params:
    """Scaled to 0, or forced; the PRIMARY only with force. DRAINING until its tasks are gone."""
    found = _external(world, params, "CODE_DEPLOY")
    item = task_set(found, params["taskSet"])
    assert item.task_set is not None
    if not params.get("force"):
        if item.task_set.scale > 0:
            raise invalid("The task set cannot be deleted while it is scaled above 0.")
        if item.status == "PRIMARY":
            raise invalid("The primary task set cannot be deleted without force.")
    begin_draining(world, found, item)
    return {"taskSet": show.task_set(world, found, item, tags=True)}


def begin_draining(world: World, found: Service, item: Deployment) -> None:
    if item.status == "PRIMARY":
        found.launch = None
    if item.status != "DRAINING":
        item.status, item.updated_at = "DRAINING", world.now
    world.touch(found)
