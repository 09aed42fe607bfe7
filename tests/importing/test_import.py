"""`import`: specs for services that another tool has made say what there is, so that an apply writes only tags."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.controller.until import has_ended
from reconciler.model.guard import Guard
from tests.importing.account import TAGS_ONLY, Account, account, writes
from tests.reconcile.legacy_account import APP, made
from tests.reconcile.test_adoption import definition, planned, snapshot


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Account]:
    with account(tmp_path) as found:
        yield found


@pytest.fixture
def hand(empty: Account) -> Account:
    """A network and a cluster."""
    empty.network()
    empty.cluster()
    return empty


def test_an_imported_stack_is_applied_with_tags_alone(empty: Account) -> None:
    """From an account with hardly a default: import writes nothing to AWS, and apply only tags; nothing else differs
    afterwards, and the next plan is empty. What a schedule uses as well is not owned."""
    made(empty.stage)
    before = snapshot(empty.stage)
    empty.stage.transport.sent.clear()
    ran = empty.imported("--service", "web", "-o", "json")
    assert (ran.code, writes(empty.stage.transport.sent)) == (Exit.DONE, {}), ran.err
    result = json.loads(ran.out)
    assert result["only_tags"] is True
    assert {action["verb"] for action in result["plan"]["actions"]} == {"adopt"}
    assert [change for action in result["plan"]["actions"] for change in action["changes"]] == []
    assert [one["service"] for one in result["left_out"]] == ["nightly"]
    assert {(one["type"], one["own"]) for one in result["resources"]} == {
        ("cluster", False), ("load-balancer", True), ("log-group", True), ("role", False),
        ("vpc", False),
    }  # fmt: skip
    stage = empty.opened()
    stage.apply()
    assert set(writes(stage.transport.sent)) <= TAGS_ONLY
    assert snapshot(stage) == before
    assert planned(stage).actions == ()


def test_a_new_version_of_an_imported_service_rolls_out(empty: Account) -> None:
    """The image alone changes in the next revision, and what the documents cannot say is carried over."""
    made(empty.stage)
    assert empty.imported().code == Exit.DONE
    stage = empty.opened()
    stage.apply()
    before = definition(stage)
    stage.change({"nginx:1.27": "nginx:1.28"})
    assert not stage.apply(has_ended).went_wrong
    after = definition(stage)
    (old,), (new,) = before["containerDefinitions"], after["containerDefinitions"]
    assert new.pop("image") == "public.ecr.aws/nginx/nginx:1.28"
    assert new == {key: value for key, value in old.items() if key != "image"}
    assert new["dockerLabels"] == APP["dockerLabels"]
    assert after["volumes"] == before["volumes"]


def test_what_is_referred_to_outlives_the_stack(hand: Account) -> None:
    """Destroy deletes the imported service, and leaves the network and the console's role, which were referred to."""
    role = hand.role("ecsTaskExecutionRole")
    hand.service("web", executionRoleArn=role)
    ran = hand.imported("-o", "json")
    assert ran.code == Exit.DONE, ran.err
    assert {one["id"]: one["own"] for one in json.loads(ran.out)["resources"]}[role] is False
    assert f"execution_role: {role}" in hand.text("services/web.yaml")
    stage = hand.opened()
    stage.apply()
    stage.desired_state = replace(stage.desired_state, leaving=True, deliveries=(), guard=Guard(100, None))
    stage.infrastructure()
    ec2 = hand.client("ec2")
    assert hand.client("ecs").list_clusters()["clusterArns"] == []
    assert hand.client("iam").get_role(RoleName="ecsTaskExecutionRole")["Role"]["Arn"] == role
    assert {one["SubnetId"] for one in ec2.describe_subnets()["Subnets"]} >= set(hand.subnets)
    assert ec2.describe_security_groups(GroupIds=[hand.group])["SecurityGroups"]


def test_a_secret_in_a_plain_variable_is_found_and_written_nowhere(hand: Account) -> None:
    """The container's variables stay as they are, and a comment says which one is to become a reference."""
    value = "hunter2-Zx81qLk09vTT"
    environment = [{"name": "DB_PASSWORD", "value": value}, {"name": "MODE", "value": "production"}]
    hand.service("web", container={"environment": environment})
    ran = hand.imported()
    assert ran.code == Exit.DONE, ran.err + ran.out
    written = hand.text("services/web.yaml")
    assert "#   DB_PASSWORD: ssm:/DB_PASSWORD" in written
    assert "#   MODE: production" in written
    assert value not in ran.out + ran.err + hand.everything()
    stage = hand.opened()
    stage.apply()
    stage.change({"nginx:1.27": "nginx:1.28"})
    assert not stage.apply(has_ended).went_wrong
    (container,) = definition(stage)["containerDefinitions"]
    assert sorted(container["environment"], key=lambda one: one["name"]) == environment


def test_what_a_file_cannot_hold_stays_in_aws(hand: Account) -> None:
    """A variable with a control character, or a name that the specs refuse, and a parameter without its ARN: the field
    is not stated, and the service is imported all the same."""
    hand.service(
        "web",
        executionRoleArn=hand.role("ecsTaskExecutionRole"),
        container={
            "environment": [{"name": "BELL", "value": "\x07"}],
            "secrets": [{"name": "KEY", "valueFrom": "key"}],
            "command": ["echo", "\x1b[1m"],
        },
    )
    ran = hand.imported()
    assert ran.code == Exit.DONE, ran.out + ran.err
    document = hand.text("services/web.yaml")
    for field in ("environment", "secrets", "command"):
        assert f"# `{field}` is not stated, and stays as it is" in document
        assert f"\n      {field}:" not in document


def test_a_service_that_cannot_be_imported_is_left_out_with_the_reason(hand: Account) -> None:
    """The others are imported; if there is none, the command fails and writes nothing."""
    hand.service("web")
    hand.client("ecs").create_service(
        cluster="prod", serviceName="by-hand", desiredCount=0, deploymentController={"type": "EXTERNAL"}
    )
    ran = hand.imported("--service", "by-hand")
    assert (ran.code, hand.folder.exists()) == (Exit.FAILED, False)
    assert "EXTERNAL" in ran.err
    result = json.loads(hand.imported("-o", "json").out)
    assert result["services"] == ["web"]
    assert [one["service"] for one in result["left_out"]] == ["by-hand"]


def test_a_folder_with_specs_is_not_touched(hand: Account) -> None:
    """Nothing is asked of AWS, and nothing is overwritten."""
    hand.folder.mkdir()
    (hand.folder / "mine.yaml").write_text("kind: Stack\n")
    hand.stage.transport.sent.clear()
    ran = hand.imported("-o", "json")
    assert (ran.code, dict(hand.stage.transport.sent)) == (Exit.BLOCKED, {})
    assert json.loads(ran.out)["refusals"][0]["code"] == "file-exists"
    assert [path.name for path in hand.folder.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [(("--service", "nobody"), "nobody"), (("--cluster", "elsewhere", "--name", "x"), "elsewhere")],
)
def test_what_does_not_exist_is_said(hand: Account, arguments: tuple[Any, ...], missing: str) -> None:
    """A service or a cluster that is not there is an error, and no folder is made."""
    hand.service("web")
    ran = hand.imported(*arguments)
    assert (ran.code, hand.folder.exists()) == (Exit.FAILED, False)
    assert missing in ran.err
