"""An account that another tool has made, with hardly a setting at a default, and documents that say little of it."""

from __future__ import annotations

import json
from typing import Any

from tests.harness.emulated_stack import EmulatedStack

TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}

DOCUMENTS = """
kind: Stack
name: legacy
region: us-west-2
---
kind: Network
name: net
adopt: true
cidr: 10.0.0.0/16
subnets:
  - {name: public-a, zone: us-west-2a, cidr: 10.0.0.0/24, access: public, route_table: public}
  - {name: public-c, zone: us-west-2c, cidr: 10.0.1.0/24, access: public, route_table: public}
security_groups:
  - {name: app}
---
kind: Cluster
name: prod
adopt: true
---
kind: Registry
name: app/web
adopt: true
---
kind: Role
name: app
adopt: true
assumed_by: ecs-tasks.amazonaws.com
---
kind: Store
name: locks
adopt: true
---
kind: LoadBalancer
name: edge
adopt: true
subnets: [public-a, public-c]
security_groups: [app]
listeners:
  web: {port: 80}
---
kind: Service
name: web
adopt: true
cluster: prod
task:
  cpu: 512
  memory: 1024
  containers:
    app: {image: "public.ecr.aws/nginx/nginx:1.27", port: 8080}
placement: {subnets: [public-a, public-c], security_groups: [app]}
traffic:
  load_balancer: edge
  container: app
  target_groups: [web]
  listener: web
  match: {path: /api/*, priority: 10}
---
kind: Task
name: nightly
adopt: true
cluster: prod
run: {schedule: "cron(0 3 * * ? *)"}
task:
  cpu: 256
  memory: 512
  containers:
    job: {image: "public.ecr.aws/nginx/nginx:1.27"}
placement: {subnets: [public-a], security_groups: [app]}
"""

APP = {
    "name": "app",
    "image": "public.ecr.aws/nginx/nginx:1.27",
    "essential": True,
    "cpu": 128,
    "memory": 768,
    "memoryReservation": 300,
    "portMappings": [{"containerPort": 8080, "protocol": "tcp", "name": "http", "appProtocol": "http2"}],
    "environment": [{"name": "MODE", "value": "production"}],
    "secrets": [{"name": "KEY", "valueFrom": "arn:aws:ssm:us-west-2:123456789012:parameter/key"}],
    "command": ["serve"],
    "entryPoint": ["/init"],
    "healthCheck": {"command": ["CMD", "true"], "interval": 20, "timeout": 4, "retries": 2, "startPeriod": 9},
    "user": "app",
    "workingDirectory": "/srv",
    "readonlyRootFilesystem": True,
    "stopTimeout": 60,
    "ulimits": [{"name": "nofile", "softLimit": 1024, "hardLimit": 4096}],
    "dockerLabels": {"team": "shop"},
    "linuxParameters": {"initProcessEnabled": True},
    "restartPolicy": {"enabled": True, "ignoredExitCodes": [0], "restartAttemptPeriod": 180},
    "mountPoints": [{"sourceVolume": "data", "containerPath": "/data", "readOnly": False}],
    "logConfiguration": {
        "logDriver": "awslogs",
        "options": {
            "awslogs-group": "/legacy/web",
            "awslogs-region": "us-west-2",
            "awslogs-stream-prefix": "old",
            "mode": "non-blocking",
            "max-buffer-size": "25m",
        },
    },
}
"""What the document says of it is its name, its image and its port."""

VOLUMES = [
    {
        "name": "data",
        "efsVolumeConfiguration": {"fileSystemId": "fs-12345678", "rootDirectory": "/", "transitEncryption": "ENABLED"},
    }
]


def definition(stage: EmulatedStack, family: str, *containers: dict[str, Any], **fields: Any) -> str:
    account = stage.laptop.aws.account
    role = f"arn:aws:iam::{account}:role/app"
    answer = stage.laptop.client("ecs").register_task_definition(
        family=family,
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        runtimePlatform={"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
        executionRoleArn=role,
        taskRoleArn=role,
        containerDefinitions=list(containers),
        **fields,
    )
    arn: str = answer["taskDefinition"]["taskDefinitionArn"]
    return arn


def made(stage: EmulatedStack, *extra: dict[str, Any]) -> None:
    """Everything, with `extra` containers beside the app's."""
    client = stage.laptop.client
    ec2, elb, ecs, iam = client("ec2"), client("elbv2"), client("ecs"), client("iam")

    def named(kind: str, name: str) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]

    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=named("vpc", "net-vpc"))["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    subnets = [
        ec2.create_subnet(
            VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone, TagSpecifications=named("subnet", f"old {zone}")
        )["Subnet"]["SubnetId"]
        for cidr, zone in (("10.0.0.0/24", "us-west-2a"), ("10.0.1.0/24", "us-west-2c"))
    ]
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=named("route-table", "net-rtb-public"))
    table_id = table["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table_id, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.create_route(RouteTableId=table_id, DestinationCidrBlock="192.0.2.0/24", GatewayId=gateway)
    for subnet in subnets:
        ec2.associate_route_table(RouteTableId=table_id, SubnetId=subnet)
    group = ec2.create_security_group(VpcId=vpc, GroupName="app", Description="made by hand")["GroupId"]
    everyone = [{"CidrIp": "0.0.0.0/0"}]
    ec2.authorize_security_group_ingress(
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": everyone} for port in (80, 8080)
        ],
    )

    iam.create_role(RoleName="app", AssumeRolePolicyDocument=json.dumps(TRUST), Description="the app's")
    iam.put_role_policy(RoleName="app", PolicyName="read", PolicyDocument=json.dumps(POLICY))
    client("logs").create_log_group(logGroupName="/legacy/web")
    client("ecr").create_repository(
        repositoryName="app/web", imageTagMutability="MUTABLE", imageScanningConfiguration={"scanOnPush": False}
    )
    client("dynamodb").create_table(
        TableName="locks",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        DeletionProtectionEnabled=True,
    )
    client("dynamodb").update_continuous_backups(
        TableName="locks", PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    ecs.create_cluster(
        clusterName="prod",
        capacityProviders=["FARGATE_SPOT"],
        defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 1}],
        settings=[{"name": "containerInsights", "value": "enabled"}],
    )

    balancer = elb.create_load_balancer(Name="edge", Scheme="internal", Subnets=subnets, SecurityGroups=[group])
    balancer_arn = balancer["LoadBalancers"][0]["LoadBalancerArn"]
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=balancer_arn,
        Attributes=[
            {"Key": "deletion_protection.enabled", "Value": "true"},
            {"Key": "idle_timeout.timeout_seconds", "Value": "120"},
        ],
    )
    groups = elb.create_target_group(
        Name="web",
        Protocol="HTTP",
        Port=81,
        VpcId=vpc,
        TargetType="ip",
        HealthCheckPath="/healthz",
        HealthCheckIntervalSeconds=21,
        HealthCheckTimeoutSeconds=7,
        HealthyThresholdCount=4,
        UnhealthyThresholdCount=5,
        Matcher={"HttpCode": "200-299"},
    )
    web = groups["TargetGroups"][0]["TargetGroupArn"]
    elb.modify_target_group_attributes(
        TargetGroupArn=web, Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}]
    )
    listener = elb.create_listener(
        LoadBalancerArn=balancer_arn,
        Protocol="HTTP",
        Port=80,
        DefaultActions=[
            {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "410", "MessageBody": "gone"}}
        ],
    )["Listeners"][0]["ListenerArn"]
    elb.create_rule(
        ListenerArn=listener,
        Priority=10,
        Conditions=[
            {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}},
            {"Field": "host-header", "HostHeaderConfig": {"Values": ["shop.example.com"]}},
            {"Field": "source-ip", "SourceIpConfig": {"Values": ["198.51.100.0/24"]}},
        ],
        Actions=[
            {
                "Type": "forward",
                "ForwardConfig": {
                    "TargetGroups": [{"TargetGroupArn": web, "Weight": 1}],
                    "TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 600},
                },
            }
        ],
    )

    app = definition(stage, "legacy-web", APP, *extra, cpu="512", memory="1024", volumes=VOLUMES, pidMode="task")
    network = {"awsvpcConfiguration": {"subnets": subnets, "securityGroups": [group], "assignPublicIp": "ENABLED"}}
    ecs.create_service(
        cluster="prod",
        serviceName="web",
        taskDefinition=app,
        desiredCount=2,
        capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}],
        networkConfiguration=network,
        loadBalancers=[{"targetGroupArn": web, "containerName": "app", "containerPort": 8080}],
        healthCheckGracePeriodSeconds=77,
        enableExecuteCommand=True,
        propagateTags="SERVICE",
        deploymentConfiguration={
            "minimumHealthyPercent": 50,
            "maximumPercent": 150,
            "deploymentCircuitBreaker": {"enable": False, "rollback": False},
        },
    )
    scaling = client("application-autoscaling")
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/prod/web",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=2, MaxCapacity=9)
    scaling.put_scaling_policy(
        **target,
        PolicyName="by load",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 55.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
            "ScaleInCooldown": 77,
            "ScaleOutCooldown": 33,
            "DisableScaleIn": True,
        },
    )
    job = {"name": "job", "image": "public.ecr.aws/nginx/nginx:1.27", "essential": True, "dockerLabels": {"a": "b"}}
    nightly = definition(stage, "nightly", job, cpu="256", memory="512", ephemeralStorage={"sizeInGiB": 44})
    scheduler = client("scheduler")
    scheduler.create_schedule_group(Name="nightly")
    scheduler.create_schedule(
        GroupName="nightly",
        Name="nightly",
        ScheduleExpression="cron(0 3 * * ? *)",
        ScheduleExpressionTimezone="Asia/Tokyo",
        FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 9},
        Target={
            "Arn": f"arn:aws:ecs:us-west-2:{stage.laptop.aws.account}:cluster/prod",
            "RoleArn": f"arn:aws:iam::{stage.laptop.aws.account}:role/app",
            "EcsParameters": {
                "TaskDefinitionArn": nightly,
                "TaskCount": 2,
                "CapacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}],
                "NetworkConfiguration": {
                    "awsvpcConfiguration": {
                        "Subnets": subnets[:1],
                        "SecurityGroups": [group],
                        "AssignPublicIp": "ENABLED",
                    }
                },
            },
        },
    )
    stage.laptop.advance(300)
