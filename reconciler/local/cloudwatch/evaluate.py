"""Evaluation of all alarms at the end of a minute."""

from __future__ import annotations

from reconciler.local.cloudwatch import alarms, composite, evaluation, queries
from reconciler.local.cloudwatch.state import Alarm
from reconciler.local.world import World


def evaluate(world: World, end: int) -> None:
    """Every alarm over the periods before the minute `end`, composite ones last. Once none of them has any data or has
    changed, the alarms sleep: nothing but new data, new settings or a state that is set can change them."""
    state = world.cloudwatch
    state.awake = False
    for alarm in state.alarms.values():
        if not alarm.composite:
            state.awake |= _evaluate(world, alarm, end)
    rest = [alarm for alarm in state.alarms.values() if alarm.composite]
    for _ in rest:  # one may refer to another
        for alarm in rest:
            _compose(world, alarm)


def points(world: World, alarm: Alarm, end: int) -> list[float | None]:
    """The alarm's data points in its evaluation range, the newest first."""
    settings = alarm.settings
    length = queries.minutes(settings.get("Period") or queries.period_of(settings.get("Metrics", ())))
    grid = [end - length * number for number in range(evaluation.range_of(settings), 0, -1)]
    if "Metrics" in settings:
        asked = next(one["Id"] for one in settings["Metrics"] if one.get("ReturnData", True))
        found = queries.evaluated(world.cloudwatch, settings["Metrics"], grid, length)[asked]
    else:
        statistic = settings.get("Statistic") or settings["ExtendedStatistic"]
        key, unit = queries.metric_of(settings), settings.get("Unit")
        found = queries.values(world.cloudwatch, key, statistic, grid, length, unit)
    return [found.get(start) for start in reversed(grid)]


def _evaluate(world: World, alarm: Alarm, end: int) -> bool:
    """True where the next evaluation may come to something else."""
    seen = points(world, alarm, end)
    judged = evaluation.judge(alarm.settings, seen)
    changed = judged is not None and alarms.move(world, alarm, judged.state, judged.reason)
    return changed or any(point is not None for point in seen)


def _compose(world: World, alarm: Alarm) -> None:
    known = world.cloudwatch.alarms

    def state_of(name: str) -> str:
        return known[name].state if name in known else ""

    rule = alarm.settings["AlarmRule"]
    state = "ALARM" if composite.holds(rule, state_of) else "OK"
    alarms.move(world, alarm, state, f"The alarm rule {rule} is {'true' if state == 'ALARM' else 'false'}")
