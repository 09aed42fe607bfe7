"""Security groups: the law example, and the name that is theirs alone in a VPC."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.model import ownership
from reconciler.resources.security_group import SecurityGroup, SecurityGroupSpec
from reconciler.resources.vpc import VpcSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged

EXAMPLE = Example(
    wish("security-group/web", SecurityGroupSpec(vpc=ref("vpc/web"), group_name="web", description="the web")),
    needs=(wish("vpc/web", VpcSpec(cidr="10.0.0.0/20")), wish("vpc/other", VpcSpec(cidr="10.1.0.0/20"))),
    edits=(
        Edit({"group_name": "other"}, "group_name"),
        Edit({"description": "another"}, "description"),
        Edit({"vpc": ref("vpc/other")}, "vpc"),
    ),
    unique=True,
)

WANT = wish("security-group/web", SecurityGroupSpec(vpc="vpc-1", group_name="web", description="the web"))


def item(identifier: str, tags: dict[str, str], **fields: Any) -> dict[str, Any]:
    return {
        "GroupId": identifier,
        "VpcId": "vpc-1",
        "GroupName": "web",
        "Description": "the web",
        "Tags": pairs(tags),
    } | fields


def observed(*items: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    found = Talk(DescribeSecurityGroups={"SecurityGroups": list(items)}).hold(SecurityGroup().observe(scope(WANT)))
    return [(each.id, str(each.address), ownership.owner(each.tags)) for each in found]


def test_the_name_decides_before_the_tags() -> None:
    """A group whose document is renamed is still the same group, not one to make and one to drop."""
    renamed = tagged(wish("security-group/old-name", WANT.spec))

    assert observed(item("sg-1", renamed)) == [("sg-1", "security-group/web", "ours")]


def test_a_group_of_that_name_elsewhere_is_another_group() -> None:
    """Names are unique in a VPC, not beyond it; and the `Name` tag is not the name."""
    assert observed(item("sg-1", {}, VpcId="vpc-2")) == []
    assert observed(item("sg-1", {"Name": "web"}, GroupName="default")) == []
    assert observed(item("sg-1", {})) == [("sg-1", "security-group/web", None)]


def test_a_name_taken_by_somebody_else_is_not_adopted() -> None:
    """Creating under a taken name fails unless the tags say that an earlier try of ours made it."""
    for stack, adopted in (("ours", True), ("theirs", False)):
        talk = Talk(
            CreateSecurityGroup=errors.Exists("", code="InvalidGroup.Duplicate"),
            DescribeSecurityGroups={"SecurityGroups": [item("sg-1", tagged(WANT, stack))]},
        )
        conversation = SecurityGroup().create(replace(WANT, tags=tagged(WANT)))
        if adopted:
            assert talk.hold(conversation) == "sg-1"
        else:
            with pytest.raises(errors.Exists):
                talk.hold(conversation)


def test_a_group_in_use_stays_for_a_later_pass() -> None:
    """Network interfaces of tasks and load balancers go minutes after their owners."""
    (old,) = Talk(DescribeSecurityGroups={"SecurityGroups": [item("sg-1", tagged(WANT))]}).hold(
        SecurityGroup().observe(scope(WANT))
    )
    with pytest.raises(errors.Blocked):
        Talk(DeleteSecurityGroup=errors.Blocked("", code="DependencyViolation")).hold(SecurityGroup().delete(old))
