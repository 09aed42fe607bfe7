"""Images are looked up: found, not pushed yet, or missing among others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from reconciler import errors
from reconciler.model.image_tags import IN_USE
from reconciler.model.resource import Desired, Observed, ResourceHealth
from reconciler.resources.image import Image, ImageSpec
from tests.laws.example import wish
from tests.resources.talk import Talk, scope

REGISTRY = "123456789012.dkr.ecr.us-west-2.amazonaws.com"
MISSING = errors.Gone("the image does not exist", code="ImageNotFoundException")


def image(repository: str = "web", tag: str = "v1") -> Desired[Any]:
    spec = ImageSpec(repository=repository, tag=tag, uri=f"{REGISTRY}/{repository}:{tag}", immutable_tags=True)
    return wish(f"image/{repository}:{tag}", spec)


def detail(digest: str, *tags: str, day: int = 1) -> dict[str, Any]:
    pushed = datetime(2026, 1, day, tzinfo=UTC)
    return {"imageDigest": f"sha256:{digest}", "imageTags": list(tags), "imagePushedAt": pushed}


def registry(**repositories: list[dict[str, Any]]) -> Talk:
    """Answers as ECR does: all images of a repository, or those asked for, or an error if one of them is missing."""

    def described(call: Any) -> dict[str, Any]:
        if call.params["repositoryName"] not in repositories:
            raise errors.Gone("no such repository", code="RepositoryNotFoundException")
        images = repositories[call.params["repositoryName"]]
        if "imageIds" not in call.params:
            return {"imageDetails": images}
        tags = [asked["imageTag"] for asked in call.params["imageIds"]]
        if not set(tags) <= {tag for each in images for tag in each.get("imageTags", ())}:
            raise MISSING
        return {"imageDetails": [each for each in images if set(tags) & set(each.get("imageTags", ()))]}

    return Talk(DescribeImages=described)


def observe(told: Talk, *wanted: Desired[Any]) -> list[Observed[Any]]:
    return told.hold(Image().observe(scope(*wanted)))


def test_a_tag_is_pinned_to_what_it_names() -> None:
    """The id is the address with the digest, so that it goes on naming the same content."""
    told = registry(web=[detail("abc", "v1", "latest"), detail("def", "v2", day=2)])

    (found,) = observe(told, image())

    assert found.id == f"{REGISTRY}/web@sha256:abc"
    assert (found.health, found.spec) == (ResourceHealth.READY, image().spec)
    assert found.facts == {
        "tag_uri": f"{REGISTRY}/web:v1",
        "immutable": True,
        "pushed_at": "2026-01-01T00:00:00Z",
    }


def test_a_repository_is_asked_once_for_all_its_tags() -> None:
    """However many tags are wanted of it, and whoever wants them."""
    told = registry(web=[detail("abc", "v1"), detail("def", "v2")], api=[detail("123", "v1")])

    found = observe(told, image(), image(tag="v2"), image("api"), image())

    assert [each.id.rpartition(":")[2] for each in found] == ["abc", "def", "123", "abc"]
    assert told.params("DescribeImages") == [
        {"repositoryName": "api", "imageIds": [{"imageTag": "v1"}]},
        {"repositoryName": "web", "imageIds": [{"imageTag": "v1"}, {"imageTag": "v2"}]},
    ]


@pytest.mark.parametrize("repositories", [{}, {"web": []}], ids=["no repository", "no image"])
def test_before_the_first_push_nothing_is_wrong(repositories: dict[str, Any]) -> None:
    """A first apply makes the repository that the first build pushes to; until then the tag stands for the image."""
    (found,) = observe(registry(**repositories), image())

    assert (found.id, found.health) == (f"{REGISTRY}/web:v1", ResourceHealth.PROGRESSING)
    assert found.reason == "web:v1 has not been pushed yet"


def test_a_tag_missing_among_others_is_a_mistake() -> None:
    """The newest tags that were pushed say what was probably meant; the other tags are found all the same."""
    told = registry(
        web=[
            detail("a", "v1"),
            detail("d", "v4", f"{IN_USE}web-4", day=4),
            detail("b", "v2", day=2),
            detail("c", "v3", "rc", day=3),
        ],
    )

    (missing, found) = observe(told, image(tag="v5"), image())

    assert (missing.id, missing.health) == (f"{REGISTRY}/web:v5", ResourceHealth.DEGRADED)
    assert missing.reason == "the repository web has no image tagged v5; its newest: v4, rc, v3"
    assert found.id.endswith("@sha256:a")


def test_untagged_images_are_images() -> None:
    """A repository that has been pushed to, but not under this tag."""
    (found,) = observe(registry(web=[{"imageDigest": "sha256:a"}]), image())

    assert (found.health, found.reason) == (ResourceHealth.DEGRADED, "the repository web has no image tagged v1")


def test_one_missing_image_hides_no_other_repository() -> None:
    """AWS's refusal for one repository says nothing about the next."""
    found = observe(registry(web=[], api=[detail("123", "v1")]), image(), image("api"))

    assert [each.health for each in found] == [ResourceHealth.PROGRESSING, ResourceHealth.READY]


def test_a_denied_look_is_not_a_missing_image() -> None:
    """Unknown is not absent."""
    with pytest.raises(errors.Denied):
        observe(Talk(DescribeImages=errors.Denied("not allowed")), image())


def test_the_newest_is_the_newest_in_any_time_zone() -> None:
    """Times are compared as times."""
    east = datetime(2026, 1, 2, 1, tzinfo=timezone(timedelta(hours=9)))  # the evening before, in UTC
    images = [detail("a", "late", day=2), {"imageDigest": "sha256:b", "imageTags": ["early"], "imagePushedAt": east}]

    (found,) = observe(registry(web=images), image())

    assert found.reason.endswith("its newest: late, early")


def test_nothing_is_asked_when_nothing_is_wanted() -> None:
    """No image, no call."""
    told = registry()
    assert observe(told) == []
    assert told.said == []


def test_an_image_is_never_written() -> None:
    """Making and deleting images is the build's and the repository's business."""
    (found,) = observe(registry(web=[detail("abc", "v1")]), image())
    writes = (
        lambda: Image().create(image()),
        lambda: Image().update(found, image(), ()),
        lambda: Image().delete(found),
        lambda: Image().update_tags(found, {"a": "b"}, ()),
    )
    for write in writes:
        with pytest.raises(AssertionError, match="only looked up"):
            write()
