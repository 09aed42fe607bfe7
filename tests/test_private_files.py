"""Files of the user's alone: their modes, and what somebody else has put where they are written."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from reconciler import private_files


def test_a_file_is_replaced_as_a_whole_with_its_mode(tmp_path: Path) -> None:
    """Whatever mode it had, and nothing is left beside it."""
    file = tmp_path / "plan.json"
    file.write_text("before")
    file.chmod(0o666)
    private_files.write(file, b"after")
    assert (file.read_bytes(), _mode(file)) == (b"after", 0o600)
    assert list(tmp_path.iterdir()) == [file]


def test_no_link_is_followed(tmp_path: Path) -> None:
    """Neither in the file's own place nor in a name beside it that can be predicted."""
    victim, file = tmp_path / "victim", tmp_path / "plan.json"
    victim.write_text("keep")
    file.symlink_to(victim)
    (tmp_path / f".plan.json.{os.getpid()}").symlink_to(victim)
    private_files.write(file, b"plan")
    assert victim.read_text() == "keep"
    assert (file.is_symlink(), file.read_bytes()) == (False, b"plan")


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    """Whoever reads there would wait for ever; a link may lead to one, as /dev/stdout does."""
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(OSError, match="regular"):
            private_files.write(path, b"plan")
    assert (stat.S_ISFIFO(pipe.lstat().st_mode), link.is_symlink()) == (True, True)


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing half written, and no temporary file."""
    file = tmp_path / "plan.json"
    file.write_text("before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        private_files.write(file, b"after")
    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_of_our_own_is_narrowed_and_others_are_not(tmp_path: Path) -> None:
    """Folders that exist above it keep their mode; those that are missing are private."""
    tmp_path.chmod(0o755)
    folder = tmp_path / "state" / "reconciler"
    private_files.create_folder(folder)
    assert (_mode(tmp_path), _mode(folder.parent), _mode(folder)) == (0o755, 0o700, 0o700)
    folder.chmod(0o777)
    private_files.create_folder(folder)
    assert _mode(folder) == 0o777
    private_files.narrow_folder(folder)
    assert _mode(folder) == 0o700


def test_a_file_in_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    """And not a folder that seems to be there."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):  # noqa: PT011  # which one depends on where the file is
        private_files.create_folder(tmp_path / "file")
    with pytest.raises(OSError):  # noqa: PT011
        private_files.create_folder(tmp_path / "file" / "below")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
