"""A stored revision is what an allowed key has signed, whoever can write the store."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dulwich.objects import Commit

from reconciler import errors
from reconciler.controller.accepted_revision import AcceptedRevision
from reconciler.source.archive import Archive, pack, unpack
from reconciler.source.base import Fetched, Proof
from reconciler.source.commit import MOST_HISTORY
from reconciler.source.git import Git
from reconciler.spec.load import Source as File
from reconciler.store.base import Copy
from tests.harness.copies import StoredCopy
from tests.source.repositories import STACK, Repository
from tests.source.test_signatures import Key, opened

FILES: dict[str, bytes | tuple[int, bytes]] = {
    "README.md": b"# Shop",
    "app/main.py": b"print(1)",
    "specs/stack.yaml": STACK,
    "specs/more/cluster.yaml": b"kind: Cluster\nname: shop\n",
    "specs/environments/staging/a.yaml": b"kind: Stack\nname: shop\n",
    "specs/environments/production/a.yaml": b"kind: Stack\nname: shop\n# only there\n",
}
Change = Callable[[Fetched], Fetched]


@pytest.fixture(scope="module")
def key() -> Key:
    return Key()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    found = Repository(tmp_path / "shop.git")
    yield found
    found.close()


@pytest.fixture
def source(repository: Repository, key: Key) -> Iterator[Git]:
    repository.commit(FILES, sign=key.sign)
    found = opened(repository, f"ana ssh-ed25519 {key.text}", path="specs")
    yield found
    found.close()


def stored(source: Git, environment: str | None = "staging") -> Fetched:
    return unpack(pack(Archive(source.fetch(), environment))).fetched


def verified(source: Git, stored: Fetched, environment: str | None = "staging") -> Fetched:
    return source.verified(Archive(stored, environment)).fetched


@pytest.mark.parametrize("environment", ["staging", "production", None])
def test_a_stored_revision_is_the_fetched_one(source: Git, environment: str | None) -> None:
    """Without the files of other environments, of which the store knows nothing but the hash."""
    fetched = source.fetch()
    wanted = tuple(one for one in fetched.sources if one.environment in (None, environment))
    found = verified(source, stored(source, environment), environment)
    assert (found.revision, found.sources, found.folder) == (fetched.revision, wanted, "specs")
    assert found.revision.signer == "ana"
    assert b"only there" not in zlib.decompress(pack(Archive(fetched, "staging")))


def test_a_stored_revision_is_verified_although_the_repository_has_gone(
    source: Git, repository: Repository, tmp_path: Path
) -> None:
    """That is what it is for: no object is read from anywhere else."""
    kept = stored(source)
    source.close()
    repository.folder.rename(tmp_path / "elsewhere.git")
    assert verified(source, kept).sources == kept.sources


def _file(relative: str, data: bytes) -> File:
    return File(relative, f"specs/{relative}", data)


def _edited(kept: Fetched) -> Fetched:
    first, *others = kept.sources
    return replace(kept, sources=(replace(first, data=first.data + b"# edited\n"), *others))


def _removed(kept: Fetched) -> Fetched:
    return replace(kept, sources=kept.sources[1:])


def _unsigned(kept: Fetched) -> Fetched:
    return replace(kept, proof=None)


def _signature_removed(kept: Fetched) -> Fetched:
    assert kept.proof is not None
    commit = Commit.from_string(kept.proof.commit)
    commit.gpgsig = None
    return replace(kept, proof=replace(kept.proof, commit=commit.as_raw_string()))


def _another_tree(kept: Fetched) -> Fetched:
    """The commit of the attacker's own files, with the signature of the commit that was signed."""
    assert kept.proof is not None
    commit = Commit.from_string(kept.proof.commit)
    commit.tree = b"0" * 40
    return replace(kept, proof=replace(kept.proof, commit=commit.as_raw_string()))


def _tree_edited(kept: Fetched) -> Fetched:
    assert kept.proof is not None
    trees = tuple(tree.replace(b"stack.yaml", b"slack.yaml") for tree in kept.proof.trees)
    return replace(kept, proof=replace(kept.proof, trees=trees))


def _trees_removed(kept: Fetched) -> Fetched:
    assert kept.proof is not None
    return replace(kept, proof=replace(kept.proof, trees=()))


def _damaged(kept: Fetched) -> Fetched:
    return replace(kept, proof=Proof(b"\xff\x00", (b"\xff",)))


@pytest.mark.parametrize(
    "change",
    [_edited, _removed, _unsigned, _signature_removed, _another_tree, _tree_edited, _trees_removed, _damaged],
)
def test_what_was_not_signed_is_refused(source: Git, change: Change) -> None:
    """Whatever of the copy is changed."""
    with pytest.raises(errors.CopyUnusable):
        verified(source, change(stored(source)))


def test_what_is_added_to_the_copy_is_not_read(source: Git) -> None:
    """Only the tree says which files there are; what the copy says about the revision does not matter either."""
    kept = stored(source)
    liar = replace(kept.revision, id="f" * 40, subject="approved", signer="root")
    more = replace(kept, revision=liar, sources=(*kept.sources, _file("evil.yaml", b"kind: Cluster\nname: evil\n")))
    found = verified(source, more)
    assert (found.revision, found.sources) == (source.fetch().revision, kept.sources)


def test_a_stranger_who_signs_their_own_revision_is_refused(source: Git, tmp_path: Path) -> None:
    """A whole revision, well signed, by a key that is not allowed; or by none."""
    other = Repository(tmp_path / "evil.git")
    stranger = Key()
    for sign in (stranger.sign, None):
        other.commit(FILES, sign=sign)
        theirs = opened(other, f"eve ssh-ed25519 {stranger.text}", path="specs")
        if sign is not None:
            evil = stored(theirs)
            with pytest.raises(errors.CopyUnusable, match="not allowed"):
                verified(source, evil)
        theirs.close()
    other.close()


def test_without_allowed_signers_nothing_is_verified(repository: Repository) -> None:
    """Then it is not stored either."""
    repository.commit(FILES)
    git = opened(repository, "", path="specs")
    kept = stored(git)
    assert (kept.proof, verified(git, kept)) == (None, kept)
    git.close()


def test_the_controller_restores_nothing_that_was_edited_in_the_store(source: Git) -> None:
    """Also where the whole copy was replaced, with everything in it that is not signed."""
    copies = StoredCopy()
    AcceptedRevision(copies, "staging", verified=source.verified).write(source.fetch(), follows="")
    archive = AcceptedRevision(copies, "staging", verified=source.verified).read()
    assert archive is not None
    assert archive.fetched.sources == stored(source).sources
    found = copies.read()
    assert found is not None
    document = json.loads(zlib.decompress(found.data))
    document["files"] = [[name, text.replace("shop", "evil")] for name, text in document["files"]]
    evil = zlib.compress(json.dumps(document).encode())
    assert copies.swap(found.version, Copy("evil", found.epoch, found.revision, evil))
    with pytest.raises(errors.CopyUnusable, match="not what was signed"):
        AcceptedRevision(copies, "staging", verified=source.verified).read()


# -- an older revision that was signed, too


@pytest.fixture
def commits(source: Git, repository: Repository, key: Key) -> list[str]:
    """Four of one line, and one of a side branch that was merged; all signed."""
    ids = [source.fetch().revision.id]
    for number in range(3):
        ids.append(repository.commit({**FILES, "specs/stack.yaml": STACK + b"# %d\n" % number}, sign=key.sign))
    side = repository.commit(FILES, parents=[ids[1]], ref=b"refs/heads/side", sign=key.sign)
    merged = repository.commit({**FILES, "app/main.py": b"print(2)"}, parents=[ids[3], side], sign=key.sign)
    return [*ids, side, merged]


def copy_of(source: Git, copies: StoredCopy, after: str | None, follows: str) -> None:
    accepted = AcceptedRevision(copies, "staging", verified=source.verified)
    accepted.read()
    accepted.write(source.fetch(after), follows=follows)


def follows(source: Git, copies: StoredCopy) -> str:
    archive = AcceptedRevision(copies, "staging", verified=source.verified).read()
    assert archive is not None
    return archive.follows


def forged(copies: StoredCopy, **members: str) -> None:
    found = copies.read()
    assert found is not None
    document = json.loads(zlib.decompress(found.data)) | members
    copies.swap(found.version, Copy("evil", found.epoch, "", zlib.compress(json.dumps(document).encode())))


@pytest.mark.parametrize("place", [0, 1, 2, 3, 4])
def test_what_it_followed_is_proven_by_its_history(source: Git, commits: list[str], place: int) -> None:
    """Whichever way leads there."""
    copies = StoredCopy()
    copy_of(source, copies, commits[place], commits[place])
    assert follows(source, copies) == commits[place]


def test_an_older_signed_revision_does_not_follow_a_newer_one(source: Git, repository: Repository, key: Key) -> None:
    """Whoever can write the store may keep an old copy, and cannot say that it is the next one."""
    copies, first = StoredCopy(), source.fetch().revision.id
    copy_of(source, copies, None, "")
    newest = repository.commit({**FILES, "specs/stack.yaml": STACK + b"# 1\n"}, sign=key.sign)
    assert source.fetch(first).revision.id == newest
    forged(copies, follows=newest)
    assert follows(source, copies) == ""


def test_what_is_accepted_while_another_waits_follows_the_applied_one(
    source: Git, repository: Repository, key: Key
) -> None:
    """The source was asked what follows the one that waits; the copy before knows what that followed."""
    copies, applied = StoredCopy(), source.fetch().revision.id
    waits = repository.commit({**FILES, "specs/stack.yaml": STACK + b"# 1\n"}, sign=key.sign)
    copy_of(source, copies, applied, applied)
    repository.commit({**FILES, "specs/stack.yaml": STACK + b"# 2\n"}, sign=key.sign)
    copy_of(source, copies, waits, applied)
    assert follows(source, copies) == applied


def test_a_history_without_end_is_not_stored(source: Git, repository: Repository, key: Key) -> None:
    """The copy has to fit; what it followed is unknown then."""
    copies, first = StoredCopy(), source.fetch().revision.id
    for number in range(MOST_HISTORY + 2):
        repository.commit({**FILES, "app/main.py": b"%d" % number}, sign=key.sign)
    copy_of(source, copies, first, first)
    assert follows(source, copies) == ""
