"""Stack-wide requests: reads and answers the request tags of a stack (reconcile/request_tags.py)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.log import log
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Calls, Observed
from reconciler.reconcile import request_tags
from reconciler.reconcile.request_tags import RequestTags


@dataclass(slots=True)
class StackRequests:
    """`tags` are the tags that were read last; they stay valid while services cannot be read.

    `unread` is why nothing was read yet, if it was tried. `service` is the one that carries them.
    """

    aws: AwsClient
    tags: RequestTags = field(init=False, default_factory=RequestTags)
    unread: errors.AwsError | None = field(init=False, default=None)
    _was_read: bool = field(init=False, default=False)
    _services: tuple[Observed[Any], ...] = field(init=False, default=())
    service: Observed[Any] | None = field(init=False, default=None)

    def read(self, world: ObservedState, stack: str, wanted: Collection[Address]) -> None:
        refused = world.unreadable.get("service")
        if refused is not None:
            self.unread = None if self._was_read else refused
            return
        self._was_read, self.unread = True, None
        self._services = request_tags.candidates(world.found.get("service", ()), stack, wanted)
        self.service = request_tags.service_for_tags(self._services, wanted)
        self.tags = request_tags.merged(self._services)

    def doubt(self) -> None:
        """Another process may have answered since: the applied revision has to be read again."""
        self._was_read = False

    def in_place(self, revision: str, subject: str) -> bool:
        """Store the applied revision, on one service only. True if it changed."""
        service = self.service
        if service is None:
            return False
        wrote = False
        if request_tags.of_tags(service.tags).revision != revision:
            wrote = self._write(service, {request_tags.REVISION: request_tags.in_place(revision, subject)})
            if not wrote:
                return False
        for other in self._services:
            elsewhere = {request_tags.REVISION} if other.address != service.address else set[str]()
            done = {request_tags.ACCEPTED} if revision.startswith(request_tags.of_tags(other.tags).accepted) else set()
            obsolete = sorted((elsewhere | done) & other.tags.keys())
            if obsolete:
                wrote |= self._erase(other, *obsolete)
        return wrote

    def restored(self, revision: str, because: str) -> bool:
        """Store that the controller works from a stored revision, for as long as there is a reason. True if it changed.

        `status` shows it.
        """
        wrote = False
        for service in self._services:
            here = self.service is not None and service.address == self.service.address
            value = request_tags.restored(revision, because) if because and here else ""
            if value and service.tags.get(request_tags.RESTORED) != value:
                wrote |= self._write(service, {request_tags.RESTORED: value})
            elif not value and request_tags.RESTORED in service.tags:
                wrote |= self._erase(service, request_tags.RESTORED)
        return wrote

    def answer(self, revision: str) -> bool:
        """Answer the request for a full reconciliation. True if there was one."""
        wrote = False
        for service in self._services:
            tags = request_tags.of_tags(service.tags)
            if tags.pending:
                wrote |= self._write(service, {request_tags.HANDLED: request_tags.handled(tags.request, revision)})
        return wrote

    def _write(self, service: Observed[Any], tags: dict[str, str]) -> bool:
        return self._put(service, request_tags.write(service.facts["arn"], tags), {**service.tags, **tags})

    def _erase(self, service: Observed[Any], *keys: str) -> bool:
        left = {name: value for name, value in service.tags.items() if name not in keys}
        return self._put(service, request_tags.erase(service.facts["arn"], *keys), left)

    def _put(self, service: Observed[Any], conversation: Calls[None], tags: dict[str, str]) -> bool:
        """Whether the tags were written; otherwise the next pass tries again. Nothing is added to another format."""
        if self.tags.unreadable or request_tags.read_only(service):
            return False
        try:
            self.aws.run(conversation)
        except errors.LeaseLost:
            raise
        except errors.ReconcilerError as error:
            log.warning(events.ACTION_FAILED, address=str(service.address), because=str(error))
            return False
        written = replace(service, tags=tags)
        self._services = tuple(written if other.address == service.address else other for other in self._services)
        if self.service is not None and self.service.address == service.address:
            self.service = written
        self.tags = request_tags.merged(self._services)
        return True
