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
        "build it for {platform}, or change the task's architecture",
        (
            Match(said=PULL + r"descriptor (?:matching|for) platform '?\{?(?P<platform>\w+/\w+)"),
            Match(said=PULL + r"no match(?:ing manifest)? for (?P<platform>\w+/\w+)"),
            Match(said=PULL + r"no match for platform"),
        ),
    ),
    Cause(
        "image-format",
        "the image format is not supported by Fargate",
        "{image} is stored in an unsupported format",
        "push it again as a plain image: docker buildx build --provenance=false --sbom=false",
        (
            Match(said=PULL + r"no processor for media-?type"),
            Match(said=PULL + r"(?:unsupported|unexpected|invalid) (?:manifest )?media ?type"),
        ),
    ),
    Cause(
        "image-reference",
        "the image name is not valid",
        "{image} is not a valid image name",
        "write it as registry/repository:tag or registry/repository@sha256:...",
        (
            Match(said=PULL + r"invalid reference format"),
            Match(said=PULL + r"repository name must be lowercase"),
        ),
    ),
    Cause(
        "image-rate-limit",
        "the registry limits further pulls",
        "the pull rate limit for {image} was reached; it applies to all clients behind one address",
        "add credentials, or copy the image to ECR (or a pull-through cache), then run `reconciler retry`",
        (Match(said=r"(?:toomanyrequests|pull rate limit|429 Too Many Requests)"),),
        counts=False,
    ),
    Cause(
        "image-layers-denied",
        "access to the image layers is denied",
        "ECR is reachable, but access to its layers in S3 is denied",
        "allow s3:GetObject on the region's starport-layer-bucket in the policy of the S3 endpoint",
        (
            Match(said=PULL + r"starport-layer-bucket.*" + DENIED),
            Match(said=PULL + DENIED + r".*starport-layer-bucket"),
        ),
    ),
    Cause(
        "image-denied",
        "access to the image is denied",
        "{role} is not allowed to pull {image}",
        "grant the execution role ecr:GetAuthorizationToken, ecr:BatchGetImage and ecr:GetDownloadUrlForLayer; "
        "a repository in another account also needs a policy",
        (
            Match(said=r"not authorized to perform:? (?P<action>ecr:\w+)"),
            Match(said=PULL + r"role has the permissions to pull images"),
            Match(said=PULL + r"(?:dkr\.ecr\..*|\[manifests [^]]*\]: )" + DENIED),
            Match(said=r"(?:ecr registry auth|registry auth from Amazon ECR|GetAuthorizationToken).*" + DENIED),
        ),
    ),
    Cause(
        "image-credentials",
        "the registry requires credentials",
        "the registry requires authentication for {image}, or has no such repository",
        "check the name; for a private registry, add credentials to the container or copy the image to ECR",
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
        "the image repository does not exist",
        "there is no repository for {image} in that registry",
        "check account, region and name of the repository; a Registry document creates one",
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
        "push that tag, or use an existing one",
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
        "the image content does not match its digest",
        "{image} was damaged in transfer or pushed incompletely",
        "push it again",
        (
            Match(said=PULL + r"unexpected commit digest"),
            Match(said=PULL + r"filesystem layer verification failed"),
        ),
    ),
    Cause(
        "image-no-route",
        "the task cannot reach the registry",
        "the task cannot reach {host} to pull {image}",
        "give its subnets outbound access: public_ip in a public subnet, a NAT gateway, or endpoints for ecr and s3; "
        "and allow outbound port 443 in its security group",
        (
            Match(said=PULL + NO_ANSWER),
            Match(said=r"(?:ecr registry auth|registry auth(?:entication)? from Amazon ECR).*" + NO_ANSWER),
            Match(said=r"api\.ecr\.[^ ]*.*" + NO_ANSWER),
        ),
    ),
)
