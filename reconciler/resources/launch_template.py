"""A launch template: from what the EC2 instances of an Auto Scaling group are started.

Every change is a new version, which becomes the default one; instances that run already stay as they are. An image that
is named by a parameter of Systems Manager is looked up whenever an instance starts, so that new ones have the newest.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Final

from reconciler import errors
from reconciler.model import ownership, resource
from reconciler.model.diff import Change
from reconciler.model.permissions import Operation, Permissions
from reconciler.model.resource import Batch, Calls, Desired, Link, Observed
from reconciler.model.resource_type import FieldMark, ResourceType, Scope
from reconciler.resources import _ec2, _gone, _tags
from reconciler.resources._ec2 import Item, ec2

DEFAULT: Final = "$Default"
ROOT: Final = "/dev/xvda"
"""The root device of the ECS-optimized images of Amazon Linux."""
USER_DATA: Final = (
    "#!/bin/bash\necho ECS_CLUSTER={} >> /etc/ecs/ecs.config\necho ECS_AWSVPC_BLOCK_IMDS=true >> /etc/ecs/ecs.config\n"
)
"""Tasks have no access to the instance's metadata, which has the credentials of its role (ECS developer guide,
"Bootstrapping Amazon ECS Linux container instances to pass data" and "Amazon ECS container agent configuration").
"""
OTHER: Final = "other user data"


class LaunchTemplateSpec(resource.Spec):
    """`image` is the id of one, or `resolve:ssm:` and a parameter. `cluster` is what the ECS agent joins; `volume` is
    in GiB. Session tokens are needed for the metadata of an instance (IMDSv2) where `tokens_required`."""

    name: Annotated[str, FieldMark.IMMUTABLE]
    cluster: Link
    image: str
    instance_profile: Link
    security_groups: Annotated[tuple[Link, ...], FieldMark.UNORDERED]
    public_ip: bool
    volume: int
    tokens_required: bool = True


class LaunchTemplate(ResourceType[LaunchTemplateSpec]):
    kind: ClassVar[str] = "launch-template"
    Spec = LaunchTemplateSpec
    terraform: ClassVar[str] = "aws_launch_template"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::EC2::LaunchTemplate", "LaunchTemplateId")
    changed_by: ClassVar[tuple[Operation, ...]] = (("ec2", "DeleteLaunchTemplateVersions"),)
    creates: ClassVar[tuple[str, ...]] = ("CreateLaunchTemplate",)
    named_by: ClassVar[str | None] = "name"
    permissions: ClassVar[Permissions] = Permissions(ec2="launch-template")

    def required_properties(self, found: Observed[LaunchTemplateSpec]) -> Mapping[str, Any]:
        return {"LaunchTemplateName": found.spec.name, "LaunchTemplateData": _written(found.spec)}

    def observe(self, scope: Scope) -> Calls[list[Observed[LaunchTemplateSpec]]]:
        wanted = {want.spec.name: want for want in scope.wanted}
        if not wanted and not any(scope.swept_arns("ec2", "launch-template/")):
            return []
        named = _ec2.filters("launch-template-name", wanted)
        tagged = _ec2.filters(f"tag:{ownership.STACK}", [scope.stack])
        answers = yield Batch.of(ec2.describe_launch_templates(Filters=each) for each in (*named, *tagged))
        items = {item["LaunchTemplateId"]: item for answer in answers for item in answer["LaunchTemplates"]}
        concerned = []
        for item in items.values():
            name, tags = item["LaunchTemplateName"], _ec2.tags_of(item)
            address = _tags.address_of(self.kind, name, tags, scope, wanted.get(name))
            concerned += [] if address is None else [(address, item["LaunchTemplateId"], name, tags)]
        versions = yield from _gone.answers(
            [
                ec2.describe_launch_template_versions(LaunchTemplateId=identifier, Versions=[DEFAULT])
                for _, identifier, _, _ in concerned
            ]
        )
        return [
            Observed(
                address,
                identifier,
                _read(name, answer["LaunchTemplateVersions"][0]["LaunchTemplateData"]),
                tags=tags,
                facts={"ids": (scope.arn("ec2", f"launch-template/{identifier}"),)},
            )
            for (address, identifier, name, tags), answer in zip(concerned, versions, strict=True)
            if answer is not None
        ]

    def create(self, new: Desired[LaunchTemplateSpec]) -> Calls[str]:
        try:
            answer = yield ec2.create_launch_template(
                LaunchTemplateName=new.spec.name,
                LaunchTemplateData=_written(new.spec),
                TagSpecifications=_ec2.specification("launch-template", new.tags),
            )
            made: Item = answer["LaunchTemplate"]
        except errors.Exists:
            answer = yield ec2.describe_launch_templates(LaunchTemplateNames=[new.spec.name])
            earlier = _ec2.mine(new, answer["LaunchTemplates"])
            if earlier is None:
                raise
            made = earlier
        identifier: str = made["LaunchTemplateId"]
        return identifier

    def update(
        self, old: Observed[LaunchTemplateSpec], new: Desired[LaunchTemplateSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        if not changes:
            return
        answer = yield ec2.create_launch_template_version(
            LaunchTemplateId=old.id, LaunchTemplateData=_written(new.spec)
        )
        number = str(answer["LaunchTemplateVersion"]["VersionNumber"])
        yield ec2.modify_launch_template(LaunchTemplateId=old.id, DefaultVersion=number)

    def delete(self, old: Observed[LaunchTemplateSpec]) -> Calls[None]:
        yield from _gone.let_go(ec2.delete_launch_template(LaunchTemplateId=old.id))

    def update_tags(
        self, old: Observed[LaunchTemplateSpec], put: Mapping[str, str], drop: Iterable[str]
    ) -> Calls[None]:
        yield from _ec2.update_tags(old, put, drop)


def _written(spec: LaunchTemplateSpec) -> dict[str, Any]:
    """The data of a version, which is whole."""
    return {
        "ImageId": spec.image,
        "IamInstanceProfile": {"Arn": spec.instance_profile},
        "NetworkInterfaces": [
            {
                "DeviceIndex": 0,
                "AssociatePublicIpAddress": spec.public_ip,
                "DeleteOnTermination": True,
                "Groups": sorted(map(str, spec.security_groups)),
            }
        ],
        "BlockDeviceMappings": [
            {
                "DeviceName": ROOT,
                "Ebs": {
                    "VolumeSize": spec.volume,
                    "VolumeType": "gp3",
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
        "MetadataOptions": {
            "HttpEndpoint": "enabled",
            "HttpTokens": "required" if spec.tokens_required else "optional",
        },
        "UserData": base64.b64encode(USER_DATA.format(spec.cluster).encode()).decode(),
    }


def _read(name: str, data: Item) -> LaunchTemplateSpec:
    interface: Item = next(iter(data.get("NetworkInterfaces") or ()), {})
    root: Item = next((one for one in data.get("BlockDeviceMappings") or () if one.get("DeviceName") == ROOT), {})
    return LaunchTemplateSpec(
        name=name,
        cluster=_cluster(data.get("UserData", "")),
        image=data.get("ImageId", ""),
        instance_profile=(data.get("IamInstanceProfile") or {}).get("Arn", ""),
        security_groups=tuple(sorted(interface.get("Groups") or ())),
        public_ip=bool(interface.get("AssociatePublicIpAddress")),
        volume=int((root.get("Ebs") or {}).get("VolumeSize", 0)),
        tokens_required=(data.get("MetadataOptions") or {}).get("HttpTokens") == "required",
    )


def _cluster(encoded: str) -> str:
    """The cluster that instances join by user data of ours."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return OTHER
    before, after = USER_DATA.split("{}")
    ours = text.startswith(before) and text.endswith(after)
    return text.removeprefix(before).removesuffix(after) if ours else OTHER
