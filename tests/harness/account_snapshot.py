"""A census: everything that an account holds, listed and not looked up by name, in a form that compares.

Two censuses are equal exactly when the account holds the same things in the same state. Ids that AWS makes up stay in:
a thing deleted and made again is another thing. `alike` takes them out, so that two accounts compare in which the same
was made at different times.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError

from reconciler import errors
from reconciler.aws import models
from reconciler.model import ownership
from reconciler.model.resource import Call, ServiceApi

NOISE = frozenset(
    {
        "ResponseMetadata",
        "CreatedTime",
        "createdAt",
        "creationTime",
        "registeredAt",
        "events",
        "pushedAt",
        "DnsEntries",
        "AvailableIpAddressCount",
        "LoadBalancerArns",
        "pendingCount",
        "pendingTasksCount",
        "runningCount",
        "runningTasksCount",
    }
)


@cache
def _client(service: str, region: str = "us-west-2") -> Any:
    """Made once: a client costs more than all that a census asks of it."""
    session = boto3.Session("testing", "testing", "testing", botocore_session=models.session(), region_name=region)
    return session.client(service)


Perform = Callable[[Call], dict[str, Any]]


class Asking:
    """boto3's spelling over any transport: for a census, and for what people do by hand."""

    def __init__(self, perform: Perform, service: str) -> None:
        self._perform, self._service = perform, ServiceApi(service)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        return lambda **params: self._perform(getattr(self._service, operation)(**params))


def census(perform: Perform | None = None) -> dict[str, list[str]]:
    """Type → every thing of that type, as sorted JSON; asked of moto itself, or through `perform`."""

    def client(service: str) -> Any:
        return _client(service) if perform is None else Asking(perform, service)

    found: dict[str, list[Any]] = {}
    ec2 = client("ec2")
    found["vpc"] = ec2.describe_vpcs()["Vpcs"]
    found["subnet"] = ec2.describe_subnets()["Subnets"]
    found["internet-gateway"] = ec2.describe_internet_gateways()["InternetGateways"]
    found["nat-gateway"] = [n for n in ec2.describe_nat_gateways()["NatGateways"] if n["State"] != "deleted"]
    found["elastic-ip"] = ec2.describe_addresses()["Addresses"]
    found["route-table"] = ec2.describe_route_tables()["RouteTables"]
    found["security-group"] = ec2.describe_security_groups()["SecurityGroups"]
    found["security-group-rule"] = ec2.describe_security_group_rules()["SecurityGroupRules"]
    found["vpc-endpoint"] = [v for v in ec2.describe_vpc_endpoints()["VpcEndpoints"] if v["State"] != "deleted"]
    elb = client("elbv2")
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
    iam = client("iam")
    found["role"] = iam.get_account_authorization_details(Filter=["Role"])["RoleDetailList"]
    logs = client("logs")
    found["log-group"] = logs.describe_log_groups()["logGroups"]
    ecr = client("ecr")
    found["repository"] = ecr.describe_repositories()["repositories"]
    found["repository-policy"] = [_lifecycle(ecr, item["repositoryName"]) for item in found["repository"]]
    found.update(_ecs(client("ecs")))
    scaling = client("application-autoscaling")
    found["scalable-target"] = scaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]
    found["scaling-policy"] = scaling.describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    scheduler = client("scheduler")
    found["schedule-group"] = scheduler.list_schedule_groups()["ScheduleGroups"]
    found["schedule"] = [
        scheduler.get_schedule(Name=one["Name"], GroupName=one["GroupName"])
        for one in scheduler.list_schedules()["Schedules"]
    ]
    return {
        kind: sorted(json.dumps(_quiet(item), sort_keys=True, default=str) for item in items)
        for kind, items in found.items()
    }


_ELB_ARNS = (("load-balancer", "LoadBalancerArn"), ("target-group", "TargetGroupArn"), ("listener", "ListenerArn"))


def _ecs(ecs: Any) -> dict[str, list[Any]]:
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


def everything(perform: Perform) -> dict[str, list[str]]:
    """A census with the types that few stacks have, asked through `perform`."""

    def asked(service: str, operation: str, key: str, **params: Any) -> list[Any]:
        found: list[Any] = getattr(Asking(perform, service), operation)(**params)[key]
        return found

    deploy = Asking(perform, "codedeploy")
    applications = asked("codedeploy", "list_applications", "applications")
    found = {
        "alarm": asked("cloudwatch", "describe_alarms", "MetricAlarms"),
        "auto-scaling-group": asked("autoscaling", "describe_auto_scaling_groups", "AutoScalingGroups"),
        "capacity-provider": asked("ecs", "describe_capacity_providers", "capacityProviders"),
        "deployment-config": asked("codedeploy", "list_deployment_configs", "deploymentConfigsList"),
        "deployment-group": [deploy.list_deployment_groups(applicationName=one) for one in applications],
        "instance-profile": asked("iam", "list_instance_profiles", "InstanceProfiles"),
        "launch-template": asked("ec2", "describe_launch_templates", "LaunchTemplates"),
        "namespace": asked("servicediscovery", "list_namespaces", "Namespaces"),
        "scheduled-action": asked(
            "application-autoscaling", "describe_scheduled_actions", "ScheduledActions", ServiceNamespace="ecs"
        ),
        "table": asked("dynamodb", "list_tables", "TableNames"),
    }
    return census(perform) | {
        kind: sorted(json.dumps(_quiet(item), sort_keys=True, default=str) for item in items)
        for kind, items in found.items()
    }


def _lifecycle(ecr: Any, name: str) -> Any:
    try:
        return {name: ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"]}
    except (ClientError, errors.Gone):
        return {name: None}


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


def told(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """Where two censuses differ, in few words: for a report, not for a comparison."""
    found = []
    for kind, (went, came) in difference(before, after).items():
        if len(went) != len(came):
            found.append(f"{kind}: {len(before[kind])} expected, {len(after[kind])} found")
        for old, new in zip(went, came, strict=False):
            found += [f"{kind}{path}: {one} expected, {other} found" for path, one, other in _differing(old, new)][:2]
    return found[:8]


def _differing(old: str, new: str) -> list[tuple[str, str, str]]:
    def flat(value: Any, path: str = "") -> dict[str, str]:
        if isinstance(value, dict):
            return {k: v for key, item in value.items() for k, v in flat(item, f"{path}.{key}").items()}
        if isinstance(value, list):
            return {k: v for number, item in enumerate(value) for k, v in flat(item, f"{path}[{number}]").items()}
        return {path: str(value)[:60]}

    one, other = flat(json.loads(old)), flat(json.loads(new))
    paths = sorted(one.keys() | other.keys())
    return [(p, one.get(p, "-"), other.get(p, "-")) for p in paths if one.get(p) != other.get(p)]


_MADE_UP = re.compile(r"\b([a-z]{2,12}|eipalloc|eipassoc|rtbassoc)-([0-9a-f]{8}|[0-9a-f]{17})\b")
_SUFFIX = re.compile(r"/(?:[0-9a-f]{16}|\d{12,20})\b")
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{32}\b")
_TIME = re.compile(r"\b20\d\d-\d\d-\d\d[T ][\d:.+Z]+|(?<=: )1[5-9]\d{8,11}(?:\.\d+)?\b")
_PLACE = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b(?!/)|\bec2-[\d-]+\.|\bip-[\d-]+\.")
_PRINCIPAL = re.compile(r"\bAROA[A-Z0-9]{8,}\b")
_HOST = re.compile(r"\b([\w-]+)-\d+\.([\w-]+\.elb)\b|\b[0-9a-f]{8,}(\.[\w-]+\.elb)\b")


def alike(taken: dict[str, list[str]]) -> dict[str, list[str]]:
    """A census without what AWS makes up: an id is the address in its thing's tags, or nothing but its sort."""
    labels: dict[str, str] = {}
    for items in taken.values():
        for text in items:
            item = json.loads(text)
            tags = {tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value")) for tag in _tags(item)}
            stack, address = tags.get(ownership.STACK), tags.get(ownership.ADDRESS)
            own = next((item[key] for key in _IDS if key in item), None)
            if own is not None and address is not None:
                labels[own] = f"{stack}:{address}"
    return {kind: sorted(_plain(text, labels) for text in items) for kind, items in taken.items()}


_IDS = (
    "NatGatewayId",
    "VpcEndpointId",
    "RouteTableId",
    "SubnetId",
    "InternetGatewayId",
    "AllocationId",
    "GroupId",
    "VpcId",
)


def _tags(item: Any) -> list[dict[str, str]]:
    found = item.get("Tags", item.get("tags", ())) if isinstance(item, dict) else ()
    return [tag for tag in found if isinstance(tag, dict)]


def _plain(text: str, labels: dict[str, str]) -> str:
    text = _MADE_UP.sub(lambda found: labels.get(found[0], f"{found[1]}-…"), text)
    text = _TIME.sub("…", _PLACE.sub("…", _UUID.sub("…", text)))
    text = _PRINCIPAL.sub("…", _HOST.sub("…", _SUFFIX.sub("/…", text)))
    item = json.loads(text)
    return json.dumps(_ordered(item), sort_keys=True)


def _ordered(value: Any) -> Any:
    """Lists in AWS's answers are mostly sets, and their order follows ids."""
    if isinstance(value, dict):
        return {key: _ordered(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_ordered(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value
