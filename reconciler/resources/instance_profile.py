"""An instance profile: by which EC2 gives an instance its role.

It holds one role at most, and cannot be deleted while it holds one. One whose role was taken out is recognised by its
tags; it is looked for where a profile is wanted, or where the stack owns a role that EC2 may assume.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar

from reconciler import errors
from reconciler.model import resource
from reconciler.model.diff import Change
from reconciler.model.other_tools import CloudFormationImport, TerraformImport
from reconciler.model.permissions import Binding, NamedArn, Permissions
from reconciler.model.resource import Calls, Desired, Link, Observed, ServiceApi
from reconciler.model.resource_type import FieldMark, ResourceType, Scope
from reconciler.model.tagging import TagRules
from reconciler.resources import _gone, _tags

iam = ServiceApi("iam")

EC2 = "ec2.amazonaws.com"


class InstanceProfileSpec(resource.Spec):
    name: Annotated[str, FieldMark.IMMUTABLE]
    role: Link
    path: Annotated[str | None, FieldMark.IMMUTABLE] = None


class InstanceProfile(ResourceType[InstanceProfileSpec]):
    kind: ClassVar[str] = "instance-profile"
    Spec = InstanceProfileSpec
    creates: ClassVar[tuple[str, ...]] = ("CreateInstanceProfile",)
    named_by: ClassVar[str | None] = "name"
    indexed: ClassVar[bool] = False
    tag_rules: ClassVar[TagRules] = TagRules(case_sensitive=False)
    permissions: ClassVar[Permissions] = Permissions(
        bindings={("iam", "CreateInstanceProfile"): Binding.MAKE_BY_NAME},
        tagging="TagInstanceProfile",
        passes={"role": EC2},
    )
    depends_on: ClassVar[tuple[str, ...]] = ("role",)
    observe_after: ClassVar[tuple[str, ...]] = ("role",)

    def arns(self, spec: InstanceProfileSpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        return {Binding.MAKE_BY_NAME: (("iam", f"instance-profile{spec.path or '/'}{spec.name}"),)}

    def in_terraform(self, found: Observed[InstanceProfileSpec]) -> Iterator[TerraformImport]:
        yield TerraformImport("aws_iam_instance_profile", found.spec.name)

    def in_cloudformation(self, found: Observed[InstanceProfileSpec]) -> Iterator[CloudFormationImport]:
        roles = {"Roles": [str(found.spec.role).rpartition("/")[2]]}
        yield CloudFormationImport("AWS::IAM::InstanceProfile", {"InstanceProfileName": found.spec.name}, roles)

    def observe(self, scope: Scope) -> Calls[list[Observed[InstanceProfileSpec]]]:
        wanted = {want.spec.name: want for want in scope.wanted}
        roles = {role.id for role in scope.ours("role") if EC2 in str(role.spec.trust)}
        if not wanted and not roles:
            return []
        answer = yield iam.list_instance_profiles()
        names = [item["InstanceProfileName"] for item in answer["InstanceProfiles"] if _may_be(item, wanted, roles)]
        answers = yield from _gone.answers([iam.get_instance_profile(InstanceProfileName=name) for name in names])
        found = []
        for item in (one["InstanceProfile"] for one in answers if one is not None):
            name, tags = item["InstanceProfileName"], _tags.in_region(_tags.of_pairs(item.get("Tags", ())), scope)
            address = _tags.address_of(self.kind, name, tags, scope, wanted.get(name))
            if address is not None:
                found.append(Observed(address, item["Arn"], _read(item), tags=tags))
        return found

    def create(self, new: Desired[InstanceProfileSpec]) -> Calls[str]:
        spec = new.spec
        try:
            answer = yield iam.create_instance_profile(
                InstanceProfileName=spec.name, Path=spec.path, Tags=_tags.pairs(new.tags)
            )
        except errors.Exists:
            answer = yield iam.get_instance_profile(InstanceProfileName=spec.name)
            if not _tags.is_this(_tags.of_pairs(answer["InstanceProfile"].get("Tags", ())), new):
                raise
        if not answer["InstanceProfile"].get("Roles"):
            yield iam.add_role_to_instance_profile(InstanceProfileName=spec.name, RoleName=_name(spec.role))
        arn: str = answer["InstanceProfile"]["Arn"]
        return arn

    def update(
        self, old: Observed[InstanceProfileSpec], new: Desired[InstanceProfileSpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        """IAM has no exchange: instances are without a role for as long as the two calls take."""
        if any(change.field == "role" for change in changes):
            yield from _take_out(old)
            yield iam.add_role_to_instance_profile(InstanceProfileName=old.spec.name, RoleName=_name(new.spec.role))

    def delete(self, old: Observed[InstanceProfileSpec]) -> Calls[None]:
        yield from _take_out(old)
        yield from _gone.let_go(iam.delete_instance_profile(InstanceProfileName=old.spec.name))

    def update_tags(
        self, old: Observed[InstanceProfileSpec], put: Mapping[str, str], drop: Iterable[str]
    ) -> Calls[None]:
        names = sorted(drop)
        if names:
            yield iam.untag_instance_profile(InstanceProfileName=old.spec.name, TagKeys=names)
        if put:
            yield iam.tag_instance_profile(InstanceProfileName=old.spec.name, Tags=_tags.pairs(put))


def _may_be(item: Mapping[str, Any], wanted: Mapping[str, Any], roles: set[str]) -> bool:
    held = {role["Arn"] for role in item.get("Roles", ())}
    return item["InstanceProfileName"] in wanted or not held or not held.isdisjoint(roles)


def _read(item: Mapping[str, Any]) -> InstanceProfileSpec:
    role = next((role["Arn"] for role in item.get("Roles", ())), "")
    return InstanceProfileSpec(name=item["InstanceProfileName"], role=role, path=item["Path"])


def _take_out(old: Observed[InstanceProfileSpec]) -> Calls[None]:
    if old.spec.role:
        name = _name(old.spec.role)
        call = iam.remove_role_from_instance_profile(InstanceProfileName=old.spec.name, RoleName=name)
        yield from _gone.let_go(call)


def _name(role: Link) -> str:
    return str(role).rpartition("/")[2]
