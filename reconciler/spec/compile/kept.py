"""The fields of a workload in which its compiled resources hold defaults of ours, by which paths of their specs.

An adopted resource keeps what it has there (model/adoption.py). `unstated` says it of fields that a document has; here
is also what no document can say, such as the members of a task definition that our language lacks.
"""

from __future__ import annotations

from reconciler.model.resource import Keep, Path
from reconciler.resources._containers import LOG_OPTIONS, Port
from reconciler.spec import queries
from reconciler.spec.compile import task_members
from reconciler.spec.compile.context import Context, unstated
from reconciler.spec.documents import DeploymentStrategy, Service, Task
from reconciler.spec.documents.container import Container
from reconciler.spec.documents.logs import AWSLOGS, Logs
from reconciler.spec.documents.service import Forwarding

Workload = Service | Task


def of_definition(workload: Workload) -> dict[Path, Keep]:
    task = workload.task
    kept: dict[Path, Keep] = {("family",): Keep.VALUE, ("other",): Keep.VALUE}
    kept |= unstated(task, architecture="architecture", ephemeral_storage="ephemeral_storage")
    # The generated role is for a task that has none.
    kept |= {("execution_role",): Keep.PRESENT} if task.execution_role is None else {}
    kept |= {("task_role",): Keep.PRESENT} if task.role is None else {}
    for name, container in task.containers.items():
        own = _of_container(container) | _of_logs(task.logs, container)
        kept |= {("containers", name, *path): how for path, how in own.items()}
    return kept


def _of_logs(task: Logs | None, container: Container) -> dict[Path, Keep]:
    """A log group that no field states stays as it is, and so do the region and the prefix in it."""
    logs = queries.logs_of(task, container)
    if logs is None:
        return {(field,): Keep.VALUE for field in LOG_OPTIONS.values()}
    if logs.driver != AWSLOGS:
        return {}
    options = task_members.own_options(task, container)
    stated = set(options) | ({"awslogs-group"} if task is not None and task.group is not None else set())
    return {(field,): Keep.PRESENT for option, field in LOG_OPTIONS.items() if option not in stated}


def members_of_definition(context: Context, workload: Workload) -> dict[Path, Keep]:
    """The API members that every task definition keeps, adopted or not, and those that fields set. That of a port is a
    field of ours, which Service Connect states."""
    task = workload.task
    kept: dict[Path, Keep] = {("aws",): Keep.MEMBERS, **task_members.keeping((), task_members.of_task(task))}
    for name, container in task.containers.items():
        stated = task_members.of_container(context, workload, name)
        kept["containers", name, "aws"] = Keep.MEMBERS
        kept |= task_members.keeping(("containers", name), stated)
        connected = queries.connected_ports(workload, name)
        for port in container.all_ports:
            path = "containers", name, "ports", f"{port.port}/{port.protocol}", "app_protocol"
            named = connected.get(port.port) if port.protocol == "tcp" else None
            if named is None and not container.aws.get("portMappings"):
                kept[path] = Keep.VALUE
            elif named is not None and named.protocol is not None:
                kept[path] = Keep.STATED
    return kept


_CONTAINER = (
    "essential",
    "cpu",
    "memory",
    "command",
    "entrypoint",
    "environment",
    "secrets",
    "health_check",
    "user",
    "readonly_root",
    "stop_timeout",
    "depends_on",
    "ulimits",
)


def _of_container(container: Container) -> dict[Path, Keep]:
    kept = unstated(container, **{name: name for name in _CONTAINER})
    check = container.health_check
    if check is not None:
        parts = ("interval", "timeout", "retries", "start_period")
        kept |= unstated(check, **{part: f"health_check.{part}" for part in parts})
    if not container.model_fields_set & {"port", "ports"}:
        return kept | {("ports",): Keep.VALUE}
    for port in container.all_ports:
        item = str(Port(port=port.port, protocol=port.protocol))
        kept |= unstated(port, name=("ports", item, "name"))
    return kept


def of_capacity(workload: Workload) -> dict[Path, Keep]:
    if workload.model_fields_set & {"launch", "capacity_providers"}:
        return {}
    return {("launch_type",): Keep.VALUE, ("capacity_provider_strategy",): Keep.VALUE}


def of_placement(workload: Workload) -> dict[Path, Keep]:
    return unstated(workload.placement, public_ip="network.public_ip")


def of_service(service: Service, strategy: DeploymentStrategy | None) -> dict[Path, Keep]:
    limits = ("min_percent", "max_percent", "circuit_breaker", "rollback")
    deployment: dict[Path, Keep]
    if strategy is None:
        deployment = {("deployment", limit): Keep.VALUE for limit in limits}
    else:
        deployment = unstated(strategy.rolling, **{limit: f"deployment.{limit}" for limit in limits})
    deployment |= {} if strategy is None else unstated(strategy, hooks="deployment.hooks")
    own = unstated(service, exec="exec", desired_count="desired_count", service_connect="service_connect")
    return own | deployment | of_capacity(service) | of_placement(service)


def of_target_group(traffic: Forwarding) -> dict[Path, Keep]:
    """Its port is not in the document, and ECS registers each task with the port of the container."""
    names = (
        "path",
        "port",
        "protocol",
        "interval",
        "timeout",
        "healthy_threshold",
        "unhealthy_threshold",
        "matcher",
    )
    kept = unstated(traffic.health_check, **{name: f"health_check.{name}" for name in names})
    own = unstated(traffic, protocol="protocol", protocol_version="protocol_version")
    delay = unstated(traffic, deregistration_delay=("attributes", "deregistration_delay.timeout_seconds"))
    return {("port",): Keep.VALUE} | own | kept | delay
