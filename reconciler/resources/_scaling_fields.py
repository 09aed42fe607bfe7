"""The fields of a service's autoscaling, and their names in the calls and answers of Application Auto Scaling."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue

from reconciler.model import member_values, members, resource
from reconciler.model.members import ApiMembers
from reconciler.model.resource import NOTHING, Address, Call, Link, ServiceApi
from reconciler.model.resource_type import FieldMark, Scope
from reconciler.model.schedules import next_time

autoscaling = ServiceApi("application-autoscaling")

NAMESPACE: Final = "ecs"
DIMENSION: Final = "ecs:service:DesiredCount"
CUSTOM: Final = "CustomizedMetric"
TRACKED: Final = frozenset(
    {"ECSServiceAverageCPUUtilization", "ECSServiceAverageMemoryUtilization", "ALBRequestCountPerTarget", CUSTOM}
)
"""Metrics of policies that a put replaces; one of another type has to be deleted first."""

TRACKING: Final = "TargetTrackingScalingPolicyConfiguration"
KEPT: Final = "DisableScaleIn"
"""The member that a put takes away where it is not sent, and that the specs need not state."""

API: Final = ApiMembers(
    "application-autoscaling",
    create="PutScalingPolicy",
    described="ScalingPolicy",
    words={
        "PolicyName": "the names of the Service and the metric",
        **dict.fromkeys(("ServiceNamespace", "ResourceId", "ScalableDimension"), "the Service document"),
        f"{TRACKING}.TargetValue": "the metric's target in `scaling`",
        f"{TRACKING}.PredefinedMetricSpecification": "`cpu`, `memory` and `requests`",
        f"{TRACKING}.CustomizedMetricSpecification": "`metrics` and `backlog`",
        f"{TRACKING}.ScaleInCooldown": "scale_in_cooldown",
        f"{TRACKING}.ScaleOutCooldown": "scale_out_cooldown",
    },
    owned=dict.fromkeys(
        ("PolicyType", "StepScalingPolicyConfiguration", "PredictiveScalingPolicyConfiguration"),
        "the policies of a Service keep a metric at a target",
    ),
    changeable=frozenset({TRACKING}),
    others=(f"{TRACKING}.{KEPT}",),
)

WEEK: Final = timedelta(days=8)
"""In which each period of a week has begun and ended."""

OURS: Final = "reconciler-"
"""What the names of our scheduled actions begin with; others stay as they are."""


class Query(resource.Spec):
    """A metric of CloudWatch, or an `expression` of others by their names. `returned`: it is the value."""

    expression: str | None = None
    namespace: str | None = None
    metric: str | None = None
    dimensions: dict[str, str] | None = None
    statistic: str | None = None
    returned: bool = False


class Policy(resource.Spec):
    """Holds `metric` at `target`; cooldowns in seconds. Requests per target are counted for one target group of one
    load balancer. `queries` are those of a metric that is not predefined, `CustomizedMetric`; one of them is its value.
    """

    api: ClassVar[ApiMembers] = API

    metric: str
    queries: dict[str, Query] | None = None
    target: float
    scale_in_cooldown: int | None = None
    scale_out_cooldown: int | None = None
    load_balancer: Link | None = None
    target_group: Link | None = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


class ScheduledAction(resource.Spec):
    """Sets other bounds at a time: `schedule` is cron(…), rate(…) or at(…), in the time zone."""

    schedule: str
    time_zone: str = "UTC"
    min: int
    max: int


class ScalingSpec(resource.Spec):
    """`resource` is service/<cluster>/<name>. `suspended` holds all scaling, in, out and by schedule.

    `min` and `max` are in place where the bounds are these or those of one of `actions`, which has been taken.
    """

    resource: Annotated[str, FieldMark.IMMUTABLE]
    service: Link
    min: int
    max: int
    policies: dict[str, Policy] | None = None
    actions: dict[str, ScheduledAction] | None = None
    suspended: bool | None = None


def read_policy(item: Mapping[str, Any], scope: Scope, want: Policy | None, at: Address) -> Policy:
    """A policy as we would have written it; of other sorts, which people make, the sort in place of the metric."""
    tracking = item.get("TargetTrackingScalingPolicyConfiguration")
    if tracking is None:
        return Policy(metric=item["PolicyType"], target=0)
    predefined = tracking.get("PredefinedMetricSpecification") or {}
    balancer, group = _labelled(predefined.get("ResourceLabel"), scope)
    custom = tracking.get("CustomizedMetricSpecification") or {}
    return Policy(
        metric=predefined.get("PredefinedMetricType", CUSTOM),
        queries={one["Id"]: _query(one) for one in custom["Metrics"]} if custom.get("Metrics") else None,
        target=tracking["TargetValue"],
        scale_in_cooldown=tracking.get("ScaleInCooldown", 300),
        scale_out_cooldown=tracking.get("ScaleOutCooldown", 300),
        load_balancer=balancer,
        target_group=group,
        aws=members.seen(API, want.aws, item, {}, at) if want is not None else {},
    )


def unsaid(item: Mapping[str, Any]) -> dict[str, Any]:
    """What a policy has that ours cannot say."""
    tracking = item.get("TargetTrackingScalingPolicyConfiguration") or item.get("StepScalingPolicyConfiguration") or {}
    found = {
        name: tracking[name] for name in ("CustomizedMetricSpecification", "StepAdjustments") if tracking.get(name)
    }
    if (found.get("CustomizedMetricSpecification") or {}).get("Metrics"):
        del found["CustomizedMetricSpecification"]
    return found


def bounds(item: Mapping[str, Any], want: ScalingSpec | None) -> tuple[int, int]:
    """The wanted ones where a scheduled action of the specs has set its own for now."""
    found = item["MinCapacity"], item["MaxCapacity"]
    if want is not None and found in {(one.min, one.max) for one in (want.actions or {}).values()}:
        return want.min, want.max
    return found


def held_at(spec: ScalingSpec, count: int) -> ScalingSpec:
    """With `count` tasks at least, also at the times of its actions."""
    actions = {name: one.model_copy(update=_at_least(one, count)) for name, one in (spec.actions or {}).items()}
    return spec.model_copy(update=_at_least(spec, count) | ({} if spec.actions is None else {"actions": actions}))


def in_force(spec: ScalingSpec, now: datetime) -> ScalingSpec:
    """With the bounds that its actions have set last, where their times are known."""
    last, limits = now - WEEK, (spec.min, spec.max)
    for action in (spec.actions or {}).values():
        moment = now - WEEK
        while (following := next_time(action.schedule, action.time_zone, moment)) is not None and following <= now:
            moment = following
        if moment > last:
            last, limits = moment, (action.min, action.max)
    return spec.model_copy(update={"min": limits[0], "max": limits[1]})


def _at_least(limits: ScalingSpec | ScheduledAction, count: int) -> dict[str, int]:
    return {"min": count, "max": max(limits.max, count)}


def read_action(item: Mapping[str, Any]) -> ScheduledAction:
    bounds = item.get("ScalableTargetAction") or {}
    return ScheduledAction(
        schedule=item["Schedule"],
        time_zone=item.get("Timezone") or "UTC",
        min=bounds.get("MinCapacity", -1),
        max=bounds.get("MaxCapacity", -1),
    )


def put_action(resource_id: str, name: str, action: ScheduledAction) -> Call:
    return autoscaling.put_scheduled_action(
        ServiceNamespace=NAMESPACE,
        ResourceId=resource_id,
        ScalableDimension=DIMENSION,
        ScheduledActionName=name,
        Schedule=action.schedule,
        Timezone=action.time_zone,
        ScalableTargetAction={"MinCapacity": action.min, "MaxCapacity": action.max},
    )


def filled(policy: Policy, old: Policy | None) -> Policy:
    """A put replaces the whole policy: what the specs leave out is sent as it is."""
    if old is None:
        return policy
    left_out = {name for name in ("scale_in_cooldown", "scale_out_cooldown") if getattr(policy, name) is None}
    return policy.model_copy(update={name: getattr(old, name) for name in left_out})


def kept(item: Mapping[str, Any]) -> dict[str, Any]:
    """What the next put sends as it is, unless the specs say it."""
    tracking = item.get(TRACKING) or {}
    return {KEPT: tracking[KEPT]} if tracking.get(KEPT) else {}


def put(resource_id: str, name: str, policy: Policy, old: Mapping[str, Any] = NOTHING) -> Call:
    """`old` is what an earlier policy of that name keeps."""
    predefined = {"PredefinedMetricType": policy.metric, "ResourceLabel": _label(policy)}
    custom = {"Metrics": [_metric(id, query) for id, query in sorted((policy.queries or {}).items())]}
    tracking = {
        "TargetValue": policy.target,
        "PredefinedMetricSpecification": None if policy.metric == CUSTOM else _given(predefined),
        "CustomizedMetricSpecification": custom if policy.metric == CUSTOM else None,
        "ScaleInCooldown": policy.scale_in_cooldown,
        "ScaleOutCooldown": policy.scale_out_cooldown,
    }
    return autoscaling.put_scaling_policy(
        PolicyName=name,
        ServiceNamespace=NAMESPACE,
        ResourceId=resource_id,
        ScalableDimension=DIMENSION,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration=member_values.merged(
            {**old, **_given(tracking)}, policy.aws.get(TRACKING) or {}
        ),
    )


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _metric(id: str, query: Query) -> dict[str, Any]:
    """An item of a customized metric; AWS returns its value unless it is stated otherwise."""
    if query.expression is not None:
        return {"Id": id, "Expression": query.expression, "ReturnData": query.returned}
    dimensions = [{"Name": name, "Value": value} for name, value in sorted((query.dimensions or {}).items())]
    metric = {"Namespace": query.namespace, "MetricName": query.metric, "Dimensions": dimensions}
    return {"Id": id, "MetricStat": {"Metric": metric, "Stat": query.statistic}, "ReturnData": query.returned}


def _query(item: Mapping[str, Any]) -> Query:
    returned = item.get("ReturnData", True)
    if "Expression" in item:
        return Query(expression=item["Expression"], returned=returned)
    stat = item["MetricStat"]
    return Query(
        namespace=stat["Metric"].get("Namespace"),
        metric=stat["Metric"].get("MetricName"),
        dimensions={one["Name"]: one["Value"] for one in stat["Metric"].get("Dimensions") or ()},
        statistic=stat["Stat"],
        returned=returned,
    )


def _label(policy: Policy) -> str | None:
    """`app/<load balancer>/<id>/targetgroup/<target group>/<id>`: what follows in both ARNs."""
    if policy.load_balancer is None or policy.target_group is None:
        return None
    balancer = str(policy.load_balancer).partition(":loadbalancer/")[2]
    return f"{balancer}/{str(policy.target_group).split(':', 5)[5]}"


def _labelled(label: str | None, scope: Scope) -> tuple[str | None, str | None]:
    """The two ARNs in a label."""
    if not label:
        return None, None
    balancer, _, group = label.partition("/targetgroup/")
    return (
        scope.arn("elasticloadbalancing", f"loadbalancer/{balancer}"),
        scope.arn("elasticloadbalancing", f"targetgroup/{group}"),
    )
