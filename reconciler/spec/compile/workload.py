"""Compilation of what Services and Tasks share: a task definition, and everything that a task needs to start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.model.member_values import merged
from reconciler.model.members import laid, with_fields
from reconciler.model.resource import Address, Desired, Link, Ref
from reconciler.resources._containers import LOG_OPTIONS, Container, ContainerHealthCheck, Port, Ulimit
from reconciler.resources._ecs import Network as Placed
from reconciler.resources.log_group import LogGroupSpec
from reconciler.resources.task_definition import TaskDefinitionSpec
from reconciler.spec import members, names, queries
from reconciler.spec.compile import kept, registry, role, secret, task_members
from reconciler.spec.compile.cluster import exec_statements
from reconciler.spec.compile.context import Context, lookup_address, seconds, whole_seconds
from reconciler.spec.compile.execution_role import TASKS, Workload, execution_role, execution_role_link, tasks
from reconciler.spec.documents import Registry
from reconciler.spec.documents.container import LookedUp
from reconciler.spec.documents.logs import AWSLOGS
from reconciler.spec.documents.task_definition import DISTINCT, Choice


def compile_workload(context: Context, workload: Workload) -> Iterator[Desired[Any]]:
    """The images, log group, roles and task definition of a workload."""
    task = workload.task
    for name, container in task.containers.items():
        reference = container.image
        if reference.registry is not None and reference.tag is not None:
            declared = context.specs.get(Registry, reference.registry)
            assert declared is not None, "a checked reference"
            path = ("task", "containers", name, "image")
            yield registry.image(context, workload, declared, reference.tag, *path)
    if task.logs is not None and queries.has_log_group(workload):
        aws, fields = with_fields(members.api_of(task.logs), members.said(task.logs))
        yield context.desired(
            workload,
            log_group_address(workload),
            LogGroupSpec(name=queries.log_group(workload), retention_days=task.logs.retention_days, aws=aws, **fields),
            "task",
            "logs",
        )
    if (generated := execution_role(context, workload)) is not None:
        yield generated
    if queries.has_generated_role(workload):
        yield task_role(context, workload)
    yield from secret.lookups(context, workload)
    yield context.desired(
        workload,
        Address("task-definition", workload.name),
        task_definition(context, workload),
        "task",
        origins=origins(context, workload),
        kept=kept.of_definition(workload),
        members={**kept.members_of_definition(context, workload), **secret.keeping(context, workload)},
        tags=registry.images_tag(context, workload),
    )


def log_group_address(workload: Workload) -> Address:
    """By its name, without the prefix and suffix of the Stack: it stays when these change."""
    logs = workload.task.logs
    named = logs.group if logs is not None and logs.group is not None else names.log_group(workload.lasting_name)
    return Address("log-group", named.strip("/"))


def task_role(context: Context, workload: Workload) -> Desired[Any]:
    """What the document allows the application; ECS Exec opens its channels in the task's own name as well."""
    channels = ["CreateControlChannel", "CreateDataChannel", "OpenControlChannel", "OpenDataChannel"]
    statement = role.allow([f"ssmmessages:{channel}" for channel in channels], ["*"])
    statements = {
        "exec": [statement, *exec_statements(context, workload)] if workload.exec else [],
        "volumes": _file_systems(context, workload),
        "additional": map(role.written, workload.task.role_statements),
    }
    return role.generated(context, workload, names.task_role, TASKS, tasks(context), statements)


def _file_systems(context: Context, workload: Workload) -> Iterator[dict[str, Any]]:
    """What the mounts of file systems need (EFS user guide, "Using IAM to control file system data access")."""
    for name, written in queries.authorised_mounts(workload).items():
        volume = workload.task.volumes[name].efs
        assert volume is not None, "it is a volume of EFS"
        actions = [f"elasticfilesystem:Client{what}" for what in (("Mount", "Write") if written else ("Mount",))]
        system = context.arn("elasticfilesystem", f"file-system/{volume.file_system}")
        statement = role.allow(actions, [system])
        if volume.access_point is not None:
            point = context.arn("elasticfilesystem", f"access-point/{volume.access_point}")
            statement["Condition"] = {"StringEquals": {"elasticfilesystem:AccessPointArn": point}}
        yield statement


def task_definition(context: Context, workload: Workload) -> TaskDefinitionSpec:
    task = workload.task
    own: Link = ""
    if task.role is not None:
        own = context.role(task.role)
    elif queries.has_generated_role(workload):
        own = Ref(Address("role", names.task_role(workload.name)))
    return TaskDefinitionSpec(
        family=workload.name_in_aws,
        cpu=task.cpu,
        memory=task.memory,
        execution_role=execution_role_link(context, workload),
        task_role=own,
        architecture=task.architecture,
        containers={name: _container(context, workload, name) for name in task.containers},
        aws=_launched(context, workload) | merged(members.said(task), laid(task_members.of_task(task))),
        **({} if task.ephemeral_storage is None else {"ephemeral_storage": task.ephemeral_storage}),
    )


def _launched(context: Context, workload: Workload) -> dict[str, Any]:
    """What ECS validates a task definition against, where that is not Fargate."""
    return {"requiresCompatibilities": ["EC2"]} if queries.on_ec2(context.specs, workload) else {}


def _container(context: Context, workload: Workload, name: str) -> Container:
    container = workload.task.containers[name]
    reference = container.image
    image: Link
    if reference.registry is not None and reference.tag is not None:
        image = registry.image_ref(reference.registry, reference.tag)
    else:
        assert reference.uri is not None, "an image is a registry and a tag, or a URI"
        image = reference.uri
    check = container.health_check
    aws = merged(members.said(container), laid(task_members.of_container(context, workload, name)))
    alone = workload.task if len(workload.task.containers) == 1 else container
    declared: dict[str, Any] = {
        "image": image,
        "essential": container.essential,
        "cpu": container.cpu or alone.cpu,
        "memory": container.memory or alone.memory,
        "ports": _ports(workload, name, aws.get("portMappings") or ()),
        "environment": {
            key: Ref(lookup_address(value)) if isinstance(value, LookedUp) else value
            for key, value in container.environment.items()
        },
        "secrets": {key: use.link for key, use in secret.variables(context, workload, name).items()},
        "versions": {key: use.link for key, use in secret.further(context, workload, name).items()} or None,
        "command": container.command,
        "entrypoint": container.entrypoint,
        "health_check": None
        if check is None
        else ContainerHealthCheck(
            command=check.command,
            interval=whole_seconds(check.interval),
            timeout=whole_seconds(check.timeout),
            retries=check.retries,
            start_period=whole_seconds(check.start_period),
        ),
        "user": container.user,
        "readonly_root": container.readonly_root,
        "stop_timeout": seconds(container.stop_timeout),
        "depends_on": dict(container.depends_on),
        "ulimits": {key: Ulimit(soft=limit.soft, hard=limit.hard) for key, limit in container.ulimits.items()},
        **_logging(context, workload, name),
        "aws": _without_ports(aws),
    }
    return Container(**{field: value for field, value in declared.items() if value is not None})


def _ports(workload: Workload, name: str, mappings: Sequence[Mapping[str, Any]]) -> tuple[Port, ...]:
    """Each under its name, or under that which Service Connect needs, with what `aws` says of it. A range of ports is
    none of them."""
    connected = queries.connected_ports(workload, name)
    ports = {
        (port.port, port.protocol): Port(
            port=port.port, protocol=port.protocol, name=named.name, app_protocol=named.protocol
        )
        if port.protocol == "tcp" and (named := connected.get(port.port)) is not None
        else Port(port=port.port, protocol=port.protocol, name=port.name)
        for port in workload.task.containers[name].all_ports
    }
    for one in mappings:
        if "containerPort" in one:
            key = one["containerPort"], one.get("protocol", "tcp")
            port = ports.get(key) or Port(port=key[0], protocol=key[1])
            ports[key] = port.model_copy(update={"app_protocol": one.get("appProtocol", port.app_protocol)})
    return tuple(ports.values())


def _logging(context: Context, workload: Workload, name: str) -> dict[str, Any]:
    """The fields of a container whose output CloudWatch Logs stores."""
    task, container = workload.task.logs, workload.task.containers[name]
    logs = queries.logs_of(task, container)
    if logs is None or logs.driver != AWSLOGS:
        return {}
    options = task_members.own_options(task, container)
    usual = {
        "log_group": Ref(log_group_address(workload)),
        "log_stream_prefix": workload.name_in_aws,
        "log_region": context.stack.region,
    }
    return {field: options.get(option, usual[field]) for option, field in LOG_OPTIONS.items()}


def _without_ports(aws: dict[str, Any]) -> dict[str, Any]:
    ranges = [one for one in aws.get("portMappings") or () if "containerPort" not in one]
    others = {name: value for name, value in aws.items() if name != "portMappings"}
    return {**others, "portMappings": ranges} if ranges else others


def placement(context: Context, workload: Workload) -> Placed:
    placed = workload.placement
    return Placed(
        subnets=context.subnets(placed.subnets),
        security_groups=context.security_groups(placed.security_groups),
        public_ip=placed.public_ip,
    )


def chosen(workload: Workload) -> dict[str, list[dict[str, str]]]:
    """How ECS chooses instances, by its names, as far as the document states it."""
    found: dict[str, list[dict[str, str]]] = {}
    if workload.placement.strategy is not None:
        found["placementStrategy"] = [_choice(one) for one in workload.placement.strategy]
    if workload.placement.constraints is not None:
        found["placementConstraints"] = [
            {"type": "distinctInstance"} if one == DISTINCT else {"type": "memberOf", "expression": one}
            for one in workload.placement.constraints
        ]
    return found


INSTANCE_FIELDS = {"zone": "attribute:ecs.availability-zone", "instance": "instanceId"}


def _choice(choice: Choice) -> dict[str, str]:
    if choice.spread is not None:
        return {"type": "spread", "field": INSTANCE_FIELDS.get(choice.spread, choice.spread)}
    return {"type": "random"} if choice.binpack is None else {"type": "binpack", "field": choice.binpack}


def origins(context: Context, workload: Workload) -> dict[str, str]:
    """Where each container's image and variables stand, for the one line that a failed release points at."""
    places: dict[str, str] = {}
    for name, container in workload.task.containers.items():
        base = ("task", "containers", name)
        for part in ("image", "command", "health_check", "cpu", "memory", "user"):
            places[f"containers.{name}.{part}"] = context.specs.where(workload, *base, part).place
        for group in ("environment", "secrets"):
            for key in getattr(container, group):
                places[f"containers.{name}.{group}.{key}"] = context.specs.where(workload, *base, group, key).place
    return places
