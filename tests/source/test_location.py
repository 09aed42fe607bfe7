"""What a person may write for a source, and what it means."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from reconciler import errors
from reconciler.clock import ManualClock
from reconciler.source import credentials
from reconciler.source.git import Git
from reconciler.source.location import is_git, parse

HERE = str(Path("shop.git").absolute())


@pytest.mark.parametrize(
    ("text", "url", "ref", "path"),
    [
        ("https://github.com/ana/shop.git#main:deploy/specs", None, "refs/heads/main", "deploy/specs"),
        ("https://github.com/ana/shop.git", None, "HEAD", "specs"),
        ("https://git.example.com:8443/shop#release/2026:.", None, "refs/heads/release/2026", ""),
        ("https://[::1]/shop#refs/tags/v1:./a//b/", None, "refs/tags/v1", "a/b"),
        ("ssh://git@github.com/ana/shop.git#main", None, "refs/heads/main", "specs"),
        ("git@github.com:ana/shop.git#main", "ssh://git@github.com/~/ana/shop.git", "refs/heads/main", "specs"),
        ("http://localhost:8000/shop.git", None, "HEAD", "specs"),
        (f"file://{HERE}#main", HERE, "refs/heads/main", "specs"),
        (f"{HERE}#main:a", HERE, "refs/heads/main", "a"),
    ],
)
def test_a_source_says_where_its_specs_are(text: str, url: str | None, ref: str, path: str) -> None:
    """Repository, branch and folder are read from one line."""
    found = parse(text)
    assert is_git(text)
    assert found.url == (url or text.partition("#")[0])
    assert found.ref.decode() == ref
    assert found.path == path


def test_a_relative_path_is_made_absolute() -> None:
    """A repository beside the working directory stays the same one when that changes."""
    assert parse("shop.git").url == str(Path.cwd() / "shop.git")


@pytest.mark.parametrize("text", ["specs", "./specs", "/etc/specs", "C"])
def test_a_folder_is_no_repository(text: str) -> None:
    """Without a scheme, a branch or `.git` a source is a folder of files."""
    assert not is_git(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://github.com/ana/shop.git",
        "git://github.com/ana/shop.git",
        "ftp://github.com/ana/shop.git",
        "ext::sh -c whoami://x/y",
        "ssh://-oProxyCommand=whoami/shop.git",
        "https:///shop.git",
        "https://github.com",
        "https://github.com:port/shop.git",
        "https://[::1/shop.git",
        "https://github.com/shop.git?x=1",
        "file://host/shop.git",
        "https://github.com/shop.git#-x",
        "https://github.com/shop.git#a..b",
        "https://github.com/shop.git#a b",
        "https://github.com/shop.git#main:../other",
        "https://github.com/shop.git#main:/etc",
    ],
)
def test_what_is_no_source_is_refused(text: str) -> None:
    """Other protocols, plain http to other machines, and ways out of the repository are errors."""
    with pytest.raises(errors.SpecInvalid):
        parse(text)


@pytest.mark.parametrize("user", ["ana:sesame", "sesame"])
def test_a_url_with_credentials_is_refused_without_telling_them(user: str) -> None:
    """A token in a URL would be in every log; the error says where to put it instead."""
    with pytest.raises(errors.SpecInvalid, match="RECONCILER_GIT_TOKEN") as caught:
        parse(f"https://{user}@github.com/ana/shop.git")
    assert "sesame" not in str(caught.value)


def test_a_token_is_for_https_alone() -> None:
    """What is in the environment is used for the kind of source that it is for."""
    environ = {"RECONCILER_GIT_TOKEN": "sesame", "RECONCILER_GIT_SSH_KEY": "/keys/id", "RECONCILER_GIT_USERNAME": ""}
    clock = ManualClock()
    https = credentials.from_environment(parse("https://github.com/a/b"), environ, clock)
    ssh = credentials.from_environment(parse("git@github.com:a/b"), environ, clock)
    local = credentials.from_environment(parse("/srv/b.git"), environ, clock)
    assert https.login is not None
    assert https.login() == ("x-access-token", "sesame")
    assert (https.ssh_key, ssh.login, ssh.ssh_key) == (None, None, Path("/keys/id"))
    assert local == credentials.Credentials()
    assert "sesame" not in repr(https)


@pytest.mark.parametrize("token", ["", "session/token=="])
def test_codecommit_is_signed_for_as_aws_does(token: str) -> None:
    """The password is the Signature Version 4 that botocore makes of the same request, at the clock's time."""
    location = parse("https://git-codecommit.us-west-2.amazonaws.com/v1/repos/shop#main")
    clock = ManualClock(datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC))
    keys = credentials.AwsKeys("AKIAEXAMPLE", "secret/key", token)
    login = credentials.from_environment(location, {}, clock, aws=lambda: keys).login
    assert login is not None
    user, password = login()
    request = AWSRequest(method="GIT", url=location.url)
    request.context["timestamp"] = "20260504T030201"
    signer = SigV4Auth(BotoCredentials("AKIAEXAMPLE", "secret/key"), "codecommit", "us-west-2")
    text = signer.string_to_sign(request, f"GIT\n/v1/repos/shop\n\nhost:{location.host}\n\nhost\n")
    assert user == ("AKIAEXAMPLE%session/token==" if token else "AKIAEXAMPLE")
    assert password == f"20260504T030201Z{signer.signature(text, request)}"
    assert "secret" not in repr(keys)


def test_aws_keys_are_for_codecommit_alone() -> None:
    """A host that only looks like it gets nothing."""
    clock, keys = ManualClock(), credentials.AwsKeys("a", "b")
    for host in ("git-codecommit.us-west-2.amazonaws.com.evil.example", "github.com"):
        found = credentials.from_environment(parse(f"https://{host}/v1/repos/shop"), {}, clock, aws=lambda: keys)
        assert found.login is None


def test_ssh_is_run_by_words_and_asks_no_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key and the known hosts are ssh's options, its configuration is not read, and its complaint is passed on."""
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/words\necho "Host key verification failed." >&2\nexit 255\n'
    )
    ssh.chmod(ssh.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(ssh.parent), prepend=":")
    location = parse("ssh://git@git.example.com:2222/ana/shop';whoami.git#main")
    key = credentials.Credentials(ssh_key=tmp_path / "a key", known_hosts=tmp_path / "known")
    source = Git(location, credentials=key, cache=tmp_path / "cache")
    with pytest.raises(errors.SourceUnreachable, match="Host key verification failed"):
        source.fetch()
    words = (tmp_path / "words").read_text().splitlines()
    assert words[:2] == ["-F", "none"]
    assert {"BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"} <= set(words)
    assert f"UserKnownHostsFile={tmp_path / 'known'}" in words
    assert words[words.index("-i") + 1] == str(tmp_path / "a key")
    assert words[words.index("-p") + 1] == "2222"
    assert words[-2] == "git@git.example.com"
    assert words[-1].startswith("git-upload-pack '/ana/shop'")


def test_a_machine_without_ssh_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing program is a source that cannot be reached, by name."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(errors.SourceUnreachable, match="'ssh'"):
        Git(parse("git@git.example.com:ana/shop.git")).fetch()
