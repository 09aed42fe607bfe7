"""Clusters, roles, subnets and security groups that others own: used if they are there and fit, never written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.controller.until import has_ended
from reconciler.iam.statements import document, statements
from reconciler.local.inprocess import laptop_session
from reconciler.model.plan import Plan, RefusalCode
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.reconcile.observe import StackId
from tests.harness.emulated_stack import EmulatedStack
from tests.harness.forked_runs import serial
from tests.harness.platform import Platform

ROLE = "arn:aws:iam::123456789012:role/platform/tasks"
DOCUMENTS = """
kind: Stack
name: my-app
region: us-west-2
---
kind: Service
name: web
cluster: {cluster}
placement: {{subnets: [{subnet}], security_groups: [{group}], public_ip: true}}
task:
  cpu: 256
  memory: 512
  role: {role}
  containers: {{app: {{image: "public.ecr.aws/nginx/nginx:1.27", port: 80}}}}
"""
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"},
         "Action": "sts:AssumeRole"}]}  # fmt: skip


@contextmanager
def stack(folder: Path, **fields: str) -> Iterator[tuple[EmulatedStack, Platform]]:
    with serial(), laptop_session() as laptop:
        platform = Platform(laptop)
        laptop.client("ecs").create_cluster(clusterName="shared")
        laptop.client("iam").create_role(
            Path="/platform/", RoleName="tasks", AssumeRolePolicyDocument=json.dumps(TRUST)
        )
        given = {"cluster": "{name: shared}", "subnet": platform.subnets[0], "group": platform.group, "role": ROLE}
        (folder / "specs.yaml").write_text(DOCUMENTS.format(**given | fields))
        yield EmulatedStack(laptop, folder=folder), platform


def planned(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def refused(stage: EmulatedStack) -> list[tuple[str, str, str]]:
    """Code, line and column, and reason of each refusal."""
    return [(one.code, one.where.partition("specs.yaml:")[2], one.because) for one in planned(stage).refusals]


@pytest.mark.parametrize("cluster", ["{name: shared}", "arn:aws:ecs:us-west-2:123456789012:cluster/shared"])
def test_a_service_runs_in_what_others_own(cluster: str, tmp_path: Path) -> None:
    with stack(tmp_path, cluster=cluster) as (stage, platform):
        clusters = stage.laptop.client("ecs").describe_clusters(clusters=["shared"], include=["TAGS"])["clusters"]
        before = platform.state(), clusters[0]["tags"]
        assert not stage.apply(has_ended).went_wrong
        assert (planned(stage).actions, planned(stage).refusals, planned(stage).warnings) == ((), (), ())
        clusters = stage.laptop.client("ecs").describe_clusters(clusters=["shared"], include=["TAGS"])["clusters"]
        assert (platform.state(), clusters[0]["tags"]) == before


@pytest.mark.parametrize(
    ("fields", "place", "because"),
    [
        ({"cluster": "{name: other}"}, "8:1", "the cluster other does not exist in this account and region"),
        (
            {"cluster": "arn:aws:ecs:us-west-2:123456789012:cluster/other"},
            "8:10",
            "the cluster other does not exist in this account and region",
        ),
        ({"role": ROLE.replace("tasks", "task")}, "13:9", f"the role {ROLE.replace('tasks', 'task')} does not exist"),
        (
            {"role": ROLE.replace("/platform", "")},
            "13:9",
            f"the role {ROLE.replace('/platform', '')} does not exist; the role of that name is {ROLE}",
        ),
        (
            {"subnet": "subnet-0123456789abcdef0"},
            "9:23",
            "the subnet subnet-0123456789abcdef0 does not exist in this account and region",
        ),
        (
            {"group": "sg-0123456789abcdef0"},
            None,
            "the security group sg-0123456789abcdef0 does not exist in this account and region",
        ),
    ],
)
def test_what_does_not_exist_is_refused_at_its_place(
    fields: dict[str, str], place: str | None, because: str, tmp_path: Path
) -> None:
    with stack(tmp_path, **fields) as (stage, _):
        ((code, where, found),) = refused(stage)
        assert (code, found) == (RefusalCode.MISSING, because)
        assert place in (None, where)


def test_a_security_group_of_another_vpc_is_refused(tmp_path: Path) -> None:
    with stack(tmp_path) as (stage, platform):
        ec2 = stage.laptop.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
        stage.change({platform.group: group})
        ((code, where, because),) = refused(stage)
        assert (code, because) == (RefusalCode.UNFIT, f"{group} is in {vpc}, which is not the VPC of web")
        assert where.startswith("9:")


def test_a_role_that_others_delete_is_told_and_stops_only_what_needs_it(tmp_path: Path) -> None:
    """While nothing has to change it is a warning; a new version, whose tasks would not start, is refused."""
    with stack(tmp_path) as (stage, _):
        assert not stage.apply(has_ended).went_wrong
        stage.laptop.client("iam").delete_role(RoleName="tasks")
        plan = planned(stage)
        assert (plan.actions, plan.refusals) == ((), ())
        assert [note.because for note in plan.warnings] == [f"the role {ROLE} does not exist"]
        stage.change({"nginx:1.27": "nginx:1.28"})
        assert {because for _, _, because in refused(stage)} == {f"the role {ROLE} does not exist"}


def test_the_operator_may_look_at_roles_outside_the_path_of_its_own(tmp_path: Path) -> None:
    with stack(tmp_path) as (stage, _):
        place = StackId("my-app", "123456789012", "us-west-2", role_path="/my-app/")
        found = document(statements(discover(), stage.desired_state.desired, (), place))
        (look,) = (one for one in found["Statement"] if one["Sid"] == "LookAtNamedRoles")
        assert (look["Action"], look["Resource"]) == (["iam:GetRole"], [ROLE])
