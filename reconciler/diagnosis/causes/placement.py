"""Causes for tasks that ECS does not start, and for failed deployments."""

from __future__ import annotations

from typing import Final

from reconciler.diagnosis.causes.cause import Cause, Level, Match

PLACEMENT: Final = (
    Cause(
        "role",
        "the role cannot be assumed",
        "ECS cannot assume {role}",
        "its trust policy must allow ecs-tasks.amazonaws.com; a new role takes a minute to become usable",
        (
            Match(said=r"unable to assume (?:the )?role"),
            Match(said=r"not authorized to perform:? sts:AssumeRole"),
        ),
    ),
    Cause(
        "incompatible",
        "the platform cannot run this task",
        "the task definition uses features that its platform version or capacity does not support",
        "use platform_version LATEST, and cpu, memory and features that Fargate supports",
        (
            Match(said=r"PlatformTaskDefinitionIncompatib"),
            Match(said=r"platform version .*(?:does not|doesn't) satisfy"),
            Match(said=r"not compatible with the selected compute strategy"),
        ),
    ),
    Cause(
        "vcpu-limit",
        "the vCPU quota of the account is reached",
        "the account's quota of running vCPUs is reached",
        "request a higher quota in Service Quotas (AWS Fargate), or stop other tasks",
        (Match(said=r"limit on the number of vCPUs"), Match(said=r"VcpuLimitExceeded")),
        counts=False,
    ),
    Cause(
        "task-limit",
        "the task quota of the account is reached",
        "the account's quota of running tasks is reached",
        "request a higher quota in Service Quotas, or stop other tasks",
        (Match(said=r"limit on the number of (?:\w+ )?tasks"), Match(said=r"MaxSpotInstanceCountExceeded")),
        counts=False,
    ),
    Cause(
        "capacity",
        "AWS has no capacity for the task",
        "AWS currently has no capacity for this task size in these zones",
        "ECS retries; add zones, use another size, or add FARGATE beside FARGATE_SPOT",
        (
            Match(said=r"Capacity is unavailable at this time"),
            Match(said=r"UnfulfillableCapacity|InsufficientInstanceCapacity"),
        ),
        counts=False,
    ),
    Cause(
        "no-instance",
        "no instance of the cluster has capacity",
        "no container instance of the cluster meets the task's requirements",
        "add instances, or run it on Fargate",
        (
            Match(said=r"no container instance met all of its requirements"),
            Match(said=r"No Container Instances were found"),
            Match(said=r"\bRESOURCE:(?:CPU|MEMORY|ENI|PORTS)"),
            Match(said=r"placement constraint unsatisfied"),
        ),
        counts=False,
    ),
    Cause(
        "no-room-to-roll",
        "the deployment can neither stop nor start a task",
        "min_percent and max_percent leave no room to replace a task",
        "raise max_percent above 100, or lower min_percent",
        (Match(said=r"unable to stop or start tasks during a deployment because of the service deployment config"),),
    ),
    Cause(
        "throttled",
        "ECS is throttled",
        "ECS's own calls are being throttled in this account",
        "ECS continues slowly; check for other tools that call the same API",
        (Match(said=r"operations are being throttled on (?P<host>\w+)"),),
        level=Level.SYMPTOM,
        counts=False,
    ),
    Cause(
        "alarm",
        "an alarm fired",
        "an alarm of the deployment is in alarm state",
        "see the alarm in CloudWatch; alarms that fired before the deployment do not count",
        (Match(said=r"deployment failed: alarm detected"),),
    ),
    Cause(
        "starts-slowed",
        "ECS delays starting tasks because they keep failing",
        "ECS delays starting tasks because they keep failing",
        "check the stopped tasks",
        (Match(said=r"unable to consistently start tasks successfully"),),
        level=Level.SYMPTOM,
    ),
    Cause(
        "circuit-breaker",
        "ECS failed the deployment",
        "the ECS circuit breaker failed the deployment because its tasks did not start or did not become healthy",
        "check the stopped tasks",
        (
            Match(said=r"deployment circuit breaker: tasks? failed"),
            Match(said=r"deployment failed: tasks failed to start"),
        ),
        level=Level.SYMPTOM,
    ),
)
