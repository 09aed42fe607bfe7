"""Commit reporter: tells forges how the deployment of each commit goes, when that changes.

    passes ──► the stack's status on the active commit
    rollouts ──► the service's status on the commit of its release
    rejected revisions ──► the stack's status on their commit

A release belongs to the commit with which it came to be wanted, as far as this process has seen that; else to the one
that its revision was registered for, which the tags of the revision say. So a commit that leaves a service alone says
nothing of it, a rollout that goes on under a later commit is still that of its own, and after a rollback it is the
commit that failed that fails.

It remembers what it said last and no more: a new process says it again, and the forge already knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from reconciler import errors, events
from reconciler.controller import commit_states
from reconciler.controller.commit_states import State
from reconciler.controller.controller import Controller
from reconciler.log import log
from reconciler.model.event import Event
from reconciler.model.resource import Address
from reconciler.notifications.commit_status import CommitState, CommitStatus
from reconciler.reconcile.executor import Result
from reconciler.reconcile.provenance import commit_of, read_commit
from reconciler.reconcile.result import PassResult
from reconciler.rollout.describe import revision_of
from reconciler.rollout.release import Version
from reconciler.rollout_driver.driver import StepResult

K = TypeVar("K")
V = TypeVar("V")

MOST: Final = 500
"""Releases, revisions and statuses that are remembered, of each."""

UNFINISHED: Final = (CommitState.PENDING, CommitState.ERROR)

Sink = Callable[[CommitStatus], None]


@dataclass(slots=True)
class CommitReporter:
    """`controller` is there once something is reported. `rejected` is the commit of the last rejected revision.

    `_wanted` are the releases that were wanted last, `_released` the commits with which releases came to be wanted,
    `_registered` those of revisions, and `_said` the last status of each commit and service.
    """

    controller: Callable[[], Controller]
    sinks: tuple[Sink, ...]
    _active: str = field(init=False, default="")
    _rejected: str = field(init=False, default="")
    _pass: PassResult | None = field(init=False, default=None)
    _wanted: dict[Address, str] = field(init=False, default_factory=dict)
    _released: dict[tuple[Address, str], str] = field(init=False, default_factory=dict)
    _registered: dict[str, str] = field(init=False, default_factory=dict)
    _said: dict[tuple[str, str], State] = field(init=False, default_factory=dict)

    @property
    def reports(self) -> tuple[Callable[[PassResult], None], ...]:
        """What receives passes: nothing where nobody is told."""
        return (self.on_pass,) if self.sinks else ()

    @property
    def results(self) -> tuple[Callable[[StepResult], None], ...]:
        return (self.on_result,) if self.sinks else ()

    def on_event(self, event: Event) -> None:
        commit = str(event.details.get("commit", ""))
        if event.name == events.SPEC_REJECTED and commit:
            self._rejected = commit
            self._say(commit, "", (CommitState.FAILURE, f"rejected: {event.message.removeprefix(f'{commit[:7]}: ')}"))

    def on_pass(self, report: PassResult) -> None:
        self._pass = report
        kinds = self.controller().kinds
        for kind, found in report.world.found.items():
            for one in found if kinds[kind].revisions else ():
                _keep(self._registered, revision_of(one.id), commit_of(one.tags)[0])
        for outcome in report.outcomes:
            if outcome.id and outcome.result is Result.DONE and kinds[outcome.step.address.kind].revisions:
                _keep(self._registered, revision_of(outcome.id), report.revision.commit)
        self._stack()

    def on_result(self, result: StepResult) -> None:
        if result.rollout.delivery.fallback is None:  # it has no version of its own
            self._service(result)
        self._stack()

    # -- what is reported

    def _stack(self) -> None:
        report, controller = self._pass, self.controller()
        commit = "" if report is None else report.revision.commit
        if report is None or not commit or commit == self._rejected:
            return
        before, self._active = self._active, commit
        if before not in ("", commit):
            if self._stood(before) in UNFINISHED:
                self._say(before, "", (CommitState.SUPERSEDED, f"superseded by {commit[:7]}"))
            if self._stood(commit) is None:
                self._say(commit, "", (CommitState.PENDING, "applying the changes"))
        queue, applied = controller.queue, controller.stack_requests.tags.revision == report.revision.id
        applied = applied or report.in_place or self._stood(commit) is CommitState.SUCCESS
        state = commit_states.of_stack(report, queue.rollouts, queue.results, queue.missing, applied=applied)
        if state is not None:
            self._say(commit, "", state)

    def _stood(self, commit: str) -> CommitState | None:
        """The state of the stack that was reported last."""
        said = self._said.get((commit, ""))
        return None if said is None else said[0]

    def _service(self, result: StepResult) -> None:
        address, wanted = result.rollout.address, result.rollout.subject.release.id
        before = self._wanted.get(address)
        if wanted:
            self._wanted[address] = wanted
        if wanted and before is not None and before != wanted:
            _keep(self._released, (address, wanted), result.rollout.subject.release.commit)
        seen, step = result.seen, result.step
        if seen is None or step is None:
            return
        if step.ended is not None and result.error is None and step.ended.release != seen.wanted:
            self._say_of(result, step.ended.release, commit_states.of_end(step.ended))
        state = commit_states.of_service(result)
        if state is not None:
            self._say_of(result, seen.wanted, state, only_ends=before is None and result.at_rest)

    def _say_of(self, result: StepResult, release: str, state: State, *, only_ends: bool = False) -> None:
        commit = self._commit_of(result, release)
        if commit:
            service, arn = result.rollout.address.name, result.rollout.subject.service
            self._say(commit, service, state, arn=arn, only_ends=only_ends)

    def _say(self, commit: str, service: str, state: State, *, arn: str = "", only_ends: bool = False) -> None:
        if self._said.get((commit, service)) == state:
            return
        _keep(self._said, (commit, service), state)
        status = CommitStatus(commit, service, *state, arn, only_ends)
        for sink in self.sinks:
            sink(status)

    # -- whose release it is

    def _commit_of(self, result: StepResult, release: str) -> str:
        seen, subject = result.seen, result.rollout.subject
        known = self._released.get((result.rollout.address, release))
        if known is not None:
            return known
        assert seen is not None
        revisions = {one.release: one.task_definition for one in seen.sets if one.task_definition}
        revisions |= {one.release: one.task_definition for one in _versions(result)}
        if subject.release.task_definition:
            revisions.setdefault(subject.release.id, subject.release.task_definition)
        revision = revision_of(revisions.get(release, ""))
        if revision and revision not in self._registered:
            _keep(self._registered, revision, self._read(revision))
        return self._registered.get(revision, "")

    def _read(self, revision: str) -> str:
        """Best effort: a commit that cannot be found is not reported."""
        try:
            return self.controller().aws.run(read_commit(revision))
        except errors.LeaseLost:
            raise
        except errors.AwsError as error:
            log.warning(events.NOTIFY_FAILED, notice="commit status", because=str(error))
            return ""


def _versions(result: StepResult) -> Iterable[Version]:
    assert result.seen is not None
    marks = result.seen.marks
    several = (marks.previous, marks.rollback_target, marks.live, marks.started)
    return [one for one in several if one is not None and one.task_definition]


def _keep(kept: dict[K, V], key: K, value: V) -> None:
    kept.pop(key, None)
    kept[key] = value
    while len(kept) > MOST:
        del kept[next(iter(kept))]
