"""Compilation of a workload's execution role: exactly what ECS needs to start its tasks, and no more.

ECS pulls images, reads secrets and writes logs in the name of this role. Its own containers never have it. A repository
that is encrypted with a customer's key takes no permission of that key: ECR has a grant (ECR user guide, "Encryption at
rest"). Sources: ECS developer guide, "Amazon ECS task execution IAM role"; Service Authorization Reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from reconciler.model.ecr_image import ecr_image
from reconciler.model.resource import Address, Desired, Link, Ref
from reconciler.spec import names, queries
from reconciler.spec.compile import role, secret, task_members
from reconciler.spec.compile.context import Context
from reconciler.spec.documents import Registry, Service, Task
from reconciler.spec.documents.logs import AWSLOGS, GROUP

Workload = Service | Task
TASKS = "ecs-tasks.amazonaws.com"


def execution_role(context: Context, workload: Workload) -> Desired[Any] | None:
    """The role that is generated; None where the document names one, or where starting takes no permissions."""
    if workload.task.execution_role is not None or not _is_needed(context, workload):
        return None
    statements = {
        "start-tasks": _statements(context, workload),
        "additional": map(role.written, workload.task.execution_role_statements),
    }
    return role.generated(context, workload, names.execution_role, TASKS, tasks(context), statements)


def tasks(context: Context) -> str:
    """What ECS assumes the roles of tasks for; no cluster can be named (ECS developer guide, "Task IAM role")."""
    return context.arn("ecs", "*")


def execution_role_link(context: Context, workload: Workload) -> Link:
    """The role of the document, else the generated one, or none."""
    if workload.task.execution_role is not None:
        return context.role(workload.task.execution_role)
    needed = _is_needed(context, workload)
    return Ref(Address("role", names.execution_role(workload.name))) if needed else ""


def _is_needed(context: Context, workload: Workload) -> bool:
    return bool(workload.task.execution_role_statements or list(_statements(context, workload)))


def _statements(context: Context, workload: Workload) -> Iterator[dict[str, Any]]:
    repositories = sorted(set(_repositories(context, workload)))
    if repositories:
        yield role.allow(["ecr:GetAuthorizationToken"], ["*"])
        pulls = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        yield role.allow(pulls, repositories)
    groups = log_groups(context, workload)
    if groups:
        yield role.allow(["logs:CreateLogStream", "logs:PutLogEvents"], [f"{arn}:*" for arn in sorted(groups)])
    if created := sorted(arn for arn, create in groups.items() if create):
        yield role.allow(["logs:CreateLogGroup"], [f"{arn}:*" for arn in created])
    yield from _environment_files(workload)
    references = workload.task.secrets
    for service, action in (("ssm", "ssm:GetParameters"), ("secretsmanager", "secretsmanager:GetSecretValue")):
        arns = {secret.resource(context, reference) for reference in references if reference.service == service}
        if arns:
            yield role.allow([action], sorted(arns))
    services = {reference.service for reference in references} | ({"logs"} if groups else set())
    yield from _decryption(context, workload, sorted(services))


def log_groups(context: Context, workload: Workload) -> dict[str, bool]:
    """ARN of each log group that a container's driver writes to → whether it is to create it."""
    task = workload.task
    found: dict[str, bool] = {}
    if queries.has_log_group(workload):
        found[context.arn("logs", f"log-group:{queries.log_group(workload)}")] = False
    for container in task.containers.values():
        logs = queries.logs_of(task.logs, container)
        if logs is None or logs.driver != AWSLOGS:
            continue
        options = task_members.own_options(task.logs, container)
        region = options.get("awslogs-region", context.stack.region)
        name = options.get(GROUP, queries.log_group(workload))
        arn = f"arn:{context.partition}:logs:{region}:{context.account}:log-group:{name}"
        found[arn] = found.get(arn, False) or options.get("awslogs-create-group") == "true"
    return found


def _environment_files(workload: Workload) -> Iterator[dict[str, Any]]:
    """Source: ECS developer guide, "Pass environment variables", required IAM permissions."""
    containers = workload.task.containers.values()
    files = sorted({file.value for container in containers for file in container.environment_files})
    if files:
        yield role.allow(["s3:GetObject"], files)
        yield role.allow(["s3:GetBucketLocation"], sorted({arn.partition("/")[0] for arn in files}))


def _decryption(context: Context, workload: Workload, services: Iterable[str]) -> Iterator[dict[str, Any]]:
    """A customer's keys, for those services in the key's own region alone."""
    domains = ("amazonaws.com", "amazonaws.com.cn") if context.partition == "aws-cn" else ("amazonaws.com",)
    regions = sorted({key.split(":")[3] for key in workload.task.kms_keys})
    for region in regions:
        via = [f"{service}.{region}.{domain}" for service in services for domain in domains]
        keys = sorted(key for key in workload.task.kms_keys if key.split(":")[3] == region)
        yield {**role.allow(["kms:Decrypt"], keys), "Condition": {"StringEquals": {"kms:ViaService": via}}}


def _repositories(context: Context, workload: Workload) -> Iterator[str]:
    """ARNs of the private repositories that images come from: the stack's registries, and those named by a URI."""
    for container in workload.task.containers.values():
        image = container.image
        declared = context.specs.get(Registry, image.registry)
        found = ecr_image(image.uri) if image.uri is not None else None
        if declared is not None:
            yield context.arn("ecr", f"repository/{declared.name_in_aws}")
        elif found is not None:
            yield f"arn:{context.partition}:ecr:{found.region}:{found.account}:repository/{found.repository}"
