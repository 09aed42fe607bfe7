"""The regions of the account: a world each, made at the first call that names it.

Worlds have nothing of each other's. They share the account's time, faults, identifiers, global services (IAM, STS,
Route 53 and the names of S3) and this machine: tasks, health checks and listeners. A load balancer has an address of
its own there, so that those of two regions may both listen on port 80.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Iterator, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any, Final

from botocore.loaders import create_loader

from reconciler.local.cloudtrail.state import History
from reconciler.local.faults import Faults
from reconciler.local.ids import Ids
from reconciler.local.network import Network
from reconciler.local.ports import ListenerRoutes, LoadBalancing, TargetProbe, TaskRunner
from reconciler.local.refusal import Refusal
from reconciler.local.rest import Rest, forget_everything
from reconciler.local.scheduler.loop import settle
from reconciler.local.timers import Timers
from reconciler.local.timings import Timings
from reconciler.local.wire import Call
from reconciler.local.world import Checks, World

GLOBAL: Final = "aws-global"
"""The region by which SDKs look up the endpoint of a global service; it is signed for as `US_EAST`."""
US_EAST: Final = "us-east-1"
SIGNATURE_ERRORS: Final = {
    "json": ("InvalidSignatureException", HTTPStatus.BAD_REQUEST),
    "cbor": ("InvalidSignatureException", HTTPStatus.BAD_REQUEST),
    "query": ("SignatureDoesNotMatch", HTTPStatus.FORBIDDEN),
    "ec2": ("AuthFailure", HTTPStatus.UNAUTHORIZED),
    "rest": ("SignatureDoesNotMatch", HTTPStatus.FORBIDDEN),
}


@functools.lru_cache(maxsize=1)
def names() -> frozenset[str]:
    """Every region of the partition `aws`, as the SDK knows them."""
    partitions = create_loader().load_data("partitions")["partitions"]
    (aws,) = (partition for partition in partitions if partition["id"] == "aws")
    return frozenset(aws["regions"]) - {GLOBAL}


def check(call: Call) -> None:
    """Raises the refusal of a signature for a region that there is not, as it has no endpoint that would take it."""
    if call.region not in names() and call.region != GLOBAL:
        code, status = SIGNATURE_ERRORS[call.protocol]
        raise Refusal(code, f"Credential should be scoped to a valid region, not '{call.region}'.", status=status)


def check_arns(region: str, params: Mapping[str, Any]) -> None:
    """What ECS refuses of a request's own names; it takes only the last part of an ARN as the name."""
    for value in params.values():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and text.startswith("arn:aws:ecs:") and text.split(":")[3] != region:
                raise Refusal("InvalidParameterException", "Invalid Region in ARN")


class Regions:
    """The worlds by region; `reset` begins again without any."""

    def __init__(
        self,
        account: str,
        timings: Timings,
        checks: Checks,
        faults: Faults,
        ports: tuple[TaskRunner, TargetProbe, LoadBalancing],
        *,
        speed: float,
    ) -> None:
        self._account, self._timings, self._checks, self._faults = account, timings, checks, faults
        self._ports, self._speed = ports, speed
        self._changes = 0

    def reset(self, seed: int, now: datetime) -> None:
        """An empty account. The same calls will give the same identifiers again."""
        forget_everything(seed)
        self.timers = Timers(now)
        self.ids = Ids(random.Random(seed))
        self._worlds: dict[str, World] = {}
        self._roles_since: dict[str, datetime] = {}
        self._listeners: dict[str, tuple[ListenerRoutes, ...]] = {}
        self.functions: dict[str, str] = {}
        self.history = History(seed)
        self._public_addresses = itertools.count(1)
        self._changes += 1

    def __iter__(self) -> Iterator[World]:
        return iter(tuple(self._worlds.values()))

    def world(self, region: str) -> World:
        """The region's world, made if this is the first that is heard of it. The name has to be a region's."""
        if region == GLOBAL:
            region = US_EAST
        if region not in self._worlds:
            rest = Rest(self._account, region)
            runner, probe, balancing = self._ports
            self._worlds[region] = World(
                region=region,
                account=self._account,
                timings=self._timings,
                timers=self.timers,
                faults=self._faults,
                rest=rest,
                network=Network(rest, self._public_addresses),
                runner=runner,
                probe=probe,
                balancing=balancing,
                region_named=self.world_named,
                checks=self._checks,
                speed=self._speed,
                ids=self.ids,
                roles_since=self._roles_since,
                listeners=self._listeners,
                functions=self.functions,
                history=self.history,
            )
        return self._worlds[region]

    def known(self, region: str) -> World | None:
        """The region's world, if anything was heard of it."""
        return self._worlds.get(US_EAST if region == GLOBAL else region)

    def world_named(self, region: str) -> World | None:
        """The world of a region that somebody names in an ARN or a setting; None for one that there is not."""
        return self.world(region) if region in names() else None

    def of_task(self, task_id: str) -> World | None:
        return next((world for world in self._worlds.values() if task_id in world.ecs.tasks), None)

    def of_group(self, group_arn: str) -> World | None:
        return self._worlds.get(group_arn.split(":")[3])

    @property
    def changes(self) -> int:
        """Moves with every change of what moto's services answer that time does not change."""
        return self._changes + sum(world.rest.changes for world in self._worlds.values())

    def settle(self) -> None:
        for world in self._worlds.values():
            settle(world)
