"""Git repositories made for a test, and a host on this machine that serves them."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from dulwich.objects import Blob, Commit, Tree
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

STACK = b"kind: Stack\nname: shop\nregion: us-west-2\n"
MAIN = b"refs/heads/main"


class Repository:
    """A bare repository that takes commits of given files, without a work tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inner = Repo.init_bare(folder, mkdir=True, default_branch=b"main")
        self.time = 1_767_225_600

    def close(self) -> None:
        self.inner.close()

    def tree(self, files: Mapping[str, bytes | tuple[int, bytes]]) -> Tree:
        """`path: content`, or `path: (mode, content)`; for a submodule the content is the id."""
        tree, below = Tree(), dict[str, dict[str, bytes | tuple[int, bytes]]]()
        for path, content in files.items():
            first, _, rest = path.partition("/")
            if rest:
                below.setdefault(first, {})[rest] = content
                continue
            mode, data = content if isinstance(content, tuple) else (0o100644, content)
            if mode == 0o160000:
                tree.add(first.encode(), mode, data)
            else:
                blob = Blob.from_string(data)
                self.inner.object_store.add_object(blob)
                tree.add(first.encode(), mode, blob.id)
        for name, inside in below.items():
            tree.add(name.encode(), 0o040000, self.tree(inside).id)
        self.inner.object_store.add_object(tree)
        return tree

    def commit(
        self,
        files: Mapping[str, bytes | tuple[int, bytes]] | Tree,
        *,
        subject: str = "change",
        parents: list[str] | None = None,
        ref: bytes = MAIN,
        author: bytes = b"Ana <ana@example.com>",
        sign: Callable[[bytes], bytes] | None = None,
    ) -> str:
        tree = files if isinstance(files, Tree) else self.tree(files)
        head = self.inner.refs.as_dict().get(ref)
        self.time += 60
        commit = Commit()
        commit.tree = tree.id
        commit.parents = [parent.encode() for parent in parents] if parents is not None else [head] if head else []
        commit.author = commit.committer = author
        commit.author_time = commit.commit_time = self.time
        commit.author_timezone = commit.commit_timezone = 0
        commit.message = subject.encode()
        if sign is not None:
            commit.gpgsig = sign(commit.as_raw_string())
        self.inner.object_store.add_object(commit)
        self.inner.refs[ref] = commit.id
        return commit.id.decode()


@dataclass
class Host:
    """A Git host at `url`; `down` makes it answer 503, `token` asks for one, `page` answers everything."""

    url: str = ""
    token: str = ""
    down: bool = False
    page: tuple[str, list[tuple[str, str]], bytes] | None = None
    requests: list[str] = field(default_factory=list)
    sent: int = 0
    asked: list[str] = field(default_factory=list)


@contextmanager
def hosting(repository: Repository) -> Iterator[Host]:
    host = Host()
    git = make_wsgi_chain(DictBackend({"/shop.git": repository.inner}))

    def application(environ: dict[str, Any], start: Any) -> Any:
        host.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        host.asked.append(environ.get("HTTP_AUTHORIZATION", ""))
        if host.down:
            start("503 Service Unavailable", [("Content-Type", "text/plain")])
            return [b"down"]
        if host.page is not None:
            start(host.page[0], host.page[1])
            return [host.page[2]]
        wanted = "Basic " + base64.b64encode(f"x-access-token:{host.token}".encode()).decode()
        if host.token and environ.get("HTTP_AUTHORIZATION") != wanted:
            start("401 Unauthorized", [("WWW-Authenticate", "Basic"), ("Content-Type", "text/plain")])
            return [b"no"]
        body = b"".join(git(environ, start))
        host.sent += len(body)
        return [body]

    class Quiet(WSGIRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    server = make_server("127.0.0.1", 0, application, WSGIServer, Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    host.url = f"http://127.0.0.1:{server.server_port}/shop.git"
    try:
        yield host
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
