"""Controller status: a snapshot for other threads, taken without stopping the controller and without AWS calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from reconciler.controller.controller import Controller
from reconciler.notifications.commit_notifier import CommitNotifier
from reconciler.notifications.delivery import Tally
from reconciler.notifications.notifier import Notifier
from reconciler.rollout.engine import Phase
from reconciler.store.lease import Lease


@dataclass(frozen=True, slots=True)
class ControllerStatus:
    """`revision` is empty until one is active. `restored`: it was restored from the store.

    `phases` are by service, calls and writes by `service.Operation`.
    """

    revision: str = ""
    lease_held: bool = True
    epoch: int = 0
    suspended: bool = False
    rejected: bool = False
    source_unreachable: bool = False
    restored: bool = False
    calls: Mapping[str, int] = field(default_factory=dict)
    writes: Mapping[str, int] = field(default_factory=dict)
    phases: Mapping[str, Phase] = field(default_factory=dict)
    notices: Mapping[str, Tally] = field(default_factory=dict)
    events_trusted: bool | None = None
    """None if the specs have no queue of events."""
    messages: Mapping[str, int] = field(default_factory=dict)
    """Messages of that queue, by what became of them."""


def of(
    loop: Controller, lease: Lease | None = None, notifiers: Iterable[Notifier | CommitNotifier] = ()
) -> ControllerStatus:
    """Safe to call from any thread: mutable state is copied first, and copying a dict is atomic."""
    active = loop.revisions.active
    results, source = dict(loop.queue.results), loop.feed.source
    return ControllerStatus(
        revision="" if active is None else active.revision.short,
        lease_held=lease is None or lease.left() > 0,
        epoch=0 if lease is None else lease.epoch,
        suspended=bool(loop.stack_requests.tags.suspended),
        rejected=bool(loop.revisions.rejected),
        source_unreachable=bool(loop.revisions.unreachable),
        restored=bool(loop.revisions.restored),
        calls=dict(loop.aws.counts + source.calls),
        writes=dict(loop.aws.writes),
        phases={address.name: result.step.phase for address, result in results.items() if result.step is not None},
        events_trusted=not source.distrusted if source.wanted else None,
        messages=dict(source.counts),
        notices={f"{number} {one.label}": one.tally for number, one in enumerate(notifiers, start=1)},
    )
