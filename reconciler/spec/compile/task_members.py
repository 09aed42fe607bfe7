"""Members of a task definition that optional fields of a document set, by ECS's names.

Only those of fields that the document states: what it leaves out is kept where somebody else has set it, and removed
where this document did (model/members.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.model.members import FIELD
from reconciler.model.resource import Keep, Path
from reconciler.spec import queries
from reconciler.spec.compile import secret
from reconciler.spec.compile.context import Context, seconds
from reconciler.spec.documents import Service, Task
from reconciler.spec.documents.container import Container
from reconciler.spec.documents.logs import AWSLOGS, Firelens, Logs
from reconciler.spec.documents.secret import FollowedSecret
from reconciler.spec.documents.task_definition import TaskDefinition
from reconciler.spec.documents.volume import EfsVolume, S3FilesVolume, Tmpfs, Volume

Stated = Mapping[Path, Any]

_OPTIONS: Final = ("awslogs-group", "awslogs-region", "awslogs-stream-prefix")
"""Options of a log that are fields of the resource."""


def keeping(at: Path, stated: Iterable[Path]) -> dict[Path, Keep]:
    """That nothing is kept in these members of the block at `at`."""
    return {(*at, FIELD, *path): Keep.STATED for path in stated}


def of_task(task: TaskDefinition) -> Stated:
    found: dict[Path, Any] = {}
    if "volumes" in task.model_fields_set:
        found["volumes",] = [_volume(name, volume) for name, volume in sorted(task.volumes.items())]
    if task.pid_mode is not None:
        found["pidMode",] = task.pid_mode
    return found


def of_container(context: Context, workload: Service | Task, name: str) -> Stated:
    container = workload.task.containers[name]
    said = container.model_fields_set
    found: dict[Path, Any] = {}
    for field, member in _PLAIN.items():
        if field in said and (value := getattr(container, field)) is not None:
            found[member] = value
    if "labels" in said:
        found["dockerLabels",] = dict(container.labels)
    if "mounts" in said:
        found["mountPoints",] = [
            {"sourceVolume": one.volume, "containerPath": one.path, "readOnly": one.read_only}
            for one in container.mounts
        ]
    if "volumes_from" in said:
        found["volumesFrom",] = [
            {"sourceContainer": one.container, "readOnly": one.read_only} for one in container.volumes_from
        ]
    if "tmpfs" in said:
        found["linuxParameters", "tmpfs"] = [_tmpfs(one) for one in container.tmpfs]
    if "environment_files" in said:
        found["environmentFiles",] = [{"type": "s3", "value": file.value} for file in container.environment_files]
    if "system_controls" in said:
        controls = sorted(container.system_controls.items())
        found["systemControls",] = [{"namespace": name, "value": value} for name, value in controls]
    if container.registry_credentials is not None:
        credentials = container.registry_credentials  # by its ARN, or by its name in the region of the task
        found["repositoryCredentials",] = {"credentialsParameter": credentials.arn or credentials.name}
    if container.capabilities is not None:
        found["linuxParameters", "capabilities"] = {
            "add": list(container.capabilities.add),
            "drop": list(container.capabilities.drop),
        }
    if container.start_timeout is not None:
        found["startTimeout",] = seconds(container.start_timeout)
    if container.firelens is not None:
        found["firelensConfiguration",] = _router(container.firelens)
    return {**found, **_restart(container), **_logging(context, workload.task.logs, container)}


_PLAIN: Final[Mapping[str, Path]] = {
    "init": ("linuxParameters", "initProcessEnabled"),
    "memory_reservation": ("memoryReservation",),
    "working_directory": ("workingDirectory",),
    "interactive": ("interactive",),
    "tty": ("pseudoTerminal",),
}


def _restart(container: Container) -> Stated:
    restart = container.restart
    if restart is None:
        return {}
    made: dict[str, Any] = {"enabled": restart.enabled}
    if restart.ignored_exit_codes:
        made["ignoredExitCodes"] = list(restart.ignored_exit_codes)
    if restart.attempt_period is not None:
        made["restartAttemptPeriod"] = seconds(restart.attempt_period)
    return {("restartPolicy",): made}


def _tmpfs(one: Tmpfs) -> dict[str, Any]:
    made: dict[str, Any] = {"containerPath": one.path, "size": one.size}
    return made | ({"mountOptions": list(one.options)} if one.options else {})


# -- volumes


def _volume(name: str, volume: Volume) -> dict[str, Any]:
    made: dict[str, Any] = {"name": name}
    if volume.efs is not None:
        made["efsVolumeConfiguration"] = _efs(volume.efs)
    if volume.s3_files is not None:
        made["s3filesVolumeConfiguration"] = _s3_files(volume.s3_files)
    if volume.ebs is not None:
        made["configuredAtLaunch"] = True
    return made


def _efs(volume: EfsVolume) -> dict[str, Any]:
    made: dict[str, Any] = {
        "fileSystemId": volume.file_system,
        "rootDirectory": volume.root,
        "transitEncryption": "ENABLED" if volume.transit_encryption else "DISABLED",
    }
    if volume.transit_encryption_port is not None:
        made["transitEncryptionPort"] = volume.transit_encryption_port
    if volume.access_point is not None or volume.iam:
        access = {} if volume.access_point is None else {"accessPointId": volume.access_point}
        made["authorizationConfig"] = {**access, "iam": "ENABLED" if volume.iam else "DISABLED"}
    return made


def _s3_files(volume: S3FilesVolume) -> dict[str, Any]:
    members = {
        "fileSystemArn": volume.file_system,
        "rootDirectory": volume.root,
        "transitEncryptionPort": volume.transit_encryption_port,
        "accessPointArn": volume.access_point,
    }
    return {name: value for name, value in members.items() if value is not None}


# -- logs


def own_options(task: Logs | None, container: Container) -> dict[str, str]:
    """The options of a container that logs with awslogs: those of the task, with its own laid over them."""
    shared = {} if task is None or not task.stored else task.options
    return {**shared, **({} if container.logs is None else container.logs.options)}


def _logging(context: Context, task: Logs | None, container: Container) -> Stated:
    logs = queries.logs_of(task, container)
    if logs is None:
        return {}
    if logs.driver == AWSLOGS:
        options = own_options(task, container)
        stated = "options" in logs.model_fields_set or options
        rest = {name: value for name, value in sorted(options.items()) if name not in _OPTIONS}
        return {("logConfiguration", "options"): rest} if stated else {}
    made: dict[str, Any] = {"logDriver": logs.driver}
    if logs.options:
        made["options"] = dict(logs.options)
    if logs.secret_options:
        made["secretOptions"] = [_option(context, *item) for item in sorted(logs.secret_options.items())]
    return {("logConfiguration",): made}


def _option(context: Context, name: str, given: FollowedSecret) -> dict[str, str]:
    return {"name": name, "valueFrom": secret.value_from(context, given.value_from)}


def _router(firelens: Firelens) -> dict[str, Any]:
    options = {"enable-ecs-log-metadata": "true" if firelens.metadata else "false"}
    if firelens.config_file is not None:
        options |= {"config-file-type": "file", "config-file-value": firelens.config_file}
    return {"type": firelens.type, "options": options}
