"""Target tracking: a policy's two alarms, and the desired count that follows the metric.

Application Auto Scaling guide, "How target tracking works": out in proportion to the metric as soon as one policy asks
for it, in only where all policies agree and no deployment is in progress. Without data nothing is scaled.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import Any

from reconciler.local.cloudwatch import alarms, queries
from reconciler.local.cloudwatch.evaluate import points
from reconciler.local.ecs.state import Service
from reconciler.local.refusal import Refusal
from reconciler.local.scalable_target import DIMENSION, Activity, Params, ScalableTarget, service_of
from reconciler.local.world import World

CONFIGURATION = "TargetTrackingScalingPolicyConfiguration"
COOLDOWN = 300
PERIOD = 60
SMALLEST = 8.515920e-109
"""The smallest target value, by the API reference."""
SIDES = {"High": ("GreaterThanThreshold", 3, 1.0), "Low": ("LessThanThreshold", 15, 0.9)}
"""Comparison, evaluation periods, and the share of the target value at which the alarm's threshold is."""
UTILIZATION = {
    "ECSServiceAverageCPUUtilization": "CPUUtilization",
    "ECSServiceAverageMemoryUtilization": "MemoryUtilization",
}
REQUESTS = "ALBRequestCountPerTarget"


# ---- alarms ---------------------------------------------------------------------------------------------------------


def put_alarms(world: World, policy: Params) -> list[Params]:
    """The policy's alarms, created or changed; they are nobody else's to manage. Raises ValidationException."""
    configuration = policy[CONFIGURATION]
    if configuration["TargetValue"] < SMALLEST:
        raise _invalid(f"TargetValue must be at least {SMALLEST}")
    watched = _watched(policy["ResourceId"], configuration)
    known = {_side(policy, item["AlarmName"]): item["AlarmName"] for item in policy["Alarms"]}
    wanted = [side for side in SIDES if side == "High" or not configuration.get("DisableScaleIn")]
    for side in known.keys() - set(wanted):
        world.cloudwatch.alarms.pop(known[side], None)
    made = []
    for side in wanted:
        name = known.get(side) or f"{_prefix(policy, side)}{world.ids.uuid()}"
        comparison, periods, share = SIDES[side]
        alarm = alarms.put(
            world,
            {
                "AlarmName": name,
                "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy['PolicyARN']}.",
                "AlarmActions": [policy["PolicyARN"]],
                "EvaluationPeriods": periods,
                "Threshold": configuration["TargetValue"] * share,
                "ComparisonOperator": comparison,
                **watched,
            },
        )
        made.append({"AlarmName": name, "AlarmARN": alarm.arn})
    return made


def delete_alarms(world: World, policy: Params) -> None:
    for alarm in policy["Alarms"]:
        world.cloudwatch.alarms.pop(alarm["AlarmName"], None)


def _prefix(policy: Params, side: str) -> str:
    """What AWS has the names of a policy's alarms begin with."""
    return f"TargetTracking-{policy['ResourceId']}-Alarm{side}-"


def _side(policy: Params, alarm: str) -> str:
    return "High" if alarm.startswith(_prefix(policy, "High")) else "Low"


def _watched(resource: str, configuration: Params) -> Params:
    """The metric as PutMetricAlarm takes it."""
    if custom := configuration.get("CustomizedMetricSpecification"):
        return _custom(custom)
    predefined = configuration.get("PredefinedMetricSpecification", {})
    kind = predefined.get("PredefinedMetricType", "")
    if kind in UTILIZATION:
        _, cluster, service = resource.split("/")
        dimensions = {"ClusterName": cluster, "ServiceName": service}
        return _metric("AWS/ECS", UTILIZATION[kind], "Average", dimensions, Unit="Percent")
    if kind != REQUESTS:
        raise _invalid(f"The local AWS emulator has no metric {kind!r} for ECS services")
    balancer, found, group = predefined.get("ResourceLabel", "").partition("/targetgroup/")
    if not found or not balancer.startswith("app/"):
        raise _invalid(f"ResourceLabel must be app/…/targetgroup/… for the predefined metric type {REQUESTS}")
    dimensions = {"LoadBalancer": balancer, "TargetGroup": f"targetgroup/{group}"}
    return _metric("AWS/ApplicationELB", "RequestCountPerTarget", "Sum", dimensions)


def _custom(custom: Params) -> Params:
    if "Metrics" not in custom:
        dimensions = {item["Name"]: item["Value"] for item in custom.get("Dimensions", ())}
        unit = {"Unit": custom["Unit"]} if "Unit" in custom else {}
        return _metric(custom["Namespace"], custom["MetricName"], custom["Statistic"], dimensions, **unit)
    stats = [
        {**query, "MetricStat": {**query["MetricStat"], "Period": PERIOD}} if "MetricStat" in query else query
        for query in custom["Metrics"]
    ]
    try:
        queries.check(stats)
    except Refusal as refusal:
        raise _invalid(refusal.message) from refusal
    return {"Metrics": stats}


def _metric(namespace: str, name: str, statistic: str, dimensions: dict[str, str], **more: Any) -> Params:
    return {
        "Namespace": namespace,
        "MetricName": name,
        "Statistic": statistic,
        "Period": PERIOD,
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
        **more,
    }


def _invalid(message: str) -> Refusal:
    return Refusal("ValidationException", message)


# ---- scaling --------------------------------------------------------------------------------------------------------


def act(world: World) -> None:
    """Once a minute, after the alarms have been evaluated."""
    for target in world.scaling.values():
        assert isinstance(target, ScalableTarget)
        service = service_of(world, target.resource)
        policies = [policy for policy in target.policies.values() if CONFIGURATION in policy]
        if service is None or not policies:
            continue
        if not _scale_out(world, target, service, policies):
            _scale_in(world, target, service, policies)


def _scale_out(world: World, target: ScalableTarget, service: Service, policies: list[Params]) -> bool:
    """True where it has been scaled out. What the last activity has added counts until its cooldown is over."""
    best, why = service.desired_count, ""
    for policy in policies:
        cooling = _cooling(world, target.scaled_out, policy[CONFIGURATION].get("ScaleOutCooldown", COOLDOWN))
        base = target.scaled_out.before if cooling and target.scaled_out else service.desired_count
        count = _proposed(world, target, policy, "High", base)
        if count is not None and count > best:
            best, why = count, policy["PolicyName"]
    if not why or target.suspended["DynamicScalingOutSuspended"]:
        return False
    target.scaled_out, target.scaled_in = Activity(world.now, service.desired_count), None
    _set(world, target, service, best, why)
    return True


def _scale_in(world: World, target: ScalableTarget, service: Service, policies: list[Params]) -> None:
    """To what the most demanding of the policies needs, where all that may scale in ask for it."""
    allowed = [policy for policy in policies if not policy[CONFIGURATION].get("DisableScaleIn")]
    counts = [_proposed(world, target, policy, "Low", service.desired_count) for policy in allowed]
    cooldown = max((policy[CONFIGURATION].get("ScaleInCooldown", COOLDOWN) for policy in allowed), default=0)
    wanted = [count for count in counts if count is not None]
    if not wanted or len(wanted) < len(counts) or max(wanted) >= service.desired_count:
        return
    if target.suspended["DynamicScalingInSuspended"] or _cooling(world, target.scaled_in, cooldown):
        return
    if service.controller == "ECS" and (service.rollout is not None or len(service.deployments) > 1):
        return
    target.scaled_in = Activity(world.now, service.desired_count)
    _set(world, target, service, max(wanted), allowed[0]["PolicyName"])


def _cooling(world: World, activity: Activity | None, seconds: int) -> bool:
    return activity is not None and world.now < activity.at + timedelta(seconds=seconds)


def _proposed(world: World, target: ScalableTarget, policy: Params, side: str, base: int) -> int | None:
    """The count at which the metric would be at its target, within the bounds; None unless the alarm asks for one."""
    name = next((item["AlarmName"] for item in policy["Alarms"] if _side(policy, item["AlarmName"]) == side), "")
    alarm = world.cloudwatch.alarms.get(name)
    if alarm is None or alarm.state != "ALARM":
        return None
    value = next((point for point in points(world, alarm, world.cloudwatch.until) if point is not None), None)
    if value is None:
        return None
    target_value: float = policy[CONFIGURATION]["TargetValue"]
    count = ceil(round(min(target.high, base * value / target_value), 6))
    return max(count, target.low)


def _set(world: World, target: ScalableTarget, service: Service, count: int, policy: str) -> None:
    service.desired_count = count
    world.touch(service)
    names = [item["AlarmName"] for item in target.policies[policy]["Alarms"]]
    ringing = next(name for name in names if name in world.cloudwatch.alarms)
    ringing = next((name for name in names if _state(world, name) == "ALARM"), ringing)
    target.activities.appendleft(
        {
            "ActivityId": world.ids.uuid(),
            "ServiceNamespace": "ecs",
            "ResourceId": target.resource,
            "ScalableDimension": DIMENSION,
            "Description": f"Setting desired count to {count}.",
            "Cause": f"monitor alarm {ringing} in state ALARM triggered policy {policy}",
            "StartTime": world.now,
            "EndTime": world.now,
            "StatusCode": "Successful",
            "StatusMessage": f"Successfully set desired count to {count}. Change successfully fulfilled by ecs.",
        }
    )


def _state(world: World, alarm: str) -> str:
    return world.cloudwatch.alarms[alarm].state if alarm in world.cloudwatch.alarms else ""
