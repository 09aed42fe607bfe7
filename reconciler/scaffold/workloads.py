"""The Service or Task document of a program."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from reconciler.model import duration
from reconciler.scaffold.blueprint import App, Blueprint, Use
from reconciler.spec.yaml_text import Block

BLUE_GREEN: Final = "blue-green"
"""The DeploymentStrategy."""
FIRST_TAG: Final = "v1"
FIRST_PRIORITY: Final = 10


def tasks_group(blueprint: Blueprint) -> str:
    """The name of the security group of the tasks."""
    return f"{blueprint.name}-tasks"


def balanced(blueprint: Blueprint, app: App) -> bool:
    """Whether its releases are blue/green: ECS's Service Connect works with its own deployments only."""
    return app.use is Use.PUBLIC and not blueprint.connected(app)


def workload_block(blueprint: Blueprint, app: App) -> Block:
    block = Block()
    task = app.use in (Use.JOB, Use.MIGRATION)
    block.put("kind", "Task" if task else "Service")
    block.put("name", full_name(blueprint, app.name))
    block.put("cluster", blueprint.name)
    if app.use is Use.JOB:
        block.put("run", {"schedule": app.schedule, "time_zone": "UTC"})
    if app.use is Use.MIGRATION:
        block.put("before", full_name(blueprint, app.before))
    block.put("task", _task(blueprint, app))
    if not task:
        block.put("desired_count", app.count)
    block.put("placement", _placement(blueprint))
    if app.use is Use.PUBLIC:
        block.put("traffic", _traffic(blueprint, app))
    if balanced(blueprint, app):
        block.put("deployment", BLUE_GREEN)
    if not task and blueprint.connected(app):
        block.put("service_connect", _service_connect(blueprint, app))
    return block


def full_name(blueprint: Blueprint, app: str) -> str:
    return f"{blueprint.name}-{app}"


def _task(blueprint: Blueprint, app: App) -> Block:
    block = Block()
    block.put("cpu", app.cpu, beside=f"{app.cpu / 1024:g} vCPU")
    block.put("memory", app.memory, beside="MiB")
    if app.arm:
        block.put("architecture", "ARM64")
    containers = Block()
    containers.put(app.name, _container(blueprint, app))
    block.put("containers", containers)
    block.put("logs", {"retention_days": 30}, beside=f"to CloudWatch Logs: /ecs/{full_name(blueprint, app.name)}")
    return block


def _container(blueprint: Blueprint, app: App) -> Block:
    block = Block()
    if app.image:
        placeholder = "" if blueprint.source else "A placeholder: put your own image here."
        block.put("image", app.image, above=placeholder)
    else:
        image = {"registry": full_name(blueprint, app.name), "tag": FIRST_TAG}
        block.put("image", image, beside="each new tag is a new version")
    _ports(block, app)
    if app.command:
        block.put("command", list(app.command))
    if app.entrypoint:
        block.put("entrypoint", list(app.entrypoint))
    if app.environment:
        block.put("environment", dict(app.environment))
    if app.unknown:
        block.note(
            "These have no value in the file. Add those that it needs to environment, or to secrets:",
            literal=[f"{name}: …" for name in app.unknown],
        )
    if app.secrets:
        parameters = {name: parameter(blueprint, app, name) for name in app.secrets}
        block.put("secrets", parameters, above="Parameters of SSM, which have to exist before a task starts.")
    if app.health is not None:
        block.put("health_check", _health(app))
    block.put("user", app.user or None)
    block.put("working_directory", app.working_directory or None)
    block.put("readonly_root", app.readonly_root or None)
    block.put("init", app.init or None)
    if app.stop_timeout is not None:
        block.put("stop_timeout", _seconds(app.stop_timeout))
    return block


def parameter(blueprint: Blueprint, app: App, variable: str) -> str:
    """The reference to the parameter of SSM that holds a secret."""
    return f"ssm:/{blueprint.name}/{app.name}/{variable}"


def _ports(block: Block, app: App) -> None:
    if len(app.ports) == 1 and app.ports[0][1] == "tcp":
        block.put("port", app.ports[0][0])
    elif app.ports:
        block.put(
            "ports",
            [port if protocol == "tcp" else {"port": port, "protocol": protocol} for port, protocol in app.ports],
        )


def _health(app: App) -> dict[str, Any]:
    assert app.health is not None
    found: dict[str, Any] = {"command": list(app.health.command)}
    for field in ("interval", "timeout", "start_period"):
        value = getattr(app.health, field)
        if value is not None:
            found[field] = _seconds(value)
    if app.health.retries is not None:
        found["retries"] = app.health.retries
    return found


def _seconds(value: int) -> str:
    return duration.format(timedelta(seconds=value))


def _placement(blueprint: Blueprint) -> Block:
    block = Block()
    access = "private" if blueprint.private else "public"
    block.put("subnets", [f"{access}-{zone}" for zone in blueprint.zones])
    block.put("security_groups", [tasks_group(blueprint)])
    if not blueprint.private:
        block.put("public_ip", True, beside="how a task reaches the registry and the logs, without a NAT gateway")
    return block


def _traffic(blueprint: Blueprint, app: App) -> Block:
    block = Block()
    block.put("load_balancer", blueprint.name)
    block.put("container", app.name)
    if len(app.ports) > 1:
        block.put("port", app.port)
    name = full_name(blueprint, app.name)
    if balanced(blueprint, app):
        block.put("target_groups", [f"{name}-1", f"{name}-2"], beside="blue and green take turns")
    else:
        block.put("target_groups", [name])
    path = app.health.path if app.health is not None and app.health.path else "/"
    block.put("health_check", {"path": path, "interval": "10s"}, beside="" if path != "/" else "has to answer with 200")
    block.put("deregistration_delay", "30s")
    if app.path:
        matched = [one for one in blueprint.public if one.path]
        priority = FIRST_PRIORITY * (1 + matched.index(app))
        block.put("match", {"path": app.path, "priority": priority}, beside="or host: api.example.com")
    return block


def _service_connect(blueprint: Blueprint, app: App) -> dict[str, Any]:
    """Without `services` it is a client only."""
    if app.name not in blueprint.called or app.port is None:
        return {}
    alias = {"name": app.host or app.name, "port": app.port}
    protocol = {"protocol": "http"} if app.http else {}
    return {"services": [{"name": app.name, "port": app.port, **protocol, "alias": alias}]}
