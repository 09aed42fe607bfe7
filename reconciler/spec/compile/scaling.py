"""Compilation of the autoscaling of a service."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time
from typing import Any

from reconciler.model.resource import Address, Desired, Link, Ref
from reconciler.resources._scaling_fields import CUSTOM, OURS, Query
from reconciler.resources.scaling import Policy, ScalingSpec, ScheduledAction
from reconciler.spec import members, names, queries
from reconciler.spec.compile import existing
from reconciler.spec.compile.context import Context, seconds, unstated
from reconciler.spec.documents import Service
from reconciler.spec.documents.scaling import Scaling
from reconciler.spec.documents.week import DAYS

METRICS = {
    "cpu": "ECSServiceAverageCPUUtilization",
    "memory": "ECSServiceAverageMemoryUtilization",
    "requests": "ALBRequestCountPerTarget",
}
WAITING = "ApproximateNumberOfMessagesVisible"
PER_TASK = "metric / IF(FILL(tasks, 0) < 1, 1, FILL(tasks, 0))"
"""Without tasks, the work for one: so that there is one at all."""


def compile_scaling(context: Context, service: Service, address: Address) -> Desired[Any]:
    scaled = service.scaling
    assert scaled is not None
    policies = {}
    for metric, predefined in METRICS.items():
        target = getattr(scaled, metric)
        if target is None:
            continue
        policies[names.scaling_policy(service.name_in_aws, metric)] = Policy(
            metric=predefined,
            target=float(target),
            scale_in_cooldown=seconds(scaled.scale_in_cooldown),
            scale_out_cooldown=seconds(scaled.scale_out_cooldown),
            aws=members.said(scaled),
            **_label(service, metric),
        )
    for policy in _customized(context, service):
        policies |= policy
    return context.desired(
        service,
        Address("scaling", service.name),
        ScalingSpec(
            resource=f"service/{queries.cluster_name(context.specs, service)}/{service.name_in_aws}",
            service=Ref(address),
            min=scaled.min,
            max=scaled.max,
            policies=policies,
            actions=weekly_actions(scaled),
        ),
        "scaling",
        kept={
            ("policies", policy, *path): how
            for policy in policies
            for path, how in unstated(
                scaled, scale_in_cooldown="scale_in_cooldown", scale_out_cooldown="scale_out_cooldown"
            ).items()
        },
    )


def _customized(context: Context, service: Service) -> Iterator[dict[str, Policy]]:
    """Policies of metrics that Application Auto Scaling has no name for."""
    scaled = service.scaling
    assert scaled is not None
    tasks = running(queries.cluster_name(context.specs, service), service.name_in_aws)
    found = {
        name: (
            one.target,
            Query(namespace=one.namespace, metric=one.name, dimensions=one.dimensions, statistic=one.statistic),
            one.per_task,
        )
        for name, one in scaled.metrics.items()
    }
    if scaled.backlog is not None:
        queue = {"QueueName": scaled.backlog.queue}
        waiting = Query(namespace="AWS/SQS", metric=WAITING, dimensions=queue, statistic="Average")
        found["backlog"] = float(scaled.backlog.per_task), waiting, True
    for name, (target, query, per_task) in found.items():
        share = Query(expression=PER_TASK, returned=True)
        queries_ = {"metric": query.model_copy(update={"returned": not per_task})}
        queries_ |= {"tasks": tasks, "share": share} if per_task else {}
        yield {
            names.scaling_policy(service.name_in_aws, name): Policy(
                metric=CUSTOM,
                target=target,
                queries=queries_,
                scale_in_cooldown=seconds(scaled.scale_in_cooldown),
                scale_out_cooldown=seconds(scaled.scale_out_cooldown),
                aws=members.said(scaled),
            )
        }


def running(cluster: str, service: str) -> Query:
    """How many tasks run, which Container Insights counts; by their names in AWS."""
    dimensions = {"ClusterName": cluster, "ServiceName": service}
    metric = "RunningTaskCount"
    return Query(namespace="ECS/ContainerInsights", metric=metric, dimensions=dimensions, statistic="Average")


def weekly_actions(scaled: Scaling) -> dict[str, ScheduledAction]:
    """Two for each period: its limits where it begins, and the ordinary ones where it ends."""
    found = {}
    for name, period in scaled.periods.items():
        overnight = period.end <= period.start
        ends = tuple(DAYS[(DAYS.index(day) + overnight) % len(DAYS)] for day in period.days)
        for what, at, days, low, high in (
            ("begins", period.start, period.days, period.min, period.max),
            ("ends", period.end, ends, scaled.min, scaled.max),
        ):
            found[f"{OURS}{name}-{what}"] = ScheduledAction(
                schedule=_cron(at, days), time_zone=period.time_zone, min=low, max=high
            )
    return found


def _cron(at: time, days: tuple[str, ...]) -> str:
    """Minute, hour, day, month, weekday, year (Application Auto Scaling guide, "Cron expressions")."""
    if len(days) == len(DAYS):
        return f"cron({at.minute} {at.hour} * * ? *)"
    listed = ",".join(day.upper() for day in DAYS if day in days)
    return f"cron({at.minute} {at.hour} ? * {listed} *)"


def _label(service: Service, metric: str) -> dict[str, Link]:
    """Requests are counted per load balancer and target group."""
    if metric != "requests" or service.traffic is None:
        return {}
    return {
        "load_balancer": Ref(existing.balancer_address(service.traffic)),
        "target_group": Ref(Address("target-group", service.traffic.target_groups[0].name)),
    }
