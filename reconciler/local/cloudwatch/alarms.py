"""Alarms: created, described, set, deleted, tagged. Their states come from evaluate.py."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.local.cloudwatch import composite, events, queries, statistics
from reconciler.local.cloudwatch.evaluation import COMPARISONS, TREATMENTS
from reconciler.local.cloudwatch.state import Alarm, Params
from reconciler.local.paging import page
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

ANOMALY = ("LessThanLowerOrGreaterThanUpperThreshold", "LessThanLowerThreshold", "GreaterThanUpperThreshold")
LISTED = 100
DAY = 86_400
NOT_SETTINGS = ("AlarmName", "Tags")


def invalid(message: str) -> Refusal:
    return Refusal("ValidationError", message)


def not_found(name: str) -> Refusal:
    return Refusal("ResourceNotFound", f"Unknown alarm: {name}", status=404)


def put_metric_alarm(world: World, params: Params) -> Params:
    """An upsert that replaces all settings; the state stays, and tags are for the first time only."""
    _check(params)
    put(world, params)
    return {}


def put_composite_alarm(world: World, params: Params) -> Params:
    for name in composite.names(params["AlarmRule"]):
        if name not in world.cloudwatch.alarms or name == params["AlarmName"]:
            raise invalid(f"Could not save the composite alarm as alarms [{name}] in the alarm rule do not exist")
    put(world, params)
    return {}


def put(world: World, params: Params) -> Alarm:
    name, now = params["AlarmName"], world.now
    settings = {"ActionsEnabled": True, **{key: one for key, one in params.items() if key not in NOT_SETTINGS}}
    alarm = world.cloudwatch.alarms.get(name)
    if alarm is None:
        tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", ())}
        alarm = Alarm(name, world.arn("cloudwatch", f"alarm:{name}"), settings, now, now, now, tags=tags)
        world.cloudwatch.alarms[name] = alarm
    elif alarm.composite != ("AlarmRule" in settings):
        raise invalid(f"The alarm {name} exists, and is of another type.")
    alarm.settings, alarm.configured_at = settings, now
    world.cloudwatch.awake = True
    return alarm


def _check(params: Params) -> None:
    if ("Metrics" in params) == ("MetricName" in params):
        raise invalid("Exactly one of the parameters MetricName and Metrics must be specified.")
    if params["ComparisonOperator"] in ANOMALY or "ThresholdMetricId" in params:
        raise invalid("The local AWS emulator has no anomaly detection.")
    if params["ComparisonOperator"] not in COMPARISONS or "Threshold" not in params:
        raise invalid("The parameter Threshold must be specified.")
    if "EvaluationPeriods" not in params:
        raise invalid("The parameter EvaluationPeriods must be specified.")
    if params.get("DatapointsToAlarm", 1) > params["EvaluationPeriods"]:
        raise invalid("DatapointsToAlarm must be less than or equal to EvaluationPeriods.")
    if params.get("TreatMissingData", "missing") not in TREATMENTS:
        raise invalid(f"TreatMissingData must be one of {', '.join(TREATMENTS)}.")
    if "Metrics" in params:
        queries.check(params["Metrics"])
        if sum(one.get("ReturnData", True) for one in params["Metrics"]) != 1:
            raise invalid("Exactly one element of the metrics list should return data.")
    else:
        _check_metric(params)
    period = params.get("Period") or queries.period_of(params.get("Metrics", ()))
    if period * params["EvaluationPeriods"] > (DAY if period < 3600 else 7 * DAY):
        raise invalid("Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= 86400).")


def _check_metric(params: Params) -> None:
    if ("Statistic" in params) == ("ExtendedStatistic" in params):
        raise invalid("Exactly one of the parameters Statistic and ExtendedStatistic must be specified.")
    for member in ("Namespace", "Period"):
        if member not in params:
            raise invalid(f"The parameter {member} must be specified.")
    statistics.check(params.get("Statistic") or params["ExtendedStatistic"])
    queries.check_period(params["Period"])


# ---- shown ----------------------------------------------------------------------------------------------------------


def shown(alarm: Alarm) -> Params:
    """As DescribeAlarms has it."""
    lists = {name: alarm.settings.get(name, []) for name in ("OKActions", "AlarmActions", "InsufficientDataActions")}
    plain = (
        {} if alarm.composite or "Metrics" in alarm.settings else {"Dimensions": alarm.settings.get("Dimensions", [])}
    )
    return {
        "AlarmName": alarm.name,
        "AlarmArn": alarm.arn,
        **alarm.settings,
        **lists,
        **plain,
        "AlarmConfigurationUpdatedTimestamp": alarm.configured_at,
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateReasonData": alarm.reason_data or None,
        "StateUpdatedTimestamp": alarm.updated_at,
        "StateTransitionedTimestamp": alarm.transitioned_at,
    }


def describe_alarms(world: World, params: Params) -> Params:
    """Without AlarmTypes only metric alarms, as the API reference says."""
    for unsupported in ("ChildrenOfAlarmName", "ParentsOfAlarmName"):
        if unsupported in params:
            raise invalid(f"The local AWS emulator has no {unsupported}.")
    kinds = params.get("AlarmTypes", ["MetricAlarm"])
    names = params.get("AlarmNames")
    chosen = [
        alarm
        for name, alarm in sorted(world.cloudwatch.alarms.items())
        if ("CompositeAlarm" if alarm.composite else "MetricAlarm") in kinds
        and (not names or name in names)
        and name.startswith(params.get("AlarmNamePrefix", ""))
        and params.get("StateValue", alarm.state) == alarm.state
        and _acts(alarm, params.get("ActionPrefix", ""))
    ]
    size = params.get("MaxRecords", LISTED if names else 50)
    wrong = Refusal("InvalidNextToken", "The next token is invalid.")
    rows, following = page(chosen, params.get("NextToken"), size, lambda alarm: alarm.name, wrong)
    return {
        "MetricAlarms": [shown(alarm) for alarm in rows if not alarm.composite],
        "CompositeAlarms": [shown(alarm) for alarm in rows if alarm.composite],
        "NextToken": following,
    }


def _acts(alarm: Alarm, prefix: str) -> bool:
    every = (alarm.settings.get(kind, ()) for kind in ("OKActions", "AlarmActions", "InsufficientDataActions"))
    return not prefix or any(action.startswith(prefix) for actions in every for action in actions)


def describe_alarms_for_metric(world: World, params: Params) -> Params:
    wanted = queries.metric_of(params)
    found = [
        shown(alarm)
        for _, alarm in sorted(world.cloudwatch.alarms.items())
        if "MetricName" in alarm.settings
        and queries.metric_of(alarm.settings) == wanted
        and all(
            params.get(name, alarm.settings.get(name)) == alarm.settings.get(name)
            for name in ("Statistic", "ExtendedStatistic", "Period", "Unit")
        )
    ]
    return {"MetricAlarms": found}


def describe_alarm_history(world: World, params: Params) -> Params:
    """State changes only."""
    alarms = [one for name, one in sorted(world.cloudwatch.alarms.items()) if params.get("AlarmName", name) == name]
    rows = [row for alarm in alarms for row in alarm.history if _in_history(row, params)]
    ascending = params.get("ScanBy", "TimestampDescending") == "TimestampAscending"
    rows.sort(key=lambda row: row["Timestamp"], reverse=not ascending)
    numbered = [(f"{index:08d}", row) for index, row in enumerate(rows)]
    wrong = Refusal("InvalidNextToken", "The next token is invalid.")
    size = params.get("MaxRecords", LISTED)
    chosen, following = page(numbered, params.get("NextToken"), size, lambda pair: pair[0], wrong)
    return {"AlarmHistoryItems": [row for _, row in chosen], "NextToken": following}


def _in_history(row: Params, params: Params) -> bool:
    return (
        params.get("HistoryItemType", "StateUpdate") == "StateUpdate"
        and row["AlarmType"] in params.get("AlarmTypes", ["MetricAlarm"])
        and params.get("StartDate", row["Timestamp"]) <= row["Timestamp"] <= params.get("EndDate", row["Timestamp"])
    )


def in_alarm(world: World, names: Iterable[str]) -> list[str]:
    known = world.cloudwatch.alarms
    return [name for name in names if name in known and known[name].state == "ALARM"]


# ---- changed --------------------------------------------------------------------------------------------------------


def move(world: World, alarm: Alarm, state: str, reason: str, data: str = "") -> bool:
    """The alarm's new state; True where it is another one than before."""
    changed, before = state != alarm.state, events.state_of(alarm)
    if changed:
        alarm.transitioned_at = world.now
        alarm.history.append(
            {
                "AlarmName": alarm.name,
                "AlarmType": "CompositeAlarm" if alarm.composite else "MetricAlarm",
                "Timestamp": world.now,
                "HistoryItemType": "StateUpdate",
                "HistorySummary": f"Alarm updated from {alarm.state} to {state}",
            }
        )
    if changed or reason != alarm.reason:
        alarm.updated_at = world.now
    alarm.state, alarm.reason, alarm.reason_data = state, reason, data
    if changed:
        events.state_changed(world, alarm, before)
    return changed


def set_alarm_state(world: World, params: Params) -> Params:
    """Until the alarm is evaluated next."""
    alarm = world.cloudwatch.alarms.get(params["AlarmName"])
    if alarm is None:
        raise not_found(params["AlarmName"])
    move(world, alarm, params["StateValue"], params["StateReason"], params.get("StateReasonData", ""))
    world.cloudwatch.awake = True
    return {}


def delete_alarms(world: World, params: Params) -> Params:
    """All of them or, where one does not exist, none."""
    for name in params["AlarmNames"]:
        if name not in world.cloudwatch.alarms:
            raise not_found(name)
    for name in params["AlarmNames"]:
        world.cloudwatch.alarms.pop(name, None)
    return {}


def enable_alarm_actions(world: World, params: Params) -> Params:
    return _switch(world, params["AlarmNames"], enabled=True)


def disable_alarm_actions(world: World, params: Params) -> Params:
    return _switch(world, params["AlarmNames"], enabled=False)


def _switch(world: World, names: Iterable[str], *, enabled: bool) -> Params:
    for name in names:
        if alarm := world.cloudwatch.alarms.get(name):
            alarm.settings["ActionsEnabled"] = enabled
    return {}


# ---- tags -----------------------------------------------------------------------------------------------------------


def tags(world: World, arn: str) -> dict[str, str]:
    found = next((alarm for alarm in world.cloudwatch.alarms.values() if alarm.arn == arn), None)
    if found is None:
        raise Refusal("ResourceNotFoundException", f"Unknown resource: {arn}", status=404)
    return found.tags


def tag_resource(world: World, params: Params) -> Params:
    tags(world, params["ResourceARN"]).update({tag["Key"]: tag["Value"] for tag in params["Tags"]})
    return {}


def untag_resource(world: World, params: Params) -> Params:
    held = tags(world, params["ResourceARN"])
    for key in params["TagKeys"]:
        held.pop(key, None)
    return {}


def list_tags_for_resource(world: World, params: Params) -> Params:
    rows: list[Any] = [{"Key": key, "Value": value} for key, value in tags(world, params["ResourceARN"]).items()]
    return {"Tags": rows}
