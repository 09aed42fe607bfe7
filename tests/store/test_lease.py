"""One writer at a time: acquiring, renewing, taking over and letting go, over both stores."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.clock import ManualClock
from reconciler.store.base import Record, Records
from reconciler.store.lease import Lease
from tests.store.stores import KINDS, contender, opened


@pytest.fixture(params=KINDS)
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Records]:
    with opened(request.param, tmp_path) as store:
        yield store.records


class Shaky:
    """Records whose next swap loses its answer, or is executed late."""

    def __init__(self, inner: Records) -> None:
        self.inner = inner
        self.fail = ""
        self.late: tuple[str | None, Record] | None = None

    def lost(self) -> str:
        return self.inner.lost()

    def read(self) -> Record | None:
        return self.inner.read()

    def swap(self, expected: str | None, record: Record) -> bool:
        fail, self.fail = self.fail, ""
        if fail == "answer":
            self.inner.swap(expected, record)
        if fail == "late":
            self.late = (expected, record)
        if fail:
            raise errors.StoreUnreachable("no answer")
        return self.inner.swap(expected, record)

    def land(self) -> bool:
        """What was under way arrives after all."""
        assert self.late is not None
        return self.inner.swap(*self.late)


@pytest.mark.promise("S8", "one holder of the lease")
def test_only_one_of_two_contenders_acquires(records: Records) -> None:
    """While one holds the lease nobody else does."""
    clock = ManualClock()
    first, second = contender(records, clock), contender(records, clock, "two")
    assert first.acquire()
    assert not second.acquire()
    assert (first.epoch, second.epoch) == (1, 0)
    assert second.seen is not None
    assert second.seen.holder == first.holder


@pytest.mark.promise("L3", "a lease that ends or is released")
def test_a_contender_waits_a_whole_ttl_from_its_own_first_look(records: Records) -> None:
    """A dead holder's lease is taken after the same version has stood for a TTL by the contender's own clock."""
    holders, others = ManualClock(), ManualClock()
    first, second = contender(records, holders), contender(records, others, "two")
    assert first.acquire()
    holders.advance(1_000)  # long over for the holder, but the contender has only just come
    assert not second.acquire()
    others.advance(59.9)
    assert not second.acquire()
    others.advance(0.1)
    assert second.acquire()
    assert second.epoch == 2


@pytest.mark.promise("L3", "a lease that ends or is released")
def test_each_renewal_starts_the_contenders_wait_anew(records: Records) -> None:
    """A holder that renews is never taken over, however long others contend."""
    clock = ManualClock()
    first, second = contender(records, clock), contender(records, clock, "two")
    assert first.acquire()
    for _ in range(20):
        clock.advance(20)
        assert not second.acquire()
        first.renew()
    assert first.epoch == 1


@pytest.mark.promise("S8", "one holder of the lease")
def test_the_holders_time_is_over_before_anybody_can_take_it(records: Records) -> None:
    """At the moment of a takeover the old holder has nothing left, without having been told."""
    clock = ManualClock()
    first, second = contender(records, clock), contender(records, clock, "two")
    assert first.acquire()
    assert not second.acquire()
    clock.advance(60)
    assert first.left() <= 0
    assert second.acquire()


def test_the_holders_ttl_counts_and_not_the_contenders(records: Records) -> None:
    """A contender with a shorter TTL of its own still waits for the one that the holder was promised."""
    clock = ManualClock()
    first, second = contender(records, clock), contender(records, clock, "two", ttl=5)
    assert first.acquire()
    assert not second.acquire()
    clock.advance(30)
    assert not second.acquire()


@pytest.mark.promise("L3", "a lease that ends or is released")
def test_a_released_lease_is_taken_at_once(records: Records) -> None:
    """A clean release lets the next one in without any waiting, in the next epoch."""
    clock = ManualClock()
    first, second = contender(records, clock), contender(records, clock, "two")
    assert first.acquire()
    assert not second.acquire()
    first.release()
    assert first.left() <= 0
    assert second.acquire()
    assert second.epoch == 2


@pytest.mark.promise("S8", "one holder of the lease")
def test_a_former_holder_learns_of_its_loss(records: Records) -> None:
    """Renewing what another has taken fails, for good; acquiring it again is a new epoch."""
    clock = ManualClock()
    first, second = contender(records, clock), contender(records, clock, "two")
    assert first.acquire()
    assert not second.acquire()
    clock.advance(60)
    assert second.acquire()
    with pytest.raises(errors.LeaseLost, match="two"):
        first.renew()
    assert first.epoch == 0
    with pytest.raises(errors.LeaseLost):
        first.renew()
    second.release()
    assert first.acquire()
    assert first.epoch == 3


def test_a_late_renewal_keeps_what_nobody_has_taken(records: Records) -> None:
    """A lease whose time is over may be renewed as long as no contender was there."""
    clock = ManualClock()
    first = contender(records, clock)
    assert first.acquire()
    clock.advance(300)
    assert first.left() <= 0
    first.renew()
    assert first.left() == 60
    assert first.epoch == 1


def test_releasing_what_is_lost_leaves_the_new_holder_alone(records: Records) -> None:
    """A release never ends somebody else's lease."""
    clock = ManualClock()
    first, second = contender(records, clock), contender(records, clock, "two")
    assert first.acquire()
    assert not second.acquire()
    clock.advance(60)
    assert second.acquire()
    first.release()
    second.renew()
    assert second.epoch == 2


@pytest.mark.parametrize("fail", ["answer", "late"])
def test_a_renewal_without_an_answer_costs_nothing(records: Records, fail: str) -> None:
    """Whether a lost renewal was written, or is written afterwards, the next one goes on from there."""
    clock, shaky = ManualClock(), Shaky(records)
    first, second = contender(shaky, clock), contender(records, clock, "two")
    assert first.acquire()
    clock.advance(20)
    shaky.fail = fail
    with pytest.raises(errors.StoreUnreachable):
        first.renew()
    assert first.left() == 40  # nobody said that it was renewed
    if fail == "late":
        assert shaky.land()
    first.renew()
    assert first.left() == 60
    assert not second.acquire()
    assert first.epoch == 1


def test_a_renewal_that_arrives_after_the_next_one_changes_nothing(records: Records) -> None:
    """A write that was under way for long finds another version and is dropped."""
    clock, shaky = ManualClock(), Shaky(records)
    first = contender(shaky, clock)
    assert first.acquire()
    shaky.fail = "late"
    with pytest.raises(errors.StoreUnreachable):
        first.renew()
    first.renew()
    assert not shaky.land()
    first.release()
    assert not shaky.land()
    assert contender(records, clock, "two").acquire()


@pytest.mark.parametrize("fail", ["answer", "late"])
def test_an_acquisition_without_an_answer_is_recognised(records: Records, fail: str) -> None:
    """Whoever acquired without hearing of it does not wait for itself."""
    clock, shaky = ManualClock(), Shaky(records)
    first = contender(shaky, clock)
    shaky.fail = fail
    with pytest.raises(errors.StoreUnreachable):
        first.acquire()
    assert first.epoch == 0
    if fail == "late":
        assert shaky.land()
    assert first.acquire()
    assert first.epoch == 2


def test_a_release_without_an_answer_still_ends_our_writing(records: Records) -> None:
    """After a release nothing is ours, even if the store could not be told."""
    clock, shaky = ManualClock(), Shaky(records)
    first, second = contender(shaky, clock), contender(records, clock, "two")
    assert first.acquire()
    shaky.fail = "late"
    with pytest.raises(errors.StoreUnreachable):
        first.release()
    assert first.left() <= 0
    assert not second.acquire()
    clock.advance(60)
    assert second.acquire()


def test_a_slow_store_shortens_our_time_and_not_the_others(records: Records) -> None:
    """Our time counts from before the write was sent, whenever its answer came."""
    clock = ManualClock()

    class Slow(Shaky):
        def swap(self, expected: str | None, record: Record) -> bool:
            clock.advance(15)
            done = super().swap(expected, record)
            clock.advance(15)
            return done

    first = contender(Slow(records), clock)
    assert first.acquire()
    assert first.left() == 30
    first.renew()
    assert first.left() == 30


@pytest.mark.promise("S8", "one holder of the lease")
def test_a_suspended_machine_does_not_believe_its_own_clock(records: Records) -> None:
    """A monotonic clock that slept with the machine is overruled by the time of day."""

    class Slept(ManualClock):
        def monotonic(self) -> float:
            return 0.0

    clock = Slept()
    first = contender(records, clock)
    assert first.acquire()
    clock.advance(59)
    assert first.left() == 1
    clock.advance(1)
    assert first.left() <= 0


def test_a_clock_that_is_set_back_gives_no_time(records: Records) -> None:
    """A time of day that jumps back is overruled by the monotonic clock."""

    clock = ManualClock()
    first = contender(records, clock)
    assert first.acquire()
    clock.advance(30)
    clock._now = clock._now.replace(year=2020)
    assert first.left() == 30
    clock.advance(30)
    assert first.left() <= 0


@pytest.mark.promise("S8", "one holder of the lease")
def test_epochs_only_grow(records: Records) -> None:
    """Each change of hands is a higher epoch, whoever it is."""
    clock = ManualClock()
    leases = [contender(records, clock, name) for name in ("one", "two", "three")]
    epochs = []
    for turn in range(9):
        lease = leases[turn % 3]
        assert lease.acquire()
        epochs.append(lease.epoch)
        lease.release()
    assert epochs == list(range(1, 10))


def test_stacks_do_not_share_a_lease(tmp_path: Path) -> None:
    """Two stacks in one file are two leases."""
    clock = ManualClock()
    with opened("sqlite", tmp_path, "shop") as shop, opened("sqlite", tmp_path, "bank") as bank:
        assert contender(shop.records, clock).acquire()
        assert contender(bank.records, clock, "two").acquire()


def test_a_swap_needs_the_very_version(records: Records) -> None:
    """A conditional write is refused for another version, for none, and for one that was there before."""
    record = Record("one", 1, "a", 60.0, ManualClock().now())
    assert records.read() is None
    assert not records.swap("x", record)
    assert records.swap(None, record)
    assert records.read() == record
    assert not records.swap(None, replace(record, version="b"))
    assert records.swap("a", replace(record, version="b"))
    assert not records.swap("a", replace(record, version="c"))


@pytest.mark.parametrize(("holder", "ttl"), [("", 60.0), ("one", 0.0)])
def test_a_lease_without_holder_or_ttl_is_refused(records: Records, holder: str, ttl: float) -> None:
    """A lease that could not be told from a released one, or never held, is a mistake of ours."""
    with pytest.raises(ValueError, match="a lease needs"):
        Lease(records, holder, ManualClock(), ttl=ttl)
