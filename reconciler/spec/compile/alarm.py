"""Compilation of Alarms, and of the standard alarms of services."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from reconciler.model.resource import Address, Desired, Link, Ref
from reconciler.resources.alarm import AlarmSpec
from reconciler.spec import names, queries
from reconciler.spec.compile import existing
from reconciler.spec.compile.context import Context, unstated, whole_seconds
from reconciler.spec.documents import Alarm, Service

MISSING: Final = {"not_breaching": "notBreaching"}
ABOVE: Final = "GreaterThanThreshold"
BELOW: Final = "LessThanThreshold"

OF_TARGETS: Final = {
    "5xx": ("HTTPCode_Target_5XX_Count", "Sum", 10.0),
    "unhealthy": ("UnHealthyHostCount", "Maximum", 0.0),
}


def compile_alarm(context: Context, alarm: Alarm) -> Iterator[Desired[Any]]:
    above = alarm.above is not None
    threshold = alarm.above if alarm.above is not None else alarm.below
    assert threshold is not None, "an alarm has one of both"
    yield context.desired(
        alarm,
        Address("alarm", alarm.name),
        AlarmSpec(
            name=alarm.name_in_aws,
            namespace=alarm.metric.namespace,
            metric=alarm.metric.name,
            dimensions=dict(alarm.metric.dimensions),
            statistic=alarm.metric.statistic,
            comparison=ABOVE if above else BELOW,
            threshold=threshold,
            period=whole_seconds(alarm.period),
            periods=alarm.periods,
            datapoints=alarm.datapoints or alarm.periods,
            missing=MISSING.get(alarm.missing, alarm.missing),
            actions=alarm.notify,
            description=alarm.description,
        ),
        kept=unstated(
            alarm,
            period="period",
            periods="periods",
            datapoints="datapoints",
            missing="missing",
            notify="actions",
            description="description",
        ),
    )


def standard_alarms(context: Context, service: Service) -> Iterator[Desired[Any]]:
    """CPU and memory of the tasks; failing targets, and responses to requests, of each target group."""
    if service.alarms is None:
        return
    own: dict[str, Link] = {
        "ClusterName": queries.cluster_name(context.specs, service),
        "ServiceName": service.name_in_aws,
    }
    for what, metric in (("cpu", "CPUUtilization"), ("memory", "MemoryUtilization")):
        text = f"{metric} of {service.name_in_aws} is above 90 percent"
        yield _standard(context, service, what, ("AWS/ECS", metric, "Average"), own, (90.0, 5), text)
    for traffic, group in ((one, group) for _, one in service.forwardings for group in one.target_groups):
        behind: dict[str, Link] = {
            "LoadBalancer": Ref(existing.balancer_address(traffic)),
            "TargetGroup": Ref(Address("target-group", group.name)),
        }
        for what in queries.standard_target_alarms(traffic):
            metric, statistic, threshold = OF_TARGETS[what]
            text = f"{metric} of {group.name_in_aws} is above {threshold:g} in a minute"
            of = ("AWS/NetworkELB" if traffic.of_connections else "AWS/ApplicationELB", metric, statistic)
            yield _standard(context, service, f"{what}-{group.name}", of, behind, (threshold, 3), text)


def _standard(
    context: Context,
    service: Service,
    what: str,
    metric: tuple[str, str, str],
    dimensions: dict[str, Link],
    limit: tuple[float, int],
    text: str,
) -> Desired[Any]:
    assert service.alarms is not None
    namespace, name, statistic = metric
    threshold, periods = limit
    return context.desired(
        service,
        Address("alarm", names.alarm(service.name, what)),
        AlarmSpec(
            name=names.alarm(service.name_in_aws, what),
            namespace=namespace,
            metric=name,
            dimensions=dimensions,
            statistic=statistic,
            comparison=ABOVE,
            threshold=threshold,
            period=60,
            periods=periods,
            datapoints=periods,
            missing="notBreaching",
            actions=service.alarms.notify,
            description=text,
        ),
        "alarms",
    )
