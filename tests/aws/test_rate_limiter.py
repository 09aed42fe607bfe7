"""The client keeps to AWS's rates by itself, and costs nothing where they are not reached."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.catalogue import Rate, service_facts, services
from reconciler.aws.client import AwsClient
from reconciler.aws.rate_limiter import LEAST, Bucket, RateLimiter
from reconciler.clock import ManualClock
from reconciler.model.resource import Batch, Call, Calls

READ = Call("elbv2", "DescribeTags")
WRITE = Call("elbv2", "ModifyRule")
UNKNOWN = Call("iam", "GetRole")
NEVER = threading.Event()


class Aws10:
    """AWS with its own token bucket: ten calls at once, and one more a second."""

    def __init__(self, clock: ManualClock, rate: Rate) -> None:
        self.clock, self.rate = clock, rate
        self.tokens, self.at, self.refused = rate.burst, 0.0, 0
        self.done: list[Call] = []

    def perform(self, call: Call) -> dict[str, Any]:
        now = self.clock.monotonic()
        self.tokens = min(self.rate.burst, self.tokens + (now - self.at) * self.rate.per_second)
        self.at = now
        if self.tokens < 1:
            self.refused += 1
            raise errors.Throttled("Rate exceeded", code="Throttling")
        self.tokens -= 1
        self.done.append(call)
        return {}


def several(call: Call, count: int) -> Calls[int]:
    for _ in range(count):
        yield call
    return count


def waited(pace: RateLimiter, call: Call, times: int, **more: Any) -> float:
    return sum(pace.wait(call, NEVER, **more) for _ in range(times))


def test_a_burst_goes_at_once_and_the_rest_at_the_rate() -> None:
    """Our share of the burst costs nothing; what is beyond it waits for our share of the rate."""
    pace = RateLimiter(ManualClock(), share=0.5)
    assert waited(pace, READ, 20) == 0
    assert waited(pace, READ, 10) == pytest.approx(2.0, abs=0.1)


def test_buckets_are_kept_apart() -> None:
    """Reads do not wait for writes, nor one service for another."""
    pace = RateLimiter(ManualClock(), share=0.5)
    waited(pace, READ, 20)
    assert pace.wait(WRITE, NEVER) == 0
    assert pace.wait(Call("ec2", "DescribeVpcs"), NEVER) == 0
    assert pace.wait(READ, NEVER) > 0


def test_what_has_no_published_rate_is_not_held_back_until_it_throttles() -> None:
    """Nothing is known of it, until it says so itself."""
    pace = RateLimiter(ManualClock())
    assert waited(pace, UNKNOWN, 500) == 0
    pace.throttled(UNKNOWN)
    assert pace.wait(UNKNOWN, NEVER) > 0


@pytest.mark.parametrize("share", [0.5, 0.8, 1.0])
def test_nothing_is_throttled_that_keeps_to_its_share(share: float) -> None:
    """AWS's own bucket never refuses a client that is alone and paces itself."""
    clock = ManualClock()
    world = Aws10(clock, Rate("read", 40, 10))
    aws = AwsClient(world, clock=clock, pace=RateLimiter(clock, share))
    aws.run(several(READ, 300))
    assert world.refused == 0
    assert clock.monotonic() <= (300 - 40 * share) / (10 * share) + 1


def test_a_throttle_halves_the_rate_and_it_comes_back() -> None:
    """Others are at it too: half as much at once, and all of it again within a minute."""
    bucket = Bucket.of(Rate("read", 40, 10), 1.0, 0.0)
    bucket.slow_down(0.0)
    bucket.slow_down(0.1)  # the answer to a call that was sent beside the first
    assert bucket.factor == pytest.approx(0.5, abs=0.01)
    assert bucket.take(0.1, urgent=False) > 0
    bucket.slow_down(5.0)
    assert 0.2 < bucket.factor < 0.5
    bucket.take(70.0, urgent=False)
    assert bucket.factor == 1.0


def test_however_often_throttled_something_goes_on() -> None:
    """The rate never falls to nothing."""
    bucket = Bucket.of(Rate("read", 40, 10), 1.0, 0.0)
    for second in range(50):
        bucket.slow_down(second * 1.5)
    assert bucket.factor >= LEAST
    assert bucket.take(75.0, urgent=False) < 60


def test_the_client_tells_of_a_throttle_and_finishes_all_the_same() -> None:
    """With somebody else taking half of the rate, all calls are made, and fewer are refused from then on."""
    clock = ManualClock()
    world = Aws10(clock, Rate("read", 20, 4))
    aws = AwsClient(world, clock=clock, pace=RateLimiter(clock))
    aws.run(several(READ, 200))
    assert len(world.done) == 200
    assert world.refused < 20


def test_urgent_calls_go_first() -> None:
    """A token that becomes free is a rollout's, whoever has waited longer."""
    bucket = Bucket.of(Rate("read", 1, 1), 1.0, 0.0)
    assert bucket.take(0.0, urgent=False) == 0
    bucket.urgent += 1
    assert bucket.take(1.0, urgent=False) > 0
    assert bucket.take(1.0, urgent=True) == 0


def test_urgent_calls_have_threads_of_their_own() -> None:
    """Two hundred reads that wait for their turn do not keep a rollout's from being sent."""
    reads, urgent, let_go, order = threading.Event(), threading.Event(), threading.Event(), []

    class Slow:
        def perform(self, call: Call) -> dict[str, Any]:
            if call.operation == "GetRole":
                reads.set()
                assert let_go.wait(10)
            else:
                urgent.set()
            order.append(call.operation)
            return {}

    def many(call: Call) -> Calls[None]:
        yield Batch.of([call] * 30)

    aws = AwsClient(Slow())
    other = threading.Thread(target=lambda: aws.run(many(UNKNOWN)))
    other.start()
    assert reads.wait(10)
    aws.run(many(Call("iam", "GetPolicy")), urgent=True)
    assert urgent.is_set()
    assert order == ["GetPolicy"] * 30
    let_go.set()
    other.join(10)
    aws.close()


def test_who_is_stopped_waits_no_longer() -> None:
    """Closing ends every wait for a turn."""
    stop = threading.Event()
    stop.set()
    pace = RateLimiter(ManualClock(), share=0.5)
    assert waited(pace, READ, 20) == 0
    assert pace.wait(READ, stop) == 0


def test_every_named_operation_is_one_that_aws_has() -> None:
    """A bucket for a name that is misspelt would hold back nothing."""
    import botocore.session

    session = botocore.session.get_session()
    for service in services():
        known = set(session.get_service_model(service).operation_names)
        assert set(service_facts(service).rates) <= known
    for service in ("ec2", "elbv2"):
        facts = service_facts(service)
        assert facts.rate_of("DescribeAnything", reads=True) == facts.other_reads is not None
