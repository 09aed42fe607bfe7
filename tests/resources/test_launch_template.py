"""Launch templates: the law example, and what instances are started from."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.diff import diff
from reconciler.resources.launch_template import LaunchTemplate, LaunchTemplateSpec
from reconciler.resources.security_group import SecurityGroupSpec
from reconciler.resources.vpc import VpcSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged

PROFILE = "arn:aws:iam::123456789012:instance-profile/web"
IMAGE = "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id"
FIELDS: dict[str, Any] = {
    "name": "web",
    "cluster": "c",
    "image": IMAGE,
    "instance_profile": PROFILE,
    "public_ip": False,
    "volume": 30,
}

EXAMPLE = Example(
    wish("launch-template/web", LaunchTemplateSpec(security_groups=(ref("security-group/a"),), **FIELDS)),
    needs=(
        wish("vpc/web", VpcSpec(cidr="10.0.0.0/20")),
        wish("security-group/a", SecurityGroupSpec(vpc=ref("vpc/web"), group_name="a", description="a")),
    ),
    edits=(
        Edit({"cluster": "other"}, "cluster"),
        Edit({"image": "ami-12345678"}, "image"),
        Edit({"public_ip": True}, "public_ip"),
        Edit({"volume": 50}, "volume"),
        Edit({"tokens_required": False}, "tokens_required"),
        Edit({"name": "other"}, "name"),
    ),
    unique=True,
    decoys=(wish("launch-template/decoy", LaunchTemplateSpec(security_groups=("sg-1",), **FIELDS | {"name": "d"})),),
)

SPEC = LaunchTemplateSpec(security_groups=("sg-2", "sg-1"), **FIELDS)
WANT = wish("launch-template/web", SPEC)
WANT = replace(WANT, tags=tagged(WANT))


def test_nothing_is_asked_where_no_template_is_wanted_or_owned() -> None:
    talk = Talk()
    assert talk.hold(LaunchTemplate().observe(scope())) == []
    assert talk.said == []


def test_instances_join_the_cluster_and_need_session_tokens() -> None:
    """User data for the ECS agent, IMDSv2, an encrypted volume, no public address unless the specs say so."""
    talk = Talk(CreateLaunchTemplate={"LaunchTemplate": {"LaunchTemplateId": "lt-1"}})
    assert talk.hold(LaunchTemplate().create(WANT)) == "lt-1"
    (params,) = talk.params("CreateLaunchTemplate")
    data = params["LaunchTemplateData"]
    assert base64.b64decode(data["UserData"]).decode().splitlines() == [
        "#!/bin/bash",
        "echo ECS_CLUSTER=c >> /etc/ecs/ecs.config",
        "echo ECS_AWSVPC_BLOCK_IMDS=true >> /etc/ecs/ecs.config",
    ]
    assert data["MetadataOptions"]["HttpTokens"] == "required"
    assert data["NetworkInterfaces"][0] == {
        "DeviceIndex": 0,
        "AssociatePublicIpAddress": False,
        "DeleteOnTermination": True,
        "Groups": ["sg-1", "sg-2"],
    }
    assert data["BlockDeviceMappings"][0]["Ebs"]["Encrypted"] is True


@pytest.mark.parametrize("text", ["", "!", base64.b64encode(b"#!/bin/bash\nreboot\n").decode()])
def test_other_user_data_is_a_difference(text: str) -> None:
    """Whatever somebody wrote there, instances would not join the cluster as declared."""
    item = {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "web", "Tags": pairs(WANT.tags)}
    version = {"LaunchTemplateData": {"UserData": text}}
    talk = Talk(
        DescribeLaunchTemplates={"LaunchTemplates": [item]},
        DescribeLaunchTemplateVersions={"LaunchTemplateVersions": [version]},
    )
    (found,) = talk.hold(LaunchTemplate().observe(scope(WANT)))
    assert "cluster" in {change.field for change in diff(found, SPEC)}


def test_a_change_is_a_new_default_version() -> None:
    """Instances that run stay; the Auto Scaling group starts new ones from the default version."""
    talk = Talk(CreateLaunchTemplateVersion={"LaunchTemplateVersion": {"VersionNumber": 4}})
    item = {"LaunchTemplateId": "lt-1", "LaunchTemplateName": "web", "Tags": pairs(WANT.tags)}
    seen = Talk(
        DescribeLaunchTemplates={"LaunchTemplates": [item]},
        DescribeLaunchTemplateVersions={"LaunchTemplateVersions": [{"LaunchTemplateData": {}}]},
    )
    (old,) = seen.hold(LaunchTemplate().observe(scope(WANT)))
    talk.hold(LaunchTemplate().update(old, WANT, diff(old, SPEC)))
    assert talk.params("ModifyLaunchTemplate") == [{"LaunchTemplateId": "lt-1", "DefaultVersion": "4"}]
