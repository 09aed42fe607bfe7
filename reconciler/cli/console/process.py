"""Console in the process of the controller: its memory, and requests that are written beside it.

The controller writes through the fence of its lease. A request of a person needs no lease, like that of a command on
another machine, so it has a client of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.aws.session import Boto
from reconciler.cli.console.acts import StackActs
from reconciler.cli.console.controller_source import ControllerSource
from reconciler.cli.console.late import Late
from reconciler.cli.console.questions import StackQuestions
from reconciler.cli.rollout_session import open_rollouts
from reconciler.cli.session import Gate, SignedIn, Stack
from reconciler.cli.stack_requests import open_carriers
from reconciler.controller.controller import Controller
from reconciler.spec.specs import Specs


@dataclass(frozen=True, slots=True)
class Beside:
    """What requests and questions are made with. `asked` has the controller look at once."""

    controller: Callable[[], Controller]
    specs: Specs
    signed_in: SignedIn
    unfenced: Boto
    store: str | None
    asked: Callable[[], None]

    def fill(self, late: Late, source: ControllerSource, stop: threading.Event) -> None:
        aws = self.signed_in.aws
        client = AwsClient(self.unfenced, clock=aws.clock, pace=aws.pace, memory=aws.memory, stop=stop)
        signed_in = SignedIn(client, self.unfenced, self.signed_in.identity, Gate())

        def stack() -> Stack:
            controller = self.controller()
            active = controller.revisions.active
            if active is None:
                raise errors.ReconcilerError("no revision of the specs is active yet")
            return Stack(self.specs, Path(), controller.kinds, active.desired_state, signed_in, store=self.store)

        def check(_: str) -> None:
            """This process answers, or the one whose lease it waits for."""
            self.asked()

        late.source = source
        late.acts = StackActs(lambda: open_rollouts(stack(), source.world()), lambda: open_carriers(stack()), check)
        late.questions = StackQuestions(stack, source.world, local=self.signed_in.identity.endpoint is not None)
