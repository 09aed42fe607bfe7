"""Fargate capacity: whether the vCPUs of all tasks that run at once, old and new ones, are within the quota."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final

from reconciler import errors
from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity, not_checked
from reconciler.doctor.service_quotas import applied, quotas_of, request_of
from reconciler.doctor.workloads import Workload
from reconciler.model.quota import Quota
from reconciler.model.resource import Calls, ServiceApi

cloudwatch = ServiceApi("cloudwatch")

UNITS: Final = 1024  # of a vCPU
FARGATE: Final = "fargate"
ON_DEMAND: Final = Quota(FARGATE, "Fargate On-Demand vCPU resource count", 6, "L-3032A538")
SPOT: Final = Quota(FARGATE, "Fargate Spot vCPU resource count", 6, "L-36FBB829")
RECENT: Final = timedelta(minutes=15)
MINUTE: Final = 60


class Fargate(Check):
    title: ClassVar[str] = "Fargate capacity"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        starting = [one for one in case.workloads if one.fargate and one.starts and one.more]
        if not starting:
            return []
        known = (yield from quotas_of([FARGATE]))[FARGATE]
        if isinstance(known, errors.AwsError):
            return [] if isinstance(known, errors.Unserved) else [not_checked(f"quotas of {FARGATE}", known)]
        found = []
        for quota, spot in ((ON_DEMAND, False), (SPOT, True)):
            adding, item = [one for one in starting if one.spot is spot], applied(quota, known)
            if not adding or item is None:
                continue
            own = sum(_vcpus(one) * one.running for one in case.workloads if one.fargate and one.spot is spot)
            used = max(own, (yield from _used(item, case)))
            more = sum(_vcpus(one) * one.more for one in adding)
            if used + more > item["Value"]:
                names = ", ".join(str(one.address) for one in adding)
                cause = (
                    f"the quota {quota.name!r} is {item['Value']:g}: {used:g} are in use, "
                    f"and {names} starts tasks with {more:g} more before old ones stop"
                )
                fix = request_of(quota, used + more)
                found.append(Finding(Severity.ERROR, "fargate-capacity", names, cause, fix, adding[0].want.where))
        return found


def _vcpus(workload: Workload) -> float:
    return float(workload.definition.spec.cpu) / UNITS


def _used(item: Mapping[str, Any], case: Case) -> Calls[float]:
    """What the whole account uses, by the metric that the quota names; 0 where there is none."""
    metric = item.get("UsageMetric") or {}
    if not metric.get("MetricName"):
        return 0.0
    answer = yield cloudwatch.get_metric_statistics(
        Namespace=metric["MetricNamespace"],
        MetricName=metric["MetricName"],
        Dimensions=[{"Name": name, "Value": value} for name, value in sorted(metric["MetricDimensions"].items())],
        StartTime=case.now - RECENT,
        EndTime=case.now,
        Period=MINUTE,
        Statistics=["Maximum"],
    )
    points = sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])
    return float(points[-1]["Maximum"]) if points else 0.0
