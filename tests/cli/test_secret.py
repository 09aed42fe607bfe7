"""`secret put`: a value gets to where the specs say, and to nowhere else."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.cli.secret_values import named
from reconciler.model import ownership
from reconciler.spec import effects
from tests.cli.cli_runner import Typed, onstage
from tests.harness.cli import Ran
from tests.harness.emulated_stack import SERVICE, EmulatedStack, emulated_stack

pytestmark = pytest.mark.apart

REFERENCES = "{DB: ssm:/prod/db, PLAIN: ssm:plain, KEY: 'secretsmanager:prod/api:key'}"
SECRETS = {"environment: {GREETING: Hello World}": f"secrets: {REFERENCES}"}
VALUE = "correct horse battery staple"


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    with emulated_stack(SECRETS) as found:
        yield found


@pytest.fixture
def type_(stage: EmulatedStack) -> Iterator[Typed]:
    with onstage(stage) as typed:
        yield typed


def put(type_: Typed, name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> Ran:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(value.encode())))
    ran = type_("secret", "put", name)
    assert value.strip() == "" or value.strip() not in ran.out + ran.err
    return ran


@pytest.mark.parametrize("stdin", [b"caf\xe9", b"a\0b", b"\xff" * 5000, b"", None])
def test_what_is_no_text_is_an_error_of_the_value(
    stdin: bytes | None, type_: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
    ran = type_("secret", "put", "ssm:/prod/db")
    assert (ran.code, ran.out) == (Exit.FAILED, "")
    assert "the value " in ran.err


def test_an_arn_of_nothing_is_an_error_of_the_specs(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS chooses the end of an ARN, so no secret can be created for one."""
    arn = "arn:aws:secretsmanager:us-west-2:123456789012:secret:gone-AbCdEf"
    with (
        emulated_stack({"environment: {GREETING: Hello World}": f"secrets: {{DB: '{arn}'}}"}) as stage,
        onstage(stage) as typed,
    ):
        ran = put(typed, arn, VALUE, monkeypatch)
    assert (ran.code, ran.out) == (Exit.FAILED, "")
    assert f"{arn} does not exist" in ran.err
    assert "secretsmanager:NAME" in ran.err


def test_a_value_without_end_is_not_read_to_its_end(type_: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/zero", encoding="utf-8") as endless:
        monkeypatch.setattr(sys, "stdin", endless)
        ran = type_("secret", "put", "ssm:/prod/db")
    assert ran.code == Exit.FAILED
    assert "4096" in ran.err


def parameter(stage: EmulatedStack, name: str) -> dict[str, Any]:
    return dict(stage.laptop.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"])


def test_a_parameter_is_created_encrypted_and_then_has_versions(
    stage: EmulatedStack, type_: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the stack's tags, without the newline at the end, and with who has to be restarted."""
    ran = put(type_, "ssm:/prod/db", f"{VALUE}\n", monkeypatch)
    assert ran.code == Exit.DONE, ran.err
    assert f"reconciler restart {SERVICE}" in ran.out
    found = parameter(stage, "/prod/db")
    assert (found["Type"], found["Value"], found["Version"]) == ("SecureString", VALUE, 1)
    tags = stage.laptop.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId="/prod/db")["TagList"]
    assert {one["Key"]: one["Value"] for one in tags}[ownership.STACK] == stage.desired_state.place.stack
    assert put(type_, "prod/db", "another", monkeypatch).code == Exit.DONE
    assert (parameter(stage, "/prod/db")["Value"], parameter(stage, "/prod/db")["Version"]) == ("another", 2)


def test_a_parameter_has_the_name_that_doctor_gives_it(type_: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ARN leaves out a first slash, so that `doctor` writes one."""
    assert put(type_, "ssm:/plain", VALUE, monkeypatch).out.startswith("ssm:plain: version 1 created.")


def test_a_secret_is_created_and_has_the_keys_that_are_read(
    stage: EmulatedStack, type_: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in (VALUE, '{"other": "x"}', "[1, 2]"):
        assert put(type_, "secretsmanager:prod/api", wrong, monkeypatch).code == Exit.FAILED
    assert put(type_, "secretsmanager:prod/api", '{"key": "one"}', monkeypatch).code == Exit.DONE
    assert put(type_, "prod/api", '{"key": "two"}', monkeypatch).code == Exit.DONE
    client = stage.laptop.client("secretsmanager")
    assert client.get_secret_value(SecretId="prod/api")["SecretString"] == '{"key": "two"}'
    assert len(client.list_secret_version_ids(SecretId="prod/api", IncludeDeprecated=True)["Versions"]) == 2


def test_what_is_not_encrypted_or_not_ours_is_refused(
    stage: EmulatedStack, type_: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssm = stage.laptop.client("ssm")
    ssm.put_parameter(Name="plain", Value="seen by all", Type="String")
    assert put(type_, "ssm:plain", VALUE, monkeypatch).code == Exit.BLOCKED
    tags = [{"Key": ownership.STACK, "Value": "other"}]
    ssm.put_parameter(Name="/prod/db", Value="theirs", Type="SecureString", Tags=tags)
    assert put(type_, "ssm:/prod/db", VALUE, monkeypatch).code == Exit.BLOCKED
    assert parameter(stage, "/prod/db")["Value"] == "theirs"


@pytest.mark.parametrize(("name", "value", "code"), [
    ("ssm:/prod/bd", VALUE, Exit.USAGE),
    ("nothing-like-it", VALUE, Exit.USAGE),
    ("ssm:/prod/db", "", Exit.FAILED),
    ("ssm:/prod/db", "x" * 4097, Exit.FAILED),
])  # fmt: skip
def test_what_makes_no_sense_writes_nothing(
    stage: EmulatedStack, type_: Typed, monkeypatch: pytest.MonkeyPatch, name: str, value: str, code: Exit
) -> None:
    stage.transport.sent.clear()
    assert put(type_, name, value, monkeypatch).code == code
    assert stage.transport.sent["PutParameter"] == 0


def test_the_value_is_in_no_log(stage: EmulatedStack, type_: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where every call is logged, and where AWS refuses it."""
    from reconciler.local.faults import Fault

    stage.laptop.aws.faults.add(Fault("denied", operation="PutParameter"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(VALUE.encode())))
    ran = type_("secret", "put", "ssm:/prod/db", "-vv")
    assert ran.code == Exit.FAILED
    assert VALUE not in ran.out + ran.err


def test_a_client_secret_is_read_by_no_task() -> None:
    """Of the same secret, a task may read another key."""
    found = named(effects.loaded(effects.documents()), "shop/login")
    assert (found.readers, found.sign_ins, found.keys) == ((), ("service/api",), ("client_secret",))
