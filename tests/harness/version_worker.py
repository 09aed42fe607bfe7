"""A controller of one version of the product, driven by another process: what `tests/harness/versions.py` runs.

    python -P tests/harness/version_worker.py ENDPOINT REGION FOLDER STORE

It reads one JSON object a line, and answers with one. `{"do": "start"}`: a new process, which remembers nothing, takes
the lease. `{"do": "round", "now": SECONDS}`: the controller does all that is due. `{"do": "stop"}` releases the lease.
A version runs its own copy of this file, so that only these lines have to stay as they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from reconciler.aws.client import AwsClient
from reconciler.aws.session import Boto
from reconciler.clock import ManualClock
from reconciler.controller.accepted_revision import AcceptedRevision
from reconciler.controller.controller import Controller
from reconciler.controller.events import EventRecorder
from reconciler.controller.revisions import RevisionTracker
from reconciler.controller.schedule import Intervals
from reconciler.model.event import Event
from reconciler.model.type_registry import discover
from reconciler.reconcile.observe import StackId
from reconciler.reconcile.pass_ import DesiredState
from reconciler.rollout_driver.smoke_tests import SmokeTests
from reconciler.source.archive import Archive
from reconciler.source.base import Fetched, Revision
from reconciler.spec import discovery
from reconciler.spec.compile import compile_deliveries, compile_specs
from reconciler.spec.specs import Specs
from reconciler.store.fence import Fence
from reconciler.store.lease import Lease
from reconciler.store.sqlite import Sqlite

ACCOUNT = "123456789012"
HELLO = (200, "Hello World")


class Folder:
    """A source whose newest revision is what the folder holds."""

    interval = 1.0
    name = "specs"

    def __init__(self, place: Path) -> None:
        self.place = place

    def changed(self, since: str | None) -> bool:
        return since != self._revision()

    def fetch(self, after: str | None = None) -> Fetched:
        sources, wrong = discovery.read(self.place)
        assert not wrong, wrong
        return Fetched(Revision(self._revision(), "ana", "change"), tuple(sources), (), "specs")

    def verified(self, stored: Archive) -> Archive:
        return stored

    def _revision(self) -> str:
        files = sorted(self.place.rglob("*.yaml"))
        return hashlib.sha1(b"".join(file.read_bytes() for file in files), usedforsecurity=False).hexdigest()


class Worker:
    def __init__(self, endpoint: str, region: str, folder: Path, store: Path) -> None:
        self.endpoint, self.region, self.folder = endpoint, region, folder
        self.store = Sqlite(store, "versions")
        self.clock = ManualClock(datetime.fromtimestamp(0, UTC))
        self.events: list[Event] = []
        self.lease: Lease | None = None
        self.controller: Controller | None = None

    def start(self) -> None:
        self.events.clear()
        self.lease = lease = Lease(self.store.records, "worker", self.clock)
        assert lease.acquire(), "the other version still holds the lease"
        fence = Fence(lease)
        boto = Boto(self.region, endpoint=self.endpoint, anonymous=True, fence=fence)
        recorder = EventRecorder(self.clock, (self.events.append,))
        accepted = AcceptedRevision(self.store.copies, epoch=lambda: lease.epoch, fence=fence)
        tracker = RevisionTracker(Folder(self.folder), self._compiled, recorder, None, accepted)
        smoke = SmokeTests(lambda *_: "http://test", lambda *_: HELLO)
        rhythm = Intervals(fast=30.0, medium=300.0, full=900.0)
        aws = AwsClient(boto, clock=self.clock)
        self.controller = Controller(aws, discover(), tracker, recorder, smoke, begin=fence.begin, rhythm=rhythm)

    def round(self, now: float) -> dict[str, Any]:
        controller, lease = self.controller, self.lease
        assert controller is not None
        assert lease is not None
        self.clock.advance(max(0.0, now - self.clock.now().timestamp()))
        lease.renew()
        controller.begin()
        controller.round()
        results = controller.queue.results.values()
        last = controller.last
        return {
            "pause": controller.pause(),
            "phases": {str(one.rollout.address): str(one.step.phase) for one in results if one.step is not None},
            "resting": all(one.at_rest for one in results) and not controller.queue.missing,
            "errors": [str(one.error) for one in results if one.error is not None],
            "refusals": [] if last is None else [one.because for one in last.refusals],
            "actions": [] if last is None else [f"{one.verb} {one.address}" for one in last.plan.actions],
            "writes": sum(controller.aws.writes.values()),
            "events": [f"{one.name} {one.message}" for one in self.events[-5:]],
        }

    def stop(self) -> None:
        if self.lease is not None:
            self.lease.release()
        self.lease = self.controller = None

    def _compiled(self, specs: Specs) -> DesiredState:
        assert specs.stack is not None
        place = StackId(specs.stack.name, ACCOUNT, specs.stack.region)
        deliveries = tuple(compile_deliveries(specs))
        return DesiredState(place, compile_specs(specs, account=ACCOUNT), deliveries=deliveries)


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    endpoint, region, folder, store = sys.argv[1:]
    worker = Worker(endpoint, region, Path(folder), Path(store))
    answers = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        for line in sys.stdin:
            asked = json.loads(line)
            do = asked.pop("do")
            answer: Any = getattr(worker, do)(**asked) if do in ("start", "round", "stop") else {"error": do}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
