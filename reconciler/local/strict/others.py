"""ECR, CloudWatch Logs, Cloud Map and Auto Scaling: digests, immutable tags, retention, namespaces, names."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import orjson

from reconciler.local.refusal import Refusal
from reconciler.local.strict import members
from reconciler.local.strict.expiry import expire
from reconciler.local.strict.rule import After, Before, Form, Rewrite
from reconciler.local.wire import Response
from reconciler.local.world import World

MOST_LOG_GROUPS = 50
RETENTION_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)


def put_image(world: World, params: Form) -> None:
    """PutImage: an image's digest is its manifest's; an immutable tag stays where it is."""
    digest = _digest(params)
    if params.get("imageDigest") not in (None, digest):
        raise Refusal(
            "ImageDigestDoesNotMatchException",
            f"Image digest '{params['imageDigest']}' does not match the calculated digest '{digest}'",
        )
    repository = world.rest.state("ecr").repositories.get(params.get("repositoryName", ""))
    tag = params.get("imageTag")
    if repository is None or not tag or not str(repository.image_tag_mutability).endswith("IMMUTABLE"):
        return
    if str(repository.image_tag_mutability) == "MUTABLE":
        return
    for image in repository.images:
        if tag in image.image_tags and image.get_image_digest() != digest:
            raise Refusal(
                "ImageTagAlreadyExistsException",
                f"The image tag '{tag}' already exists in the '{params['repositoryName']}' repository and cannot be "
                "overwritten because the tag is immutable.",
            )


def put_image_with_digest(world: World, params: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001 — see `Rewrite`
    return {**params, "imageDigest": _digest(params)}


def _digest(params: Form) -> str:
    return f"sha256:{hashlib.sha256(str(params.get('imageManifest', '')).encode()).hexdigest()}"


def put_retention_policy(world: World, params: Form) -> None:  # noqa: ARG001 — every rule has this signature
    """PutRetentionPolicy, "retentionInDays": one of the listed numbers."""
    if params.get("retentionInDays") not in RETENTION_DAYS:
        allowed = ", ".join(str(days) for days in RETENTION_DAYS)
        raise Refusal(
            "InvalidParameterException",
            f"1 validation error detected: Value '{params.get('retentionInDays')}' at 'retentionInDays' failed to "
            f"satisfy constraint: Member must satisfy enum value set: [{allowed}]",
        )


def log_groups_named(world: World, params: Form, response: Response) -> Response | None:
    """DescribeLogGroups, "logGroupIdentifiers": up to 50 names or ARNs filter the list; moto shows all groups."""
    wanted = params.get("logGroupIdentifiers")
    if not wanted:
        return None
    if len(wanted) > MOST_LOG_GROUPS:
        raise Refusal(
            "InvalidParameterException",
            f"1 validation error detected: Value at 'logGroupIdentifiers' failed to satisfy constraint: Member must "
            f"have length less than or equal to {MOST_LOG_GROUPS}",
        )
    names = {str(one).removesuffix(":*").rpartition(":log-group:")[2] for one in wanted}
    groups = world.rest.state("logs").groups
    shown = [members.log_group(world, groups[name]) for name in sorted(names & groups.keys())]
    return replace(response, body=orjson.dumps({"logGroups": shown}))


def create_http_namespace(world: World, params: Form) -> None:
    """CreateHttpNamespace: "The namespace that you're trying to create already exists"."""
    for namespace in world.rest.state("servicediscovery").namespaces.values():
        if (namespace.name, namespace.type) == (params.get("Name"), "HTTP"):
            raise Refusal("NamespaceAlreadyExists", "Namespace already exists")


def delete_namespace(world: World, params: Form) -> None:
    """DeleteNamespace: not while it has a service; ECS makes one for each name that an ECS service has in it."""
    namespace = world.rest.state("servicediscovery").namespaces.get(params.get("Id"))
    for service in world.ecs.services.values():
        connected = (service.launch and service.launch.service_connect) or {}
        if namespace and service.status != "INACTIVE" and connected.get("namespace") == namespace.arn:
            raise Refusal("ResourceInUse", f"Namespace has associated services: {namespace.id}")


def create_auto_scaling_group(world: World, params: Form) -> None:
    """CreateAutoScalingGroup: the name is unique in an account and region; moto makes another one in its place."""
    name = params.get("AutoScalingGroupName", "")
    if name in world.rest.state("autoscaling").autoscaling_groups:
        text = f"AutoScalingGroup by this name already exists - A group with the name {name} already exists"
        raise Refusal("AlreadyExists", text)


BEFORE: dict[tuple[str, str], Before] = {
    ("autoscaling", "CreateAutoScalingGroup"): create_auto_scaling_group,
    ("servicediscovery", "CreateHttpNamespace"): create_http_namespace,
    ("servicediscovery", "DeleteNamespace"): delete_namespace,
    ("ecr", "PutImage"): put_image,
    ("logs", "PutRetentionPolicy"): put_retention_policy,
}
REWRITE: dict[tuple[str, str], Rewrite] = {("ecr", "PutImage"): put_image_with_digest}
AFTER: dict[tuple[str, str], After] = {
    ("ecr", "PutImage"): expire,
    ("logs", "DescribeLogGroups"): log_groups_named,
}
