"""The commit that the specs of a checkout are those of."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from dulwich import porcelain

from reconciler.source.git_history import committed, last_valid

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
