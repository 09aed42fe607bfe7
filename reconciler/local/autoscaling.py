"""Application Auto Scaling for ECS services: targets, policies and scheduled actions are kept, checked and shown.

Registering moves the desired count into the bounds at once, as on AWS. Target tracking scales (target_tracking.py),
and schedules fire (scheduled_actions.py); step scaling does not.
"""

from __future__ import annotations

from reconciler.local import scheduled_actions, target_tracking
from reconciler.local.ecs.state import Service
from reconciler.local.paging import page
from reconciler.local.refusal import Refusal
from reconciler.local.scalable_target import DIMENSION, ScalableTarget, service_of
from reconciler.local.world import Operation, Params, World

SERVICE_ROLE = (
    "role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService"
)
POLICY_TYPES = {
    "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
    "StepScaling": "StepScalingPolicyConfiguration",
}


def _invalid(message: str) -> Refusal:
    return Refusal("ValidationException", message)


def _key(params: Params) -> str:
    if params.get("ServiceNamespace") != "ecs" or params.get("ScalableDimension", DIMENSION) != DIMENSION:
        raise _invalid("The local AWS emulator scales ECS services only.")
    return str(params.get("ResourceId", ""))


def _target(world: World, params: Params) -> ScalableTarget:
    resource = _key(params)
    found = world.scaling.get(resource)
    if found is None:
        raise Refusal(
            "ObjectNotFoundException",
            f"No scalable target found for service namespace: ecs, resource ID: {resource}, scalable dimension: "
            f"{DIMENSION}",
        )
    assert isinstance(found, ScalableTarget)
    return found


def _service(world: World, resource: str) -> Service | None:
    pieces = resource.split("/")
    if len(pieces) != 3 or pieces[0] != "service":
        raise _invalid("Unsupported service namespace, resource type or scalable dimension")
    return service_of(world, resource)


def register_scalable_target(world: World, params: Params) -> Params:
    """An upsert: what is not named stays. Tags are for the first time only."""
    resource = _key(params)
    service = _service(world, resource)
    existing = world.scaling.get(resource)
    low = params.get("MinCapacity", existing.low if existing else None)
    high = params.get("MaxCapacity", existing.high if existing else None)
    if low is None or high is None:
        raise _invalid("MinCapacity and MaxCapacity are required to register a scalable target")
    if low > high or low < 0:
        raise _invalid("Maximum capacity cannot be less than minimum capacity")
    if service is None:
        raise _invalid("ECS service doesn't exist: " + resource)
    if existing is not None and params.get("Tags"):
        raise _invalid("Tags can only be specified when a scalable target is registered for the first time")
    if existing is None:
        identifier = world.ids.hexadecimal(32)
        existing = ScalableTarget(
            arn=world.arn("application-autoscaling", f"scalable-target/{identifier}"),
            resource=resource,
            low=low,
            high=high,
            created_at=world.now,
            tags=dict(params.get("Tags", {})),
        )
        world.scaling[resource] = existing
    existing.low, existing.high = low, high
    existing.suspended.update(params.get("SuspendedState", {}))
    if not low <= service.desired_count <= high:
        service.desired_count = min(max(service.desired_count, low), high)
        world.touch(service)
    return {"ScalableTargetARN": existing.arn}


def describe_scalable_targets(world: World, params: Params) -> Params:
    _key({**params, "ResourceId": ""})
    wanted = params.get("ResourceIds")
    rows = [
        {
            "ServiceNamespace": "ecs",
            "ResourceId": item.resource,
            "ScalableDimension": DIMENSION,
            "MinCapacity": item.low,
            "MaxCapacity": item.high,
            "RoleARN": f"arn:aws:iam::{world.account}:{SERVICE_ROLE}",
            "CreationTime": item.created_at,
            "SuspendedState": dict(item.suspended),
            "ScalableTargetARN": item.arn,
        }
        for item in world.scaling.values()
        if not wanted or item.resource in wanted
    ]
    return _paged(rows, params, "ScalableTargets", "ResourceId", 50)


def _paged(rows: list[Params], params: Params, name: str, key: str, most: int) -> Params:
    size = min(params.get("MaxResults", most), most)
    ordered = sorted(rows, key=lambda row: str(row[key]))
    wrong = Refusal("InvalidNextTokenException", "The next token is invalid")
    chosen, following = page(ordered, params.get("NextToken"), size, lambda row: str(row[key]), wrong)
    return {name: chosen, "NextToken": following}


def deregister_scalable_target(world: World, params: Params) -> Params:
    """Its policies, their alarms and its scheduled actions go with it; the desired count stays."""
    found = _target(world, params)
    for policy in list(found.policies.values()):
        target_tracking.delete_alarms(world, policy)
    del world.scaling[found.resource]
    return {}


def put_scaling_policy(world: World, params: Params) -> Params:
    found = _target(world, params)
    name = params["PolicyName"]
    before = found.policies.get(name)
    kind = params.get("PolicyType") or (before["PolicyType"] if before else "StepScaling")
    if kind not in POLICY_TYPES:
        raise _invalid(f"The local AWS emulator has no {kind} policies")
    if before and before["PolicyType"] != kind:
        raise _invalid("The policy type of an existing scaling policy cannot be changed")
    member = POLICY_TYPES[kind]
    configuration = params.get(member) or (before or {}).get(member)
    if configuration is None:
        raise _invalid(f"{member} is required for the policy type {kind}")
    identifier = world.ids.uuid()
    arn = world.arn("autoscaling", f"scalingPolicy:{identifier}:resource/ecs/{found.resource}:policyName/{name}")
    policy: Params = {
        "PolicyARN": before["PolicyARN"] if before else arn,
        "PolicyName": name,
        "ServiceNamespace": "ecs",
        "ResourceId": found.resource,
        "ScalableDimension": DIMENSION,
        "PolicyType": kind,
        member: configuration,
        "Alarms": before["Alarms"] if before else [],
        "CreationTime": before["CreationTime"] if before else world.now,
    }
    if kind == "TargetTrackingScaling":
        policy["Alarms"] = target_tracking.put_alarms(world, policy)
    found.policies[name] = policy
    return {"PolicyARN": policy["PolicyARN"], "Alarms": policy["Alarms"]}


def describe_scaling_policies(world: World, params: Params) -> Params:
    resource = _key({**params, "ResourceId": params.get("ResourceId", "")})
    rows = [
        policy
        for item in world.scaling.values()
        for policy in item.policies.values()
        if resource in ("", item.resource) and policy["PolicyName"] in params.get("PolicyNames", [policy["PolicyName"]])
    ]
    return _paged(rows, params, "ScalingPolicies", "PolicyARN", 10)


def delete_scaling_policy(world: World, params: Params) -> Params:
    found = _target(world, params)
    policy = found.policies.pop(params["PolicyName"], None)
    if policy is None:
        raise Refusal("ObjectNotFoundException", f"No scaling policy found for policy name: {params['PolicyName']}")
    target_tracking.delete_alarms(world, policy)
    return {}


def put_scheduled_action(world: World, params: Params) -> Params:
    """An upsert; start and end times that are not named are deleted (API reference)."""
    found = _target(world, params)
    name = params["ScheduledActionName"]
    before = found.schedules.get(name, {})
    if "Schedule" not in params and not before:
        raise _invalid("Schedule is required for a new scheduled action")
    identifier = world.ids.uuid()
    arn = world.arn("autoscaling", f"scheduledAction:{identifier}:resource/ecs/{found.resource}:name/{name}")
    found.schedules[name] = {
        "ScheduledActionName": name,
        "ScheduledActionARN": before.get("ScheduledActionARN", arn),
        "ServiceNamespace": "ecs",
        "Schedule": params.get("Schedule", before.get("Schedule")),
        "Timezone": params.get("Timezone", before.get("Timezone")),
        "ResourceId": found.resource,
        "ScalableDimension": DIMENSION,
        "StartTime": params.get("StartTime"),
        "EndTime": params.get("EndTime"),
        "ScalableTargetAction": params.get("ScalableTargetAction", before.get("ScalableTargetAction")),
        "CreationTime": before.get("CreationTime", world.now),
    }
    scheduled_actions.arm(world, found, found.schedules[name])
    return {}


def describe_scheduled_actions(world: World, params: Params) -> Params:
    resource = _key({**params, "ResourceId": params.get("ResourceId", "")})
    names = params.get("ScheduledActionNames")
    rows = [
        action
        for item in world.scaling.values()
        for action in item.schedules.values()
        if resource in ("", item.resource) and (not names or action["ScheduledActionName"] in names)
    ]
    return _paged(rows, params, "ScheduledActions", "ScheduledActionARN", 50)


def delete_scheduled_action(world: World, params: Params) -> Params:
    found = _target(world, params)
    if found.schedules.pop(params["ScheduledActionName"], None) is None:
        raise Refusal("ObjectNotFoundException", f"No scheduled action found for name: {params['ScheduledActionName']}")
    return {}


def describe_scaling_activities(world: World, params: Params) -> Params:
    resource = _key({**params, "ResourceId": params.get("ResourceId", "")})
    rows = [row for item in world.scaling.values() if resource in ("", item.resource) for row in item.activities]
    return {
        "ScalingActivities": sorted(rows, key=lambda row: row["StartTime"], reverse=True)[
            : params.get("MaxResults", 50)
        ]
    }


def _by_arn(world: World, arn: str) -> ScalableTarget:
    found = next((item for item in world.scaling.values() if item.arn == arn), None)
    if found is None:
        raise Refusal("ResourceNotFoundException", f"The scalable target {arn} does not exist")
    assert isinstance(found, ScalableTarget)
    return found


def tag_resource(world: World, params: Params) -> Params:
    _by_arn(world, params["ResourceARN"]).tags.update(params["Tags"])
    return {}


def untag_resource(world: World, params: Params) -> Params:
    tags = _by_arn(world, params["ResourceARN"]).tags
    for key in params["TagKeys"]:
        tags.pop(key, None)
    return {}


def list_tags_for_resource(world: World, params: Params) -> Params:
    return {"Tags": dict(_by_arn(world, params["ResourceARN"]).tags)}


OPERATIONS: dict[str, Operation] = {
    "DeleteScalingPolicy": delete_scaling_policy,
    "DeleteScheduledAction": delete_scheduled_action,
    "DeregisterScalableTarget": deregister_scalable_target,
    "DescribeScalableTargets": describe_scalable_targets,
    "DescribeScalingActivities": describe_scaling_activities,
    "DescribeScalingPolicies": describe_scaling_policies,
    "DescribeScheduledActions": describe_scheduled_actions,
    "ListTagsForResource": list_tags_for_resource,
    "PutScalingPolicy": put_scaling_policy,
    "PutScheduledAction": put_scheduled_action,
    "RegisterScalableTarget": register_scalable_target,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
}
