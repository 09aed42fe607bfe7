"""Task definitions: every registration is a new revision; INACTIVE ones still serve what already uses them."""

from __future__ import annotations

from reconciler.local.ecs.definition_rules import check, normalised
from reconciler.local.ecs.lookup import client_error, definition, invalid, paged, shown_tags, tags_of
from reconciler.local.ecs.state import Params, TaskDefinition
from reconciler.local.world import World

DELETED_AT_ONCE = 10


def register_task_definition(world: World, params: Params) -> Params:
    tags = tags_of(params)
    check(world, params)
    family = params["family"]
    revisions = world.ecs.definitions.setdefault(family, [])
    revision = world.ecs.revisions.get(family, 0) + 1
    world.ecs.revisions[family] = revision
    made = TaskDefinition(
        arn=world.arn("ecs", f"task-definition/{family}:{revision}"),
        family=family,
        revision=revision,
        body=normalised(params),
        registered_at=world.now,
        tags=tags,
    )
    revisions.append(made)
    return {"taskDefinition": shown(world, made), "tags": shown_tags(tags) or None}


def shown(world: World, item: TaskDefinition) -> Params:
    return {
        "taskDefinitionArn": item.arn,
        "revision": item.revision,
        "status": item.status,
        "registeredAt": item.registered_at,
        "registeredBy": f"arn:aws:iam::{world.account}:root",
        "deregisteredAt": item.deregistered_at,
        "deleteRequestedAt": item.delete_requested_at,
        **item.body,
    }


def describe_task_definition(world: World, params: Params) -> Params:
    found = definition(world, params["taskDefinition"])
    if found is None:
        raise client_error("Unable to describe task definition.")
    answer: Params = {"taskDefinition": shown(world, found)}
    if "TAGS" in params.get("include", []):
        answer["tags"] = shown_tags(found.tags)
    return answer


def deregister_task_definition(world: World, params: Params) -> Params:
    if ":" not in params["taskDefinition"].rpartition("/")[2]:
        raise invalid("Revision must be specified.")
    found = definition(world, params["taskDefinition"])
    if found is None:
        raise client_error("Unable to describe task definition.")
    if found.status == "ACTIVE":
        found.status, found.deregistered_at = "INACTIVE", world.now
    return {"taskDefinition": shown(world, found)}


def delete_task_definitions(world: World, params: Params) -> Params:
    """INACTIVE ones only; gone once nothing uses them."""
    names = params["taskDefinitions"]
    if len(names) > DELETED_AT_ONCE:
        raise invalid(f"At most {DELETED_AT_ONCE} task definitions can be deleted at once.")
    rows, failures = [], []
    for name in names:
        found = definition(world, name)
        if found is None:
            failures.append({"arn": name, "reason": "TASK_DEFINITION_NOT_FOUND"})
        elif found.status == "ACTIVE":
            detail = (
                "The specified task definition is still in ACTIVE status. Please deregister the target and try again."
            )
            failures.append({"arn": found.arn, "reason": detail})
        else:
            found.status, found.delete_requested_at = "DELETE_IN_PROGRESS", world.now
            rows.append(shown(world, found))
            if not in_use(world, found):
                world.ecs.definitions[found.family].remove(found)
    return {"taskDefinitions": rows, "failures": failures}


def in_use(world: World, item: TaskDefinition) -> bool:
    running = any(task.definition is item and not task.over for task in world.ecs.tasks.values())
    return running or any(
        one.launch.task_definition == item.arn
        for service in world.ecs.services.values()
        if service.status != "INACTIVE"
        for one in service.deployments
    )


def list_task_definitions(world: World, params: Params) -> Params:
    """By revision number, not by text: web:9 before web:10."""
    status = params.get("status", "ACTIVE")
    prefix = params.get("familyPrefix")
    families = sorted(name for name in world.ecs.definitions if prefix in (None, name))
    arns = [item.arn for name in families for item in world.ecs.definitions[name] if item.status == status]
    if params.get("sort") == "DESC":
        arns.reverse()
    return _numbered(arns, params)


def _numbered(arns: list[str], params: Params) -> Params:
    """Paging by position in this order, in which the ARNs themselves are not sorted."""
    rows = [f"{index:08d} {arn}" for index, arn in enumerate(arns)]
    answer = paged(rows, params, "taskDefinitionArns")
    answer["taskDefinitionArns"] = [row.partition(" ")[2] for row in answer["taskDefinitionArns"]]
    return answer


def list_task_definition_families(world: World, params: Params) -> Params:
    status, prefix = params.get("status", "ACTIVE"), params.get("familyPrefix", "")
    names = []
    for name, revisions in sorted(world.ecs.definitions.items()):
        active = any(item.status == "ACTIVE" for item in revisions)
        if name.startswith(prefix) and (status == "ALL" or active == (status == "ACTIVE")):
            names.append(name)
    return paged(names, params, "families")
