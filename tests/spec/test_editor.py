"""What editors show of specs, by yaml-language-server, which runs here as it does in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.scaffold.blueprint import App, Blueprint, Use
from reconciler.scaffold.documents import PARTIAL_SCHEMA, SCHEMA, files
from reconciler.spec.schema import json_schema, partial_schema
from tests.harness.language_server import LanguageServer, program

ROOT = Path(__file__).parents[2]
FIELDS = sorted((ROOT / "reconciler/spec/examples").glob("*.yaml"))
SPECS = sorted([*FIELDS, *(ROOT / "specs").rglob("*.yaml"), *(ROOT / "examples").rglob("*.yaml")])
NAMES = {
    "Bool", "attributes", "details", "dimensions", "environment", "extra_params", "header", "header_regex", "ids",
    "labels", "options", "system_controls", "tags",
}  # fmt: skip
"""Fields whose entries have names of one's own."""
WRONG = "no_such_field"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(program() is None, reason="needs yaml-language-server (npm), or YAML_LANGUAGE_SERVER"),
]


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    """A workspace whose settings name the schemas: of files that begin with `whole` and with `partial`."""
    folder, whole = tmp_path_factory.mktemp("workspace"), json_schema()
    schemas = {folder / SCHEMA: whole, folder / PARTIAL_SCHEMA: partial_schema(whole)}
    (folder / SCHEMA).parent.mkdir()
    for path, schema in schemas.items():
        path.write_text(json.dumps(schema))
    command = program()
    assert command is not None
    with LanguageServer(command, folder, dict(zip(schemas, ("whole*.yaml", "partial*.yaml"), strict=True))) as server:
        yield server


@pytest.mark.parametrize("file", SPECS, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_that_is_valid_is_underlined(editor: LanguageServer, file: Path) -> None:
    """Files with several documents, environments, and every field that there is."""
    prefix = "partial" if "environments" in file.relative_to(ROOT).parts else "whole"
    assert editor.problems(editor.open(prefix, file.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("prefix", ["whole", "partial"])
@pytest.mark.parametrize("file", FIELDS, ids=lambda file: file.stem)
def test_a_wrong_field_is_underlined_wherever_it_is(editor: LanguageServer, file: Path, prefix: str) -> None:
    """In each mapping that has fields; the entries of some have names of one's own."""

    def with_wrong(value: Any, name: str = "") -> Any:
        match value:
            case list():
                return [with_wrong(one, name) for one in value]
            case dict():
                found = {key: with_wrong(one, key) for key, one in value.items()}
                return found if name in NAMES else {**found, WRONG: "x"}
        return value

    documents = [with_wrong(one) for one in yaml.safe_load_all(file.read_text(encoding="utf-8"))]
    text = "---\n".join(yaml.safe_dump(one, sort_keys=False) for one in documents)
    expected = {number for number, line in enumerate(text.splitlines(), 1) if line.lstrip("- ").startswith(WRONG)}
    found = {number for number, _ in editor.problems(editor.open(prefix, text))}
    assert expected - found == set()


@pytest.mark.parametrize("prefix", ["whole", "partial"])
@pytest.mark.parametrize("file", FIELDS, ids=lambda file: file.stem)
def test_pointing_at_a_field_shows_what_it_is_for(editor: LanguageServer, file: Path, prefix: str) -> None:
    """Every field of the language: the examples have all of them."""
    documents = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    text = "---\n".join(yaml.safe_dump(one, sort_keys=False) for one in documents)
    uri = editor.open(prefix, text)
    silent = []
    for number, line in enumerate(text.splitlines(), 1):
        key = line.lstrip("- ")
        field = key.partition(":")[0].replace("_", "").isalpha()
        if field and not editor.hover(uri, number, len(line) - len(key) + 1):
            silent.append(line.strip())
    assert silent in ([], ["suite: smoke"])  # a name of one's own


def test_the_kind_of_a_document_is_explained(editor: LanguageServer) -> None:
    """And a field by the sentence of the reference."""
    uri = editor.open("whole", "kind: Cluster\nname: main\n---\nkind: Service\nname: web\ndesired_count: 2\n")
    assert "Number of tasks" in editor.hover(uri, 6, 3)
    assert "cluster" in editor.hover(uri, 1, 3).lower()
    assert editor.hover(uri, 1, 3) != editor.hover(uri, 4, 3)


def test_the_line_that_init_writes_counts_for_each_document(editor: LanguageServer) -> None:
    """yaml-language-server reads it above each document of a file, and not above the first one alone."""
    apps = tuple(App(name, Use.WORKER) for name in ("web", "api"))
    text = files(Blueprint("shop", "us-west-2", apps), ".")["registries.yaml"]
    assert text.count("kind: Registry") == 2
    text = text.replace("kind: Registry", "kind: Registry\nwrong: 1").replace("$schema=./", "$schema=")
    wrong = [number for number, line in enumerate(text.splitlines(), 1) if line.startswith("wrong")]
    assert [number for number, _ in editor.problems(editor.open("named", text))] == wrong
