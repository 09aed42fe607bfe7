"""A call as an event of CloudTrail (CloudTrail User Guide, "CloudTrail record contents")."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from reconciler.local.cloudtrail import calls, parameters
from reconciler.local.cloudtrail.state import History, Params, Record

VERSION: Final = "1.11"
CONSOLE: Final = ("Mozilla/", "console.")
"""How user agents of the console's calls begin, and no SDK's: it passes on that of the browser."""
THIS_MACHINE: Final = "127.0.0.1"
RESOURCE_TYPES: Final[Mapping[str, str]] = {
    "alarmName": "AWS::CloudWatch::Alarm",
    "allocationId": "AWS::EC2::EIP",
    "bucketName": "AWS::S3::Bucket",
    "cluster": "AWS::ECS::Cluster",
    "clusterArn": "AWS::ECS::Cluster",
    "clusterName": "AWS::ECS::Cluster",
    "groupId": "AWS::EC2::SecurityGroup",
    "internetGatewayId": "AWS::EC2::InternetGateway",
    "listenerArn": "AWS::ElasticLoadBalancingV2::Listener",
    "loadBalancerArn": "AWS::ElasticLoadBalancingV2::LoadBalancer",
    "logGroupName": "AWS::Logs::LogGroup",
    "natGatewayId": "AWS::EC2::NatGateway",
    "networkInterfaceId": "AWS::EC2::NetworkInterface",
    "policyArn": "AWS::IAM::Policy",
    "repositoryName": "AWS::ECR::Repository",
    "resourceId": "",
    "roleName": "AWS::IAM::Role",
    "routeTableId": "AWS::EC2::RouteTable",
    "ruleArn": "AWS::ElasticLoadBalancingV2::ListenerRule",
    "secretId": "AWS::SecretsManager::Secret",
    "service": "AWS::ECS::Service",
    "serviceArn": "AWS::ECS::Service",
    "serviceName": "AWS::ECS::Service",
    "subnetId": "AWS::EC2::Subnet",
    "targetGroupArn": "AWS::ElasticLoadBalancingV2::TargetGroup",
    "userName": "AWS::IAM::User",
    "vpcEndpointId": "AWS::EC2::VPCEndpoint",
    "vpcId": "AWS::EC2::VPC",
}
"""Members by which a record names resources."""
BY_PREFIX: Final[Mapping[str, str]] = {
    "eipalloc": "AWS::EC2::EIP",
    "igw": "AWS::EC2::InternetGateway",
    "nat": "AWS::EC2::NatGateway",
    "rtb": "AWS::EC2::RouteTable",
    "sg": "AWS::EC2::SecurityGroup",
    "subnet": "AWS::EC2::Subnet",
    "vpc": "AWS::EC2::VPC",
    "vpce": "AWS::EC2::VPCEndpoint",
}


def detail(history: History, record: Record, account: str) -> Params:
    """The whole record, as EventBridge has it in `detail` and LookupEvents in `CloudTrailEvent`."""
    if record.detail is None:
        record.detail = _detail(history, record, account)
    return record.detail


def _detail(history: History, record: Record, account: str) -> Params:
    call = record.call
    headers = call.request.headers
    agent = headers.get("user-agent", "")
    event_id = history.event_id(record)
    code, message = parameters.refused(record)
    found: Params = {
        "eventVersion": VERSION,
        "userIdentity": record.identity,
        "eventTime": record.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "eventSource": f"{calls.source(call).removeprefix('aws.')}.amazonaws.com",
        "eventName": calls.operation(call),
        "awsRegion": record.region,
        "sourceIPAddress": headers.get("x-forwarded-for", THIS_MACHINE),
        "userAgent": agent,
        "requestParameters": parameters.requested(record),
        "responseElements": parameters.answered(record),
        "requestID": parameters.request_id_of(record),
        "eventID": event_id,
        "readOnly": record.reads,
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": account,
        "eventCategory": "Management",
        "tlsDetails": {"tlsVersion": "TLSv1.3", "clientProvidedHostHeader": _host(record)},
    }
    if code:
        found |= {"errorCode": code, "errorMessage": message}
    if agent.startswith(CONSOLE):
        found["sessionCredentialFromConsole"] = "true"
    return found


def _host(record: Record) -> str:
    return record.call.request.headers.get("host") or urlsplit(record.call.request.url).netloc


def resources(found: Params) -> list[tuple[str, str]]:
    """The resources that a record names: type and name, each once."""
    named = (*_named(found["requestParameters"]), *_named(found["responseElements"]))
    return list(dict.fromkeys(named))


def _named(value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            lowered = name[:1].lower() + name[1:]
            if lowered in RESOURCE_TYPES and isinstance(item, str):
                yield RESOURCE_TYPES[lowered] or BY_PREFIX.get(item.partition("-")[0], "AWS::EC2::Resource"), item
            else:
                yield from _named(item)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item)
