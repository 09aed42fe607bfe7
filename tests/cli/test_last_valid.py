"""Status and requests while a file of the specs contains a mistake: the way back is not blocked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from dulwich import porcelain

from reconciler.cli import last_valid
from reconciler.cli.output.exits import Exit
from reconciler.rollout.requests import RequestVerb
from tests.cli.cli_runner import Typed
from tests.harness.cli import run
from tests.harness.emulated_stack import SEED, SERVICE, EmulatedStack

MISTAKE = {"kind: Service": "kind: [Service"}


def phase(name: str) -> Any:
    return lambda turn: turn.step is not None and str(turn.step.phase) == name and not turn.busy


def releases(stage: EmulatedStack) -> list[str]:
    return [one["taskDefinition"].rpartition("/")[2] for one in stage.service()["taskSets"]]


def test_status_and_requests_work_although_the_specs_are_invalid(stage: EmulatedStack, type_: Typed) -> None:
    """They use the specs of the last command that found them valid, and say so; what changes AWS by them does not."""
    first = releases(stage)
    stage.spec(v1="v2")
    stage.apply(phase("awaiting_promotion"))
    assert json.loads(type_("status", "-o", "json").out)["specs"] == {"valid": True, "instead": None}
    stage.texts |= MISTAKE
    ran = type_("status", "-o", "json")
    assert ran.code == Exit.WAITING
    assert "error[E" in ran.err
    assert "warning: the specs in " in ran.err
    assert "Nothing was sent to AWS" not in ran.err
    document = json.loads(ran.out)
    assert document["specs"]["valid"] is False
    assert document["specs"]["instead"].startswith("as they were on ")
    assert [service["phase"] for service in document["services"]] == ["awaiting_promotion"]
    assert "the specs are invalid" in type_("status").out
    assert type_("suspend", "--stack").code == Exit.DONE
    assert type_("resume", "--stack").code == Exit.DONE
    assert type_("abort", SERVICE, "--now").code == Exit.DONE
    assert releases(stage) == first
    for command in ("diff", "apply", "destroy", "tree"):
        assert type_(command).code == Exit.FAILED, command


@pytest.mark.parametrize("verb", [*RequestVerb])
def test_every_request_works_although_the_specs_are_invalid(stage: EmulatedStack, type_: Typed, verb: str) -> None:
    """It may be refused, for what the service is doing, but not for a mistake in a file."""
    assert type_("status").code == Exit.DONE
    stage.texts |= MISTAKE
    ran = type_(verb, SERVICE, "--timeout", "0", *(["--by", "1m"] if verb == RequestVerb.EXTEND else []))
    assert ran.code in (Exit.TIMED_OUT, Exit.BLOCKED), ran.err


def test_without_any_valid_specs_it_says_where_it_looked(tmp_path: Path) -> None:
    """Exit 1; nothing is asked of AWS."""
    shutil.copytree(SEED, tmp_path / "specs")
    (tmp_path / "specs" / "stack.yaml").write_text("kind: [Stack", encoding="utf-8")
    ran = run("status", "--specs", tmp_path / "specs", "-o", "json")
    assert (ran.code, json.loads(ran.out)["error"]["code"]) == (Exit.FAILED, "spec-invalid")
    assert "Git history" in ran.err


def test_the_last_valid_commit_is_found_below_invalid_ones(tmp_path: Path) -> None:
    """Also below commits that are broken, in a folder of the repository, on a machine that knows nothing."""
    folder = Path(shutil.copytree(SEED, tmp_path / "repository" / "deploy" / "specs"))
    porcelain.init(str(tmp_path / "repository"))

    def commit(subject: str) -> None:
        porcelain.add(str(tmp_path / "repository"), [str(one) for one in folder.rglob("*.yaml")])
        porcelain.commit(
            str(tmp_path / "repository"), message=subject.encode(), author=b"ana <a@b>", committer=b"ana <a@b>"
        )

    commit("Valid")
    file = folder / "stack.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text("kind: [Stack", encoding="utf-8")
    commit("Broken")
    known = last_valid.recall(folder, None)
    assert known is not None
    assert known.origin.endswith('"Valid"')
    assert known.specs.stack is not None
    assert last_valid.recall(folder, "nowhere") is None
    file.write_text(f"{text}\n", encoding="utf-8")
    commit("Mended")
    file.write_text("kind: [Stack", encoding="utf-8")
    known = last_valid.recall(folder, None)
    assert known is not None
    assert known.origin.endswith('"Mended"')


def test_a_copy_is_the_users_alone_and_a_damaged_one_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files 0600 in a folder 0700; each folder and environment has its own."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = Path(shutil.copytree(SEED, tmp_path / "specs"))
    from reconciler.spec import discovery

    last_valid.keep(str(folder.resolve()), None, discovery.read(folder)[0])
    (file,) = (tmp_path / "state" / "reconciler" / "specs").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert last_valid.recall(folder, None) is not None
    assert last_valid.recall(folder, "staging") is None
    file.write_bytes(file.read_bytes()[:-3])
    assert last_valid.recall(folder, None) is None


@pytest.mark.parametrize("verb", ["rollback", "abort"])
def test_a_way_back_starts_no_other_version(stage: EmulatedStack, type_: Typed, verb: str) -> None:
    """With v3 in the specs already, v1 is alone after the rollout of v2 is undone."""
    first = releases(stage)
    stage.spec(v1="v2")
    stage.apply(phase("awaiting_promotion"))
    stage.texts["tag: v1"] = "tag: v3"
    ran = type_(verb, SERVICE, "--now")
    assert ran.code == Exit.DONE, ran.err
    assert releases(stage) == first


@pytest.mark.slow
def test_a_rollback_of_what_serves_ignores_a_version_that_has_not_begun(stage: EmulatedStack, type_: Typed) -> None:
    """v2 serves alone, v3 is in the specs: v1 is rolled out again, v3 is not."""
    first = releases(stage)
    stage.spec(v1="v2")
    stage.apply(phase("awaiting_promotion"))
    stage.say(RequestVerb.PROMOTE)
    stage.follow()
    second = releases(stage)
    stage.texts["tag: v1"] = "tag: v3"
    ran = type_("rollback", SERVICE, "--now")
    assert ran.code == Exit.DONE, ran.err
    assert set(releases(stage)) == {*first, *second}
    assert first != second
