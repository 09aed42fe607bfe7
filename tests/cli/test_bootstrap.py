"""The operator's own stack: as specs, as a running task, and as something that may manage itself."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import click
import pytest
import yaml
from moto import mock_aws

from reconciler import events
from reconciler.aws.retry import is_read
from reconciler.cli.commands.run import run as loop
from reconciler.cli.output.exits import Exit
from reconciler.model.resource import Call
from reconciler.spec.compile.store import KEYS
from reconciler.spec.documents import Store
from reconciler.spec.load import load
from reconciler.store.dynamodb import KEY
from tests.conftest import ACCOUNT, REGION
from tests.controller.test_controller import Files, Running
from tests.harness.account_snapshot import census, difference
from tests.harness.cli import Ran, recorded, run
from tests.harness.emulated_stack import SHORT, emulated_stack

SEED = Path(__file__).parents[2] / "specs"
SOURCE = "https://github.com/ana/shop#main:specs"
PUBLIC = "public.ecr.aws/example/reconciler:0.1.0"
OURS = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/reconciler:0.1.0"
NAME = "my-app-operator"


@pytest.fixture
def account() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "operator"


def bootstrap(*arguments: object, image: str = PUBLIC) -> Ran:
    return run("bootstrap", SEED, "--image", image, "--source", SOURCE, "--account", ACCOUNT, *arguments)


def documents(folder: Path) -> dict[str, dict[str, Any]]:
    """By kind."""
    found = [one for file in sorted(folder.glob("*.yaml")) for one in yaml.safe_load_all(file.read_text("utf-8"))]
    return {one["kind"]: one for one in found}


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def tables() -> list[str]:
    names: list[str] = client("dynamodb").list_tables()["TableNames"]
    return names


def test_it_makes_all_of_it_and_a_second_time_nothing(account: None, out: Path) -> None:
    """--apply makes the role, the table, the logs and one task; again it writes nothing; destroy leaves nothing."""
    before = census()
    with recorded() as said:
        ran = bootstrap("--out", out, "--apply", "-y")
    assert ran.code == 0, ran.err
    assert tables() == [f"{NAME}-store"]
    (service,) = client("ecs").describe_services(cluster=NAME, services=[NAME])["services"]
    assert service["desiredCount"] == 1
    (made,) = [call.params for call in said if call.operation == "CreateService"]
    limits = made["deploymentConfiguration"]
    assert (limits["minimumHealthyPercent"], limits["maximumPercent"]) == (0, 100)
    definition = client("ecs").describe_task_definition(taskDefinition=NAME)["taskDefinition"]
    assert definition["taskRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{NAME}"
    assert client("logs").describe_log_groups(logGroupNamePrefix=f"/ecs/{NAME}")["logGroups"]
    _role_is_the_printed_policy()
    with recorded() as said:
        again = bootstrap("--out", out, "--apply", "-y")
    assert again.code == 0, again.err
    assert [str(call) for call in said if not is_read(call)] == []
    ran = run("destroy", out, "-y")
    assert ran.code == 0, ran.err
    assert tables() == []
    assert difference(before, census()) == {}


def _role_is_the_printed_policy() -> None:
    """Statement for statement, for the stack that it operates and the table that it has."""
    options = ("--account", ACCOUNT, "--store", f"dynamodb:{NAME}-store", "--source", SOURCE)
    ran = run("iam-policy", SEED, *options, "-o", "json")
    wanted = [{key: value for key, value in one.items() if key != "Sid"} for one in json.loads(ran.out)["Statement"]]
    found = client("iam").get_role_policy(RoleName=NAME, PolicyName="operate")["PolicyDocument"]["Statement"]
    assert _spelled(found) == _spelled(wanted)
    assert "iam:PutRolePolicy" in json.dumps(found)
    assert f"role/{NAME}" not in json.dumps(found), "it may not write to its own role, nor hand it on"


def _spelled(statements: list[dict[str, Any]]) -> list[str]:
    def listed(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: listed(item) for key, item in value.items()}
        return sorted(value) if isinstance(value, list) else [value]

    return sorted(json.dumps(listed(one), sort_keys=True) for one in statements)


def test_the_specs_are_good_and_hold_the_container_down(out: Path) -> None:
    """They validate; the root is read-only, the user nobody, the check the product's own, and no secret is written."""
    ran = bootstrap("--out", out, "--git-token", "ssm:/my-app/git-token", image=OURS)
    assert ran.code == 0, ran.err
    assert run("validate", out).code == 0
    found = documents(out)
    container = found["Service"]["task"]["containers"]["operator"]
    assert (container["readonly_root"], container["user"], container["stop_timeout"]) == (True, "10001", "30s")
    assert container["secrets"] == {"RECONCILER_GIT_TOKEN": "ssm:/my-app/git-token"}
    assert container["environment"] == {"RECONCILER_STORE": f"dynamodb:{NAME}-store"}
    assert container["image"] == {"registry": "reconciler", "tag": "0.1.0"}
    assert found["Registry"]["name"] == "reconciler"
    assert found["DeploymentStrategy"]["rolling"]["max_percent"] == 100
    assert found["Network"]["security_groups"] == [{"name": NAME, "ingress": []}]
    assert found["Stack"]["account"] == ACCOUNT
    check = container["health_check"]["command"]
    assert check[:3] == ["CMD", "python", "-m"]
    assert importlib.util.find_spec(check[3]) is not None
    assert check[4] == f"http://{container['command'][container['command'].index('--listen') + 1]}/healthz"
    verb, *arguments = container["command"]
    assert verb == "run"
    assert arguments[arguments.index("--stack") :][:4] == ["--stack", "my-app", "--region", REGION]
    loop.make_context("run", list(arguments)).close()


HOOK = "https://hooks.slack.com/" + "services/T00000000/B00000000/x1y2z3"


@pytest.mark.parametrize("target", [f"slack:{HOOK}", "webhook:https://example.com/x1y2z3"])
def test_the_url_of_a_webhook_is_not_written(out: Path, target: str) -> None:
    """The specs are committed. It is refused without being repeated, and says what to do instead."""
    for form in (("--out", out), ("-o", "render")):
        ran = bootstrap(*form, "--notify", target)
        assert ran.code == Exit.USAGE
        assert "--notify-secret ssm:" in ran.err
        assert "x1y2z3" not in ran.out + ran.err
    assert not out.exists()


def test_webhooks_are_passed_by_reference_and_topics_by_name(out: Path) -> None:
    """ECS puts the targets into the variable that `run` adds to those of its command line."""
    topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:deployments"
    ran = bootstrap("--out", out, "--notify-secret", "ssm:/my-app/notify", "--notify", f"sns:{topic}")
    assert ran.code == 0, ran.err
    assert run("validate", out).code == 0
    container = documents(out)["Service"]["task"]["containers"]["operator"]
    assert container["secrets"] == {"RECONCILER_NOTIFY": "ssm:/my-app/notify"}
    assert container["command"][-2:] == ["--notify", f"sns:{topic}"]


def test_commit_statuses_get_their_token_from_a_secret(out: Path) -> None:
    """The repository is no secret and is in the command; without the token nothing could be sent."""
    ran = bootstrap("--out", out, "--notify", "github:ana/shop")
    assert (ran.code, "--github-token" in ran.err, out.exists()) == (Exit.USAGE, True, False)
    link = "https://grafana.example.com/d?v={service}"
    secret = "secretsmanager:my-app/github-token"
    ran = bootstrap("--out", out, "--notify", "github:ana/shop", "--github-token", secret, "--notify-link", link)
    assert ran.code == 0, ran.err
    (container,) = documents(out)["Service"]["task"]["containers"].values()
    assert container["secrets"] == {"RECONCILER_GITHUB_TOKEN": secret}
    assert container["command"][-4:] == ["--notify", "github:ana/shop", "--notify-link", link]


def test_what_is_there_already_is_used(out: Path) -> None:
    """A cluster, subnets and groups by their names in AWS; then nothing of the sort is made."""
    ran = bootstrap(
        "--out", out, "--cluster", "shared", "--subnets", "subnet-0a1b2c3d,subnet-1a1b2c3d",
        "--security-groups", "sg-0a1b2c3d", "--no-public-ip", "--store-table", "leases", "--name", "op",
        "-e", "staging",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    found = documents(out)
    assert found.keys() == {"DeploymentStrategy", "Role", "Service", "Stack", "Store"}
    assert found["Service"]["cluster"] == f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/shared"
    assert found["Service"]["placement"] == {
        "subnets": ["subnet-0a1b2c3d", "subnet-1a1b2c3d"],
        "security_groups": ["sg-0a1b2c3d"],
        "public_ip": False,
    }
    assert (found["Store"]["name"], found["Service"]["name"]) == ("leases", "op")
    assert found["Service"]["task"]["containers"]["operator"]["command"][-2:] == ["--environment", "staging"]


def test_rendering_writes_no_file_and_asks_aws_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On stdout, as YAML; neither form asks AWS anything."""
    monkeypatch.chdir(tmp_path)
    with recorded() as said:
        ran = bootstrap("-o", "render")
        assert bootstrap().code == 0
    assert said == []
    assert {"Store", "Role", "Service"} <= {one["kind"] for one in yaml.safe_load_all(ran.out)}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["operator"]


@pytest.mark.parametrize(
    ("arguments", "image", "code", "said"),
    [
        (["--subnets", "subnet-0a1b2c3d"], PUBLIC, Exit.USAGE, "must be used together"),
        (["--inside", "--apply"], PUBLIC, Exit.USAGE, "--apply"),
        (["--account", "999999999999"], OURS, Exit.FAILED, "push the image to a registry there"),
        ([], OURS.rpartition(":")[0], Exit.FAILED, "has no tag"),
        (["--source", "./specs"], PUBLIC, Exit.USAGE, "Git repository"),
        (["--git-token", "hunter2"], PUBLIC, Exit.FAILED, "E7003"),
    ],
)
def test_what_could_not_run_is_not_written(out: Path, arguments: list[str], image: str, code: int, said: str) -> None:
    """Refused before anything is written, and no secret is repeated."""
    ran = bootstrap("--out", out, *arguments, image=image) if "--inside" not in arguments else bootstrap(*arguments)
    assert (ran.code, said in ran.err, "hunter2" in ran.err) == (code, True, False), ran.err
    assert not out.exists()


def test_an_environment_has_an_operator_of_its_own(out: Path, tmp_path: Path) -> None:
    """Named after it, for its stack; and inside of the specs, among its documents, with the table that it looks for."""
    assert bootstrap("--out", out, "-e", "staging").code == 0
    service = documents(out)["Service"]
    assert service["name"] == "my-app-staging-operator"
    command = " ".join(service["task"]["containers"]["operator"]["command"])
    assert "--stack my-app@staging" in command
    assert "--environment staging" in command

    specs = Path(shutil.copytree(SEED, tmp_path / "specs"))
    words = ("--image", OURS, "--source", SOURCE, "--account", ACCOUNT, "--inside", "-e", "staging")
    ran = run("bootstrap", specs, *words)
    assert (ran.code, "-e staging" in ran.err) == (0, True), ran.err
    assert not (specs / "operator").exists()
    found = load(specs, "staging")
    assert found.ok, found.diagnostics
    (store,) = found.all(Store)
    (operator,) = (one for one in found.services if one.name == "my-app-staging-operator")
    container = operator.task.containers["operator"]
    assert container.environment["RECONCILER_STORE"] == f"dynamodb:{store.name_in_aws}"
    assert [one.name_in_aws for one in found.registries if one.name == "reconciler"] == ["reconciler"]
    assert operator.name_in_aws == "staging-my-app-staging-operator"


def test_the_account_has_to_be_known(out: Path) -> None:
    """By the option, the Stack or the image."""
    ran = run("bootstrap", SEED, "--image", PUBLIC, "--source", SOURCE, "--out", out)
    assert (ran.code, "--account" in ran.err) == (Exit.USAGE, True)
    assert run("bootstrap", SEED, "--image", OURS, "--source", SOURCE, "--out", out).code == 0


def test_what_people_changed_is_not_overwritten(out: Path) -> None:
    """Another text there is a person's, until it is said that it may go."""
    assert bootstrap("--out", out).code == 0
    file = out / "service.yaml"
    file.write_text(file.read_text("utf-8").replace("cpu: 256", "cpu: 512"), encoding="utf-8")
    ran = bootstrap("--out", out)
    assert (ran.code, "(file-exists)" in ran.err, "service.yaml" in ran.err) == (Exit.BLOCKED, True, True)
    assert bootstrap("--out", out, "--overwrite").code == 0
    assert "cpu: 256" in file.read_text("utf-8")


def test_the_table_has_the_key_that_the_store_asks_for() -> None:
    """What is made by specs is what is read and written by."""
    assert [(key.name, key.type) for key in KEYS] == [(KEY, "S")]


# -- inside the specs that it enforces


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Running]:
    """A loop over specs with the operator's own in them; everything is in place."""
    specs = Path(shutil.copytree(SEED, tmp_path / "specs"))
    ran = run("bootstrap", specs, "--image", OURS, "--source", SOURCE, "--account", ACCOUNT, "--inside")
    assert ran.code == 0, ran.err
    with emulated_stack(terms=SHORT) as stage:
        found = Running(stage, Files(specs))
        found.go(30)
        for repository, tag in (("reconciler", "0.1.0"), ("reconciler", "0.2.0"), ("my-app-frontend", "v1")):
            stage.push(tag, repository)
        found.go(600)
        assert found.said(events.IN_PLACE)
        assert operator(found)["runningCount"] == 1
        found.quiet()
        yield found


def operator(running: Running) -> dict[str, Any]:
    (found,) = running.stage.laptop.client("ecs").describe_services(cluster=NAME, services=[NAME])["services"]
    return dict(found)


def image(running: Running) -> str:
    definition = operator(running)["taskDefinition"]
    said = running.stage.laptop.client("ecs").describe_task_definition(taskDefinition=definition)
    return str(said["taskDefinition"]["containerDefinitions"][0]["image"])


def change(running: Running) -> str:
    """In one commit: its own next version, and more that is to be done. The image that it had."""
    had = image(running)
    running.files.edit("operator/service.yaml", "tag: 0.1.0", "tag: 0.2.0")
    running.files.edit("services/frontend.yaml", "retention_days: 30", "retention_days: 7")
    running.files.edit("services/frontend.yaml", "desired_count: 1", "desired_count: 2")
    return had


def retention(running: Running) -> int:
    (found,) = running.stage.laptop.client("logs").describe_log_groups(logGroupNamePrefix="/ecs/my-app-frontend")[
        "logGroups"
    ]
    return int(found["retentionInDays"])


@pytest.mark.slow
def test_an_operator_that_replaces_itself_has_done_the_rest_before(inside: Running) -> None:
    """The write that stops its own task comes after all that the pass had to change, and whoever follows goes on.

    SIGTERM arrives with that very call: the loop ends, having at most noted the deadline of its own rollout, and the
    next process comes to what one undisturbed process would have come to.
    """
    had = change(inside)
    said: list[Call] = []
    stopped: list[int] = []

    def watch(call: Call) -> None:
        if is_read(call):
            return
        said.append(call)
        if (
            call.operation == "UpdateService"
            and NAME in str(call.params.get("service"))
            and "taskDefinition" in call.params
        ):
            stopped.append(len(said))
            inside.loop.stop.set()

    inside.stage.transport.before = watch
    inside.loop.run()
    assert stopped, "it never came to its own version"
    before = [str(call) for call in said[: stopped[0] - 1]]
    assert {"logs.PutRetentionPolicy", "ecs.RegisterTaskDefinition", "ecs.UpdateService"} <= set(before)
    notes = [(call.operation, call.params.get("resourceArn", "").rpartition("/")[2]) for call in said[stopped[0] :]]
    assert notes in ([], [("TagResource", NAME)])

    inside.stage.transport.before = None
    inside.restart()
    ecs, most = inside.stage.laptop.client("ecs"), 0
    for _ in range(240):
        inside.go(1)
        most = max(most, len(ecs.list_tasks(cluster=NAME, serviceName=NAME, desiredStatus="RUNNING")["taskArns"]))
    assert most == 1, "two of them never run side by side"
    assert image(inside) != had
    assert (retention(inside), inside.stage.service()["desiredCount"]) == (7, 2)
    assert (operator(inside)["runningCount"], len(operator(inside)["deployments"])) == (1, 1)
    inside.quiet()
    inside.go(600)
    assert inside.writes() == {}


def test_help_says_what_it_needs() -> None:
    """The two options that have no default are required."""
    ran = run("bootstrap", SEED)
    assert (ran.code, "--image" in ran.err) == (click.UsageError.exit_code, True)
