"""Evaluation of a metric alarm: a pure function from its last data points to its state.

CloudWatch looks at more periods than the alarm evaluates, in case some have no data; which of them count, and when
missing ones are filled in, is in the user guide ("Configuring how CloudWatch alarms treat missing data").
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from reconciler.local.cloudwatch.state import Params

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
WORDS = {
    "GreaterThanOrEqualToThreshold": "greater than or equal to",
    "GreaterThanThreshold": "greater than",
    "LessThanThreshold": "less than",
    "LessThanOrEqualToThreshold": "less than or equal to",
}
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
BEYOND = 2
"""Periods of the evaluation range beyond those evaluated, as in the guide's examples."""


@dataclass(frozen=True, slots=True)
class Judged:
    state: str
    reason: str


def range_of(settings: Params) -> int:
    """How many periods are looked at."""
    return int(settings["EvaluationPeriods"]) + BEYOND


def judge(settings: Params, points: Sequence[float | None]) -> Judged | None:
    """The state that follows from `points`, the newest first, None for a missing one; None: the state stays."""
    evaluated = int(settings["EvaluationPeriods"])
    needed = int(settings.get("DatapointsToAlarm", evaluated))
    treatment = settings.get("TreatMissingData", "missing")
    breaches = COMPARISONS[settings["ComparisonOperator"]]
    real = [(age, value) for age, value in enumerate(points) if value is not None][:evaluated]
    breaching = sum(breaches(value, settings["Threshold"]) for _, value in real)
    missing = evaluated - len(real)
    if not real:
        return _without_data(treatment, evaluated)
    if breaching + (missing if treatment == "breaching" else 0) >= needed:
        return Judged("ALARM", _reason(settings, real, breaching, "ALARM"))
    if missing and breaching == len(real) and real[-1][0] + 1 >= needed and treatment in ("missing", "ignore"):
        # nothing but breaching ones, and the oldest is as old as the alarm asks for: no good one came after it
        return Judged("ALARM", _reason(settings, real, breaching, "ALARM")) if treatment == "missing" else None
    return Judged("OK", _reason(settings, real, len(real) - breaching, "OK"))


def _without_data(treatment: str, evaluated: int) -> Judged | None:
    said = f"no datapoints were received for {evaluated} period{'s' * (evaluated > 1)} and {evaluated} missing "
    said += f"datapoint{'s were' if evaluated > 1 else ' was'} treated as"
    match treatment:
        case "breaching":
            return Judged("ALARM", f"Threshold Crossed: {said} [Breaching].")
        case "notBreaching":
            return Judged("OK", f"Threshold Crossed: {said} [NonBreaching].")
        case "ignore":
            return None
        case _:
            return Judged("INSUFFICIENT_DATA", f"Insufficient Data: {said} [Missing].")


def _reason(settings: Params, real: Sequence[tuple[int, float]], count: int, state: str) -> str:
    evaluated = int(settings["EvaluationPeriods"])
    needed = int(settings.get("DatapointsToAlarm", evaluated))
    shown = ", ".join(f"{value}" for _, value in real)
    verb = ("was" if count == 1 else "were") + ("" if state == "ALARM" else " not")
    move = "OK -> ALARM" if state == "ALARM" else "ALARM -> OK"
    return (
        f"Threshold Crossed: {count} out of the last {evaluated} datapoints [{shown}] {verb} "
        f"{WORDS[settings['ComparisonOperator']]} the threshold ({settings['Threshold']}) "
        f"(minimum {needed} datapoint{'s' * (needed > 1)} for {move} transition)."
    )
