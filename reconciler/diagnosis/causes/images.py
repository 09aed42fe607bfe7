"""Causes for images that cannot be pulled."""

from __future__ import annotations

from typing import Final

from reconciler.diagnosis.causes.cause import DENIED, NO_ANSWER, Cause, Match

PULL: Final = r"CannotPull\w*Error.*"

IMAGES: Final = (
    Cause(
        "image-platform",
        "no image for this CPU architecture",
        "{image} has no variant for {platform}",
        "build it for {platform}, or set the task's architecture to the one it is built for",
        (
            Match(said=PULL + r"descriptor (?:matching|for) platform '?\{?(?P<platform>\w+/\w+)"),
            Match(said=PULL + r"no match(?:ing manifest)? for (?P<platform>\w+/\w+)"),
            Match(said=PULL + r"no match for platform"),
        ),
    ),
    Cause(
        "image-format",
        "the image has a format that Fargate cannot read",
        "{image} is stored in a format that cannot be unpacked",
        "push it again as a plain image: docker buildx build --provenance=false --sbom=false",
        (
            Match(said=PULL + r"no processor for media-?type"),
            Match(said=PULL + r"(?:unsupported|unexpected|invalid) (?:manifest )?media ?type"),
        ),
    ),
    Cause(
        "image-reference",
        "the image's name is not valid",
        "{image} is not a name that a registry can have",
        "write it as registry/repository:tag or registry/repository@sha256:...",
        (
            Match(said=PULL + r"invalid reference format"),
            Match(said=PULL + r"repository name must be lowercase"),
        ),
    ),
    Cause(
        "image-rate-limit",
        "the registry allows no more pulls for now",
        "{image} was asked for too often; the registry's limit holds for everybody behind one address",
        "give it credentials, or copy the image into ECR (or a pull-through cache), then retry",
        (Match(said=r"(?:toomanyrequests|pull rate limit|429 Too Many Requests)"),),
        counts=False,
    ),
    Cause(
        "image-layers-denied",
        "the image's layers must not be read",
        "ECR answers, but its layers lie in S3, and the way there refuses them",
        "the S3 endpoint's policy has to allow s3:GetObject on the region's starport-layer-bucket",
        (
            Match(said=PULL + r"starport-layer-bucket.*" + DENIED),
            Match(said=PULL + DENIED + r".*starport-layer-bucket"),
        ),
    ),
    Cause(
        "image-denied",
        "the image must not be read",
        "{role} may not pull {image}",
        "the execution role needs ecr:GetAuthorizationToken, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer; "
        "another account's repository needs a policy too",
        (
            Match(said=r"not authorized to perform:? (?P<action>ecr:\w+)"),
            Match(said=PULL + r"role has the permissions to pull images"),
            Match(said=PULL + r"(?:dkr\.ecr\..*|\[manifests [^]]*\]: )" + DENIED),
            Match(said=r"(?:ecr registry auth|registry auth from Amazon ECR|GetAuthorizationToken).*" + DENIED),
        ),
    ),
    Cause(
        "image-credentials",
        "the registry wants credentials",
        "the registry shows {image} to nobody who is not signed in, or has no such repository",
        "check the name; for a private registry give the container credentials, or copy the image into ECR",
        (
            Match(said=PULL + r"pull access denied"),
            Match(said=PULL + r"insufficient_scope"),
            Match(said=PULL + r"401 Unauthorized"),
            Match(said=PULL + r"no basic auth credentials"),
            Match(said=PULL + r"requires? 'docker login'"),
        ),
    ),
    Cause(
        "repository-missing",
        "the image's repository does not exist",
        "there is no repository for {image} in that registry",
        "check account, region and name of the repository; a Registry document makes one",
        (
            Match(said=PULL + r"repository with name '[^']*' does not exist"),
            Match(said=PULL + r"RepositoryNotFoundException"),
            Match(said=PULL + r"name unknown"),
            Match(said=PULL + r"repository \S* ?not found"),
        ),
    ),
    Cause(
        "image-missing",
        "the image does not exist",
        "{image} is not in the registry",
        "push that tag, or name one that is there",
        (
            Match(said=PULL + r"manifest(?: for [^ ]+)? (?:unknown|not found)"),
            Match(said=PULL + r"image \S* ?not found"),
            Match(said=PULL + r"failed to resolve ref .*: not found"),
            Match(said=PULL + r"404 Not Found"),
            Match(said=r"\bImageNotFound(?:Exception)?\b"),
        ),
    ),
    Cause(
        "image-damaged",
        "the image's content is not what its digest says",
        "{image} arrived damaged, or was pushed incompletely",
        "push it again",
        (
            Match(said=PULL + r"unexpected commit digest"),
            Match(said=PULL + r"filesystem layer verification failed"),
        ),
    ),
    Cause(
        "image-no-route",
        "the task has no way to the registry",
        "the task cannot reach {host} to get {image}",
        "give its subnets a way out: public_ip in a public subnet, a NAT gateway, or endpoints for ecr and s3; "
        "and let its security group out on 443",
        (
            Match(said=PULL + NO_ANSWER),
            Match(said=r"(?:ecr registry auth|registry auth(?:entication)? from Amazon ECR).*" + NO_ANSWER),
            Match(said=r"api\.ecr\.[^ ]*.*" + NO_ANSWER),
        ),
    ),
)
