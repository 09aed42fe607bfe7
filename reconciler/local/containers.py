"""One container of a task, from its dependencies to its exit code.

waits for its dependencies ─► process ─► output into logs, own health check ─► over: the essential ones end the task
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reconciler.local import programs
from reconciler.local.container_options import ContainerHealthCheck, Dependency
from reconciler.local.logs import Log
from reconciler.local.nursery import Child
from reconciler.local.ports import ContainerLaunch
from reconciler.local.programs import CannotStart, Prepared

if TYPE_CHECKING:
    from reconciler.local.running import Running

SHORTEST_STOP = 2.0  # real seconds between SIGTERM and SIGKILL, however fast the clock goes
SHORTEST_CHECK = 1.0  # real seconds that a container's own health check may take
SHORTEST_PAUSE = 0.05  # real seconds between two of them


@dataclass(slots=True, eq=False)
class Container:
    running: Running
    launch: ContainerLaunch
    prepared: Prepared
    process: Child | None = None
    exit_code: int | None = None
    healthy: bool | None = None
    ending: asyncio.Task[None] | None = None

    async def live(self) -> None:
        running = self.running
        try:
            await self._dependencies()
        except CannotStart as error:
            running.fail(str(error))
        if running.ending:
            return
        while await self._run():
            pass
        if self.exit_code is not None:
            await self._tell_exit(self.exit_code)

    async def _run(self) -> bool:
        """One process from its start to its end. Whether it is to be started again."""
        running, outside = self.running, self.running.outside
        begun = outside.milliseconds()
        log = Log(self._write, now=outside.milliseconds) if self.launch.log_group else None
        try:
            self.process = await outside.nursery.spawn(
                self.prepared.arguments,
                environment=self.prepared.environment,
                folder=str(self.prepared.folder),
                on_output=log.feed if log else None,
                user=outside.user,
            )
        except OSError as error:  # no processes or descriptors left
            running.fail(f"CannotStartContainerError: {error}")
            return False
        running.news()
        if running.ending:
            if self.ending is not None:  # it was for the process before
                self.ending.cancel()
                self.ending = None
            self.end()
        checking = asyncio.create_task(self._check_health())
        try:
            code = await outside.nursery.ended(self.process)
        finally:
            checking.cancel()
            if self.ending is not None:
                self.ending.cancel()
            if log is not None:
                log.end()
        if self._restarts(code, (outside.milliseconds() - begun) / 1000):
            return True
        self.exit_code = code
        running.news()
        return False

    def _restarts(self, code: int, seconds: float) -> bool:
        """Source: ECS developer guide, "Restart individual containers in Amazon ECS tasks with container restart
        policies"."""
        policy = self.launch.restart
        if policy is None or self.running.ending or self.ending is not None:
            return False
        return code not in policy.ignored and seconds >= policy.period

    async def _tell_exit(self, code: int) -> None:
        """After `on_started`, if that is still to come. The end of an essential container is the others' too."""
        running = self.running
        await running.until(lambda: running.told_started or running.ending)
        if running.told_started and not running.silent:
            running.outside.control.on_exit(running.launch.task_id, self.launch.name, code)
        if self.launch.essential:
            running.end_all()

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.exit_code is None:
            self.running.outside.nursery.signal(self.process, number)

    def end(self) -> None:
        """SIGTERM, and SIGKILL after the stop timeout; once."""
        if self.process is not None and self.exit_code is None and self.ending is None:
            self.ending = asyncio.create_task(self._end())

    async def _end(self) -> None:
        outside = self.running.outside
        self.signal(signal.SIGTERM)
        if self.running.silent:  # the laptop itself ends: a person is waiting, and no clock may be running any more
            await asyncio.sleep(SHORTEST_STOP)
        else:
            await outside.wait(self.launch.stop_timeout, at_least=SHORTEST_STOP)
        self.signal(signal.SIGKILL)

    def _write(self, lines: tuple[tuple[int, str], ...]) -> None:
        if not self.running.silent:
            self.running.outside.control.write_logs(
                self.launch.log_region, self.launch.log_group, self.launch.log_stream, lines
            )

    # ---- dependencies -----------------------------------------------------------------------------------------------

    async def _dependencies(self) -> None:
        """Raises CannotStart when they cannot be had, or not within the start timeout."""
        if not self.launch.depends_on:
            return
        running = self.running
        waiting = asyncio.create_task(
            running.until(lambda: running.ending or all(self._reached(one) for one in self.launch.depends_on))
        )
        patience = (
            asyncio.create_task(running.outside.wait(self.launch.start_timeout)) if self.launch.start_timeout else None
        )
        both = [task for task in (waiting, patience) if task is not None]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise CannotStart(_unresolved(self.launch, self.launch.depends_on, "was not reached in time"))
            waiting.result()
        finally:
            for task in both:
                task.cancel()

    def _reached(self, dependency: Dependency) -> bool:
        """Raises CannotStart when it never will be."""
        other = self.running.containers[dependency.container]
        over = other.exit_code is not None
        match dependency.condition:
            case "START":
                return other.process is not None
            case "COMPLETE":
                return over
            case "SUCCESS":
                if other.exit_code:
                    raise CannotStart(_unresolved(self.launch, (dependency,), "did not exit successfully"))
                return over
            case "HEALTHY":
                if over or other.healthy is False:
                    raise CannotStart(_unresolved(self.launch, (dependency,), "is not healthy"))
                return other.healthy is True

    # ---- its own health check ---------------------------------------------------------------------------------------

    async def _check_health(self) -> None:
        """Healthy at the first pass; unhealthy after `retries` failures in a row, those of the start period aside."""
        check = self.launch.health_check
        if check is None or check.command[:1] in {(), ("NONE",)}:
            return
        outside = self.running.outside
        age = 0.0
        failures = 0
        while True:
            await outside.wait(check.interval, at_least=SHORTEST_PAUSE)
            age += check.interval
            if await self._passes(check):
                failures = 0
                self._healthy(True)
            elif age > check.start_period:
                failures += 1
                if failures >= check.retries:
                    self._healthy(False)

    def _healthy(self, healthy: bool) -> None:
        if self.healthy is healthy:
            return
        self.healthy = healthy
        self.running.news()
        if not self.running.silent:
            self.running.outside.control.on_container_health(self.running.launch.task_id, self.launch.name, healthy)

    async def _passes(self, check: ContainerHealthCheck) -> bool:
        running = self.running
        assert running.place is not None
        command = programs.at_home(check.command, address=running.place.address, ports=running.ports)
        nursery = running.outside.nursery
        process = await nursery.spawn(
            command,
            environment=self.prepared.environment,
            folder=str(self.prepared.folder),
            user=running.outside.user,
        )
        ended = asyncio.create_task(nursery.ended(process))
        try:
            async with asyncio.timeout(running.outside.real(check.timeout, at_least=SHORTEST_CHECK)):
                return await asyncio.shield(ended) == 0
        except TimeoutError:
            return False
        finally:
            nursery.signal(process, signal.SIGKILL)
            with contextlib.suppress(asyncio.CancelledError):
                await ended


def _unresolved(launch: ContainerLaunch, dependencies: tuple[Dependency, ...], why: str) -> str:
    named = ", ".join(f"{one.container}:{one.condition}" for one in dependencies)
    return (
        f"dependency graph: failed to resolve container ordering dependency [{named}] for target [{launch.name}] "
        f"as dependency {why}."
    )
