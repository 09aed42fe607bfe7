"""Asks IAM's questions: whether a policy lets a call through that a stack's operator makes.

What AWS checks besides is part of it: the tags of a creation, and the roles that something is to run as. What a call
writes to, other than what it makes, is taken to carry the stack's tag: the client holds every write to that
(`OwnershipGuard` in aws/ownership_guard.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.aws.catalogue import service_facts
from reconciler.iam import rules, zones
from reconciler.model import ownership
from reconciler.model.permissions import Binding
from reconciler.model.policy_evaluation import Request, is_allowed
from reconciler.model.resource import Call
from tests.conftest import ACCOUNT, REGION
from tests.harness.emulated_stack import CLUSTER, SERVICE

STACK_TAG = f"aws:RequestTag/{ownership.STACK}"
NAMED = {
    "SecretId": "secretsmanager:{R}:{A}:secret:{}-AbCdEf",
    "SecretString": "secretsmanager:{R}:{A}:secret:{}-AbCdEf",
    "logGroupName": "logs:{R}:{A}:log-group:{}",
    "repositoryName": "ecr:{R}:{A}:repository/{}",
    "InstanceProfileName": "iam::{A}:instance-profile/{}",
    "RoleName": "iam::{A}:role/{}",
    "AlarmName": "cloudwatch:{R}:{A}:alarm:{}",
    "AutoScalingGroupName": "autoscaling:{R}:{A}:autoScalingGroup:1:autoScalingGroupName/{}",
    "TableName": "dynamodb:{R}:{A}:table/{}",
    "QueueName": "sqs:{R}:{A}:{}",
    "Rule": "events:{R}:{A}:rule/{}",
}
"""Parameter → ARN, after the partition."""
TAGGED_BY_NAME = {
    "autoscaling": "CreateOrUpdateTags",
    "cloudwatch": "TagResource",
    "codedeploy": "TagResource",
    "dynamodb": "TagResource",
    "ecr": "TagResource",
    "iam": "TagRole",
    "logs": "TagResource",
    "scheduler": "TagResource",
}
MADE_IN_EC2 = {
    "AllocateAddress": "elastic-ip",
    "CreateEgressOnlyInternetGateway": "egress-only-internet-gateway",
    "CreateInternetGateway": "internet-gateway",
    "CreateLaunchTemplate": "launch-template",
    "CreateNatGateway": "natgateway",
    "CreateRouteTable": "route-table",
    "CreateSecurityGroup": "security-group",
    "CreateSubnet": "subnet",
    "CreateVpc": "vpc",
    "CreateVpcEndpoint": "vpc-endpoint",
}
TOUCHED = {
    "AllocationId": "elastic-ip",
    "RouteTableIds": "route-table",
    "SecurityGroupIds": "security-group",
    "SubnetId": "subnet",
    "SubnetIds": "subnet",
    "VpcId": "vpc",
}
"""What a creation in EC2 names besides what it makes: each is decided about by itself."""


def lets(policy: Mapping[str, Any], call: Call, stack: str, *, path: str = "/") -> list[Request]:
    """What the policy does not let through of a call; empty if it does. `path` is that of IAM roles."""
    if (call.service, call.operation) in rules.FREE:
        return []
    return [one for one in questions(call, stack, path) if not is_allowed(one, (policy,))]


def questions(call: Call, stack: str, path: str = "/") -> Iterator[Request]:
    service, name = call.service, call.operation
    action, params = rules.action((service, name)), call.params
    context = {"aws:RequestedRegion": (REGION,), **_tags(call), **_keys(call)}
    binding = rules.binding_of((service, name))
    ours = {f"aws:ResourceTag/{ownership.STACK}": (stack,)}
    if service == "ec2" and name in MADE_IN_EC2:
        yield Request(action, _arn("ec2", f"{MADE_IN_EC2[name]}/new"), context)
        for kind in sorted({kind for key, kind in TOUCHED.items() if params.get(key)}):
            yield Request(action, _arn("ec2", f"{kind}/there"), {"aws:RequestedRegion": (REGION,), **ours})
    elif name == "ExecuteCommand":
        yield Request(action, _arn("ecs", f"cluster/{params['cluster']}"), context)
        yield Request(action, _arn("ecs", f"task/{params['cluster']}/{params['task']}"), context)
    elif name == "StartSession":
        cluster, task, _ = params["Target"].removeprefix("ecs:").split("_")
        yield Request(action, _arn("ecs", f"task/{cluster}/{task}"), context)
        yield Request(action, f"arn:aws:ssm:{REGION}::document/{params['DocumentName']}", context)
    elif binding in (Binding.MAKE, Binding.MAKE_BY_NAME, Binding.TASK_SETS):
        yield Request(action, _resource(call, path), context)
    else:
        yield Request(action, _resource(call, path), context | ours)
    if binding in (Binding.MAKE, Binding.MAKE_BY_NAME, Binding.MAKE_IN_EC2, Binding.TASK_SETS) and name.startswith(
        ("Allocate", "Create", "Register", "Run")
    ):
        yield from _tagging(call, context, path)
    for role, to in _passed(call):
        yield Request("iam:PassRole", role, {"iam:PassedToService": (to,)})


def _tagging(call: Call, context: Mapping[str, tuple[str, ...]], path: str) -> Iterator[Request]:
    facts = service_facts(call.service)
    if facts.tagging_on_creation:
        prefix = facts.iam_prefix
        operation = (call.service, facts.tagging_on_creation)
        yield Request(rules.action(operation), "arn:new", {**context, f"{prefix}:CreateAction": (call.operation,)})
    elif call.service in TAGGED_BY_NAME:
        tags = "TagInstanceProfile" if call.operation == "CreateInstanceProfile" else TAGGED_BY_NAME[call.service]
        operation = (call.service, tags)
        yield Request(rules.action(operation), _resource(call, path), context)


def _passed(call: Call) -> Iterator[tuple[str, str]]:
    for key in ("executionRoleArn", "taskRoleArn"):
        if call.params.get(key):
            yield call.params[key], "ecs-tasks.amazonaws.com"
    if call.operation == "AddRoleToInstanceProfile":
        yield f"arn:aws:iam::{ACCOUNT}:role/{call.params['RoleName']}", "ec2.amazonaws.com"
    if call.params.get("serviceRoleArn"):
        yield call.params["serviceRoleArn"], "codedeploy.amazonaws.com"
    for balancer in call.params.get("loadBalancers") or ():
        if role := (balancer.get("advancedConfiguration") or {}).get("roleArn"):
            yield role, "ecs.amazonaws.com"
    target = call.params.get("Target")
    if isinstance(target, dict) and target.get("RoleArn"):
        yield target["RoleArn"], "scheduler.amazonaws.com"


def _tags(call: Call) -> dict[str, tuple[str, ...]]:
    params = call.params
    given = (
        params.get("Tags")
        or params.get("tags")
        or [tag for one in params.get("TagSpecifications", ()) for tag in one["Tags"]]
    )
    if isinstance(given, dict):
        pairs = given
    else:
        pairs = {tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value")) for tag in given}
    keys = tuple(params.get("tagKeys") or pairs)
    return {f"aws:RequestTag/{key}": (value,) for key, value in pairs.items()} | ({"aws:TagKeys": keys} if keys else {})


def _keys(call: Call) -> dict[str, tuple[str, ...]]:
    params, found = call.params, {}
    if call.service == "ecs" and "cluster" in params:
        found["ecs:cluster"] = (_arn("ecs", f"cluster/{params['cluster'].rpartition('/')[2]}"),)
    if "ServiceNamespace" in params:
        found["application-autoscaling:service-namespace"] = (params["ServiceNamespace"],)
    if "PermissionsBoundary" in params:
        found["iam:PermissionsBoundary"] = (params["PermissionsBoundary"],)
    if call.operation == "ChangeResourceRecordSets":
        records = [one["ResourceRecordSet"] for one in params["ChangeBatch"]["Changes"]]
        names = (zones.normalized(one["Name"]) for one in records)
        found[zones.NAMES], found[zones.TYPES] = tuple(names), tuple(one["Type"] for one in records)
    if "PolicyArn" in params:
        found["iam:PolicyARN"] = (params["PolicyArn"],)
    if call.service == "dynamodb":
        keys = [params.get("Key", params.get("Item", {})).get("pk", {}).get("S")]
        found["dynamodb:LeadingKeys"] = tuple(key for key in keys if key)
    return found


def _resource(call: Call, path: str) -> str:
    params = call.params
    if call.service == "scheduler" and "GroupName" in params:
        return _arn("scheduler", f"schedule/{params['GroupName']}/{params['Name']}")
    if call.service == "scheduler" and "Name" in params:
        return _arn("scheduler", f"schedule-group/{params['Name']}")
    if call.service == "events" and "Name" in params:
        return _arn("events", f"rule/{params['Name']}")
    if "QueueUrl" in params:
        return _arn("sqs", str(params["QueueUrl"]).rpartition("/")[2])
    if call.service == "codedeploy" and "ResourceArn" not in params:
        return _arn("codedeploy", _of_codedeploy(params))
    if call.service == "route53" and "HostedZoneId" in params:
        return f"arn:aws:route53:::hostedzone/{params['HostedZoneId']}"
    if service_facts(call.service).iam_prefix == "ssm" and {"Name", "ResourceId"} & params.keys():
        return _arn("ssm", f"parameter/{str(params.get('Name', params.get('ResourceId'))).lstrip('/')}")
    for key in ("resourceArn", "ResourceArn", "serviceDeploymentArn"):
        if key in params:
            return str(params[key])
    if call.operation == "GetLogEvents":
        return _arn("logs", f"log-group:{params['logGroupName']}:log-stream:{params['logStreamName']}")
    for key, form in NAMED.items():
        if key in params:
            name = f"{path.lstrip('/')}{params[key]}" if key == "RoleName" else params[key]
            return "arn:aws:" + form.replace("{R}", REGION).replace("{A}", ACCOUNT).replace("{}", name)
    return f"arn:aws:{call.service}:nothing-in-particular"


def _of_codedeploy(params: Mapping[str, Any]) -> str:
    """A deployment is decided about as its group, which the call does not name."""
    group = params.get("deploymentGroupName") or params.get("currentDeploymentGroupName")
    if group:
        return f"deploymentgroup:{params['applicationName']}/{group}"
    if "applicationName" in params:
        return f"application:{params['applicationName']}"
    if "deploymentConfigName" in params:
        return f"deploymentconfig:{params['deploymentConfigName']}"
    return f"deploymentgroup:AppECS-{CLUSTER}-{SERVICE}/DgpECS-{CLUSTER}-{SERVICE}"


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"
