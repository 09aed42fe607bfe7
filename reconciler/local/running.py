"""A task while it runs: what its containers have in common, and who wants to know of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from reconciler.clock import Clock, SystemClock
from reconciler.local import usage
from reconciler.local.addresses import Place
from reconciler.local.background import Background
from reconciler.local.containers import Container
from reconciler.local.nursery import Nursery
from reconciler.local.ports import ControlPlane, TaskLaunch
from reconciler.local.task_user import TaskUser
from reconciler.local.usage import Used


class Outside:
    """What the containers have to do with: who is told, who starts processes, what time it is."""

    def __init__(
        self,
        control: ControlPlane,
        nursery: Nursery,
        background: Background,
        clock: Clock,
        user: TaskUser | None = None,
    ) -> None:
        self.control = control
        self.nursery = nursery
        self.user = user
        self._background = background
        self._clock = clock

    async def wait(self, seconds: float, *, at_least: float = 0.0) -> None:
        """`seconds` of the laptop's clock, and `at_least` real ones."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        over = asyncio.Event()
        self.control.after(seconds, lambda: self._background.soon(over.set))
        await over.wait()
        await asyncio.sleep(max(0.0, begun + at_least - loop.time()))

    def real(self, seconds: float, *, at_least: float) -> float:
        """Real seconds that so many of the laptop's clock are, but not fewer than a process needs."""
        speed = self._clock.speed if isinstance(self._clock, SystemClock) else 1.0
        return max(seconds / speed, at_least)

    def milliseconds(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


class Running:
    """A task. `until` waits for something to become true of it; whoever changes something says `news`."""

    def __init__(self, launch: TaskLaunch, outside: Outside) -> None:
        self.launch = launch
        self.outside = outside
        self.containers: dict[str, Container] = {}
        self.place: Place | None = None
        self.ports: dict[int, int] = {}
        self.failure: str | None = None  # why it cannot start
        self.stopping: str | None = None  # why it was asked to end
        self.silent = False  # nobody wants to be told any more
        self.told_started = False
        self.work: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    @property
    def ending(self) -> bool:
        return self.failure is not None or self.stopping is not None

    @property
    def all_started(self) -> bool:
        return bool(self.containers) and all(container.process for container in self.containers.values())

    def used(self) -> Used:
        """What the processes of all its containers have used."""
        pids = [one.process.pid for one in self.containers.values() if one.process and one.exit_code is None]
        return sum(map(usage.of, pids), Used())

    async def until(self, true: Callable[[], bool]) -> None:
        while not true():
            await self._news.wait()

    def news(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def stop(self, reason: str) -> None:
        if self.stopping is None:
            self.stopping = reason
            self.end_all()
            self.news()

    def hush(self) -> None:
        """End, and tell nobody: from now on the laptop's clock is not waited for, it may stand still."""
        self.silent = True
        for container in self.containers.values():
            if container.ending is not None:
                container.ending.cancel()
                container.ending = None
        self.stopping = self.stopping or "closed"
        self.end_all()
        self.news()

    def fail(self, why: str) -> None:
        self.failure = self.failure or why
        self.news()

    def end_all(self) -> None:
        for container in self.containers.values():
            container.end()

    def tell_started(self) -> None:
        assert self.place is not None
        self.told_started = True
        if not self.silent:
            self.outside.control.on_started(self.launch.task_id, self.place.address, dict(self.ports))
        self.news()

    def tell_failed(self) -> None:
        if not self.silent:
            self.outside.control.on_failed_to_start(self.launch.task_id, self.failure or self.stopping or "")
