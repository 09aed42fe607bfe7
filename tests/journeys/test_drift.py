"""Somebody changes one thing by hand: it shows as exactly that, is put back, and then all is quiet again.

On moto alone. Each test leaves the account as it found it, so one account serves for all; making it is what takes time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.harness.cli import run
from tests.harness.seed import rolling_seed

REGION = "us-west-2"
SNEAKED = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}
)


class Account:
    """Where the stack stands as its specs say; made when first wanted, and anew after a test that did not put back."""

    def __init__(self, place: Path) -> None:
        self.place, self.made, self.whole = place, 0, False
        self.moto = ExitStack()

    def standing(self) -> Path:
        """The folder of its specs."""
        if not self.whole:
            self.moto.close()
            self.moto.enter_context(mock_aws())
            self.made += 1
            ran = run("apply", rolling_seed(self.place / str(self.made)), "-y")
            assert ran.code == 0, ran.err
        return self.place / str(self.made)


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    found = Account(tmp_path_factory.mktemp("specs"))
    with found.moto:
        yield found


def client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def _tag(kind: str) -> dict[str, str]:
    return {"Name": "tag:reconciler:address", "Values": [kind]}  # type: ignore[dict-item]


def _id(operation: str, key: str, identifier: str, address: str) -> str:
    answer = getattr(client("ec2"), operation)(Filters=[_tag(address)])
    return answer[key][0][identifier]  # type: ignore[no-any-return]


def _open_ssh() -> None:
    group = _id("describe_security_groups", "SecurityGroups", "GroupId", "security-group/my-app-lb-sg")
    client("ec2").authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )


def _close_http() -> None:
    group = _id("describe_security_groups", "SecurityGroups", "GroupId", "security-group/my-app-lb-sg")
    client("ec2").revoke_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="0.0.0.0/0"
    )


def _drop_route() -> None:
    table = _id("describe_route_tables", "RouteTables", "RouteTableId", "route-table/public1-a")
    client("ec2").delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")


def _no_hostnames() -> None:
    vpc = _id("describe_vpcs", "Vpcs", "VpcId", "vpc/my-workspace")
    client("ec2").modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})


def _detach() -> None:
    (gateway,) = client("ec2").describe_internet_gateways(Filters=[_tag("internet-gateway/my-workspace")])[
        "InternetGateways"
    ]
    client("ec2").detach_internet_gateway(
        InternetGatewayId=gateway["InternetGatewayId"], VpcId=gateway["Attachments"][0]["VpcId"]
    )


def _group(name: str) -> str:
    return client("elbv2").describe_target_groups(Names=[name])["TargetGroups"][0]["TargetGroupArn"]  # type: ignore[no-any-return]


def _health_path() -> None:
    client("elbv2").modify_target_group(TargetGroupArn=_group("my-app-frontend-tg-1"), HealthCheckPath="/other")


def _delay() -> None:
    client("elbv2").modify_target_group_attributes(
        TargetGroupArn=_group("my-app-frontend-tg-2"),
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "77"}],
    )


def _flip() -> None:
    (balancer,) = client("elbv2").describe_load_balancers()["LoadBalancers"]
    listeners = client("elbv2").describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    (listener,) = [listener for listener in listeners if listener["Port"] == 80]
    groups = [
        {"TargetGroupArn": _group("my-app-frontend-tg-1"), "Weight": 0},
        {"TargetGroupArn": _group("my-app-frontend-tg-2"), "Weight": 100},
    ]
    client("elbv2").modify_listener(
        ListenerArn=listener["ListenerArn"],
        DefaultActions=[{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}],
    )


def _retention() -> None:
    client("logs").put_retention_policy(logGroupName="/ecs/my-app-frontend", retentionInDays=1)


def _mutable() -> None:
    client("ecr").put_image_tag_mutability(repositoryName="my-app-frontend", imageTagMutability="MUTABLE")


def _no_scan() -> None:
    client("ecr").put_image_scanning_configuration(
        repositoryName="my-app-frontend", imageScanningConfiguration={"scanOnPush": False}
    )


def _lifecycle() -> None:
    client("ecr").delete_lifecycle_policy(repositoryName="my-app-frontend")


def _no_tasks() -> None:
    client("ecs").update_service(cluster="my-app-cluster", service="my-app-frontend", desiredCount=0)


def _other_policy() -> None:
    client("iam").put_role_policy(RoleName="my-app-frontend-execution", PolicyName="sneaked-in", PolicyDocument=SNEAKED)


def _insights() -> None:
    client("ecs").update_cluster(
        cluster="my-app-cluster", settings=[{"name": "containerInsights", "value": "disabled"}]
    )


def _team() -> None:
    vpc = _id("describe_vpcs", "Vpcs", "VpcId", "vpc/my-workspace")
    client("ec2").create_tags(Resources=[vpc], Tags=[{"Key": "team", "Value": "somebody-else"}])


DRIFTS: list[tuple[Callable[[], None], str, list[str]]] = [
    (_open_ssh, "security-group-rules/my-app-lb-sg", ["ingress.tcp 22 from 0.0.0.0/0"]),
    (_close_http, "security-group-rules/my-app-lb-sg", ["ingress.tcp 80 from 0.0.0.0/0"]),
    (_drop_route, "route-table/public1-a", ["routes.0.0.0.0/0"]),
    (_no_hostnames, "vpc/my-workspace", ["dns_hostnames"]),
    (_detach, "internet-gateway/my-workspace", ["vpc"]),
    (_health_path, "target-group/my-app-frontend-tg-1", ["health_check.path"]),
    (_delay, "target-group/my-app-frontend-tg-2", ["attributes.deregistration_delay.timeout_seconds"]),
    (
        _flip,
        "listener/my-app-alb-production",
        ["default_action.forward.TG1.weight", "default_action.forward.TG2.weight"],
    ),
    (_retention, "log-group/ecs/my-app-frontend", ["retention_days"]),
    (_mutable, "repository/my-app-frontend", ["immutable_tags"]),
    (_no_scan, "repository/my-app-frontend", ["scan_on_push"]),
    (_lifecycle, "repository/my-app-frontend", ["lifecycle.rules"]),
    (_no_tasks, "service/my-app-frontend", ["desired_count"]),
    (_other_policy, "role/my-app-frontend-execution", ["policies.sneaked-in"]),
    (_insights, "cluster/my-app-cluster", ["container_insights"]),
    (_team, "vpc/my-workspace", ["tags.team"]),
]


NOT_ALL = [pytest.param(*one, marks=[pytest.mark.slow] if number % 3 else []) for number, one in enumerate(DRIFTS)]


@pytest.mark.parametrize(("drift", "address", "paths"), NOT_ALL, ids=lambda value: getattr(value, "__name__", None))
def test_drift_shows_as_exactly_its_path_and_is_put_back(
    account: Account, drift: Callable[[], None], address: str, paths: list[str]
) -> None:
    """A field changed out of band is the only difference, at its own path; apply puts it back, and then it is quiet."""
    specs = account.standing()
    account.whole = False
    drift()
    ran = run("diff", specs, "-o", "json")
    assert ran.code == 2, ran.out + ran.err
    (action,) = json.loads(ran.out)["actions"]
    assert action["address"] == address
    seen = [".".join(change["path"]) for change in action["changes"]]
    seen += [f"tags.{key}" for key in action["tags"]["put"]]
    groups = {_group(f"my-app-frontend-tg-{number}"): f"TG{number}" for number in (1, 2)}
    for arn, short in groups.items():
        seen = [path.replace(arn, short) for path in seen]
    assert sorted(seen) == sorted(paths)
    assert run("apply", specs, "-y").code == 0
    assert run("diff", specs).code == 0
    account.whole = True
