"""What changes with a release of a service, apart from its tasks, and whether a commit has changed it by itself. Pure.

A lower count that was committed with a release stays undone if that release fails. One that was committed later, while
the release is still wanted and quarantined, belongs to the version that serves. The digests are stored with the reason
of the quarantine, so that the two can be told apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.model.resource import Address, Desired, Observed
from reconciler.model.stable_digest import digest, stable
from reconciler.rollout import state_tags
from reconciler.rollout.spec import RolloutSpec

LENGTH: Final = 4
COUNT: Final = "desired_count"
OF_NO_TASK: Final = (COUNT, "initial_count", "starts_empty")


def followers(delivery: RolloutSpec) -> Iterable[Address]:
    """What changes with a release of the service, apart from its tasks."""
    yield delivery.service
    yield Address("scaling", delivery.name)
    for entry in (delivery.production, delivery.test) if delivery.moves_traffic else ():
        if entry is not None and entry.kind == "listener-rule":
            yield entry


def digests(delivery: RolloutSpec, desired: Mapping[Address, Desired[Any]], ids: Mapping[Address, str]) -> str:
    """`SIZE.SPECS`: of what follows the release, and of what the release is declared as; `ids` are those of images."""
    service = _dump(desired, delivery.service)
    size = {str(one): _dump(desired, one) for one in followers(delivery) if one != delivery.service}
    specs = {name: value for name, value in service.items() if name not in OF_NO_TASK}
    images = [ids.get(image, "") for image in delivery.images]
    release = [specs, _dump(desired, delivery.task_definition), delivery.health, images]
    return f"{digest([service.get(COUNT), size], LENGTH)}.{digest(release, LENGTH)}"


def changed_alone(
    delivery: RolloutSpec,
    desired: Mapping[Address, Desired[Any]],
    ids: Mapping[Address, str],
    service: Observed[Any],
) -> bool:
    """Whether what follows the release was changed after the wanted one had been quarantined."""
    marks = state_tags.of_tags(service.tags)
    then = [one.judges.split(".")[1:] for one in marks.verdicts if marks.quarantined(one.release)]
    if not then:
        return False
    size, specs = digests(delivery, desired, ids).split(".")
    return [size, specs] not in then and specs in [one[1] for one in then if len(one) == 2]


def _dump(desired: Mapping[Address, Desired[Any]], address: Address) -> dict[str, Any]:
    found: dict[str, Any] = stable(desired[address].spec) if address in desired else {}
    return found
