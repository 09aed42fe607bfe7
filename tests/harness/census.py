"""A census: everything that an account holds, listed and not looked up by name, in a form that compares.

Two censuses are equal exactly when the account holds the same things in the same state. Ids that AWS makes up stay in:
a thing deleted and made again is another thing.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import boto3

NOISE = frozenset(
    {"ResponseMetadata", "CreatedTime", "createdAt", "creationTime", "registeredAt", "events", "pushedAt"}
)


def census(region: str = "us-west-2") -> dict[str, list[str]]:
    """Type → every thing of that type, as sorted JSON."""
    found: dict[str, list[Any]] = {}
    ec2 = boto3.client("ec2", region_name=region)
    found["vpc"] = ec2.describe_vpcs()["Vpcs"]
    found["subnet"] = ec2.describe_subnets()["Subnets"]
    found["internet-gateway"] = ec2.describe_internet_gateways()["InternetGateways"]
    found["nat-gateway"] = [n for n in ec2.describe_nat_gateways()["NatGateways"] if n["State"] != "deleted"]
    found["elastic-ip"] = ec2.describe_addresses()["Addresses"]
    found["route-table"] = ec2.describe_route_tables()["RouteTables"]
    found["security-group"] = ec2.describe_security_groups()["SecurityGroups"]
    found["security-group-rule"] = ec2.describe_security_group_rules()["SecurityGroupRules"]
    found["vpc-endpoint"] = [v for v in ec2.describe_vpc_endpoints()["VpcEndpoints"] if v["State"] != "deleted"]
    elb = boto3.client("elbv2", region_name=region)
    found["load-balancer"] = elb.describe_load_balancers()["LoadBalancers"]
    found["target-group"] = elb.describe_target_groups()["TargetGroups"]
    found["listener"] = [
        listener
        for balancer in found["load-balancer"]
        for listener in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    ]
    found["listener-rule"] = [
        rule
        for listener in found["listener"]
        for rule in elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]
    ]
    arns = [item[key] for kind, key in _ELB_ARNS for item in found[kind]]
    found["elb-tags"] = elb.describe_tags(ResourceArns=arns)["TagDescriptions"] if arns else []
    iam = boto3.client("iam", region_name=region)
    found["role"] = iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]
    logs = boto3.client("logs", region_name=region)
    found["log-group"] = logs.describe_log_groups()["logGroups"]
    ecr = boto3.client("ecr", region_name=region)
    found["repository"] = ecr.describe_repositories()["repositories"]
    found.update(_ecs(region))
    scaling = boto3.client("application-autoscaling", region_name=region)
    found["scalable-target"] = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    found["scaling-policy"] = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    return {
        kind: sorted(json.dumps(_quiet(item), sort_keys=True, default=str) for item in items)
        for kind, items in found.items()
    }


_ELB_ARNS = (("load-balancer", "LoadBalancerArn"), ("target-group", "TargetGroupArn"), ("listener", "ListenerArn"))


def _ecs(region: str) -> dict[str, list[Any]]:
    ecs = boto3.client("ecs", region_name=region)
    found: dict[str, list[Any]] = {"service": [], "task": []}
    arns = ecs.list_clusters()["clusterArns"]
    clusters = ecs.describe_clusters(clusters=arns, include=["TAGS"])["clusters"]
    found["cluster"] = [cluster for cluster in clusters if cluster["status"] != "INACTIVE"]
    for cluster in found["cluster"]:
        services = ecs.list_services(cluster=cluster["clusterArn"])["serviceArns"]
        for arn in services:
            (service,) = ecs.describe_services(cluster=cluster["clusterArn"], services=[arn], include=["TAGS"])[
                "services"
            ]
            if service["status"] != "INACTIVE":
                found["service"].append(service)
        tasks = ecs.list_tasks(cluster=cluster["clusterArn"])["taskArns"]
        found["task"] += sorted(tasks)
    found["task-definition"] = ecs.list_task_definitions(status="ACTIVE")["taskDefinitionArns"]
    return found


def count(taken: dict[str, list[str]]) -> Counter[str]:
    return Counter({kind: len(items) for kind, items in taken.items() if items})


def difference(before: dict[str, list[str]], after: dict[str, list[str]]) -> dict[str, tuple[list[str], list[str]]]:
    """Type → what went and what came."""
    return {
        kind: (sorted(set(before[kind]) - set(after[kind])), sorted(set(after[kind]) - set(before[kind])))
        for kind in before
        if before[kind] != after[kind]
    }


def _quiet(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _quiet(item) for key, item in value.items() if key not in NOISE}
    if isinstance(value, list):
        return [_quiet(item) for item in value]
    return value
