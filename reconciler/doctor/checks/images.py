"""Images: whether they exist, and are built for the CPU architecture of their tasks."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from reconciler import errors
from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity, asked_all, not_checked
from reconciler.doctor.workloads import Workload
from reconciler.model.ecr_image import ecr_image
from reconciler.model.resource import Call, Calls, Link, Ref, ResourceHealth, ServiceApi

ecr = ServiceApi("ecr")

LISTS: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
"""Media types of manifests that name an image for each platform."""

SINGLE: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+json",
)

AT_ONCE: Final = 100
"""Images of a repository that BatchGetImage takes in one call."""

PLATFORMS: Final[Mapping[str, str]] = {"X86_64": "amd64", "ARM64": "arm64"}
"""What the platform of an image is called, by the architecture of a task definition (OCI image specification)."""


@dataclass(frozen=True, slots=True)
class _Use:
    workload: Workload
    container: str
    uri: str

    @property
    def where(self) -> str:
        return self.workload.place(f"containers.{self.container}.image")

    @property
    def id(self) -> dict[str, str]:
        """As ECR names an image."""
        _, _, digest = self.uri.partition("@")
        tag = self.uri.rpartition("/")[2].partition("@")[0].partition(":")[2] or "latest"
        return {"imageDigest": digest} if digest else {"imageTag": tag}


class Images(Check):
    title: ClassVar[str] = "images"
    cheap: ClassVar[bool] = True

    def findings(self, case: Case) -> Calls[list[Finding]]:
        found: list[Finding] = []
        uses: dict[tuple[str, str], _Use] = {}
        for workload in case.workloads:
            for name, container in workload.definition.spec.containers.items():
                if (waiting := _not_pushed(case, workload, name)) is not None:
                    found.append(waiting)
                elif uri := _uri(case, container.image):
                    uses.setdefault((uri, workload.definition.spec.architecture), _Use(workload, name, uri))
        here: dict[tuple[str, str], list[_Use]] = defaultdict(list)
        for use in uses.values():
            private = ecr_image(use.uri)
            if private is None or private.region != case.place.region:
                found.append(_elsewhere(case, use))
            else:
                here[private.account, private.repository].append(use)
        groups = [(place, several[start : start + AT_ONCE]) for place, several in here.items()
                  for start in range(0, len(several), AT_ONCE)]  # fmt: skip
        answers = yield from asked_all([_call(*place, several) for place, several in groups])
        for ((_, repository), several), answer in zip(groups, answers, strict=True):
            found += [one for use in several for one in _judged(use, repository, answer)]
        return found


def _not_pushed(case: Case, workload: Workload, container: str) -> Finding | None:
    """Of an image of the stack's own repositories that is missing; the plan itself says what is blocked by it."""
    link = next((one for one in _declared(case, workload) if one[0] == container), None)
    image = None if link is None else case.found.get(link[1].address)
    if image is None or image.health is not ResourceHealth.PROGRESSING:
        return None
    where = workload.place(f"containers.{container}.image")
    fix = f"push it: docker push {image.facts['tag_uri']}"
    return Finding(Severity.NOTE, "image-not-pushed", str(workload.address), image.reason, fix, where)


def _declared(case: Case, workload: Workload) -> Iterator[tuple[str, Ref]]:
    """Containers whose image is looked up by its tag."""
    want = case.wanted.get(workload.definition.address)
    for name, container in want.spec.containers.items() if want is not None else ():
        if isinstance(container.image, Ref):
            yield name, container.image


def _uri(case: Case, link: Link) -> str:
    if not isinstance(link, Ref):
        return link
    found = case.found.get(link.address)
    return found.id if found is not None and found.health is ResourceHealth.READY else ""


def _elsewhere(case: Case, use: _Use) -> Finding:
    registry = use.uri.partition("/")[0] if "/" in use.uri else "Docker Hub"
    cause = f"{use.uri} is not checked: {registry} is not a private registry of ECR in {case.place.region}"
    fix = "see for yourself that it exists for the architecture of the task"
    return Finding(Severity.NOTE, "image-not-checked", str(use.workload.address), cause, fix, use.where)


def _call(account: str, repository: str, uses: Sequence[_Use]) -> Call:
    return ecr.batch_get_image(
        registryId=account,
        repositoryName=repository,
        imageIds=[dict(one) for one in dict.fromkeys(tuple(use.id.items()) for use in uses)],
        acceptedMediaTypes=[*LISTS, *SINGLE],
    )


def _judged(use: _Use, repository: str, answer: dict[str, Any] | errors.AwsError | None) -> list[Finding]:
    about = str(use.workload.address)
    if isinstance(answer, errors.AwsError):
        return [not_checked(f"image {use.uri}", answer)]
    if answer is None:
        cause = f"the repository {repository} of {use.uri} does not exist"
        return [Finding(Severity.ERROR, "image-missing", about, cause, "correct the image, or create it", use.where)]
    for image in answer["images"]:
        if use.id.items() <= image["imageId"].items():
            return _wrong_platform(use, image)
    cause = f"the image {use.uri} does not exist: tasks stop with CannotPullContainerError"
    fix = f"push it, or choose one of: aws ecr list-images --repository-name {repository}"
    return [Finding(Severity.ERROR, "image-missing", about, cause, fix, use.where)]


def _wrong_platform(use: _Use, image: Mapping[str, Any]) -> list[Finding]:
    """Of an image for several platforms: a single one does not say in its manifest what it is for."""
    try:
        manifest = json.loads(image.get("imageManifest") or "{}")
        platforms = {one["platform"]["architecture"] for one in manifest.get("manifests") or () if "platform" in one}
    except (ValueError, KeyError, TypeError, AttributeError):
        return []  # not a manifest that says anything of platforms
    architecture = use.workload.definition.spec.architecture
    wanted = PLATFORMS.get(architecture, architecture.lower())
    built = sorted(one for one in platforms if one != "unknown")
    if not built or wanted in built:
        return []
    cause = f"{use.uri} is built for {', '.join(built)}, and the task runs on {architecture} ({wanted})"
    choice = next((name for name, platform in PLATFORMS.items() if platform in built), None)
    fix = f"build it with `docker buildx build --platform linux/{wanted}`" + (
        f", or set `architecture: {choice}` in the task" if choice else ""
    )
    return [Finding(Severity.ERROR, "image-platform", str(use.workload.address), cause, fix, use.where)]
