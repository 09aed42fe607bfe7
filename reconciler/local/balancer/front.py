"""The AWS emulator's side of the balancer: opens the listening sockets, and keeps its process served with the table.

A change is handed over in the background, the newest only: many at once cost one. Should the process die, another one
takes over the same sockets with the same table.

It is one module because all of it changes or waits for one state, under one lock: sockets, table and process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

from reconciler.local.addresses import SHARED, Addresses, NoAddressLeft, Place
from reconciler.local.authority import Authority
from reconciler.local.background import Background
from reconciler.local.balancer.board import Count
from reconciler.local.balancer.channel import MOST_DESCRIPTORS, Listen, Serve, Tell, receive, send
from reconciler.local.balancer.table import Group, Table, group
from reconciler.local.balancer.tls import issued
from reconciler.local.nursery import Child, Nursery
from reconciler.local.ports import (
    ControlPlane,
    Forward,
    ListenerRoutes,
    TargetGroupSettings,
    TargetState,
    Traffic,
)

PROGRAM = (sys.executable, "-m", "reconciler.local.balancer.process")
SLOWEST_ANSWER = 10.0  # seconds; one that takes longer is taken for dead
RETRY = 0.2  # seconds before a process that could not be served is replaced; doubles with each failure in a row
RETRY_MOST = 5.0
RENEWAL = 24 * 3600.0  # seconds after which certificates are looked at again


@dataclass(slots=True)
class Open:
    """A listener's socket. `handed` once the present process has it too."""

    listening: socket.socket
    balancer: str
    handed: bool = False


class Targets(Protocol):
    """Who knows the targets' health: asked for each table, and heard when it changes (targets.py)."""

    on_change: list[Callable[[str], None]]

    def settings(self, group_arn: str) -> TargetGroupSettings | None: ...

    def states(self, group_arn: str) -> tuple[TargetState, ...]: ...


class Balancer:
    """The listeners' port. `restarts` counts how often its process had to be replaced."""

    protocol_versions: ClassVar = frozenset({"HTTP1"})

    def __init__(
        self, addresses: Addresses, nursery: Nursery, background: Background, targets: Targets, authority: Authority
    ) -> None:
        self.restarts = 0
        self._authority = authority
        self._given: tuple[ListenerRoutes, ...] = ()
        self._addresses = addresses
        self._nursery = nursery
        self._background = background
        self._targets = targets
        self._places: dict[str, Place] = {}  # by load balancer
        self._open: dict[str, Open] = {}  # by listener
        self._unopened: dict[str, str] = {}
        self._listeners: tuple[ListenerRoutes, ...] = ()
        self._changes = 0
        self._held = 0
        self._measuring = False
        self._control: ControlPlane | None = None
        self._closed = False
        self._news = threading.Condition()
        self._talk = threading.Lock()
        self._channel: socket.socket | None = None
        self._process: Child | None = None
        self._watching: dict[asyncio.Task[None], Child] = {}  # one that was replaced may be ending still
        self._thread = threading.Thread(target=self._hand_over, name="balancer", daemon=True)
        targets.on_change.append(self._target_changed)

    def bind(self, control: ControlPlane) -> None:
        self._control = control
        self._thread.start()

    def configure(self, table: tuple[ListenerRoutes, ...]) -> None:
        with self._news:
            self._given = table
            self._unopened = {}
            self._listeners = tuple(ready for listener in table if (ready := self._opened(listener)) is not None)
            served = {listener.listener_arn for listener in self._listeners}
            for arn in [arn for arn in self._open if arn not in served]:
                self._open.pop(arn).listening.close()
            balancers = {listener.load_balancer_arn for listener in table}
            for name in [name for name in self._places if name not in balancers]:
                self._places.pop(name).give_back()
            self._changed()

    def addresses(self) -> Mapping[str, tuple[str, int]]:
        with self._news:
            return {arn: opened.listening.getsockname()[:2] for arn, opened in self._open.items()}

    def unopened(self) -> Mapping[str, str]:
        """Why a listener could not be opened, by its ARN."""
        with self._news:
            return dict(self._unopened)

    def authority(self) -> tuple[str, str]:
        return self._authority.certificate(), str(self._authority.file.resolve())

    @property
    def metered(self) -> bool:
        return True

    def measure(self) -> None:
        with self._news:
            self._measuring = True
            self._news.notify_all()

    def counts(self) -> Mapping[Count, int]:
        """Requests since it was asked before; what a process that is gone has counted is lost."""
        try:
            with self._talk:
                return self._ask(self._channel, Tell()) if self._channel is not None else {}
        except (EOFError, OSError):
            self._lost()  # an answer that comes late must not be taken for that to the next question
            return {}

    def settled(self, seconds: float = 10.0) -> bool:
        """Wait until all that was configured up to now holds; False when it takes longer."""
        with self._news:
            wanted = self._changes
            return self._news.wait_for(lambda: self._held >= wanted, seconds)

    def reset(self) -> None:
        self.configure(())

    def close(self) -> None:
        """Close every listener and end the process."""
        with self._news:
            self._closed = True
            self._news.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._background.run(self._gone()).result()
        with self._news:
            for opened in self._open.values():
                opened.listening.close()
            self._open.clear()

    # ---- listeners -------------------------------------------------------------------------------------------------

    def _opened(self, listener: ListenerRoutes) -> ListenerRoutes | None:
        """The listener with its socket and certificates; None with the reason in `_unopened`."""
        arn = listener.listener_arn
        try:
            if listener.load_balancer_arn not in self._places:
                self._places[listener.load_balancer_arn] = self._addresses.take(balancer=True)
            place = self._places[listener.load_balancer_arn]
            here = (place.address, "localhost") if place.address == SHARED else (place.address,)
            listener = replace(listener, certificates=issued(self._authority, listener.certificates, here))
            if arn not in self._open:
                self._open[arn] = Open(place.listen(listener.port), listener.load_balancer_arn)
        except (OSError, NoAddressLeft) as error:
            self._unopened[arn] = str(error)
            return None
        return listener

    # ---- the table -------------------------------------------------------------------------------------------------

    def _target_changed(self, group_arn: str) -> None:
        with self._news:
            if any(group_arn in _groups(listener) for listener in self._listeners):
                self._changed()

    def _changed(self) -> None:
        self._changes += 1
        self._news.notify_all()

    def _table(self, listeners: tuple[ListenerRoutes, ...], ports: Mapping[tuple[str, int], int]) -> Table:
        groups: dict[str, Group] = {}
        for arn in {arn for listener in listeners for arn in _groups(listener)}:
            settings = self._targets.settings(arn)
            if settings is not None:
                groups[arn] = group(settings, self._targets.states(arn))
        return Table(listeners, groups, ports)

    # ---- the process -----------------------------------------------------------------------------------------------

    def _hand_over(self) -> None:
        """The thread: whenever something has changed, the process is told, and started first if need be.

        In between, it is asked what it has counted.
        """
        pause = RETRY
        while True:
            with self._news:
                woken = self._news.wait_for(
                    lambda: self._closed or self._measuring or self._changes > self._held, RENEWAL
                )
                if self._closed:
                    break
                if not woken:
                    self.configure(self._given)
                measuring, self._measuring = self._measuring, False
            if measuring:
                self._report()
                continue
            with self._news:
                change = self._changes
                listeners = self._listeners
                fresh = {arn: opened for arn, opened in self._open.items() if not opened.handed}
                ports = {
                    (one.load_balancer_arn, one.port): self._open[one.listener_arn].listening.getsockname()[1]
                    for one in listeners
                }
                descriptors = {arn: os.dup(opened.listening.fileno()) for arn, opened in fresh.items()}
            try:
                with self._talk:
                    channel = self._channel or self._start()
                    self._ask(channel, Serve(self._table(listeners, ports)))  # first: no request may find no table
                    for some in _slices(list(descriptors), MOST_DESCRIPTORS):
                        self._ask(channel, Listen(tuple(some)), [descriptors[arn] for arn in some])
            except (EOFError, OSError):
                self._lost()
                with self._news:
                    self._news.wait_for(lambda: self._closed, pause)
                pause = min(2 * pause, RETRY_MOST)
                continue
            finally:
                for descriptor in descriptors.values():
                    os.close(descriptor)
            pause = RETRY
            with self._news:
                for opened in fresh.values():
                    opened.handed = True
                self._held = max(self._held, change)
                self._news.notify_all()
        self._lost()

    def _report(self) -> None:
        assert self._control is not None
        rows = (
            Traffic(one.listener_arn, one.group_arn, one.status, one.by, times, one.seconds)
            for one, times in self.counts().items()
        )
        self._control.on_traffic(tuple(rows))

    def _ask(
        self, channel: socket.socket, message: Listen | Serve | Tell, descriptors: Sequence[int] = ()
    ) -> dict[Count, int]:
        send(channel, message, descriptors)
        answer: dict[Count, int] | None = receive(channel)[0]
        return answer or {}

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        try:
            ours.settimeout(SLOWEST_ANSWER)
            self._process = self._background.run(self._spawn(theirs.fileno())).result(SLOWEST_ANSWER)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self._channel = ours
        return ours

    async def _spawn(self, descriptor: int) -> Child:
        process = await self._nursery.spawn(
            (*PROGRAM, str(descriptor)),
            environment={name: os.environ[name] for name in ("PATH", "PYTHONPATH", "LANG") if name in os.environ},
            folder="/",
            inherit_output=True,
            pass_fds=(descriptor,),
        )
        watching = asyncio.create_task(self._watch(process))
        self._watching[watching] = process
        watching.add_done_callback(self._watching.pop)
        return process

    async def _watch(self, process: Child) -> None:
        await self._nursery.ended(process)
        with self._news:
            if self._process is process and not self._closed:
                self.restarts += 1
                for opened in self._open.values():
                    opened.handed = False
                self._lost()
                self._changed()

    async def _gone(self) -> None:
        """Each ends by itself when its channel closes; should it not, it is made to."""
        if not self._watching:
            return
        _, late = await asyncio.wait(self._watching.keys(), timeout=SLOWEST_ANSWER)
        for watching in late:
            self._nursery.signal(self._watching[watching], signal.SIGKILL)
        await asyncio.gather(*late)

    def _lost(self) -> None:
        """There is no process any more, as far as we are concerned; it ends by itself when its channel closes."""
        with self._news:
            channel, self._channel = self._channel, None
            for opened in self._open.values():
                opened.handed = False
        if channel is not None:
            channel.close()


def _groups(listener: ListenerRoutes) -> set[str]:
    return {
        weighted.group_arn
        for route in listener.routes
        if isinstance(route.action, Forward)
        for weighted in route.action.groups
    }


def _slices(items: list[str], size: int) -> list[list[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
