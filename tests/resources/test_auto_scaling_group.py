"""Auto Scaling groups: the law example, and their slow end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.model.resource import Observed, ResourceHealth
from reconciler.resources.auto_scaling_group import AutoScalingGroup, AutoScalingGroupSpec
from reconciler.resources.launch_template import LaunchTemplateSpec
from reconciler.resources.subnet import SubnetSpec
from reconciler.resources.vpc import VpcSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged
from tests.resources.test_launch_template import FIELDS

NEEDS = (
    wish("vpc/web", VpcSpec(cidr="10.0.0.0/20")),
    wish("subnet/a", SubnetSpec(vpc=ref("vpc/web"), cidr="10.0.1.0/24", zone="us-west-2a")),
    wish("subnet/c", SubnetSpec(vpc=ref("vpc/web"), cidr="10.0.2.0/24", zone="us-west-2c")),
    wish("launch-template/web", LaunchTemplateSpec(security_groups=(), **FIELDS)),
)
GROUP: dict[str, Any] = {
    "template": ref("launch-template/web"),
    "instance_types": ("m7g.large", "m6g.large"),
    "subnets": (ref("subnet/a"), ref("subnet/c")),
    "min": 0,
    "max": 4,
    "protected": True,
}

EXAMPLE = Example(
    wish("auto-scaling-group/web", AutoScalingGroupSpec(name="web", **GROUP)),
    needs=NEEDS,
    edits=(
        Edit({"max": 6}, "max"),
        Edit({"protected": False}, "protected"),
        Edit({"subnets": (ref("subnet/c"), ref("subnet/a"))}),
        Edit({"name": "other"}, "name"),
    ),
    unique=True,
    decoys=(
        wish("vpc/web", VpcSpec(cidr="10.1.0.0/20")),
        wish("subnet/a", SubnetSpec(vpc=ref("vpc/web"), cidr="10.1.1.0/24", zone="us-west-2a")),
        wish("launch-template/web", LaunchTemplateSpec(security_groups=(), **FIELDS | {"name": "decoy"})),
        wish(
            "auto-scaling-group/decoy",
            AutoScalingGroupSpec(name="decoy", **GROUP | {"subnets": (ref("subnet/a"),)}),
        ),
    ),
)

ARN = "arn:aws:autoscaling:us-west-2:123456789012:autoScalingGroup:1:autoScalingGroupName/web"
WANT = wish("auto-scaling-group/web", AutoScalingGroupSpec(name="web", **GROUP))
WANT = replace(WANT, tags=tagged(WANT))


def observed(**fields: Any) -> Observed[AutoScalingGroupSpec]:
    item = {
        "AutoScalingGroupName": "web",
        "AutoScalingGroupARN": ARN,
        "MinSize": 0,
        "MaxSize": 4,
        "Tags": pairs(WANT.tags),
        **fields,
    }
    return Talk(DescribeAutoScalingGroups={"AutoScalingGroups": [item]}).hold(AutoScalingGroup().observe(scope(WANT)))[
        0
    ]


def test_nothing_is_asked_where_the_stack_has_no_launch_templates() -> None:
    """A stack without EC2 capacity needs no permission for it."""
    talk = Talk()
    assert talk.hold(AutoScalingGroup().observe(scope())) == []
    assert talk.said == []


def test_one_that_is_being_deleted_is_not_deleted_again() -> None:
    """It takes minutes for its instances to go."""
    found = observed(Status="Delete in progress")
    assert (found.health, found.facts["deleting"]) == (ResourceHealth.PROGRESSING, True)
    talk = Talk()
    talk.hold(AutoScalingGroup().delete(found))
    assert talk.said == []


def test_a_group_of_one_launch_template_version_differs() -> None:
    """One that was pinned to a version, or made another way, is set to the default version."""
    policy = {
        "LaunchTemplate": {
            "LaunchTemplateSpecification": {"LaunchTemplateId": "lt-1", "Version": "3"},
            "Overrides": [{"InstanceType": "m7g.large"}],
        }
    }
    assert observed(MixedInstancesPolicy=policy).spec.template == ""
    assert observed().spec.instance_types == ()


def test_the_instances_carry_the_name_alone() -> None:
    """They come and go by themselves, and are not the stack's to look after."""
    talk = Talk()
    talk.hold(AutoScalingGroup().update_tags(observed(), {"Name": "web", "team": "red"}, ()))
    (params,) = talk.params("CreateOrUpdateTags")
    assert {tag["Key"]: tag["PropagateAtLaunch"] for tag in params["Tags"]} == {"Name": True, "team": False}
