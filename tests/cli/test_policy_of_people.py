"""`iam-policy --for`: a person's policy lets through all that these commands send, and nothing beyond them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Set
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from reconciler.aws.retry import is_read
from reconciler.cli.commands.iam_policy import statements_of
from reconciler.cli.main import COMMANDS as EVERY
from reconciler.cli.output.exits import Exit
from reconciler.controller.until import has_begun
from reconciler.iam import COMMANDS, LARGEST, WITHOUT_AWS, WITHOUT_SPECS, document, fitted, size
from reconciler.model import ownership
from reconciler.model.resource import Call
from reconciler.rollout.stored_state import KEYS
from reconciler.spec.load import load_sources
from reconciler.spec.specs import Specs
from tests.cli.cli_runner import Typed, onstage
from tests.conftest import ACCOUNT, REGION
from tests.harness.cli import run
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, InProcess, _sources, emulated_stack
from tests.harness.iam import lets
from tests.harness.seed import SEED

STACK = "my-app"
AT_ONCE = ("--timeout", "0")
TYPED: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("tree",),
    ("events", SERVICE),
    ("history", SERVICE),
    ("output",),
    ("diff",),
    ("plan",),
    ("logs", SERVICE, "--since", "1h"),
    ("doctor",),
    ("export", "terraform"),
    ("hold", SERVICE, *AT_ONCE),
    ("extend", SERVICE, "--by", "1h", *AT_ONCE),
    ("promote", SERVICE, *AT_ONCE),
    ("rollback", SERVICE, *AT_ONCE),
    ("abort", SERVICE, *AT_ONCE),
    ("finish", SERVICE, *AT_ONCE),
    ("retry", SERVICE, *AT_ONCE),
    ("restart", SERVICE, *AT_ONCE),
    ("suspend", SERVICE, *AT_ONCE),
    ("resume", SERVICE, *AT_ONCE),
    ("suspend", "--stack"),
    ("resume", "--stack"),
    ("reconcile",),
    ("scale", SERVICE, "2", *AT_ONCE),
    ("run-task", SERVICE, "--timeout", "5s", "true"),
    ("exec", SERVICE, "sh"),
    ("port-forward", SERVICE, "8080:80"),
    ("secret", "put", "ssm:/my-app/key"),
)


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    """v2 awaits its promotion, and the specs name a secret."""
    texts = {
        "desired_count: 1": "desired_count: 1\nexec: true",
        "      environment: {GREETING": "      secrets: {KEY: 'ssm:/my-app/key'}\n      environment: {GREETING",
    }
    with emulated_stack(texts, SHORT) as found:
        found.laptop.client("ssm").put_parameter(Name="/my-app/key", Value="x", Type="SecureString")
        found.serving()
        found.spec(v1="v2")
        found.apply(has_begun)
        yield found


@pytest.fixture
def type_(stage: EmulatedStack) -> Iterator[Typed]:
    with onstage(stage) as typed:
        yield typed


def specs_of(stage: EmulatedStack) -> Specs:
    specs = load_sources([replace(one, data=stage._changed(one.data)) for one in _sources(stage.folder)])
    assert specs.ok
    return specs


def policy(specs: Specs, *commands: str) -> dict[str, Any]:
    return document(statements_of(specs, account=ACCOUNT, store="dynamodb:leases", commands=commands))


def test_every_command_has_its_needs_or_needs_nothing() -> None:
    assert COMMANDS.keys() | WITHOUT_AWS | WITHOUT_SPECS == set(EVERY)
    stays = {"console"}  # it reads what `status`, `tree`, `events`, `history` and `logs` read
    assert {one[0] for one in TYPED} == COMMANDS.keys() - {"apply", "destroy", "run"} - stays


WRITES: dict[str, set[str]] = {
    "status": set(),
    "diff": set(),
    "doctor": set(),
    "logs": set(),
    "promote": {"TagResource"},
    "scale": {"TagResource"},
    "run-task": {"RunTask", "StopTask"},
    "exec": {"ExecuteCommand"},
    "port-forward": {"StartSession"},
    "secret": {"PutParameter"},
}
OFTEN = frozenset({"status", "logs", "promote", "run-task", "exec", "secret"})


@pytest.mark.apart
@pytest.mark.parametrize("names", [OFTEN, pytest.param(COMMANDS.keys(), marks=pytest.mark.slow)], ids=["often", "all"])
def test_each_command_is_allowed_all_that_it_sends(
    names: Set[str], stage: EmulatedStack, type_: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded as typed, and evaluated as IAM does; what it writes is asked for by no other command's policy."""
    plugin = tmp_path / "session-manager-plugin"
    plugin.write_text("#!/bin/sh\nexit 0\n")
    plugin.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    monkeypatch.chdir(tmp_path)
    sessions = {
        "ExecuteCommand": {"session": {"sessionId": "s"}},
        "StartSession": {"SessionId": "s", "TokenValue": "t", "StreamUrl": "wss://"},
    }
    said: list[Call] = []

    def perform(call: Call) -> dict[str, Any]:
        said.append(call)
        return sessions.get(call.operation) or InProcess.perform(stage.transport, call)

    specs, refused, written = specs_of(stage), dict[str, list[str]](), dict[str, set[str]]()
    with patch.object(stage.transport, "perform", perform):
        for words in (one for one in TYPED if one[0] in names):
            said.clear()
            with patch("sys.stdin", Piped()):
                ran = type_(*words)
            assert ran.code != Exit.USAGE, (words, ran.err)
            assert "Traceback" not in ran.err
            allowed = policy(specs, words[0])
            if found := [f"{one.action} on {one.resource}" for call in said for one in lets(allowed, call, STACK)]:
                refused[" ".join(words)] = sorted(set(found))
            written.setdefault(words[0], set()).update(call.operation for call in said if _writes(call))
    assert refused == {}, json.dumps(refused, indent=1)
    assert {name: written[name] for name in WRITES.keys() & names} == {
        name: WRITES[name] for name in WRITES.keys() & names
    }


class Piped:
    """Standard input with a value."""

    def __init__(self) -> None:
        self.buffer = io.BytesIO(b"value\n")

    def isatty(self) -> bool:
        return False


def _writes(call: Call) -> bool:
    return not is_read(call)


def test_a_request_may_set_no_other_tag_and_on_no_other_service(stage: EmulatedStack) -> None:
    """Above all not the tags that say whose it is, nor those that only the controller writes."""
    service = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/{CLUSTER}/{SERVICE}"
    allowed = policy(specs_of(stage), "promote")

    def tagged(arn: str, *keys: str) -> Call:
        return Call("ecs", "TagResource", {"resourceArn": arn, "tags": [{"key": one, "value": "x"} for one in keys]})

    assert not lets(allowed, tagged(service, KEYS["request"]), STACK)
    assert lets(allowed, tagged(service, KEYS["request"]), "another")
    for key in (ownership.STACK, ownership.HELD_COUNT, KEYS["live"], "team"):
        assert lets(allowed, tagged(service, key), STACK), key
    assert lets(allowed, tagged(service.replace(SERVICE, "other"), KEYS["request"]), STACK)
    assert lets(policy(specs_of(stage), "status"), tagged(service, KEYS["request"]), STACK)


SIGN_IN = """  sign_in:
    oidc:
      issuer: https://login.example.com
      authorization_endpoint: https://login.example.com/authorize
      token_endpoint: https://login.example.com/token
      user_info_endpoint: https://login.example.com/userinfo
      client_id: shop
      client_secret: secretsmanager:shop/login
"""
CERTIFICATE = "arn:aws:acm:us-west-2:123456789012:certificate/11111111-2222-3333-4444-555555555555"


def test_who_only_looks_may_not_read_the_secret_of_a_sign_in() -> None:
    """That it exists, and its version: the value is read by whoever writes it to the load balancer."""
    texts = {
        "{port: 80, protocol: HTTP}": f"{{port: 80, protocol: HTTPS, certificates: ['{CERTIFICATE}']}}",
        "traffic:\n": f"traffic:\n{SIGN_IN}",
    }
    with emulated_stack(texts) as signing:
        specs = specs_of(signing)
    secret = {"SecretId": "shop/login"}
    look, read = (Call("secretsmanager", name, secret) for name in ("DescribeSecret", "GetSecretValue"))
    for name in ("status", "diff", "promote"):
        allowed = policy(specs, name)
        assert not lets(allowed, look, STACK), name
        assert lets(allowed, read, STACK), name
    assert not lets(policy(specs, "apply"), read, STACK)
    assert not lets(policy(specs), read, STACK)


def test_all_commands_together_fit_iams_limit(stage: EmulatedStack) -> None:
    specs = specs_of(stage)
    every = sorted(COMMANDS.keys() - {"apply", "destroy", "run"})
    found, _ = fitted(statements_of(specs, account=ACCOUNT, commands=tuple(every)))
    assert size(found) <= LARGEST
    operates = {one["Sid"] for one in policy(specs, "apply")["Statement"]}
    assert operates == {one.sid for one in statements_of(specs, account=ACCOUNT, store="dynamodb:leases")}


def test_it_is_printed_and_what_is_no_command_is_a_usage_error() -> None:
    ran = run("iam-policy", SEED, "-o", "json", "--for", "status, validate,promote")
    assert ran.code == Exit.DONE, ran.err
    assert {one["Sid"] for one in json.loads(ran.out)["Statement"]} == {"Look", "LookAtRoles", "ReadOutput", "Ask"}
    for text, said in (
        ("promot", "promote"),
        ("import", "its guide"),
        ("validate", "acts in AWS"),
        (",", "acts in AWS"),
    ):
        ran = run("iam-policy", SEED, "--for", text)
        assert (ran.code, said in ran.err) == (Exit.USAGE, True), ran.err
    assert run("iam-policy", SEED, "--for", "status", "--all-types").code == Exit.USAGE
