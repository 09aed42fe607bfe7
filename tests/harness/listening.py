"""A controller with the queue of its stack on the local AWS emulator; events get there by hand or by EventBridge.

The listener has no thread here: it takes its turn before each round of the controller, so that a test repeats itself.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.aws.client import AwsClient
from reconciler.aws.session import Boto, Identity
from reconciler.controller import event_listener
from reconciler.controller.event_listener import EventListener
from reconciler.local.faults import Fault
from reconciler.model.resource import Call
from reconciler.model.type_registry import discover
from tests.conftest import ACCOUNT, REGION
from tests.controller.test_controller import Files, Running
from tests.doctor.accounts import logging_trail
from tests.harness.emulated_stack import SHORT, EmulatedStack, InProcess, StageClock, emulated_stack
from tests.harness.seed import SEED

STACK = "my-app"
NAME = f"{STACK}-events"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{NAME}"
CONTROLLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/operator/0f3b"


class Direct(InProcess):
    """The product's transport without a memory of answers: a queue answers differently each time."""

    def perform(self, call: Call) -> dict[str, Any]:
        self.sent[call.operation] += 1
        if self.before is not None:
            self.before(call)
        return Boto.perform(self, call)


@dataclass(slots=True)
class Listening(Running):
    """`go` lets both work; `send` puts events into the queue."""

    listener: EventListener = field(init=False)
    direct: Direct = field(init=False)

    def restart(self) -> None:
        Running.restart(self)
        self.direct = Direct(self.stage.laptop)
        aws = AwsClient(self.direct, clock=StageClock(self.stage.laptop))
        identity = Identity(ACCOUNT, CONTROLLER, REGION, "aws")
        mine = self.stage.aws.requests.__contains__
        self.listener = EventListener(aws, discover(), identity, STACK, mine=mine, wake=self.loop.wake.set)
        self.loop.feed.source = self.listener

    def go(self, seconds: float) -> None:
        clock = self.stage.laptop.clock
        end = clock.monotonic() + seconds
        while clock.monotonic() < end:
            self.listener.turn()
            self.loop.round()
            self.stage.laptop.advance(max(0.05, min(self.loop.pause(), end - clock.monotonic())))

    def send(self, *events: dict[str, Any] | str) -> None:
        sqs = self.stage.laptop.client("sqs")
        url = sqs.get_queue_url(QueueName=NAME)["QueueUrl"]
        for one in events:
            sqs.send_message(QueueUrl=url, MessageBody=one if isinstance(one, str) else json.dumps(one))

    def quiet(self) -> None:
        Running.quiet(self)
        self.listener.counts.clear()

    def reads(self) -> dict[str, int]:
        """What the passes have asked AWS, by operation."""
        return dict(self.stage.transport.sent)


def with_queue(to: Path) -> Path:
    """The seed's specs in `to`, with a queue, and with tags of images that may be pushed again."""
    folder = Path(shutil.copytree(SEED, to))
    (folder / "stack.yaml").write_text(f"{(SEED / 'stack.yaml').read_text(encoding='utf-8')}events: {{}}\n")
    registry = (SEED / "registry.yaml").read_text(encoding="utf-8")
    (folder / "registry.yaml").write_text(registry.replace("immutable_tags: true", "immutable_tags: false"))
    return folder


@contextmanager
def listening(to: Path, *, deliver: bool = False, **fields: Any) -> Iterator[Listening]:
    """v1 is in place, and the controller trusts its queue. Its specs are in `to`, which must not exist yet. Without
    `deliver` EventBridge loses everything, so that only what a test sends arrives."""
    with without_waiting(), emulated_stack(terms=SHORT, folder=with_queue(to), **fields) as stage:
        logging_trail(stage)
        if not deliver:
            stage.laptop.aws.inject(Fault("event_loss"))
        stage.serving()
        yield started(stage)


@contextmanager
def without_waiting() -> Iterator[None]:
    """The queue answers at once: time passes by rounds of the controller."""
    poll, event_listener.POLL_SECONDS = event_listener.POLL_SECONDS, 0  # type: ignore[misc]
    try:
        yield
    finally:
        event_listener.POLL_SECONDS = poll  # type: ignore[misc]


def started(stage: EmulatedStack) -> Listening:
    found = Listening(stage, Files(stage.folder))
    found.go(90)
    assert found.loop.timer.relaxed is not None, found.listener.distrusted
    found.quiet()
    return found
