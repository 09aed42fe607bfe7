"""C1 with real processes: the specs are changed under a running controller, and no request to production is lost.

The same changes as in test_changes.py, of which some are drawn, and moves that take more than one field. Time goes
faster on the emulator; the requests go along with it, one in each second of its clock.
"""

from __future__ import annotations

import copy
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.cli.output.exits import Exit
from tests.harness.emulator import Desk, load, local_session
from tests.harness.spec_changes import Document, sources
from tests.harness.transitions import least_of
from tests.promises.conftest import Record
from tests.promises.test_changes import SEED, documents_of, possible, with_image

SPEED = 30.0
RATE = SPEED
"""Requests in a second: one in each of the emulator's."""
LONGEST = 240.0
DRAWN = 10
"""Changes drawn of each strategy."""
BALANCER = "my-app-alb"

Edit = Callable[[list[Document]], None]


def _one(documents: Sequence[Document], kind: str) -> Document:
    return next(one for one in documents if one["kind"] == kind)


def _target_group_renamed(documents: list[Document]) -> None:
    traffic = _one(documents, "Service")["traffic"]
    traffic["target_groups"] = [f"{name}-new" for name in traffic["target_groups"]]


def _port_changed(documents: list[Document]) -> None:
    for container in _one(documents, "Service")["task"]["containers"].values():
        container["port"] = 8080
        container["environment"] = {"GREETING": "Hello World", "PORT": "8080"}
    tasks = next(one for one in _one(documents, "Network")["security_groups"] if one["name"] == "my-app-task-sg")
    tasks["ingress"][0]["port"] = 8080


def _security_group_renamed(documents: list[Document]) -> None:
    groups = _one(documents, "Network")["security_groups"]
    next(one for one in groups if one["name"] == "my-app-task-sg")["name"] = "my-app-tasks"
    for one in documents:
        if "placement" in one:
            one["placement"]["security_groups"] = ["my-app-tasks"]


def _subnet_leaves(documents: list[Document]) -> None:
    for one in documents:
        if one["kind"] == "Service":
            one["placement"]["subnets"] = one["placement"]["subnets"][:1]


def _more_tasks(documents: list[Document]) -> None:
    _one(documents, "Service")["desired_count"] = 4


def _capacity_provider_leaves(documents: list[Document]) -> None:
    _one(documents, "Cluster")["capacity_providers"] = ["FARGATE"]


MOVES: dict[str, Edit] = {
    "target groups renamed": _target_group_renamed,
    "container port changed": _port_changed,
    "security group renamed": _security_group_renamed,
    "a subnet leaves the service": _subnet_leaves,
    "more tasks": _more_tasks,
    "a capacity provider leaves": _capacity_provider_leaves,
}


@contextmanager
def _under_a_controller(place: Path, strategy: str) -> Iterator[tuple[Desk, tuple[Document, ...]]]:
    """v1 serves, and a controller runs."""
    documents = _documents(strategy)
    with local_session(place, speed=SPEED) as here:
        _write(here, documents)
        here.typed("apply", "-y")  # makes the registry, and cannot start what is not pushed yet
        for tag in ("v1", "v2", "v3"):
            here.push(tag)
        ended = here.typed("apply", "-y", "--wait")
        assert ended.code == Exit.DONE, ended.text
        here.begin("run", "--specs", "specs")
        yield here, documents


def _documents(strategy: str) -> tuple[Document, ...]:
    """Without the task, whose image is not on this machine."""
    return tuple(one for one in documents_of(strategy) if one["kind"] != "Task")


def _write(here: Desk, documents: Sequence[Document]) -> None:
    folder = here.place / "specs"
    new = here.place / "new"
    new.mkdir()
    for one in sources(documents):
        (new / one.relative).write_bytes(one.data)
    shutil.rmtree(folder)
    new.rename(folder)


def _until_in_place(here: Desk) -> str:
    """Empty once `diff` is, or what it said last."""
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        typed = here.typed("diff")
        if typed.code == Exit.DONE:
            return ""
        time.sleep(2.0)
    return f"diff ends with {typed.code} after {LONGEST:.0f} s:\n{typed.text}"


def _change(here: Desk, documents: Sequence[Document]) -> tuple[int, dict[str, int], str]:
    with load(here, rate=RATE) as ended:
        time.sleep(1.0)
        _write(here, documents)
        time.sleep(2.0)
        because = _until_in_place(here)
        time.sleep(2.0)
        found = ended()
    return found["requests"] - found["lost"], found["why"], because


def _check(
    place: Path, strategy: str, several: Sequence[tuple[str, Sequence[Document]]], record: Record, kind: str
) -> None:
    wrong: list[str] = []
    answered = lost_in_all = 0
    with _under_a_controller(place, strategy) as (here, before):
        for what, documents in several:
            for name, wanted in ((what, documents), (f"{what}, taken back", before)):
                served, lost, because = _change(here, wanted)
                answered += served
                lost_in_all += sum(lost.values())
                if lost or because:
                    wrong.append(f"{name}: {served} answered, lost {lost}; {because}")
    record("C1", f"{strategy}, {kind}, live", worlds=2 * len(several), violations=len(wrong), requests=answered,
           lost=lost_in_all)  # fmt: skip
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["rolling", "blue_green", "canary"])
def test_no_request_is_lost_to_a_drawn_change(strategy: str, tmp_path: Path, record: Record) -> None:
    documents = _documents(strategy)
    serving = [one for one in possible(documents) if least_of(one.documents, BALANCER) is not None]
    drawn = random.Random(f"{SEED} live {strategy}").sample(serving, DRAWN)
    _check(tmp_path, strategy, [(one.what, one.documents) for one in drawn], record, "drawn changes")


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["rolling", "blue_green"])
def test_no_request_is_lost_to_a_move(strategy: str, tmp_path: Path, record: Record) -> None:
    several = []
    for what, edit in MOVES.items():
        documents = copy.deepcopy(list(_documents(strategy)))
        edit(documents)
        several.append((what, documents))
    several.append(("a new version", with_image(_documents(strategy), "v2")))
    _check(tmp_path, strategy, several, record, "moves")
