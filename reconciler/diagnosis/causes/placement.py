"""Causes for tasks that ECS does not start, and for failed deployments."""

from __future__ import annotations

from typing import Final

from reconciler.diagnosis.causes.cause import Cause, Level, Match

PLACEMENT: Final = (
    Cause(
        "role",
        "the role cannot be assumed",
        "ECS cannot assume {role}",
        "its trust policy has to name ecs-tasks.amazonaws.com; a role made just now takes a minute",
        (
            Match(said=r"unable to assume (?:the )?role"),
            Match(said=r"not authorized to perform:? sts:AssumeRole"),
        ),
    ),
    Cause(
        "incompatible",
        "the platform cannot run this task",
        "the task definition asks for what its platform version or capacity does not have",
        "use platform_version LATEST, and cpu, memory and features that Fargate offers",
        (
            Match(said=r"PlatformTaskDefinitionIncompatib"),
            Match(said=r"platform version .*(?:does not|doesn't) satisfy"),
            Match(said=r"not compatible with the selected compute strategy"),
        ),
    ),
    Cause(
        "vcpu-limit",
        "the account may run no more vCPUs",
        "the account's limit on vCPUs running at once is reached",
        "ask for more in Service Quotas (AWS Fargate), or let other tasks end",
        (Match(said=r"limit on the number of vCPUs"), Match(said=r"VcpuLimitExceeded")),
        counts=False,
    ),
    Cause(
        "task-limit",
        "the account may run no more tasks",
        "the account's limit on tasks running at once is reached",
        "ask for more in Service Quotas, or let other tasks end",
        (Match(said=r"limit on the number of (?:\w+ )?tasks"), Match(said=r"MaxSpotInstanceCountExceeded")),
        counts=False,
    ),
    Cause(
        "capacity",
        "AWS has no room for the task",
        "AWS has no capacity for such a task in these zones at the moment",
        "ECS tries again; more zones, another size, or FARGATE beside FARGATE_SPOT help",
        (
            Match(said=r"Capacity is unavailable at this time"),
            Match(said=r"UnfulfillableCapacity|InsufficientInstanceCapacity"),
        ),
        counts=False,
    ),
    Cause(
        "no-instance",
        "no instance of the cluster has room",
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
        "the deployment may neither stop nor start a task",
        "min_percent and max_percent leave no room to replace a task",
        "raise max_percent above 100, or lower min_percent",
        (Match(said=r"unable to stop or start tasks during a deployment because of the service deployment config"),),
    ),
    Cause(
        "throttled",
        "AWS is slowing ECS down",
        "ECS's own calls are being throttled in this account",
        "nothing of yours: ECS goes on slowly; look for other tools that call the same API",
        (Match(said=r"operations are being throttled on (?P<host>\w+)"),),
        level=Level.SYMPTOM,
        counts=False,
    ),
    Cause(
        "alarm",
        "an alarm went off",
        "an alarm of the deployment went off",
        "see the alarm in CloudWatch; one that was on before the deployment is not counted",
        (Match(said=r"deployment failed: alarm detected"),),
    ),
    Cause(
        "starts-slowed",
        "tasks keep failing, so ECS starts them ever more slowly",
        "ECS starts tasks more slowly because they keep failing",
        "look at the stopped tasks",
        (Match(said=r"unable to consistently start tasks successfully"),),
        level=Level.SYMPTOM,
    ),
    Cause(
        "circuit-breaker",
        "ECS gave the deployment up",
        "ECS's circuit breaker ended the deployment, because its tasks did not start or did not get healthy",
        "look at the stopped tasks",
        (
            Match(said=r"deployment circuit breaker: tasks? failed"),
            Match(said=r"deployment failed: tasks failed to start"),
        ),
        level=Level.SYMPTOM,
    ),
)
