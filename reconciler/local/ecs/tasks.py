"""Tasks through the API: run, described, listed, stopped, protected."""

from __future__ import annotations

from datetime import timedelta

from reconciler.local.ecs import launch, show_task
from reconciler.local.ecs.definition_rules import check_size, cpu_units, mebibytes
from reconciler.local.ecs.lookup import (
    active_definition,
    any_service,
    cluster,
    invalid,
    last,
    once,
    paged,
    remember,
    tags_of,
    task,
)
from reconciler.local.ecs.state import Params, Task
from reconciler.local.refusal import Refusal
from reconciler.local.scheduler import fleet
from reconciler.local.scheduler import tasks as life
from reconciler.local.world import World

RUN_AT_ONCE = 10
DESCRIBED_AT_ONCE = 100
STARTED_BY_LONGEST = 128
NO_CAPACITY = "Capacity is unavailable at this time. Please try again later or in a different availability zone"


def run_task(world: World, params: Params) -> Params:
    """The same client token with the same parameters returns the first tasks; with others it is a ConflictException."""
    owner = cluster(world, params.get("cluster"))
    count = params.get("count", 1)
    if not 1 <= count <= RUN_AT_ONCE:
        raise invalid(f"count should be between 1 and {RUN_AT_ONCE}")
    if len(params.get("startedBy", "")) > STARTED_BY_LONGEST:
        raise invalid(f"startedBy can be at most {STARTED_BY_LONGEST} characters.")
    tags = tags_of(params)
    if repeated := once(world, "RunTask", params, longest=64):
        first: list[Task] = repeated["result"]
        if not repeated["same"]:
            raise Refusal(
                "ConflictException",
                "The clientToken was used before with other parameters.",
                extra={"resourceIds": [item.arn for item in first]},
            )
        return {"tasks": [show_task.task(world, item, tags=True) for item in first], "failures": []}
    definition = active_definition(world, params["taskDefinition"])
    wanted = launch.from_params(world, owner, params)
    if not launch.hosted(wanted):
        raise invalid("No Container Instances were found in your cluster.")
    overrides = _overrides(params.get("overrides", {}), definition.body)
    if params.get("propagateTags") == "TASK_DEFINITION":
        tags = {**definition.tags, **tags}
    if params.get("enableECSManagedTags"):
        tags["aws:ecs:clusterName"] = owner.name
    made: list[Task] = []
    failures: list[Params] = []
    for _ in range(count):
        if not fleet.room(world, definition.family, wanted, made):
            failures.append({"reason": NO_CAPACITY})
            continue
        made.append(
            life.create(
                world,
                owner,
                definition,
                wanted,
                group=params.get("group", f"family:{definition.family}"),
                started_by=params.get("startedBy", ""),
                overrides=overrides,
                tags=dict(tags),
                execute_command=params.get("enableExecuteCommand", False),
                provider=fleet.provider(wanted, made),
            )
        )
    if made:
        remember(world, "RunTask", params, made)
    return {"tasks": [show_task.task(world, item, tags=True) for item in made], "failures": failures}


def _overrides(overrides: Params, definition: Params) -> Params:
    names = [item["name"] for item in definition["containerDefinitions"]]
    size = {key: overrides[key] for key in ("cpu", "memory") if overrides.get(key)}
    if size and "FARGATE" in definition.get("requiresCompatibilities", ()):
        whole = {**definition, **size}
        check_size(cpu_units(whole["cpu"]), mebibytes(whole["memory"]))
    for item in overrides.get("containerOverrides", []):
        if item.get("name") not in names:
            raise invalid(
                "Override for container named " + f"{item.get('name')} is not a container in the TaskDefinition."
            )
    return overrides


def describe_tasks(world: World, params: Params) -> Params:
    owner = cluster(world, params.get("cluster"))
    names = params["tasks"]
    if not names:
        raise invalid("Tasks cannot be empty.")
    if len(names) > DESCRIBED_AT_ONCE:
        raise invalid(f"Tasks can have at most {DESCRIBED_AT_ONCE} items.")
    tags = "TAGS" in params.get("include", [])
    rows, failures = [], []
    for name in names:
        found = world.ecs.tasks.get(last(name))
        if found is None or found.cluster != owner.name:
            arn = name if name.startswith("arn:") else world.arn("ecs", f"task/{owner.name}/{name}")
            failures.append({"arn": arn, "reason": "MISSING"})
        else:
            rows.append(show_task.task(world, found, tags=tags))
    return {"tasks": rows, "failures": failures}


def list_tasks(world: World, params: Params) -> Params:
    """RUNNING unless asked for STOPPED; PENDING finds nothing (API reference). `startedBy` must be the only filter."""
    owner = cluster(world, params.get("cluster"))
    others = [key for key in ("family", "serviceName", "containerInstance") if params.get(key)]
    if params.get("startedBy") and (others or params.get("desiredStatus")):
        raise invalid("startedBy must be the only filter that you use.")
    if params.get("serviceName") and params.get("family"):
        raise invalid("serviceName and family cannot be used together.")
    if params.get("serviceName"):
        found = any_service(world, owner.name, params["serviceName"])
        if found is None:
            raise Refusal("ServiceNotFoundException", "Service not found.")
    wanted = params.get("desiredStatus", "RUNNING")
    arns = sorted(
        item.arn
        for item in world.ecs.tasks.values()
        if item.cluster == owner.name
        and item.desired_status == wanted
        and params.get("family") in (None, item.definition.family)
        and params.get("startedBy") in (None, item.started_by)
        and (not params.get("serviceName") or item.service == (owner.name, last(params["serviceName"])))
        and params.get("launchType", "FARGATE") == "FARGATE"
    )
    return paged(arns, params, "taskArns")


def stop_task(world: World, params: Params) -> Params:
    cluster(world, params.get("cluster"))
    found = task(world, params)
    if found is None:
        raise invalid("The referenced task was not found.")
    life.stop(world, found, "UserInitiated", params.get("reason") or "Task stopped by user")
    return {"task": show_task.task(world, found, tags=False)}


def update_task_protection(world: World, params: Params) -> Params:
    owner = cluster(world, params["cluster"])
    rows, failures = [], []
    for name in params["tasks"]:
        found = world.ecs.tasks.get(last(name))
        if found is None or found.cluster != owner.name:
            failures.append({"arn": name, "reason": "MISSING"})
        elif found.service is None:
            failures.append({"arn": found.arn, "reason": "TASK_NOT_VALID"})
        else:
            minutes = params.get("expiresInMinutes", 120)
            found.protected_until = world.now + timedelta(minutes=minutes) if params["protectionEnabled"] else None
            if service := world.ecs.services.get(found.service):
                world.touch(service)
                world.touch_after(minutes * 60, service)
            rows.append(_protection(world, found))
    return {"protectedTasks": rows, "failures": failures}


def get_task_protection(world: World, params: Params) -> Params:
    owner = cluster(world, params["cluster"])
    names = params.get("tasks") or []
    found = [world.ecs.tasks.get(last(name)) for name in names]
    rows = [_protection(world, item) for item in found if item and item.cluster == owner.name]
    missing = [name for name, item in zip(names, found, strict=True) if item is None]
    return {"protectedTasks": rows, "failures": [{"arn": name, "reason": "MISSING"} for name in missing]}


def _protection(world: World, item: Task) -> Params:
    protected = item.protected_until is not None and item.protected_until > world.now
    return {
        "taskArn": item.arn,
        "protectionEnabled": protected,
        "expirationDate": item.protected_until if protected else None,
    }
