"""An account that was made by hand, as with the AWS CLI, for import: one network, a cluster, and services in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from reconciler import errors
from reconciler.model.resource import Call
from tests.harness.cli import Ran, run
from tests.harness.emulated_stack import EmulatedStack, InProcess, StageClock, emulated_stack

REGION = "us-west-2"
NOTHING = "kind: Stack\nname: nothing\nregion: us-west-2\n---\nkind: Cluster\nname: nothing\n"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
TAGS_ONLY = frozenset({"AddTags", "CreateTags", "TagResource", "TagRole", "UntagResource"})
READS = ("Describe", "Get", "List", "BatchGet")


@dataclass(slots=True)
class Account:
    """`listed` are the resources that CloudFormation's stacks list: physical id → name of the stack. `retained` are
    those that a stack does not manage any more, although it shows them."""

    stage: EmulatedStack
    folder: Path
    listed: dict[str, str] = field(default_factory=dict)
    retained: set[str] = field(default_factory=set)
    vpc: str = ""
    subnets: list[str] = field(default_factory=list)
    group: str = ""

    def client(self, service: str) -> Any:
        return self.stage.laptop.client(service)

    def network(self) -> None:
        ec2 = self.client("ec2")
        self.vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)
        for cidr, zone in (("10.0.0.0/24", "us-west-2a"), ("10.0.1.0/24", "us-west-2c")):
            made = ec2.create_subnet(VpcId=self.vpc, CidrBlock=cidr, AvailabilityZone=zone)
            self.subnets.append(made["Subnet"]["SubnetId"])
        self.group = ec2.create_security_group(VpcId=self.vpc, GroupName="app", Description="by hand")["GroupId"]

    def cluster(self, name: str = "prod", **fields: Any) -> None:
        self.client("ecs").create_cluster(clusterName=name, **fields)

    def role(self, name: str) -> str:
        made = self.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        arn: str = made["Role"]["Arn"]
        return arn

    def service(self, name: str, *, cluster: str = "prod", container: Any = None, **fields: Any) -> str:
        ecs = self.client("ecs")
        task = {key: fields.pop(key) for key in ("executionRoleArn", "taskRoleArn") if key in fields}
        definition = ecs.register_task_definition(
            family=name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[{"name": "app", "image": "public.ecr.aws/nginx/nginx:1.27", **(container or {})}],
            **task,
        )["taskDefinition"]["taskDefinitionArn"]
        network = {"subnets": self.subnets, "securityGroups": [self.group], "assignPublicIp": "ENABLED"}
        made = ecs.create_service(
            cluster=cluster,
            serviceName=name,
            taskDefinition=definition,
            **{"desiredCount": 1, "launchType": "FARGATE", **fields},
            networkConfiguration={"awsvpcConfiguration": network},
        )
        arn: str = made["service"]["serviceArn"]
        return arn

    def deployments(self, service: str, cluster: str = "prod") -> list[tuple[str, str]]:
        """Status and state of each."""
        (found,) = self.client("ecs").describe_services(cluster=cluster, services=[service])["services"]
        return [(one["status"], one["rolloutState"]) for one in found["deployments"]]

    def balancer(self, name: str, *groups: str, port: int = 80, **fields: Any) -> tuple[str, list[str]]:
        """A load balancer whose listener sends everything to the first target group, and /NAME/* to the others."""
        elb = self.client("elbv2")
        made = elb.create_load_balancer(Name=name, Subnets=self.subnets, SecurityGroups=[self.group])
        arn: str = made["LoadBalancers"][0]["LoadBalancerArn"]
        found: list[str] = []
        for group in groups:
            one = elb.create_target_group(
                Name=group, Protocol="HTTP", Port=80, VpcId=self.vpc, TargetType="ip", HealthCheckPath=f"/{group}"
            )
            found.append(one["TargetGroups"][0]["TargetGroupArn"])
        listener = elb.create_listener(
            LoadBalancerArn=arn,
            Protocol="HTTP",
            Port=port,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": found[0]}],
        )["Listeners"][0]["ListenerArn"]
        for priority, (group, target) in enumerate(zip(groups[1:], found[1:], strict=True), 1):
            elb.create_rule(
                ListenerArn=listener,
                Priority=priority,
                Conditions=[{"Field": "path-pattern", "PathPatternConfig": {"Values": [f"/{group}/*"]}}],
                Actions=[{"Type": "forward", "TargetGroupArn": target}],
            )
        return arn, found

    def imported(self, *arguments: object, cluster: str = "prod") -> Ran:
        """What `reconciler import` prints, as typed."""
        where = ["--cluster", cluster] if "--all" not in arguments else []
        return run("import", *where, "--region", REGION, "--out", self.folder, *arguments)

    def text(self, path: str) -> str:
        return (self.folder / path).read_text()

    def everything(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.rglob("*.yaml")))

    def opened(self) -> EmulatedStack:
        """The stack of what was written."""
        return EmulatedStack(self.stage.laptop, folder=self.folder)


class _Scripted(InProcess):
    """The transport, with CloudFormation in front of it, which the emulator lacks."""

    listed: dict[str, str] | None = None
    retained: frozenset[str] | set[str] = frozenset()

    def perform(self, call: Call) -> dict[str, Any]:
        if call.service != "cloudformation" or self.listed is None:
            return InProcess.perform(self, call)
        self.sent[call.operation] += 1
        physical = call.params["PhysicalResourceId"]
        if physical not in self.listed:
            message = f"Stack for {physical} does not exist"
            raise errors.Invalid(message, call=str(call), code="ValidationError")
        stack = self.listed[physical]
        status = "DELETE_SKIPPED" if physical in self.retained else "CREATE_COMPLETE"
        row = {
            "StackName": stack,
            "LogicalResourceId": "Made",
            "PhysicalResourceId": physical,
            "ResourceStatus": status,
        }
        return {"StackResources": [row]}


@contextmanager
def account(tmp_path: Path, *, cloudformation: bool = False) -> Iterator[Account]:
    """An empty account. `cloudformation`: CloudFormation answers, by `listed`."""
    base = tmp_path / "base"
    base.mkdir()
    (base / "stack.yaml").write_text(NOTHING)
    with emulated_stack(folder=base) as stage:
        transport = _Scripted(stage.laptop)
        found = Account(stage, tmp_path / "specs")
        transport.listed = found.listed if cloudformation else None
        transport.retained = found.retained
        stage.transport = transport
        with (
            patch("reconciler.aws.session.Boto", lambda *_, **__: stage.transport),
            patch("reconciler.cli.session.clock_of", lambda _: StageClock(stage.laptop)),
        ):
            yield found


def writes(sent: Any) -> dict[str, int]:
    """The calls of a counter that change something, by name."""
    return {name: count for name, count in sorted(sent.items()) if not name.startswith(READS)}
