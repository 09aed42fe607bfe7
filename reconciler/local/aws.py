"""The local AWS emulator: one account in every region, in this process.

`handle` answers a request; `tick` lets time do its work up to the clock's now. Both hold the one lock: moto has none
and would lose conditional writes, and the scheduler must see whole states. With a system clock `start` begins a thread
that ticks whenever something is due or has been reported; with a manual clock the test ticks.

moto's state belongs to the process, so there is one AWS emulator in it at a time; a new one begins empty.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from datetime import datetime
from types import TracebackType

from reconciler.clock import Clock
from reconciler.local import long_polling, regions, strict, wire
from reconciler.local.cloudtrail import recording
from reconciler.local.codedeploy import hooks
from reconciler.local.constraints import check as check_constraints
from reconciler.local.eventbridge import sources
from reconciler.local.fault_answers import refused_by, server_error
from reconciler.local.faults import Fault, Faults
from reconciler.local.owned import CONSTRAINT_ERRORS, OWNED, SHARED
from reconciler.local.ports import LoadBalancing, TargetProbe, TaskRunner
from reconciler.local.refusal import LostAnswer, Refusal
from reconciler.local.reports import Reports
from reconciler.local.rest import MOVED_BY_TASKS, MOVED_BY_TIME, STEADY
from reconciler.local.stale import StaleReads
from reconciler.local.timings import Timings
from reconciler.local.wire import Call, Request, Response
from reconciler.local.world import Checks, Params, World

CALLS_KEPT = 100_000


class LaptopAws:
    """`region` is meant where a request names none, and `world` is its state: for tests to look at, not to change.
    `folder` has the images of its tasks, if they are programs.

    `faults` may be changed at any time.
    """

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
        folder: str | None = None,
    ) -> None:
        self.clock = clock
        self.folder = folder
        self.region = region
        self.account = account
        self.faults = Faults(random.Random(seed))
        self.calls: deque[tuple[str, str]] = deque(maxlen=CALLS_KEPT)
        """The last calls, (service, operation): for a test to count, and to clear at will."""
        self._seed = seed
        self._ports = (runner, probe, balancing)
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._closing = False
        self._failure: Exception | None = None
        self._thread: threading.Thread | None = None
        self._stale = StaleReads()
        self._changes = 0
        self.regions = regions.Regions(
            account, timings or Timings(), checks or Checks(), self.faults, self._ports, speed=clock.speed
        )
        self.regions.reset(seed, clock.now())
        self._reports = Reports(self.regions, self._wake)
        for port in self._ports:
            port.bind(self._reports)

    @property
    def world(self) -> World:
        return self.regions.world(self.region)

    # ---- requests ---------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """The answer to one request; raises `LostAnswer` when a fault has the connection end without one."""
        return self.handle_call(wire.recognise(request, self.region))

    def handle_call(self, call: Call) -> Response:
        """The answer to a request that has been recognised already."""
        if long_polling.may_wait(call) and call.region in regions.names():
            self._wait_for_message(call)
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

    def _wait_for_message(self, call: Call) -> None:
        """Until there is one to receive or the time is over. Other calls go on meanwhile."""
        with long_polling.LongPoll(call) as poll:
            while not self._closing:
                with self._lock:
                    self._run()
                    seconds = poll.remaining(self.regions.world(call.region), self.wake_at)
                if seconds <= 0:
                    return
                self.clock.wait(poll.arrived, seconds)

    def _with_faults(self, call: Call) -> Response:
        reads = call.reads()
        fault = self.faults.for_call(call.service, call.operation, reads=reads)
        refusal = refused_by(fault, call, self.account) if fault else None
        if refusal is not None:
            refused = wire.refuse(call, refusal, self._request_id())
            recording.note(self.regions, call, refused)
            return refused
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
        recording.note(self.regions, call, response)
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
            regions.check(call)
            if call.service in OWNED and (call.service not in SHARED or call.operation in OWNED[call.service]):
                return self._answer_ourselves(call)
            world = self.regions.world(call.region)
            prepared = strict.before(world, call)
            if isinstance(prepared, Response):
                return prepared
            tell = sources.before(world, call)
            response = strict.after(world, call, world.rest.dispatch(prepared))
            tell(response)
            return response
        except Refusal as refusal:
            return wire.refuse(call, refusal, self._request_id())

    def _answer_ourselves(self, call: Call) -> Response:
        model = wire.operation_model(call)
        operation = OWNED[call.service].get(call.operation)
        if operation is None:
            code = "InvalidAction" if call.protocol == "query" else "UnknownOperationException"
            raise Refusal(code, wire.unknown(call))
        params = wire.parameters(call)
        if code := CONSTRAINT_ERRORS.get(call.service, ""):
            check_constraints(model.input_shape, params, code)
        if call.service == "ecs":
            regions.check_arns(call.region, params)
        return wire.answer(call, operation(self.regions.world(call.region), params), self._request_id())

    def _request_id(self) -> str:
        return self.regions.ids.uuid()

    def inject(self, fault: Fault) -> str:
        """Add a fault, which tasks that run already meet too. The id under which it can be removed."""
        with self._lock:
            added = self.faults.add(fault)
            self._changes += 1
            for world in self.regions:
                for service in world.ecs.services.values():
                    world.touch(service)
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
            self._changes += operation in MOVED_BY_TIME
            steady = service in STEADY and operation not in MOVED_BY_TASKS
            return self.regions.changes if steady else self._changes

    def _run(self) -> None:
        timers = self.regions.timers
        self._changes += timers.next_at is not None and timers.next_at <= self.clock.now()
        timers.run_until(self.clock.now(), self._drain, self.regions.settle)

    def _drain(self) -> bool:
        """Take in what the ports have reported."""
        taken = self._reports.take_in()
        self._changes += taken
        return taken > 0

    @property
    def wake_at(self) -> datetime | None:
        """When something is due next; None while nothing is."""
        with self._lock:
            return self.regions.timers.next_at

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
            where = self._ports[2].addresses()
            listeners = {arn: listener for world in self.regions for arn, listener in world.elb.listeners.items()}
        return {
            arn: f"{listeners[arn].protocol.lower()}://{host}:{port}"
            for arn, (host, port) in where.items()
            if arn in listeners
        }

    def authority(self) -> tuple[str, str] | None:
        """The certificate that clients of secure listeners trust, and its file."""
        return self._ports[2].authority()

    def hooks(self) -> list[Params]:
        """The functions of CodeDeploy's lifecycle hooks whose reports are waited for, with what they were told."""
        with self._lock:
            return [row for world in self.regions for row in hooks.waiting(world)]

    def functions(self, changes: dict[str, str] | None) -> dict[str, str]:
        """What stands in for Lambda functions, with these answers added to it, or with none any more."""
        with self._lock:
            if changes is None:
                self.regions.functions.clear()
            self.regions.functions.update(changes or {})
            return dict(self.regions.functions)

    def inside(self, task_id: str) -> Params:
        """The containers of a task whose processes run, by name; none of any other."""
        return {name: one.as_json() for name, one in self._ports[0].inside(task_id).items()}

    def state_changes(self) -> list[Params]:
        """What EventBridge would have been told of deployments and their hooks, oldest first."""
        with self._lock:
            found = [change for world in self.regions for change in world.ecs.state_changes]
            return sorted(found, key=lambda change: change["time"])

    def reset(self) -> None:
        """An empty account, at once: tasks and listeners end without reports, faults are lifted."""
        with self._lock:
            for port in self._ports:
                port.reset()
            self._reports.forget()
            self.faults.clear()
            self._stale.clear()
            self.calls.clear()
            self.regions.reset(self._seed, self.clock.now())
            self._changes += 1

    def __enter__(self) -> LaptopAws:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
