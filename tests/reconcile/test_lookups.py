"""Values that others publish: looked up when a plan is made, shown with their source, and a change like any other."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.cli.output.values import change_text
from reconciler.controller.until import has_ended
from reconciler.iam.statements import document, statements
from reconciler.local.inprocess import laptop_session
from reconciler.model.plan import Plan, RefusalCode
from reconciler.model.resource import ResourceHealth
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.resources.lookup import Lookup, LookupSpec
from tests.harness.emulated_stack import EmulatedStack
from tests.harness.forked_runs import serial
from tests.harness.platform import PRODUCTION, Platform
from tests.laws.example import wish
from tests.resources.talk import Talk, scope
from tests.spec import folder

DOCUMENTS = """
kind: Stack
name: my-app
region: us-west-2
---
kind: Cluster
name: prod
---
kind: Service
name: web
cluster: prod
placement:
  subnets: [{lookup: ssm:/net/subnet}]
  security_groups: [{lookup: ssm:/net/group}]
  public_ip: true
task:
  cpu: 256
  memory: 512
  containers:
    app:
      image: "public.ecr.aws/nginx/nginx:1.27"
      port: 80
      environment: {QUEUE: {lookup: ssm:/queue}, PLAIN: "1"}
traffic:
  load_balancer: {lookup: ssm:/net/balancer}
  listener: {lookup: ssm:/net/listener}
  container: app
  target_groups: [web]
  match: {path: /web, priority: 30}
"""


@contextmanager
def stack(tmp_path: Path) -> Iterator[tuple[EmulatedStack, Platform]]:
    with serial(), laptop_session() as laptop:
        platform = Platform(laptop)
        (tmp_path / "specs.yaml").write_text(DOCUMENTS)
        stage = EmulatedStack(laptop, folder=tmp_path)
        publish(stage, "/net/subnet", platform.subnets[0])
        publish(stage, "/net/group", platform.group)
        publish(stage, "/net/balancer", platform.balancer)
        publish(stage, "/net/listener", platform.listeners[PRODUCTION])
        publish(stage, "/queue", "first")
        yield stage, platform


def publish(stage: EmulatedStack, name: str, value: str, sort: str = "String") -> None:
    client = stage.laptop.client("ssm")
    if client.get_parameters(Names=[name])["Parameters"]:
        client.delete_parameter(Name=name)
    client.put_parameter(Name=name, Value=value, Type=sort)


def planned(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def environment(stage: EmulatedStack) -> dict[str, str]:
    answer = stage.laptop.client("ecs").describe_task_definition(taskDefinition="web")
    (container,) = answer["taskDefinition"]["containerDefinitions"]
    return {one["name"]: one["value"] for one in container["environment"]}


def test_a_value_takes_the_place_of_its_lookup_and_a_changed_one_starts_new_tasks(tmp_path: Path) -> None:
    with stack(tmp_path) as (stage, platform):
        assert not stage.apply(has_ended).went_wrong
        assert environment(stage) == {"QUEUE": "first", "PLAIN": "1"}
        assert "30" in platform.rules(PRODUCTION)
        assert (planned(stage).actions, planned(stage).refusals) == ((), ())

        publish(stage, "/queue", "second")
        plan = planned(stage)
        (change,) = (
            change for action in plan.actions for change in action.changes if action.address.kind == "task-definition"
        )
        assert change_text(change, plan.names, "→").endswith("QUEUE first → second (lookup/ssm:/queue)")
        assert not stage.apply(has_ended).went_wrong
        assert environment(stage)["QUEUE"] == "second"
        assert planned(stage).actions == ()


@pytest.mark.parametrize(
    ("name", "value", "sort", "line", "because"),
    [
        ("/queue", "", "", 23, "the lookup ssm:/queue names a parameter that does not exist"),
        (
            "/queue",
            "x",
            "SecureString",
            23,
            "the lookup ssm:/queue names a SecureString, which would be shown in plain text; "
            "use `secrets` of the container",
        ),
        ("/queue", "a,b", "StringList", 23, "the lookup ssm:/queue names a StringList, and one value is needed"),
        ("/net/subnet", "vpc-1", "String", 13, "'vpc-1' is no id of a subnet"),
        (
            "/net/listener",
            "8443",
            "String",
            26,
            "the load balancer has no listener on port 8443; it has listeners on 443, 9000",
        ),
        ("/net/listener", "", "", 26, "the lookup ssm:/net/listener names a parameter that does not exist"),
    ],
)
def test_what_cannot_be_used_is_refused_at_its_place(
    name: str, value: str, sort: str, line: int, because: str, tmp_path: Path
) -> None:
    """Before anything is made."""
    with stack(tmp_path) as (stage, _):
        if sort:
            publish(stage, name, value, sort)
        else:
            stage.laptop.client("ssm").delete_parameter(Name=name)
        (refusal,) = planned(stage).refusals
        assert (refusal.code, refusal.because) == (RefusalCode.MISSING, because)
        assert refusal.where.split("specs.yaml:")[1].split(":")[0] == str(line)


def test_the_operator_may_read_what_the_specs_name_and_no_other_parameter(tmp_path: Path) -> None:
    with stack(tmp_path) as (stage, _):
        target = stage.desired_state
        found = document(statements(discover(), target.desired, target.deliveries, target.place))["Statement"]
        (one,) = (one for one in found if "ssm:GetParameters" in one["Action"])
        arn = "arn:aws:ssm:us-west-2:123456789012:parameter"
        assert one["Action"] == ["s3:GetObject", "ssm:GetParameters"]
        assert sorted(one["Resource"]) == [
            f"{arn}/net/balancer",
            f"{arn}/net/group",
            f"{arn}/net/listener",
            f"{arn}/net/subnet",
            f"{arn}/queue",
        ]


def observed(talk: Talk, source: str) -> Any:
    (found,) = talk.hold(Lookup().observe(scope(wish(f"lookup/{source}", LookupSpec(source=source)))))
    return found


def test_an_export_of_cloudformation_is_looked_up() -> None:
    exports = {"Exports": [{"Name": "Network:Vpc", "Value": "vpc-1"}]}
    assert observed(Talk(ListExports=exports), "cloudformation:Network:Vpc").id == "vpc-1"
    missing = observed(Talk(ListExports=exports), "cloudformation:Other")
    assert (missing.health, missing.reason) == (
        ResourceHealth.DEGRADED,
        "the lookup cloudformation:Other names an export that no stack has",
    )


def test_without_permission_the_reference_is_refused() -> None:
    denied = errors.Denied("ssm.GetParameters: AccessDeniedException: not authorized", code="AccessDeniedException")
    found = observed(Talk(GetParameters=denied), "ssm:/queue")
    assert found.health is ResourceHealth.DEGRADED
    assert found.reason.startswith("the lookup ssm:/queue may not be read: ")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("environment: {A: {lookup: vault:x}}", "E1109 case.yaml 6:44 vault:x"),
        ("environment: {A: {look: ssm:/x}}", "E1105 case.yaml 6:35 A"),
    ],
)
def test_a_lookup_that_is_none_is_refused_without_aws(text: str, told: str) -> None:
    found = folder.lay(f"kind: Service\nname: my-app-frontend\ntask:\n  containers:\n    frontend:\n      {text}\n")
    assert [one.rule for one in found.diagnostics] == [told.split()[0]]


STATE = {
    "version": 4,
    "outputs": {
        "vpc": {"value": "vpc-1", "type": "string"},
        "count": {"value": 3, "type": "number"},
        "on": {"value": True, "type": "bool"},
        "zones": {"value": ["a"], "type": ["list", "string"]},
        "password": {"value": "geheim", "type": "string", "sensitive": True},
    },
    "resources": [],
}


@pytest.mark.parametrize(
    ("output", "value", "because"),
    [
        ("vpc", "vpc-1", ""),
        ("count", "3", ""),
        ("on", "true", ""),
        ("zones", "", "names an output that is no single value"),
        ("other", "", "names an output that the state does not have"),
        (
            "password",
            "",
            "names a sensitive output, which would be shown in plain text; use `secrets` of the container",
        ),
    ],
)
def test_an_output_of_terraform_is_looked_up_in_its_state(output: str, value: str, because: str) -> None:
    source = f"terraform:s3://states/network/terraform.tfstate#{output}"
    found = observed(Talk(GetObject={"Body": json.dumps(STATE).encode()}), source)
    if because:
        assert (found.health, found.reason) == (ResourceHealth.DEGRADED, f"the lookup {source} {because}")
        assert "geheim" not in str(found)
    else:
        assert (found.id, found.health) == (value, ResourceHealth.READY)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b'{"outputs": []}'])
def test_what_is_no_state_of_terraform_is_refused(body: bytes) -> None:
    source = "terraform:s3://states/a#b"
    found = observed(Talk(GetObject={"Body": body}), source)
    assert found.reason == f"the lookup {source} names an object that is no state of Terraform"


def test_state_in_a_bucket_is_read_whole(tmp_path: Path) -> None:
    """Over the product's own transport; the operator may read that object."""
    with stack(tmp_path) as (stage, _):
        s3 = stage.laptop.client("s3")
        s3.create_bucket(Bucket="states", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
        body = json.dumps(STATE).encode()
        checksum = base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        s3.put_object(Bucket="states", Key="network/a.tfstate", Body=body, ChecksumCRC32=checksum)
        stage.change({"{lookup: ssm:/queue}": '{lookup: "terraform:s3://states/network/a.tfstate#vpc"}'})
        assert not stage.apply(has_ended).went_wrong
        assert environment(stage)["QUEUE"] == "vpc-1"
        target = stage.desired_state
        found = document(statements(discover(), target.desired, target.deliveries, target.place))["Statement"]
        (one,) = (one for one in found if "s3:GetObject" in one["Action"])
        assert "arn:aws:s3:::states/network/a.tfstate" in one["Resource"]
        stage.change({"network/a.tfstate": "network/b.tfstate"})
        (refusal,) = planned(stage).refusals
        assert refusal.because.endswith("names a state that does not exist")
