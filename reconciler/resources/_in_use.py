"""Images in use: tags in our own repositories that keep an image from expiring for as long as a revision names it.

An image that matches the tags of a lifecycle rule is never expired by a rule of lower priority (ECR user guide,
"Automate the cleanup of images by using lifecycle policies"). So the first rule is about these tags, and never comes
true. Each revision of a task definition has a tag of its own, which a repository with immutable tags takes as well.
Removing the last tag of an image would delete it: such an image is first given another tag, and then expires like any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Final

from reconciler import errors
from reconciler.model.image_tags import IN_USE, NO_LONGER
from reconciler.model.resource import Call, Calls, ServiceApi
from reconciler.resources import _ecs, _gone

ecr = ServiceApi("ecr")

LONGEST: Final = 60
AT_ONCE: Final = 100
"""Images that BatchGetImage and BatchDeleteImage take in one call."""

MANIFESTS: Final = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
]


def tag(revision: str) -> str:
    """The tag for the images of a revision, given by its ARN."""
    family, _, number = revision.rpartition("/")[2].rpartition(":")
    if len(family) > LONGEST:
        family = f"{family[:LONGEST]}-{hashlib.sha256(family.encode()).hexdigest()[:8]}"
    return f"{IN_USE}{family}-{number}"


def hold(revision: str, images: Iterable[str], repositories: Iterable[str]) -> Calls[None]:
    """Tag those of `images` that are in `repositories`, for a revision. An image that is gone is left out."""
    names = frozenset(repositories)
    for image in sorted(set(images)):
        address, _, digest = image.partition("@")
        repository = address.partition("/")[2]
        if digest and ".dkr.ecr." in address and repository in names:
            found = yield from _found(repository, [{"imageDigest": digest}])
            for manifest in list(found.values())[:1]:
                yield from _put(repository, manifest, digest, tag(revision))


def let_go(revisions: Iterable[str], repositories: Iterable[str]) -> Calls[None]:
    """Remove the tags of `revisions`, which nobody goes back to."""
    names = sorted({tag(revision) for revision in revisions})
    for repository, tags in product(sorted(repositories), _ecs.batches(names, AT_ONCE)):
        found = yield from _found(repository, [{"imageTag": name} for name in tags])
        if not found:
            continue
        described = yield from _gone.answer(
            ecr.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest} for digest in found])
        )
        for image in () if described is None else described["imageDetails"]:
            digest = image["imageDigest"]
            if set(image.get("imageTags", ())) <= set(tags):
                yield from _put(repository, found[digest], digest, f"{NO_LONGER}{digest.rpartition(':')[2][:12]}")
        yield ecr.batch_delete_image(repositoryName=repository, imageIds=[{"imageTag": name} for name in tags])


def _found(repository: str, images: list[dict[str, str]]) -> Calls[dict[str, Mapping[str, str]]]:
    """Digest → the image with its manifest, of those that are there."""
    call: Call = ecr.batch_get_image(repositoryName=repository, imageIds=images, acceptedMediaTypes=MANIFESTS)
    answer = yield from _gone.answer(call)
    return {} if answer is None else {image["imageId"]["imageDigest"]: image for image in answer["images"]}


def _put(repository: str, image: Mapping[str, str], digest: str, name: str) -> Calls[None]:
    try:
        yield ecr.put_image(
            repositoryName=repository,
            imageManifest=image["imageManifest"],
            imageManifestMediaType=image.get("imageManifestMediaType"),
            imageDigest=digest,
            imageTag=name,
        )
    except errors.Exists:
        return  # an earlier try has put it
