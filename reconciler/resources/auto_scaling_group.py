"""An Auto Scaling group: the EC2 instances that tasks run on, whose number ECS sets.

It is started from the default version of its launch template. How many instances there are belongs to the managed
scaling of its capacity provider, which also tags it (`AmazonECSManaged`). With it go its instances. Its deletion takes
minutes, and until then it holds its subnets, security groups and launch template.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final

from reconciler import errors
from reconciler.model import ownership, resource
from reconciler.model.diff import Change
from reconciler.model.other_tools import CloudFormationAttribute, CloudFormationImport, TerraformImport
from reconciler.model.permissions import Binding, NamedArn, OnBehalf, Operation, Permissions
from reconciler.model.resource import Batch, Call, Calls, Desired, Link, Observed, ResourceHealth, ServiceApi
from reconciler.model.resource_type import FieldMark, ResourceType, Scope
from reconciler.resources import _gone, _tags

autoscaling = ServiceApi("autoscaling")

NEWEST: Final = "$Default"
STARTED: Final[tuple[NamedArn, ...]] = (
    ("ec2", "image/*", ""),
    ("ec2", "snapshot/*", ""),
    *(("ec2", f"{kind}/*") for kind in ("instance", "network-interface", "security-group", "subnet", "volume")),
)
"""What EC2 decides about when instances are started from a launch template, beside the template itself, which has to be
allowed as well (Amazon EC2 Auto Scaling User Guide, "Control Amazon EC2 launch template usage")."""

ON_DEMAND: Final = {"OnDemandPercentageAboveBaseCapacity": 100, "OnDemandAllocationStrategy": "prioritized"}


class AutoScalingGroupSpec(resource.Spec):
    """`instance_types` in the order in which they are tried. New instances are `protected` from scaling in, which the
    managed termination protection of a capacity provider needs."""

    name: Annotated[str, FieldMark.IMMUTABLE]
    template: Link
    instance_types: tuple[str, ...]
    subnets: Annotated[tuple[Link, ...], FieldMark.UNORDERED]
    min: int
    max: int
    protected: bool


class AutoScalingGroup(ResourceType[AutoScalingGroupSpec]):
    kind: ClassVar[str] = "auto-scaling-group"
    Spec = AutoScalingGroupSpec
    changed_by: ClassVar[tuple[Operation, ...]] = (("autoscaling", "SetDesiredCapacity"),)
    creates: ClassVar[tuple[str, ...]] = ("CreateAutoScalingGroup",)
    named_by: ClassVar[str | None] = "name"
    indexed: ClassVar[bool] = False
    permissions: ClassVar[Permissions] = Permissions(
        bindings={("autoscaling", "CreateAutoScalingGroup"): Binding.MAKE_BY_NAME},
        tagging="CreateOrUpdateTags",
        linked_role="autoscaling.amazonaws.com",
        on_behalf=(
            OnBehalf(
                "StartFromTemplates",
                "instances are started from launch templates of the stack only",
                ("ec2:RunInstances",),
                (("ec2", "launch-template/*"),),
                ours=True,
            ),
            OnBehalf(
                "StartInstances",
                "an Auto Scaling group starts instances only where its creator may, too",
                ("ec2:RunInstances",),
                STARTED,
                condition={"Null": {"ec2:LaunchTemplate": "false"}},
            ),
            OnBehalf(
                "LookUpImages",
                "AWS looks up the image of a launch template in the name of the creator",
                ("ssm:GetParameters",),
                (("ssm", "parameter/aws/service/*"),),
                public=True,
            ),
        ),
    )
    observe_after: ClassVar[tuple[str, ...]] = ("launch-template",)
    slow_to_delete: ClassVar[bool] = True

    def arns(self, spec: AutoScalingGroupSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        return {Binding.MAKE_BY_NAME: (("autoscaling", f"autoScalingGroup:*:autoScalingGroupName/{spec.name}"),)}

    def in_terraform(self, found: Observed[AutoScalingGroupSpec]) -> Iterator[TerraformImport]:
        yield TerraformImport("aws_autoscaling_group", found.spec.name)

    def in_cloudformation(self, found: Observed[AutoScalingGroupSpec]) -> Iterator[CloudFormationImport]:
        """CloudFormation takes no `$Default` for the version of a launch template."""
        spec = found.spec
        version = CloudFormationAttribute(str(spec.template), "DefaultVersionNumber")
        template = {"LaunchTemplateId": str(spec.template), "Version": version}
        overrides = [{"InstanceType": one} for one in spec.instance_types]
        properties: dict[str, Any] = {
            "MinSize": str(spec.min),
            "MaxSize": str(spec.max),
            "VPCZoneIdentifier": [str(subnet) for subnet in spec.subnets],
        }
        if spec.template:
            policy = {"LaunchTemplateSpecification": template, "Overrides": overrides}
            properties["MixedInstancesPolicy"] = {"LaunchTemplate": policy}
        yield CloudFormationImport(
            "AWS::AutoScaling::AutoScalingGroup", {"AutoScalingGroupName": spec.name}, properties
        )

    def observe(self, scope: Scope) -> Calls[list[Observed[AutoScalingGroupSpec]]]:
        """By name, and by tag: the tag index need not list them, so they are looked for where the stack has launch
        templates, which go after them."""
        wanted = {want.spec.name: want for want in scope.wanted}
        calls: list[Call] = []
        if wanted:
            calls.append(autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=sorted(wanted)))
        if wanted or scope.ours("launch-template"):
            ours = [{"Name": f"tag:{ownership.STACK}", "Values": [scope.stack]}]
            calls.append(autoscaling.describe_auto_scaling_groups(Filters=ours))
        answers = yield Batch.of(calls)
        items = {item["AutoScalingGroupName"]: item for answer in answers for item in answer["AutoScalingGroups"]}
        found = []
        for name, item in sorted(items.items()):
            tags = _tags.of_pairs(item.get("Tags", ()))
            address = _tags.address_of(self.kind, name, tags, scope, wanted.get(name))
            if address is not None:
                deleting = "Status" in item
                found.append(
                    Observed(
                        address,
                        item["AutoScalingGroupARN"],
                        _read(item),
                        tags=tags,
                        health=ResourceHealth.PROGRESSING if deleting else ResourceHealth.READY,
                        reason="the Auto Scaling group and its instances are being deleted" if deleting else "",
                        facts={"deleting": True} if deleting else {},
                    )
                )
        return found

    def create(self, new: Desired[AutoScalingGroupSpec]) -> Calls[str]:
        name = new.spec.name
        try:
            yield autoscaling.create_auto_scaling_group(
                AutoScalingGroupName=name, Tags=_own_tags(name, new.tags), **_written(new.spec)
            )
        except errors.Exists:
            item = yield from _described(name)
            if not _tags.is_this(_tags.of_pairs(item.get("Tags", ())), new):
                raise
        else:
            item = yield from _described(name)
        arn: str = item["AutoScalingGroupARN"]
        return arn

    def update(
        self, old: Observed[AutoScalingGroupSpec], new: Desired[AutoScalingGroupSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        if changes:
            yield autoscaling.update_auto_scaling_group(AutoScalingGroupName=old.spec.name, **_written(new.spec))

    def delete(self, old: Observed[AutoScalingGroupSpec]) -> Calls[None]:
        """Its instances go with it, also those that are protected from scaling in."""
        if not old.facts.get("deleting"):
            call = autoscaling.delete_auto_scaling_group(AutoScalingGroupName=old.spec.name, ForceDelete=True)
            yield from _gone.let_go(call)

    def update_tags(
        self, old: Observed[AutoScalingGroupSpec], put: Mapping[str, str], drop: Iterable[str]
    ) -> Calls[None]:
        names = sorted(drop)
        if names:
            yield autoscaling.delete_tags(Tags=[{**_of(old.spec.name), "Key": name} for name in names])
        if put:
            yield autoscaling.create_or_update_tags(Tags=_own_tags(old.spec.name, put))


def _described(name: str) -> Calls[Mapping[str, Any]]:
    answer = yield autoscaling.describe_auto_scaling_groups(AutoScalingGroupNames=[name])
    item: Mapping[str, Any] = answer["AutoScalingGroups"][0]
    return item


def _of(name: str) -> dict[str, str]:
    return {"ResourceId": name, "ResourceType": "auto-scaling-group"}


def _own_tags(name: str, tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """On the group alone, but for the name: the instances are not the stack's to look after."""
    return [{**_of(name), **pair, "PropagateAtLaunch": pair["Key"] == "Name"} for pair in _tags.pairs(tags)]


def _written(spec: AutoScalingGroupSpec) -> dict[str, Any]:
    return {
        "MixedInstancesPolicy": {
            "LaunchTemplate": {
                "LaunchTemplateSpecification": {"LaunchTemplateId": spec.template, "Version": NEWEST},
                "Overrides": [{"InstanceType": one} for one in spec.instance_types],
            },
            "InstancesDistribution": dict(ON_DEMAND),
        },
        "MinSize": spec.min,
        "MaxSize": spec.max,
        "VPCZoneIdentifier": ",".join(sorted(map(str, spec.subnets))),
        "NewInstancesProtectedFromScaleIn": spec.protected,
    }


def _read(item: Mapping[str, Any]) -> AutoScalingGroupSpec:
    template = (item.get("MixedInstancesPolicy") or {}).get("LaunchTemplate") or {}
    specification = template.get("LaunchTemplateSpecification") or {}
    newest = specification.get("Version") == NEWEST
    return AutoScalingGroupSpec(
        name=item["AutoScalingGroupName"],
        template=specification.get("LaunchTemplateId", "") if newest else "",
        instance_types=tuple(one.get("InstanceType", "") for one in template.get("Overrides") or ()),
        subnets=tuple(sorted(filter(None, item.get("VPCZoneIdentifier", "").split(",")))),
        min=item["MinSize"],
        max=item["MaxSize"],
        protected=bool(item.get("NewInstancesProtectedFromScaleIn")),
    )
