"""The commit that the specs of a checkout are those of."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from dulwich import porcelain

from reconciler.source.git_history import at, committed, last_valid

STACK = "kind: Stack\nname: shop\nregion: us-west-2\n"


def test_specs_as_they_were_committed_are_of_that_commit(tmp_path: Path) -> None:
    """Whatever else has changed in the checkout; a file that was edited or added is of no commit."""
    folder = tmp_path / "specs"
    folder.mkdir()
    (folder / "stack.yaml").write_text(STACK)
    assert committed(folder) is None  # no repository
    repository = porcelain.init(str(tmp_path))
    assert committed(folder) is None  # no commit
    porcelain.add(repository, [str(folder / "stack.yaml")])
    id = porcelain.commit(repository, b"Add the stack\n\nmore", author=b"ana <a@x>", committer=b"ana <a@x>", sign=False)
    (tmp_path / "README.md").write_text("not a spec")
    found = committed(folder)
    assert found is not None
    assert (found.commit, found.subject) == (id.decode(), "Add the stack")
    (folder / "more.yaml").write_text("kind: Cluster\nname: shop\n")
    assert committed(folder) is None
    (folder / "more.yaml").unlink()
    (folder / "stack.yaml").write_text(STACK.replace("shop", "other"))
    assert committed(folder) is None
    repository.close()


@pytest.mark.parametrize("name", [".specs", ".", "deploy/.ecs"])
def test_specs_may_be_in_any_folder_of_the_repository(tmp_path: Path, name: str) -> None:
    """At its root, or in one whose name begins with a dot."""
    folder = tmp_path / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stack.yaml").write_text(STACK)
    with closing(porcelain.init(str(tmp_path))) as repository:
        porcelain.add(repository, [str(folder / "stack.yaml")])
        porcelain.commit(repository, b"Add the stack", author=b"ana <a@x>", committer=b"ana <a@x>", sign=False)
    found = committed(folder)
    assert found is not None
    (folder / "stack.yaml").write_text("kind: Stak")
    known = last_valid(folder, None)
    assert known is not None
    assert known.revision.id == found.commit


def test_specs_are_read_as_of_a_commit(tmp_path: Path) -> None:
    """By its id or a name of it, whatever is in the folder now; a commit that is not there gives nothing."""
    folder = tmp_path / "specs"
    folder.mkdir()
    assert at(folder, "HEAD") is None  # no repository
    with closing(porcelain.init(str(tmp_path))) as repository:
        ids = []
        for name in ("shop", "store"):
            (folder / "stack.yaml").write_text(STACK.replace("shop", name))
            porcelain.add(repository, [str(folder / "stack.yaml")])
            ids.append(porcelain.commit(repository, b"x", author=b"ana <a@x>", committer=b"ana <a@x>", sign=False))
    first, second = (at(folder, text) for text in (ids[0].decode(), "HEAD"))
    assert first is not None
    assert second is not None
    assert first.revision.id == ids[0].decode()
    assert [fetched.specs().stack_id for fetched in (first, second)] == ["shop", "store"]
    assert (at(folder, "a" * 40), at(folder, "no-such-branch")) == (None, None)
