"""Metric data queries, as GetMetricData and alarms take them: metrics, and expressions over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.local.cloudwatch import expressions, statistics
from reconciler.local.cloudwatch.expressions import Values
from reconciler.local.cloudwatch.state import MINUTE, CloudWatchState, Metric, Params, metric
from reconciler.local.refusal import Refusal


def metric_of(params: Mapping[str, Any]) -> Metric:
    """The metric that `Namespace`, `MetricName` and `Dimensions` name."""
    dimensions = {item["Name"]: item["Value"] for item in params.get("Dimensions", ())}
    return metric(params.get("Namespace", ""), params["MetricName"], dimensions)


def minutes(period: int) -> int:
    """A period as whole minutes; those of less than a minute are one, since metrics have one value a minute."""
    return max(1, period // MINUTE)


def check_period(period: int) -> None:
    if period not in (10, 20, 30) and (period <= 0 or period % MINUTE):
        raise Refusal("InvalidParameterValue", "The parameter Period must be 10, 20, 30 or a multiple of 60.")


def check(queries: Sequence[Params]) -> None:
    """Raises what AWS answers for queries that contradict themselves or each other."""
    ids = [query["Id"] for query in queries]
    if len(set(ids)) < len(ids):
        raise Refusal("ValidationError", "The values for parameter id in MetricDataQueries are not unique.")
    for query in queries:
        if ("MetricStat" in query) == ("Expression" in query):
            raise Refusal("ValidationError", "A query has either the parameter MetricStat or Expression.")
        if "MetricStat" in query:
            check_period(query["MetricStat"]["Period"])
            statistics.check(query["MetricStat"]["Stat"])
        elif unknown := expressions.names(query["Expression"]) - set(ids):
            raise expressions.refused(query["Expression"], f"{', '.join(sorted(unknown))} is not defined")
    evaluated(CloudWatchState(), queries, (0,), 1)  # what an evaluation would refuse is refused now


def values(
    state: CloudWatchState, key: Metric, statistic: str, grid: Sequence[int], length: int, unit: str | None = None
) -> Values:
    """A metric's statistic in each period of `length` minutes that begins at a minute of `grid`."""
    found = {}
    for start in grid:
        distribution = state.between(key, start, start + length, unit)
        value = statistics.of(distribution, statistic) if distribution is not None else None
        if value is not None:
            found[start] = value
    return found


def evaluated(state: CloudWatchState, queries: Sequence[Params], grid: Sequence[int], length: int) -> dict[str, Values]:
    """Every query's series by its id, over the same periods. The queries have been checked."""
    found: dict[str, Values] = {}
    metrics = [query["Id"] for query in queries if "MetricStat" in query]
    for query in queries:
        if stat := query.get("MetricStat"):
            found[query["Id"]] = values(state, metric_of(stat["Metric"]), stat["Stat"], grid, length, stat.get("Unit"))
    waiting = [query for query in queries if "Expression" in query]
    while waiting:
        ready = [one for one in waiting if expressions.names(one["Expression"]) <= found.keys()]
        if not ready:
            raise expressions.refused(waiting[0]["Expression"], "it refers to itself")
        for one in ready:
            found[one["Id"]] = expressions.value(one["Expression"], found, metrics, grid, length * MINUTE)
        waiting = [one for one in waiting if one not in ready]
    return found


def period_of(queries: Sequence[Params], default: int = MINUTE) -> int:
    """The common period of queries that are evaluated together: the longest one."""
    given = [query["MetricStat"]["Period"] for query in queries if "MetricStat" in query]
    given += [query["Period"] for query in queries if "Period" in query]
    return max(given, default=default)
