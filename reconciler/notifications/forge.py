"""Forge: what GitHub and GitLab have in common: statuses of a commit, and one deployment of the stack for each commit.

What is there is read before the first write to a commit, so that a process that has just started repeats nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from reconciler.notifications.commit_status import CommitState, CommitStatus, StackName
from reconciler.notifications.forge_api import CommitMissing, ForgeApi

MOST_COMMITS: Final = 100
"""Commits whose statuses are remembered."""

PAGE: Final = 100
"""What both APIs list at most at once."""
MOST_PAGES: Final = 10

Said = tuple[str, str]
"""State and description, as the API has them."""


@dataclass(slots=True)
class Forge(ABC):
    """One repository. `_statuses` are by commit and context, `_deployments` the id and the last status by commit.

    `states` are those of a commit status and of a deployment; `longest` is the limit of a description.
    """

    api: ForgeApi
    label: ClassVar[str]
    states: ClassVar[Mapping[CommitState, tuple[str, str]]]
    longest: ClassVar[int]
    _statuses: OrderedDict[str, dict[str, Said]] = field(init=False, repr=False, default_factory=OrderedDict)
    _deployments: OrderedDict[str, tuple[int, Said]] = field(init=False, repr=False, default_factory=OrderedDict)

    # -- what the API is asked; each raises `Undelivered`, and `CommitMissing` where that is the reason

    @abstractmethod
    def statuses(self, commit: str) -> dict[str, Said]:
        """The last status of each context."""

    @abstractmethod
    def put_status(self, commit: str, context: str, said: Said, link: str) -> None: ...

    @abstractmethod
    def deployments(self, environment: str) -> Sequence[tuple[int, str]]:
        """Id and commit of the last deployments, the newest first."""

    @abstractmethod
    def last(self, id: int) -> Said:
        """The last status of a deployment; empty texts before the first one."""

    @abstractmethod
    def create(self, commit: str, stack: StackName) -> tuple[int, Said]: ...

    @abstractmethod
    def put_deployment(self, id: int, said: Said, link: str) -> None: ...

    # -- what is sent

    def send(self, status: CommitStatus, stack: StackName, link: str) -> int:
        """The number of writes. Raises `Undelivered`."""
        context = stack.context(status.service)
        before = self._known(status.commit).get(context)
        if status.only_ends and (before is None or before[0] != self.states[CommitState.PENDING][0]):
            return 0
        state, deployed = self.states[status.state]
        text = self._shortened(status.text)
        writes = 0
        if before != (state, text):
            writes += self._status(status.commit, context, (state, text), link)
        if status.service:
            return writes
        begins = status.state is not CommitState.SUPERSEDED  # there is nothing to end otherwise
        return writes + self._deploy(status.commit, (deployed, text), stack, link, begins=begins)

    def _known(self, commit: str) -> dict[str, Said]:
        if commit not in self._statuses:
            self._statuses[commit] = self.statuses(commit)
            _trim(self._statuses)
        return self._statuses[commit]

    def _status(self, commit: str, context: str, said: Said, link: str) -> int:
        self.put_status(commit, context, said, link)
        self._known(commit)[context] = said
        return 1

    def _deploy(self, commit: str, said: Said, stack: StackName, link: str, *, begins: bool) -> int:
        writes = 0
        if commit not in self._deployments:
            writes += self._deployment(commit, stack, begins=begins)
        if commit not in self._deployments:
            return writes
        id, before = self._deployments[commit]
        if not self._same(before, said):
            self.put_deployment(id, said, link)
            self._deployments[commit] = id, said
            writes += 1
        return writes

    def _same(self, before: Said, said: Said) -> bool:
        return before == said

    def _deployment(self, commit: str, stack: StackName, *, begins: bool) -> int:
        """Find the deployment of the commit, or create it in place of the one before. The number of writes."""
        listed = self.deployments(stack.environment)
        mine = next((id for id, of in listed if of == commit), None)
        if mine is None and not begins:
            return 0
        self._deployments[commit] = self.create(commit, stack) if mine is None else (mine, self.last(mine))
        _trim(self._deployments)
        if mine is not None:
            return 0
        return 1 + (self._end(*listed[0], f"superseded by {commit[:7]}", stack) if listed else 0)

    def _end(self, id: int, commit: str, text: str, stack: StackName) -> int:
        """End the newest deployment before, where a process has left it in progress. The number of writes."""
        pending, (state, deployed) = self.states[CommitState.PENDING], self.states[CommitState.SUPERSEDED]
        if self.last(id)[0] != pending[1]:
            return 0
        self.put_deployment(id, (deployed, text), "")
        context = stack.context("")
        try:
            if self._known(commit).get(context, ("", ""))[0] != pending[0]:
                return 1
            return 1 + self._status(commit, context, (state, text), "")
        except CommitMissing:
            return 1

    def _shortened(self, text: str) -> str:
        return text if len(text) <= self.longest else f"{text[: self.longest - 1]}…"


def paged(page: Callable[[str], list[Any]]) -> list[Any]:
    """Everything of a list that is asked for by pages, with the query of each."""
    found: list[Any] = []
    for number in range(1, MOST_PAGES + 1):
        more = page(f"per_page={PAGE}&page={number}")
        found += more
        if len(more) < PAGE:
            break
    return found


def _trim(kept: OrderedDict[str, Any]) -> None:
    while len(kept) > MOST_COMMITS:
        kept.popitem(last=False)
