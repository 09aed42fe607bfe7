"""DescribeServices, with the task sets of services of which it answers deployments instead.

A service that ECS has deployed, and that somebody else controls now, keeps being described by its deployments; what it
runs are task sets, which only DescribeTaskSets shows (ECS developer guide, "Updating Amazon ECS service parameters").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.model.resource import Batch, Calls, ServiceApi

ecs = ServiceApi("ecs")


def with_task_sets(items: Iterable[Mapping[str, Any]]) -> Calls[list[Mapping[str, Any]]]:
    """The descriptions, each with what it runs told once. A call is made only where ECS leaves the task sets out."""
    several = list(items)
    left_out = [item for item in several if _left_out(item)]
    if not left_out:
        return several
    calls = [ecs.describe_task_sets(cluster=item["clusterArn"], service=item["serviceArn"]) for item in left_out]
    answers = yield Batch.of(calls, missing_ok=True)
    found = {
        item["serviceArn"]: {**item, "taskSets": [] if answer is None else answer["taskSets"], "deployments": []}
        for item, answer in zip(left_out, answers, strict=True)
    }
    return [found.get(item["serviceArn"], item) for item in several]


def _left_out(item: Mapping[str, Any]) -> bool:
    external = (item.get("deploymentController") or {}).get("type") == "EXTERNAL"
    return external and bool(item.get("deployments")) and not item.get("taskSets")


def on_fargate_alone(strategy: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the capacity providers of a service are the same as the launch type Fargate."""
    return {one["capacityProvider"] for one in strategy} == {"FARGATE"}
