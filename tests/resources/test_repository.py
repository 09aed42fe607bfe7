"""Repositories: the law example, and what bare moto cannot show."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.resource import Desired, Observed
from reconciler.model.resource_type import Depth
from reconciler.resources.repository import Repository, RepositorySpec
from tests.laws.example import Edit, Example, wish
from tests.resources.talk import Talk, pairs, scope, tagged

ARN = "arn:aws:ecr:us-west-2:123456789012:repository/web"


def keep(count: int, *prefixes: str, priority: int = 1) -> dict[str, Any]:
    tags = {"tagStatus": "tagged", "tagPrefixList": list(prefixes)} if prefixes else {"tagStatus": "any"}
    return {
        "rulePriority": priority,
        "selection": {**tags, "countType": "imageCountMoreThan", "countNumber": count},
        "action": {"type": "expire"},
    }


EXAMPLE = Example(
    wish(
        "repository/web",
        RepositorySpec(
            name="web", immutable_tags=True, scan_on_push=True, lifecycle={"rules": [keep(30)]}, encryption="AES256"
        ),
    ),
    edits=(
        Edit({"immutable_tags": False}, "immutable_tags"),
        Edit({"scan_on_push": False}, "scan_on_push"),
        Edit({"lifecycle": {"rules": [keep(5)]}}, "lifecycle.rules"),
        Edit({"lifecycle": {}}, "lifecycle.rules"),
        Edit({"encryption": "KMS"}, "encryption"),
    ),
    unique=True,
    decoys=(wish("repository/decoy", RepositorySpec(name="web/decoy", immutable_tags=True)),),
)

WANT = wish(
    "repository/web", RepositorySpec(name="web", lifecycle={"rules": [keep(9, "b", "a", priority=2), keep(30)]})
)


def item(name: str = "web", **fields: Any) -> dict[str, Any]:
    return {
        "repositoryName": name,
        "repositoryArn": ARN.replace("/web", f"/{name}"),
        "repositoryUri": f"123456789012.dkr.ecr.us-west-2.amazonaws.com/{name}",
        "imageTagMutability": "MUTABLE",
    } | fields


def talk(*items: dict[str, Any], **more: Any) -> Talk:
    answers = {
        "DescribeRepositories": {"repositories": list(items)},
        "ListTagsForResource": {"tags": pairs(tagged(WANT))},
        "GetLifecyclePolicy": errors.Gone("no lifecycle policy", code="LifecyclePolicyNotFoundException"),
    }
    return Talk(**(answers | more))


def observe(told: Talk, want: Desired[Any] = WANT, **more: Any) -> list[Observed[Any]]:
    return told.hold(Repository().observe(scope(want, **more)))


def test_a_lifecycle_policy_is_compared_by_what_it_says() -> None:
    """AWS answers it as text, with its own order of rules, keys and prefixes."""
    policy = {"rules": [keep(30), keep(9, "a", "b", priority=2)]}
    (found,) = observe(talk(item(), GetLifecyclePolicy={"lifecyclePolicyText": json.dumps(policy, sort_keys=True)}))
    assert not diff(found, WANT.spec)

    policy["rules"][0] = keep(31)
    (found,) = observe(talk(item(), GetLifecyclePolicy={"lifecyclePolicyText": json.dumps(policy)}))
    assert [str(change) for change in diff(found, WANT.spec)] == ["lifecycle.rules"]


def test_a_repository_without_a_lifecycle_policy_lacks_only_that() -> None:
    """AWS calls it not found, which says nothing about the repository."""
    (found,) = observe(talk(item()))

    assert found.spec.lifecycle == {}
    assert [str(change) for change in diff(found, WANT.spec)] == ["lifecycle.rules"]


def test_a_lifecycle_policy_is_read_only_where_it_is_declared() -> None:
    """And in a thorough pass only."""
    told = talk(item())
    (found,) = observe(told, wish("repository/web", RepositorySpec(name="web")))
    assert (found.unread, "GetLifecyclePolicy" in told.operations()) == ({"lifecycle"}, False)

    (found,) = observe(talk(item()), depth=Depth.MEDIUM)
    assert not diff(found, WANT.spec)


def test_only_what_may_be_ours_is_looked_into() -> None:
    """Other people's repositories cost no further call, and tags that are known to be as wanted none either."""
    want = Desired(WANT.address, WANT.spec, tags=tagged(WANT))
    told = talk(item(), item("other"), item("another"))

    (found,) = observe(told, want, swept={ARN: tagged(WANT)})

    assert told.operations() == ["DescribeRepositories", "GetLifecyclePolicy"]
    assert (
        found.facts.items()
        >= {
            "arn": ARN,
            "ids": (ARN,),
            "uri": "123456789012.dkr.ecr.us-west-2.amazonaws.com/web",
        }.items()
    )


def test_exceptions_from_immutability_are_a_difference() -> None:
    """A repository with tags that may move after all is not immutable."""
    want = RepositorySpec(name="web", immutable_tags=True)
    for mutability, changes in (("IMMUTABLE", []), ("IMMUTABLE_WITH_EXCLUSION", ["immutable_tags"])):
        (found,) = observe(talk(item(imageTagMutability=mutability)), wish("repository/web", want))
        assert [str(change) for change in diff(found, want)] == changes


def test_a_repository_of_somebody_else_under_our_name_is_shown() -> None:
    """It is a conflict, and no absence."""
    (found,) = observe(talk(item(), ListTagsForResource={"tags": []}))
    assert (found.address, ownership.owner(found.tags)) == (WANT.address, None)


def test_images_are_not_deleted_without_being_told_to() -> None:
    """What would be lost is counted, and said."""
    (old,) = observe(talk(item()))
    digests = [{"imageDigest": digest, "imageTag": tag} for digest, tag in (("a", "1"), ("a", "2"), ("b", "3"))]
    refusal = errors.Protected("not empty", call="ecr.DeleteRepository", code="RepositoryNotEmptyException")
    told = Talk(DeleteRepository=refusal, ListImages={"imageIds": digests})

    with pytest.raises(errors.Protected, match="still holds 2 images") as caught:
        told.hold(Repository().delete(old))

    assert (caught.value.call, caught.value.code) == (refusal.call, refusal.code)
    assert told.params("DeleteRepository") == [{"repositoryName": "web"}]


def test_images_go_with_their_repository_where_a_person_said_so() -> None:
    """The fact `force` on what is deleted is that person's word."""
    (old,) = observe(talk(item()))
    told = Talk()

    told.hold(Repository().delete(replace(old, facts={**old.facts, "force": True})))

    assert told.params("DeleteRepository") == [{"repositoryName": "web", "force": True}]


def test_a_repository_made_before_is_adopted_and_a_taken_name_is_not() -> None:
    """A creation whose answer was lost finds its own repository."""
    new = Desired(WANT.address, WANT.spec, tags=tagged(WANT))
    exists = errors.Exists("the repository already exists")

    assert talk(item(), CreateRepository=exists).hold(Repository().create(new)) == "web"
    with pytest.raises(errors.Exists):
        talk(item(), CreateRepository=exists, ListTagsForResource={"tags": []}).hold(Repository().create(new))
