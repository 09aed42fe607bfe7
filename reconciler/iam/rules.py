"""What IAM knows of each call: its action's name, and by what it can be bound.

Where nothing else stands here, a call that makes something is bound to the stack's tag in its request, and any other
write to the stack's tag on what it writes to. What stands here are the exceptions: what carries no tags, what can be
named beforehand, and what a creation needs of things that are there.

Source: Service Authorization Reference, the pages of each service.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from reconciler.aws.client import CHANGES, CREATES
from reconciler.aws.retry import is_read
from reconciler.model.resource import Call

Operation = tuple[str, str]


class Sort(Enum):
    READ = auto()
    READ_ROLES = auto()  # IAM is in no region
    READ_OUTPUT = auto()  # what applications say is nobody else's business
    MAKE = auto()
    MAKE_BY_NAME = auto()
    MAKE_IN_EC2 = auto()
    CHANGE = auto()
    ATTACH = auto()
    TASK_SETS = auto()
    SCHEDULES = auto()
    AUTOSCALING = auto()
    UNBOUND = auto()
    NEVER = auto()


PREFIX: Final = {"elbv2": "elasticloadbalancing", "resourcegroupstaggingapi": "tag"}
"""Services that IAM calls by another name."""

EXCEPTIONS: Final[dict[Operation, Sort]] = {
    ("iam", "GetAccountAuthorizationDetails"): Sort.READ_ROLES,
    ("iam", "GetRole"): Sort.READ_ROLES,
    ("logs", "GetLogEvents"): Sort.READ_OUTPUT,
    ("dynamodb", "CreateTable"): Sort.MAKE_BY_NAME,
    ("ecr", "CreateRepository"): Sort.MAKE_BY_NAME,
    ("iam", "CreateRole"): Sort.MAKE_BY_NAME,
    ("logs", "CreateLogGroup"): Sort.MAKE_BY_NAME,
    ("scheduler", "CreateScheduleGroup"): Sort.MAKE_BY_NAME,
    ("iam", "AttachRolePolicy"): Sort.ATTACH,
    # a role in an instance profile, or under a boundary, is more than the specs can say: a person's
    ("iam", "RemoveRoleFromInstanceProfile"): Sort.NEVER,
    ("iam", "DeleteRolePermissionsBoundary"): Sort.NEVER,
    ("ecs", "CreateTaskSet"): Sort.TASK_SETS,
    ("ecs", "UpdateTaskSet"): Sort.TASK_SETS,
    ("ecs", "DeleteTaskSet"): Sort.TASK_SETS,
    ("ecs", "DeregisterTaskDefinition"): Sort.UNBOUND,
    ("scheduler", "CreateSchedule"): Sort.SCHEDULES,
    ("scheduler", "UpdateSchedule"): Sort.SCHEDULES,
    ("scheduler", "DeleteSchedule"): Sort.SCHEDULES,
}

IN_EC2: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "CreateVpc": ("vpc", ()),
    "CreateSubnet": ("subnet", ("vpc",)),
    "CreateInternetGateway": ("internet-gateway", ()),
    "AllocateAddress": ("elastic-ip", ()),
    "CreateNatGateway": ("natgateway", ("subnet", "elastic-ip")),
    "CreateRouteTable": ("route-table", ("vpc",)),
    "CreateSecurityGroup": ("security-group", ("vpc",)),
    "CreateVpcEndpoint": ("vpc-endpoint", ("vpc", "subnet", "route-table", "security-group")),
}
"""EC2 decides about each thing that a creation touches: what is made, by the tags it is to have, and what it is made
in, by the tags it has."""

TAGGED_IN_PASSING: Final = {"ec2": "CreateTags", "ecs": "TagResource", "elbv2": "AddTags"}
"""Tagging that is part of a creation, which these services tell apart by the key `<service>:CreateAction`."""

TAGGED_BY_NAME: Final = {
    "dynamodb": "TagResource",
    "ecr": "TagResource",
    "iam": "TagRole",
    "logs": "TagResource",
    "scheduler": "TagResource",
}
"""Tagging that the others do not tell from any other: bound by name, or what is somebody else's could be tagged as
ours and then be changed as ours."""

LINKED: Final = {
    "cluster": "ecs.amazonaws.com",
    "service": "ecs.amazonaws.com",
    "load-balancer": "elasticloadbalancing.amazonaws.com",
    "scaling": "ecs.application-autoscaling.amazonaws.com",
}
"""Types whose service makes its service-linked role in the caller's name where the account has none yet."""

PASSED_TO: Final = {
    "task-definition": "ecs-tasks.amazonaws.com",
    "task": "ecs-tasks.amazonaws.com",
    "schedule": "scheduler.amazonaws.com",
    "service": "ecs.amazonaws.com",
}
"""Type → whom the roles that its spec names are handed to."""

FREE: Final = frozenset({("sts", "GetCallerIdentity")})
"""What everybody may ask who has credentials at all."""


def sort_of(operation: Operation) -> Sort:
    service, name = operation
    if operation in EXCEPTIONS:
        return EXCEPTIONS[operation]
    if is_read(Call(service, name)):
        return Sort.READ
    if service == "application-autoscaling":
        return Sort.AUTOSCALING
    if service == "ec2" and name in IN_EC2:
        return Sort.MAKE_IN_EC2
    return Sort.MAKE if makes(name) else Sort.CHANGE


def makes(name: str) -> bool:
    """Whether an operation of that name makes something that was not there."""
    return name.startswith(CREATES) and name not in CHANGES


def action(operation: Operation) -> str:
    service, name = operation
    return f"{PREFIX.get(service, service)}:{name}"
