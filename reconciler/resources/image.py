"""An image in one of our repositories, looked up by its tag: what a build has pushed, and what tasks are to run.

Its id is the address with the digest, so that a task definition names exactly this content whatever becomes of the tag.
Until something has been pushed it is the address with the tag, and nothing is held up: a first apply makes the
repository that the first build needs. A tag that is missing among others is a mistake, and said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from datetime import UTC
from typing import Any, ClassVar

from reconciler.model import image_tags, resource
from reconciler.model.aws_event import AwsEvent
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.named_by_events import EventType
from reconciler.model.resource import Address, Calls, Desired, Observed, ResourceHealth, ServiceApi
from reconciler.model.resource_type import Depth, Scope
from reconciler.resources import _gone

ecr = ServiceApi("ecr")

TAGS_AT_ONCE = 100
"""Images that DescribeImages takes in one call."""

HINTS = 3
"""How many of the newest tags to name where the wanted one is missing."""


class ImageSpec(resource.Spec):
    repository: str
    tag: str
    uri: str
    """Where to pull it from, with the tag."""
    immutable_tags: bool = False
    """The tag never names anything else."""


class Image(LookedUpType[ImageSpec]):
    kind: ClassVar[str] = "image"
    Spec = ImageSpec
    event_types: ClassVar[tuple[EventType, ...]] = (EventType("aws.ecr", "ECR Image Action"),)
    inside: ClassVar[tuple[str, str] | None] = ("repository", "repository")
    observe_after: ClassVar[tuple[str, ...]] = ("repository",)

    def named_in(self, event: AwsEvent) -> Set[str]:
        """A push or a deletion by tag. Where the tag is left out, it is of a digest that no document can ask for."""
        repository, tag = event.detail.get("repository-name"), event.detail.get("image-tag")
        return {f"{repository}:{tag}"} if event.detail.get("result") == "SUCCESS" and tag else frozenset()

    def event_names(self, found: Observed[ImageSpec]) -> Set[str]:
        return {f"{found.spec.repository}:{found.spec.tag}"}

    def observe(self, scope: Scope) -> Calls[list[Observed[ImageSpec]]]:
        known = _lasting(scope)
        tags: dict[str, set[str]] = defaultdict(set)
        for want in scope.wanted:
            if want.address in known:
                continue
            tags[want.spec.repository].add(want.spec.tag)
        asked = [(repository, chunk) for repository in sorted(tags) for chunk in _chunks(sorted(tags[repository]))]
        answers = yield from _gone.answers(
            [
                ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag} for tag in chunk])
                for repository, chunk in asked
            ]
        )
        pushed: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for (repository, _), answer in zip(asked, answers, strict=True):
            pushed[repository] += [] if answer is None else answer["imageDetails"]
        # one missing tag is enough for no answer, so that all images have to be looked through
        short = sorted({repository for (repository, _), answer in zip(asked, answers, strict=True) if answer is None})
        listings = yield from _gone.answers([ecr.describe_images(repositoryName=repository) for repository in short])
        for repository, listing in zip(short, listings, strict=True):
            pushed[repository] = [] if listing is None else listing["imageDetails"]
        return [known.get(want.address) or _look_up(want, pushed[want.spec.repository]) for want in scope.wanted]


def _lasting(scope: Scope) -> dict[Address, Observed[ImageSpec]]:
    """What need not be looked up again: a tag that never names anything else, and was found in an earlier pass."""
    if scope.depth is Depth.FULL:
        return {}
    wanted = {want.address: want.spec for want in scope.wanted}
    return {
        one.address: one
        for one in scope.before
        if one.spec.immutable_tags and one.health is ResourceHealth.READY and wanted.get(one.address) == one.spec
    }


def _look_up(want: Desired[ImageSpec], images: Sequence[Mapping[str, Any]]) -> Observed[ImageSpec]:
    spec = want.spec
    image = next((image for image in images if spec.tag in image.get("imageTags", ())), None)
    if image is not None:
        address = spec.uri.removesuffix(f":{spec.tag}")
        facts = {"tag_uri": spec.uri, "immutable": spec.immutable_tags, "pushed_at": _pushed_at(image)}
        return Observed(want.address, f"{address}@{image['imageDigest']}", spec, facts=facts)
    facts = {"tag_uri": spec.uri, "immutable": spec.immutable_tags, "pushed_at": ""}
    if not images:
        reason = f"{spec.repository}:{spec.tag} has not been pushed yet"
        return Observed(want.address, spec.uri, spec, health=ResourceHealth.PROGRESSING, reason=reason, facts=facts)
    reason = f"the repository {spec.repository} has no image tagged {spec.tag}{_newest(images)}"
    return Observed(want.address, spec.uri, spec, health=ResourceHealth.DEGRADED, reason=reason, facts=facts)


def _newest(images: Sequence[Mapping[str, Any]]) -> str:
    newest_first = sorted(images, key=_pushed_at, reverse=True)
    tags = [tag for image in newest_first for tag in image_tags.pushed(image.get("imageTags", ()))]
    return f"; its newest: {', '.join(tags[:HINTS])}" if tags else ""


def _pushed_at(image: Mapping[str, Any]) -> str:
    """In UTC, so that it sorts as text."""
    when = image.get("imagePushedAt")
    return "" if when is None else f"{when.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _chunks(tags: Sequence[str]) -> list[Sequence[str]]:
    return [tags[start : start + TAGS_AT_ONCE] for start in range(0, len(tags), TAGS_AT_ONCE)]
