"""How fast AWS lets an account call: its token buckets, as published.

A bucket holds `burst` tokens, a call takes one, and `per_second` come back. They are an account's and a region's, and
shared with people and every other tool. Sources: "API request throttling" of the ECS API reference, "Request throttling
for the Amazon EC2 API", "Throttling for the Elastic Load Balancing API". Of services that publish none we know nothing,
and none is listed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Rate:
    """`bucket` is what the calls that share it are called; unique within a service."""

    bucket: str
    burst: float
    per_second: float


def _each(rate: Rate, *operations: str) -> dict[str, Rate]:
    return dict.fromkeys(operations, rate)


NAMED: Final[Mapping[str, Mapping[str, Rate]]] = {
    "ecs": {
        **_each(
            Rate("cluster modify", 20, 1),
            "CreateCluster",
            "DeleteCluster",
            "PutClusterCapacityProviders",
            "UpdateCluster",
            "UpdateClusterSettings",
        ),
        **_each(Rate("cluster read", 50, 20), "DescribeClusters", "ListClusters"),
        **_each(Rate("task definition modify", 20, 1), "RegisterTaskDefinition", "DeregisterTaskDefinition"),
        **_each(
            Rate("task definition read", 50, 20),
            "DescribeTaskDefinition",
            "ListTaskDefinitions",
            "ListTaskDefinitionFamilies",
        ),
        **_each(Rate("task definition delete", 5, 1), "DeleteTaskDefinitions"),
        **_each(
            Rate("capacity provider modify", 10, 1),
            "CreateCapacityProvider",
            "DeleteCapacityProvider",
            "UpdateCapacityProvider",
        ),
        **_each(Rate("capacity provider read", 50, 20), "DescribeCapacityProviders"),
        # Task sets and the control of deployments are not in the published table; they change a service.
        **_each(
            Rate("service modify", 50, 5),
            "CreateService",
            "UpdateService",
            "DeleteService",
            "CreateTaskSet",
            "UpdateTaskSet",
            "DeleteTaskSet",
            "UpdateServicePrimaryTaskSet",
            "StopServiceDeployment",
            "ContinueServiceDeployment",
        ),
        **_each(Rate("service read", 100, 20), "DescribeServices", "ListServices", "DescribeTaskSets"),
        **_each(
            Rate("service deployment read", 50, 20),
            "ListServiceDeployments",
            "DescribeServiceDeployments",
        ),
        **_each(Rate("service revision read", 50, 20), "DescribeServiceRevisions"),
        **_each(Rate("cluster resource modify", 100, 40), "RunTask", "StopTask", "StartTask", "ExecuteCommand"),
        **_each(Rate("cluster resource read", 100, 20), "DescribeTasks", "ListTasks", "DescribeContainerInstances"),
        **_each(Rate("tag modify", 20, 10), "TagResource", "UntagResource"),
        **_each(Rate("tag read", 50, 20), "ListTagsForResource"),
    },
    "ec2": {
        **_each(Rate("security group rules in", 50, 5), "AuthorizeSecurityGroupIngress"),
        **_each(Rate("security group rules out of", 50, 5), "RevokeSecurityGroupIngress"),
        **_each(Rate("tags", 100, 10), "CreateTags", "DeleteTags"),
        **_each(Rate("nat gateway create", 10, 1), "CreateNatGateway"),
        **_each(Rate("nat gateway delete", 10, 1), "DeleteNatGateway"),
        **_each(Rate("endpoint create", 4, 0.3), "CreateVpcEndpoint"),
        **_each(Rate("endpoint modify", 4, 0.3), "ModifyVpcEndpoint"),
        **_each(Rate("endpoint delete", 4, 0.3), "DeleteVpcEndpoints"),
    },
    "elbv2": {
        **_each(Rate("load balancer create", 10, 0.2), "CreateLoadBalancer"),
        **_each(Rate("subnets", 10, 0.2), "SetSubnets"),
        **_each(Rate("targets", 20, 4), "RegisterTargets", "DeregisterTargets"),
    },
}
"""Service → operation → its bucket, where it has one of its own."""

OTHERS: Final[Mapping[str, tuple[Rate, Rate]]] = {
    "ec2": (Rate("read", 100, 20), Rate("write", 50, 5)),
    "elbv2": (Rate("read", 40, 10), Rate("write", 20, 3)),
}
"""Service → the bucket of its other reads, and of its other writes. We always filter or page, as EC2 asks for."""


def rate_of(service: str, operation: str, *, reads: bool) -> Rate | None:
    """The bucket that a call is counted in, None where AWS publishes nothing of it."""
    named = NAMED.get(service, {}).get(operation)
    if named is not None:
        return named
    others = OTHERS.get(service)
    return None if others is None else others[0 if reads else 1]
