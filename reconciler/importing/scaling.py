"""The block `scaling` of a service, where the specs would make the same policies under the same names.

Policies of other names would be replaced, so autoscaling that somebody else has set up is not stated, and stays. A
comment then says what would replace it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from reconciler.importing.inventory import ServiceFound, Thing
from reconciler.importing.tasks import seconds
from reconciler.model.duration import format as duration_text
from reconciler.model.resource import Address
from reconciler.model.resource_type import Scope
from reconciler.resources._scaling_fields import CUSTOM, OURS, Policy, Query, read_action, read_policy, unsaid
from reconciler.spec import names
from reconciler.spec.compile.scaling import METRICS, PER_TASK, WAITING, running, weekly_actions
from reconciler.spec.documents.scaling import Scaling
from reconciler.spec.documents.week import DAYS

COOLDOWNS: Final = ("scale_in_cooldown", "scale_out_cooldown")
_FIELDS: Final = {predefined: field for field, predefined in METRICS.items()}
_LABEL: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_CRON: Final = re.compile(r"cron\((\d+) (\d+) (?:\* \* \? \*|\? \* ([A-Z,]+) \*)\)")


@dataclass(slots=True)
class ScalingFound:
    """`stated` are the fields of `scaling`, `left` what they cannot say, in words. `exact`: the specs would make what
    there is, under the names that it has."""

    stated: dict[str, Any]
    left: list[str] = field(default_factory=list)
    exact: bool = True


def scaling_of(target: Thing, service: ServiceFound, scope: Scope, entry: tuple[str, str] | None) -> ScalingFound:
    """`entry` are the ARNs of the load balancer and of the target group whose requests `requests` would count."""
    found = ScalingFound({"min": target.item["MinCapacity"], "max": target.item["MaxCapacity"]})
    cooldowns: list[tuple[int | None, int | None]] = []
    for item in target.more["policies"]:
        policy = read_policy(item, scope, None, Address("scaling", service.name))
        said = None if unsaid(item) else _metric(policy, item["PolicyName"], service, entry)
        if said is None or not _put(found.stated, *said):
            found.left.append(f"the policy {item['PolicyName']} ({policy.metric})")
            continue
        found.exact &= item["PolicyName"] == names.scaling_policy(service.name, said[-1])
        cooldowns.append((policy.scale_in_cooldown, policy.scale_out_cooldown))
    found.exact &= len(set(cooldowns)) == 1
    for name, value in zip(COOLDOWNS, cooldowns[0] if cooldowns else (), strict=False):
        if value is not None and seconds(value) != duration_text(Scaling.model_fields[name].default):
            found.stated[name] = seconds(value)
    _periods(found, target.more["actions"])
    found.exact &= not found.left
    return found


def _put(stated: dict[str, Any], group: str, value: Any, name: str) -> bool:
    """False where there is one of the name already."""
    place = stated.setdefault(group, {}) if group else stated
    return place.setdefault(name, value) is value


def _metric(
    policy: Policy, name: str, service: ServiceFound, entry: tuple[str, str] | None
) -> tuple[str, Any, str] | None:
    """The field of `scaling` that contains it, its value, and its name; None where the specs lack words."""
    predefined = _FIELDS.get(policy.metric)
    if predefined is not None:
        counted = (str(policy.load_balancer), str(policy.target_group))
        sayable = policy.target % 1 == 0 and (predefined != "requests" or counted == entry)
        return ("", int(policy.target), predefined) if sayable else None
    query = _query(policy.queries or {}, service) if policy.metric == CUSTOM else None
    if query is None:
        return None
    metric, per_task = query
    if (metric.namespace, metric.metric, metric.statistic) == ("AWS/SQS", WAITING, "Average") and per_task:
        queue = (metric.dimensions or {}).get("QueueName")
        if queue and policy.target % 1 == 0 and len(metric.dimensions or {}) == 1:
            return "", {"queue": queue, "per_task": int(policy.target)}, "backlog"
    label = name.removeprefix(f"{service.name}-").lower()
    value: dict[str, Any] = {
        "namespace": metric.namespace,
        "name": metric.metric,
        "dimensions": metric.dimensions or None,
    }
    statistic = metric.statistic if metric.statistic != "Average" else None
    value |= {"statistic": statistic, "target": _number(policy.target)}
    value |= {"per_task": True if per_task else None}
    stated = {key: one for key, one in value.items() if one is not None}
    return ("metrics", stated, label if _LABEL.fullmatch(label) else "metric") if metric.metric else None


def _number(value: float) -> float | int:
    return int(value) if value % 1 == 0 else value


def _query(queries: Mapping[str, Query], service: ServiceFound) -> tuple[Query, bool] | None:
    """The metric, and whether it is divided by the number of running tasks."""
    metric = next((one for one in queries.values() if one.expression is None), None)
    if len(queries) == 1 and metric is not None:
        return metric, False
    cluster = service.cluster.rpartition("/")[2]
    divided = {"tasks": running(cluster, service.name), "share": Query(expression=PER_TASK, returned=True)}
    first = queries.get("metric")
    return (first, True) if first is not None and {**queries} == {"metric": first, **divided} else None


# -- by the time of the week


def _periods(found: ScalingFound, actions: list[Mapping[str, Any]]) -> None:
    """Scheduled actions in pairs, as the specs make them; the names of others are left."""
    there = {item["ScheduledActionName"]: read_action(item) for item in actions}
    periods = dict(_begun(there))
    try:
        made = weekly_actions(Scaling.model_validate({**found.stated, "periods": periods})) if periods else {}
    except ValidationError:
        made = {}
    same = {name: action for name, action in made.items() if there.get(name) == action}
    whole = [name for name in periods if {f"{OURS}{name}-begins", f"{OURS}{name}-ends"} <= same.keys()]
    if whole:
        found.stated["periods"] = {name: periods[name] for name in whole}
    stated = {f"{OURS}{name}-{edge}" for name in whole for edge in ("begins", "ends")}
    found.left += [f"the scheduled action {name}" for name in there if name not in stated]


def _begun(there: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, action in there.items():
        label = name.removeprefix(OURS).removesuffix("-begins")
        end = there.get(f"{OURS}{label}-ends")
        begins = _CRON.fullmatch(action.schedule)
        ends = None if end is None else _CRON.fullmatch(end.schedule)
        if name != f"{OURS}{label}-begins" or begins is None or ends is None:
            continue
        days = [day for day in DAYS if day.upper() in begins[3].split(",")] if begins[3] else None
        value = {"days": days, "from": _clock(begins), "to": _clock(ends), "min": action.min, "max": action.max}
        value |= {"time_zone": action.time_zone if action.time_zone != "UTC" else None}
        yield label, {key: one for key, one in value.items() if one is not None}


def _clock(cron: re.Match[str]) -> str:
    return f"{int(cron[2]):02}:{int(cron[1]):02}"
