"""Who gets the next request: weights first, then a target of the group, with stickiness where it is asked for.

Weights are kept exactly, not on average: of any hundred requests in a row a weight of 10 in 100 gets ten, spread evenly
(the smooth weighted round robin of nginx). So ten requests are enough to see a canary of ten percent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from reconciler.local.balancer.table import Endpoint, Group
from reconciler.local.ports import Forward, WeightedGroup

GROUP_COOKIE = "AWSALBTG"
TARGET_COOKIE = "AWSALB"
APPLICATION_COOKIE = "AWSALBAPP-0"


class Weights:
    """Takes turns among groups in proportion to their weights; None when no group has any."""

    def __init__(self, groups: Sequence[WeightedGroup]) -> None:
        self._groups = [group for group in groups if group.weight > 0]
        self._total = sum(group.weight for group in self._groups)
        self._credit = [0] * len(self._groups)

    def next(self) -> str | None:
        if len(self._groups) < 2:
            return self._groups[0].group_arn if self._groups else None
        for index, group in enumerate(self._groups):
            self._credit[index] += group.weight
        best = max(range(len(self._groups)), key=self._credit.__getitem__)
        self._credit[best] -= self._total
        return self._groups[best].group_arn

    def named(self, mark: str) -> str | None:
        """The group that a cookie names, as long as it has a weight."""
        return next((group.group_arn for group in self._groups if stamp(group.group_arn) == mark), None)


class Turns:
    """Takes turns among the targets of each group; goes on where it was when the table is replaced."""

    def __init__(self) -> None:
        self._cursor: dict[str, int] = {}

    def next(self, group: Group, outstanding: Callable[[Endpoint], int]) -> Endpoint | None:
        if not group.endpoints:
            return None
        cursor = self._cursor.get(group.arn, -1) + 1
        self._cursor[group.arn] = cursor
        if group.algorithm != "least_outstanding_requests":
            return group.endpoints[cursor % len(group.endpoints)]
        start = cursor % len(group.endpoints)
        return min((*group.endpoints[start:], *group.endpoints[:start]), key=outstanding)

    def keep(self, arns: Mapping[str, Group]) -> None:
        self._cursor = {arn: cursor for arn, cursor in self._cursor.items() if arn in arns}


def stamp(text: str) -> str:
    """What a cookie says instead of the name itself."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def sticky_endpoint(group: Group, marks: Mapping[str, str]) -> Endpoint | None:
    """The target that a client stays with: with a cookie of the application, for as long as the client has that one."""
    if not group.stickiness or (group.cookie and group.cookie not in marks):
        return None
    mark = marks.get(APPLICATION_COOKIE if group.cookie else TARGET_COOKIE, "")
    return next((point for point in group.endpoints if stamp(f"{point.host}:{point.port}") == mark), None)


def cookies(
    forward: Forward, group: Group, endpoint: Endpoint, headers: Sequence[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """The Set-Cookie headers that keep a client where it is, beside those `headers` of the target."""
    made = []
    if forward.stickiness:
        made.append((GROUP_COOKIE, stamp(group.arn), forward.stickiness))
    if group.stickiness and (not group.cookie or _sets(headers, group.cookie)):
        name = APPLICATION_COOKIE if group.cookie else TARGET_COOKIE
        made.append((name, stamp(f"{endpoint.host}:{endpoint.port}"), group.stickiness))
    return [
        (b"Set-Cookie", f"{name}={value}; Max-Age={int(seconds)}; Path=/".encode()) for name, value, seconds in made
    ]


def _sets(headers: Sequence[tuple[bytes, bytes]], cookie: str) -> bool:
    beginning = f"{cookie}=".encode()
    return any(name.lower() == b"set-cookie" and value.lstrip().startswith(beginning) for name, value in headers)
