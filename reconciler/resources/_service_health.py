"""Health of an ECS service, and the facts of its description that a spec cannot declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.model.resource import ResourceHealth

NEWEST_EVENTS: Final = 10
READY: Final = ResourceHealth.READY


def health(item: Mapping[str, Any]) -> tuple[ResourceHealth, str]:
    """Health and its reason. READY: one completed deployment of the service's revision with all its tasks running.

    The running count alone is not enough: it is right before a deployment completes, and after ECS rolled it back.
    """
    if item["status"] != "ACTIVE":
        return ResourceHealth.PROGRESSING, f"the service is {item['status']}: its tasks finish what they are doing"
    running, pending, desired = item.get("runningCount", 0), item.get("pendingCount", 0), item["desiredCount"]
    count = f"{running} {'task' if running == 1 else 'tasks'} running, {desired} desired"
    deployments = item.get("deployments") or ()
    failed = [one for one in deployments if one.get("rolloutState") == "FAILED"]
    if failed:
        return ResourceHealth.DEGRADED, failed[0].get("rolloutStateReason") or "its deployment failed"
    if (item.get("deploymentController") or {}).get("type", "ECS") != "ECS":
        return _of_task_sets(item.get("taskSets") or (), count, settled=running == desired and not pending)
    primary = next((one for one in deployments if one.get("status") == "PRIMARY"), None)
    if primary is None:
        return ResourceHealth.PROGRESSING, "no deployment has begun"
    if len(deployments) > 1:
        return ResourceHealth.PROGRESSING, f"{len(deployments)} deployments are under way; {count}"
    if primary.get("taskDefinition") != item.get("taskDefinition"):
        return ResourceHealth.PROGRESSING, "its deployment is of another revision than the service names"
    if primary.get("rolloutState") != "COMPLETED":
        return ResourceHealth.PROGRESSING, f"its deployment is {primary.get('rolloutState', 'not complete')}; {count}"
    if running != desired or pending:
        return ResourceHealth.PROGRESSING, count
    return ResourceHealth.READY, ""


def _of_task_sets(sets: Iterable[Mapping[str, Any]], count: str, *, settled: bool) -> tuple[ResourceHealth, str]:
    statuses = [one.get("stabilityStatus") for one in sets]
    if not statuses:
        return ResourceHealth.PROGRESSING, "nothing is deployed to it yet"
    if any(status != "STEADY_STATE" for status in statuses) or not settled:
        return ResourceHealth.PROGRESSING, f"its task sets are not steady; {count}"
    return ResourceHealth.READY, ""


def target_groups(item: Mapping[str, Any]) -> frozenset[str]:
    """Of the service and its task sets."""
    attached = (each for one in (item, *(item.get("taskSets") or ())) for each in one.get("loadBalancers") or ())
    return frozenset(each["targetGroupArn"] for each in attached if "targetGroupArn" in each)


def _established(deployments: Iterable[Mapping[str, Any]], sets: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a version of it has been in place before, so that the service is more than a first try."""
    several = [one.get("rolloutState") for one in deployments]
    return len(several) > 1 or "COMPLETED" in several or any(one.get("status") == "PRIMARY" for one in sets)


def facts(item: Mapping[str, Any], cluster: str) -> dict[str, Any]:
    """`Observed.facts` of a service; `item` is its description by DescribeServices."""
    deployments, sets = item.get("deployments") or (), item.get("taskSets") or ()
    named = {one.get("taskDefinition") for one in (item, *deployments, *sets)}
    return {
        "item": item,
        "established": _established(deployments, sets),
        "arn": item["serviceArn"],
        "cluster": cluster,
        "deleting": item["status"] != "ACTIVE",
        "task_definition": item.get("taskDefinition"),
        "task_definitions": tuple(sorted(name for name in named if name)),
        "desired": item["desiredCount"],
        "running": item.get("runningCount", 0),
        "pending": item.get("pendingCount", 0),
        "deployments": tuple(deployments),
        "sets": tuple(sets),
        "events": tuple((item.get("events") or ())[:NEWEST_EVENTS]),
        "created_at": item.get("createdAt"),
    }
