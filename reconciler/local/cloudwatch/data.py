"""Metric data: put, listed and read."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from reconciler.local.cloudwatch import queries, statistics
from reconciler.local.cloudwatch.state import (
    KEPT,
    MINUTE,
    Distribution,
    Metric,
    Params,
    Series,
    metric,
    minute_of,
    moment_of,
    single,
)
from reconciler.local.paging import page
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

AHEAD = timedelta(hours=2)
LISTED = 500
MOST_POINTS = 1440
"""Data points in an answer of GetMetricStatistics."""
MOST_AT_ONCE = 100_800
"""Data points in a page of an answer of GetMetricData."""


def put_metric_data(world: World, params: Params) -> Params:
    """Values may be of the past, as far back as they are kept here."""
    namespace = params["Namespace"]
    if namespace.startswith("AWS/"):
        raise _invalid("The value AWS/ for parameter Namespace is invalid.")
    points = []
    for item in params.get("MetricData", []):
        at = item.get("Timestamp", world.now)
        if not world.now - timedelta(minutes=KEPT) <= at <= world.now + AHEAD:
            raise _invalid(f"The local AWS emulator keeps metrics for {KEPT // 60} hours: {at} is outside of them.")
        dimensions = {one["Name"]: one["Value"] for one in item.get("Dimensions", ())}
        points.append((metric(namespace, item["MetricName"], dimensions), at, _distribution(item), item))
    for key, at, values, item in points:
        if values.samples <= 0:
            continue  # nothing was seen
        world.cloudwatch.put(key, minute_of(at), values, item.get("Unit", "None"))
    world.cloudwatch.forget_before(minute_of(world.now) - KEPT)
    return {}


def _distribution(item: Params) -> Distribution:
    given = [name for name in ("Value", "Values", "StatisticValues") if name in item]
    if len(given) != 1:
        raise Refusal(
            "InvalidParameterCombination",
            "A metric datum has exactly one of the parameters Value, Values and StatisticValues.",
        )
    if "Value" in item:
        return single(item["Value"])
    if "Values" in item:
        counts = item.get("Counts", [1.0] * len(item["Values"]))
        if len(counts) != len(item["Values"]):
            raise _invalid("The parameters Values and Counts must have the same length.")
        made = Distribution()
        for value, times in zip(item["Values"], counts, strict=True):
            made.add(value, times)
        return made
    put = item["StatisticValues"]
    made = Distribution()
    made.add_statistics(put["SampleCount"], put["Sum"], put["Minimum"], put["Maximum"])
    return made


def list_metrics(world: World, params: Params) -> Params:
    wanted = {(one["Name"], one.get("Value")) for one in params.get("Dimensions", ())}
    every = sorted((key for key in world.cloudwatch.series if _listed(key, params, wanted)), key=repr)
    wrong = _invalid("The parameter NextToken is invalid.")
    rows, following = page(every, params.get("NextToken"), LISTED, repr, wrong)
    return {"Metrics": [_shown(key) for key in rows], "NextToken": following}


def _listed(key: Metric, params: Params, wanted: set[tuple[str, str | None]]) -> bool:
    pairs = {*key.dimensions, *((name, None) for name, _ in key.dimensions)}
    return (
        params.get("Namespace", key.namespace) == key.namespace
        and params.get("MetricName", key.name) == key.name
        and wanted <= pairs
    )


def _shown(key: Metric) -> Params:
    dimensions = [{"Name": name, "Value": value} for name, value in key.dimensions]
    return {"Namespace": key.namespace, "MetricName": key.name, "Dimensions": dimensions}


def get_metric_statistics(world: World, params: Params) -> Params:
    asked = [*params.get("Statistics", ()), *params.get("ExtendedStatistics", ())]
    if not asked:
        raise Refusal("MissingParameter", "At least one of the parameters Statistics and ExtendedStatistics is needed.")
    for name in asked:
        statistics.check(name)
    queries.check_period(params["Period"])
    key = queries.metric_of(params)
    length = queries.minutes(params["Period"])
    grid = _grid(params, length)
    if len(grid) > MOST_POINTS:
        raise Refusal(
            "InvalidParameterCombination",
            f"You have requested up to {len(grid)} datapoints, which exceeds the limit of {MOST_POINTS}.",
        )
    found = []
    series = world.cloudwatch.series.get(key, Series())
    for start in grid:
        distribution = world.cloudwatch.between(key, start, start + length, params.get("Unit"))
        if distribution is None:
            continue
        plain = {name: statistics.of(distribution, name) for name in params.get("Statistics", ())}
        extended = {name: statistics.of(distribution, name) for name in params.get("ExtendedStatistics", ())}
        found.append(
            {
                "Timestamp": moment_of(start),
                "Unit": series.unit,
                **plain,
                "ExtendedStatistics": {name: one for name, one in extended.items() if one is not None} or None,
            }
        )
    return {"Label": key.name, "Datapoints": found}


def get_metric_data(world: World, params: Params) -> Params:
    asked = params["MetricDataQueries"]
    queries.check(asked)
    ascending = params.get("ScanBy", "TimestampDescending") == "TimestampAscending"
    found = []
    for length in sorted({_length(asked, one) for one in asked}):
        grid = _grid(params, length)
        if len(grid) > MOST_AT_ONCE:
            raise _invalid(f"The local AWS emulator answers up to {MOST_AT_ONCE:,} data points of a metric at once.")
        evaluated = queries.evaluated(world.cloudwatch, asked, grid, length)
        for one in asked:
            if one.get("ReturnData", True) and _length(asked, one) == length:
                at = sorted(evaluated[one["Id"]], reverse=not ascending)
                found.append(
                    {
                        "Id": one["Id"],
                        "Label": one.get("Label", _label(one)),
                        "Timestamps": [moment_of(minute) for minute in at],
                        "Values": [evaluated[one["Id"]][minute] for minute in at],
                        "StatusCode": "Complete",
                    }
                )
    order = [one["Id"] for one in asked]
    return {"MetricDataResults": sorted(found, key=lambda row: order.index(row["Id"])), "Messages": []}


def _length(asked: list[Params], one: Params) -> int:
    """Minutes in a query's period; an expression without one has the longest of all."""
    if "MetricStat" in one:
        return queries.minutes(one["MetricStat"]["Period"])
    return queries.minutes(one.get("Period") or queries.period_of(asked))


def _label(one: Params) -> str:
    return str(one["MetricStat"]["Metric"]["MetricName"]) if "MetricStat" in one else str(one["Id"])


def _grid(params: Params, length: int) -> range:
    """The minutes at which the periods begin, on whole multiples of a period; EndTime is exclusive."""
    start, end = params["StartTime"], params["EndTime"]
    if start >= end:
        raise _invalid("The parameter StartTime must be less than the parameter EndTime.")
    first = minute_of(start) // length * length
    return range(first, -int(-end.timestamp() // MINUTE), length)


def _invalid(message: str, **extra: Any) -> Refusal:
    return Refusal("InvalidParameterValue", message, **extra)
