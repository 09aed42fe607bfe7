"""Whatever is wrong with the machine that a command runs on, a person reads one clear line and never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.cli.main import _failed
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import Look
from tests.harness.cli import run

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "specs"
COMMAND = f"{sys.executable} -m reconciler"
KEYS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}


def shell(line: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a shell's line, with nothing of the developer's environment."""
    known = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "AWS_EC2_METADATA_DISABLED": "true"}
    ran = subprocess.run(
        ["/bin/sh", "-c", line],
        env=known | {"PYTHONPATH": str(ROOT), "TMPDIR": "/tmp"} | environment,
        cwd=ROOT,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return ran.returncode, ran.stdout.decode(), ran.stderr.decode()


def one_line(text: str) -> str:
    """The only line of `text`, which is an error."""
    (line,) = text.splitlines()
    assert line.startswith("error: "), line
    return line


@pytest.mark.parametrize("command", ["version", "render specs", "--help"])
@pytest.mark.parametrize("stdout", [">&-", "> /dev/full"])
def test_an_output_that_cannot_be_written(command: str, stdout: str) -> None:
    """Exit 1 and the reason, also where Python itself would write what is left at its end."""
    code, _, err = shell(f"{COMMAND} {command} {stdout}")
    assert code == Exit.FAILED
    assert one_line(err.splitlines()[-1]).startswith("error: the output cannot be written: ")
    assert err.count("error: ") == 1


def test_a_stdout_that_is_closed_is_no_file_of_ours(tmp_path: Path) -> None:
    """What is opened next would get its number, and be printed into."""
    shell(f"{COMMAND} diff {SPECS} >&- 2>&-", XDG_STATE_HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    for file in (one for one in tmp_path.rglob("*") if one.is_file()):
        assert b"error" not in file.read_bytes()


@pytest.mark.parametrize("streams", ["2>&-", "<&-", "< /dev/null 2> /dev/null"])
def test_streams_that_are_not_needed(streams: str) -> None:
    """Without stdin or stderr a command does what it does."""
    code, out, _ = shell(f"{COMMAND} version {streams}")
    assert (code, out.startswith("reconciler ")) == (Exit.DONE, True)


def test_a_folder_that_is_gone(tmp_path: Path) -> None:
    """The current one may have been deleted by somebody else."""
    gone = tmp_path / "gone"
    gone.mkdir()
    code, _, err = shell(f"cd {gone} && rmdir {gone} && {COMMAND} diff")
    assert (code, one_line(err).startswith("error: the current folder cannot be read")) == (Exit.FAILED, True)


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container's user may have no name and no folder."""

    def unknown(_: int) -> None:
        raise KeyError

    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    ran = run("diff", SPECS)
    assert (ran.code, "home folder" in one_line(ran.err)) == (Exit.FAILED, True)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_encoding_that_lacks_characters(tmp_path: Path, encoding: str) -> None:
    """What cannot be shown is escaped."""
    (tmp_path / "stack.yaml").write_text("kind: Stack\nnam: →\n", encoding="utf-8")
    code, out, err = shell(f"{COMMAND} validate {tmp_path}", PYTHONUTF8="0", PYTHONIOENCODING=f"{encoding}:strict")
    assert (code, "Traceback" in err, "error[E1102]" in out + err) == (Exit.FAILED, False, True)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"AWS_ENDPOINT_URL": "notaurl"}, "notaurl"),
        ({"AWS_ENDPOINT_URL": "http://[::1"}, "URL"),
        ({"AWS_PROFILE": "nobody"}, "nobody"),
        ({"AWS_CONFIG_FILE": "[default\nfoo"}, "config file"),
        ({"AWS_CONFIG_FILE": "\0\1\2"}, "config file"),
        ({"AWS_SHARED_CREDENTIALS_FILE": "[default\nfoo"}, "config file"),
        ({"AWS_CONFIG_FILE": "[default]\ncredential_process = /no/such/program"}, "/no/such/program"),
        ({"AWS_CONFIG_FILE": "[default]\ncredential_process = echo nonsense"}, ""),
        ({"AWS_CONFIG_FILE": "[default]\ncredential_process = false"}, ""),
        ({"AWS_CONFIG_FILE": "[default]\nrole_arn = arn:x\nsource_profile = nobody"}, "nobody"),
        ({"AWS_CONFIG_FILE": "[default]\nsso_session = x\nsso_account_id = 1\nsso_role_name = x"}, "sso-session"),
        ({"AWS_SHARED_CREDENTIALS_FILE": "[default]\naws_access_key_id = x"}, "aws_secret_access_key"),
    ],
)
def test_an_aws_configuration_that_is_not_valid(tmp_path: Path, environment: dict[str, str], said: str) -> None:
    """Exit 1 with what is wrong in it; a file is named or its content quoted by AWS's own library."""
    known = KEYS if "AWS_ENDPOINT_URL" in environment else {}
    for name, value in environment.items():
        if name.endswith("_FILE"):
            (tmp_path / "file").write_text(value, encoding="utf-8")
            environment = {name: str(tmp_path / "file")}
    code, out, err = shell(f"{COMMAND} diff {SPECS}", **environment, **known)
    assert (code, out, said in one_line(err)) == (Exit.FAILED, "", True)


def test_a_region_that_does_not_exist(tmp_path: Path) -> None:
    """The error names the endpoint, which cannot be found."""
    (tmp_path / "stack.yaml").write_text("kind: Stack\nname: shop\nregion: us-nowhere-9\n", encoding="utf-8")
    code, _, err = shell(f"{COMMAND} diff {tmp_path}", **KEYS)
    assert (code, "us-nowhere-9" in err, "Traceback" in err) == (Exit.FAILED, True, False)


def test_an_error_is_broken_between_words_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One of several lines is as it was made, and so is what is not shown on a terminal."""
    text = "error: not signed in to AWS; try `aws sso login`, or set AWS_PROFILE"
    seen = []
    for columns, message in ((40, text), (40, f"{text}\n{text}"), (None, text)):
        monkeypatch.setattr("reconciler.cli.main.look_of", lambda _, columns=columns: Look(columns=columns))
        assert _failed(message) == Exit.FAILED
        seen.append(capsys.readouterr().err.splitlines())
    assert seen == [["error: not signed in to AWS; try `aws", "sso login`, or set AWS_PROFILE"], [text, text], [text]]
