"""A CodeDeploy deployment group of one ECS service, with the application that holds nothing else.

A group with a deployment configuration of ours creates it before, and lets it go after: the configuration takes no tags
and is shared by its name, which is its content (model/codedeploy_names.py), so that AWS alone knows who else names it,
and refuses to delete it until nobody does. What CodeDeploy names by name is compared with the ARNs of the specs.
Deleting a group stops no task. An application takes every group of it along when it is deleted, so it stays as long as
somebody has another one there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final

from reconciler import errors
from reconciler.model import codedeploy_names, members
from reconciler.model.diff import Change
from reconciler.model.named_by_events import EventType
from reconciler.model.other_tools import CloudFormationImport, TerraformImport
from reconciler.model.permissions import Binding, NamedArn, Permissions
from reconciler.model.resource import Calls, Desired, Observed, ServiceApi
from reconciler.model.resource_type import Replace, ResourceType, Scope
from reconciler.resources import _gone, _tags
from reconciler.resources._codedeploy_fields import API, DeploymentGroupSpec, read, settings

__all__ = ["DeploymentGroup", "DeploymentGroupSpec"]

codedeploy = ServiceApi("codedeploy")

AT_ONCE: Final = 100  # BatchGetApplications


class DeploymentGroup(ResourceType[DeploymentGroupSpec]):
    kind: ClassVar[str] = "codedeploy-deployment-group"
    Spec = DeploymentGroupSpec
    creates: ClassVar[tuple[str, ...]] = ("CreateApplication", "CreateDeploymentConfig", "CreateDeploymentGroup")
    named_by: ClassVar[str | None] = "name"
    permissions: ClassVar[Permissions] = Permissions(
        bindings={
            ("codedeploy", "CreateApplication"): Binding.MAKE_BY_NAME,
            ("codedeploy", "CreateDeploymentGroup"): Binding.MAKE_BY_NAME,
            **{
                ("codedeploy", name): Binding.DEPLOYMENTS
                for name in (
                    "CreateDeploymentConfig",
                    "DeleteApplication",
                    "DeleteDeploymentConfig",
                    "DeleteDeploymentGroup",
                    "UntagResource",
                    "UpdateDeploymentGroup",
                )
            },
        },
        tagging="TagResource",
        passes={"role": "codedeploy.amazonaws.com"},
    )
    event_types: ClassVar[tuple[EventType, ...]] = (
        EventType("aws.codedeploy", "CodeDeploy Deployment State-change Notification"),
    )
    inside: ClassVar[tuple[str, str] | None] = ("service", "service")
    observe_after: ClassVar[tuple[str, ...]] = ("target-group",)
    replace: ClassVar[Replace] = Replace.DELETE_FIRST

    def arns(self, spec: DeploymentGroupSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        own = tuple(("codedeploy", one) for one in _resources(spec.application, spec.name))
        configs = ("codedeploy", f"deploymentconfig:{codedeploy_names.OURS}*")
        return {Binding.MAKE_BY_NAME: own, Binding.DEPLOYMENTS: (*own, configs)}

    def in_terraform(self, found: Observed[DeploymentGroupSpec]) -> Iterator[TerraformImport]:
        application = found.spec.application
        yield TerraformImport("aws_codedeploy_app", application)
        yield TerraformImport("aws_codedeploy_deployment_group", f"{application}:{found.spec.name}")

    def in_cloudformation(self, found: Observed[DeploymentGroupSpec]) -> Iterator[CloudFormationImport]:
        application = {"ApplicationName": found.spec.application}
        platform = {"ComputePlatform": "ECS"}
        yield CloudFormationImport("AWS::CodeDeploy::Application", application, {**application, **platform}, "app")
        group = {**application, "DeploymentGroupName": found.spec.name}
        properties = {**group, "ServiceRoleArn": str(found.spec.role)}
        yield CloudFormationImport("AWS::CodeDeploy::DeploymentGroup", group, properties)

    def observe(self, scope: Scope) -> Calls[list[Observed[DeploymentGroupSpec]]]:
        wanted = {(want.spec.application, want.spec.name): want for want in scope.wanted}
        names = sorted({*wanted, *_swept(scope)})
        calls = [
            codedeploy.batch_get_deployment_groups(applicationName=application, deploymentGroupNames=[name])
            for application, name in names
        ]
        answers = yield from _gone.answers(calls)
        items = {
            key: item
            for key, answer in zip(names, answers, strict=True)
            for item in (() if answer is None else answer["deploymentGroupsInfo"])
        }
        tags = yield from _tags_of(items, wanted, scope)
        observed = []
        for (application, name), item in items.items():
            have, want = tags.get((application, name)), wanted.get((application, name))
            address = None if have is None else _tags.address_of(self.kind, name, have, scope, want)
            if have is None or address is None:
                continue
            arns = tuple(scope.arn("codedeploy", one) for one in _resources(application, name))
            said = {} if want is None else want.spec.aws
            aws = members.seen(API, said, item, have, address) if said else {}
            spec = read(application, item, None if want is None else want.spec, scope, aws)
            facts = {
                "arn": arns[-1],
                "ids": (application, *arns, spec.config),
                "alarms": item.get("alarmConfiguration") or {},
                "unstated": members.unstated(API, said, item),
            }
            observed.append(Observed(address, name, spec, tags=have, facts=facts))
        return [*observed, *(yield from self._left_over({*items, *wanted}, scope))]

    def _left_over(self, known: Iterable[tuple[str, str]], scope: Scope) -> Calls[list[Observed[DeploymentGroupSpec]]]:
        """Applications of the stack without their group, after a deletion that was not finished."""
        used = {application for application, _ in known}
        arns = {arn.rpartition(":")[2]: arn for arn in scope.swept_arns("codedeploy", "application:")}
        names = sorted(arns.keys() - used)
        answers = yield from _gone.batches(
            lambda some: codedeploy.batch_get_applications(applicationNames=some), names, AT_ONCE
        )
        observed = []
        for name in (one["applicationName"] for answer in answers for one in answer["applicationsInfo"]):
            tags = dict(scope.swept[arns[name]])
            address = _tags.address_of(self.kind, name, tags, scope, None)
            if address is not None:
                spec = DeploymentGroupSpec(
                    application=name, name=name, service="", role="", config="", target_groups=(), production="",
                    ready_wait=0, termination_wait=0,
                )  # fmt: skip
                facts = {"arn": arns[name], "ids": (name, arns[name])}
                observed.append(Observed(address, name, spec, tags=tags, facts=facts))
        return observed

    def create(self, new: Desired[DeploymentGroupSpec]) -> Calls[str]:
        spec, tags = new.spec, _tags.pairs(new.tags)
        try:
            yield codedeploy.create_application(applicationName=spec.application, computePlatform="ECS", tags=tags)
        except errors.Exists:
            yield from _same_owner(new, 0)
        yield from _configured(spec.config)
        try:
            yield codedeploy.create_deployment_group(
                applicationName=spec.application, deploymentGroupName=spec.name, tags=tags, **settings(spec)
            )
        except errors.Exists:
            yield from _same_owner(new, 1)
        return spec.name

    def update(
        self, old: Observed[DeploymentGroupSpec], new: Desired[DeploymentGroupSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        """Members that are sent are replaced, and what has no field here is not sent."""
        where = {"applicationName": old.spec.application, "currentDeploymentGroupName": old.spec.name}
        yield from _configured(new.spec.config)
        yield codedeploy.update_deployment_group(**where, **settings(new.spec, old.facts.get("alarms", {})))
        if new.spec.config != old.spec.config:
            yield from _without(old.spec.config)

    def delete(self, old: Observed[DeploymentGroupSpec]) -> Calls[None]:
        application = old.spec.application
        yield from _gone.let_go(
            codedeploy.delete_deployment_group(applicationName=application, deploymentGroupName=old.spec.name)
        )
        yield from _without(old.spec.config)
        answer = yield from _gone.answer(codedeploy.list_deployment_groups(applicationName=application))
        others = [name for name in (answer or {}).get("deploymentGroups", ()) if name != old.spec.name]
        if others:
            raise errors.Blocked(f"the application {application} still has {', '.join(sorted(others))}")
        yield from _gone.let_go(codedeploy.delete_application(applicationName=application))

    def update_tags(
        self, old: Observed[DeploymentGroupSpec], put: Mapping[str, str], drop: Iterable[str]
    ) -> Calls[None]:
        """The group's tags stand for those of its application, which has the ones that it was created with."""
        names, arn = sorted(drop), old.facts["arn"]
        if names:
            yield codedeploy.untag_resource(ResourceArn=arn, TagKeys=names)
        if put:
            yield codedeploy.tag_resource(ResourceArn=arn, Tags=_tags.pairs(put))


def _resources(application: str, group: str) -> tuple[str, str]:
    """The resource parts of both ARNs."""
    return f"application:{application}", f"deploymentgroup:{application}/{group}"


def _swept(scope: Scope) -> set[tuple[str, str]]:
    found = set()
    for arn in scope.swept_arns("codedeploy", "deploymentgroup:"):
        application, _, name = arn.partition(":deploymentgroup:")[2].partition("/")
        found.add((application, name))
    return found


def _tags_of(
    keys: Iterable[tuple[str, str]], wanted: Mapping[tuple[str, str], Desired[Any]], scope: Scope
) -> Calls[dict[tuple[str, str], dict[str, str]]]:
    """The tags of each group: from the index, or read one by one."""
    arns = {key: scope.arn("codedeploy", _resources(*key)[1]) for key in keys}
    found: dict[tuple[str, str], dict[str, str]] = {}
    for key, arn in arns.items():
        if (known := _tags.from_sweep(arn, scope, wanted.get(key))) is not None:
            found[key] = known
    unknown = [key for key in arns if key not in found]
    answers = yield from _gone.answers([codedeploy.list_tags_for_resource(ResourceArn=arns[key]) for key in unknown])
    return found | {key: _tags.of_pairs(one["Tags"]) for key, one in zip(unknown, answers, strict=True) if one}


def _same_owner(new: Desired[DeploymentGroupSpec], which: int) -> Calls[None]:
    """Raises `errors.Exists` unless the application (0) or the group (1) is what an earlier attempt has created."""
    partition, _, region, account = str(new.spec.service).split(":", 5)[1:5]
    resource = _resources(new.spec.application, new.spec.name)[which]
    arn = f"arn:{partition}:codedeploy:{region}:{account}:{resource}"
    answer = yield codedeploy.list_tags_for_resource(ResourceArn=arn)
    if not _tags.is_this(_tags.of_pairs(answer["Tags"]), new):
        raise errors.Exists(f"{resource} exists and is not the stack's", call="codedeploy.CreateDeploymentGroup")


def _configured(name: str) -> Calls[None]:
    """The deployment configuration, if it is one of ours; whoever has created it."""
    content = codedeploy_names.routing(name)
    if content is None:
        return
    try:
        yield codedeploy.create_deployment_config(
            deploymentConfigName=name, computePlatform="ECS", trafficRoutingConfig=dict(content)
        )
    except errors.Exists:
        return


def _without(name: str) -> Calls[None]:
    """AWS keeps a configuration that a group still names, or another stack's does."""
    if codedeploy_names.routing(name) is None:
        return
    try:
        yield codedeploy.delete_deployment_config(deploymentConfigName=name)
    except (errors.Gone, errors.Blocked):
        return
