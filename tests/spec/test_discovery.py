"""Finding, reading and decoding the files of a specs folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.spec import discovery
from reconciler.spec.load import Specs, load
from tests.spec import folder

STACK = "{kind: Stack, name: my-app, region: us-west-2}\n"


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A specs folder below the current directory, with a Stack."""
    monkeypatch.chdir(tmp_path)
    inside = tmp_path / "specs"
    inside.mkdir()
    (inside / "stack.yaml").write_text(STACK)
    return inside


def told(found: Specs) -> list[str]:
    return [folder.told(diagnostic) for diagnostic in found.diagnostics]


def test_files_of_both_endings_in_all_folders_are_read_in_order(specs: Path) -> None:
    """`.yaml` and `.yml`, however deep, sorted by path; hidden ones and others are passed over."""
    (specs / "b" / "c").mkdir(parents=True)
    (specs / "b" / "c" / "registry.yml").write_text("{kind: Registry, name: app}\n")
    (specs / ".hidden").mkdir()
    (specs / ".hidden" / "x.yaml").write_text("nonsense: [")
    (specs / "notes.txt").write_text("nonsense: [")
    found = load(specs)
    assert found.files == ("specs/b/c/registry.yml", "specs/stack.yaml")
    assert found.ok


def test_several_documents_stand_in_one_file(specs: Path) -> None:
    """`---` separates documents; empty ones and comments count for nothing."""
    text = "---\n# nothing\n---\n{kind: Registry, name: one}\n---\n{kind: Registry, name: two}\n...\n"
    (specs / "more.yaml").write_text(text)
    assert [registry.name for registry in load(specs).registries] == ["one", "two"]


def test_paths_are_shown_from_the_current_directory(specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the current directory paths are relative, elsewhere as given."""
    assert load(specs).files == ("specs/stack.yaml",)
    monkeypatch.chdir(specs)
    assert load(Path()).files == ("stack.yaml",)
    monkeypatch.chdir("/")
    assert load(specs).files == (f"{specs.relative_to('/')}/stack.yaml",)
    (specs / "elsewhere").mkdir()
    monkeypatch.chdir(specs / "elsewhere")
    assert load(specs).files == (f"{specs}/stack.yaml",)


def test_a_byte_order_mark_is_fine(specs: Path) -> None:
    """Editors on some systems write one; columns do not count it."""
    (specs / "stack.yaml").write_bytes(b"\xef\xbb\xbf" + STACK.encode())
    found = load(specs)
    assert found.stack is not None
    assert found.where(found.stack).column == 21


@pytest.mark.parametrize(
    ("data", "finds"),
    [
        (b"kind: Stack\nname: caf\xe9\n", "E1001 specs/x.yaml 2:10 �"),
        ("kind: Stack\n".encode("utf-16"), "E1001 specs/x.yaml 1:1 �"),
        (b"kind: Stack\nname: \xed\xa0\x80\n", "E1001 specs/x.yaml 2:7 �"),
        (b"kind: Stack\n# \x00\n", "E1002 specs/x.yaml 2:3 ·"),
        (b"kind: Stack\nname: a\x1b[31m\n", "E1002 specs/x.yaml 2:8 ·"),
        ("kind: Stack\nname: a\u0085\n".encode(), "E1002 specs/x.yaml 2:8 ·"),
        ("kind: Stack\nname: a\u2028\n".encode(), "E1002 specs/x.yaml 2:8 ·"),
        ("kind: Stack\nname: a\ufeff\n".encode(), "E1002 specs/x.yaml 2:8 ·"),
        ("kind: Stack\nname: \u2066a\n".encode(), "E1003 specs/x.yaml 2:7 ·"),
        ("kind: Stack\r\n# \u200f\r\n".encode(), "E1003 specs/x.yaml 2:3 ·"),
    ],
)
def test_what_cannot_be_seen_is_refused_where_it_stands(specs: Path, data: bytes, finds: str) -> None:
    """Broken UTF-8, control characters and changes of direction are found at their line and column."""
    (specs / "x.yaml").write_bytes(data)
    assert [text.rstrip() for text in told(load(specs))] == [finds]


def test_other_scripts_and_emoji_are_text(specs: Path) -> None:
    """Columns count characters, not bytes."""
    (specs / "x.yaml").write_text("{kind: Registry, name: '日本 🚀', foo: 1}\n", encoding="utf-8")
    assert told(load(specs)) == ["E1109 specs/x.yaml 1:24 '日本 🚀'", "E1102 specs/x.yaml 1:32 foo"]


def test_a_file_larger_than_a_mebibyte_is_not_read(specs: Path) -> None:
    """One byte more is too much; exactly one mebibyte is not."""
    comment = b"#" * (discovery.LARGEST_FILE - len(STACK) - 1) + b"\n"
    (specs / "stack.yaml").write_bytes(comment + STACK.encode())
    assert load(specs).ok
    (specs / "stack.yaml").write_bytes(b"#" + comment + STACK.encode())
    assert told(load(specs)) == ["E1004 specs/stack.yaml 1:1"]


def test_folders_have_limits(specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nesting without end, and more entries than anybody means, are one finding each."""
    deep = specs
    for _ in range(discovery.DEEPEST + 1):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "x.yaml").write_text("nonsense: [")
    assert [(one.rule, "deep" in one.message) for one in load(specs).diagnostics] == [("E1018", True)]
    monkeypatch.setattr(discovery, "MOST_ENTRIES", 10)
    assert [(one.rule, "10 files" in one.message) for one in load(specs).diagnostics] == [("E1018", True)]


def test_all_files_together_have_limits(specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many files or too many bytes end the reading with one finding."""
    for number in range(3):
        (specs / f"a{number}.yaml").write_text("#" * 100)
    monkeypatch.setattr(discovery, "MOST_FILES", 2)
    assert told(load(specs)) == ["E1018 specs/a2.yaml 1:1"]
    monkeypatch.setattr(discovery, "MOST_FILES", 100)
    monkeypatch.setattr(discovery, "LARGEST_FOLDER", 150)
    assert told(load(specs)) == ["E1018 specs/a1.yaml 1:1"]


def test_links_do_not_leave_the_folder(specs: Path, tmp_path: Path) -> None:
    """A link to a file inside is followed; one that leads out, nowhere or to a folder is refused."""
    (tmp_path / "secret.yaml").write_text("{kind: Registry, name: stolen}\n")
    (specs / ".data").mkdir()
    (specs / ".data" / "registry.yaml").write_text("{kind: Registry, name: inside}\n")
    (specs / "fine.yaml").symlink_to(".data/registry.yaml")
    (specs / "out.yaml").symlink_to("../secret.yaml")
    (specs / "nowhere.yaml").symlink_to("nothing.yaml")
    (specs / "circle.yaml").symlink_to("circle.yaml")
    (specs / "linked").symlink_to(tmp_path)
    found = load(specs)
    assert told(found) == [
        "E1011 specs/circle.yaml 1:1",
        "E1011 specs/linked 1:1",
        "E1011 specs/nowhere.yaml 1:1",
        "E1011 specs/out.yaml 1:1",
    ]
    assert [registry.name for registry in found.registries] == ["inside"]


def test_the_specs_folder_itself_may_be_a_link(specs: Path, tmp_path: Path) -> None:
    """Whoever names the folder chooses where it leads."""
    (tmp_path / "linked").symlink_to(specs)
    found = load(tmp_path / "linked")
    assert found.files == ("linked/stack.yaml",)
    assert found.ok


def test_only_regular_files_are_opened(specs: Path) -> None:
    """A pipe would block whoever opens it."""
    os.mkfifo(specs / "pipe.yaml")
    assert told(load(specs)) == ["E1019 specs/pipe.yaml 1:1"]


def test_a_file_that_cannot_be_read_is_an_error(specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be read might have been important."""
    real = Path.open

    def refuse(path: Path, mode: str) -> object:
        if path.name == "locked.yaml":
            raise PermissionError(13, "Permission denied")
        return real(path, mode)

    (specs / "locked.yaml").write_text("{kind: Registry, name: app}\n")
    monkeypatch.setattr(Path, "open", refuse)
    found = load(specs)
    assert told(found) == ["E1019 specs/locked.yaml 1:1"]
    assert "Permission denied" in found.diagnostics[0].message


def test_a_missing_folder_and_a_file_in_its_place_are_errors(specs: Path) -> None:
    """Neither is an empty folder."""
    missing = load(specs / "nothing")
    assert told(missing) == ["E1012 specs/nothing 1:1"]
    assert "does not exist" in missing.diagnostics[0].message
    assert "is not a folder" in load(specs / "stack.yaml").diagnostics[0].message


@pytest.mark.parametrize("text", [None, "", "# nothing yet\n", "---\n---\n"])
def test_a_folder_without_documents_is_an_error(specs: Path, text: str | None) -> None:
    """It would otherwise mean: delete everything."""
    (specs / "stack.yaml").unlink()
    if text is not None:
        (specs / "empty.yaml").write_text(text)
    assert told(load(specs)) == ["E1013 specs 1:1"]


def test_an_unknown_environment_names_those_that_exist(specs: Path) -> None:
    """Both of them, and the one that was surely meant."""
    for name in ("staging", "production"):
        (specs / "environments" / name).mkdir(parents=True)
        (specs / "environments" / name / "stack.yaml").write_text("{kind: Stack, name: other}\n")
    (found,) = load(specs, "stagin").diagnostics
    assert folder.told(found) == "E1014 specs/environments 1:1"
    assert "available: production and staging" in found.message
    assert found.hint == "did you mean 'staging'?"
    (none,) = load(specs, "../../etc").diagnostics
    assert none.rule == "E1014"


@pytest.mark.parametrize("name", ["stagé", "🚀", "a b", "-x", "x" * 65, "a@b"])
def test_an_environment_has_a_name_that_tags_and_names_in_aws_take(specs: Path, name: str) -> None:
    """Where it is chosen; the others do not mind it."""
    for one in (name, "staging"):
        (specs / "environments" / one).mkdir(parents=True)
        (specs / "environments" / one / "stack.yaml").write_text("{kind: Stack, name: other}\n")
    assert "E1139" in {found.rule for found in load(specs, name).diagnostics}
    assert "E1139" not in {found.rule for found in load(specs, "staging").diagnostics}


def test_a_file_of_no_environment_is_an_error(specs: Path) -> None:
    """It would otherwise never be read."""
    (specs / "environments").mkdir()
    (specs / "environments" / "staging.yaml").write_text("{kind: Stack, name: other}\n")
    assert told(load(specs)) == ["E1021 specs/environments/staging.yaml 1:1"]


def test_everything_wrong_in_every_file_is_said_at_once_in_order(specs: Path) -> None:
    """Sorted by file, line and column, whatever stage found it."""
    (specs / "a.yaml").write_text("kind: Registry\nname: app\nfoo: 1\n---\nkind: Registry\nname: App\n")
    (specs / "b.yaml").write_bytes(b"kind: \xff\n")
    (specs / "c.yaml").write_text("kind: [\n")
    (specs / "z.yaml").write_text("kind: Cluster\nname: c\nname: d\n")
    assert [text.rsplit(" ", 1)[0] if text.count(" ") > 2 else text for text in told(load(specs))] == [
        "E1102 specs/a.yaml 3:1",
        "E1109 specs/a.yaml 6:7",
        "E1001 specs/b.yaml 1:7",
        "E1007 specs/c.yaml 1:7",
        "E1008 specs/z.yaml 3:1",
    ]
