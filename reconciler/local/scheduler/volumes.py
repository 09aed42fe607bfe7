"""The volumes that a container mounts, with those of other containers that it takes over."""

from __future__ import annotations

from reconciler.local.container_options import Mount, RestartPolicy
from reconciler.local.ecs.state import Params, Task


def mounts(task: Task, definition: Params) -> tuple[Mount, ...]:
    """A file system is the same folder for all tasks that mount it through one access point or at one directory."""
    own = [(item["sourceVolume"], item["containerPath"]) for item in definition["mountPoints"]]
    for item in definition["volumesFrom"]:
        other = task.definition.container(item["sourceContainer"]) or {"mountPoints": []}
        own += [(one["sourceVolume"], one["containerPath"]) for one in other["mountPoints"]]
    volumes = {item["name"]: item for item in task.definition.body["volumes"]}
    return tuple(Mount(name, path, _shared(volumes.get(name, {}))) for name, path in own)


def _shared(volume: Params) -> str:
    system = volume.get("efsVolumeConfiguration")
    if system is None:
        return ""
    point = (system.get("authorizationConfig") or {}).get("accessPointId")
    steps = [step for step in system.get("rootDirectory", "/").split("/") if step not in ("", ".", "..")]
    return "/".join([system["fileSystemId"], *([point] if point else steps)])


def restart(definition: Params) -> RestartPolicy | None:
    policy = definition.get("restartPolicy") or {}
    if not policy.get("enabled"):
        return None
    return RestartPolicy(float(policy.get("restartAttemptPeriod", 300)), tuple(policy.get("ignoredExitCodes", ())))
