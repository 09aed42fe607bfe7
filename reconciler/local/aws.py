"""The local AWS emulator: one account in one region, in this process.

`handle` answers a request; `tick` lets time do its work up to the clock's now. Both hold the one lock: moto has none
and would lose conditional writes, and the scheduler must see whole states. With a system clock `start` begins a thread
that ticks whenever something is due or has been reported; with a manual clock the test ticks.

moto's state belongs to the process, so there is one AWS emulator in it at a time; a new one begins empty.
"""

from __future__ import annotations

import queue
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType

from reconciler.clock import Clock
from reconciler.local import metering, strict, wire
from reconciler.local.constraints import check as check_constraints
from reconciler.local.fault_answers import refused_by, server_error
from reconciler.local.faults import Fault, Faults
from reconciler.local.ids import Ids
from reconciler.local.network import Network
from reconciler.local.owned import CONSTRAINT_ERRORS, OWNED, SHARED
from reconciler.local.ports import LoadBalancing, TargetProbe, TaskRunner, Traffic, Usage
from reconciler.local.refusal import LostAnswer, Refusal
from reconciler.local.rest import MOVED_BY_TASKS, STEADY, Rest
from reconciler.local.scheduler import tasks
from reconciler.local.scheduler.loop import settle
from reconciler.local.stale import StaleReads
from reconciler.local.timers import Timers
from reconciler.local.timings import Timings
from reconciler.local.wire import Call, Request, Response
from reconciler.local.world import Checks, World

ANY_REGION = ("us-east-1", "aws-global")
"""Regions by which the global services are signed for."""
CALLS_KEPT = 100_000


class LaptopAws:
    """`faults` may be changed at any time. `world` is the state: for tests to look at, and nobody to change."""

    def __init__(
        self,
        clock: Clock,
        runner: TaskRunner,
        probe: TargetProbe,
        balancing: LoadBalancing,
        *,
        region: str = "us-west-2",
        account: str = "123456789012",
        timings: Timings | None = None,
        checks: Checks | None = None,
        seed: int = 0,
    ) -> None:
        self.clock = clock
        self.region = region
        self.account = account
        self.faults = Faults(random.Random(seed))
        self.calls: deque[tuple[str, str]] = deque(maxlen=CALLS_KEPT)
        """The last calls, (service, operation): for a test to count, and to clear at will."""
        self._seed = seed
        self._timings = timings or Timings()
        self._checks = checks or Checks()
        self._ports = (runner, probe, balancing)
        self._lock = threading.RLock()
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._closing = False
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None
        self._stale = StaleReads()
        self._rest = Rest(account, region)
        self._changes = 0
        self.world = self._new_world()
        for port in self._ports:
            port.bind(self)

    def _new_world(self) -> World:
        runner, probe, balancing = self._ports
        self._rest.reset(self._seed)
        self._changes += 1
        self._ids = Ids(random.Random(self._seed))
        return World(
            region=self.region,
            account=self.account,
            timings=self._timings,
            timers=Timers(self.clock.now()),
            faults=self.faults,
            rest=self._rest,
            network=Network(self._rest),
            runner=runner,
            probe=probe,
            balancing=balancing,
            checks=self._checks,
            speed=self.clock.speed,
            ids=self._ids,
        )

    # ---- requests ---------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """The answer to one request; raises `LostAnswer` when a fault has the connection end without one."""
        return self.handle_call(wire.recognise(request, self.region))

    def handle_call(self, call: Call) -> Response:
        """The answer to a request that has been recognised already."""
        with self._lock:
            if self._failure is not None:
                raise RuntimeError("the local AWS emulator's clockwork has stopped") from self._failure
            self._run()
            self.calls.append((call.service, call.operation))
            self._changes += not call.reads()
            try:
                return self._with_faults(call)
            finally:
                self._run()
                self._wake.set()

    def _with_faults(self, call: Call) -> Response:
        reads = call.reads()
        fault = self.faults.for_call(call.service, call.operation, reads=reads)
        refusal = refused_by(fault, call, self.account) if fault else None
        if refusal is not None:
            return wire.refuse(call, refusal, self._request_id())
        if fault is not None and fault.kind == "unreachable":
            raise LostAnswer(f"{call.service}:{call.operation} was not carried out")
        watched = self.faults.watches_staleness() or (fault is not None and fault.kind == "stale")
        if watched and reads and fault is not None and fault.kind == "stale":
            older = self._stale.older(call, fault.depth)
            if older is not None:
                return older
        if watched and not reads:
            self._stale.before_write(self._answer)
        response = self._answer(call)
        if watched and reads:
            self._stale.answered(call, response)
        if fault is not None and fault.kind == "lost":
            raise LostAnswer(f"{call.service}:{call.operation} was carried out")
        if fault is not None and fault.kind == "error_after":
            return wire.refuse(call, server_error(call.service), self._request_id())
        return response

    def _answer(self, call: Call) -> Response:
        """One operation, carried out: ours, or moto's with the strict layer around it."""
        try:
            if call.service in OWNED and (call.service not in SHARED or call.operation in OWNED[call.service]):
                return self._answer_ourselves(call)
            prepared = strict.before(self.world, call)
            if isinstance(prepared, Response):
                return prepared
            return strict.after(self.world, call, self.world.rest.dispatch(prepared))
        except Refusal as refusal:
            return wire.refuse(call, refusal, self._request_id())

    def _answer_ourselves(self, call: Call) -> Response:
        if call.region not in (self.region, *ANY_REGION):
            raise Refusal("UnrecognizedClientException", f"The AWS emulator has {self.region} only, not {call.region}.")
        model = wire.operation_model(call)
        operation = OWNED[call.service].get(call.operation)
        if operation is None:
            code = "InvalidAction" if call.protocol == "query" else "UnknownOperationException"
            raise Refusal(code, wire.unknown(call))
        params = wire.parameters(call)
        if code := CONSTRAINT_ERRORS.get(call.service, ""):
            check_constraints(model.input_shape, params, code)
        return wire.answer(call, operation(self.world, params), self._request_id())

    def _request_id(self) -> str:
        return self._ids.uuid()

    def inject(self, fault: Fault) -> str:
        """Add a fault, which tasks that run already meet too. The id under which it can be removed."""
        with self._lock:
            added = self.faults.add(fault)
            self._changes += 1
            for service in self.world.ecs.services.values():
                self.world.touch(service)
            self._run()
            self._wake.set()
        return added

    # ---- time -------------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Everything that is due by the clock's now has happened."""
        with self._lock:
            self._run()

    def version(self, service: str, operation: str) -> int:
        """Moves with whatever may change what the read answers, faults of reads apart."""
        with self._lock:
            self._run()
            steady = service in STEADY and operation not in MOVED_BY_TASKS
            return self._rest.changes if steady else self._changes

    def _run(self) -> None:
        due = self.world.timers.next_at
        self._changes += due is not None and due <= self.clock.now()
        self.world.timers.run_until(self.clock.now(), self._drain, lambda: settle(self.world))

    def _drain(self) -> bool:
        """Take in what the ports have reported."""
        any_at_all = False
        while True:
            try:
                report = self._inbox.get_nowait()
            except queue.Empty:
                return any_at_all
            any_at_all = True
            self._changes += 1
            report()

    @property
    def wake_at(self) -> datetime | None:
        """When something is due next; None while nothing is."""
        with self._lock:
            return self.world.timers.next_at

    def start(self) -> LaptopAws:
        """Tick by itself from now on, in a thread of its own."""
        self._thread = threading.Thread(target=self._tick_on, name="aws-emulator", daemon=True)
        self._thread.start()
        return self

    def _tick_on(self) -> None:
        while not self._closing:
            self._wake.clear()
            try:
                self.tick()
            except Exception as error:
                self._failure = error  # a world that stands still must not look like one where nothing happens
                raise
            due = self.wake_at
            seconds = None if due is None else max(0.0, (due - self.clock.now()).total_seconds())
            self.clock.wait(self._wake, seconds)

    def close(self) -> None:
        """Stop ticking. The ports are closed by whoever made them."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None

    def urls(self) -> dict[str, str]:
        """Listener ARN → where it can really be reached."""
        with self._lock:
            where = self.world.balancing.addresses()
            listeners = self.world.elb.listeners
        return {
            arn: f"{listeners[arn].protocol.lower()}://{host}:{port}"
            for arn, (host, port) in where.items()
            if arn in listeners
        }

    def reset(self) -> None:
        """An empty account, at once: tasks and listeners end without reports, faults are lifted."""
        with self._lock:
            for port in self._ports:
                port.reset()
            while not self._inbox.empty():
                self._inbox.get_nowait()
            self.faults.clear()
            self._stale.clear()
            self.calls.clear()
            self.world = self._new_world()

    def __enter__(self) -> LaptopAws:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- what the ports report (`ports.ControlPlane`) ----------------------------------------------------------------

    def _report(self, action: Callable[[], None]) -> None:
        self._inbox.put(action)
        self._wake.set()

    def on_started(self, task_id: str, address: str, ports: Mapping[int, int]) -> None:
        self._report(lambda: tasks.started(self.world, task_id, address, ports))

    def on_failed_to_start(self, task_id: str, stopped_reason: str) -> None:
        self._report(lambda: tasks.failed_to_start(self.world, task_id, stopped_reason))

    def on_exit(self, task_id: str, container: str, exit_code: int, reason: str = "") -> None:
        self._report(lambda: tasks.exited(self.world, task_id, container, exit_code, reason))

    def on_container_health(self, task_id: str, container: str, healthy: bool) -> None:
        self._report(lambda: tasks.container_health(self.world, task_id, container, healthy))

    def on_targets_changed(self, group_arn: str) -> None:
        self._report(lambda: self._targets_changed(group_arn))

    def _targets_changed(self, group_arn: str) -> None:
        tasks.drained(self.world, group_arn)
        for service in self.world.ecs.services.values():
            entries = [entry for one in service.deployments for entry in one.launch.load_balancers]
            if any(entry["targetGroupArn"] == group_arn for entry in entries):
                self.world.touch(service)

    def on_usage(self, usage: Mapping[str, Usage]) -> None:
        self._report(lambda: metering.usage(self.world, usage))

    def on_traffic(self, traffic: Sequence[Traffic]) -> None:
        self._report(lambda: metering.traffic(self.world, traffic))

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self._report(lambda: self.world.after(seconds, action))

    def write_logs(self, group: str, stream: str, lines: tuple[tuple[int, str], ...]) -> None:
        self._report(lambda: self.world.rest.put_logs(group, stream, lines))
