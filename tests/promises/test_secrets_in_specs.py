"""S15: a secret that somebody types into the specs, in any field and of any form, is refused and never repeated."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.harness.cli import run
from tests.harness.seed import SEED
from tests.model.test_secrecy import HARMLESS, VALUES
from tests.promises.conftest import Record, mostly_slow, sample_or_all

Document = dict[str, Any]
FORMS = ("text", "json", "markdown", "github", "sarif", "junit")


def _container(document: Document) -> Document:
    found: Document = document["task"]["containers"]["frontend"]
    return found


PLACES: dict[str, Callable[[Document, str], Any]] = {
    "a variable": lambda it, text: _container(it)["environment"].update(GREETING=text),
    "a variable's name": lambda it, text: _container(it)["environment"].update({text: "x"}),
    "an argument": lambda it, text: _container(it).update(command=["serve", f"--with={text}"]),
    "the entry point": lambda it, text: _container(it).update(entrypoint=[text]),
    "a health check": lambda it, text: _container(it).update(health_check={"command": ["CMD-SHELL", f"get {text}"]}),
    "an image's tag": lambda it, text: _container(it)["image"].update(tag=text),
    "a number": lambda it, text: it["task"].update(cpu=text),
    "a choice": lambda it, text: it.update(launch_type=text),
    "a reference": lambda it, text: it.update(cluster=text),
    "the wrong type": lambda it, text: _container(it).update(command={text: text}),
    "a field that does not exist": lambda it, text: it.update({text: "x"}),
    "a tag": lambda it, text: it.update(tags={"note": text}),
    "a tag's name": lambda it, text: it.update(tags={text: "x"}),
    "a name": lambda it, text: it.update(name=text),
    "a kind": lambda it, text: it.update(kind=text),
}


@pytest.fixture(scope="module")
def seed() -> dict[str, list[Document]]:
    return {
        str(file.relative_to(SEED)): list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
        for file in sorted(SEED.rglob("*.yaml"))
        if "environments" not in file.parts
    }


def _folder(seed: dict[str, list[Document]], at: Path, place: str, text: str) -> Path:
    for name, documents in copy.deepcopy(seed).items():
        for document in documents:
            if document["kind"] == "Service":
                PLACES[place](document, text)
        file = at / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return at


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "chosen", sample_or_all((("text",), ("gitlab-token", "password-in-url")), (FORMS, tuple(VALUES)))
)
def test_a_secret_anywhere_in_the_specs_is_refused_and_not_repeated(
    record: Record,
    seed: dict[str, list[Document]],
    tmp_path: Path,
    place: str,
    chosen: tuple[tuple[str, ...], tuple[str, ...]],
) -> None:
    (forms, secrets), wrong = chosen, []
    for secret in secrets:
        folder = _folder(seed, tmp_path / "specs", place, VALUES[secret])
        for form in forms:
            ran = run("validate", folder, "-o", form)
            if ran.code != 1:
                wrong.append(f"{secret}: accepted")
            if VALUES[secret] in ran.out + ran.err:
                wrong.append(f"{secret}: repeated in {form}")
    record("S15", f"a secret as {place}", worlds=len(secrets) * len(forms), violations=len(wrong))
    assert not wrong


@pytest.mark.parametrize("place", mostly_slow(("a variable", "an argument", "a tag"), "a tag"))
def test_what_is_no_secret_is_accepted_anywhere(seed: dict[str, list[Document]], tmp_path: Path, place: str) -> None:
    """References, placeholders and ordinary values, which may be random as well."""
    for _, value in HARMLESS:
        ran = run("validate", _folder(seed, tmp_path / "specs", place, value))
        assert "E7001" not in ran.out + ran.err, value


def test_a_secret_behind_an_alias_or_an_escape_is_found(seed: dict[str, list[Document]], tmp_path: Path) -> None:
    folder = _folder(seed, tmp_path / "specs", "a tag", "here")
    file = folder / "services" / "frontend.yaml"
    key = VALUES["aws-access-key"]
    for written in (f'{{one: &it "\\u0041{key[1:]}", two: *it}}', f"{{one: &it {key}, two: *it}}"):
        file.write_text(yaml.safe_dump(_service(file)).replace("tags:\n  note: here\n", f"tags: {written}\n"))
        ran = run("validate", folder)
        assert ran.code == 1
        assert ran.out.count("E7001") + ran.err.count("E7001") == 1
        assert key not in ran.out + ran.err
        _folder(seed, folder, "a tag", "here")


def _service(file: Path) -> Document:
    (document,) = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    return dict(document)
