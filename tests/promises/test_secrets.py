"""S15: what is secret is never said: not in logs, diffs, plan files, reports, tags or tracebacks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from reconciler.aws.session import Boto
from reconciler.model.diff import diff
from reconciler.model.resource import Address, Call, Observed
from tests.conftest import REGION
from tests.harness.account_snapshot import census
from tests.harness.canaries import CANARIES, Song, heard
from tests.harness.cli import Ran, run
from tests.harness.forked_runs import SEED
from tests.promises.conftest import Record, mostly_slow, sample_or_all
from tests.toy import BoxSpec

PLANTED = {
    "environment-by-name": CANARIES["environment-by-name"],
    "environment-by-shape": CANARIES["environment-by-shape"],
}
REFERRED = """\
      secrets:
        API_KEY: secretsmanager:planted
        DB_URL: ssm:/planted
"""


def _client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """The seed specs over an account, both with secrets wherever secrets are."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARIES["credentials"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", CANARIES["credentials"])
    specs = Path(shutil.copytree(SEED, tmp_path / "specs"))
    file = specs / "services" / "frontend.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("  logs: {retention_days: 30}", f"{REFERRED}  logs: {{retention_days: 30}}"), "utf-8")
    with mock_aws():
        _client("secretsmanager").create_secret(Name="planted", SecretString=CANARIES["secret-value"])
        _client("ssm").put_parameter(Name="/planted", Value=CANARIES["parameter-value"], Type="SecureString")
        yield specs


def _plant_in_the_account() -> None:
    """What people do by hand: secrets in a new revision, in a sidecar's log options, in tags."""
    ecs, ec2 = _client("ecs"), _client("ec2")
    said = ecs.describe_task_definition(taskDefinition="my-app-frontend", include=["TAGS"])
    definition = said["taskDefinition"]
    (container,) = definition["containerDefinitions"]
    container["environment"] += [
        {"name": "DB_PASSWORD", "value": CANARIES["environment-by-name"]},
        {"name": "DB", "value": CANARIES["environment-by-shape"]},
    ]
    container["logConfiguration"] = {"logDriver": "splunk", "options": {"splunk-token": CANARIES["log-option"]}}
    taken = ("family", "networkMode", "executionRoleArn", "requiresCompatibilities", "cpu", "memory")
    made = ecs.register_task_definition(
        **{key: definition[key] for key in taken if key in definition},
        containerDefinitions=[container],
        tags=said["tags"],
    )
    arn = made["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(cluster="my-app-cluster", service="my-app-frontend", taskDefinition=arn)
    mine = [{"Name": "tag:reconciler:address", "Values": ["vpc/my-workspace"]}]
    (vpc,) = ec2.describe_vpcs(Filters=mine)["Vpcs"]
    ec2.create_tags(Resources=[vpc["VpcId"]], Tags=[{"Key": "db-password", "Value": CANARIES["tag"]}])


def _songs(sink: str, ran: Ran) -> list[Song]:
    return [*heard(f"{sink}: stdout", ran.out), *heard(f"{sink}: stderr", ran.err)]


@pytest.mark.parametrize(
    ("name", "value", "marked"),
    [
        ("DB_PASSWORD", CANARIES["environment-by-name"], True),
        ("DB", CANARIES["environment-by-shape"], True),
        ("log", json.dumps({"options": {"splunk-token": CANARIES["log-option"]}}), True),
        ("API_KEY", "arn:aws:secretsmanager:us-west-2:1:secret:s", False),
        ("GREETING", "hello", False),
    ],
)
def test_what_people_put_into_the_account_is_marked(name: str, value: str, marked: bool) -> None:
    """What looks like a secret, by its name or its shape, is never shown as a change; a reference to one is."""
    wanted = BoxSpec(shelf="s", labels=None, options={name: "ssm:/other"})
    found = Observed(Address("box", "b"), "box-1", BoxSpec(shelf="s", options={name: value}))
    (change,) = diff(found, wanted)
    assert change.secret is marked


@pytest.mark.parametrize("forms", sample_or_all(("json",), ("text", "json", "markdown", "github")))
def test_no_secret_of_the_account_is_said(
    record: Record, planted: Path, tmp_path: Path, forms: tuple[str, ...]
) -> None:
    """Made, looked at in every format, planned, put right and destroyed, with `-vv`: not one canary is heard."""
    songs, plan, sinks = [], tmp_path / "plan.json", 0
    songs += _songs("apply -vv", run("apply", planted, "-y", "-vv"))
    _plant_in_the_account()
    runs = {f"diff -vv -o {form}": ("-o", form, "-vv") for form in forms}
    for name, arguments in (runs | {"diff --out": ("--out", plan)}).items():
        ran = run("diff", planted, *arguments)
        assert ran.code == 2, ran.err
        songs += _songs(name, ran)
        sinks += 2
    songs += heard("the plan file", plan.read_text(encoding="utf-8"))
    songs += _songs("render", run("render", planted))
    songs += _songs("apply PLAN -vv", run("apply", plan, "-vv"))
    theirs = census()
    tags = [text for kind, items in theirs.items() for text in items if kind not in {"vpc", "task-definition"}]
    songs += heard("what was written", "\n".join(tags))
    songs += _songs("destroy -vv", run("destroy", planted, "-y", "-vv"))
    record("S15", "secrets in the account × every sink", canaries=len(CANARIES), sinks=sinks + 9, worlds=1,
           violations=len(songs))  # fmt: skip
    assert not songs, "\n".join(map(str, songs))


@pytest.mark.parametrize("canary", mostly_slow(PLANTED, "environment-by-shape"))
def test_no_secret_of_the_specs_is_said(record: Record, planted: Path, canary: str) -> None:
    """A secret in plain sight is refused in every format without repeating it, whatever else is wrong beside it."""
    file = planted / "services" / "frontend.yaml"
    text = file.read_text(encoding="utf-8")
    entry = {"environment-by-name": "DB_PASSWORD", "environment-by-shape": "DB"}[canary]
    value = PLANTED[canary]
    broken = text.replace("{GREETING: Hello World}", f'{{GREETING: Hello World, {entry}: "{value}", {entry}: 3}}')
    songs, sinks = [], 0
    for written in (text.replace("{GREETING: Hello World}", f'{{{entry}: "{value}"}}'), broken):
        file.write_text(written, encoding="utf-8")
        for form in ("text", "json", "markdown", "github", "sarif", "junit"):
            ran = run("validate", planted, "-o", form)
            assert ran.code == 1
            songs += _songs(f"validate -o {form}", ran)
            sinks += 2
        ran = run("apply", planted, "-y", "-vv")
        assert ran.code == 1
        songs += _songs("apply -vv", ran)
    record("S15", f"{canary} in the specs × every format", canaries=1, sinks=sinks + 4, worlds=2, violations=len(songs))
    assert not songs, "\n".join(map(str, songs))


class Broken(Exception):
    """A fault of ours that nobody foresaw."""


OPERATIONS = (
    "RegisterTaskDefinition", "DescribeTaskDefinition", "DescribeServices", "DescribeRules", "DescribeTasks",
    "DescribeVpcs", "GetAccountAuthorizationDetails", "DescribeListeners", "DescribeTargetHealth",
)  # fmt: skip
"""Of which some are answered with what is planted, and some write it."""


@pytest.mark.parametrize("operation", mostly_slow(OPERATIONS, "RegisterTaskDefinition"))
def test_no_traceback_tells_a_secret(
    record: Record, planted: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    """Where the product breaks in the middle of a call, what is printed holds no locals, and no body."""
    import traceback

    perform, songs = Boto.perform, []

    def breaks(self: Boto, call: Call) -> dict[str, Any]:
        answer = perform(self, call)
        if call.operation == operation:
            raise Broken(f"in {call}")
        return answer

    assert run("apply", planted, "-y").code == 0
    _plant_in_the_account()
    monkeypatch.setattr(Boto, "perform", breaks)
    with pytest.raises(Broken) as caught:
        run("apply", planted, "-y", "-vv")
    text = "".join(traceback.format_exception(caught.value))
    songs += heard("traceback", text)
    assert "breaks" in text
    record("S15", f"traceback of a fault in {operation}", canaries=len(CANARIES), sinks=1, worlds=1,
           violations=len(songs))  # fmt: skip
    assert not songs, "\n".join(map(str, songs))


def test_a_garbled_answer_is_not_repeated(record: Record) -> None:
    """An answer that makes no sense may hold a secret: no error and no traceback of ours repeats a word of it."""
    from tests.promises.test_unknown import JSON, answering

    text = json.dumps(CANARIES["secret-value"]).encode()
    with answering(*[(200, JSON, text[:-3])] * 8) as url:
        import traceback

        try:
            Boto(REGION, endpoint=url, anonymous=True).perform(Call("ecs", "ListClusters"))
        except Exception as error:  # noqa: BLE001 - whatever it is, what it says is looked at
            said = f"{error} {''.join(traceback.format_exception(error))}"
    songs = heard("garbled answer", said)
    record("S15", "a garbled answer", canaries=1, sinks=2, worlds=1, violations=len(songs))
    assert not songs
