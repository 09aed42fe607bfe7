"""A stack with real processes: a controller runs, the specs are changed under it, and somebody outside sends requests.

Time goes faster on the emulator; the requests go along with it, one in each second of its clock.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.cli.output.exits import Exit
from reconciler.rollout.engine import Phase
from tests.harness.emulator import Desk, Going, load, local_session
from tests.harness.spec_changes import Document, sources
from tests.promises.test_changes import documents_of

SPEED = 15.0
"""A command takes one to three real seconds where two processors are shared; deadlines in the specs allow for that."""
RATE = SPEED
"""Requests in a second: one in each of the emulator's."""
LONGEST = 120.0
PAUSE = 1.0

Ends = tuple[int, int]
"""Exit codes of `diff` and of `status`."""
IN_PLACE: Ends = (Exit.DONE, Exit.DONE)
WAITS: Ends = (Exit.BLOCKED, Exit.PENDING)
"""For an image that is not pushed."""


@dataclass(slots=True)
class Traffic:
    """What was asked of production, and what came of it."""

    answered: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Living:
    """v1 serves, and a controller runs."""

    here: Desk
    documents: tuple[Document, ...]
    controller: Going
    _mark: int = 0

    def commit(self, documents: Sequence[Document]) -> None:
        """What the controller says from now on counts as said about this."""
        self._mark = len(self.controller.lines)
        write(self.here, documents)

    @property
    def said(self) -> str:
        return "".join(self.controller.lines[self._mark :])

    def until(self, words: str) -> None:
        self._until(lambda: words in self.said, f"it never said {words!r}")

    def until_phase(self, phase: Phase) -> None:
        self.until(f" {phase}:")

    def ends(self, *allowed: Ends) -> str:
        """Empty once `diff` and `status` end so twice in a row, or what they said last."""
        end = time.monotonic() + LONGEST
        before: Ends | None = None
        while True:
            shown, standing = self.here.typed("diff"), self.here.typed("status")
            found = (shown.code, standing.code)
            if found in (allowed or (IN_PLACE,)) and found in (before, IN_PLACE):
                return ""
            if time.monotonic() > end:
                return (
                    f"diff ends with {shown.code}, status with {standing.code} after {LONGEST:.0f} s:\n{shown.text}"
                    f"{standing.text}{self.said}"
                )
            before = found
            time.sleep(PAUSE)

    def _until(self, met: Callable[[], bool], otherwise: str) -> None:
        end = time.monotonic() + LONGEST
        while not met():
            assert self.controller.process.poll() is None, f"the controller ended:\n{self.controller.text}"
            assert time.monotonic() < end, f"{otherwise}:\n{self.said}"
            time.sleep(0.1)

    @contextmanager
    def traffic(self) -> Iterator[Traffic]:
        """Requests until the block ends, and for some time after; it is filled in then."""
        found = Traffic()
        with load(self.here, rate=RATE) as ended:
            time.sleep(PAUSE)
            yield found
            time.sleep(2 * PAUSE)
            told = ended()
        found.answered, found.lost = told["requests"] - told["lost"], told["why"]
        found.versions = told["versions"]


@contextmanager
def under_a_controller(
    place: Path, documents: Sequence[Document], images: Sequence[str] = ("v2", "v3"), **pushed: Any
) -> Iterator[Living]:
    """`pushed` says more of the images, as `Desk.push` takes it."""
    with local_session(place, speed=SPEED) as here:
        write(here, documents)
        here.typed("apply", "-y")  # makes the registry, and cannot start what is not pushed yet
        here.push("v1")
        for tag in images:
            here.push(tag, **pushed)
        ended = here.typed("apply", "-y", "--wait")
        assert ended.code == Exit.DONE, ended.text
        controller = here.begin("run", "specs", "-o", "text")
        living = Living(here, tuple(documents), controller)
        assert not (because := living.ends()), because
        yield living


def live_documents(strategy: str) -> tuple[Document, ...]:
    """Without the task, whose image is not on this machine."""
    return tuple(one for one in documents_of(strategy) if one["kind"] != "Task")


def write(here: Desk, documents: Sequence[Document]) -> None:
    folder = here.place / "specs"
    new = here.place / "new"
    new.mkdir()
    for one in sources(documents):
        (new / one.relative).write_bytes(one.data)
    shutil.rmtree(folder)
    new.rename(folder)
