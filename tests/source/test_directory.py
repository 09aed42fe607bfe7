"""A watched folder: taken when it has come to rest, and only then."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.clock import ManualClock
from reconciler.source.directory import Directory
from tests.source.repositories import STACK


class Busy(ManualClock):
    """A clock at each of whose waits something happens."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__()
        self.happens = happens

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        self.happens()
        return super().wait(event, seconds)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "stack.yaml").write_bytes(STACK)
    return tmp_path / "specs"


def test_what_is_there_is_fetched(folder: Path) -> None:
    """Files and their content's hash make the revision; fetching again gives the same."""
    source = Directory(folder, ManualClock())
    fetched = source.fetch()
    assert [(file.relative, file.data) for file in fetched.sources] == [("stack.yaml", STACK)]
    assert fetched.specs().stack is not None
    assert source.fetch().revision == fetched.revision
    assert len(fetched.revision.id) == 64


def test_the_same_files_are_the_same_revision(folder: Path, tmp_path: Path) -> None:
    """The id depends on names and contents, not on times, order or place."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "stack.yaml").write_bytes(STACK)
    clock = ManualClock()
    assert Directory(folder, clock).fetch().revision == Directory(other, clock).fetch().revision
    (other / "stack.yaml").rename(other / "renamed.yaml")
    assert Directory(folder, clock).fetch().revision != Directory(other, clock).fetch().revision


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "stack.yaml").write_bytes(STACK + b"# more\n"),
        lambda folder: (folder / "stack.yaml").write_bytes(STACK.replace(b"shop", b"bank")),
        lambda folder: (folder / "new.yml").write_bytes(b"kind: Cluster\nname: a\n"),
        lambda folder: (
            (folder / "environments" / "prod").mkdir(parents=True)
            or (folder / "environments" / "prod" / "a.yaml").write_bytes(b"a: 1")
        ),
        lambda folder: (folder / "stack.yaml").unlink(),
        lambda folder: (folder / "stack.yaml").rename(folder / "other.yaml"),
        lambda folder: (folder / "link.yaml").symlink_to("nowhere"),
        lambda folder: (folder / "large.yaml").write_bytes(b"#" * (1024 * 1024 + 1)),
    ],
)
def test_every_change_is_noticed_once_it_rests(folder: Path, change: Callable[[Path], object]) -> None:
    """A change is reported after two equal looks, not before, and until it was fetched; then it is another revision."""
    clock = ManualClock()
    source = Directory(folder, clock)
    first = source.fetch().revision.id
    assert not source.changed(first)
    change(folder)
    assert not source.changed(first)  # it may not be all yet
    clock.advance(0.25)
    assert source.changed(first)
    second = source.fetch().revision.id
    assert second != first
    assert not source.changed(second)
    assert source.changed(first)


@pytest.mark.parametrize("name", ["notes.txt", ".stack.yaml.swp", ".hidden/a.yaml"])
def test_what_is_no_spec_wakes_nobody(folder: Path, name: str) -> None:
    """Hidden files, editors' leavings and other files do not count."""
    clock = ManualClock()
    source = Directory(folder, clock)
    first = source.fetch().revision.id
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("x")
    for _ in range(3):
        clock.advance(0.25)
        assert not source.changed(first)


def test_a_half_saved_set_of_files_is_not_taken(folder: Path) -> None:
    """While files go on changing nothing is read; the set that is taken is the last one, whole."""
    steps = iter(range(5))

    def save() -> None:
        for step in steps:
            (folder / f"{step}.yaml").write_bytes(b"kind: Cluster\nname: c%d\n" % step)
            return

    clock = Busy(save)
    fetched = Directory(folder, clock).fetch()
    assert len(fetched.sources) == 6
    assert clock.monotonic() >= 5 * 0.2


def test_a_folder_that_never_rests_is_given_up(folder: Path) -> None:
    """A fetch ends, whatever goes on in the folder."""
    counter = iter(range(10_000))
    clock = Busy(lambda: (folder / "stack.yaml").write_bytes(STACK + b"#" * next(counter)) and None)
    source = Directory(folder, clock)
    with pytest.raises(errors.SourceUnreachable, match="still being changed"):
        source.fetch()
    assert clock.monotonic() < 10
    clock.happens = lambda: None
    assert source.fetch().sources


def test_a_change_while_reading_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that move under the reader are not taken as they were in between."""
    clock = ManualClock()
    source = Directory(folder, clock)
    read, times = source._read, []

    def disturbed() -> object:
        found = read()
        times.append(1)
        if len(times) == 1:
            (folder / "late.yaml").write_bytes(b"kind: Cluster\nname: late\n")
        return found

    monkeypatch.setattr(source, "_read", disturbed)
    assert [file.relative for file in source.fetch().sources] == ["late.yaml", "stack.yaml"]
    assert len(times) == 2


def test_a_touched_file_is_the_same_revision(folder: Path) -> None:
    """Saving without a change is looked at, and found to be the same."""
    clock = ManualClock()
    source = Directory(folder, clock)
    first = source.fetch()
    os.utime(folder / "stack.yaml", (1, 1))
    clock.advance(0.25)
    source.changed(first.revision.id)
    clock.advance(0.25)
    assert source.fetch().revision == first.revision
    assert not source.changed(first.revision.id)


def test_a_folder_that_is_gone_is_unreachable_and_comes_back(folder: Path) -> None:
    """A folder that is not there is no reason to delete anything."""
    clock = ManualClock()
    source = Directory(folder, clock)
    first = source.fetch()
    folder.rename(folder.parent / "away")
    for ask in (source.fetch, lambda: source.changed(None)):
        with pytest.raises(errors.SourceUnreachable, match="specs"):
            ask()
    (folder.parent / "away").rename(folder)
    assert source.fetch().revision == first.revision


def test_an_emptied_folder_is_an_error_and_no_wish(folder: Path) -> None:
    """No documents at all are never taken for a stack that wants nothing."""
    (folder / "stack.yaml").unlink()
    specs = Directory(folder, ManualClock()).fetch().specs()
    assert [found.rule for found in specs.diagnostics] == ["E1013"]
    assert not specs.ok
