"""Service Quotas: AWS's defaults, and what was asked for beyond them, which is granted at once. None is enforced.

Sources: the service quotas pages of VPC, EC2, Elastic Load Balancing, ECR, ECS and Fargate in their user guides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from reconciler.local.paging import page
from reconciler.local.refusal import Refusal
from reconciler.local.world import Operation, Params, World


class Known(NamedTuple):
    service: str
    code: str
    name: str
    value: float


QUOTAS: Final = (
    Known("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5),
    Known("ecr", "L-CFEB8E8D", "Registered repositories", 100_000),
    Known("ecs", "L-21C621EB", "Clusters per account", 10_000),
    Known("ecs", "L-9EF96962", "Services per cluster", 5000),
    Known("elasticloadbalancing", "L-53DA6B97", "Application Load Balancers per Region", 50),
    Known("elasticloadbalancing", "L-69A177A2", "Network Load Balancers per Region", 50),
    Known("elasticloadbalancing", "L-7EED9B64", "Rules per Application Load Balancer", 100),
    Known("elasticloadbalancing", "L-B22855CB", "Target Groups per Region", 3000),
    Known("elasticloadbalancing", "L-B6DF7632", "Listeners per Application Load Balancer", 50),
    Known("fargate", "L-3032A538", "Fargate On-Demand vCPU resource count", 4000),
    Known("fargate", "L-36FBB829", "Fargate Spot vCPU resource count", 4000),
    Known("vpc", "L-0EA8095F", "Inbound or outbound rules per security group", 60),
    Known("vpc", "L-2AFB9258", "Security groups per network interface", 5),
    Known("vpc", "L-A4707A72", "Internet gateways per Region", 5),
    Known("vpc", "L-E79EC296", "VPC security groups per Region", 2500),
    Known("vpc", "L-F678F1CE", "VPCs per Region", 5),
)
LARGEST_PAGE: Final = 100


def _of(params: Params) -> list[Known]:
    found = [one for one in QUOTAS if one.service == params["ServiceCode"]]
    if not found:
        raise Refusal("NoSuchResourceException", "The request failed because the specified service does not exist.")
    return found


def _one(params: Params) -> Known:
    for one in _of(params):
        if one.code == params["QuotaCode"]:
            return one
    raise Refusal("NoSuchResourceException", "The request failed because the specified quota does not exist.")


def _shown(world: World, one: Known, *, default: bool = False) -> Params:
    value = one.value if default else world.quotas.get((one.service, one.code), one.value)
    return {
        "ServiceCode": one.service,
        "QuotaArn": world.arn("servicequotas", f"{one.service}/{one.code}"),
        "QuotaCode": one.code,
        "QuotaName": one.name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _listed(params: Params, rows: Iterator[Params]) -> Params:
    wrong = Refusal("InvalidPaginationTokenException", "Invalid token.")
    size = int(params.get("MaxResults", LARGEST_PAGE))
    chosen, following = page(list(rows), params.get("NextToken"), size, lambda row: str(row["QuotaCode"]), wrong)
    return {"Quotas": chosen} | ({"NextToken": following} if following else {})


def list_service_quotas(world: World, params: Params) -> Params:
    return _listed(params, (_shown(world, one) for one in _of(params)))


def list_aws_default_service_quotas(world: World, params: Params) -> Params:
    return _listed(params, (_shown(world, one, default=True) for one in _of(params)))


def get_service_quota(world: World, params: Params) -> Params:
    return {"Quota": _shown(world, _one(params))}


def get_aws_default_service_quota(world: World, params: Params) -> Params:
    return {"Quota": _shown(world, _one(params), default=True)}


def request_service_quota_increase(world: World, params: Params) -> Params:
    """RequestServiceQuotaIncrease: not for less than what applies."""
    one, wanted = _one(params), float(params["DesiredValue"])
    if wanted <= world.quotas.get((one.service, one.code), one.value):
        raise Refusal("IllegalArgumentException", "The desired value must be larger than the current quota value.")
    world.quotas[one.service, one.code] = wanted
    request = {
        "Id": world.ids.uuid(),
        "ServiceCode": one.service,
        "QuotaCode": one.code,
        "QuotaName": one.name,
        "DesiredValue": wanted,
        "Status": "APPROVED",
        "Created": world.now,
    }
    return {"RequestedQuota": request}


OPERATIONS: Final[Mapping[str, Operation]] = {
    "GetAWSDefaultServiceQuota": get_aws_default_service_quota,
    "GetServiceQuota": get_service_quota,
    "ListAWSDefaultServiceQuotas": list_aws_default_service_quotas,
    "ListServiceQuotas": list_service_quotas,
    "RequestServiceQuotaIncrease": request_service_quota_increase,
}
