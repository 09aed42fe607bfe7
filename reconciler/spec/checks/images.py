"""Checks of images: mutable tags, and the repositories in which those in use are tagged."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.model.image_tags import IMAGES
from reconciler.model.tagging import VALUE_LENGTH
from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic
from reconciler.spec.documents import Registry
from reconciler.spec.messages import shown
from reconciler.spec.specs import Specs


def check(specs: Specs) -> Iterator[Diagnostic]:
    for workload in specs.workloads:
        repositories = " ".join(queries.expiring(specs, workload))
        if len(repositories) > VALUE_LENGTH:
            place = specs.where(workload, "task", "containers", key=True)
            message = f"containers: the names of their repositories have {len(repositories)} characters in the tag"
            hint = "take some of the images from one repository, or remove keep_images from some"
            yield Diagnostic("E1106", f"{message} {IMAGES}; AWS allows {VALUE_LENGTH}", place, hint=hint)
        for name, container in workload.task.containers.items():
            if container.image.pinned_tag != "latest":
                continue
            image = ("task", "containers", name, "image")
            place = specs.where(workload, *image, *(("tag",) if container.image.registry is not None else ()))
            message = f"{shown(str(container.image))} refers to a different image after every push"
            yield Diagnostic("W5001", message, place, hint="use a version tag or a digest")
            registry = specs.get(Registry, container.image.registry)
            if registry is not None and registry.immutable_tags:
                message = f"tag: registry {shown(registry.name)} has immutable tags, so latest can be pushed only once"
                yield Diagnostic("W5002", message, place)
