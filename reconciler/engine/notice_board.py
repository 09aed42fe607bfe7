"""The loop's eyes and hand on the notice board (model/words.py): what people say of the stack, and what it answers."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler import errors, events
from reconciler.aws.client import Aws
from reconciler.log import log
from reconciler.model import words
from reconciler.model.planner import World
from reconciler.model.resource import Address, Observed
from reconciler.model.words import Words


@dataclass(slots=True)
class NoticeBoard:
    """`said` is what was read last: while services cannot be read, nobody has taken anything back.

    `unread` is why nothing was read yet, where it was tried.
    """

    aws: Aws
    said: Words = field(init=False, default_factory=Words)
    unread: errors.AwsError | None = field(init=False, default=None)
    _heard: bool = field(init=False, default=False)
    _service: Observed[Any] | None = field(init=False, default=None)

    def listen(self, world: World, wanted: Collection[Address]) -> None:
        refused = world.unreadable.get("service")
        if refused is not None:
            self.unread = None if self._heard else refused
            return
        self._heard, self.unread = True, None
        self._service = words.notice_board(world.found.get("service", ()), wanted)
        self.said = words.of_tags({} if self._service is None else self._service.tags)

    def doubt(self) -> None:
        """Somebody else may have answered since: what was in place last has to be read again."""
        self._heard = False

    def in_place(self, revision: str, subject: str) -> bool:
        """Write down what is in place as a whole; whether that was news."""
        if self.said.revision == revision:
            return False
        return self._write({words.REVISION: words.in_place(revision, subject)})

    def answer(self, revision: str) -> bool:
        """Say that everything was looked at since the poke; whether there was one to answer."""
        return self.said.unheard and self._write({words.POKED: words.poked(self.said.poke, revision)})

    def _write(self, tags: dict[str, str]) -> bool:
        """Whether it was written; what AWS refuses is tried again at the next pass."""
        service = self._service
        if service is None:
            return False
        try:
            self.aws.run(words.write(service.facts["arn"], tags))
        except errors.LeaseLost:
            raise
        except errors.ReconcilerError as error:
            log.warning(events.ACTION_FAILED, address=str(service.address), because=str(error))
            return False
        self._service = replace(service, tags={**service.tags, **tags})
        self.said = words.of_tags(self._service.tags)
        return True
