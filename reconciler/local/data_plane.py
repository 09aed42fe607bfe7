"""Everything that really runs on the laptop: tasks as processes, health checks, the balancer; made and ended as one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType

from reconciler.clock import Clock
from reconciler.local import task_user
from reconciler.local.addresses import Addresses
from reconciler.local.authority import Authority
from reconciler.local.background import Background
from reconciler.local.balancer import Balancer
from reconciler.local.nursery import Nursery
from reconciler.local.ports import ControlPlane, LoadBalancing, TargetProbe, TaskRunner
from reconciler.local.registry import Registry
from reconciler.local.targets import HealthChecks
from reconciler.local.tasks import Tasks


class DataPlane:
    """The three ports of the local AWS emulator. `state` keeps the images; whatever else is written is gone in the end.

    `bind` comes before anything else, and close in the end: should it not come to that, nothing
    outlives this process all the same (nursery.py).
    """

    def __init__(self, state: Path, clock: Clock, *, addresses: Addresses | None = None) -> None:
        self._closed = False
        self.addresses = addresses or Addresses()
        self.registry = Registry(state / "images")
        self._nursery = Nursery()
        self._background = Background("data plane", self._nursery.let_go)
        self._scratch = Path(tempfile.mkdtemp(prefix="reconciler-"))
        self._authority = Authority(state)
        self.probe = HealthChecks(self._background, clock)
        self.balancing = Balancer(self.addresses, self._nursery, self._background, self.probe, self._authority)
        user, self._user_note = task_user.choose(self._scratch)
        self.runner = Tasks(
            self.registry, self.addresses, self._nursery, self._background, clock, scratch=self._scratch, user=user
        )

    @property
    def ports(self) -> tuple[TaskRunner, TargetProbe, LoadBalancing]:
        return self.runner, self.probe, self.balancing

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not as it is on AWS, for a person."""
        return tuple(filter(None, (*self.addresses.notes, self._user_note, self._authority.note)))

    def bind(self, control: ControlPlane) -> None:
        for port in self.ports:
            port.bind(control)

    def close(self) -> None:
        """Close every listener, end every task in good order, remove what was written. Once is enough."""
        if self._closed:
            return
        self._closed = True
        self.balancing.close()
        self.probe.close()
        self.runner.close()
        self._background.close()
        self._nursery.close()
        self.addresses.close()

    def __enter__(self) -> DataPlane:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
