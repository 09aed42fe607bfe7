"""Tags of clusters, capacity providers, services, task sets, task definitions and tasks."""

from __future__ import annotations

from reconciler.local.ecs.lookup import any_service, definition, invalid, shown_tags, tags_of, task_set
from reconciler.local.ecs.state import Params
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

TAGS_MOST = 50


def of(world: World, arn: str) -> dict[str, str]:
    """The tags of one resource, as they are kept; a `Refusal` when it is not there."""
    kind, _, rest = arn.partition(":ecs:")[2].split(":", 2)[-1].partition("/")
    names = rest.split("/")
    if kind == "cluster" and (cluster := world.ecs.clusters.get(rest)) and cluster.status == "ACTIVE":
        return cluster.tags
    if kind == "capacity-provider" and rest in world.ecs.providers:
        provider_tags: dict[str, str] = world.ecs.providers[rest]["tags"]
        return provider_tags
    if kind == "service" and len(names) == 2 and (service := any_service(world, names[0], names[1])):
        return service.tags
    if kind == "task-set" and len(names) == 4 and (service := any_service(world, names[0], names[1])):
        found = task_set(service, names[3]).task_set
        assert found is not None
        return found.tags
    if kind == "task-definition" and (revision := definition(world, arn)):
        return revision.tags
    if kind == "task" and (task := world.ecs.tasks.get(names[-1])):
        return task.tags
    if kind not in ("capacity-provider", "cluster", "service", "task-set", "task-definition", "task"):
        raise invalid("Invalid arn syntax.")
    raise Refusal("ResourceNotFoundException" if kind == "task" else "InvalidParameterException", missing(kind))


def missing(kind: str) -> str:
    return f"The specified {kind} is not found. You can view your available {kind}s with List{kind.title()}s."


def tag_resource(world: World, params: Params) -> Params:
    wanted = tags_of(params)
    tags = of(world, params["resourceArn"])
    if len({*tags, *wanted}) > TAGS_MOST:
        raise invalid(f"Too many tags: at most {TAGS_MOST} are allowed.")
    tags.update(wanted)
    return {}


def untag_resource(world: World, params: Params) -> Params:
    tags = of(world, params["resourceArn"])
    for key in params["tagKeys"]:
        tags.pop(key, None)
    return {}


def list_tags_for_resource(world: World, params: Params) -> Params:
    return {"tags": shown_tags(of(world, params["resourceArn"]))}
