"""Roles: the law example, and what bare moto cannot show."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import RefusalCode
from reconciler.model.planner import draft
from reconciler.model.resource import Desired, Observed
from reconciler.model.resource_type import Depth
from reconciler.model.type_registry import discover
from reconciler.resources.role import Role, RoleSpec
from tests.conftest import REGION
from tests.laws.example import Edit, Example, wish
from tests.resources.talk import STACK, Talk, pairs, scope, tagged

ARN = "arn:aws:iam::123456789012:role/app/task"
BOUNDARY = "arn:aws:iam::123456789012:policy/boundary"


def trust(service: str = "ecs-tasks") -> dict[str, Any]:
    principal = {"Service": f"{service}.amazonaws.com"}
    return policy(Principal=principal, Action="sts:AssumeRole")


def policy(**statement: Any) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


READ = policy(Action=["s3:ListBucket", "s3:GetObject"], Resource="*")
WRITE = policy(Action="s3:PutObject", Resource="arn:aws:s3:::app/*")


def role(name: str, **fields: Any) -> Desired[Any]:
    said = {
        "name": name,
        "trust": trust(),
        "path": "/app/",
        "permissions_boundary": f"{BOUNDARY}-of-the-team",
        "policies": {"read": READ, "write": WRITE},
        "managed": (),
        "description": "what the tasks may do",
        "max_session": 3600,
    }
    return wish(f"role/{name}", RoleSpec(**(said | fields)))


EXAMPLE = Example(
    role("task"),
    edits=(
        Edit({"trust": trust("scheduler")}, "trust.Statement"),
        Edit({"policies": {"read": WRITE, "write": WRITE}}, "policies.read.Statement"),
        Edit({"policies": {"write": WRITE, "extra": READ}}, "policies.extra", "policies.read"),
        Edit({"policies": {"write": WRITE}}, "policies.read"),
        Edit({"description": "more"}, "description"),
        Edit({"max_session": 7200}, "max_session"),
        Edit({"permissions_boundary": BOUNDARY}, "permissions_boundary"),
        Edit({"path": "/"}, "path"),
        Edit({"name": "other"}, "name"),
    ),
    unique=True,
    decoys=(role("decoy"),),
)

WANT = wish(
    "role/task",
    RoleSpec(
        name="task",
        trust=trust(),
        policies={"read": READ},
        managed=("arn:aws:iam::aws:policy/a", "arn:aws:iam::aws:policy/b"),
    ),
)


def item(name: str = "task", **fields: Any) -> dict[str, Any]:
    return {
        "RoleName": name,
        "Arn": f"arn:aws:iam::123456789012:role/app/{name}",
        "Path": "/app/",
        "AssumeRolePolicyDocument": trust(),
        "RolePolicyList": [{"PolicyName": "read", "PolicyDocument": READ}],
        "AttachedManagedPolicies": [
            {"PolicyArn": "arn:aws:iam::aws:policy/b"},
            {"PolicyArn": "arn:aws:iam::aws:policy/a"},
        ],
        "InstanceProfileList": [],
        "Tags": pairs(tagged(WANT)),
    } | fields


def talk(*items: dict[str, Any], **more: Any) -> Talk:
    return Talk(**({"GetAccountAuthorizationDetails": {"RoleDetailList": list(items)}} | more))


def observe(told: Talk, want: Desired[Any] = WANT, **more: Any) -> list[Observed[Any]]:
    return told.hold(Role().observe(scope(want, **more)))


def changed(**fields: Any) -> Desired[Any]:
    return Desired(WANT.address, RoleSpec(**(WANT.spec.model_dump() | fields)), tags=tagged(WANT))


def test_every_role_is_read_in_one_call() -> None:
    """Trust, policies and tags of the whole account come at once; nothing is asked that nobody declared."""
    told = talk(item(), *(item(f"other-{number}", Tags=[]) for number in range(30)))

    found = observe(told)

    assert [each.id for each in found] == [ARN]
    assert not diff(found[0], WANT.spec)
    assert told.operations() == ["GetAccountAuthorizationDetails"]


def below(*items: dict[str, Any], **more: Any) -> Talk:
    """What IAM answers where roles are read one by one."""
    by_name = {one["RoleName"]: one for one in items}

    def of(name: str) -> dict[str, Any]:
        if name not in by_name:
            raise errors.Gone("NoSuchEntity")
        return by_name[name]

    def policy_of(call: Any) -> dict[str, Any]:
        policies = of(call.params["RoleName"])["RolePolicyList"]
        return next(one for one in policies if one["PolicyName"] == call.params["PolicyName"])

    listed = [{key: value for key, value in one.items() if key != "Tags"} for one in items if one["Path"] == "/app/"]
    answers: dict[str, Any] = {
        "ListRoles": {"Roles": listed},
        "GetRole": lambda call: {"Role": of(call.params["RoleName"])},
        "ListRolePolicies": lambda call: {
            "PolicyNames": [one["PolicyName"] for one in of(call.params["RoleName"])["RolePolicyList"]]
        },
        "GetRolePolicy": policy_of,
        "ListAttachedRolePolicies": lambda call: {
            "AttachedPolicies": of(call.params["RoleName"])["AttachedManagedPolicies"]
        },
        "ListInstanceProfilesForRole": lambda call: {
            "InstanceProfiles": of(call.params["RoleName"])["InstanceProfileList"]
        },
    }
    return Talk(**(answers | more))


def test_roles_with_a_path_of_their_own_are_read_below_it() -> None:
    """The same is seen as in the listing of the account, and nothing of a role of somebody else but its tags."""
    items = (item(InstanceProfileList=[{"InstanceProfileName": "p"}]), item("other", Tags=[]))
    told = below(*items)

    (found,) = observe(told, role_path="/app/")

    (as_listed,) = observe(talk(*items))
    assert (found.spec, found.facts) == (
        as_listed.spec.model_copy(update={"description": ""}),
        as_listed.facts,
    )
    assert found.unread == frozenset()
    asked = [call.params["RoleName"] for call in told.said if call.operation not in ("ListRoles", "GetRole")]
    assert set(asked) == {"task"}


def test_a_role_that_is_wanted_is_found_outside_the_path() -> None:
    """The path was changed, and the role is to be replaced by one below it."""
    (found,) = observe(below(item(Path="/")), changed(path="/app/"), role_path="/app/")
    assert found.spec.path == "/"


@pytest.mark.parametrize("answer", [errors.Denied("AccessDenied"), errors.Gone("NoSuchEntity")])
def test_a_role_outside_the_path_may_be_out_of_sight(answer: errors.AwsError) -> None:
    """IAM answers for a role that does not exist as for one without a path, which the operator may not read."""
    assert observe(below(GetRole=answer), role_path="/app/") == []


def test_a_role_that_goes_between_two_reads_is_left_out() -> None:
    told = below(item(), ListAttachedRolePolicies=errors.Gone("NoSuchEntity"))
    assert observe(told, role_path="/app/") == []


def test_a_session_length_is_asked_only_where_it_is_declared() -> None:
    """It takes a call a role, in a thorough pass."""
    want = changed(max_session=7200)
    answer = {"Role": {"Arn": ARN, "MaxSessionDuration": 3600}}
    told = talk(item(), item("other", Tags=pairs(tagged(wish("role/other", WANT.spec)))), GetRole=answer)

    (found, other) = observe(told, want)

    assert told.params("GetRole") == [{"RoleName": "task"}]
    assert [str(change) for change in diff(found, want.spec)] == ["max_session"]
    assert (found.spec.description, other.unread) == ("", {"description", "max_session"})
    (found,) = observe(talk(item()), want, depth=Depth.MEDIUM)
    assert not diff(found, want.spec)


def test_a_session_length_stays_when_the_description_changes() -> None:
    """AWS puts back an hour where it is left out."""
    want = changed(description="new")
    answer = {"Role": {"Arn": ARN, "MaxSessionDuration": 7200, "Description": "old"}}
    (old,) = observe(talk(item(), GetRole=answer), want)
    told = Talk()

    told.hold(Role().update(old, want, diff(old, want.spec)))

    assert [call.params for call in told.said] == [
        {"RoleName": "task", "Description": "new", "MaxSessionDuration": 7200}
    ]


def test_a_role_of_somebody_else_under_our_name_is_shown() -> None:
    """It is a conflict, and no absence."""
    (found,) = observe(talk(item(Tags=[])))
    assert (found.address, ownership.owner(found.tags)) == (WANT.address, None)


def test_other_spellings_of_a_document_are_no_change() -> None:
    """What AWS answers in other words, but to the same effect, is what is wanted."""
    other = policy(Action=["s3:getobject", "s3:listbucket"], Resource=["*"])
    (found,) = observe(talk(item(RolePolicyList=[{"PolicyName": "read", "PolicyDocument": json.dumps(other)}])))

    assert not diff(found, WANT.spec)


def test_permissions_are_added_before_others_are_taken() -> None:
    """Tasks at work never have less than both before and after."""
    (old,) = observe(talk(item()))
    new = changed(policies={"write": WRITE}, managed=("arn:aws:iam::aws:policy/b", "arn:aws:iam::aws:policy/c"))
    told = Talk()

    told.hold(Role().update(old, new, diff(old, new.spec)))

    assert [(call.operation, call.params.get("PolicyName") or call.params.get("PolicyArn")) for call in told.said] == [
        ("PutRolePolicy", "write"),
        ("AttachRolePolicy", "arn:aws:iam::aws:policy/c"),
        ("DetachRolePolicy", "arn:aws:iam::aws:policy/a"),
        ("DeleteRolePolicy", "read"),
    ]


def test_a_role_goes_after_all_that_hangs_on_it() -> None:
    """AWS deletes no role that has policies or is in an instance profile; what is gone already is no obstacle.

    A permissions boundary is none either, and an account may refuse to remove one (IAM API Reference, DeleteRole).
    """
    profiles = [{"InstanceProfileName": "machine"}]
    (old,) = observe(
        talk(
            item(
                InstanceProfileList=profiles,
                PermissionsBoundary={"PermissionsBoundaryArn": "arn:aws:iam::aws:policy/x"},
            )
        )
    )
    told = Talk(DetachRolePolicy=errors.Gone("not attached"), DeleteRole=errors.Gone("no such role"))

    told.hold(Role().delete(old))

    assert told.operations() == [
        "RemoveRoleFromInstanceProfile",
        "DetachRolePolicy",
        "DetachRolePolicy",
        "DeleteRolePolicy",
        "DeleteRole",
    ]


def test_a_role_that_something_was_just_attached_to_is_left_for_later() -> None:
    """What was attached since the role was read is seen, and taken off, in a later pass."""
    (old,) = observe(talk(item()))
    with pytest.raises(errors.Blocked):
        Talk(DeleteRole=errors.Blocked("must detach all policies first")).hold(Role().delete(old))


def test_a_creation_attaches_what_is_wanted() -> None:
    """A new role has its policies and its tags."""
    told = Talk(CreateRole={"Role": {"Arn": ARN}})

    assert told.hold(Role().create(changed())) == ARN

    assert told.operations() == ["CreateRole", "PutRolePolicy", "AttachRolePolicy", "AttachRolePolicy"]
    (sent,) = told.params("CreateRole")
    assert json.loads(sent["AssumeRolePolicyDocument"])["Statement"][0]["Action"] == ["sts:AssumeRole"]
    assert {pair["Key"]: pair["Value"] for pair in sent["Tags"]} == tagged(WANT)


def test_a_role_made_before_is_adopted_and_a_taken_name_is_not() -> None:
    """A creation whose answer was lost finds its own role, and leaves the rest to the next comparison."""
    exists = errors.Exists("role with name task already exists")
    ours = Talk(CreateRole=exists, GetRole={"Role": {"Arn": ARN, "Tags": pairs(tagged(WANT))}})

    assert ours.hold(Role().create(changed())) == ARN
    assert ours.operations() == ["CreateRole", "GetRole"]
    with pytest.raises(errors.Exists):
        Talk(CreateRole=exists, GetRole={"Role": {"Arn": ARN}}).hold(Role().create(changed()))


def test_a_boundary_is_there_before_anything_else() -> None:
    """An account that demands one refuses to create a role without it, and to write to one that lacks it."""
    told = Talk(CreateRole={"Role": {"Arn": ARN}})
    told.hold(Role().create(changed(permissions_boundary=BOUNDARY)))
    (sent,) = told.params("CreateRole")
    assert sent["PermissionsBoundary"] == BOUNDARY

    (old,) = observe(talk(item()))
    new = changed(permissions_boundary=BOUNDARY)
    told = Talk()
    told.hold(Role().update(old, new, diff(old, new.spec)))
    assert told.operations()[0] == "PutRolePermissionsBoundary"


def test_a_boundary_that_the_specs_do_not_mention_stays() -> None:
    """Removing it would give a role more permissions than the account's administrator allows it."""
    (old,) = observe(talk(item(PermissionsBoundary={"PermissionsBoundaryArn": BOUNDARY})))
    assert old.spec.permissions_boundary == BOUNDARY
    assert "permissions_boundary" not in {change.field for change in diff(old, WANT.spec)}


def test_a_role_of_a_stack_with_this_name_in_another_region_is_another_owners() -> None:
    """IAM is in no region: it is a conflict where the specs name it, and none of this stack's business elsewhere."""
    elsewhere = pairs({**tagged(WANT), ownership.REGION: "eu-west-1"})
    (found,) = observe(talk(item(Tags=elsewhere)))
    assert ownership.owner(found.tags) == f"{STACK} in eu-west-1"
    (refusal,) = draft(STACK, [WANT], ObservedState({"role": (found,)}), discover()).refusals
    assert refusal.code is RefusalCode.CONFLICT
    assert "`aws_name`" in refusal.hint
    assert observe(talk(item("left", Tags=elsewhere))) == []
    here = pairs({**tagged(WANT), ownership.REGION: REGION})
    (ours,) = observe(talk(item(Tags=here)))
    assert ownership.owner(ours.tags) == STACK
