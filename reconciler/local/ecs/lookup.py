"""Finding what a request names, by name or ARN, and saying so as ECS does when it is not there."""

from __future__ import annotations

import functools
import re

from reconciler.local.ecs.state import Cluster, Deployment, Params, Rollout, Service, Task, TaskDefinition
from reconciler.local.paging import page as any_page
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

NAME = re.compile(r"[A-Za-z0-9_-]{1,255}")
TAG_TEXT = re.compile(r"[\w \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000.:/=+\-@]*")
"""`\\p{L}`, `\\p{Z}`, `\\p{N}` and the signs of the API's model: no tab and no line feed."""
TOKEN_LIFE = 24 * 3600.0
"""Seconds for which a client token is known; the RunTask page says 24 hours."""
TOKEN = re.compile(r"[\x21-\x7e]{1,64}")


def invalid(message: str) -> Refusal:
    return Refusal("InvalidParameterException", message)


def client_error(message: str) -> Refusal:
    return Refusal("ClientException", message)


def last(name_or_arn: str) -> str:
    return name_or_arn.rpartition("/")[2]


def cluster(world: World, name_or_arn: str | None) -> Cluster:
    """An ACTIVE cluster; "default" when none is named."""
    found = world.ecs.clusters.get(last(name_or_arn or "default"))
    if found is None or found.status == "INACTIVE":
        raise Refusal("ClusterNotFoundException", "Cluster not found.")
    return found


def any_service(world: World, cluster_name: str, name_or_arn: str) -> Service | None:
    return world.ecs.services.get((cluster_name, last(name_or_arn)))


def service(world: World, params: Params) -> Service:
    """The service that `cluster` and `service` name, when it is ACTIVE."""
    found = any_service(world, cluster(world, params.get("cluster")).name, params["service"])
    if found is None:
        raise Refusal("ServiceNotFoundException", "Service not found.")
    if found.status != "ACTIVE":
        raise Refusal("ServiceNotActiveException", "Service was not ACTIVE.")
    return found


def task(world: World, params: Params) -> Task | None:
    found = world.ecs.tasks.get(last(params["task"]))
    return found if found and found.cluster == cluster(world, params.get("cluster")).name else None


def definition(world: World, reference: str) -> TaskDefinition | None:
    """By ARN, `family:revision`, or family alone: its newest ACTIVE revision."""
    name = reference.partition(":task-definition/")[2] or reference
    family, _, revision = name.partition(":")
    revisions = world.ecs.definitions.get(family, [])
    if revision:
        return next((item for item in revisions if str(item.revision) == revision), None)
    return next((item for item in reversed(revisions) if item.status == "ACTIVE"), None)


def active_definition(world: World, reference: str) -> TaskDefinition:
    """One that new tasks may be started from."""
    found = definition(world, reference)
    if found is None or found.status == "DELETE_IN_PROGRESS":
        raise client_error("TaskDefinition not found.")
    if found.status != "ACTIVE":
        raise client_error("TaskDefinition is inactive")
    return found


def task_set(of: Service, id_or_arn: str) -> Deployment:
    """By id (`ecs-svc/…`) or ARN."""
    number = last(id_or_arn)
    found = next((item for item in of.deployments if item.task_set and item.number == number), None)
    if found is None:
        raise Refusal("TaskSetNotFoundException", "The specified task set does not exist.")
    return found


def rollout(world: World, arn: str) -> tuple[Service, Rollout]:
    """They go with the service (developer guide, "View service history using Amazon ECS service deployments")."""
    for owner in world.ecs.services.values():
        for found in owner.rollouts:
            if found.arn == arn and owner.status != "INACTIVE":
                return owner, found
    raise Refusal("ServiceDeploymentNotFoundException", "The service deployment does not exist.")


def check_name(name: str, what: str) -> None:
    if not NAME.fullmatch(name):
        raise invalid(
            f"{what} must be between 1 and 255 characters: letters (uppercase and lowercase), numbers, underscores, "
            "and hyphens are allowed."
        )


def tags_of(params: Params) -> dict[str, str]:
    tags: dict[str, str] = {}
    for tag in params.get("tags", []):
        key, value = tag.get("key", ""), tag.get("value", "")
        if key.lower().startswith("aws:"):
            raise invalid(f"Tag key '{key}' is reserved: it starts with aws:")
        if not 1 <= len(key) <= 128 or len(value) > 256 or not TAG_TEXT.fullmatch(key + value):
            raise invalid(f"Invalid tag '{key}': '{value}'")
        if key in tags:
            raise invalid(f"Duplicate tag key: {key}")
        tags[key] = value
    if len(tags) > 50:
        raise invalid("Too many tags: at most 50 are allowed.")
    return tags


def shown_tags(tags: dict[str, str]) -> list[Params]:
    return [{"key": key, "value": value} for key, value in tags.items()]


def once(world: World, operation: str, params: Params, longest: int = 36) -> Params | None:
    """What this operation answered to the same `clientToken`, if it was asked before; `repeated` says what to remember.

    The same token with other parameters is the caller's error, and each operation's own words for it.
    """
    token = params.get("clientToken")
    if token is None:
        return None
    if not TOKEN.fullmatch(token) or len(token) > longest:
        raise invalid(f"clientToken must be 1 to {longest} characters in the range 33-126 (inclusive).")
    known = world.ecs.tokens.get((operation, token))
    if known is None:
        return None
    fingerprint, result = known
    return {"same": fingerprint == _fingerprint(params), "result": result}


def remember(world: World, operation: str, params: Params, result: object) -> None:
    if token := params.get("clientToken"):
        world.ecs.tokens[(operation, token)] = (_fingerprint(params), result)
        world.after(TOKEN_LIFE, functools.partial(_forget, world, (operation, token)))


def _forget(world: World, key: tuple[str, str]) -> None:
    world.ecs.tokens.pop(key, None)


def _fingerprint(params: Params) -> str:
    return repr(sorted((key, _sorted(value)) for key, value in params.items() if key != "clientToken"))


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return sorted((key, _sorted(item)) for key, item in value.items())
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def paged(items: list[str], params: Params, name: str, *, default: int = 100, most: int = 100) -> Params:
    """An answer `{name: page, nextToken}` over ARNs."""
    size = params.get("maxResults", default)
    if not 1 <= size <= most:
        raise invalid(f"maxResults must be between 1 and {most}")
    rows, following = any_page(items, params.get("nextToken"), size, str, invalid("Invalid token"))
    return {name: rows, "nextToken": following}
