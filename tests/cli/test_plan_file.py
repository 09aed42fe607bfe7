"""Plan files: what was consented to when the plan was made is all that `apply FILE` does."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from reconciler.aws.retry import is_read
from reconciler.cli.output.exits import Exit
from tests.harness.cli import Ran, recorded, run

GUARDED = """\
kind: Stack
name: small
region: us-west-2
guard: {max_delete: 2}
---
kind: Network
name: small
cidr: 10.0.0.0/20
subnets:
"""
SUBNETS = [
    f"  - {{name: private-{number}, zone: us-west-2a, cidr: 10.0.{number}.0/24, access: private}}\n"
    for number in range(4)
]


@pytest.fixture
def specs(tmp_path: Path) -> Iterator[Path]:
    """Three subnets in the account that the specs do not have any more: more deletions than the guard allows."""
    specs = tmp_path / "specs"
    specs.mkdir()
    with mock_aws():
        _write(specs, GUARDED + "".join(SUBNETS))
        assert run("apply", specs, "-y").code == Exit.DONE
        _write(specs, GUARDED + SUBNETS[0])
        yield specs


@pytest.fixture
def file(specs: Path, tmp_path: Path) -> Path:
    return tmp_path / "plan.json"


def _write(specs: Path, text: str) -> None:
    (specs / "all.yaml").write_text(text, encoding="utf-8")


def _edit(file: Path, **fields: Any) -> None:
    said = json.loads(file.read_text(encoding="utf-8"))
    assert fields.keys() <= said.keys()
    file.write_text(json.dumps({**said, **fields}), encoding="utf-8")


def _refused(*arguments: object) -> Ran:
    """Nothing is written to AWS."""
    with recorded() as calls:
        ran = run("apply", *arguments)
    assert [str(call) for call in calls if not is_read(call)] == []
    return ran


def test_a_blocked_plan_is_not_applied(specs: Path, file: Path) -> None:
    """It says so with the reason, before AWS is asked for anything."""
    assert run("diff", specs, "--out", file).code == Exit.BLOCKED
    with recorded() as calls:
        ran = run("apply", file, "-o", "json")
    assert (ran.code, calls) == (Exit.BLOCKED, [])
    assert json.loads(ran.out)["refusals"][0]["code"] == "guard"


@pytest.mark.parametrize(
    "fields",
    [
        {"max_delete": 99},
        {"max_delete": 99, "blocked": False, "refusals": []},
        {"blocked": False, "refusals": []},
    ],
    ids=str,
)
def test_consent_cannot_be_edited_in(specs: Path, file: Path, fields: dict[str, Any]) -> None:
    """Neither the number that the guard allows nor the refusals themselves."""
    assert run("diff", specs, "--out", file).code == Exit.BLOCKED
    _edit(file, **fields)
    assert _refused(file).code == Exit.BLOCKED


@pytest.mark.parametrize("fields", [{"max_delete": 99}, {"blocked": False, "refusals": []}], ids=str)
def test_the_digest_covers_consent(specs: Path, file: Path, fields: dict[str, Any]) -> None:
    """Also where somebody has computed the file's checksum again."""
    from reconciler.cli import plan_file

    assert run("diff", specs, "--out", file).code == Exit.BLOCKED
    _edit(file, **{"max_delete": 99, "blocked": False, "refusals": [], **fields})
    said = json.loads(file.read_text(encoding="utf-8"))
    _edit(file, checksum=plan_file.checksum(said))
    ran = _refused(file, "-o", "json")
    assert (ran.code, json.loads(ran.out)["refusals"][0]["code"]) == (Exit.BLOCKED, "stale-plan")


@pytest.mark.parametrize(
    "fields",
    [{"max_delete": "abc"}, {"allow_replace": [5]}, {"environment": 5}, {"digest": 5}, {"folder": []}],
    ids=str,
)
def test_a_field_of_another_type_makes_it_no_plan_file(specs: Path, file: Path, fields: dict[str, Any]) -> None:
    """One line says so, also where somebody has computed the checksum again."""
    from reconciler.cli import plan_file

    assert run("diff", specs, "--max-delete", "99", "--out", file).code == Exit.PENDING
    _edit(file, **fields)
    _edit(file, checksum=plan_file.checksum(json.loads(file.read_text(encoding="utf-8"))))
    ran = _refused(file)
    assert (ran.code, ran.err.count("\n")) == (Exit.FAILED, 1), ran.err
    assert "is not a plan written by" in ran.err


def test_consent_that_was_given_is_applied(specs: Path, file: Path) -> None:
    """`--max-delete` of `diff --out` is part of the plan."""
    assert run("diff", specs, "--max-delete", "99", "--out", file).code == Exit.PENDING
    ran = run("apply", file)
    assert ran.code == Exit.DONE, ran.err
    assert run("diff", specs).code == Exit.DONE


@pytest.mark.parametrize(
    "edited", ["actions", "folder", "environment", "warnings", "made_by", "allow_replace", "summary"]
)
def test_no_field_can_be_edited(specs: Path, file: Path, edited: str) -> None:
    """What a reviewer reads in the file is what `diff` has written."""
    assert run("diff", specs, "--max-delete", "99", "--out", file).code == Exit.PENDING
    said = json.loads(file.read_text(encoding="utf-8"))
    value = {"folder": f"{said['folder']}/", "environment": "staging", "made_by": "0"}.get(edited, [])
    _edit(file, **{edited: value or [{"verb": "create"}] if edited != "actions" else said["actions"][:1]})
    assert _refused(file).code in (Exit.FAILED, Exit.BLOCKED)


@pytest.mark.parametrize("more", [("--max-delete", "9"), ("--allow-replace", "subnet/private-1"), ("-e", "staging")])
def test_options_that_are_part_of_the_plan_are_refused_beside_it(
    specs: Path, file: Path, more: tuple[str, ...]
) -> None:
    """They were ignored, as if they held."""
    assert run("diff", specs, "--max-delete", "99", "--out", file).code == Exit.PENDING
    assert _refused(file, *more).code == Exit.USAGE


def test_the_file_can_be_read_on_a_terminal(specs: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reviewed there; characters that nobody sees are escapes of the same JSON."""
    from reconciler.cli.output import plan_json

    monkeypatch.setattr(plan_json, "refusal_document", lambda refusal: {"because": f"{refusal.because} \u202e\x9b31m"})
    assert run("diff", specs, "--out", file).code == Exit.BLOCKED
    text = file.read_text(encoding="utf-8")
    assert json.loads(text)["refusals"][0]["because"].endswith("\u202e\x9b31m")
    assert text.isascii()


def test_the_file_is_the_users_alone_and_follows_no_link(specs: Path, file: Path, tmp_path: Path) -> None:
    """Another user of the machine can neither read the plan nor have something overwritten by it."""
    victim = tmp_path / "victim"
    victim.write_text("keep")
    file.symlink_to(victim)
    (tmp_path / f".plan.json.{os.getpid()}").symlink_to(victim)
    assert run("diff", specs, "--out", file).code == Exit.BLOCKED
    assert victim.read_text() == "keep"
    assert (file.is_symlink(), file.stat().st_mode & 0o777) == (False, 0o600)


def test_a_file_that_is_nested_too_deeply_is_no_plan(specs: Path, file: Path) -> None:
    """It is refused in one line, like other files that nobody has written with `diff --out`."""
    assert run("diff", specs, "--max-delete", "99", "--out", file).code == Exit.PENDING
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"actions"', f'"deep": {"[" * 1000}{"]" * 1000}, "actions"', 1), encoding="utf-8")
    ran = run("apply", file)
    assert (ran.code, "is not a plan" in ran.err) == (Exit.FAILED, True)
