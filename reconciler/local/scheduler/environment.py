"""What a task needs before it can start: a role, a way to the registry, its images, its secrets, its log groups.

Each missing one ends the task as it does on AWS, with AWS's words in `stoppedReason` (ECS developer guide, "Stopped
tasks error messages").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson

from reconciler.local.container_options import ContainerHealthCheck, Dependency
from reconciler.local.ecs.launch import fargate
from reconciler.local.ecs.state import Params, Task
from reconciler.local.ports import ContainerLaunch, TaskLaunch
from reconciler.local.refusal import Refusal
from reconciler.local.scheduler import environment_files, volumes
from reconciler.local.world import World

REGISTRY = re.compile(
    r"^(?P<registry>(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com)/"
    r"(?P<name>[^:@]+)(?::(?P<tag>[^@]+))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?$"
)
DEFAULT_STOP_TIMEOUT = 30


class CannotStart(Exception):
    """The task ends here; the text is its `stoppedReason`."""


def check_roles(world: World, task: Task) -> None:
    if not world.checks.roles:
        return
    for key in ("executionRoleArn", "taskRoleArn"):
        role = task.overrides.get(key) or task.definition.body.get(key)
        if not role:
            continue
        arn = world.rest.role(role)
        since = world.roles_since.get(role.rpartition("/")[2])
        young = since is not None and world.now < since + timedelta(seconds=world.timings.iam_propagation)
        if arn is None or young or not world.rest.role_trusts(arn, "ecs-tasks.amazonaws.com"):
            raise CannotStart(
                f"ECS was unable to assume the role '{role}' that was provided for this task. Please verify that the "
                "role being passed has the proper trust relationship and permissions and that your IAM user has "
                "permissions to pass this role."
            )


def check_network(world: World, task: Task) -> None:
    """Images of ECR come from outside the subnet (developer guide, "Fargate task networking"); those of tasks on EC2
    come through the instance, which there is none of here."""
    interface = task.interface
    if not world.checks.network or interface is None or not fargate(task.launch):
        return
    needs = any(REGISTRY.match(item.image) for item in task.containers)
    if needs and not world.network.reaches_registry(interface.subnet.id, public=bool(interface.public_address)):
        raise CannotStart(
            "ResourceInitializationError: unable to pull secrets or registry auth: The task cannot pull registry auth "
            "from Amazon ECR: There is a connection issue between the task and Amazon ECR. Check your task network "
            "configuration. RequestError: send request failed caused by: Post "
            f'"https://api.ecr.{world.region}.amazonaws.com/": dial tcp: i/o timeout'
        )


def pull(world: World, task: Task, pinned: Mapping[str, str]) -> None:
    """Resolve every image of ECR to its digest; `pinned` is what the deployment has resolved before."""
    names = fault_names(task)
    images = tuple(item.image for item in task.containers)
    missing = world.faults.for_task("image_missing", names, images)
    for container in task.containers:
        image = container.image
        if missing:
            raise _no_image(image, "manifest unknown" if not REGISTRY.match(image) else "not found")
        if match := REGISTRY.match(image):
            container.image_digest = pinned.get(container.name) or _digest(world, match)


def _digest(world: World, image: re.Match[str]) -> str:
    wanted = {"imageDigest": image["digest"]} if image["digest"] else {"imageTag": image["tag"] or "latest"}
    registry = world.region_named(image["region"])
    if registry is None:
        raise _no_image(image[0], "no such host")
    try:
        answer = registry.rest.ask("ecr", "BatchGetImage", {"repositoryName": image["name"], "imageIds": [wanted]})
    except Refusal as refusal:
        raise _no_image(image[0], "not found") from refusal
    if not answer.get("images"):
        raise _no_image(image[0], "not found")
    return str(answer["images"][0]["imageId"]["imageDigest"])


def _no_image(image: str, detail: str) -> CannotStart:
    return CannotStart(
        f"CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref {image}: "
        f"{image}: {detail}"
    )


def prepare_logs(world: World, task: Task) -> dict[str, tuple[str, str, str]]:
    """Container → region, log group and stream; the streams are made."""
    streams: dict[str, tuple[str, str, str]] = {}
    for definition in task.definition.body["containerDefinitions"]:
        configuration = definition.get("logConfiguration") or {}
        if configuration.get("logDriver") != "awslogs":
            continue
        options = configuration.get("options", {})
        group, region = options.get("awslogs-group", ""), options.get("awslogs-region") or world.region
        logs = world.region_named(region)
        if logs is None:
            raise _no_log_stream(
                f"RequestError: send request failed caused by: dial tcp: lookup logs.{region}: no host"
            )
        if not logs.rest.log_group_exists(group):
            if options.get("awslogs-create-group") != "true":
                raise _no_log_stream("ResourceNotFoundException: The specified log group does not exist.")
            logs.rest.create_log_group(group)
        prefix = options.get("awslogs-stream-prefix", "")
        stream = f"{prefix}/{definition['name']}/{task.id}" if prefix else task.id
        logs.rest.ensure_log_stream(group, stream)
        streams[definition["name"]] = (region, group, stream)
    return streams


def _no_log_stream(detail: str) -> CannotStart:
    return CannotStart(
        "ResourceInitializationError: failed to validate logger args: create stream has been retried 1 times: failed "
        f"to create Cloudwatch log stream: {detail} : exit status 1"
    )


def secrets(world: World, definition: Params) -> dict[str, str]:
    return {item["name"]: _secret(world, item["valueFrom"]) for item in definition.get("secrets", [])}


def _secret(world: World, reference: str) -> str:
    """By its ARN, of whatever region, or a parameter of this region by its name."""
    pieces = reference.split(":")
    owner = world.region_named(pieces[3]) if len(pieces) > 5 else world
    if owner is None:
        raise _no_secret(f"{reference}: no such region")
    try:
        if ":secretsmanager:" not in reference:
            name = reference.partition(":parameter")[2] or reference
            answer = owner.rest.ask("ssm", "GetParameters", {"Names": [name], "WithDecryption": True})
            if not answer["Parameters"]:
                raise _no_secret(f"invalid ssm parameters: {name}")
            return str(answer["Parameters"][0]["Value"])
        if len(pieces) not in (7, 10):
            raise _no_secret("unexpected ARN format with parameters when trying to retrieve ASM secret")
        key, stage, version = pieces[7:] or ("", "", "")
        asked = {"SecretId": ":".join(pieces[:7])}
        asked |= {name: value for name, value in (("VersionStage", stage), ("VersionId", version)) if value}
        value = str(owner.rest.ask("secretsmanager", "GetSecretValue", asked)["SecretString"])
    except Refusal as refusal:
        raise _no_secret(f"{refusal.code}: {refusal.message}") from refusal
    if not key:
        return value
    fields: Any = orjson.loads(value)
    if key not in fields:
        raise _no_secret(f"retrieved secret from Secrets Manager did not contain json key {key}")
    return str(fields[key])


def _files(world: World, definition: Params) -> dict[str, str]:
    try:
        return environment_files.variables(world, definition)
    except environment_files.NoFile as missing:
        raise CannotStart(f"ResourceInitializationError: failed to download env files: {missing}") from missing


def _no_secret(detail: str) -> CannotStart:
    return CannotStart(
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: "
        f"unable to retrieve secret: {detail}"
    )


def fault_names(task: Task) -> tuple[str, ...]:
    """By what names a fault may mean this task."""
    return tuple(filter(None, (task.service[1] if task.service else "", task.definition.family)))


def launch(world: World, task: Task) -> TaskLaunch:
    """Everything the runner needs; raises `CannotStart`."""
    streams = prepare_logs(world, task)
    assert task.interface is not None
    return TaskLaunch(
        task_id=task.id,
        task_arn=task.arn,
        cluster=task.cluster,
        group=task.group,
        family=task.definition.family,
        revision=task.definition.revision,
        private_address=task.interface.private_address,
        containers=tuple(
            _container(world, task, item, streams) for item in task.definition.body["containerDefinitions"]
        ),
        zone=task.zone,
        cpu=_reserved(task, "cpu") / 1024,
        memory=_reserved(task, "memory"),
    )


def _reserved(task: Task, member: str) -> float:
    """CPU units or MiB of the task; where only its containers say, the sum of theirs."""
    body = task.definition.body
    given = task.overrides.get(member) or body.get(member)
    return float(given) if given else float(sum(item.get(member) or 0 for item in body["containerDefinitions"]))


def _container(
    world: World, task: Task, definition: Params, streams: Mapping[str, tuple[str, str, str]]
) -> ContainerLaunch:
    name = definition["name"]
    override: Params = next(
        (item for item in task.overrides.get("containerOverrides", []) if item.get("name") == name), {}
    )
    plain = {item["name"]: item.get("value", "") for item in definition["environment"]}
    added = {item["name"]: item.get("value", "") for item in override.get("environment", [])}
    region, group, stream = streams.get(name, ("", "", ""))
    return ContainerLaunch(
        name=name,
        image=definition["image"],
        digest=next(item.image_digest for item in task.containers if item.name == name),
        environment={
            "AWS_DEFAULT_REGION": world.region,
            "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
            "AWS_REGION": world.region,
            **_files(world, definition),
            **plain,
            **secrets(world, definition),
            **added,
        },
        entry_point=tuple(definition.get("entryPoint", ())),
        command=tuple(override.get("command") or definition.get("command", ())),
        working_directory=definition.get("workingDirectory", ""),
        ports=tuple(item["containerPort"] for item in definition["portMappings"] if item.get("containerPort")),
        essential=definition["essential"],
        stop_timeout=float(definition.get("stopTimeout", DEFAULT_STOP_TIMEOUT)),
        start_timeout=float(definition["startTimeout"]) if "startTimeout" in definition else None,
        log_region=region,
        log_group=group,
        log_stream=stream,
        health_check=_health_check(definition.get("healthCheck")),
        depends_on=tuple(
            Dependency(item["containerName"], item["condition"]) for item in definition.get("dependsOn", ())
        ),
        mounts=volumes.mounts(task, definition),
        restart=volumes.restart(definition),
    )


def _health_check(check: Params | None) -> ContainerHealthCheck | None:
    if not check or check["command"][:1] == ["NONE"]:
        return None
    return ContainerHealthCheck(
        tuple(check["command"]),
        float(check["interval"]),
        float(check["timeout"]),
        check["retries"],
        float(check.get("startPeriod", 0)),
    )
