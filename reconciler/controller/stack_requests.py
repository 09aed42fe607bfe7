"""Stack-wide requests: reads and answers the request tags of a stack (reconcile/request_tags.py)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.log import log
from reconciler.model.planner import ObservedState
from reconciler.model.resource import Address, Calls, Observed
from reconciler.reconcile import request_tags
from reconciler.reconcile.request_tags import RequestTags


@dataclass(slots=True)
class StackRequests:
    """`said` are the tags that were read last; they stay valid while services cannot be read.

    `unread` is why nothing was read yet, if it was tried.
    """

    aws: AwsClient
    said: RequestTags = field(init=False, default_factory=RequestTags)
    unread: errors.AwsError | None = field(init=False, default=None)
    _heard: bool = field(init=False, default=False)
    _places: tuple[Observed[Any], ...] = field(init=False, default=())
    _board: Observed[Any] | None = field(init=False, default=None)

    def listen(self, world: ObservedState, stack: str, wanted: Collection[Address]) -> None:
        refused = world.unreadable.get("service")
        if refused is not None:
            self.unread = None if self._heard else refused
            return
        self._heard, self.unread = True, None
        self._places = request_tags.places(world.found.get("service", ()), stack, wanted)
        self._board = request_tags.notice_board(self._places, wanted)
        self.said = request_tags.heard(self._places)

    def doubt(self) -> None:
        """Another process may have answered since: the applied revision has to be read again."""
        self._heard = False

    def in_place(self, revision: str, subject: str) -> bool:
        """Store the applied revision, on one service only. True if it changed."""
        board = self._board
        if board is None:
            return False
        wrote = False
        if request_tags.of_tags(board.tags).revision != revision:
            wrote = self._write(board, {request_tags.REVISION: request_tags.in_place(revision, subject)})
            if not wrote:
                return False
        for place in self._places:
            elsewhere = {request_tags.REVISION} if place.address != board.address else set[str]()
            over = sorted((elsewhere | {request_tags.ACCEPTED}) & place.tags.keys())
            if over:
                wrote |= self._erase(place, *over)
        return wrote

    def answer(self, revision: str) -> bool:
        """Answer the request for a full reconciliation. True if there was one."""
        wrote = False
        for place in self._places:
            said = request_tags.of_tags(place.tags)
            if said.unheard:
                wrote |= self._write(place, {request_tags.HANDLED: request_tags.handled(said.request, revision)})
        return wrote

    def _write(self, place: Observed[Any], tags: dict[str, str]) -> bool:
        return self._put(place, request_tags.write(place.facts["arn"], tags), {**place.tags, **tags})

    def _erase(self, place: Observed[Any], *keys: str) -> bool:
        left = {name: value for name, value in place.tags.items() if name not in keys}
        return self._put(place, request_tags.erase(place.facts["arn"], *keys), left)

    def _put(self, place: Observed[Any], conversation: Calls[None], tags: dict[str, str]) -> bool:
        """Whether the tags were written; otherwise the next pass tries again."""
        try:
            self.aws.run(conversation)
        except errors.LeaseLost:
            raise
        except errors.ReconcilerError as error:
            log.warning(events.ACTION_FAILED, address=str(place.address), because=str(error))
            return False
        written = replace(place, tags=tags)
        self._places = tuple(written if one.address == place.address else one for one in self._places)
        if self._board is not None and self._board.address == place.address:
            self._board = written
        self.said = request_tags.heard(self._places)
        return True
