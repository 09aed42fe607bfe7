"""A branch of a Git repository: read from objects, judged before it is taken, and survived when it is not there."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dulwich.objects import Blob, Tag, Tree

from reconciler import errors
from reconciler.source import git as git_module
from reconciler.source import transport as transport_module
from reconciler.source.credentials import Credentials
from reconciler.source.git import Git
from reconciler.source.location import parse
from reconciler.spec import discovery
from tests.source.repositories import MAIN, STACK, Host, Repository, hosting

GIT = [("Content-Type", "application/x-git-upload-pack-advertisement")]
FILES = {"specs/stack.yaml": STACK, "README.md": b"hello"}


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
def source(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Git]]:
    made: list[Git] = []

    def make(url: str, **options: object) -> Git:
        made.append(Git(parse(url), cache=tmp_path / "cache", **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()
    left = list((tmp_path / "cache").iterdir()) if made and (tmp_path / "cache").exists() else []
    assert left == []


@pytest.fixture(params=["file", "http"])
def url(request: pytest.FixtureRequest, repository: Repository) -> str:
    """The same repository, on this disk and over the wire."""
    if request.param == "file":
        return f"{repository.folder}#main:specs"
    found: Host = request.getfixturevalue("host")
    return f"{found.url}#main:specs"


def test_a_commit_is_fetched_with_its_author_and_subject(
    repository: Repository, source: Callable[..., Git], url: str
) -> None:
    """Files, id, author, subject and time are those of the branch's newest commit."""
    id = repository.commit(FILES, subject="hello: v2\n\nA body.")
    fetched = source(url).fetch()
    assert (fetched.revision.id, fetched.revision.author) == (id, "Ana <ana@example.com>")
    assert str(fetched.revision) == f'{id[:7]} "hello: v2"'
    assert fetched.revision.at is not None
    assert fetched.revision.at.timestamp() == repository.time
    assert [(file.relative, file.shown, file.data) for file in fetched.sources] == [
        ("stack.yaml", "specs/stack.yaml", STACK)
    ]
    specs = fetched.specs()
    assert specs.stack is not None
    assert specs.files == ("specs/stack.yaml",)


def test_a_new_commit_is_noticed_and_fetched(repository: Repository, source: Callable[..., Git], url: str) -> None:
    """`changed` is true exactly while the branch is elsewhere, and what is fetched then is new."""
    first = repository.commit(FILES)
    git = source(url)
    assert git.changed(None)
    assert git.fetch().revision.id == first
    assert not git.changed(first)
    for number in range(5):
        id = repository.commit({"specs/stack.yaml": STACK + b"# %d\n" % number})
        assert git.changed(first)
        fetched = git.fetch(first)
        assert fetched.revision.id == id
        assert fetched.sources[0].data.endswith(b"# %d\n" % number)


def test_only_the_folder_is_read(repository: Repository, source: Callable[..., Git]) -> None:
    """What is beside the folder, hidden in it, or no YAML is not taken; the root is a folder, too."""
    repository.commit(
        {
            "other/a.yaml": b"a: 1",
            "specs/b.yml": b"b: 1",
            "specs/notes.txt": b"",
            "specs/.hidden.yaml": b"",
            "specs/.hidden/a.yaml": b"",
            "specs/environments/prod/c.yaml": b"c: 1",
            "specs/run.yaml": (0o100755, b"d: 1"),
        }
    )
    folder = repository.folder
    assert [file.relative for file in source(f"{folder}#main").fetch().sources] == [
        "b.yml",
        "environments/prod/c.yaml",
        "run.yaml",
    ]
    assert len(source(f"{folder}#main:.").fetch().sources) == 4
    assert [file.shown for file in source(f"{folder}#:specs/environments").fetch().sources] == [
        "specs/environments/prod/c.yaml"
    ]


@pytest.mark.parametrize(
    ("file", "content", "rule"),
    [
        ("specs/link.yaml", (0o120000, b"../../etc/passwd"), "E1011"),
        ("specs/module", (0o160000, b"a" * 40), "E1011"),
        ("specs/large.yaml", b"#" * (1024 * 1024 + 1), "E1004"),
        ("specs/environments/prod.yaml", b"a: 1", "E1021"),
        ("specs/odd.yaml/stack.yaml", b"\xff\xfe", "E1001"),
    ],
)
def test_what_a_folder_would_not_give_is_said(
    repository: Repository, source: Callable[..., Git], file: str, content: bytes | tuple[int, bytes], rule: str
) -> None:
    """Links, submodules and files over the limits are errors with the file's name, and nothing of them is read."""
    repository.commit({**FILES, file: content})
    specs = source(f"{repository.folder}#main").fetch().specs()
    assert not specs.ok
    assert [(found.rule, found.position.file) for found in specs.diagnostics if found.rule == rule] == [(rule, file)]


@pytest.mark.parametrize("files", [{"README.md": b""}, {"specs": b"a file"}], ids=["missing", "a file"])
def test_a_folder_that_is_not_there_is_an_error(
    repository: Repository, source: Callable[..., Git], files: dict[str, bytes]
) -> None:
    """An empty revision is never taken for one that wants nothing."""
    repository.commit(files)
    assert [found.rule for found in source(f"{repository.folder}#main").fetch().specs().diagnostics] == ["E1012"]


def test_an_empty_folder_is_an_error(repository: Repository, source: Callable[..., Git]) -> None:
    """A folder without a single document wants nothing, and nobody means that."""
    repository.commit({"specs/notes.txt": b""})
    assert [found.rule for found in source(f"{repository.folder}#main").fetch().specs().diagnostics] == ["E1013"]


@pytest.mark.parametrize("name", [b"a\xff.yaml", b"..", b".git", b"a\nb.yaml", b"\xe2\x80\xaex.yaml"])
def test_names_that_no_honest_commit_holds_are_refused(
    repository: Repository, source: Callable[..., Git], name: bytes
) -> None:
    """A name that leads elsewhere or hides what it is rejects the revision."""
    blob, inner, outer = Blob.from_string(b"a: 1"), Tree(), Tree()
    inner.add(name, 0o100644, blob.id)
    outer.add(b"specs", 0o040000, inner.id)
    for each in (blob, inner, outer):
        repository.inner.object_store.add_object(each)
    id = repository.commit(outer)
    with pytest.raises(errors.RevisionRejected) as caught:
        source(f"{repository.folder}#main").fetch()
    assert caught.value.revision == id


@pytest.mark.parametrize("file", ["a.yaml", "README.md"])
def test_a_tree_that_holds_itself_many_times_ends(
    repository: Repository, source: Callable[..., Git], file: str
) -> None:
    """A few objects that unfold to more files than there are atoms end at the limit, at once."""
    tree = repository.tree({file: b"a: 1"})
    for _ in range(20):
        above = Tree()
        for number in range(10):
            above.add(b"d%d" % number, 0o040000, tree.id)
        repository.inner.object_store.add_object(above)
        tree = above
    root = Tree()
    root.add(b"specs", 0o040000, tree.id)
    repository.inner.object_store.add_object(root)
    repository.commit(root)
    git = source(f"{repository.folder}#main")
    if file == "a.yaml":
        assert [found.rule for found in git.fetch().findings] == ["E1018"]
        return
    with pytest.raises(errors.RevisionRejected, match="more than"):
        git.fetch()


def test_nesting_without_end_is_refused(repository: Repository, source: Callable[..., Git]) -> None:
    """Folders in folders end at the limit."""
    deep = "/".join(["d"] * (discovery.DEEPEST + 2))
    repository.commit({f"specs/{deep}/a.yaml": b"a: 1"})
    with pytest.raises(errors.RevisionRejected, match="deep"):
        source(f"{repository.folder}#main").fetch()


def test_too_many_files_are_an_error(repository: Repository, source: Callable[..., Git]) -> None:
    """One file over the limit is said, and no more are read."""
    repository.commit({f"specs/{number}.yaml": b"a: 1" for number in range(2_001)})
    fetched = source(f"{repository.folder}#main").fetch()
    assert [found.rule for found in fetched.findings] == ["E1018"]
    assert len(fetched.sources) == 2_000


def test_a_commit_must_follow_the_last_one(repository: Repository, source: Callable[..., Git], url: str) -> None:
    """A branch that was rewound or forked is rejected with its commit's name, until it follows again, or needs not."""
    first = repository.commit(FILES)
    second = repository.commit(FILES, subject="second")
    git = source(url)
    assert git.fetch(first).revision.id == second
    fork = repository.commit(FILES, subject="fork", parents=[first])
    with pytest.raises(errors.RevisionRejected, match="does not descend") as caught:
        git.fetch(second)
    assert (caught.value.revision, caught.value.subject) == (fork, "fork")
    repository.inner.refs[MAIN] = first.encode()
    with pytest.raises(errors.RevisionRejected):
        git.fetch(second)
    assert source(url, must_descend=False).fetch(second).revision.id == first
    merged = repository.commit(FILES, parents=[fork, second])
    assert git.fetch(second).revision.id == merged


def test_a_long_way_from_the_last_one_is_walked(repository: Repository, source: Callable[..., Git], url: str) -> None:
    """A new process that has only the newest commit finds the last applied one, a hundred commits back."""
    first = repository.commit(FILES)
    for number in range(100):
        tip = repository.commit({"specs/stack.yaml": STACK + b"# %d\n" % number})
    assert source(url).fetch(first).revision.id == tip
    with pytest.raises(errors.RevisionRejected):
        source(url).fetch("0" * 40)


def test_a_first_fetch_takes_the_newest_commit_alone(
    repository: Repository, source: Callable[..., Git], host: Host
) -> None:
    """What was in the repository before is not sent."""
    repository.commit({"specs/old.yaml": b"# " + bytes(range(48, 58)) * 50_000})
    big = host.sent
    repository.commit(FILES)
    source(f"{host.url}#main").fetch()
    assert host.sent - big < 5_000


def test_an_unchanged_branch_is_not_sent_again(repository: Repository, source: Callable[..., Git], host: Host) -> None:
    """Fetching the same revision again asks where the branch is, and no more."""
    repository.commit(FILES)
    git = source(f"{host.url}#main")
    first = git.fetch()
    asked = len(host.requests)
    assert git.fetch() is first
    assert len(host.requests) - asked <= 2


def test_a_rejected_commit_is_not_judged_again(repository: Repository, source: Callable[..., Git], host: Host) -> None:
    """As long as the branch stays on it, a rejection costs one look."""
    first = repository.commit(FILES)
    git = source(f"{host.url}#main")
    second = repository.commit(FILES)
    git.fetch(first)
    repository.commit(FILES, parents=[first], subject="fork")
    for number in range(3):
        asked = len(host.requests)
        with pytest.raises(errors.RevisionRejected):
            git.fetch(second)
        assert number == 0 or len(host.requests) - asked <= 2


def test_a_host_that_is_down_is_said_and_survived(
    repository: Repository, source: Callable[..., Git], host: Host
) -> None:
    """While nobody answers each attempt says so; when the host is back the source goes on as if nothing had been."""
    first = repository.commit(FILES)
    git = source(f"{host.url}#main")
    git.fetch()
    host.down = True
    for ask in (lambda: git.fetch(first), lambda: git.changed(first)):
        with pytest.raises(errors.SourceUnreachable, match="503"):
            ask()
    host.down = False
    second = repository.commit(FILES)
    assert git.fetch(first).revision.id == second


@pytest.mark.parametrize(
    "page",
    [
        ("200 OK", [("Content-Type", "text/html")], b"<html>please log in</html>"),
        ("200 OK", [("Content-Type", "application/x-git-upload-pack-advertisement")], b"zzzz not pkt lines"),
        ("200 OK", [("Content-Type", "application/x-git-upload-pack-advertisement")], b""),
        (
            "200 OK",
            [("Content-Type", "application/x-git-upload-pack-advertisement")],
            b"001e# service=git-upload-pack\n0000",
        ),
        ("404 Not Found", [("Content-Type", "text/plain")], b""),
        ("500 Internal Server Error", [("Content-Type", "text/plain")], b""),
    ],
    ids=["a page", "garbage", "nothing", "no branches", "404", "500"],
)
def test_an_answer_that_is_not_gits_is_unreachable(
    repository: Repository, source: Callable[..., Git], host: Host, page: tuple[str, list[tuple[str, str]], bytes]
) -> None:
    """Whatever answers in place of a Git host, there is one error that names the source."""
    repository.commit(FILES)
    host.page = page
    git = source(f"{host.url}#main")
    for ask in (git.fetch, lambda: git.changed(None)):
        with pytest.raises(errors.SourceUnreachable, match="shop"):
            ask()


def test_a_redirect_off_https_is_not_followed(repository: Repository, source: Callable[..., Git], host: Host) -> None:
    """Nobody is asked in the clear because a host says so, not even a good repository."""
    repository.commit(FILES)
    with hosting(repository) as other:
        location = f"{other.url}/info/refs?service=git-upload-pack"
        host.page = ("302 Found", [("Location", location)], b"")
        with pytest.raises(errors.SourceUnreachable, match="https are not followed"):
            source(f"{host.url}#main").fetch()
        assert other.requests == []


def test_objects_that_are_lost_are_fetched_again(
    repository: Repository, source: Callable[..., Git], tmp_path: Path, host: Host
) -> None:
    """A folder of objects that somebody emptied costs one attempt, not the source."""
    first = repository.commit(FILES)
    git = source(f"{host.url}#main")
    git.fetch()
    (folder,) = (tmp_path / "cache").iterdir()
    shutil.rmtree(folder)
    second = repository.commit(FILES)
    with contextlib.suppress(errors.SourceUnreachable):
        git.fetch(first)
    assert git.fetch(first).revision.id == second


def test_a_rejection_does_not_grow(repository: Repository, source: Callable[..., Git]) -> None:
    """The same rejection raised a hundred times holds no more than once."""
    first = repository.commit(FILES)
    second = repository.commit(FILES)
    git = source(f"{repository.folder}#main")
    git.fetch(first)
    repository.commit(FILES, parents=[first], subject="fork")
    depths = []
    for _ in range(5):
        with pytest.raises(errors.RevisionRejected) as caught:
            git.fetch(second)
        depths.append(len(caught.traceback))
    assert len(set(depths)) == 1


def test_a_port_where_nobody_listens_is_unreachable(source: Callable[..., Git]) -> None:
    """A refused connection is said at once."""
    with pytest.raises(errors.SourceUnreachable, match="127"):
        source("http://127.0.0.1:9/shop.git#main").fetch()


@pytest.mark.parametrize("what", ["nowhere", "other"])
def test_what_is_not_there_is_unreachable(repository: Repository, source: Callable[..., Git], what: str) -> None:
    """A missing repository or branch may come back: it is not a reason to delete anything."""
    repository.commit(FILES)
    place = f"{repository.folder}nowhere#main" if what == "nowhere" else f"{repository.folder}#other"
    with pytest.raises(errors.SourceUnreachable):
        source(place).fetch()


def test_a_token_opens_the_host_and_is_never_told(
    repository: Repository, source: Callable[..., Git], host: Host
) -> None:
    """The token is sent to the host, and stands in no name and no error."""
    repository.commit(FILES)
    host.token = "sesame-sesame"
    closed = source(f"{host.url}#main")
    with pytest.raises(errors.SourceUnreachable, match="credentials"):
        closed.fetch()
    opened = source(f"{host.url}#main", credentials=Credentials(login=lambda: ("x-access-token", "sesame-sesame")))
    assert opened.fetch().sources
    wrong = source(f"{host.url}#main", credentials=Credentials(login=lambda: ("x-access-token", "sesame-wrong")))
    with pytest.raises(errors.SourceUnreachable) as caught:
        wrong.fetch()
    told = f"{caught.value!r} {caught.value.__cause__!r} {opened.name} {opened._credentials!r}"
    assert "sesame" not in told


def test_credentials_that_cannot_be_had_now_are_an_outage(
    repository: Repository, source: Callable[..., Git], host: Host
) -> None:
    """Those of AWS, with which CodeCommit is asked, may be there at the next look."""

    def login() -> tuple[str, str]:
        raise errors.CredentialsMissing("the endpoint of the container does not answer")

    repository.commit(FILES)
    git = source(f"{host.url}#main", credentials=Credentials(login=login))
    for ask in (git.fetch, lambda: git.changed(None)):
        with pytest.raises(errors.SourceUnreachable, match="does not answer"):
            ask()


def test_a_pack_without_end_is_given_up(
    repository: Repository, source: Callable[..., Git], host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host cannot fill the disk, and what is too large is not fetched again at each look."""
    monkeypatch.setattr(transport_module, "LARGEST_PACK", 1_000)
    tip = repository.commit({"specs/a.yaml": bytes(range(256)) * 3_000})
    for place in (f"{host.url}#main", f"{repository.folder}#main"):
        git = source(place)
        with pytest.raises(errors.RevisionRejected, match="pack is larger") as caught:
            git.fetch()
        assert caught.value.revision == tip
        asked = len(host.requests)
        with pytest.raises(errors.RevisionRejected):
            git.fetch()
        assert len(host.requests) - asked <= 2


def test_the_objects_do_not_pile_up(
    repository: Repository, source: Callable[..., Git], tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After many fetches the repository is begun again; there is never more than one."""
    monkeypatch.setattr(git_module, "MOST_PACKS", 4)
    git, last = source(url), None
    for number in range(12):
        new = repository.commit({"specs/stack.yaml": STACK + b"# %d\n" % number})
        assert git.fetch(last).revision.id == new
        last = new
        (folder,) = (tmp_path / "cache").iterdir()
        assert len(list(folder.glob("objects/pack/*.pack"))) <= 5


def test_a_tag_can_be_followed(repository: Repository, source: Callable[..., Git]) -> None:
    """A full name of a reference is taken as it is, and an annotated tag stands for its commit."""
    id = repository.commit(FILES)
    tag = Tag()
    tag.name, tag.message, tag.tagger = b"v1", b"one", b"Ana <ana@example.com>"
    tag.tag_time, tag.tag_timezone = repository.time, 0
    tag.object = (type(repository.inner[id.encode()]), id.encode())
    repository.inner.object_store.add_object(tag)
    repository.inner.refs[b"refs/tags/v1"] = tag.id
    git = source(f"{repository.folder}#refs/tags/v1")
    assert git.fetch().revision.id == id
    assert not git.changed(id)


def test_strangers_words_are_made_fit_to_be_shown(repository: Repository, source: Callable[..., Git]) -> None:
    """Author and subject are one printable line of bounded length, whatever the commit holds."""
    repository.commit(FILES, subject="\x1b[31mred\u202e" + "x" * 500 + "\nmore", author=b"A\xff <a@b>")
    revision = source(f"{repository.folder}#main").fetch().revision
    assert len(revision.subject) == 100
    assert revision.subject.isprintable()
    assert revision.author.isprintable()
