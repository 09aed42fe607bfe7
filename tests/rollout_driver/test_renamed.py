"""A service under blue/green whose whole stack is renamed: its versions, its traffic and its rollout go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.emulated_stack import SHORT, EmulatedStack, emulated_stack
from tests.harness.renaming import renamed
from tests.harness.seed import SEED


@pytest.fixture
def stage() -> Iterator[EmulatedStack]:
    with emulated_stack(terms=SHORT) as found:
        yield found


def rename(stage: EmulatedStack, to: Path) -> None:
    """A commit that gives every document and part another name, and changes nothing else."""
    stage.folder = renamed(SEED, to)
    stage.change({})
    stage.transport.sent.clear()


def writes(stage: EmulatedStack) -> set[str]:
    reads = ("Describe", "List", "Get", "BatchGet")
    return {operation for operation in stage.transport.sent if not operation.startswith(reads)}


TAGGING = {"AddTags", "CreateTags", "TagResource", "TagRole", "UntagResource"}


def test_a_service_at_rest_stays_as_it_is(stage: EmulatedStack, tmp_path: Path) -> None:
    """Only tags are written: the same tasks in the same groups have the traffic, and no release is due."""
    stage.serving()
    before, weights, phases = stage.sets(), stage.weights(80), stage.tags()
    rename(stage, tmp_path / "renamed")

    stage.apply(patience=5.0)

    assert writes(stage) <= TAGGING
    assert (stage.sets(), stage.weights(80)) == (before, weights)
    assert stage.tags()["reconciler:address"] == "service/my-app-frontend-2"
    assert {key for key in phases if key not in stage.tags()} == set()
    assert stage.phases == ["idle"]


def test_a_release_after_a_rename_goes_through(stage: EmulatedStack, tmp_path: Path) -> None:
    """The next version finds the task sets and the target groups of the one before."""
    stage.serving()
    rename(stage, tmp_path / "renamed")
    stage.apply(patience=5.0)
    stage.seen.clear()
    stage.spec(v1="v2")

    outcome = stage.apply(lambda turn: turn.step is not None and str(turn.step.phase) == "idle")

    assert not outcome.went_wrong
    assert stage.phases[0] == "scaling_up"
    assert "shifting" in stage.phases
    assert stage.sets()[0][1].startswith("my-app-frontend:")


def test_a_rename_in_mid_rollout_does_not_start_it_again(stage: EmulatedStack, tmp_path: Path) -> None:
    """What is under way belongs to the service, whatever its document is called."""
    stage.serving()
    stage.spec(v1="v2")
    stage.apply(lambda turn: turn.step is not None and str(turn.step.phase) == "awaiting_promotion")
    before = stage.sets()
    texts = dict(stage.texts)
    stage.texts = {}
    stage.folder = renamed(SEED, tmp_path / "renamed")
    stage.change(texts)
    stage.transport.sent.clear()

    stage.apply(patience=5.0)

    assert stage.sets() == before
    assert writes(stage) <= TAGGING
