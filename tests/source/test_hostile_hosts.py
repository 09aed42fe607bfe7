"""Git hosts that drip, say nothing, never end, or send what unpacks to more than there is memory."""

from __future__ import annotations

import gzip
import hashlib
import os
import socket
import stat
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dulwich.objects import Blob, Tree

from reconciler import errors
from reconciler.source import pack as pack_module
from reconciler.source import transport, tree
from reconciler.source.git import Git
from reconciler.source.location import parse
from tests.harness.peers import SOON, dripping, failed, flooding, peer, request, silent
from tests.source.packs import entry, pack
from tests.source.repositories import STACK, Host, Repository, hosting

FILES = {"specs/stack.yaml": STACK}
TIP = b"a" * 40
BLOB = hashlib.sha1(b"blob 0\0").digest()
REFS = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\r\n"
RESULT = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-result\r\n\r\n"


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    found = Repository(tmp_path / "shop.git")
    yield found
    found.close()


@pytest.fixture
def host(repository: Repository) -> Iterator[Host]:
    with hosting(repository) as found:
        yield found


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Callable[[str], Git]]:
    made: list[Git] = []

    def make(url: str) -> Git:
        made.append(Git(parse(url), cache=tmp_path / "cache"))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "REFS_SECONDS", 0.4)
    monkeypatch.setattr(transport, "FETCH_SECONDS", 0.4)


def packet(text: bytes) -> bytes:
    return b"%04x" % (len(text) + 4) + text


def advertised(tip: bytes) -> bytes:
    """What a host says about its branch `main`."""
    capabilities = b"side-band-64k ofs-delta shallow multi_ack_detailed no-done"
    service = packet(b"# service=git-upload-pack\n") + b"0000"
    return service + packet(tip + b" refs/heads/main\0" + capabilities + b"\n") + b"0000"


def serving(tip: bytes, answer: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    """A host whose branch is at `tip`, and which has `answer` send the pack."""

    def behave(sock: socket.socket) -> None:
        while head := request(sock):
            if head.startswith(b"GET"):
                refs = advertised(tip)
                sock.sendall(REFS.removesuffix(b"\r\n") + b"Content-Length: %d\r\n\r\n" % len(refs) + refs)
            else:
                sock.sendall(RESULT + packet(b"shallow " + tip) + b"0000" + packet(b"NAK\n"))
                answer(sock)
                return

    return behave


def packed(data: bytes) -> Callable[[socket.socket], None]:
    """Sends a pack."""

    def answer(sock: socket.socket) -> None:
        for start in range(0, len(data), 60_000):
            sock.sendall(packet(b"\x01" + data[start : start + 60_000]))
        sock.sendall(b"0000")
        sock.shutdown(socket.SHUT_WR)
        silent(sock)

    return answer


def trickled(text: bytes) -> Callable[[socket.socket], None]:
    def answer(sock: socket.socket) -> None:
        while True:
            for number in text:
                sock.sendall(bytes([number]))
                time.sleep(0.05)

    return answer


def endless(text: bytes) -> Callable[[socket.socket], None]:
    def answer(sock: socket.socket) -> None:
        while True:
            sock.sendall(text * 1000)

    return answer


@pytest.mark.parametrize(
    "behave",
    [
        silent,
        dripping(b"X-Slow: 1\r\n", b"HTTP/1.1 200 OK\r\n"),
        dripping(b"0", REFS),
        dripping(packet(TIP + b" refs/heads/other\n"), REFS + advertised(TIP)[:-4]),
        dripping(b"x", b"HTTP/1.1 500 Oh\r\nContent-Length: 100000\r\n\r\n"),
        dripping(b"x", b"HTTP/1.1 302 Found\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 1000\r\n\r\n"),
    ],
    ids=["silent", "head", "refs", "many refs", "error", "redirect"],
)
def test_a_host_that_trickles_is_given_up(
    source: Callable[[str], Git], behave: Callable[[socket.socket], None]
) -> None:
    """The branch's place is asked for within one deadline, however slowly each byte comes."""
    with peer(behave) as port:
        git = source(f"http://127.0.0.1:{port}/shop.git#main")
        for ask in (git.fetch, lambda: git.changed(None)):
            assert isinstance(failed(ask), errors.SourceUnreachable)


@pytest.mark.parametrize("tip", [b"z" * 40, b"\xff" * 40, b"a" * 39, b"../" * 13 + b"a", b"0" * 64, b"ref:"])
def test_a_branch_that_points_to_no_commit_is_an_outage(source: Callable[[str], Git], tip: bytes) -> None:
    """What a host calls its commit is text from outside: a name that none can have ends no controller."""
    with peer(serving(tip, packed(b""))) as port:
        git = source(f"http://127.0.0.1:{port}/shop.git#main")
        for ask in (git.fetch, lambda: git.changed(None)):
            assert isinstance(failed(ask), errors.SourceUnreachable)


@pytest.mark.parametrize("text", [packet(b"\x02counting..."), packet(b"\x01x"), b"1"], ids=["progress", "pack", "size"])
def test_a_pack_that_trickles_is_given_up(source: Callable[[str], Git], text: bytes) -> None:
    """So is a pack, with all progress messages beside it."""
    with peer(serving(TIP, trickled(text))) as port:
        error = failed(source(f"http://127.0.0.1:{port}/shop.git#main").fetch)
    assert isinstance(error, errors.SourceUnreachable)
    assert "0.4 s" in str(error)


@pytest.mark.parametrize(
    "behave",
    [
        flooding(packet(TIP + b" refs/heads/other\n") * 1000, REFS + advertised(TIP)[:-4]),
        serving(TIP, endless(packet(b"\x02counting..."))),
    ],
    ids=["refs", "progress"],
)
def test_a_host_that_never_ends_is_given_up(
    source: Callable[[str], Git], monkeypatch: pytest.MonkeyPatch, behave: Callable[[socket.socket], None]
) -> None:
    """The list of branches and the messages beside a pack are limited in size, too."""
    monkeypatch.setattr(transport, "REFS_SECONDS", 60.0)
    monkeypatch.setattr(transport, "FETCH_SECONDS", 60.0)
    monkeypatch.setattr(transport, "LARGEST_REFS", 100_000)
    monkeypatch.setattr(transport, "LARGEST_PACK", 100_000)
    with peer(behave) as port:
        error = failed(source(f"http://127.0.0.1:{port}/shop.git#main").fetch)
    assert isinstance(error, errors.SourceUnreachable)
    assert "it sent more than" in str(error)


def test_an_answer_that_was_compressed_is_not_inflated(source: Callable[[str], Git]) -> None:
    """Nobody asked for it, and a megabyte of it may be a gigabyte."""
    page = gzip.compress(advertised(TIP))
    head = REFS.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(page))

    def behave(sock: socket.socket) -> None:
        request(sock)
        sock.sendall(head + page)

    with peer(behave) as port, pytest.raises(errors.SourceUnreachable, match="pkt-line"):
        source(f"http://127.0.0.1:{port}/shop.git#main").fetch()


@pytest.mark.parametrize(
    "script",
    ["exec sleep 60", "while :; do printf 0; sleep 0.05; done", "exec yes 0000", "exec >&-; exec yes >&2"],
    ids=["silent", "dripping", "flooding", "complaining"],
)
def test_an_ssh_host_that_holds_its_reader_is_given_up(
    source: Callable[[str], Git], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """ssh is ended with the exchange."""
    monkeypatch.setattr(transport, "LARGEST_REFS", 100_000)
    program = tmp_path / "bin" / "ssh"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    error = failed(source("ssh://git@git.example.com/ana/shop.git#main").fetch)
    assert isinstance(error, errors.SourceUnreachable)


def test_closing_ends_what_is_under_way(source: Callable[[str], Git], monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is to end does not wait for a host's deadline."""
    monkeypatch.setattr(transport, "REFS_SECONDS", 60.0)
    with peer(silent) as port:
        git = source(f"http://127.0.0.1:{port}/shop.git#main")
        thread = threading.Thread(target=lambda: failed(git.fetch))
        thread.start()
        time.sleep(0.2)
        began = time.monotonic()
        git.close()
        thread.join(SOON)
    assert not thread.is_alive()
    assert time.monotonic() - began < SOON / 2


@pytest.mark.parametrize("limit", ["LARGEST_OBJECT", "LARGEST_INFLATED"])
def test_a_commit_that_unpacks_to_too_much_is_rejected(
    repository: Repository,
    host: Host,
    source: Callable[[str], Git],
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
) -> None:
    """Whatever file it is in: the revision is bad, and the next good one is taken."""
    monkeypatch.setattr(transport, "FETCH_SECONDS", 60.0)
    monkeypatch.setattr(pack_module, limit, 1_000_000)
    bad = repository.commit({**FILES, "zeros.bin": bytes(2_000_000)})
    for place in (f"{host.url}#main", f"{repository.folder}#main"):
        git = source(place)
        for _ in range(2):
            with pytest.raises(errors.RevisionRejected, match="unpacked") as caught:
                git.fetch()
            assert caught.value.revision == bad
    good = repository.commit(FILES)
    assert source(f"{host.url}#main").fetch().revision.id == good


@pytest.mark.parametrize(
    "text",
    [
        b"tree TREE\n\nno author\n",
        b"tree TREE\nauthor nobody\ncommitter nobody\n\nno time\n",
        b"tree not-an-id\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n",
        b"tree TREE\nauthor A <a@b> 99999999999999999999999 +0000\ncommitter A <a@b> 1 +0000\n\nx\n",
        b"tree TREE\nparent short\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n",
        b"garbage",
        b"",
        b"tree TREE\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\n" + b"x" * 3_000_000,
    ],
    ids=["no author", "no time", "no tree", "late", "parent", "garbage", "empty", "huge"],
)
def test_a_malformed_commit_is_rejected(repository: Repository, source: Callable[[str], Git], text: bytes) -> None:
    """The revision is bad, the host is not: it is not asked for again until the branch moves."""
    _, empty = stored(b"tree", b"")
    rejected(source, (b"commit", text.replace(b"TREE", empty)), (b"tree", b""))
    here(source, repository, (b"commit", text.replace(b"TREE", empty)), (b"tree", b""))


@pytest.mark.parametrize("text", [b"garbage", b"100644 \0" + BLOB, b"100644 stack.yaml\0short", b"9z9 a.yaml\0" + BLOB])
def test_a_malformed_tree_is_rejected(repository: Repository, source: Callable[[str], Git], text: bytes) -> None:
    """As a malformed commit is."""
    outer = b"40000 specs\0" + stored(b"tree", text)[0]
    lines = b"author A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n"
    commit = b"tree %s\n" % stored(b"tree", outer)[1] + lines
    rejected(source, (b"commit", commit), (b"tree", outer), (b"tree", text))
    here(source, repository, (b"commit", commit), (b"tree", outer), (b"tree", text), (b"blob", b""))


def stored(kind: bytes, data: bytes) -> tuple[bytes, bytes]:
    """The id of an object, as bytes and as text."""
    digest = hashlib.sha1(b"%s %d\0%s" % (kind, len(data), data))
    return digest.digest(), digest.hexdigest().encode()


def here(source: Callable[[str], Git], repository: Repository, *objects: tuple[bytes, bytes]) -> None:
    """So it is by a source that is a repository of this machine, whose objects dulwich reads before it sends them."""
    for kind, content in objects:
        data = kind + b" %d\0" % len(content) + content
        id = hashlib.sha1(data).hexdigest()
        file = repository.folder / "objects" / id[:2] / id[2:]
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(zlib.compress(data))
    tip = hashlib.sha1(objects[0][0] + b" %d\0" % len(objects[0][1]) + objects[0][1]).hexdigest()
    (repository.folder / "refs" / "heads" / "main").write_text(tip + "\n")
    git = source(f"{repository.folder}#main:specs")
    with pytest.raises(errors.RevisionRejected) as caught:
        git.fetch()
    assert caught.value.revision == tip


def rejected(source: Callable[[str], Git], *objects: tuple[bytes, bytes]) -> None:
    """The first of `objects`, a commit, is rejected by its id, and fetched once."""
    kinds = {b"commit": 1, b"tree": 2}
    data = pack(entry(kinds[kind], data) for kind, data in objects)
    tip, packs = stored(*objects[0])[1], list[int]()

    def answer(sock: socket.socket) -> None:
        packs.append(1)
        packed(data)(sock)

    with peer(serving(tip, answer)) as port:
        git = source(f"http://127.0.0.1:{port}/shop.git#main")
        for _ in range(2):
            with pytest.raises(errors.RevisionRejected) as caught:
                git.fetch()
            assert caught.value.revision == tip.decode()
        assert not git.changed(tip.decode())
    assert len(packs) == 1


def test_a_huge_tree_is_rejected(
    repository: Repository, source: Callable[[str], Git], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not parsed: its entries would take ten times its size."""
    monkeypatch.setattr(tree, "LARGEST_NODE", 10_000)
    blob = Blob.from_string(b"")
    repository.inner.object_store.add_object(blob)
    wide = Tree()
    for number in range(1_000):
        wide.add(b"%d.txt" % number, 0o100644, blob.id)
    repository.inner.object_store.add_object(wide)
    for outer_name in (b"specs", b"other"):
        root = Tree()
        root.add(outer_name, 0o040000, wide.id)
        repository.inner.object_store.add_object(root)
        repository.commit(root)
        git = source(f"{repository.folder}#main")
        if outer_name == b"specs":
            with pytest.raises(errors.RevisionRejected, match="larger than"):
                git.fetch()
        else:  # what is not read does no harm
            assert [one.rule for one in git.fetch().findings] == ["E1012"]
