"""Instance profiles: the law example, and one whose role was taken out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler import errors
from reconciler.model.resource import Observed
from reconciler.resources.instance_profile import InstanceProfile, InstanceProfileSpec
from reconciler.resources.role import RoleSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ],
}

EXAMPLE = Example(
    wish("instance-profile/web", InstanceProfileSpec(name="web", role=ref("role/web"))),
    needs=(
        wish("role/web", RoleSpec(name="web-role", trust=TRUST)),
        wish("role/api", RoleSpec(name="api-role", trust=TRUST)),
    ),
    edits=(Edit({"role": ref("role/api")}, "role"), Edit({"name": "other"}, "name")),
    unique=True,
    decoys=(
        wish("role/decoy", RoleSpec(name="decoy-role", trust=TRUST)),
        wish("instance-profile/decoy", InstanceProfileSpec(name="decoy", role=ref("role/decoy"))),
    ),
)

ROLE = "arn:aws:iam::123456789012:role/web-role"
WANT = wish("instance-profile/web", InstanceProfileSpec(name="web", role=ROLE))
WANT = replace(WANT, tags=tagged(WANT))
ITEM = {
    "InstanceProfileName": "web",
    "Arn": "arn:aws:iam::123456789012:instance-profile/web",
    "Path": "/",
    "Roles": [],
    "Tags": pairs(WANT.tags),
}


def owned_role() -> Observed[RoleSpec]:
    want = wish("role/web", RoleSpec(name="web-role", trust=TRUST))
    return Observed(want.address, ROLE, want.spec, tags=tagged(want))


def test_without_roles_for_ec2_nothing_is_asked() -> None:
    """A stack without EC2 capacity needs no permission to list instance profiles."""
    talk = Talk()
    assert talk.hold(InstanceProfile().observe(scope())) == []
    assert talk.said == []


def test_one_that_holds_no_role_any_more_is_found() -> None:
    """Its deletion may have ended between the two calls."""
    talk = Talk(ListInstanceProfiles={"InstanceProfiles": [ITEM]}, GetInstanceProfile={"InstanceProfile": ITEM})
    (found,) = talk.hold(InstanceProfile().observe(scope(seen={"role": (owned_role(),)})))
    assert found.address == WANT.address
    talk.hold(InstanceProfile().delete(found))
    assert talk.operations()[-1:] == ["DeleteInstanceProfile"]
    assert "RemoveRoleFromInstanceProfile" not in talk.operations()


def test_a_role_that_was_not_added_is_added() -> None:
    """The first attempt may have ended between the two calls."""
    talk = Talk(
        CreateInstanceProfile=errors.Exists("", code="EntityAlreadyExists"),
        GetInstanceProfile={"InstanceProfile": ITEM},
    )
    assert talk.hold(InstanceProfile().create(WANT)) == ITEM["Arn"]
    assert talk.params("AddRoleToInstanceProfile") == [{"InstanceProfileName": "web", "RoleName": "web-role"}]
    stranger = Talk(
        CreateInstanceProfile=errors.Exists("", code="EntityAlreadyExists"),
        GetInstanceProfile={"InstanceProfile": ITEM | {"Tags": []}},
    )
    with pytest.raises(errors.Exists):
        stranger.hold(InstanceProfile().create(WANT))
