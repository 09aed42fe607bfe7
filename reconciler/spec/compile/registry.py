"""Compilation of a Registry: the ECR repository that a service's images are pushed to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model.image_tags import IMAGES, IN_USE
from reconciler.model.resource import Address, Desired, Keep, Ref
from reconciler.resources.image import ImageSpec
from reconciler.resources.repository import LIFECYCLE, RepositorySpec
from reconciler.spec import members, queries
from reconciler.spec.compile.context import Context, unstated
from reconciler.spec.documents import Registry, Service, Task

MORE_THAN_THERE_ARE = 100_000
"""Images that a repository may hold (ECR user guide, service quotas)."""


def compile_registry(context: Context, registry: Registry) -> Iterator[Desired[Any]]:
    lifecycle = None if registry.keep_images is None else keep_newest(registry.keep_images)
    key = registry.encryption if registry.encryption.startswith("arn:") else None
    yield context.desired(
        registry,
        Address("repository", registry.name),
        RepositorySpec(
            name=registry.name_in_aws,
            immutable_tags=registry.immutable_tags,
            scan_on_push=registry.scan_on_push,
            lifecycle=lifecycle,
            encryption="KMS" if key else registry.encryption,
            kms_key=key,
            aws=members.said(registry),
        ),
        members={} if lifecycle is None else {LIFECYCLE: Keep.STATED},
        kept=unstated(registry, immutable_tags="immutable_tags", scan_on_push="scan_on_push", encryption="encryption"),
    )


def keep_newest(count: int) -> dict[str, Any]:
    """ECR's lifecycle policy that expires all but the `count` newest images, and none in use.

    What matches the tags of the first rule is never expired by the second, and the first never comes true.
    """
    return {
        "rules": [
            {
                "rulePriority": 1,
                "description": "keep images in use",
                "selection": {
                    "tagStatus": "tagged",
                    "tagPrefixList": [IN_USE],
                    "countType": "imageCountMoreThan",
                    "countNumber": MORE_THAN_THERE_ARE,
                },
                "action": {"type": "expire"},
            },
            {
                "rulePriority": 2,
                "description": f"keep the {count} newest images",
                "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": count},
                "action": {"type": "expire"},
            },
        ]
    }


def repository_uri(context: Context, name: str) -> str:
    suffix = ".cn" if context.partition == "aws-cn" else ""
    return f"{context.account}.dkr.ecr.{context.stack.region}.amazonaws.com{suffix}/{name}"


def image(context: Context, document: Any, registry: Registry, tag: str, *path: str | int) -> Desired[Any]:
    """The image that a container asks for by tag; it is looked up, and its digest is what runs."""
    return context.desired(
        document,
        Address("image", f"{registry.name}:{tag}"),
        ImageSpec(
            repository=registry.name_in_aws,
            tag=tag,
            uri=f"{repository_uri(context, registry.name_in_aws)}:{tag}",
            immutable_tags=registry.immutable_tags,
        ),
        *path,
        after=(Address("repository", registry.name),),
    )


def images_tag(context: Context, workload: Service | Task) -> dict[str, str]:
    """The tag of revisions whose images are tagged as in use: in the repositories of the stack where images expire."""
    repositories = queries.expiring(context.specs, workload)
    return {IMAGES: " ".join(repositories)} if repositories else {}


def image_ref(registry: str, tag: str) -> Ref:
    return Ref(Address("image", f"{registry}:{tag}"))
