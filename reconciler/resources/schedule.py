"""A schedule: EventBridge Scheduler starts a task of a task definition at set times.

AWS keeps tags for groups of schedules only, so that each schedule has a group to itself, of the same name, which says
whose it is. An update overwrites everything, and whatever is left out of it goes back to its default; so an update is
what there is, with what the specs declare written over it.

It is one module because reading, writing and what the two leave alone are one table of the same names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue

from reconciler import errors
from reconciler.model import member_values, members, resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.permissions import Binding, NamedArn, Permissions
from reconciler.model.resource import Calls, Desired, Link, Observed, Path, ResourceHealth, ServiceApi
from reconciler.model.resource_type import FieldMark, ResourceType, Scope
from reconciler.model.tagging import TagRules
from reconciler.resources import _ecs, _gone, _tags
from reconciler.resources._ecs import Network, Strategy

scheduler = ServiceApi("scheduler")

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
        "Target.EcsParameters.NetworkConfiguration": "`placement` of the Task",
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
        *("StartDate", "EndDate", "Description", "KmsKeyArn", "Target.DeadLetterConfig", "Target.Input"),
        *(
            f"Target.EcsParameters.{name}"
            for name in (
                *("EnableECSManagedTags", "EnableExecuteCommand", "Group", "PlacementConstraints"),
                *("PlacementStrategy", "PropagateTags", "ReferenceId", "Tags"),
            )
        ),
    ),
)

AT_THE_VERY_MINUTE = {"Mode": "OFF"}
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
    network: Network | None = None
    launch_type: str | None = None
    capacity_provider_strategy: Annotated[tuple[Strategy, ...] | None, FieldMark.UNORDERED] = None
    platform_version: str | None = None
    count: int | None = None
    enabled: bool | None = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


class Schedule(ResourceType[ScheduleSpec]):
    kind: ClassVar[str] = "schedule"
    Spec = ScheduleSpec
    creates: ClassVar[tuple[str, ...]] = ("CreateScheduleGroup", "CreateSchedule")
    named_by: ClassVar[str | None] = "name"
    tag_rules: ClassVar[TagRules] = TagRules(empty_values=False)
    permissions: ClassVar[Permissions] = Permissions(
        bindings={
            ("scheduler", "CreateScheduleGroup"): Binding.MAKE_BY_NAME,
            ("scheduler", "CreateSchedule"): Binding.SCHEDULES,
            ("scheduler", "UpdateSchedule"): Binding.SCHEDULES,
            ("scheduler", "DeleteSchedule"): Binding.SCHEDULES,
        },
        tagging="TagResource",
        passes={"role": "scheduler.amazonaws.com"},
    )
    starts_tasks: ClassVar[bool] = True
    inside: ClassVar[tuple[str, str] | None] = ("cluster", "cluster")
    observe_after: ClassVar[tuple[str, ...]] = ("cluster", "task-definition")

    def arns(self, spec: ScheduleSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        return {
            Binding.MAKE_BY_NAME: (("scheduler", f"schedule-group/{spec.name}"),),
            Binding.SCHEDULES: (("scheduler", f"schedule/{spec.name}/*"),),
        }

    def observe(self, scope: Scope) -> Calls[list[Observed[ScheduleSpec]]]:
        answer = yield scheduler.list_schedule_groups()
        wanted = {want.spec.name: want for want in scope.wanted}
        groups = {
            group["Name"]: group
            for group in answer["ScheduleGroups"]
            if group["Name"] in wanted or group["Arn"] in scope.swept
        }
        tags: dict[str, dict[str, str]] = {}
        for name, group in groups.items():
            known = _tags.from_sweep(group["Arn"], scope, wanted.get(name))
            if known is not None:
                tags[name] = known
        unknown = [name for name in groups if name not in tags]
        answers = yield from _gone.answers(
            [scheduler.list_tags_for_resource(ResourceArn=groups[name]["Arn"]) for name in unknown]
        )
        tags |= {name: _tags.of_pairs(found["Tags"]) for name, found in zip(unknown, answers, strict=True) if found}
        names = sorted(tags)
        answers = yield from _gone.answers([scheduler.get_schedule(GroupName=name, Name=name) for name in names])
        observed = []
        for name, found in zip(names, answers, strict=True):
            address = _tags.address_of(self.kind, name, tags[name], scope, wanted.get(name))
            deleting = groups[name]["State"] == "DELETING"
            if address is None or (deleting and name not in wanted):
                continue
            said = wanted[name].spec.aws if name in wanted else {}
            shown = {key: _moment(value, said.get(key)) for key, value in (found or {}).items()}
            aws = members.seen(API, said, shown, tags[name], address) if said else {}
            observed.append(
                Observed(
                    address,
                    name,
                    _read(name, shown, wanted.get(name), aws),
                    tags=tags[name],
                    health=ResourceHealth.PROGRESSING if deleting else ResourceHealth.READY,
                    reason="an earlier schedule of that name is still being deleted" if deleting else "",
                    facts={
                        "arn": groups[name]["Arn"],
                        "ids": (groups[name]["Arn"],),
                        "deleting": deleting,
                        "settings": {key: shown[key] for key in WRITTEN if shown.get(key)} if found else None,
                        "unstated": members.unstated(API, said, shown),
                    },
                )
            )
        return observed

    def create(self, new: Desired[ScheduleSpec]) -> Calls[str]:
        name = new.spec.name
        try:
            yield scheduler.create_schedule_group(Name=name, Tags=_tags.pairs(new.tags))
        except errors.Exists:
            group = yield scheduler.get_schedule_group(Name=name)
            answer = yield scheduler.list_tags_for_resource(ResourceArn=group["Arn"])
            if not _tags.is_this(_tags.of_pairs(answer["Tags"]), new):
                raise
        try:
            yield from _create_in_group(name, new)
        except errors.Exists:
            return name  # in our own group: made earlier, and compared in the next pass
        return name

    def update(
        self, old: Observed[ScheduleSpec], new: Desired[ScheduleSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        settings = old.facts["settings"]
        if not changes:
            return
        if settings is None:
            yield from _create_in_group(old.id, new)  # the group was made, and the schedule was not, or was deleted
        else:
            yield scheduler.update_schedule(GroupName=old.id, Name=old.id, **_written(new.spec, settings))

    def lost(
        self, old: Observed[ScheduleSpec], new: Desired[ScheduleSpec], changes: tuple[Change, ...]
    ) -> Mapping[Path, Any]:
        """A task definition of another family is another task, whatever ours has of it."""
        family = _family(old.spec.task_definition)
        return {("task_definition",): family} if family not in ("", _family(new.spec.task_definition)) else {}

    def delete(self, old: Observed[ScheduleSpec]) -> Calls[None]:
        # the schedule first: while a group goes, what is in it may still start tasks
        yield from _gone.let_go(scheduler.delete_schedule(GroupName=old.id, Name=old.id))
        try:
            group = yield scheduler.get_schedule_group(Name=old.id)
        except errors.Gone:
            return
        if group["State"] != "DELETING":
            yield from _gone.let_go(scheduler.delete_schedule_group(Name=old.id))

    def update_tags(self, old: Observed[ScheduleSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        names = sorted(drop)
        if names:
            yield scheduler.untag_resource(ResourceArn=old.facts["arn"], TagKeys=names)
        if put:
            yield scheduler.tag_resource(ResourceArn=old.facts["arn"], Tags=_tags.pairs(put))


def _family(definition: Link) -> str:
    return _ecs.last(str(definition)).partition(":")[0]


def _create_in_group(name: str, new: Desired[ScheduleSpec]) -> Calls[None]:
    yield scheduler.create_schedule(GroupName=name, Name=name, **_written(new.spec, {}))


def _written(spec: ScheduleSpec, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Every setting: those in the specs over those that are there."""
    target = settings.get("Target", {})
    task = {
        "TaskDefinitionArn": spec.task_definition,
        "TaskCount": spec.count,
        "LaunchType": spec.launch_type,
        "CapacityProviderStrategy": _ecs.strategy_items(spec.capacity_provider_strategy),
        "PlatformVersion": spec.platform_version,
        "NetworkConfiguration": _written_network(spec.network),
    }
    parameters = target.get("EcsParameters", {}) | {key: value for key, value in task.items() if value is not None}
    if spec.launch_type is not None:
        parameters.pop("CapacityProviderStrategy", None)  # AWS takes one of the two
    elif spec.capacity_provider_strategy is not None:
        parameters.pop("LaunchType", None)
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


def _moment(shown: Any, said: Any) -> Any:
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


def _read(name: str, found: Mapping[str, Any], want: Desired[Any] | None, aws: dict[str, Any]) -> ScheduleSpec:
    target = found.get("Target", {})
    task = target.get("EcsParameters", {})
    cluster = target.get("Arn", "")
    if want is not None and cluster and cluster == _cluster_arn(want.spec):
        cluster = want.spec.cluster
    return ScheduleSpec(
        name=name,
        expression=found.get("ScheduleExpression", ""),
        time_zone=found.get("ScheduleExpressionTimezone", ""),
        cluster=cluster,
        task_definition=task.get("TaskDefinitionArn", ""),
        role=target.get("RoleArn", ""),
        network=_read_network(task.get("NetworkConfiguration", {})),
        launch_type=task.get("LaunchType", ""),
        capacity_provider_strategy=_ecs.strategy_of(task.get("CapacityProviderStrategy")),
        platform_version=task.get("PlatformVersion", ""),
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
