"""What the ports report: taken in from any thread, and carried out under the emulator's lock, in its order."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping, Sequence

from reconciler.local import metering
from reconciler.local.inside import Usage
from reconciler.local.ports import Traffic
from reconciler.local.regions import Regions
from reconciler.local.scheduler import tasks
from reconciler.local.world import World


class Reports:
    """The `ports.ControlPlane`. `wake` is set with each report."""

    def __init__(self, regions: Regions, wake: threading.Event) -> None:
        self.regions = regions
        self._wake = wake
        self._inbox: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()

    def take_in(self) -> int:
        """Carry out what has been reported; how many reports that were."""
        taken = 0
        while True:
            try:
                report = self._inbox.get_nowait()
            except queue.Empty:
                return taken
            taken += 1
            report()

    def forget(self) -> None:
        while not self._inbox.empty():
            self._inbox.get_nowait()

    def _report(self, action: Callable[[], None]) -> None:
        self._inbox.put(action)
        self._wake.set()

    def _report_task(self, task_id: str, action: Callable[[World], None]) -> None:
        def report() -> None:
            if world := self.regions.of_task(task_id):
                action(world)

        self._report(report)

    def on_started(self, task_id: str, address: str, ports: Mapping[int, int]) -> None:
        self._report_task(task_id, lambda world: tasks.started(world, task_id, address, ports))

    def on_failed_to_start(self, task_id: str, stopped_reason: str) -> None:
        self._report_task(task_id, lambda world: tasks.failed_to_start(world, task_id, stopped_reason))

    def on_exit(self, task_id: str, container: str, exit_code: int, reason: str = "") -> None:
        self._report_task(task_id, lambda world: tasks.exited(world, task_id, container, exit_code, reason))

    def on_container_health(self, task_id: str, container: str, healthy: bool) -> None:
        self._report_task(task_id, lambda world: tasks.container_health(world, task_id, container, healthy))

    def on_targets_changed(self, group_arn: str) -> None:
        self._report(lambda: self._targets_changed(group_arn))

    def _targets_changed(self, group_arn: str) -> None:
        world = self.regions.of_group(group_arn)
        if world is None:
            return
        tasks.drained(world, group_arn)
        for service in world.ecs.services.values():
            entries = [entry for one in service.deployments for entry in one.launch.load_balancers]
            if any(entry["targetGroupArn"] == group_arn for entry in entries):
                world.touch(service)

    def on_usage(self, usage: Mapping[str, Usage]) -> None:
        self._report(lambda: self._measured(lambda world: metering.usage(world, usage)))

    def on_traffic(self, traffic: Sequence[Traffic]) -> None:
        self._report(lambda: self._measured(lambda world: metering.traffic(world, traffic)))

    def _measured(self, take: Callable[[World], None]) -> None:
        """Tasks and balancers of every region are measured at once: each world takes what is its own."""
        for world in self.regions:
            take(world)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        self._report(lambda: self.regions.timers.after(seconds, action))

    def write_logs(self, region: str, group: str, stream: str, lines: tuple[tuple[int, str], ...]) -> None:
        self._report(lambda: self.regions.world(region).rest.put_logs(group, stream, lines))
