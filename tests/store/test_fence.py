"""No write leaves once the lease is not surely ours, wherever the process stood still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.aws.session import Boto
from reconciler.clock import ManualClock
from reconciler.model.resource import Call
from reconciler.store.base import Records
from reconciler.store.fence import Fence
from reconciler.store.sqlite import Sqlite
from tests.conftest import REGION
from tests.store.endpoint import Arrivals, listening
from tests.store.stores import contender

TTL, MARGIN = 60.0, 10.0
pytestmark = pytest.mark.promise("S8", "the fence before each write")

LOSSES = (50.0, 50.1, 51.0, 55.0, 59.9, 60.0, 60.1, 90.0, 3_600.0, 86_400.0)
"""Seconds that a pause takes; from the margin on nothing may leave."""
HARMLESS = (0.0, 1.0, 20.0, 49.9)


@pytest.fixture
def arrivals() -> Iterator[Arrivals]:
    with listening() as found:
        yield found


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    store = Sqlite(tmp_path / "store.db", "shop")
    yield store.records
    store.close()


class Bench:
    """A lease, a fence over it, and a client whose calls can be made to stand still at four points."""

    def __init__(self, records: Records, url: str) -> None:
        self.clock = ManualClock()
        self.lease = contender(records, self.clock, ttl=TTL)
        self.other = contender(records, self.clock, "two", ttl=TTL)
        assert self.lease.acquire()
        assert not self.other.acquire()
        self.fence = Fence(self.lease, margin=MARGIN)
        self.fence.begin()
        self.boto = Boto(REGION, endpoint=url, fence=self.fence)
        self.boto.perform(Call("ecs", "ListClusters"))  # the client is there
        self.client = self.boto._clients["ecs"]

    def write(self) -> None:
        self.boto.perform(Call("ecs", "UpdateService", {"service": "web", "desiredCount": self.lease.epoch}))

    def pause(self, seconds: float) -> None:
        """Stand still; whoever contends meanwhile takes the lease as soon as it may."""
        self.clock.advance(seconds)
        self.other.acquire()

    def at(self, point: str, pause: Callable[..., None]) -> None:
        events = self.client.meta.events
        match point:
            case "between the checks":
                events.register_last("before-sign", pause)  # after the fence's own
            case "before the send":
                events.register_last("request-created", pause)  # signed, and not looked at a second time yet
            case "after the send":
                events.register_first("before-parse", pause)


@pytest.mark.parametrize("seconds", LOSSES)
@pytest.mark.parametrize("point", ["before the checks", "between the checks", "before the send", "after the send"])
def test_nothing_is_sent_after_the_lease_was_lost(
    records: Records, arrivals: Arrivals, point: str, seconds: float
) -> None:
    """However long a write stands still, and wherever: it leaves before the time is over, or never."""
    bench = Bench(records, arrivals.url)
    if point == "before the checks":
        bench.pause(seconds)
    bench.at(point, lambda **_: bench.pause(seconds))
    if point == "after the send":
        bench.write()
        assert len(arrivals.writes) == 1  # it left in time
    with pytest.raises(errors.LeaseLost):
        bench.write()
    assert len(arrivals.writes) == (1 if point == "after the send" else 0)


@pytest.mark.parametrize("seconds", HARMLESS)
@pytest.mark.parametrize("point", ["before the checks", "between the checks", "before the send"])
def test_a_short_pause_costs_nothing(records: Records, arrivals: Arrivals, point: str, seconds: float) -> None:
    """As long as the time is not over, less the margin, every write leaves."""
    bench = Bench(records, arrivals.url)
    if point == "before the checks":
        bench.pause(seconds)
    bench.at(point, lambda **_: bench.pause(seconds))
    bench.write()
    assert len(arrivals.writes) == 1


@pytest.mark.parametrize("point", ["before the checks", "between the checks", "before the send"])
def test_nothing_is_sent_after_a_release(records: Records, arrivals: Arrivals, point: str) -> None:
    """A released lease holds back what was decided under it, at every point."""
    bench = Bench(records, arrivals.url)
    if point == "before the checks":
        bench.lease.release()
    bench.at(point, lambda **_: bench.lease.release())
    with pytest.raises(errors.LeaseLost):
        bench.write()
    assert arrivals.writes == []


def test_reads_are_never_held_back(records: Records, arrivals: Arrivals) -> None:
    """Looking is free, with the lease or without."""
    bench = Bench(records, arrivals.url)
    bench.pause(3_600)
    bench.boto.perform(Call("ecs", "ListClusters"))
    assert arrivals.reads == 2


def test_what_an_earlier_epoch_decided_does_not_leave_in_a_later_one(records: Records, arrivals: Arrivals) -> None:
    """A lease that was lost and won again starts over: the old pass stays fenced until a new one begins."""
    bench = Bench(records, arrivals.url)
    bench.lease.release()
    assert bench.lease.acquire()
    with pytest.raises(errors.LeaseLost):
        bench.write()
    assert bench.fence.begin() == 2
    bench.write()
    assert arrivals.writes == [(2, "web")]


def test_a_fence_is_shut_until_a_pass_begins(records: Records) -> None:
    """Without an epoch of its own nothing passes, even while the lease is held."""
    clock = ManualClock()
    lease = contender(records, clock)
    fence = Fence(lease)
    with pytest.raises(errors.LeaseLost):
        fence.begin()
    assert lease.acquire()
    with pytest.raises(errors.LeaseLost):
        fence()
    fence.begin()
    fence()


def test_a_margin_leaves_something_of_the_ttl(records: Records) -> None:
    """A margin as long as the TTL would hold back everything for ever."""
    with pytest.raises(ValueError, match="not shorter than the TTL"):
        Fence(contender(records, ManualClock(), ttl=10), margin=10)


def test_a_lost_lease_ends_the_conversation_unretried(records: Records, arrivals: Arrivals) -> None:
    """The refusal reaches the caller as it is, once, and is not taken for AWS's."""
    bench = Bench(records, arrivals.url)
    aws = AwsClient(bench.boto, clock=bench.clock)
    aws.mine.add("web")

    def conversation() -> Any:
        yield Call("ecs", "UpdateService", {"service": "web", "desiredCount": 1})

    bench.pause(TTL)
    try:
        with pytest.raises(errors.LeaseLost):
            aws.run(conversation())
    finally:
        aws.close()
    assert aws.counts == {"ecs.UpdateService": 1}
    assert arrivals.writes == []


def test_the_fence_holds_in_front_of_an_aws_in_this_process(records: Records) -> None:
    """Where an emulator answers at the sending itself the fence still comes first."""
    clock = ManualClock()
    lease = contender(records, clock)
    assert lease.acquire()
    fence = Fence(lease)
    fence.begin()
    with mock_aws():
        boto = Boto(REGION, fence=fence)
        boto.perform(Call("ecs", "CreateCluster", {"clusterName": "one"}))
        events = boto._clients["ecs"].meta.events
        events.register_last("before-sign", lambda **_: clock.advance(TTL))
        with pytest.raises(errors.LeaseLost):
            boto.perform(Call("ecs", "CreateCluster", {"clusterName": "two"}))
        found = boto.perform(Call("ecs", "ListClusters"))
    assert [arn.rpartition("/")[2] for arn in found["clusterArns"]] == ["one"]
