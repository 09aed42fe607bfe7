"""The Resource Groups Tagging API over both halves: our services' resources and moto's."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reconciler.local.cloudwatch import alarms
from reconciler.local.codedeploy import api as codedeploy
from reconciler.local.ecs import tags as ecs_tags
from reconciler.local.elb import tags as elb_tags
from reconciler.local.eventbridge import rules
from reconciler.local.paging import page
from reconciler.local.refusal import Refusal
from reconciler.local.sqs import queues
from reconciler.local.sqs.attributes import named
from reconciler.local.world import Operation, Params, World

PAGE_SIZE = 100
EVERYTHING = sys.maxsize


@dataclass(frozen=True, slots=True)
class Tagged:
    arn: str
    kind: str  # "ecs:service"
    tags: dict[str, str]


def ours(world: World) -> Iterator[Tagged]:
    """Everything of ours that has tags and is there; deleted resources are not shown, though AWS may for a while."""
    for kind, table in (
        ("loadbalancer", world.elb.load_balancers),
        ("targetgroup", world.elb.target_groups),
        ("listener", world.elb.listeners),
        ("listener-rule", world.elb.rules),
    ):
        for arn, item in table.items():
            yield Tagged(arn, f"elasticloadbalancing:{kind}", item.tags)
    for cluster in world.ecs.clusters.values():
        if cluster.status == "ACTIVE":
            yield Tagged(cluster.arn, "ecs:cluster", cluster.tags)
    for provider in world.ecs.providers.values():
        yield Tagged(provider["capacityProviderArn"], "ecs:capacity-provider", provider["tags"])
    for service in world.ecs.services.values():
        if service.status != "INACTIVE":
            yield Tagged(service.arn, "ecs:service", service.tags)
        for one in service.deployments:
            if one.task_set:
                yield Tagged(one.task_set.arn, "ecs:task-set", one.task_set.tags)
    for revisions in world.ecs.definitions.values():
        for revision in revisions:
            yield Tagged(revision.arn, "ecs:task-definition", revision.tags)
    for task in world.ecs.tasks.values():
        if not task.over:
            yield Tagged(task.arn, "ecs:task", task.tags)
    for application in world.codedeploy.applications.values():
        arn = world.arn("codedeploy", f"application:{application.name}")
        yield Tagged(arn, "codedeploy:application", application.tags)
    for group in world.codedeploy.groups.values():
        arn = world.arn("codedeploy", f"deploymentgroup:{group.application}/{group.name}")
        yield Tagged(arn, "codedeploy:deploymentgroup", group.tags)
    for alarm in world.cloudwatch.alarms.values():
        yield Tagged(alarm.arn, "cloudwatch:alarm", alarm.tags)
    for queue in world.sqs.queues.values():
        yield Tagged(queue.arn, "sqs:queue", queue.tags)
    for rule in world.events.rules.values():
        yield Tagged(rule.arn, "events:rule", rule.tags)
    for target in world.scaling.values():
        yield Tagged(target.arn, "application-autoscaling:scalable-target", target.tags)


def _motos(world: World) -> Iterator[Tagged]:
    """All at once: moto's pages end after a hundred tags, which is twenty resources of ours."""
    state = world.rest.state("resourcegroupstaggingapi")
    _, rows = state.get_resources(resources_per_page=EVERYTHING, tags_per_page=EVERYTHING)
    for row in rows:
        pieces = row.arn.split(":", 5)
        kind = pieces[5].partition("/")[0].partition(":")[0]
        yield Tagged(row.arn, f"{pieces[2]}:{kind}", dict(row.tags))


def _repositories(world: World) -> Iterator[Tagged]:
    """ECR's, which moto's tagging API leaves out."""
    ecr = world.rest.state("ecr")
    for repository in ecr.repositories.values():
        yield Tagged(repository.arn, "ecr:repository", ecr.tagger.get_tag_dict_for_resource(repository.arn))


def _namespaces(world: World) -> Iterator[Tagged]:
    """Cloud Map's, which moto's tagging API leaves out as well."""
    cloud_map = world.rest.state("servicediscovery")
    for namespace in cloud_map.namespaces.values():
        tags = cloud_map.tagger.get_tag_dict_for_resource(namespace.arn)
        yield Tagged(namespace.arn, "servicediscovery:namespace", tags)


def _launch_templates(world: World) -> Iterator[Tagged]:
    """EC2's, which moto's tagging API leaves out as well."""
    for template in world.rest.state("ec2").launch_templates.values():
        tags = {tag["key"]: tag["value"] for tag in template.get_tags()}
        yield Tagged(world.arn("ec2", f"launch-template/{template.id}"), "ec2:launch-template", tags)


def everything(world: World) -> list[Tagged]:
    several = (_motos(world), _repositories(world), _namespaces(world), _launch_templates(world), ours(world))
    found = {item.arn: item for part in several for item in part if item.tags}
    return [found[arn] for arn in sorted(found)]


def get_resources(world: World, params: Params) -> Params:
    arns = params.get("ResourceARNList")
    if arns and (params.get("TagFilters") or params.get("ResourceTypeFilters")):
        raise Refusal("InvalidParameterException", "ResourceARNList cannot be used with other filters.")
    chosen = [item for item in everything(world) if item.arn in arns] if arns else _listed(world, params)
    size = params.get("ResourcesPerPage", PAGE_SIZE)
    if not 1 <= size <= PAGE_SIZE:
        raise Refusal("InvalidParameterException", f"ResourcesPerPage must be between 1 and {PAGE_SIZE}.")
    wrong = Refusal("PaginationTokenExpiredException", "The token is not valid.")
    rows, following = page(chosen, params.get("PaginationToken"), size, lambda item: item.arn, wrong)
    return {
        "PaginationToken": following or "",
        "ResourceTagMappingList": [
            {"ResourceARN": item.arn, "Tags": [{"Key": key, "Value": value} for key, value in item.tags.items()]}
            for item in rows
        ],
    }


def _listed(world: World, params: Params) -> list[Tagged]:
    """What the filters let through; further pages are of the list that the first page began with."""
    kinds = params.get("ResourceTypeFilters", [])
    asked = repr((params.get("TagFilters", []), kinds))
    if params.get("PaginationToken") and asked in world.tag_listings:
        found: list[Tagged] = world.tag_listings[asked]
        return found
    chosen = [item for item in everything(world) if _of_kind(item, kinds) and _tagged(item, params)]
    world.tag_listings[asked] = chosen
    return chosen


def _of_kind(item: Tagged, kinds: list[str]) -> bool:
    """A filter is a service ("ecs") or one of its types ("ecs:service")."""
    return not kinds or any(kind in (item.kind, item.kind.partition(":")[0]) for kind in kinds)


def _tagged(item: Tagged, params: Params) -> bool:
    """Every filter must hold; one without values asks only for the key."""
    for wanted in params.get("TagFilters", []):
        values = wanted.get("Values", [])
        if wanted["Key"] not in item.tags or (values and item.tags[wanted["Key"]] not in values):
            return False
    return True


def get_tag_keys(world: World, params: Params) -> Params:  # noqa: ARG001 — every operation has this signature
    return {"TagKeys": sorted({key for item in everything(world) for key in item.tags}), "PaginationToken": ""}


def get_tag_values(world: World, params: Params) -> Params:
    values = {item.tags[params["Key"]] for item in everything(world) if params["Key"] in item.tags}
    return {"TagValues": sorted(values), "PaginationToken": ""}


def _tags(world: World, arn: str) -> dict[str, str] | None:
    """Where one of our resources keeps its tags; None for moto's."""
    match arn.split(":")[2]:
        case "elasticloadbalancing":
            return elb_tags.of(world, arn)
        case "ecs":
            return ecs_tags.of(world, arn)
        case "codedeploy":
            return codedeploy.tags(world, arn)
        case "cloudwatch" if ":alarm:" in arn:
            return alarms.tags(world, arn)
        case "events" if ":rule/" in arn:
            return rules.tags(world, arn)
        case "sqs":
            found = named(world, arn)
            if found is None:
                raise queues.missing()
            return found.tags
        case _:
            return None


def tag_resources(world: World, params: Params) -> Params:
    return _change(world, params, lambda tags: tags.update(params["Tags"]), "TagResources")


def untag_resources(world: World, params: Params) -> Params:
    def remove(tags: dict[str, str]) -> None:
        for key in params["TagKeys"]:
            tags.pop(key, None)

    return _change(world, params, remove, "UntagResources")


def _change(world: World, params: Params, change: Callable[[dict[str, str]], None], operation: str) -> Params:
    failed: Params = {}
    for arn in params["ResourceARNList"]:
        try:
            tags = _tags(world, arn)
            if tags is None:
                answer = world.rest.ask("tagging", operation, {**params, "ResourceARNList": [arn]})
                failed.update(answer.get("FailedResourcesMap", {}))
            else:
                change(tags)
        except Refusal as refusal:
            failed[arn] = {
                "StatusCode": 400,
                "ErrorCode": "InvalidParameterException",
                "ErrorMessage": refusal.message,
            }
    return {"FailedResourcesMap": failed}


OPERATIONS: dict[str, Operation] = {
    "GetResources": get_resources,
    "GetTagKeys": get_tag_keys,
    "GetTagValues": get_tag_values,
    "TagResources": tag_resources,
    "UntagResources": untag_resources,
}
