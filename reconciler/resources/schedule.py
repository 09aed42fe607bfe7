"""A schedule: EventBridge Scheduler starts a task of a task definition at set times.

AWS keeps tags for groups of schedules only, so that each schedule has a group to itself, of the same name, which says
whose it is. An update overwrites everything, and whatever is left out of it goes back to its default; so an update is
what there is, with what the specs declare written over it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

from reconciler import errors
from reconciler.model import members
from reconciler.model.diff import Change
from reconciler.model.other_tools import CLOUDFORMATION, CloudFormationImport, TerraformImport
from reconciler.model.permissions import Binding, NamedArn, Permissions
from reconciler.model.resource import Calls, Desired, Link, Observed, Path, ResourceHealth, ServiceApi
from reconciler.model.resource_type import ResourceType, Scope
from reconciler.model.tagging import TagRules
from reconciler.resources import _ecs, _gone, _tags
from reconciler.resources._schedule_fields import API, WRITTEN, ScheduleSpec, moment, read, written

__all__ = ["Schedule", "ScheduleSpec"]

scheduler = ServiceApi("scheduler")


class Schedule(ResourceType[ScheduleSpec]):
    kind: ClassVar[str] = "schedule"
    Spec = ScheduleSpec
    not_exported: ClassVar[Mapping[str, str]] = {
        CLOUDFORMATION: "it identifies schedules by their names alone, and this one is in a group of its own",
    }
    creates: ClassVar[tuple[str, ...]] = ("CreateScheduleGroup", "CreateSchedule")
    named_by: ClassVar[str | None] = "name"
    listed_by_name: ClassVar[bool] = True
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
    depends_on: ClassVar[tuple[str, ...]] = ("cluster-capacity",)
    observe_after: ClassVar[tuple[str, ...]] = ("cluster", "task-definition")

    def arns(self, spec: ScheduleSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        return {
            Binding.MAKE_BY_NAME: (("scheduler", f"schedule-group/{spec.name}"),),
            Binding.SCHEDULES: (("scheduler", f"schedule/{spec.name}/*"),),
        }

    def in_terraform(self, found: Observed[ScheduleSpec]) -> Iterator[TerraformImport]:
        yield TerraformImport("aws_scheduler_schedule_group", found.id)
        yield TerraformImport("aws_scheduler_schedule", f"{found.id}/{found.id}")

    def in_cloudformation(self, found: Observed[ScheduleSpec]) -> Iterator[CloudFormationImport]:
        yield CloudFormationImport("AWS::Scheduler::ScheduleGroup", {"Name": found.id})

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
            shown = {key: moment(value, said.get(key)) for key, value in (found or {}).items()}
            aws = members.seen(API, said, shown, tags[name], address) if said else {}
            observed.append(
                Observed(
                    address,
                    name,
                    read(name, shown, wanted.get(name), aws),
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
            yield scheduler.update_schedule(GroupName=old.id, Name=old.id, **written(new.spec, settings))

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
    yield scheduler.create_schedule(GroupName=name, Name=name, **written(new.spec, {}))
