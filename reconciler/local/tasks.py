"""A task is a process per container: own loopback address, own copy of the image's content, own environment.

    images ─► address ─► containers in the order of their dependencies ─► on_started ─► on_exit each ─► address back
       └─ not there ────────► on_failed_to_start ◄──────────┘ one cannot start, or `stop` came first

A program learns from HOST and PORT where to listen: its address is its own, the port may have to be another one.
Everything here runs on the background's thread, so nothing needs a lock.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from reconciler.clock import Clock
from reconciler.local import programs, task_user, usage, volumes
from reconciler.local.addresses import Addresses, NoAddressLeft
from reconciler.local.background import Background
from reconciler.local.containers import Container
from reconciler.local.inside import Inside, Usage
from reconciler.local.nursery import Nursery
from reconciler.local.ports import ControlPlane, TaskLaunch
from reconciler.local.programs import CannotStart
from reconciler.local.registry import CannotPull, Registry
from reconciler.local.running import Outside, Running
from reconciler.local.task_user import TaskUser
from reconciler.local.usage import Used

SHORTEST_MEASURE = 1.0
"""Seconds of the machine: CPU time is counted in hundredths of a second, and in less there would be too few."""


class Tasks:
    """The task runner."""

    def __init__(
        self,
        registry: Registry,
        addresses: Addresses,
        nursery: Nursery,
        background: Background,
        clock: Clock,
        *,
        scratch: Path,
        user: TaskUser | None = None,
    ) -> None:
        """`user` is who the processes run as; None: the user of this one."""
        self._registry = registry
        self._addresses = addresses
        self._nursery = nursery
        self._background = background
        self._clock = clock
        self._scratch = scratch
        self._user = user
        self._tasks: dict[str, Running] = {}
        self._outside: Outside | None = None
        self._measured = 0.0  # when, on the machine's clock
        self._used: dict[str, Used] = {}
        self._usage: dict[str, Usage] = {}
        background.soon(nursery.remove_in_the_end, scratch)

    def bind(self, control: ControlPlane) -> None:
        self._outside = Outside(control, self._nursery, self._background, self._clock, self._user)

    @property
    def metered(self) -> bool:
        return usage.MEASURABLE

    def measure(self) -> None:
        self._background.soon(self._measure)

    def start(self, task: TaskLaunch) -> None:
        self._background.soon(self._start, task)

    def stop(self, task_id: str, reason: str) -> None:
        self._background.soon(self._stop, task_id, reason)

    def kill(self, task_id: str, exit_code: int = 1) -> None:
        self._background.soon(self._kill, task_id)

    def inside(self, task_id: str) -> Mapping[str, Inside]:
        return self._background.run(self._inside(task_id)).result()

    def reset(self) -> None:
        """Returns once nothing will be reported any more, a moment before the last process is gone."""
        self._background.run(self._reset()).result()

    def close(self) -> None:
        """Ask every task to end, give it its stop timeout, and report nothing."""
        self._background.run(self._close()).result()

    # ---- what was asked, on the thread ------------------------------------------------------------------------------

    def _start(self, launch: TaskLaunch) -> None:
        assert self._outside is not None
        running = Running(launch, self._outside)
        self._tasks[launch.task_id] = running
        running.work = asyncio.create_task(self._run(running))

    def _stop(self, task_id: str, reason: str) -> None:
        if task_id in self._tasks:
            self._tasks[task_id].stop(reason)

    def _kill(self, task_id: str) -> None:
        running = self._tasks.get(task_id)
        for container in running.containers.values() if running else ():
            if container.launch.essential:
                container.signal(signal.SIGKILL)

    def _measure(self) -> None:
        """CPU since the measurement before; where that was a moment ago, what it has found is told again."""
        assert self._outside is not None
        passed = time.monotonic() - self._measured
        if passed >= SHORTEST_MEASURE:
            self._measured += passed
            before, self._used = self._used, {name: running.used() for name, running in self._tasks.items()}
            self._usage = {
                name: _usage(self._tasks[name].launch, before.get(name), used, passed)
                for name, used in self._used.items()
            }
        self._outside.control.on_usage({name: one for name, one in self._usage.items() if name in self._tasks})

    async def _inside(self, task_id: str) -> Mapping[str, Inside]:
        running = self._tasks.get(task_id)
        if running is None or running.place is None or running.ending:
            return {}
        user = "" if self._user is None else f"{self._user.uid}:{self._user.gid}"
        return {
            name: Inside(
                str(one.prepared.folder),
                one.prepared.environment,
                user,
                running.place.address,
                dict(running.ports),
                dict.fromkeys(programs.PYTHONS, sys.executable),
            )
            for name, one in running.containers.items()
            if one.process is not None and one.exit_code is None
        }

    async def _reset(self) -> None:
        for running in self._tasks.values():
            running.hush()
            for container in running.containers.values():
                container.signal(signal.SIGKILL)

    async def _close(self) -> None:
        left = list(self._tasks.values())
        for running in left:
            running.hush()
        await asyncio.gather(*(running.work for running in left if running.work), return_exceptions=True)

    # ---- a task's life ----------------------------------------------------------------------------------------------

    async def _run(self, running: Running) -> None:
        folder = self._scratch / running.launch.task_id
        lives: list[asyncio.Task[None]] = []
        try:
            try:
                self._prepare(running, folder)
            except (CannotPull, CannotStart) as error:
                running.failure = str(error)
            else:
                lives = [asyncio.create_task(container.live()) for container in running.containers.values()]
                await running.until(lambda: running.ending or running.all_started)
            if running.all_started and not running.ending:
                running.tell_started()
            else:
                running.end_all()
            await asyncio.gather(*lives)
            if not running.told_started:
                running.tell_failed()
        finally:
            for life in lives:
                life.cancel()
            self._tasks.pop(running.launch.task_id, None)
            if running.place is not None:
                running.place.give_back()
            shutil.rmtree(folder, ignore_errors=True)

    def _prepare(self, running: Running, folder: Path) -> None:
        """Every image is looked up before anything else is done. Raises CannotPull, CannotStart."""
        launch = running.launch
        found = [
            (container, self._registry.resolve(container.image, container.digest)) for container in launch.containers
        ]
        try:
            running.place = self._addresses.take(lowest_port=self._user.lowest_port if self._user else 0)
        except NoAddressLeft as error:
            raise CannotStart(f"ResourceInitializationError: {error}") from error
        folder.mkdir(mode=0o700)  # nobody else looks in before all of it is there
        wanted = sorted({port for container in launch.containers for port in container.ports})
        running.ports = {port: running.place.port(port) for port in wanted}
        for container, program in found:
            try:
                mounted = volumes.folders(container.mounts, task=folder, scratch=self._scratch, user=self._user)
                prepared = programs.prepare(
                    container,
                    program,
                    folder=folder / container.name,
                    address=running.place.address,
                    ports=running.ports,
                    private_address=launch.private_address,
                    mounted=mounted,
                )
            except OSError as error:  # no room, no descriptors
                raise CannotStart(f"CannotCreateContainerError: {error}") from error
            running.containers[container.name] = Container(running, container, prepared)
        if self._user is not None:
            try:
                task_user.give(self._user, folder)
            except OSError as error:
                raise CannotStart(f"CannotCreateContainerError: {error}") from error


def _usage(launch: TaskLaunch, before: Used | None, now: Used, seconds: float) -> Usage:
    """In percent of what the task has reserved, which is all that it gets on Fargate."""
    cpu = (now.cpu - before.cpu) / seconds / launch.cpu * 100 if before and launch.cpu else None
    memory = now.memory / 2**20 / launch.memory * 100 if launch.memory else None
    return Usage(None if cpu is None else min(max(cpu, 0.0), 100.0), None if memory is None else min(memory, 100.0))
