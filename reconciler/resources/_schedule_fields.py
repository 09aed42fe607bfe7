"""The fields of a schedule, and their names in the calls and answers of EventBridge Scheduler."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue

from reconciler.model import member_values, resource
from reconciler.model.members import ApiMembers
from reconciler.model.resource import Desired, Link
from reconciler.model.resource_type import FieldMark
from reconciler.resources import _ecs
from reconciler.resources._ecs import Network, Strategy

API: Final = ApiMembers(
    "scheduler",
    create="CreateSchedule",
    update="UpdateSchedule",
    described="GetScheduleOutput",
    words={
        **dict.fromkeys(("Name", "GroupName"), "the document's name, or `aws_name`"),
        "ScheduleExpression": "schedule",
        "ScheduleExpressionTimezone": "time_zone",
        "Target.Arn": "`cluster` of the Task",
        "Target.RoleArn": "the role that is generated for the schedule",
        "Target.EcsParameters.TaskDefinitionArn": "`task` of the Task",
        "Target.EcsParameters.TaskCount": "`count` of the Task",
        "Target.EcsParameters.LaunchType": "`launch` of the Task",
        "Target.EcsParameters.CapacityProviderStrategy": "`capacity_providers` of the Task",
        "Target.EcsParameters.PlatformVersion": "`platform_version` of the Task",
        **{
            f"Target.EcsParameters.{name}": "`placement` of the Task"
            for name in ("NetworkConfiguration", "PlacementStrategy", "PlacementConstraints")
        },
        "Target.RetryPolicy.MaximumRetryAttempts": "retry.attempts",
        "Target.RetryPolicy.MaximumEventAgeInSeconds": "retry.max_age",
        "Target.DeadLetterConfig": "dead_letter_queue",
    },
    owned={
        "ClientToken": "a schedule has a name of its own",
        **dict.fromkeys(
            (
                "Target.KinesisParameters",
                "Target.EventBridgeParameters",
                "Target.SageMakerPipelineParameters",
                "Target.SqsParameters",
            ),
            "the target of a Task's schedule is ECS",
        ),
    },
    others=(
        *("StartDate", "EndDate", "Description", "KmsKeyArn", "Target.Input"),
        *(
            f"Target.EcsParameters.{name}"
            for name in (
                *("EnableECSManagedTags", "EnableExecuteCommand", "Group"),
                *("PropagateTags", "ReferenceId", "Tags"),
            )
        ),
    ),
)

AT_THE_VERY_MINUTE = {"Mode": "OFF"}
MOST_RETRIES = 185
OLDEST_EVENT = 86_400
"""What a schedule has that says nothing (EventBridge Scheduler API reference, RetryPolicy)."""
WRITTEN = (
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "StartDate",
    "EndDate",
    "Description",
    "State",
    "KmsKeyArn",
    "Target",
    "FlexibleTimeWindow",
    "ActionAfterCompletion",
)
"""What UpdateSchedule takes of what GetSchedule answers."""


class ScheduleSpec(resource.Spec):
    api: ClassVar[ApiMembers] = API

    name: Annotated[str, FieldMark.IMMUTABLE]
    expression: str
    """`cron(0 3 * * ? *)`, `rate(1 hour)` or `at(2026-01-01T00:00:00)`."""
    cluster: Link
    task_definition: Link
    role: Link
    """What may start the task in our name."""
    time_zone: str | None = None
    retry_attempts: int | None = None
    max_event_age: int | None = None
    """Seconds."""
    dead_letter_queue: str | None = None
    """An ARN; empty for none."""
    network: Network | None = None
    launch_type: str | None = None
    capacity_provider_strategy: Annotated[tuple[Strategy, ...] | None, FieldMark.UNORDERED] = None
    platform_version: str | None = None
    placement_strategy: tuple[dict[str, str], ...] | None = None
    placement_constraints: tuple[dict[str, str], ...] | None = None
    count: int | None = None
    enabled: bool | None = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


def written(spec: ScheduleSpec, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting: those in the specs over those that are there."""
    target = settings.get("Target", {})
    task = {
        "TaskDefinitionArn": spec.task_definition,
        "TaskCount": spec.count,
        "LaunchType": spec.launch_type,
        "CapacityProviderStrategy": _ecs.strategy_items(spec.capacity_provider_strategy),
        "PlatformVersion": spec.platform_version,
        "PlacementStrategy": _ecs.listed(spec.placement_strategy),
        "PlacementConstraints": _ecs.listed(spec.placement_constraints),
        "NetworkConfiguration": _written_network(spec.network),
    }
    parameters = target.get("EcsParameters", {}) | {key: value for key, value in task.items() if value is not None}
    if spec.launch_type is not None:
        parameters.pop("CapacityProviderStrategy", None)  # AWS takes one of the two
    elif spec.capacity_provider_strategy is not None:
        parameters.pop("LaunchType", None)
    retries = {"MaximumRetryAttempts": spec.retry_attempts, "MaximumEventAgeInSeconds": spec.max_event_age}
    policy = target.get("RetryPolicy", {}) | {key: value for key, value in retries.items() if value is not None}
    target = {
        key: value for key, value in target.items() if key != "DeadLetterConfig" or spec.dead_letter_queue is None
    }
    target |= {"RetryPolicy": policy} if policy else {}
    target |= {"DeadLetterConfig": {"Arn": spec.dead_letter_queue}} if spec.dead_letter_queue else {}
    declared = {
        "ScheduleExpression": spec.expression,
        "ScheduleExpressionTimezone": spec.time_zone,
        "State": None if spec.enabled is None else _state(spec.enabled),
        "Target": target | {"Arn": _cluster_arn(spec), "RoleArn": spec.role, "EcsParameters": parameters},
    }
    written = (
        {"FlexibleTimeWindow": AT_THE_VERY_MINUTE}
        | dict(settings)
        | {key: value for key, value in declared.items() if value is not None}
    )
    return dict(member_values.merged(written, spec.aws))


def moment(shown: Any, said: Any) -> Any:
    """A moment as text: the text of the specs where it is the same moment."""
    if not isinstance(shown, datetime):
        return shown
    try:
        stated = datetime.fromisoformat(said) if isinstance(said, str) else None
    except ValueError:
        stated = None
    if stated is not None and stated.tzinfo is None:
        stated = stated.replace(tzinfo=shown.tzinfo)
    return said if stated == shown else shown.isoformat()


def read(name: str, found: Mapping[str, Any], want: Desired[Any] | None, aws: dict[str, Any]) -> ScheduleSpec:
    target = found.get("Target", {})
    task = target.get("EcsParameters", {})
    cluster = target.get("Arn", "")
    if want is not None and cluster and cluster == _cluster_arn(want.spec):
        cluster = want.spec.cluster
    return ScheduleSpec(
        name=name,
        expression=found.get("ScheduleExpression", ""),
        time_zone=found.get("ScheduleExpressionTimezone", ""),
        retry_attempts=target.get("RetryPolicy", {}).get("MaximumRetryAttempts", MOST_RETRIES),
        max_event_age=target.get("RetryPolicy", {}).get("MaximumEventAgeInSeconds", OLDEST_EVENT),
        dead_letter_queue=target.get("DeadLetterConfig", {}).get("Arn", ""),
        cluster=cluster,
        task_definition=task.get("TaskDefinitionArn", ""),
        role=target.get("RoleArn", ""),
        network=_read_network(task.get("NetworkConfiguration", {})),
        launch_type=task.get("LaunchType", ""),
        capacity_provider_strategy=_ecs.strategy_of(task.get("CapacityProviderStrategy")),
        platform_version=task.get("PlatformVersion", ""),
        placement_strategy=tuple(task.get("PlacementStrategy") or ()),
        placement_constraints=tuple(task.get("PlacementConstraints") or ()),
        count=task.get("TaskCount", 1),
        enabled=found.get("State") == _state(True),
        aws=aws,
    )


def _cluster_arn(spec: ScheduleSpec) -> str:
    """A cluster goes by its name everywhere but here; the task definition's ARN has all else that its ARN needs."""
    cluster = str(spec.cluster)
    if cluster.startswith("arn:"):
        return cluster
    return f"{str(spec.task_definition).partition(':task-definition/')[0]}:cluster/{cluster}"


def _state(enabled: bool) -> str:
    return "ENABLED" if enabled else "DISABLED"


def _written_network(network: Network | None) -> dict[str, Any] | None:
    """As in ECS, but with capitals."""
    if network is None:
        return None
    inner = {
        "Subnets": sorted(map(str, network.subnets)),
        "SecurityGroups": sorted(map(str, network.security_groups)),
        "AssignPublicIp": "ENABLED" if network.public_ip else "DISABLED",
    }
    return {"awsvpcConfiguration": {key: value for key, value in inner.items() if value}}


def _read_network(configuration: Mapping[str, Any]) -> Network | None:
    inner = configuration.get("awsvpcConfiguration")
    if not inner:
        return None
    return Network(
        subnets=tuple(inner["Subnets"]),
        security_groups=tuple(inner.get("SecurityGroups", ())),
        public_ip=inner.get("AssignPublicIp") == "ENABLED",
    )
