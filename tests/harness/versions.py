"""Two versions of the product take turns on one account: the one before in the repository's history, and this one.

    with versions(documents, place) as two:
        two.use("old")
        two.until(Phase.SCALING_UP)
        two.use("new")                          # the other's process has ended, and this one remembers nothing

The account is the emulator of this process, with its clock. Each version is a process of its own, with the code of its
own revision, and takes the lease of one store. `listener_watch.Outsider` sends requests meanwhile.
"""

from __future__ import annotations

import functools
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reconciler.local.inprocess import Laptop, laptop_session
from reconciler.local.server import serve
from reconciler.rollout.engine import Phase
from tests.harness.listener_watch import Outsider
from tests.harness.spec_changes import Document, sources
from tests.harness.transitions import STEP, TIMINGS, wanted_targets

ROOT = Path(__file__).parents[2]
WORKER = Path("tests/harness/version_worker.py")
REVISION = "RECONCILER_UPGRADE_FROM"
"""Names the revision of the old version, such as the last release; without it, the newest one with other code."""
LONGEST = 3600.0
"""Seconds in which a rollout must have come to the next phase: far more than all waits of the documents together."""


@functools.cache
def old_revision() -> str:
    """ "" where the history is not at hand: no repository, no git program, or a shallow checkout."""
    named = os.environ.get(REVISION, "")
    if named:
        return _git("rev-parse", "--verify", f"{named}^{{commit}}")
    last = _git("log", "--first-parent", "-n", "1", "--format=%H", "HEAD", "--", "reconciler")
    if last and _git("status", "--porcelain", "--", "reconciler"):
        return last
    return last and _git("rev-parse", "--verify", f"{last}^")


def _git(*arguments: str) -> str:
    """What git answers, or "" where it fails."""
    try:
        found = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def extracted(revision: str, place: Path) -> Path:
    """The tree of a revision, in `place`."""
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tree:
        tree.extractall(place, filter="data")
    return place


class Worker:
    """The process of one version."""

    def __init__(self, tree: Path, place: Path, arguments: Sequence[str]) -> None:
        file = tree / WORKER if (tree / WORKER).exists() else ROOT / WORKER
        environment = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "RECONCILER_"))}
        environment |= {"PYTHONPATH": str(tree), "HOME": str(place), "AWS_EC2_METADATA_DISABLED": "true"}
        self.log = (place / "worker.log").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(file), *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
        )

    def ask(self, do: str, **fields: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.log.seek(0)
            raise AssertionError(f"the worker ended:\n{self.log.read()[-4000:]}")
        return json.loads(line)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.log):
            if stream is not None:
                stream.close()


@dataclass(slots=True)
class Versions:
    laptop: Laptop
    folder: Path
    workers: dict[str, Worker]
    outsider: Outsider
    using: str = ""
    said: dict[str, Any] = field(default_factory=dict)
    phases: list[str] = field(default_factory=list)
    watch: Any = None
    """Called after each round."""

    def commit(self, documents: Sequence[Document]) -> None:
        for old in self.folder.rglob("*.yaml"):
            old.unlink()
        for one in sources(documents):
            file = self.folder / one.relative
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(one.data)
        self.outsider.expect(wanted_targets(documents))

    def use(self, version: str) -> None:
        """The other version's process ends, and this one's begins."""
        if self.using:
            self.workers[self.using].ask("stop")
        self.using = version
        self.workers[version].ask("start")

    def round(self) -> dict[str, Any]:
        found: dict[str, Any] = self.workers[self.using].ask("round", now=self.laptop.clock.now().timestamp())
        self.said = found
        phase = " ".join(found["phases"].values())
        if phase and self.phases[-1:] != [phase]:
            self.phases.append(phase)
        self.outsider.look()
        if self.watch is not None:
            self.watch()
        return found

    def go(self, seconds: float) -> None:
        """Rounds until that time has passed."""
        clock = self.laptop.clock
        end = clock.monotonic() + seconds
        while clock.monotonic() < end:
            pause = self.round()["pause"]
            self._pass(max(0.05, min(pause, end - clock.monotonic())))

    def _pass(self, seconds: float) -> None:
        clock = self.laptop.clock
        end = clock.monotonic() + seconds
        while (left := end - clock.monotonic()) > 1e-6:
            due = self.laptop.aws.wake_at
            next_ = left if due is None else max(0.01, (due - clock.now()).total_seconds())
            self.laptop.advance(min(left, next_, STEP))
            self.outsider.look()

    def until(self, *phases: Phase, within: float = LONGEST) -> str:
        """Until the rollout is in one of these phases; which. Raises AssertionError if it never is."""
        clock = self.laptop.clock
        end = clock.monotonic() + within
        while clock.monotonic() < end:
            found = self.round()
            here = [one for one in phases if one in found["phases"].values()]
            if here:
                return str(here[0])
            self._pass(max(0.05, found["pause"]))
        raise AssertionError(f"never in {phases}: {self.phases}, {self.said}")

    def settle(self, within: float = LONGEST) -> None:
        """Until nothing has been written for three minutes and no rollout is under way."""
        clock = self.laptop.clock
        end, since, wrote = clock.monotonic() + within, clock.monotonic(), -1
        while clock.monotonic() < end:
            found = self.round()
            if found["writes"] != wrote or not found["resting"]:
                since, wrote = clock.monotonic(), found["writes"]
            elif clock.monotonic() - since >= 180:
                return
            self._pass(max(0.05, found["pause"]))
        raise AssertionError(f"never at rest: {self.phases}, {self.said}")


@contextmanager
def versions(documents: Sequence[Document], place: Path) -> Iterator[Versions]:
    folder, region = place / "specs", "us-west-2"
    folder.mkdir()
    old = extracted(old_revision(), place / "old")
    with ExitStack() as inside, laptop_session(timings=TIMINGS, region=region) as laptop:
        laptop.targets.first_check_after = 2.0
        server = serve("127.0.0.1", 0, laptop.aws)
        inside.callback(server.close)
        workers = {}
        for name, tree in (("old", old), ("new", ROOT)):
            home = place / f"{name}-home"
            home.mkdir()
            arguments = [server.url, region, str(folder), str(place / "store" / "store.db")]
            workers[name] = Worker(tree, home, arguments)
            inside.callback(workers[name].close)
        two = Versions(laptop, folder, workers, Outsider(laptop))
        two.commit(documents)
        yield two
