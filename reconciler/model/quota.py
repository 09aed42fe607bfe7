"""Service quota of a resource type: how many of it an account may have, and how many there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reconciler.model.resource import Call, Calls, Link

Count = Callable[[str], Calls[int]]
"""How many count towards a quota in one place, whose id it is given; "" for the region."""


def one_each(_: Any) -> int:
    return 1


def listed(call: Callable[..., Call], items: str, parameter: str = "") -> Count:
    """The number of `items` in the answer to `call`, which takes the place as `parameter`."""

    def count(place: str) -> Calls[int]:
        answer = yield call(**({parameter: place} if parameter else {}))
        return len(answer[items])

    return count


@dataclass(frozen=True, slots=True)
class Quota:
    """A quota as Service Quotas knows it: by `service` and `code`, or by its `name` where `code` is empty.

    `default` is AWS's default value. `amount` is how many a resource with a spec adds. `count` says how many there are;
    without it, the amount of a single resource is limited. `within` is the place that a spec's resource counts in,
    such as a cluster; None for the region. `applies` tells for which specs.
    """

    service: str
    name: str
    default: float
    code: str = ""
    amount: Callable[[Any], int] = one_each
    count: Count | None = None
    within: Callable[[Any], Link] | None = None
    applies: Callable[[Any], bool] = bool
