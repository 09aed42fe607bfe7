"""Targets and their health: really asked over HTTP, as their group's settings say.

Everything is timed by the laptop's clock, through the control plane. Three things are not, because a process needs its
time however fast that clock goes: a check may take a second at least, it follows the one before it by 50 ms at least
(200 while all is well), and in a target's first two seconds it is no failure that nothing listens yet.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
from yarl import URL

from reconciler.clock import Clock, SystemClock
from reconciler.local import health
from reconciler.local.background import Background
from reconciler.local.health import Health, Outcome
from reconciler.local.ports import ControlPlane, Target, TargetGroupSettings, TargetState

SHORTEST_TIMEOUT = 1.0  # real seconds
SHORTEST_INTERVAL = 0.05  # real seconds
SETTLED_INTERVAL = 0.2  # real seconds, for a target that is healthy: a compressed clock must not cost a core
STARTING = 2.0  # real seconds
FIRST_CHECK = 1.0  # seconds of the clock between registration and the first check
AGENT = "ELB-HealthChecker/2.0"

Key = tuple[str, int]


@dataclass(slots=True, eq=False)
class Registration:
    """One target of one group; `left` once it has been deregistered."""

    target: Target
    health: Health
    last_check: float = 0.0  # real seconds, as the next
    begun: float = field(default_factory=time.monotonic)
    watched: object = field(default_factory=object)  # whoever checks for another `watched` is out of date

    @property
    def state(self) -> TargetState:
        return TargetState(self.target, self.health.state, self.health.reason, self.health.description)


@dataclass(slots=True)
class Watched:
    settings: TargetGroupSettings
    targets: dict[Key, Registration] = field(default_factory=dict)


class HealthChecks:
    """The target probe. `on_change` is told the ARN of a group whose states are not what they were, from any thread."""

    def __init__(self, background: Background, clock: Clock) -> None:
        self.on_change: list[Callable[[str], None]] = []
        self._background = background
        self._clock = clock
        self._lock = threading.RLock()
        self._groups: dict[str, Watched] = {}
        self._control: ControlPlane | None = None
        self._session: aiohttp.ClientSession | None = None

    def bind(self, control: ControlPlane) -> None:
        self._control = control
        self.on_change.append(control.on_targets_changed)

    def watch(self, group: TargetGroupSettings) -> None:
        with self._lock:
            watched = self._groups.setdefault(group.arn, Watched(group))
            before, watched.settings = watched.settings, group
            for registration in watched.targets.values():
                if registration.health.state == "draining":
                    continue
                if (before.in_use, before.health_check_enabled) != (group.in_use, group.health_check_enabled):
                    registration.health = health.begun(group)
                    self._begin(group.arn, registration)
                elif before.interval != group.interval:
                    self._begin(group.arn, registration)
        if before != group:
            self._changed(group.arn)

    def forget(self, group_arn: str) -> None:
        with self._lock:
            gone = self._groups.pop(group_arn, None)
            for registration in gone.targets.values() if gone else ():
                registration.watched = object()
        if gone is not None and gone.targets:
            self._changed(group_arn)

    def set_targets(self, group_arn: str, targets: tuple[Target, ...]) -> None:
        """Raises KeyError for a group that is not watched."""
        with self._lock:
            watched = self._groups[group_arn]
            before = self.states(group_arn)
            wanted = {(target.id, target.port): target for target in targets}
            for key, registration in list(watched.targets.items()):
                if key not in wanted and registration.health.state != "draining":
                    self._drain(watched, key, registration)
            for key, target in wanted.items():
                self._register(watched, key, target)
            changed = self.states(group_arn) != before
        if changed:
            self._changed(group_arn)

    def states(self, group_arn: str) -> tuple[TargetState, ...]:
        with self._lock:
            watched = self._groups.get(group_arn)
            return tuple(registration.state for registration in watched.targets.values()) if watched else ()

    def settings(self, group_arn: str) -> TargetGroupSettings | None:
        with self._lock:
            watched = self._groups.get(group_arn)
            return watched.settings if watched else None

    def reset(self) -> None:
        with self._lock:
            arns = list(self._groups)
        for arn in arns:
            self.forget(arn)

    def close(self) -> None:
        """Call before the background is closed."""
        self.on_change.clear()
        self.reset()

        async def close() -> None:
            if self._session is not None:
                await self._session.close()
                self._session = None

        self._background.run(close()).result(timeout=5)

    # ---- registration ----------------------------------------------------------------------------------------------

    def _register(self, watched: Watched, key: Key, target: Target) -> None:
        known = watched.targets.get(key)
        if known is not None and known.health.state != "draining":
            known.target = target
            return
        if known is not None:
            known.watched = object()
        registration = Registration(target, health.begun(watched.settings))
        watched.targets[key] = registration
        self._begin(watched.settings.arn, registration)

    def _drain(self, watched: Watched, key: Key, registration: Registration) -> None:
        registration.watched = object()
        delay = watched.settings.deregistration_delay
        if not watched.settings.in_use or delay <= 0:
            del watched.targets[key]
            return
        registration.health = health.DRAINING
        arn = watched.settings.arn
        self._after(delay, lambda: self._drained(arn, key, registration))

    def _drained(self, group_arn: str, key: Key, registration: Registration) -> None:
        with self._lock:
            watched = self._groups.get(group_arn)
            if watched is None or watched.targets.get(key) is not registration:
                return
            del watched.targets[key]
        self._changed(group_arn)

    # ---- checks ----------------------------------------------------------------------------------------------------

    def _begin(self, group_arn: str, registration: Registration) -> None:
        """Check it from now on; whoever checked it before stops."""
        registration.watched = token = object()
        if registration.health.state not in {"unused", "unavailable"}:
            first = min(FIRST_CHECK, self._groups[group_arn].settings.interval)
            self._after(first, lambda: self._due(group_arn, registration, token))

    def _due(self, group_arn: str, registration: Registration, token: object) -> None:
        with self._lock:
            watched = self._groups.get(group_arn)
            if watched is not None and registration.watched is token:
                self._background.run(self._check(watched, registration, token))

    async def _check(self, watched: Watched, registration: Registration, token: object) -> None:
        """One check, and the next one an interval after it began."""
        shortest = SETTLED_INTERVAL if registration.health.state == "healthy" else SHORTEST_INTERVAL
        await asyncio.sleep(max(0.0, registration.last_check + shortest - time.monotonic()))
        if registration.watched is not token:
            return
        registration.last_check = time.monotonic()
        begun = self._clock.monotonic()
        settings, target = watched.settings, registration.target
        outcome = await self._ask(settings, target)
        if target.never_healthy and outcome is not health.TIMED_OUT:
            outcome = health.mismatch(503)
        with self._lock:
            if registration.watched is not token:
                return
            before = registration.state
            if not self._starting(registration, outcome, watched.settings):
                registration.health = health.checked(registration.health, outcome, watched.settings)
            changed = registration.state != before
            rest = watched.settings.interval - (self._clock.monotonic() - begun)
        self._after(rest, lambda: self._due(settings.arn, registration, token))
        if changed:
            self._changed(settings.arn)

    def _starting(self, registration: Registration, outcome: Outcome, settings: TargetGroupSettings) -> bool:
        """Nothing listens yet, and the target has had less real time than these settings or two seconds allow it."""
        allowed = min(STARTING, settings.interval * settings.unhealthy_threshold)
        young = time.monotonic() - registration.begun < allowed
        return young and outcome is health.FAILED and registration.health.state == "initial"

    async def _ask(self, settings: TargetGroupSettings, target: Target) -> Outcome:
        if not target.host:
            return health.TIMED_OUT
        port = settings.health_check_port
        real_port = target.host_port if port in {"traffic-port", str(target.port)} else int(port)
        if settings.health_check_protocol == "TCP":
            return await self._connect(target.host, real_port, settings)
        scheme = settings.health_check_protocol.lower()
        url = URL(f"{scheme}://{target.host}:{real_port}{settings.health_check_path}", encoded=True)
        if self._session is None:
            connector = aiohttp.TCPConnector(force_close=True, limit=0)
            self._session = aiohttp.ClientSession(connector=connector, headers={"User-Agent": AGENT})
        try:
            async with (
                asyncio.timeout(self._real_timeout(settings.timeout)),
                self._session.get(url, allow_redirects=False, ssl=False) as answer,
            ):
                passed = health.matches(settings.matcher, answer.status)
                return health.PASSED if passed else health.mismatch(answer.status)
        except TimeoutError:
            return health.TIMED_OUT
        except (aiohttp.ClientError, OSError):
            return health.FAILED

    async def _connect(self, host: str, port: int, settings: TargetGroupSettings) -> Outcome:
        try:
            async with asyncio.timeout(self._real_timeout(settings.timeout)):
                _, writer = await asyncio.open_connection(host, port)
        except TimeoutError:
            return health.TIMED_OUT
        except OSError:
            return health.FAILED
        writer.close()
        return health.PASSED

    def _real_timeout(self, seconds: float) -> float:
        speed = self._clock.speed if isinstance(self._clock, SystemClock) else 1.0
        return max(seconds / speed, SHORTEST_TIMEOUT)

    # ---- telling ---------------------------------------------------------------------------------------------------

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        assert self._control is not None
        self._control.after(seconds, action)

    def _changed(self, group_arn: str) -> None:
        for told in tuple(self.on_change):
            told(group_arn)
