"""AWS's own VPC endpoint services, as DescribeVpcEndpointServices lists them.

The list is kept by hand, after "AWS services that integrate with AWS PrivateLink" and "Gateway endpoints" in the VPC
user guide: a rarer or newer service may be missing, and one that is in few regions only counts as one of each.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, Final

from reconciler.local.refusal import Refusal

GATEWAYS: Final = ("dynamodb", "s3")
_INTERFACES: Final = """
access-analyzer account acm-pca airflow.api airflow.env airflow.ops apigateway appconfig appconfigdata
application-autoscaling appmesh appmesh-envoy-management apprunner apprunner.requests appstream.api aps
aps-workspaces athena auditmanager autoscaling autoscaling-plans backup backup-gateway batch bedrock bedrock-agent
bedrock-agent-runtime bedrock-runtime cassandra clouddirectory cloudformation cloudhsmv2 cloudtrail codeartifact.api
codeartifact.repositories codebuild codecommit codedeploy codedeploy-commands-secure codepipeline
codestar-connections.api comprehend config data-servicediscovery databrew dataexchange datasync dms dynamodb ebs ec2
ec2messages ecr.api ecr.dkr ecs ecs-agent ecs-telemetry eks eks-auth elasticache elasticbeanstalk
elasticbeanstalk-health elasticfilesystem elasticloadbalancing elasticmapreduce email-smtp emr-containers
emr-serverless events evidently execute-api fis fsx git-codecommit glue grafana grafana-workspace guardduty
guardduty-data healthlake inspector2 iot.credentials iot.data iotsitewise.api iotsitewise.data kendra
kinesis-firehose kinesis-streams kms lakeformation lambda license-manager logs macie2 mgn monitoring pipes
pipes-data polly proton qldb.session ram rbin rds rds-data redshift redshift-data rekognition rolesanywhere s3
s3-outposts sagemaker.api sagemaker.featurestore-runtime sagemaker.runtime scheduler secretsmanager securityhub
servicecatalog servicecatalog-appregistry servicediscovery signer sms sns sqs ssm ssm-contacts ssm-incidents
ssmmessages states storagegateway sts swf sync-states synthetics textract transcribe transcribestreaming transfer
transfer.server translate verifiedpermissions wafv2 workspaces xray
"""
INTERFACES: Final = tuple(_INTERFACES.split())
PRIVATE_NAMES: Final = {"ecr.api": "api.ecr", "ecr.dkr": "*.dkr.ecr", "execute-api": "*.execute-api"}
"""Where the private DNS name is not the service's own name."""


def names(region: str) -> frozenset[str]:
    return frozenset(service["ServiceName"] for service in described(region, ()))


def described(region: str, zones: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for kind, services in (("Gateway", GATEWAYS), ("Interface", INTERFACES)):
        for service in services:
            yield _described(service, kind, region, zones)


def chosen(
    services: Iterable[Mapping[str, Any]], names: Collection[str], filters: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Those that have one of the names and match every filter; raises `Refusal` for a filter that there is not."""
    found = [service for service in services if not names or service["ServiceName"] in names]
    for one in filters:
        values_of = FILTERS.get(one["Name"])
        if values_of is None:
            raise Refusal("InvalidFilter", f"The filter '{one['Name']}' is invalid")
        found = [service for service in found if values_of(service) & set(one["Values"])]
    return found


FILTERS: Final[Mapping[str, Callable[[Mapping[str, Any]], set[str]]]] = {
    "owner": lambda service: {service["Owner"]},
    "service-name": lambda service: {service["ServiceName"]},
    "service-type": lambda service: {one["ServiceType"] for one in service["ServiceType"]},
    "tag-key": lambda service: {tag["Key"] for tag in service["Tags"]},
}


def _described(service: str, kind: str, region: str, zones: tuple[str, ...]) -> dict[str, Any]:
    name = f"com.amazonaws.{region}.{service}"
    described: dict[str, Any] = {
        "AcceptanceRequired": False,
        "AvailabilityZones": list(zones),
        "BaseEndpointDnsNames": [f"{service}.{region}.vpce.amazonaws.com"],
        "ManagesVpcEndpoints": False,
        "Owner": "amazon",
        "ServiceId": f"vpce-svc-{sha256(f'{kind}/{name}'.encode()).hexdigest()[:17]}",
        "ServiceName": name,
        "ServiceType": [{"ServiceType": kind}],
        "Tags": [],
        "VpcEndpointPolicySupported": True,
    }
    if kind == "Interface":
        private = f"{PRIVATE_NAMES.get(service, service)}.{region}.amazonaws.com"
        described |= {
            "PrivateDnsName": private,
            "PrivateDnsNameVerificationState": "verified",
            "PrivateDnsNames": [{"PrivateDnsName": private}],
        }
    return described
