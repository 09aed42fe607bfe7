"""Audit recorder: keeps who asked for what, when and why, once it was answered, for after the rollout.

A request is a tag, and the next one replaces it. So each that was answered goes into the audit trail of the store, and,
if it was accepted, into tags of the revision that it was about: those survive the process, and whoever may read the
account sees them, also where the store is a file of another machine.

What was answered while no process could record it is found again in the tags of the service by the next process. An
entry has the id of its request, so that it is kept once, whoever finds it. Recording is best effort and never blocks a
rollout; what the store does not take is tried again with the next pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from reconciler import errors, events
from reconciler.aws.client import AwsClient
from reconciler.controller import audit_entries
from reconciler.controller.events import EventRecorder
from reconciler.log import log
from reconciler.model import ownership
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Calls, ServiceApi
from reconciler.model.secrecy import masked
from reconciler.reconcile.provenance import audit_tag, commit_of
from reconciler.reconcile.result import PassResult
from reconciler.rollout.describe import pairs
from reconciler.rollout.requests import STALE_AFTER
from reconciler.rollout_driver.driver import StepResult
from reconciler.store.audit_trail import AuditEntry, AuditTrail

ecs = ServiceApi("ecs")

MOST_PENDING: Final = 100
"""Entries that wait for the store."""


@dataclass(slots=True)
class AuditRecorder:
    """`trail` is that of the store, if there is one now. `on_pass` and `on_result` receive what the controller does.

    `_known` are the ids that this process has dealt with, `_pending` those that the store has not.
    """

    aws: AwsClient
    recorder: EventRecorder
    trail: Callable[[], AuditTrail | None] = lambda: None
    _known: set[str] = field(init=False, default_factory=set)
    _pending: dict[str, tuple[AuditEntry, str, str]] = field(init=False, default_factory=dict)

    def on_pass(self, result: PassResult) -> None:
        self.of_world(result.world, result.plan.stack)

    def of_world(self, world: ObservedState, stack: str) -> None:
        for entry, revision in audit_entries.of_world(world, self.aws.clock.now()):
            self._take(entry, revision, stack)
        self._flush()

    def on_result(self, result: StepResult) -> None:
        entry = audit_entries.of_result(result)
        if entry is None or entry.id in self._known or result.seen is None:
            return
        subject, found = result.rollout.subject, result.seen
        revisions = {one.release: one.task_definition for one in found.sets if one.task_definition}
        named = revisions.get(entry.release) or found.definition
        family = named.rpartition("/")[2]
        arn = f"{subject.service.partition(':service/')[0]}:task-definition/{family}" if family else ""
        if entry.release and entry.release == subject.release.id:
            entry = replace(entry, commit=subject.release.commit)
        self._take(entry, arn, ownership.owner(dict(subject.stack_tags)) or "")
        self._flush()

    def _take(self, entry: AuditEntry, revision: str, stack: str) -> None:
        """Whoever may tag the service may write a reason, past the command that would refuse a secret."""
        if entry.id not in self._known and len(self._pending) < MOST_PENDING:
            self._known.add(entry.id)
            entry = replace(entry, why=masked(entry.why), because=masked(entry.because))
            self._pending[entry.id] = (entry, revision, stack)

    def _flush(self) -> None:
        """Record what was answered. Raises `errors.LeaseLost` only."""
        if not self._pending:
            return
        trail = self.trail()
        try:
            kept = {entry.id for entry in trail.read()} if trail is not None else set()
            new = [self._whole(*self._pending[id]) for id in self._pending if id not in kept]
            if trail is not None:
                trail.add(entry for entry, _ in new)
        except (errors.StoreUnreachable, errors.StoreFormatUnknown) as error:
            log.warning(events.AUDIT_FAILED, because=str(error), waiting=len(self._pending))
            return
        self._pending.clear()
        for entry, is_news in new:
            if is_news:
                self._emit(entry)

    def _whole(self, entry: AuditEntry, revision: str, stack: str) -> tuple[AuditEntry, bool]:
        """`entry` with its commit, kept on its revision; and whether it is news: a process whose store is empty finds
        again what an earlier one has recorded.
        """
        recent = self.aws.clock.now() - entry.at <= STALE_AFTER
        if not revision:
            return entry, recent
        try:
            found, kept = self.aws.run(_keep(entry, revision, stack, self.aws.mine.add))
        except errors.LeaseLost:
            raise
        except errors.AwsError as error:
            log.warning(events.AUDIT_FAILED, address=entry.address, because=str(error))
            return entry, recent
        return found, recent if entry.refused else kept

    def _emit(self, entry: AuditEntry) -> None:
        """What is asked of the whole stack has events of its own."""
        if not entry.address:
            return
        why = f": {entry.why}" if entry.why else ""
        answer = f" was refused: {entry.because}" if entry.refused else ""
        commit = f" (commit {entry.commit[:7]}{f' {entry.subject!r}' if entry.subject else ''})" if entry.commit else ""
        name = events.REQUEST_REFUSED if entry.refused else events.REQUEST_ACCEPTED
        details = {
            "verb": entry.verb, "requested_by": entry.by, "reason": entry.why, "release": entry.release,
            "commit": entry.commit, "code": entry.refused,
        }  # fmt: skip
        message = f"{entry.asked} requested by {entry.by}{why}{commit}{answer}"
        self.recorder.emit(name, entry.address, message, {key: text for key, text in details.items() if text})


def _keep(entry: AuditEntry, revision: str, stack: str, owned: Callable[[str], None]) -> Calls[tuple[AuditEntry, bool]]:
    """Keep an accepted request on the revision, if the stack owns it; whether it was not there yet.

    `owned` is told what may be written to.
    """
    answer = yield ecs.describe_task_definition(taskDefinition=revision, include=["TAGS"])
    tags = ownership.without_aws({tag["key"]: tag.get("value", "") for tag in answer.get("tags") or ()})
    if ownership.owner(tags) != stack:
        return entry, True
    commit, subject = commit_of(tags)
    put = {} if entry.refused else audit_tag(entry, tags)
    if put:
        arn = answer["taskDefinition"]["taskDefinitionArn"]
        owned(arn)
        yield ecs.tag_resource(resourceArn=arn, tags=pairs(put))
    subject = subject if entry.commit in ("", commit) else ""
    return replace(entry, commit=entry.commit or commit, subject=subject), bool(put)
