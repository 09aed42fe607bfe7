"""Worlds by the thousand: a stack, an account in this process, and the engine over both, one call after the other.

A world is a fork of this process. What it does to its account and to itself ends with it, so nothing has to be put
back, and a world may also be forked in the middle of a run, which is how one run is crashed at all of its calls.
Forking takes milliseconds where making clients takes seconds.

`serial` has the engine do its work without threads: the order of calls is then the same every time, so that "call 37"
means something, and a fork has no thread to lose.
"""

from __future__ import annotations

import gc
import json
import os
import pickle
import shutil
import tempfile
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest

from reconciler import errors
from reconciler.aws import client
from reconciler.aws.client import AwsClient, Transport
from reconciler.aws.retry import is_read
from reconciler.aws.session import Boto
from reconciler.clock import Clock, ManualClock
from reconciler.model.resource import Call
from reconciler.model.type_registry import ResourceTypes, discover
from reconciler.reconcile import executor, observe
from reconciler.reconcile.expectations import Expectations
from reconciler.reconcile.observe import StackId, owned_ids
from reconciler.reconcile.pass_ import DesiredState, look
from reconciler.rollout.stored_state import KEYS
from reconciler.rollout_driver.driver import RolloutDriver
from reconciler.rollout_driver.smoke_tests import SmokeTests
from reconciler.rollout_driver.targets import rollouts_of
from reconciler.spec.compile import compile_deliveries, compile_specs
from reconciler.spec.load import load
from tests.conftest import ACCOUNT, REGION
from tests.harness.account_snapshot import Asking, alike, census
from tests.harness.driving import Report, converge
from tests.harness.seed import SEED
from tests.harness.strict import Strict

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
EVERY_TYPE = ROOT / "tests" / "promises" / "specs"
PATIENCE = 1800.0


class Inline:
    """An executor that does at once what it is given."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, function: Callable[..., T], *arguments: Any, **keywords: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(function(*arguments, **keywords))
        except BaseException as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        return future

    def shutdown(self, *_: Any, **__: Any) -> None:
        pass

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@contextmanager
def serial() -> Iterator[None]:
    """The engine without threads."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (client, executor, observe):
            patch.setattr(module, "ThreadPoolExecutor", Inline)
        yield


@cache
def boto() -> Boto:
    """Clients are most of what a world costs, so there is one set of them for all."""
    return Boto(REGION)


@dataclass(frozen=True, slots=True)
class Stack:
    """A folder of specs as something to wish for."""

    desired_state: DesiredState
    kinds: ResourceTypes

    @property
    def leaving(self) -> Stack:
        return replace(self, desired_state=replace(self.desired_state, leaving=True))


def stack(folder: Path = SEED, texts: Mapping[str, str] | None = None, **fields: Any) -> Stack:
    """The specs in `folder`, with every old text in `texts` replaced by its new one; `fields` are its own."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(shutil.copytree(folder, Path(place) / "specs"))
        for file in copy.rglob("*.yaml"):
            text = file.read_text(encoding="utf-8")
            for old, new in (texts or {}).items():
                text = text.replace(old, new)
            file.write_text(text, encoding="utf-8")
        specs = load(copy, None)
    assert specs.ok, specs.diagnostics
    assert specs.stack is not None
    desired = compile_specs(specs, account=ACCOUNT, partition="aws")
    rolling = tuple(one for one in compile_deliveries(specs) if not one.moves_traffic)
    desired_state = DesiredState(StackId(specs.stack.name, ACCOUNT, REGION), desired, deliveries=rolling, **fields)
    return Stack(desired_state, discover())


class Remembering:
    """moto, asked the same thing once between two writes: most of what a world takes is its questions.

    A write makes its own service's answers old, and those of the services that show what it made.
    """

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self._known: dict[str, dict[str, bytes]] = {}

    def perform(self, call: Call) -> dict[str, Any]:
        if not is_read(call):
            for service in (call.service, "resourcegroupstaggingapi", *_SHOWN_IN.get(call.service, ())):
                self._known.pop(service, None)
            return self.inner.perform(call)
        known, key = self._known.setdefault(call.service, {}), f"{call} {sorted(call.params.items())}"
        if key not in known:
            answer = self.inner.perform(call)
            if call.operation in _MOVES_WHEN_READ:
                return answer
            known[key] = pickle.dumps(answer)
        answered: dict[str, Any] = pickle.loads(known[key])
        return answered


_SHOWN_IN = {"ecs": ("ec2", "application-autoscaling"), "elbv2": ("ec2",), "ec2": ("elbv2",)}
_MOVES_WHEN_READ = frozenset({"DescribeLoadBalancers", "DescribeTasks", "DescribeTaskSets"})


class Ledger:
    """What was executed, whoever asked for it and whatever became of the answer. Next to moto: what AWS's own rules
    answer without doing it again is not in it."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.executed: Counter[str] = Counter()

    def perform(self, call: Call) -> dict[str, Any]:
        answer = self.inner.perform(call)
        if not is_read(call):
            self.executed[str(call)] += 1
        return answer

    def lasting(self) -> Counter[str]:
        """Creations and deletions: what is done once or once too often. A tag or an attribute may be set twice."""
        return Counter({name: count for name, count in self.executed.items() if _lasts(name.partition(".")[2])})


def _lasts(operation: str) -> bool:
    begins = ("Create", "Allocate", "Register", "Run", "Delete", "Release", "Deregister", "Stop")
    return operation.startswith(begins) and operation not in _AGAIN


_AGAIN = frozenset({"CreateTags", "DeleteTags", "RegisterScalableTarget"})
"""What says the same the second time, whatever it is called."""


@dataclass(slots=True)
class Account:
    """moto with AWS's rules, and what was executed in it: a transport."""

    ledger: Ledger = field(default_factory=lambda: Ledger(Remembering(boto())))
    calls: int = 0
    strict: Strict = field(init=False)

    def __post_init__(self) -> None:
        self.strict = Strict(self.ledger)

    def perform(self, call: Call) -> dict[str, Any]:
        self.calls += 1
        return self.strict.perform(call)

    def by_hand(self, service: str) -> Any:
        """A client for what somebody else does in the account."""
        return Asking(self.ledger.perform, service)

    def lasting(self) -> Counter[str]:
        return self.ledger.lasting()

    def final(self) -> dict[str, list[str]]:
        """Everything in it, without what AWS makes up and what is noted of rollouts, which are of ids and times."""
        taken = census(self.ledger.perform)
        taken["service"] = [_unnoted(json.loads(text)) for text in taken["service"]]
        return alike(taken)


def _unnoted(service: dict[str, Any]) -> str:
    service["tags"] = [tag for tag in service.get("tags", ()) if tag["key"] not in KEYS.values()]
    return json.dumps(service, sort_keys=True)


def run(
    transport: Transport,
    wanted: Stack,
    *,
    clock: Clock | None = None,
    expectations: Expectations | None = None,
    patience: float = PATIENCE,
) -> Report:
    """One process's life: it knows nothing, looks, makes passes until it is done, and has ECS roll what it rolls."""
    aws = AwsClient(transport, clock=clock or ManualClock())
    try:
        first = look(aws, wanted.kinds, wanted.desired_state, expectations=expectations)
        report = converge(
            aws,
            wanted.kinds,
            wanted.desired_state,
            first,
            patience_seconds=patience,
            stop=threading.Event(),
            expectations=expectations,
        )
        if wanted.desired_state.deliveries and not wanted.desired_state.leaving:
            roll(aws, wanted, report)
        return report
    finally:
        aws.close()


def roll(aws: AwsClient, wanted: Stack, report: Report) -> None:
    """Ask ECS for the versions that it brings out by itself, as `apply` does."""
    desired_state = wanted.desired_state
    world = report.world or look(aws, wanted.kinds, desired_state)[0]
    aws.mine.add(*owned_ids(world, desired_state.place.stack, {}))
    rollouts, _ = rollouts_of(
        desired_state.deliveries, desired_state.desired, world, desired_state.place.stack, made=report.made
    )
    smoke = SmokeTests(lambda *_: "http://nowhere", lambda *_: (200, ""))
    for result in RolloutDriver(aws, smoke, fresh=frozenset(rollout.address for rollout in rollouts)).advance(rollouts):
        if result.error is not None:
            raise result.error


def until_settled(
    transport: Callable[[], Transport], wanted: Stack, *, runs: int = 12, clock: Clock | None = None
) -> tuple[int, int]:
    """Runs, each a process of its own, until one finds nothing to do; how many there were, and how many passes.

    A run that fails for a passing reason is followed by the next, as a loop would.
    """
    passes, clock, refused = 0, clock or ManualClock(), ""
    for number in range(1, runs + 1):
        try:
            report = run(transport(), wanted, clock=clock)
        except (errors.AwsError, errors.Refused) as error:
            refused = f"; the last said {error}"
            clock.wait(threading.Event(), 30.0)
            continue
        passes += len(report.passes)
        if not any(one.outcomes for one in report.passes) and not report.timed_out:
            return number, passes
    raise AssertionError(f"nothing settled in {runs} runs and {passes} passes{refused}")


# -- forks


def apart(work: Callable[[], T]) -> T:
    """`work` in a fork of this process; its result, or its failure as an `AssertionError` with its traceback."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        leave(write, work)
    os.close(write)
    return collect(child, read)


def leave(write: int, work: Callable[[], Any]) -> None:
    """The end of a forked process: do `work`, say what came of it, and be gone."""
    gc.disable()
    try:
        said: tuple[bool, Any] = (True, work())
        text = pickle.dumps(said)
    except BaseException:  # noqa: BLE001 - nothing may return into the test runner of the parent
        text = pickle.dumps((False, traceback.format_exc()))
    try:
        with os.fdopen(write, "wb") as stream:
            stream.write(text)
    finally:
        os._exit(0)


def collect(child: int, read: int) -> Any:
    with os.fdopen(read, "rb") as stream:
        text = stream.read()
    os.waitpid(child, 0)
    assert text, "a forked world died without a word"
    fine, said = pickle.loads(text)
    assert fine, f"in a forked world:\n{said}"
    return said
