"""A repository of container images.

Its name is its id. It holds images, so it is never replaced. With images in it it goes only where a person has said so,
which a deletion knows by the fact `force`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, JsonValue

from reconciler import errors
from reconciler.model import members, resource
from reconciler.model.diff import Change
from reconciler.model.members import ApiMembers
from reconciler.model.other_tools import TerraformImport
from reconciler.model.permissions import Binding, NamedArn, Permissions
from reconciler.model.quota import Quota, listed
from reconciler.model.resource import Call, Calls, Desired, Observed, Path, ServiceApi
from reconciler.model.resource_type import Depth, FieldMark, ResourceType, Scope
from reconciler.resources import _gone, _policy, _tags

ecr = ServiceApi("ecr")

EXCEPT: Final = "imageTagMutabilityExclusionFilters"
API: Final = ApiMembers(
    "ecr",
    create="CreateRepository",
    update="PutImageTagMutability",
    described="Repository",
    words={
        "repositoryName": "the document's name, or `aws_name`",
        "imageTagMutability": "immutable_tags",
        "imageScanningConfiguration": "scan_on_push",
        "encryptionConfiguration": "encryption",
        "tags": "the document's `tags`",
    },
    owned={"registryId": "a repository is made in the account of the stack"},
    others=(EXCEPT,),
)


def lifecycle(value: Mapping[str, Any]) -> dict[str, Any]:
    """A lifecycle policy with its rules in the order of their priorities and the lists in them sorted."""
    rules = sorted(value.get("rules", ()), key=lambda rule: int(rule["rulePriority"]))
    return {"rules": tuple(map(_rule, rules))} if rules else {}


LIFECYCLE: Final = ("lifecycle",)


class RepositorySpec(resource.Spec):
    api: ClassVar[ApiMembers] = API
    optional: ClassVar[Mapping[Path, Any]] = {LIFECYCLE: {}}

    name: Annotated[str, FieldMark.IMMUTABLE]
    immutable_tags: bool | None = None
    scan_on_push: bool | None = None
    lifecycle: Annotated[dict[str, Any] | None, AfterValidator(lambda value: value and lifecycle(value))] = None
    """ECR's lifecycle policy document; an empty one is none."""
    encryption: Annotated[str | None, FieldMark.IMMUTABLE] = None
    """`AES256` or `KMS`."""
    kms_key: Annotated[str | None, FieldMark.IMMUTABLE] = None
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


class Repository(ResourceType[RepositorySpec]):
    kind: ClassVar[str] = "repository"
    quotas: ClassVar[tuple[Quota, ...]] = (
        Quota(
            "ecr",
            "Registered repositories",
            100_000,
            "L-CFEB8E8D",
            count=listed(ecr.describe_repositories, "repositories"),
        ),
    )
    Spec = RepositorySpec
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::ECR::Repository", "RepositoryName")
    creates: ClassVar[tuple[str, ...]] = ("CreateRepository",)
    owned_as: ClassVar[str] = "repository"
    listed_by_name: ClassVar[bool] = True
    named_by: ClassVar[str | None] = "name"
    permissions: ClassVar[Permissions] = Permissions(
        bindings={("ecr", "CreateRepository"): Binding.MAKE_BY_NAME}, tagging="TagResource"
    )
    display_order: ClassVar[int] = 4
    serves_tasks: ClassVar[bool] = True

    def arns(self, spec: RepositorySpec) -> Mapping[Binding, tuple[NamedArn, ...]]:
        return {Binding.MAKE_BY_NAME: (("ecr", f"repository/{spec.name}"),)}

    def in_terraform(self, found: Observed[RepositorySpec]) -> Iterator[TerraformImport]:
        yield TerraformImport("aws_ecr_repository", found.id)
        if found.spec.lifecycle:
            yield TerraformImport("aws_ecr_lifecycle_policy", found.id)

    def observe(self, scope: Scope) -> Calls[list[Observed[RepositorySpec]]]:
        answer = yield ecr.describe_repositories()
        wanted = {want.spec.name: want for want in scope.wanted}
        items = {
            item["repositoryName"]: item
            for item in answer["repositories"]
            if item["repositoryName"] in wanted or item["repositoryArn"] in scope.swept
        }
        tags: dict[str, dict[str, str]] = {}
        for name, item in items.items():
            known = _tags.from_sweep(item["repositoryArn"], scope, wanted.get(name))
            if known is not None:
                tags[name] = known
        unknown = [name for name in items if name not in tags]
        answered = yield from _gone.answers(
            [ecr.list_tags_for_resource(resourceArn=items[name]["repositoryArn"]) for name in unknown]
        )
        tags |= {name: _tags.of_pairs(found["tags"]) for name, found in zip(unknown, answered, strict=True) if found}
        declared = [name for name in tags if name in wanted and _has_lifecycle(wanted[name].spec, tags[name])]
        asked = [] if scope.depth is not Depth.FULL else declared
        answers = yield from _gone.answers([ecr.get_lifecycle_policy(repositoryName=name) for name in asked])
        policies = dict(zip(asked, answers, strict=True))
        observed = []
        for name in tags:
            address = _tags.address_of(self.kind, name, tags[name], scope, wanted.get(name))
            if address is None:
                continue
            item, said = items[name], wanted[name].spec.aws if name in wanted else {}
            aws = members.seen(API, said, item, tags[name], address) if said else {}
            observed.append(
                Observed(
                    address,
                    name,
                    read_repository(item, read_lifecycle(policies[name]) if name in policies else None, aws),
                    tags=tags[name],
                    unread=frozenset() if name in policies else frozenset({"lifecycle"}),
                    facts={
                        "arn": item["repositoryArn"],
                        "ids": (item["repositoryArn"],),
                        "uri": item["repositoryUri"],
                        "item": item,
                        "unstated": members.unstated(API, said, item),
                    },
                )
            )
        return observed

    def create(self, new: Desired[RepositorySpec]) -> Calls[str]:
        spec = new.spec
        try:
            yield ecr.create_repository(
                repositoryName=spec.name,
                imageTagMutability=None
                if spec.immutable_tags is None
                else _mutability(spec.immutable_tags, spec.aws.get(EXCEPT)),
                imageScanningConfiguration=None if spec.scan_on_push is None else _scanning(spec.scan_on_push),
                encryptionConfiguration=_encryption(spec),
                tags=_tags.pairs(new.tags),
                **spec.aws,
            )
        except errors.Exists:
            answer = yield ecr.describe_repositories(repositoryNames=[spec.name])
            answer = yield ecr.list_tags_for_resource(resourceArn=answer["repositories"][0]["repositoryArn"])
            if not _tags.is_this(_tags.of_pairs(answer["tags"]), new):
                raise
            return spec.name
        if spec.lifecycle:
            yield _put_lifecycle(spec.name, spec.lifecycle)
        return spec.name

    def update(
        self, old: Observed[RepositorySpec], new: Desired[RepositorySpec], changes: tuple[Change, ...]
    ) -> Calls[None]:
        spec, fields = new.spec, {change.field for change in changes}
        if fields & {"immutable_tags", "aws"}:
            # tags that are an exception stay one, unless all of them are to be immutable
            immutable = old.spec.immutable_tags if spec.immutable_tags is None else spec.immutable_tags
            others = spec.aws.get(EXCEPT, None if immutable else old.facts.get("item", {}).get(EXCEPT)) or None
            yield ecr.put_image_tag_mutability(
                repositoryName=old.id,
                imageTagMutability=_mutability(bool(immutable), others),
                imageTagMutabilityExclusionFilters=others,
            )
        if "scan_on_push" in fields and spec.scan_on_push is not None:
            scanning = _scanning(spec.scan_on_push)
            yield ecr.put_image_scanning_configuration(repositoryName=old.id, imageScanningConfiguration=scanning)
        if "lifecycle" in fields and spec.lifecycle:
            yield _put_lifecycle(old.id, spec.lifecycle)
        elif "lifecycle" in fields:
            yield from _gone.let_go(ecr.delete_lifecycle_policy(repositoryName=old.id))

    def delete(self, old: Observed[RepositorySpec]) -> Calls[None]:
        try:
            yield ecr.delete_repository(repositoryName=old.id, force=True if old.facts.get("force") else None)
        except errors.Gone:
            return
        except errors.Protected as refusal:
            count = yield from _images(old.id)
            raise errors.Protected(
                f"the repository {old.id} still holds {count} image{'s' * (count != 1)}, which would be lost with it",
                call=refusal.call,
                code=refusal.code,
                request_id=refusal.request_id,
            ) from refusal

    def update_tags(self, old: Observed[RepositorySpec], put: Mapping[str, str], drop: Iterable[str]) -> Calls[None]:
        names = sorted(drop)
        if names:
            yield ecr.untag_resource(resourceArn=old.facts["arn"], tagKeys=names)
        if put:
            yield ecr.tag_resource(resourceArn=old.facts["arn"], tags=_tags.pairs(put))


def held_images(ids: Iterable[str]) -> Calls[dict[str, int]]:
    """How many images are in each repository that would not be deleted because of them."""
    found = {}
    for id in ids:
        try:
            found[id] = yield from _images(id)
        except errors.Gone:
            continue
    return {id: count for id, count in found.items() if count}


def _images(id: str) -> Calls[int]:
    answer = yield ecr.list_images(repositoryName=id)
    return len({image["imageDigest"] for image in answer["imageIds"]})


def _has_lifecycle(spec: RepositorySpec, tags: Mapping[str, str]) -> bool:
    """Whether the specs state a lifecycle policy, or did when the repository was written last."""
    return spec.lifecycle is not None or members.code(LIFECYCLE) in members.stated_before(tags)


def read_repository(
    item: Mapping[str, Any], policy: dict[str, Any] | None, aws: dict[str, Any] | None = None
) -> RepositorySpec:
    """A repository as the specs say it, with the members `aws` that they state by ECR's names."""
    encryption, said = item.get("encryptionConfiguration", {}), aws or {}
    return RepositorySpec(
        name=item["repositoryName"],
        immutable_tags=item["imageTagMutability"] in (_mutability(True), _mutability(True, said.get(EXCEPT))),
        scan_on_push=item.get("imageScanningConfiguration", {}).get("scanOnPush", False),
        lifecycle=policy,
        encryption=encryption.get("encryptionType"),
        kms_key=encryption.get("kmsKey"),
        aws=said,
    )


def read_lifecycle(answer: Mapping[str, Any] | None) -> dict[str, Any]:
    return {} if answer is None else lifecycle(json.loads(answer["lifecyclePolicyText"]))


def _rule(rule: Mapping[str, Any]) -> dict[str, Any]:
    selection = {
        key: tuple(sorted(value)) if isinstance(value, list | tuple) else value
        for key, value in sorted(rule["selection"].items())
    }
    return {**{key: rule[key] for key in sorted(rule)}, "selection": selection}


def _mutability(immutable: bool, others: Any = None) -> str:
    """`others` are the filters of tags for which it is the other way round."""
    return ("IMMUTABLE" if immutable else "MUTABLE") + ("_WITH_EXCLUSION" if others else "")


def _scanning(on: bool) -> dict[str, Any]:
    return {"scanOnPush": on}


def _encryption(spec: RepositorySpec) -> dict[str, Any] | None:
    if spec.encryption is None:
        return None
    return {"encryptionType": spec.encryption} | ({} if spec.kms_key is None else {"kmsKey": spec.kms_key})


def _put_lifecycle(name: str, policy: Mapping[str, Any]) -> Call:
    return ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=_policy.text(policy))
