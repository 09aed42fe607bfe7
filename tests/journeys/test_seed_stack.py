"""The seed stack's whole life on moto: made, left alone, changed, destroyed. Put right: test_drift.py.

moto runs no tasks and checks no health, so what is rolled out here is ECS's own rolling deployment; blue/green has the
AWS emulator (tests/rollout_driver/test_driver.py, test_blue_green.py).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from reconciler.aws.retry import is_read
from tests.harness.account_snapshot import census, count, difference
from tests.harness.cli import recorded, run
from tests.harness.seed import PUBLIC, PUSHED, SEED, rolling_seed

REGION = "us-west-2"


@pytest.fixture
def account() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SEED, tmp_path / "specs"))


@pytest.fixture
def specs(tmp_path: Path) -> Path:
    return rolling_seed(tmp_path / "specs")


@pytest.fixture
def applied(account: None, specs: Path) -> Path:
    ran = run("apply", specs, "--auto-approve")
    assert ran.code == 0, ran.err
    return specs


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def test_apply_makes_everything_and_a_second_diff_writes_nothing(account: None, specs: Path) -> None:
    """One apply makes the whole stack; after it `diff` is empty, exits 0 and sends no write."""
    with recorded() as calls:
        assert run("apply", specs, "-y").code == 0
    writes = [call for call in calls if not is_read(call)]
    made = count(census())
    assert made["subnet"] - 4 == 3  # moto's default VPC has four
    assert (made["load-balancer"], made["target-group"], made["listener"]) == (1, 2, 2)
    assert (made["cluster"], made["service"], made["task"], made["repository"]) == (1, 1, 1, 1)
    assert len({str(call.params) for call in writes}) == len(writes), "a write was sent twice"
    with recorded() as calls:
        ran = run("diff", specs, "-o", "json")
    assert ran.code == 0, ran.out
    assert json.loads(ran.out)["actions"] == []
    assert [str(call) for call in calls if not is_read(call)] == []


@pytest.mark.slow
def test_a_blue_green_stack_is_as_quiet_before_anything_was_pushed(account: None, seed: Path) -> None:
    """Nothing can be deployed yet: that is said, and is no change that an apply could make."""
    assert run("apply", seed, "-y").code == 0
    with recorded() as calls:
        ran = run("diff", seed)
    assert ran.code == 0, ran.out
    assert "my-app-frontend:v1 has not been pushed yet" in ran.out
    assert [str(call) for call in calls if not is_read(call)] == []
    assert run("destroy", seed, "-y").code == 0


def test_no_read_is_sent_twice_in_a_pass(applied: Path) -> None:
    """One pass asks AWS for each thing once."""
    with recorded() as calls:
        run("diff", applied)
    keys = [f"{call} {json.dumps(call.params, sort_keys=True)}" for call in calls]
    assert sorted(keys) == sorted(set(keys))


def _push(tag: str) -> None:
    client("ecr").put_image(
        repositoryName="my-app-frontend",
        # moto draws the digest of an image without layers from a hundred
        imageManifest=json.dumps({"schemaVersion": 2, "config": {"digest": tag}, "layers": [{"digest": tag}]}),
        imageManifestMediaType="application/vnd.oci.image.manifest.v1+json",
        imageTag=tag,
    )


def test_destroy_leaves_the_account_as_it_was(account: None, specs: Path) -> None:
    """After apply and destroy the account holds what it held before; another stack in it is byte for byte the same."""
    other = Path(shutil.copytree(specs, specs.parent / "other"))
    rename = {"my-app": "decoy", "my-workspace": "decoy-net", "10.0.": "10.9."}
    for file in other.rglob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        for old, new in rename.items():
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
    ran = run("apply", other, "-y")
    assert ran.code == 0, ran.err
    before = census()
    assert run("apply", specs, "-y").code == 0
    assert difference(before, census())
    ran = run("destroy", specs, "-y")
    assert ran.code == 0, ran.err
    assert difference(before, census()) == {}
    assert run("diff", other).code == 0


@pytest.mark.slow
def test_a_new_image_tag_is_one_rollout(applied: Path) -> None:
    """Changing the tag changes the task definition and rolls the service, and nothing else."""
    for tag in ("v1", "v2"):
        _push(tag)
    file = applied / "services" / "frontend.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace(PUBLIC, PUSHED), encoding="utf-8")
    for _ in range(2):  # the one-off task of the first apply ends meanwhile, which the second one records
        assert run("apply", applied, "-y").code == 0
    assert run("diff", applied).code == 0
    file.write_text(file.read_text(encoding="utf-8").replace("tag: v1", "tag: v2"), encoding="utf-8")
    ran = run("diff", applied, "-o", "json")
    assert ran.code == 2
    assert [(action["verb"], action["address"]) for action in json.loads(ran.out)["actions"]] == [
        ("update", "task-definition/my-app-frontend"),
        ("roll", "service/my-app-frontend"),
    ]
    with recorded() as calls:
        assert run("apply", applied, "-y").code == 0
    writes = sorted(call.operation for call in calls if not is_read(call))
    assert writes == ["PutImage", "RegisterTaskDefinition", "TagResource", "TagResource", "UpdateService"], (
        "the image is tagged as in use, the revision says so, and the service that it was asked for"
    )
    assert run("diff", applied).code == 0


def test_an_image_that_was_never_pushed_blocks_the_new_version(applied: Path) -> None:
    """A tag that the registry does not have is refused at plan time: exit 5, reads only."""
    _push("v1")
    file = applied / "services" / "frontend.yaml"
    missing = PUSHED.replace("v1", "v9")
    file.write_text(file.read_text(encoding="utf-8").replace(PUBLIC, missing), encoding="utf-8")
    with recorded() as calls:
        ran = run("apply", applied, "-y")
    assert ran.code == 5
    assert "v9" in ran.err
    assert all(is_read(call) for call in calls)


def test_what_exists_without_our_tags_blocks_until_it_is_adopted(account: None, specs: Path) -> None:
    """A foreign cluster of our name: exit 5 and no write; `adopt: true` takes it over."""
    client("ecs").create_cluster(clusterName="my-app-cluster", tags=[{"key": "theirs", "value": "1"}])
    before = census()
    ran = run("apply", specs, "-y")
    assert ran.code == 5
    assert "adopt: true" in ran.err
    assert census() == before
    file = specs / "cluster.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("kind: Cluster", "kind: Cluster\nadopt: true"))
    ran = run("apply", specs, "-y")
    assert ran.code == 0, ran.err
    (cluster,) = client("ecs").describe_clusters(clusters=["my-app-cluster"], include=["TAGS"])["clusters"]
    tags = {tag["key"]: tag["value"] for tag in cluster["tags"]}
    assert tags["reconciler:stack"] == "my-app"
    assert tags["theirs"] == "1"


def test_another_account_is_refused_before_anything_is_read(account: None, specs: Path) -> None:
    """A Stack pinned to another account: exit 5, and nothing asked but who we are."""
    file = specs / "stack.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("region: us-west-2", 'region: us-west-2\naccount: "999999999999"'), encoding="utf-8")
    with recorded() as calls:
        ran = run("apply", specs, "-y")
    assert ran.code == 5
    assert [str(call) for call in calls] == ["sts.GetCallerIdentity"]


def test_a_plan_file_does_exactly_that_plan_or_refuses(account: None, specs: Path, tmp_path: Path) -> None:
    """`apply PLAN` refuses when the specs or the account moved, and otherwise does the plan without asking."""
    file = tmp_path / "plan.json"
    assert run("diff", specs, "--out", file).code == 2
    client("ecs").create_cluster(clusterName="somebody-elses")
    network = specs / "network.yaml"
    text = network.read_text(encoding="utf-8")
    network.write_text(text.replace("10.0.2.0/24", "10.0.3.0/24"), encoding="utf-8")
    ran = run("apply", file)
    assert (ran.code, "specs have changed" in ran.err) == (5, True)
    network.write_text(text, encoding="utf-8")
    boto3.client("logs", region_name=REGION).create_log_group(
        logGroupName="/ecs/my-app-hello",
        tags={"reconciler:stack": "my-app", "reconciler:address": "log-group/ecs/my-app-hello"},
    )
    ran = run("apply", file)
    assert (ran.code, "account has changed" in ran.err) == (5, True)
    client("logs").delete_log_group(logGroupName="/ecs/my-app-hello")
    assert run("apply", file).code == 0
    assert run("diff", specs).code == 0
    file.write_text("{}", encoding="utf-8")
    assert run("apply", file).code == 1


def test_nobody_to_ask_is_an_error_that_names_the_flag(account: None, specs: Path) -> None:
    """Without a terminal and without the flag nothing is written: exit 5, naming --auto-approve."""
    before = census()
    for command in ("apply", "destroy"):
        if command == "destroy":
            assert run("apply", specs, "-y").code == 0
            before = census()
        ran = run(command, specs)
        assert ran.code == 5
        assert "--auto-approve" in ran.err
        assert census() == before
