"""A store whose file is deleted, replaced or damaged under its holder: one writer, and the reason is reported."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from reconciler import errors, events
from reconciler.clock import ManualClock
from reconciler.store.base import Copy
from reconciler.store.fence import Fence
from reconciler.store.lease import Lease
from reconciler.store.sqlite import Sqlite
from tests.store.stores import contender

JUNK = b"not a database, but long enough to be looked at" * 20


def _deleted(path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()


def _recreated(path: Path) -> None:
    _deleted(path)
    path.write_bytes(b"")


def _copied(path: Path) -> None:
    """As a backup is restored: the content is the same, and the file is another one."""
    shutil.copy(path, path.with_name("backup"))
    path.with_name("backup").replace(path)


def _renamed(path: Path) -> None:
    path.rename(path.with_name("elsewhere.db"))


def _folder_deleted(path: Path) -> None:
    shutil.rmtree(path.parent)


def _replaced_by_junk(path: Path) -> None:
    path.with_name("junk").write_bytes(JUNK)
    path.with_name("junk").replace(path)


def _overwritten(path: Path) -> None:
    path.write_bytes(JUNK)


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


REPLACED = (_deleted, _recreated, _copied, _renamed, _folder_deleted, _replaced_by_junk)
Damage = Callable[[Path], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[Sqlite]:
    with closing(Sqlite(path, "shop")) as opened:
        yield opened


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def lease(store: Sqlite, clock: ManualClock) -> Lease:
    lease = contender(store.records, clock)
    assert lease.acquire()
    return lease


@pytest.mark.parametrize("damage", REPLACED)
def test_a_holder_whose_store_was_replaced_sends_nothing_more(path: Path, lease: Lease, damage: Damage) -> None:
    """The fence sees it before the next write, without waiting for a renewal."""
    fence = Fence(lease)
    fence.begin()
    fence()
    damage(path)
    with pytest.raises(errors.LeaseLost, match=r"store\.db was"):
        fence()
    assert lease.epoch == 0


@pytest.mark.parametrize("damage", REPLACED)
def test_a_renewal_loses_the_lease_of_a_replaced_store(path: Path, lease: Lease, damage: Damage) -> None:
    """A controller that has nothing to write learns it at its next renewal, with the reason."""
    damage(path)
    with pytest.raises(errors.LeaseLost, match=r"store\.db was"):
        lease.renew()
    assert lease.left() == 0


@pytest.mark.parametrize("damage", [*REPLACED, _overwritten, _emptied])
def test_a_damaged_store_never_has_two_holders(path: Path, lease: Lease, clock: ManualClock, damage: Damage) -> None:
    """Whoever opens it afterwards may acquire the lease, and then the former holder cannot renew it."""
    damage(path)
    with closing(Sqlite(path, "shop")) as second:
        other = contender(second.records, clock, "two")
        if other.acquire():
            with pytest.raises(errors.LeaseLost):
                lease.renew()
            other.renew()
        else:
            assert damage is _copied


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_the_lease_is_in_one_file(path: Path, lease: Lease, clock: ManualClock, suffix: str) -> None:
    """What SQLite keeps beside it may be deleted between two transactions."""
    path.with_name(f"{path.name}{suffix}").unlink(missing_ok=True)
    with closing(Sqlite(path, "shop")) as second:
        assert not contender(second.records, clock, "two").acquire()
    lease.renew()


@pytest.mark.parametrize("damage", [*REPLACED, _overwritten, _emptied])
def test_a_former_holder_contends_again_in_the_new_file(path: Path, lease: Lease, damage: Damage) -> None:
    """It need not be restarted, and its next epoch is another one: what the earlier one decided is not sent."""
    damage(path)
    with pytest.raises(errors.LeaseLost):
        lease.renew()
    assert lease.acquire()
    assert lease.epoch > 1
    lease.renew()


def test_a_store_that_cannot_be_looked_at_is_no_lease(
    path: Path, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is unknown holds writes back."""
    fence = Fence(lease)
    fence.begin()

    def denied(*_: object, **__: object) -> os.stat_result:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr("reconciler.store.sqlite.os.stat", denied)
        with pytest.raises(errors.LeaseLost, match="Permission denied"):
            fence()


@pytest.mark.parametrize("content", [JUNK, b"SQLite format 3\0" + JUNK])
def test_a_file_that_is_no_database_is_moved_aside(path: Path, content: bytes) -> None:
    """A new store takes its place, a warning says so, and nothing of it is lost."""
    path.parent.mkdir(mode=0o700)
    path.write_bytes(content)
    with capture_logs() as logs, closing(Sqlite(path, "shop")) as store:
        assert contender(store.records, ManualClock()).acquire()
    [line] = [one for one in logs if one["event"] == events.STORE_MOVED_ASIDE]
    assert (line["path"], line["log_level"]) == (str(path), "warning")
    aside = Path(line["moved_to"])
    assert aside.read_bytes() == content
    assert {one.name for one in path.parent.iterdir()} == {path.name, aside.name}


def test_a_damaged_page_that_is_found_later_is_moved_aside_too(path: Path, store: Sqlite) -> None:
    """SQLite notices it with the first read of the page."""
    assert store.copies.swap("", Copy("a", 1, "4f1c2ab", b"one" * 5000))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\x99" * (len(content) - 4096))
    with capture_logs() as logs, pytest.raises(errors.StoreUnreachable):
        store.copies.read()
    assert store.copies.read() is None
    assert [one["event"] for one in logs] == [events.STORE_MOVED_ASIDE]


def test_a_new_store_is_the_users_alone(path: Path) -> None:
    """Its folder, and every folder that had to be created above it, too."""
    deep = path.parent / "a" / "b" / "store.db"
    with closing(Sqlite(deep, "shop")):
        pass
    assert _mode(deep) == 0o600
    assert {_mode(folder) for folder in (deep.parent, deep.parent.parent, path.parent)} == {0o700}


def test_a_wider_file_is_narrowed(path: Path) -> None:
    """An earlier version, or a copy, may have left it so."""
    with closing(Sqlite(path, "shop")):
        pass
    path.chmod(0o666)
    with closing(Sqlite(path, "shop")):
        pass
    assert _mode(path) == 0o600


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o777])
def test_a_folder_in_which_others_may_write_is_refused(path: Path, mode: int) -> None:
    """They could replace the file; the folder is named, and it is not changed: other files may be in it."""
    path.parent.mkdir()
    path.parent.chmod(mode)
    with pytest.raises(errors.StoreUnreachable, match="chmod go-w"):
        Sqlite(path, "shop")
    assert _mode(path.parent) == mode
    assert not path.exists()


def test_a_folder_with_the_sticky_bit_is_refused_too(path: Path) -> None:
    """Others cannot replace the file there, but they can put a journal beside it, which SQLite copies into it."""
    path.parent.mkdir()
    path.parent.chmod(0o1777)
    with pytest.raises(errors.StoreUnreachable, match="--store sqlite:") as caught:
        Sqlite(path, "shop")
    assert "chmod" not in str(caught.value)
    with closing(Sqlite(path.parent / "reconciler" / path.name, "shop")):
        pass


def test_a_folder_in_which_nobody_else_can_replace_it_is_fine(path: Path) -> None:
    """Reading is up to the file's own mode."""
    path.parent.mkdir()
    path.parent.chmod(0o755)
    with closing(Sqlite(path, "shop")):
        pass
    assert _mode(path.parent) == 0o755


def test_a_folder_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner can replace the file, whoever owns that; only the superuser's folders are trusted."""
    path.parent.mkdir(mode=0o755)
    found, real = path.parent.stat(), Path.stat
    other = os.stat_result((*found[:4], found.st_uid + 1, *found[5:]))
    monkeypatch.setattr(Path, "stat", lambda self, **more: other if self == path.parent else real(self, **more))
    with pytest.raises(errors.StoreUnreachable, match="another user"):
        Sqlite(path, "shop")


@pytest.mark.parametrize(
    ("mode", "owner", "refused"),
    [
        (0o755, 0, ""),
        (0o1777, 0, ""),
        (0o777, 0, "chmod go-w"),
        (0o755, 1, "another user"),
        (0o1777, 1, "another user"),
    ],
)
def test_a_folder_above_in_which_others_may_write_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, owner: int, refused: str
) -> None:
    """They could replace the folder with the store in it. In one with the sticky bit they cannot: it is ours."""
    above = path.parent
    above.mkdir()
    above.chmod(mode)
    real = Path.stat

    def found(self: Path, **more: Any) -> os.stat_result:
        one = real(self, **more)
        return os.stat_result((*one[:4], one.st_uid + owner, *one[5:])) if self == above else one

    monkeypatch.setattr(Path, "stat", found)
    link = path.parent.parent / "link"
    link.symlink_to(above.name)
    for folder in (above, link):
        if refused:
            with pytest.raises(errors.StoreUnreachable, match=refused):
                Sqlite(folder / "own" / path.name, "shop")
        else:
            Sqlite(folder / "own" / path.name, "shop").close()


def test_only_the_file_that_is_no_database_is_moved_aside(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that finds it at the same time waits, and leaves the new store where it is."""
    path.parent.mkdir(mode=0o700)
    path.write_bytes(JUNK)
    rename, others = os.rename, list[threading.Thread]()

    def slowly(*words: Any) -> None:
        if not others:
            others.append(threading.Thread(target=lambda: Sqlite(path, "shop").close()))
            others[0].start()
            others[0].join(0.3)
        rename(*words)

    monkeypatch.setattr("reconciler.store.sqlite.os.rename", slowly)
    Sqlite(path, "shop").close()
    others[0].join(10)
    assert len(list(path.parent.iterdir())) == 2
    with closing(Sqlite(path, "shop")) as store:
        assert store.records.read() is None


def test_a_file_of_another_user_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that everybody may write in, somebody else may have created it first, and reads it for ever."""
    with closing(Sqlite(path, "shop")):
        pass
    monkeypatch.setattr("reconciler.store.sqlite.os.geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(errors.StoreUnreachable, match="another user"):
        Sqlite(path, "shop")


def test_a_pipe_is_refused(path: Path) -> None:
    """Opening it would wait for a reader for ever."""
    path.parent.mkdir(mode=0o700)
    os.mkfifo(path)
    with pytest.raises(errors.StoreUnreachable, match="regular file"):
        Sqlite(path, "shop")


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)
