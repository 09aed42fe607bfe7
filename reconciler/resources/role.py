"""An IAM role: who may assume it, and what it then may do.

One listing answers every role of the account with its trust, its policies and its tags; only the description and the
session length have to be asked for one by one, and are where they are declared. Roles with a path of their own are read
below that path only (_roles.py). Policy documents are compared by what they say, not by how they are spelled
(_policy.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Final

from reconciler import errors
from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.other_tools import CloudFormationImport, TerraformImport
from reconciler.model.permissions import Binding, NamedArn, Operation, Permissions
from reconciler.model.resource import Address, Calls, Desired, Observed, ServiceApi
from reconciler.model.resource_type import Depth, FieldMark, ResourceType, Scope
from reconciler.model.tagging import TagRules
from reconciler.model.usage import Usage
from reconciler.resources import _gone, _policy, _roles, _tags
from reconciler.resources._policy import Document

iam = ServiceApi("iam")

ASKED_SINGLY = frozenset({"description", "max_session"})
API: Final = ApiMembers(
    "iam",
    create="CreateRole",
    update="UpdateRole",
    described="Role",
    words={
        "RoleName": "the document's name, or `aws_name`",
        "Path": "path",
        "AssumeRolePolicyDocument": "assumed_by",
        "PermissionsBoundary": "permissions_boundary",
        "Tags": "the document's `tags`",
    },
    fields={"Description": "description", "MaxSessionDuration": "max_session"},
)
OF_ONE = ("GetRolePolicy", "ListAttachedRolePolicies", "ListInstanceProfilesForRole", "ListRolePolicies")


class RoleSpec(resource.Spec):
    name: Annotated[str, FieldMark.IMMUTABLE]
    trust: Document
    path: Annotated[str | None, FieldMark.IMMUTABLE] = None
    policies: dict[str, Document] | None = None
    """Written into the role, by name; one that is not named here is taken out."""
    managed: Annotated[tuple[str, ...] | None, FieldMark.UNORDERED] = None
    """ARNs of the policies attached to it."""
    permissions_boundary: str | None = None
    """ARN of the policy that bounds what it may do. None leaves it as it is: only a person removes a boundary."""
    description: str | None = None
    max_session: int | None = None
    """Seconds."""


class Role(ResourceType[RoleSpec]):
    kind: ClassVar[str] = "role"
    Spec = RoleSpec
    judges: ClassVar[bool] = True
    indexed: ClassVar[bool] = False
    changed_by: ClassVar[tuple[Operation, ...]] = (
        ("iam", "DeleteRolePermissionsBoundary"),
        ("iam", "UpdateRoleDescription"),
    )
    creates: ClassVar[tuple[str, ...]] = ("CreateRole",)
    owned_as: ClassVar[str] = "role"
    listed_by_name: ClassVar[bool] = True
    named_by: ClassVar[str | None] = "name"
    tag_rules: ClassVar[TagRules] = TagRules(case_sensitive=False)
    permissions: ClassVar[Permissions] = Permissions(
        bindings={
            ("iam", "CreateRole"): Binding.MAKE_BY_NAME,
            ("iam", "AttachRolePolicy"): Binding.ATTACH,
            ("iam", "PutRolePermissionsBoundary"): Binding.BOUND,
            ("iam", "GetAccountAuthorizationDetails"): Binding.READ_ACCOUNT,
            ("iam", "ListRoles"): Binding.READ_PATH,
            ("iam", "GetRole"): Binding.READ_ROLE,
            **{("iam", name): Binding.READ_BELOW_PATH for name in OF_ONE},
        },
        tagging="TagRole",
        within_boundary=frozenset({("iam", "AttachRolePolicy"), ("iam", "CreateRole"), ("iam", "PutRolePolicy")}),
    )
    serves_tasks: ClassVar[bool] = True

    def arns(self, spec: RoleSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        return {Binding.MAKE_BY_NAME: (("iam", f"role{spec.path or '/'}{spec.name}"),)}

    def retaining(self, old: Observed[RoleSpec], new: Desired[RoleSpec], usage: Usage) -> Desired[RoleSpec]:
        """What the role allows an older version stays allowed for as long as its tasks run."""
        if not usage.may_need(old.id):
            return new
        spec, was = new.spec, old.spec
        kept: dict[str, Any] = {"trust": _policy.with_statements(spec.trust, was.trust)}
        if spec.policies is not None:
            policies = was.policies or {}
            kept["policies"] = {
                **policies,
                **{
                    name: _policy.with_statements(document, policies[name]) if name in policies else document
                    for name, document in spec.policies.items()
                },
            }
        if spec.managed is not None:
            kept["managed"] = tuple(sorted({*spec.managed, *(was.managed or ())}))
        return replace(new, spec=spec.model_copy(update=kept))

    def in_terraform(self, found: Observed[RoleSpec]) -> Iterator[TerraformImport]:
        name = found.spec.name
        yield TerraformImport("aws_iam_role", name)
        for policy in found.spec.policies or {}:
            yield TerraformImport("aws_iam_role_policy", f"{name}:{policy}", policy)
        for policy in found.spec.managed or ():
            yield TerraformImport("aws_iam_role_policy_attachment", f"{name}/{policy}", policy.rpartition("/")[2])

    def in_cloudformation(self, found: Observed[RoleSpec]) -> Iterator[CloudFormationImport]:
        role = {"RoleName": found.spec.name}
        managed = {"ManagedPolicyArns": list(found.spec.managed)} if found.spec.managed else {}
        trust = {"AssumeRolePolicyDocument": found.spec.trust}
        yield CloudFormationImport("AWS::IAM::Role", role, {**role, **trust, **managed})
        for name, document in (found.spec.policies or {}).items():
            policy = {**role, "PolicyName": name}
            yield CloudFormationImport("AWS::IAM::RolePolicy", policy, {**policy, "PolicyDocument": document}, name)

    def observe(self, scope: Scope) -> Calls[list[Observed[RoleSpec]]]:
        wanted = {want.spec.name: want for want in scope.wanted}

        def address(item: Mapping[str, Any]) -> Address | None:
            name, tags = item["RoleName"], _tags.in_region(_tags.of_pairs(item.get("Tags", ())), scope)
            return _tags.address_of(self.kind, name, tags, scope, wanted.get(name))

        single: dict[str, Any] = {}
        if (scope.role_path or "/") != "/":
            assert scope.role_path is not None
            items = yield from _roles.below(scope.role_path, wanted, lambda item: address(item) is not None)
            single = {item["RoleName"]: {"Role": item} for item in items}
        else:
            items = yield from _roles.of_account()
            names = [name for item in items if address(item) and _asked(wanted.get(name := item["RoleName"]), scope)]
            answers = yield from _gone.answers([iam.get_role(RoleName=name) for name in names])
            single = dict(zip(names, answers, strict=True))
        found = [
            (where, item, _tags.in_region(_tags.of_pairs(item.get("Tags", ())), scope))
            for item in items
            if (where := address(item)) is not None
        ]
        return [
            Observed(
                address,
                item["Arn"],
                _read(item, single.get(item["RoleName"]), wanted.get(item["RoleName"])),
                tags=tags,
                unread=frozenset() if item["RoleName"] in single else ASKED_SINGLY,
                facts={
                    "created_at": item.get("CreateDate"),
                    "instance_profiles": tuple(
                        profile["InstanceProfileName"] for profile in item.get("InstanceProfileList", ())
                    ),
                },
            )
            for address, item, tags in found
            if single.get(item["RoleName"], item) is not None
        ]

    def create(self, new: Desired[RoleSpec]) -> Calls[str]:
        spec = new.spec
        try:
            answer = yield iam.create_role(
                RoleName=spec.name,
                Path=spec.path,
                PermissionsBoundary=spec.permissions_boundary,
                AssumeRolePolicyDocument=_policy.text(spec.trust),
                Description=spec.description,
                MaxSessionDuration=spec.max_session,
                Tags=_tags.pairs(new.tags),
            )
        except errors.Exists:
            answer = yield iam.get_role(RoleName=spec.name)
            if not _tags.is_this(_tags.of_pairs(answer["Role"].get("Tags", ())), new):
                raise
        else:
            yield from _put_policies(spec, sorted(spec.policies or ()))
            for policy in sorted(spec.managed or ()):
                yield iam.attach_role_policy(RoleName=spec.name, PolicyArn=policy)
        arn: str = answer["Role"]["Arn"]
        return arn

    def update(self, old: Observed[RoleSpec], new: Desired[RoleSpec], changes: tuple[Change, ...]) -> Calls[None]:
        name, spec, fields = old.spec.name, new.spec, {change.field for change in changes}
        if "permissions_boundary" in fields and spec.permissions_boundary is not None:
            # first: an account may let a role be written to only under the boundary
            yield iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=spec.permissions_boundary)
        if "trust" in fields:
            yield iam.update_assume_role_policy(RoleName=name, PolicyDocument=_policy.text(spec.trust))
        if fields & ASKED_SINGLY:
            # a session length that is left out goes back to an hour
            yield iam.update_role(
                RoleName=name,
                Description=old.spec.description if spec.description is None else spec.description,
                MaxSessionDuration=old.spec.max_session if spec.max_session is None else spec.max_session,
            )
        # first what is added, so that tasks at work never have less than before and after
        wanted, present = spec.policies or {}, old.spec.policies or {}
        managed, attached = set(spec.managed or ()), set(old.spec.managed or ())
        if "policies" in fields:
            yield from _put_policies(spec, sorted(key for key in wanted if wanted[key] != present.get(key)))
        if "managed" in fields:
            for arn in sorted(managed - attached):
                yield iam.attach_role_policy(RoleName=name, PolicyArn=arn)
            for arn in sorted(attached - managed):
                yield from _gone.let_go(iam.detach_role_policy(RoleName=name, PolicyArn=arn))
        if "policies" in fields:
            for key in sorted(present.keys() - wanted.keys()):
                yield from _gone.let_go(iam.delete_role_policy(RoleName=name, PolicyName=key))

    def delete(self, old: Observed[RoleSpec]) -> Calls[None]:
        name = old.spec.name
        for profile in old.facts.get("instance_profiles", ()):
            yield from _gone.let_go(iam.remove_role_from_instance_profile(InstanceProfileName=profile, RoleName=name))
        for arn in sorted(old.spec.managed or ()):
            yield from _gone.let_go(iam.detach_role_policy(RoleName=name, PolicyArn=arn))
        for policy in sorted(old.spec.policies or ()):
            yield from _gone.let_go(iam.delete_role_policy(RoleName=name, PolicyName=policy))
        yield from _gone.let_go(iam.delete_role(RoleName=name))

    def update_tags(self, old: Observed[RoleSpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        names = sorted(drop)
        if names:
            yield iam.untag_role(RoleName=old.spec.name, TagKeys=names)
        if put:
            yield iam.tag_role(RoleName=old.spec.name, Tags=_tags.pairs(put))


def _asked(want: Desired[Any] | None, scope: Scope) -> bool:
    if want is None or scope.depth is not Depth.FULL:
        return False
    return any(getattr(want.spec, name) is not None for name in ASKED_SINGLY)


def _put_policies(spec: RoleSpec, names: Iterable[str]) -> Calls[None]:
    policies = spec.policies or {}
    for name in names:
        document = _policy.text(policies[name])
        yield iam.put_role_policy(RoleName=spec.name, PolicyName=name, PolicyDocument=document)


def _read(item: Mapping[str, Any], answer: Mapping[str, Any] | None, want: Desired[Any] | None) -> RoleSpec:
    asked = answer["Role"] if answer is not None else {}
    wanted: RoleSpec | None = want.spec if want is not None else None
    policies = {} if wanted is None else wanted.policies or {}
    return RoleSpec(
        name=item["RoleName"],
        path=item["Path"],
        trust=_policy.seen_as(item["AssumeRolePolicyDocument"], None if wanted is None else wanted.trust),
        policies={
            policy["PolicyName"]: _policy.seen_as(policy["PolicyDocument"], policies.get(policy["PolicyName"]))
            for policy in item.get("RolePolicyList", ())
        },
        managed=tuple(sorted(policy["PolicyArn"] for policy in item.get("AttachedManagedPolicies", ()))),
        permissions_boundary=item.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        description=asked.get("Description", "") if asked else None,
        max_session=asked.get("MaxSessionDuration"),
    )
