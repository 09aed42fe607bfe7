"""What most of these tests need: a network, a load balancer with two target groups, a cluster, and words for them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciler.local.inprocess import Laptop

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": ["ecs-tasks.amazonaws.com", "ecs.amazonaws.com", "codedeploy.amazonaws.com"]},
            "Action": "sts:AssumeRole",
        }
    ],
}


@contextlib.contextmanager
def refused(code: str, words: str = "") -> Iterator[None]:
    """AWS answers with this error code, and these words are in its message."""
    with pytest.raises(ClientError) as caught:
        yield
    assert caught.value.response["Error"]["Code"] == code, caught.value
    assert words in caught.value.response["Error"]["Message"], caught.value


class Stage:
    """A stack on an AWS emulator, built piece by piece as it is asked for."""

    def __init__(self, laptop: Laptop, region: str = "us-west-2") -> None:
        self.laptop, self.region = laptop, region
        self.ec2, self.elb, self.ecs = (laptop.client(name, region=region) for name in ("ec2", "elbv2", "ecs"))
        self.iam = laptop.client("iam")
        self.advance = laptop.advance

    # ---- network ----------------------------------------------------------------------------------------------------

    def network(self) -> Stage:
        self.vpc = self.ec2.create_vpc(CidrBlock="10.0.0.0/20")["Vpc"]["VpcId"]
        self.subnets = [self.subnet(f"10.0.{number}.0/24", zone) for number, zone in ((1, "a"), (2, "c"))]
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc)
        self.gateway = gateway
        table = self.ec2.create_route_table(VpcId=self.vpc)["RouteTable"]["RouteTableId"]
        self.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        for subnet in self.subnets:
            self.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        self.table = table
        self.group = self.security_group("web")
        return self

    def subnet(self, cidr: str, zone: str) -> str:
        made = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock=cidr, AvailabilityZone=f"{self.region}{zone}")
        return str(made["Subnet"]["SubnetId"])

    def security_group(self, name: str) -> str:
        return str(self.ec2.create_security_group(GroupName=name, Description=name, VpcId=self.vpc)["GroupId"])

    # ---- load balancer ----------------------------------------------------------------------------------------------

    def load_balancer(self) -> Stage:
        """`:80` and `:9000`, both naming both groups: production all blue, test all green."""
        made = self.elb.create_load_balancer(Name="alb", Subnets=self.subnets, SecurityGroups=[self.group])
        self.alb = made["LoadBalancers"][0]["LoadBalancerArn"]
        self.blue, self.green = self.target_group("blue"), self.target_group("green")
        self.production = self.listener(80, {self.blue: 100, self.green: 0})
        self.test = self.listener(9000, {self.blue: 0, self.green: 100})
        return self

    def target_group(self, name: str, **changes: Any) -> str:
        settings: dict[str, Any] = {
            "Name": name,
            "Protocol": "HTTP",
            "Port": 80,
            "VpcId": self.vpc,
            "TargetType": "ip",
            "HealthCheckIntervalSeconds": 10,
            "HealthCheckTimeoutSeconds": 5,
            "HealthyThresholdCount": 2,
            "UnhealthyThresholdCount": 3,
            **changes,
        }
        arn = str(self.elb.create_target_group(**settings)["TargetGroups"][0]["TargetGroupArn"])
        self.elb.modify_target_group_attributes(
            TargetGroupArn=arn, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}]
        )
        return arn

    def listener(self, port: int, weights: dict[str, int]) -> str:
        made = self.elb.create_listener(
            LoadBalancerArn=self.alb, Protocol="HTTP", Port=port, DefaultActions=[forward(weights)]
        )
        return str(made["Listeners"][0]["ListenerArn"])

    def weights(self, listener: str) -> dict[str, int]:
        actions = self.elb.describe_listeners(ListenerArns=[listener])["Listeners"][0]["DefaultActions"]
        return {item["TargetGroupArn"]: item["Weight"] for item in actions[0]["ForwardConfig"]["TargetGroups"]}

    def default_rule(self, listener: str) -> str:
        rules = self.elb.describe_rules(ListenerArn=listener)["Rules"]
        return str(next(rule["RuleArn"] for rule in rules if rule["IsDefault"]))

    def health(self, group: str) -> list[str]:
        rows = self.elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return sorted(row["TargetHealth"]["State"] for row in rows)

    # ---- ECS --------------------------------------------------------------------------------------------------------

    def cluster(self) -> Stage:
        self.ecs.create_cluster(clusterName="demo", capacityProviders=["FARGATE", "FARGATE_SPOT"])
        return self

    def role(self, name: str = "web-role") -> str:
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        return str(made["Role"]["Arn"])

    def definition(self, image: str = "web:v1", family: str = "web", **changes: Any) -> str:
        """A new revision; `container` changes are merged into its one container."""
        container = {
            "name": "web",
            "image": image,
            "portMappings": [{"containerPort": 80}],
            **changes.pop("container", {}),
        }
        made = self.ecs.register_task_definition(
            **{
                "family": family,
                "networkMode": "awsvpc",
                "requiresCompatibilities": ["FARGATE"],
                "cpu": "256",
                "memory": "512",
                "containerDefinitions": [container],
                **changes,
            }
        )
        return str(made["taskDefinition"]["taskDefinitionArn"])

    @property
    def where(self) -> dict[str, Any]:
        return {
            "awsvpcConfiguration": {
                "subnets": self.subnets,
                "securityGroups": [self.group],
                "assignPublicIp": "ENABLED",
            }
        }

    def behind(self, group: str) -> list[dict[str, Any]]:
        return [{"targetGroupArn": group, "containerName": "web", "containerPort": 80}]

    def service(self, name: str = "web", **changes: Any) -> dict[str, Any]:
        settings: dict[str, Any] = {
            "cluster": "demo",
            "serviceName": name,
            "taskDefinition": "web",
            "desiredCount": 2,
            "launchType": "FARGATE",
            "networkConfiguration": self.where,
            **changes,
        }
        kept = {key: value for key, value in settings.items() if value is not None}
        made: dict[str, Any] = self.ecs.create_service(**kept)["service"]
        return made

    def update(self, **changes: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.ecs.update_service(cluster="demo", **{"service": "web", **changes})["service"]
        return made

    def seen(self, name: str = "web") -> dict[str, Any]:
        found: dict[str, Any] = self.ecs.describe_services(cluster="demo", services=[name])["services"][0]
        return found

    def deployments(self, name: str = "web") -> list[tuple[str, str, str, int]]:
        """(status, revision of the task definition, rolloutState, runningCount), newest first."""
        return [
            (
                item["status"],
                item["taskDefinition"].rpartition("/")[2],
                item["rolloutState"],
                item["runningCount"],
            )
            for item in self.seen(name)["deployments"]
        ]

    def messages(self, name: str = "web") -> list[str]:
        """Oldest first."""
        return [event["message"] for event in reversed(self.seen(name)["events"])]

    def tasks(self, **filters: Any) -> list[dict[str, Any]]:
        arns = self.ecs.list_tasks(cluster="demo", **filters)["taskArns"]
        if not arns:
            return []
        found: list[dict[str, Any]] = self.ecs.describe_tasks(cluster="demo", tasks=arns)["tasks"]
        return found

    def external(self, **changes: Any) -> dict[str, Any]:
        """A service whose deployments are ours to make."""
        return self.service(
            **{
                "deploymentController": {"type": "EXTERNAL"},
                "taskDefinition": None,
                "launchType": None,
                "networkConfiguration": None,
                **changes,
            }
        )

    def task_set(self, definition: str, group: str, **changes: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.ecs.create_task_set(
            **{
                "cluster": "demo",
                "service": "web",
                "taskDefinition": definition,
                "launchType": "FARGATE",
                "networkConfiguration": self.where,
                "loadBalancers": self.behind(group),
                "scale": {"value": 100, "unit": "PERCENT"},
                **changes,
            }
        )["taskSet"]
        return made

    def task_sets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.ecs.describe_task_sets(cluster="demo", service="web")["taskSets"]
        return found


def forward(weights: dict[str, int]) -> dict[str, Any]:
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}
