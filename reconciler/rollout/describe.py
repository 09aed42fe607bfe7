"""Description of an ECS service, for every engine: the call, the state stored in its tags, its network and capacity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler import errors
from reconciler.model import formats, ownership
from reconciler.model.resource import Call, Calls, ServiceApi
from reconciler.rollout.actions import WriteState
from reconciler.rollout.release import Release, RolloutTarget, restart_id
from reconciler.rollout.state_tags import of_tags, written
from reconciler.rollout.stored_state import StoredState

ecs = ServiceApi("ecs")

BY_CODEDEPLOY: Final = ("CODE_DEPLOY", "CodeDeploy")
"""`startedBy` of its task sets: as the ECS API Reference has it (TaskSet), and as DescribeServices has answered."""


def described(cluster: str, services: Sequence[str]) -> Call:
    return ecs.describe_services(cluster=cluster, services=list(services), include=["TAGS"])


def listed(answer: Mapping[str, Any]) -> Sequence[Any]:
    """The services that were found. Raises `errors.Gone`, or `errors.Ambiguous` for any other failure."""
    for failure in answer.get("failures") or ():
        kind = errors.Gone if failure.get("reason") == "MISSING" else errors.Ambiguous
        text = f"{failure.get('arn', '')}: {failure.get('detail') or failure.get('reason') or 'no reason given'}"
        raise kind(text, call="ecs.DescribeServices", code=failure.get("reason", ""))
    found: Sequence[Any] = answer.get("services", ())
    return found


def remembered(item: Mapping[str, Any], subject: RolloutTarget) -> StoredState:
    """The stored state, with the wanted release under its present name, which depends on the engine."""
    state = of_tags(ownership.without_aws({tag["key"]: tag["value"] for tag in item.get("tags") or ()}))
    release = subject.release
    return state.named(dict.fromkeys(release.aliases, release.id) if release.id else {})


def write_state(decision: WriteState, subject: RolloutTarget) -> Calls[None]:
    """Tags first, with their format, then untags."""
    put, drop = written(decision.before, decision.after)
    if put:
        yield ecs.tag_resource(resourceArn=subject.service, tags=pairs(put | formats.state_tags()))
    if drop:
        yield ecs.untag_resource(resourceArn=subject.service, tagKeys=list(drop))


def release_of(task_set: Mapping[str, Any], known: Mapping[str, str]) -> str:
    """The release of a task set as DescribeServices has it, or "". Of one that CodeDeploy has created the external id
    is the deployment's, and one that was ECS's deployment has none, so their release is what is `known` of their
    revision.
    """
    named: str = task_set.get("externalId") or ""
    if not named or task_set.get("startedBy") in BY_CODEDEPLOY:
        return known.get(revision_of(task_set.get("taskDefinition", "")), "")
    return named


def by_revision(state: StoredState) -> dict[str, str]:
    """The releases that the stored state knows, by their revisions."""
    known = (state.rollback_target, state.previous, state.live)
    restart = state.restart
    restarted = {} if restart is None else {restart.task_definition: restart_id(restart)}
    return {one.task_definition: one.release for one in known if one is not None} | restarted


def pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in sorted(tags.items())]


def network_of(release: Release) -> dict[str, Any] | None:
    """The network configuration in the form of ECS, or None if the task definition decides."""
    if not release.subnets:
        return None
    return {
        "awsvpcConfiguration": {
            "subnets": list(release.subnets),
            "securityGroups": list(release.security_groups),
            "assignPublicIp": "ENABLED" if release.public_ip else "DISABLED",
        }
    }


def subnets_of(item: Mapping[str, Any]) -> frozenset[str]:
    """Those that the tasks of a service, deployment or task set are placed in."""
    network = (item.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    return frozenset(network.get("subnets") or ())


def capacity_of(release: Release) -> list[dict[str, Any]]:
    return [{"capacityProvider": one.provider, "weight": one.weight, "base": one.base} for one in release.capacity]


def providers_of(release: Release) -> list[dict[str, Any]]:
    """The capacity providers of the release; of one with a launch type the provider that is the same, for a service
    that has capacity providers: ECS takes an empty strategy only where it was created with a launch type. None is the
    same as the launch type EC2.
    """
    if release.capacity or release.launch_type != "FARGATE":
        return capacity_of(release)
    return [{"capacityProvider": release.launch_type, "weight": 1, "base": 0}]


def revision_of(arn: str) -> str:
    """`web:7`, of a task definition's ARN."""
    return arn.rpartition("/")[2]
