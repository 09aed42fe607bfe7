"""The only place where AWS is called.

A conversation (model/resource.py) is run here: its calls are performed, retried, paged, counted and logged, and AWS's
refusals thrown back into it. `perform` is the seam: one call, one attempt, one answer or one `errors.AwsError`. Tests
put crashes, lost answers, stale reads and throttles there, and everything above it is the real product.

On the way out each write is held against what is known to be the stack's own (`OwnershipGuard`), a second time after
the planner.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

from reconciler import errors, events
from reconciler.aws.catalogue import service_facts
from reconciler.aws.errors import garbled
from reconciler.aws.rate_limiter import RateLimiter
from reconciler.aws.response_cache import ResponseCache
from reconciler.aws.retry import Policy, is_read
from reconciler.clock import Clock, SystemClock
from reconciler.log import log
from reconciler.model.resource import Batch, Call, Calls

T = TypeVar("T")

CONCURRENCY = 16
"""Calls under way at once to one AWS service. How many a second is for `RateLimiter` to say, not for this."""

TARGETS_INSIDE = {"SetRulePriorities": ("RulePriorities", "RuleArn")}

MISREAD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a conversation raises over an answer that lacks what it reads, or holds it in another shape."""


class Transport(Protocol):
    """Performs one call, once."""

    def perform(self, call: Call) -> dict[str, Any]:
        """AWS's answer with all its pages.

        Raises `errors.AwsError`."""


@dataclass(slots=True)
class OwnershipGuard:
    """What the stack owns, by every name that a call can say it by. Grows as things are created."""

    names: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *identifiers: str) -> None:
        with self._lock:
            for identifier in identifiers:
                self.names.update(_aliases(identifier))

    def knows(self, service: str, text: str) -> bool:
        """Whether a service's call may name something of ours so. Short names count in their own service only: a
        repository is not ours because a cluster of that name is."""
        return text in self.names or f"{service_facts(service).arn_namespace}:{text}" in self.names

    def covers(self, call: Call) -> bool:
        """A write names at least one thing of ours, and a list of targets nothing but ours.

        Only top-level parameters count: they are what is written to, the deeper ones are what it is written with.
        `TARGETS_INSIDE` are the operations that hide their targets deeper.
        """
        inside = TARGETS_INSIDE.get(call.operation)
        if inside is not None:
            parameter, key = inside
            return all(self.knows(call.service, item[key]) for item in call.params[parameter])
        texts = [value for value in call.params.values() if isinstance(value, str)]
        lists = [value for value in call.params.values() if _is_list_of_text(value)]
        return any(self.knows(call.service, text) for text in texts) or any(
            all(self.knows(call.service, item) for item in value) for value in lists
        )


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
    ) -> None:
        """`pace`: shared by all that call in one account; without it, this one keeps to its own. `memory`: of answers
        that never change."""
        self.transport = transport
        self.clock = clock or SystemClock()
        self.mine = mine or OwnershipGuard()
        self.pace = pace or RateLimiter(self.clock)
        self.memory = memory
        self.counts: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self._stop = threading.Event()
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

        `creating`: it creates something by these operations, and may write to that. `fresh`: something it names was
        made in this pass. `urgent`: its calls go before all others that wait for AWS's rates. `wrote` is told of each
        write that was executed, or may have been, whatever becomes of the conversation.
        Raises what the conversation raises, AWS's refusals among it; an answer that it cannot read is `Ambiguous`.
        """
        policy = Policy(fresh=fresh)
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
                    if creating is not None and not policy.fresh and _is_write(said):
                        policy = Policy(fresh=True)
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
        started, attempt = self.clock.monotonic(), 0
        while True:
            attempt += 1
            started += self.pace.wait(call, self._stop, urgent=urgent)  # waiting for our turn is no propagation
            self._count(call, writing=writing)
            try:
                with self._gate(call.service, urgent):
                    answer = self.transport.perform(call)
            except errors.AwsError as refusal:
                if isinstance(refusal, errors.Throttled):
                    self.pace.throttled(call)
                pause = policy.pause(call, refusal, attempt, self.clock.monotonic() - started)
                if pause is None or self._stop.is_set():
                    raise
                log.debug(events.AWS_RETRY, call=str(call), code=refusal.code, attempt=attempt, pause=round(pause, 2))
                self.clock.wait(self._stop, pause)
                continue
            request_id = answer.get("ResponseMetadata", {}).get("RequestId", "")
            log.debug(events.AWS_CALL, call=str(call), attempt=attempt, aws_request_id=request_id)
            if self.memory is not None:
                self.memory.keep(call, answer)
            if writing:
                log.info(events.AWS_WRITE, call=str(call), target=_target(call), aws_request_id=request_id)
                if creating is not None:
                    self.mine.add(*_made(call, answer))
            return answer

    def _recall(self, call: Call) -> dict[str, Any] | None:
        return None if self.memory is None else self.memory.recall(call)

    def _assert_ours(self, call: Call, *, creating: Collection[str] | None) -> None:
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


def _aliases(identifier: str) -> set[str]:
    """An ARN's resource part and its last segment name the same thing as the ARN, to its own service."""
    if not identifier.startswith("arn:"):
        return {identifier}
    _, _, service, _, _, resource = (identifier + ":::::").split(":", 5)
    resource = resource.rstrip(":")
    short = {resource, resource.rpartition("/")[2], resource.partition(":")[2] or resource}
    return {identifier, *(f"{service}:{name}" for name in short)}


def _made(call: Call, answer: dict[str, Any]) -> Iterable[str]:
    """What a creation's answer gives out as the new thing's id, ARN or name; not what it stands on or refers to.

    `CreateSubnet` answers a `SubnetId`, which is new, and a `VpcId`, which is not; `CreateLogGroup` answers nothing,
    and its new thing goes by the name that it was sent.
    """
    noun = _VERB.sub("", call.operation).casefold()
    for key, text in (*_pairs(answer), *_pairs(call.params)):
        if _names(noun, key.casefold()):
            yield f"{service_facts(call.service).arn_namespace}:{text}" if key.endswith(("Name", "name")) else text


_VERB = re.compile(r"^[A-Z][a-z]+")
_IDENTIFIER = re.compile(r"(id|arn|name)$")


def _names(noun: str, key: str) -> bool:
    """Whether `key` says which `noun` it is: `groupid` of a `securitygroup`, or just `arn`."""
    what, ends = _IDENTIFIER.subn("", key)
    return bool(ends) and (not what or noun.endswith(what) or what in _SAME.get(noun, ()))


_SAME = {"address": ("allocation",), "scalabletarget": ("resource",)}


def _pairs(value: Any) -> Iterable[tuple[str, str]]:
    """Every key and text, however deep."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str):
                yield key, item
            elif key not in _ELSEWHERE:
                yield from _pairs(item)
    elif isinstance(value, list):
        for item in value:
            yield from _pairs(item)


_ELSEWHERE = frozenset({"ResponseMetadata", "containerDefinitions", "containers", "Tags", "tags", "TagSpecifications"})
"""What is inside these goes by `name` and `id` too, and is not the thing itself."""


def _tell(wrote: Callable[[Call], None], said: Call | Batch) -> None:
    for call in (said,) if isinstance(said, Call) else said.calls:
        if not is_read(call):
            wrote(call)


def _name(said: Call | Batch) -> str:
    calls = (said,) if isinstance(said, Call) else said.calls
    return str(calls[0]) if calls else "-"


def _is_write(said: Call | Batch) -> bool:
    return not is_read(said) if isinstance(said, Call) else not all(is_read(call) for call in said.calls)


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)


def _top_level(call: Call) -> Iterable[str]:
    return [value for value in call.params.values() if isinstance(value, str)]


def _target(call: Call) -> str:
    """What a write is about, for the audit line; secrets never stand at the top level of a call that we make."""
    named = [text for text in _top_level(call) if len(text) <= 256]
    lists = [item for value in call.params.values() if _is_list_of_text(value) for item in value]
    return " ".join((named + lists)[:3]) or "-"
