"""`export`: what Terraform and CloudFormation need to take over a stack, from the account as it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from reconciler.aws.retry import is_read
from reconciler.cli.output.exits import Exit
from reconciler.exporting.owned import unique
from reconciler.exporting.terraform import import_blocks
from reconciler.model.resource import Address, Observed
from reconciler.model.type_registry import discover
from reconciler.resources.log_group import LogGroupSpec
from tests.cli.cli_runner import Typed, onstage
from tests.harness.cli import recorded
from tests.harness.emulated_stack import EmulatedStack, emulated_stack

BLOCK = re.compile(r'import \{\n  to = (\w+)\.(\w+)\n  id = "([^"]+)"\n\}')


@pytest.fixture(scope="module")
def deployed() -> Iterator[tuple[EmulatedStack, Typed]]:
    with emulated_stack() as stage, onstage(stage) as typed:
        stage.serving()
        yield stage, typed


def test_each_resource_has_an_import_block(deployed: tuple[EmulatedStack, Typed], tmp_path: Path) -> None:
    """By Terraform's types and ids, parts of a resource included; nothing is written to AWS."""
    _, typed = deployed
    with recorded() as calls:
        ran = typed("export", "terraform", "--out", tmp_path)
    assert ran.code == Exit.DONE, ran.err
    assert {str(call) for call in calls if not is_read(call)} == set()
    blocks = BLOCK.findall((tmp_path / "imports.tf").read_text(encoding="utf-8"))
    ids = {(kind, name): identifier for kind, name, identifier in blocks}
    assert len(ids) == len(blocks)
    assert ids["aws_ecs_service", "my_app_frontend"] == "my-app-cluster/my-app-frontend"
    assert ids["aws_ecs_cluster", "my_app_cluster"] == "my-app-cluster"
    assert ids["aws_vpc", "my_workspace"].startswith("vpc-")
    assert ids["aws_ecr_lifecycle_policy", "my_app_frontend"] == "my-app-frontend"
    (association,) = {one for (kind, name), one in ids.items() if name.startswith("private1_a_subnet")}
    assert re.fullmatch(r"subnet-\w+/rtb-\w+", association)
    assert {kind for kind, _ in ids} >= {"aws_ecs_task_set", "aws_iam_role_policy", "aws_lb_listener", "aws_lb"}


def test_cloudformation_gets_a_template_that_retains_everything(
    deployed: tuple[EmulatedStack, Typed], tmp_path: Path
) -> None:
    """Each resource of the template is in the list, with the identifier that its type has."""
    _, typed = deployed
    assert typed("export", "cloudformation", "--out", tmp_path).code == Exit.DONE
    resources = yaml.safe_load((tmp_path / "template.yaml").read_text(encoding="utf-8"))["Resources"]
    listed = json.loads((tmp_path / "resources-to-import.json").read_text(encoding="utf-8"))
    assert {one["LogicalResourceId"]: one["ResourceType"] for one in listed} == {
        name: one["Type"] for name, one in resources.items()
    }
    assert all(one["DeletionPolicy"] == "Retain" for one in resources.values())
    assert all(name.isalnum() for name in resources)
    identifiers = {one["LogicalResourceId"]: one["ResourceIdentifier"] for one in listed}
    assert identifiers["ServiceMyAppFrontend"]["Cluster"] == "my-app-cluster"
    assert identifiers["RepositoryMyAppFrontend"] == {"RepositoryName": "my-app-frontend"}


def test_as_json_it_names_the_files_and_what_is_left(deployed: tuple[EmulatedStack, Typed], tmp_path: Path) -> None:
    _, typed = deployed
    document = json.loads(typed("export", "terraform", "--out", tmp_path, "-o", "json").out)
    assert document["files"] == [(tmp_path / "imports.tf").as_posix()]
    assert "service/my-app-frontend" in document["resources"]
    left = {one["address"].partition("/")[0] for one in document["left_behind"]}
    assert left == {"security-group-rules", "task"}


def test_a_file_that_exists_stays(deployed: tuple[EmulatedStack, Typed], tmp_path: Path) -> None:
    _, typed = deployed
    (tmp_path / "imports.tf").write_text("mine", encoding="utf-8")
    assert typed("export", "terraform", "--out", tmp_path).code == Exit.BLOCKED
    assert (tmp_path / "imports.tf").read_text(encoding="utf-8") == "mine"


def test_a_stack_that_owns_nothing_is_an_error(tmp_path: Path) -> None:
    with emulated_stack() as stage, onstage(stage) as typed:
        assert typed("export", "terraform", "--out", tmp_path / "out").code == Exit.FAILED
    assert not (tmp_path / "out").exists()


def test_names_of_one_type_differ_and_ids_begin_no_template() -> None:
    """Two names that become the same get a number; `${` is text."""
    found = [Observed(Address("log-group", name), "/a${b}", LogGroupSpec(name=name)) for name in ("a-b", "a_b", "1")]
    text = import_blocks(discover(), found, "shop", "us-west-2")
    assert re.findall(r"to = \w+\.(\w+)", text) == ["a_b", "a_b2", "_1"]
    assert 'id = "/a$${b}"' in text
    assert unique("a", {"a", "a2"}) == "a3"
