"""What forges are told of commits: of each its own, as the rollouts go, and once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.controller.commit_reporter import CommitReporter
from reconciler.local.scripted import Script
from reconciler.model.event import Event
from reconciler.notifications.commit_status import CommitState, CommitStatus
from reconciler.reconcile import request_tags
from reconciler.source.base import Revision
from tests.controller.test_controller import Files, Running
from tests.harness.emulated_stack import CLUSTER, SEED, SERVICE, SHORT, emulated_stack

pytestmark = pytest.mark.apart

P, S, F, E, X = CommitState


@dataclass(slots=True)
class Commits(Files):
    @property
    def revision(self) -> Revision:
        return Revision(commit(self.number), "ana", f"change {self.number}")


@dataclass(slots=True)
class Telling(Running):
    told: list[CommitStatus] = field(default_factory=list)

    def restart(self) -> None:
        Running.restart(self)
        commits = CommitReporter(lambda: self.loop, (self.told.append,))
        self.loop.reports += commits.reports
        self.loop.results = commits.results
        self.loop.recorder.sinks += (commits.on_event,)

    def states(self, number: int, service: str = "") -> list[CommitState]:
        """Of a commit, without what only changes the text."""
        states = [one.state for one in self.told if (one.commit, one.service) == (commit(number), service)]
        return [state for at, state in enumerate(states) if at == 0 or states[at - 1] is not state]

    def texts(self, number: int, service: str = "") -> list[str]:
        return [one.text for one in self.told if (one.commit, one.service) == (commit(number), service)]


def commit(number: int) -> str:
    return f"{number:040x}"


@pytest.fixture(scope="module")
def in_place(for_a_module: None) -> Iterator[Telling]:
    """v1 is in place, and the loop is quiet."""
    with emulated_stack(terms=SHORT) as stage:
        stage.serving()
        found = Telling(stage, Commits(SEED))
        found.go(60)
        yield found


@pytest.fixture
def running(in_place: Telling, tmp_path: Path) -> Telling:
    in_place.files.folder = Path(shutil.copytree(SEED, tmp_path / "specs"))
    return in_place


def release(running: Telling, old: str, new: str) -> None:
    running.files.edit("services/frontend.yaml", f"tag: {old}", f"tag: {new}")


def test_a_commit_that_was_in_place_is_said_to_be(running: Telling) -> None:
    """A process that starts says how it stands, and never that it begins."""
    assert running.states(1) == [S]
    assert running.texts(1) == ["applied, 1 service in production"]


@pytest.mark.slow
def test_a_release_is_told_from_its_start_to_its_end(running: Telling) -> None:
    """On its own commit, in the words of `status`; another commit meanwhile changes nothing of that."""
    release(running, "v1", "v2")
    running.go(30)
    running.files.edit("services/frontend.yaml", "# The web app", "# A web app")
    running.go(700)
    assert (running.states(2, SERVICE), running.states(3, SERVICE)) == ([P, S], [])
    assert running.texts(2, SERVICE)[0] == "scaling up"
    assert any(text.startswith("waiting for promotion") for text in running.texts(2, SERVICE))
    assert (running.states(2), running.texts(2)[-1]) == ([P, X], f"superseded by {commit(3)[:7]}")
    assert running.states(3) == [P, S]
    assert running.told[-1].arn.endswith(f"service/{CLUSTER}/{SERVICE}") or not running.told[-1].service


def test_a_release_that_fails_fails_its_commit_and_no_other(running: Telling) -> None:
    """With the reason; a new process says it of the same commit, by what the tags of the revision say."""
    image = f"*{running.stage.digest('v3')}*"
    running.stage.laptop.script(Script(image=image, exits_after=2.0, exit_code=1, logs=("no database",)))
    running.told.clear()
    release(running, "v1", "v3")
    running.go(400)
    assert (running.states(2, SERVICE), running.states(2)) == ([P, F], [P, F])
    assert running.texts(2, SERVICE)[-1].startswith("failed: ")
    assert running.texts(2) == ["applying the changes"] + [f"{SERVICE}: {text}" for text in running.texts(2, SERVICE)]
    assert {one.commit for one in running.told} == {commit(2)}
    running.told.clear()
    running.restart()
    running.go(30)
    assert running.states(2, SERVICE) == [F]
    assert {one.only_ends for one in running.told if one.service} == {True}
    assert {one.commit for one in running.told} == {commit(2)}


def test_drift_says_nothing_of_a_commit_that_is_in_place(running: Telling) -> None:
    """It was deployed; what others change later is told elsewhere. So is a suspension."""
    running.told.clear()
    running.stage.laptop.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, desiredCount=3)
    running.go(60)
    arn = running.stage.service()["serviceArn"]
    pairs = [{"key": request_tags.SUSPEND, "value": "ana"}]
    running.stage.laptop.client("ecs").tag_resource(resourceArn=arn, tags=pairs)
    running.go(60)
    assert running.stage.service()["desiredCount"] == 1
    assert running.told == []


def test_a_rejected_revision_fails_its_commit(running: Telling) -> None:
    """And says nothing of the one that stays active."""
    running.told.clear()
    running.files.edit("services/frontend.yaml", "desired_count: 1", "desired_count: many")
    running.go(60)
    (one,) = running.told
    assert (one.commit, one.service, one.state) == (commit(2), "", F)
    assert "desired_count" in one.text


def test_a_folder_has_no_commits() -> None:
    """Its hash is none that a forge knows."""
    told: list[CommitStatus] = []
    reporter = CommitReporter(lambda: pytest.fail("nothing is asked"), (told.append,))
    reporter.on_event(Event(None, "spec.rejected"))  # type: ignore[arg-type]
    assert told == []
