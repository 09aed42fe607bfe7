"""The services that are ours, operation by operation. What is missing here is unknown, except in `SHARED`."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.local import autoscaling, policy_simulation, quotas, tagging
from reconciler.local.cloudtrail import lookup
from reconciler.local.cloudwatch import api as cloudwatch
from reconciler.local.codedeploy import api as codedeploy
from reconciler.local.ecs import api as ecs
from reconciler.local.elb import api as elb
from reconciler.local.eventbridge import api as eventbridge
from reconciler.local.sqs import api as sqs
from reconciler.local.strict import members
from reconciler.local.world import Operation

OWNED: dict[str, Mapping[str, Operation]] = {
    "application-autoscaling": autoscaling.OPERATIONS,
    "cloudformation": {},  # there are no stacks here, and moto's own would be half of one
    "cloudtrail": lookup.OPERATIONS,
    "cloudwatch": cloudwatch.OPERATIONS,
    "codedeploy": codedeploy.OPERATIONS,
    "ecs": ecs.OPERATIONS,
    "elbv2": elb.OPERATIONS,
    "events": eventbridge.OPERATIONS,
    "iam": policy_simulation.OPERATIONS,
    "logs": members.LOGS,
    "resourcegroupstaggingapi": tagging.OPERATIONS,
    "service-quotas": quotas.OPERATIONS,
    "sqs": sqs.OPERATIONS,
}
SHARED = frozenset({"cloudtrail", "cloudwatch", "events", "iam", "logs"})
"""Services of which some operations are ours and the others moto's: dashboards have nothing to do with metrics and
alarms."""
CONSTRAINT_ERRORS = {
    "application-autoscaling": "ValidationException",
    "cloudwatch": "ValidationError",
    "ecs": "InvalidParameterException",
    "elbv2": "ValidationError",
    "events": "ValidationException",
    "resourcegroupstaggingapi": "InvalidParameterException",
}
"""What each service calls a violation of its own model's limits; CodeDeploy has a code for each member."""
