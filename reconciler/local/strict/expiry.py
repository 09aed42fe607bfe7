"""Lifecycle policies of repositories, which moto keeps and does not evaluate.

ECR user guide, "Automate the cleanup of images by using lifecycle policies": an image is expired by one rule or none,
and never by a rule of lower priority than one whose tags it matches. AWS takes up to a day; here it is with each push.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

from reconciler.local.strict.rule import Form
from reconciler.local.wire import Response
from reconciler.local.world import World


def expire(world: World, params: Form, response: Response) -> Response | None:  # noqa: ARG001 — see `After`
    """PutImage: what the repository's policy expires goes."""
    repository = world.rest.state("ecr").repositories[params["repositoryName"]]
    if repository.lifecycle_policy:
        rules = json.loads(repository.lifecycle_policy)["rules"]
        going = expired(rules, repository.images, world.now)
        repository.images = [image for image in repository.images if image not in going]
    return None


def expired(rules: Sequence[Mapping[str, Any]], images: Sequence[Any], now: datetime) -> list[Any]:
    """Those of `images`, oldest first, that the rules expire."""
    going: list[Any] = []
    held: list[Any] = []
    for rule in sorted(rules, key=lambda rule: int(rule["rulePriority"])):
        selection = rule["selection"]
        matching = [image for image in images if _matches(selection, image.image_tags)]
        count = int(selection["countNumber"])
        if selection["countType"] == "imageCountMoreThan":
            surplus = matching[: max(0, len(matching) - count)]
        else:
            since = (now - timedelta(days=count)).timestamp()
            surplus = [image for image in matching if image.image_pushed_at < since]
        going += [image for image in surplus if image not in held and image not in going]
        if selection["tagStatus"] == "tagged":
            held += matching
    return going


def _matches(selection: Mapping[str, Any], tags: Sequence[str]) -> bool:
    match selection["tagStatus"]:
        case "any":
            return True
        case "untagged":
            return not tags
        case _:
            patterns = [f"{prefix}*" for prefix in selection.get("tagPrefixList", ())]
            patterns += selection.get("tagPatternList", ())
            return all(any(fnmatchcase(tag, pattern) for tag in tags) for pattern in patterns)
