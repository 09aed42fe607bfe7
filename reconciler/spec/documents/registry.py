"""Registry document: an ECR repository for container images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from reconciler.spec.documents.base import Document, Members
from reconciler.spec.documents.values import Flag, Whole, matching

REPOSITORY = r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*)*"


RepositoryName = Annotated[
    str, *matching(REPOSITORY, 256, "lower-case letters and digits, joined by single '.', '_', '-' or '/'", 2)
]


class Registry(Document):
    """An ECR repository; containers refer to it with `image: {registry: …, tag: …}`."""

    api = "repository"

    kind: Literal["Registry"] = "Registry"
    name: RepositoryName
    aws_name: RepositoryName | None = None
    """The repository's name in AWS. Default: the document's name, with the Stack's prefix and suffix."""
    immutable_tags: Flag = True
    """A tag always refers to the image that was pushed with it first."""
    scan_on_push: Flag = True
    """Scans each image for vulnerabilities when it is pushed."""
    keep_images: Annotated[Whole, Field(ge=1, le=10_000)] | None = None
    """Older images expire, except those that a release uses which runs, is kept warm or can be gone back to. Default:
    all are kept."""
    encryption: Annotated[
        str, *matching(r"AES256|KMS|arn:aws[a-z-]*:kms:.+", 2048, "AES256, KMS, or the ARN of a KMS key")
    ] = "AES256"
    """Cannot be changed later without replacing the repository and its images."""
    aws: Members = Field(default_factory=dict)
    """Further members of CreateRepository, by ECR's names: `imageTagMutabilityExclusionFilters`."""
