"""The only place where AWS is called.

A conversation (model/resource.py) is run here: its calls are performed, retried, paged, counted and logged, and AWS's
refusals thrown back into it. `perform` is the seam: one call, one attempt, one answer or one `errors.AwsError`. Tests
put crashes, lost answers, stale reads and throttles there, and everything above it is the real product.

On the way out each write is held against what is known to be the stack's own (`OwnershipGuard`), a second time after
the planner.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from reconciler import errors, events
from reconciler.aws.errors import garbled
from reconciler.aws.ownership_guard import OwnershipGuard, created, is_list_of_text
from reconciler.aws.propagation import Propagation
from reconciler.aws.rate_limiter import RateLimiter
from reconciler.aws.response_cache import ResponseCache
from reconciler.aws.retry import IN_CALL_SECONDS, Policy, is_read
from reconciler.clock import Clock, SystemClock
from reconciler.log import log
from reconciler.model.resource import Batch, Call, Calls

T = TypeVar("T")

CONCURRENCY = 16
"""Calls under way at once to one AWS service. How many a second is for `RateLimiter` to say, not for this."""

ANSWER_SECONDS = 30.0
"""Time after which a call that was not answered is not sent again: it may hold whatever waits for it."""

REQUESTS = 10_000
"""Writes whose request ids are kept: more than a controller sends within the time that an event may take."""

MISREAD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a conversation raises over an answer that lacks what it reads, or holds it in another shape."""


class Transport(Protocol):
    """Performs one call, once."""

    def perform(self, call: Call) -> dict[str, Any]:
        """AWS's answer with all its pages.

        Raises `errors.AwsError`."""


class AwsClient:
    """One account and region, and the conversations held with it. Safe to use from several threads."""

    def __init__(
        self,
        transport: Transport,
        *,
        clock: Clock | None = None,
        mine: OwnershipGuard | None = None,
        pace: RateLimiter | None = None,
        memory: ResponseCache | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """`pace`: shared by all that call in one account; without it, this one keeps to its own. `memory`: of answers
        that never change. `stop`: set by `close`; the transport may end its calls with it."""
        self.transport = transport
        self.clock = clock or SystemClock()
        self.mine = mine or OwnershipGuard()
        self.pace = pace or RateLimiter(self.clock)
        self.memory = memory
        self.propagation = Propagation(self.clock)
        self.counts: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self.requests: deque[str] = deque(maxlen=REQUESTS)
        """Ids of the latest writes, by which events of AWS tell who made a call."""
        self.halted = ""
        """Why nothing is written any more; empty as long as it is."""
        self._stop = stop or threading.Event()
        self._lock = threading.Lock()
        self._gates: dict[tuple[str, bool], threading.Semaphore] = {}
        self._pools: dict[tuple[str, bool], ThreadPoolExecutor] = {}

    def run(
        self,
        conversation: Calls[T],
        *,
        creating: Collection[str] | None = None,
        fresh: bool = False,
        urgent: bool = False,
        wrote: Callable[[Call], None] | None = None,
    ) -> T:
        """Hold a conversation to its end and return its result.

        `creating`: it creates something by these operations, and may write to that. `fresh`: what it names must exist,
        so that NotFound is a delay if it was made moments ago. `urgent`: its calls go before all others that wait for
        AWS's rates, and it is asked again so soon that nothing is waited for here that is not propagated yet. `wrote`
        is told of each write that was executed, or may have been, whatever becomes of the conversation.
        Raises what the conversation raises, AWS's refusals among it; an answer that it cannot read is `Ambiguous`.
        """
        policy = Policy(fresh or creating is not None, propagation_seconds=0.0 if urgent else IN_CALL_SECONDS)
        said: Call | Batch | None = None
        try:
            said = next(conversation)
            while True:
                try:
                    answer = self._ask(said, policy, creating=creating, urgent=urgent)
                except errors.AwsError as refusal:
                    if wrote is not None and isinstance(refusal, errors.Ambiguous):
                        _tell(wrote, said)
                    said = conversation.throw(refusal)
                else:
                    if wrote is not None:
                        _tell(wrote, said)
                    if creating is not None and not policy.begun and _is_write(said):
                        policy = replace(policy, begun=True)
                    said = conversation.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        except MISREAD as error:
            if said is None:
                raise  # before the first answer there was nothing to misread
            raise garbled(_name(said), error) from error

    def close(self) -> None:
        """Stop waiting and let the threads go."""
        self._stop.set()
        with self._lock:
            pools = list(self._pools.values())
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, said: Call | Batch, policy: Policy, *, creating: Collection[str] | None, urgent: bool) -> Any:
        if isinstance(said, Call):
            return self._call(said, policy, creating=creating, urgent=urgent)
        ask: Callable[..., dict[str, Any] | None] = self._call
        if said.missing_ok:
            ask, policy = self._call_or_none, replace(policy, fresh=False)
        if len(said.calls) <= 1:
            return [ask(call, policy, creating=creating, urgent=urgent) for call in said.calls]
        answers = [self._recall(call) for call in said.calls]
        futures = {
            place: self._pool(call.service, urgent).submit(
                ask, call, policy, creating=creating, urgent=urgent, asked=True
            )
            for place, call in enumerate(said.calls)
            if answers[place] is None
        }
        for place, future in futures.items():
            answers[place] = future.result()
        return answers

    def _call_or_none(self, call: Call, policy: Policy, **how: Any) -> dict[str, Any] | None:
        try:
            return self._call(call, policy, **how)
        except errors.Gone:
            return None

    def _call(
        self, call: Call, policy: Policy, *, creating: Collection[str] | None, urgent: bool, asked: bool = False
    ) -> dict[str, Any]:
        """`asked`: memory has been asked already, and does not know."""
        known = None if asked else self._recall(call)
        if known is not None:
            return known
        writing = not is_read(call)
        if writing:
            self._assert_ours(call, creating=creating)
        attempt, began = 0, self.clock.monotonic()
        while True:
            attempt += 1
            self.pace.wait(call, self._stop, urgent=urgent)
            self._count(call, writing=writing)
            try:
                with self._gate(call.service, urgent):
                    answer = self.transport.perform(call)
            except errors.AwsError as raw:
                refusal, waited = self.propagation.judged(call, raw, fresh=policy.fresh)
                if isinstance(refusal, errors.Throttled):
                    self.pace.throttled(call)
                pause = policy.pause(call, refusal, attempt, 0.0 if policy.finishes(raw) else waited)
                unanswered = refusal.code == "NoAnswer" and self.clock.monotonic() - began >= ANSWER_SECONDS
                if pause is None or unanswered or self._stop.is_set():
                    raise refusal from raw.__cause__
                log.debug(events.AWS_RETRY, call=str(call), code=refusal.code, attempt=attempt, pause=round(pause, 2))
                self.clock.wait(self._stop, pause)
                continue
            metadata = answer.get("ResponseMetadata", {})
            request_id = metadata.get("RequestId", "")
            log.debug(events.AWS_CALL, call=str(call), attempt=attempt, aws_request_id=request_id)
            if self.memory is not None:
                self.memory.keep(call, answer)
            self.propagation.answered(call, answer)
            if writing:
                self.requests += {request_id, metadata.get("HTTPHeaders", {}).get("x-amzn-requestid", request_id)}
                log.info(events.AWS_WRITE, call=str(call), target=_target(call), aws_request_id=request_id)
                if creating is not None:
                    self.mine.add(*created(call, answer))
            return answer

    def _recall(self, call: Call) -> dict[str, Any] | None:
        return None if self.memory is None else self.memory.recall(call)

    def halt(self, because: str) -> None:
        """Send no write any more, for as long as this process runs."""
        self.halted = self.halted or because

    def _assert_ours(self, call: Call, *, creating: Collection[str] | None) -> None:
        if self.halted:
            raise errors.SafetyBreach(f"{call} was not sent: {self.halted}")
        if self.mine.covers(call) or (creating is not None and call.operation in creating):
            return
        raise errors.OwnershipBreach(
            f"{call} on {_target(call)} was not sent: nothing it names is known to belong to this stack"
        )

    def _count(self, call: Call, *, writing: bool) -> None:
        with self._lock:
            self.counts[str(call)] += 1
            if writing:
                self.writes[str(call)] += 1

    def _gate(self, service: str, urgent: bool) -> threading.Semaphore:
        with self._lock:
            return self._gates.setdefault((service, urgent), threading.Semaphore(CONCURRENCY))

    def _pool(self, service: str, urgent: bool) -> ThreadPoolExecutor:
        """A service's own threads: two hundred calls that wait for one service's rates are in no other's way."""
        with self._lock:
            pool = self._pools.get((service, urgent))
            if pool is None:
                pool = ThreadPoolExecutor(max_workers=CONCURRENCY, thread_name_prefix=f"aws-{service}")
                self._pools[service, urgent] = pool
            return pool


def _tell(wrote: Callable[[Call], None], said: Call | Batch) -> None:
    for call in (said,) if isinstance(said, Call) else said.calls:
        if not is_read(call):
            wrote(call)


def _name(said: Call | Batch) -> str:
    calls = (said,) if isinstance(said, Call) else said.calls
    return str(calls[0]) if calls else "-"


def _is_write(said: Call | Batch) -> bool:
    return not is_read(said) if isinstance(said, Call) else not all(is_read(call) for call in said.calls)


SECRET = frozenset({"SecretString", "Value"})
"""Parameters with what nobody but AWS is to see."""


def _top_level(call: Call) -> Iterable[str]:
    return [value for value in call.params.values() if isinstance(value, str)]


def _target(call: Call) -> str:
    """What a write is about, for the audit line."""
    shown = replace(call, params={name: value for name, value in call.params.items() if name not in SECRET})
    named = [text for text in _top_level(shown) if len(text) <= 256]
    lists = [item for value in call.params.values() if is_list_of_text(value) for item in value]
    return " ".join((named + lists)[:3]) or "-"
