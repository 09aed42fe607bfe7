"""State changes of alarms as events (CloudWatch User Guide, "Alarm events and EventBridge")."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.local.cloudwatch.state import Alarm, Params
from reconciler.local.eventbridge import bus
from reconciler.local.world import World


def state_of(alarm: Alarm) -> Params:
    return {
        "value": alarm.state,
        "reason": alarm.reason,
        "reasonData": alarm.reason_data or None,
        "timestamp": _moment(alarm.transitioned_at),
    }


def state_changed(world: World, alarm: Alarm, before: Params) -> None:
    """`before` is what `state_of` was before the change."""

    def detail() -> Params:
        return {
            "alarmName": alarm.name,
            "state": state_of(alarm),
            "previousState": before,
            "configuration": _configuration(alarm.settings),
        }

    bus.tell(world, "aws.cloudwatch", "CloudWatch Alarm State Change", [alarm.arn], detail)


def _moment(at: datetime) -> str:
    text = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{at.microsecond // 1000:03d}+0000"


def _configuration(settings: Params) -> Params:
    described = {"description": settings.get("AlarmDescription")}
    if "AlarmRule" in settings:
        return {**described, "alarmRule": settings["AlarmRule"]}
    if "Metrics" in settings:
        return {**described, "metrics": [_query(one) for one in settings["Metrics"]]}
    statistic = settings.get("Statistic") or settings.get("ExtendedStatistic")
    return {**described, "metrics": [{"id": "m1", "metricStat": _stat(settings, statistic), "returnData": True}]}


def _query(query: Params) -> Params:
    stat = query.get("MetricStat")
    return {
        "id": query["Id"],
        "expression": query.get("Expression"),
        "label": query.get("Label"),
        "metricStat": {**_stat(stat["Metric"], stat["Stat"]), "period": stat["Period"]} if stat else None,
        "returnData": query.get("ReturnData", True),
    }


def _stat(settings: Params, statistic: str | None) -> Params:
    dimensions = {one["Name"]: one["Value"] for one in settings.get("Dimensions") or ()}
    metric = {"namespace": settings["Namespace"], "name": settings["MetricName"], "dimensions": dimensions}
    return {"metric": metric, "period": settings.get("Period"), "stat": statistic}
