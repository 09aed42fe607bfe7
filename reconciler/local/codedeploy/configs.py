"""Deployment configurations: how production traffic is shifted. Source: CodeDeploy user guide, "Working with deployment
configurations in CodeDeploy" and "Quotas"."""

from __future__ import annotations

from reconciler.local.codedeploy.checks import check_name, paged
from reconciler.local.codedeploy.state import Params
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

RESERVED = "CodeDeployDefault."
ALL_AT_ONCE = f"{RESERVED}ECSAllAtOnce"
MOST = 50
"""Custom configurations of an account."""
INCREMENT_MOST = 99
"""Percent of traffic in one increment."""
SHIFT_MOST = 2880
"""Minutes between the first and the last shift."""


def _linear(percentage: int, minutes: int) -> Params:
    return {
        "type": "TimeBasedLinear",
        "timeBasedLinear": {"linearPercentage": percentage, "linearInterval": minutes},
    }


def _canary(percentage: int, minutes: int) -> Params:
    return {
        "type": "TimeBasedCanary",
        "timeBasedCanary": {"canaryPercentage": percentage, "canaryInterval": minutes},
    }


def _built_in() -> dict[str, Params]:
    at_once: Params = {"type": "AllAtOnce"}
    ecs = {
        "ECSAllAtOnce": at_once,
        "ECSCanary10Percent5Minutes": _canary(10, 5),
        "ECSCanary10Percent15Minutes": _canary(10, 15),
        "ECSLinear10PercentEvery1Minutes": _linear(10, 1),
        "ECSLinear10PercentEvery3Minutes": _linear(10, 3),
    }
    functions = {
        "LambdaAllAtOnce": at_once,
        **{f"LambdaCanary10Percent{minutes}Minutes": _canary(10, minutes) for minutes in (5, 10, 15, 30)},
        **{f"LambdaLinear10PercentEvery{minutes}Minutes": _linear(10, minutes) for minutes in (2, 3, 10)},
        "LambdaLinear10PercentEvery1Minute": _linear(10, 1),
    }
    servers: dict[str, Params] = {
        "AllAtOnce": {"type": "HOST_COUNT", "value": 0},
        "HalfAtATime": {"type": "FLEET_PERCENT", "value": 50},
        "OneAtATime": {"type": "HOST_COUNT", "value": 1},
    }
    rows: list[tuple[str, str, Params]] = [
        *((name, "ECS", {"trafficRoutingConfig": routing}) for name, routing in ecs.items()),
        *((name, "Lambda", {"trafficRoutingConfig": routing}) for name, routing in functions.items()),
        *((name, "Server", {"minimumHealthyHosts": hosts}) for name, hosts in servers.items()),
    ]
    return {
        RESERVED + name: {
            "deploymentConfigId": f"00000000-0000-0000-0000-0000000000{index:02d}",
            "deploymentConfigName": RESERVED + name,
            "computePlatform": platform,
            **body,
        }
        for index, (name, platform, body) in enumerate(rows)
    }


BUILT_IN = _built_in()


def config(world: World, name: str) -> Params:
    found = BUILT_IN.get(name) or world.codedeploy.configs.get(name)
    if found is None:
        raise Refusal("DeploymentConfigDoesNotExistException", f"No deployment configuration found for name: {name}")
    return found


def check_for_ecs(world: World, name: str) -> None:
    if config(world, name)["computePlatform"] != "ECS":
        raise Refusal(
            "InvalidDeploymentConfigNameException",
            f"The compute platform of the deployment configuration {name} is not ECS.",
        )


def create_deployment_config(world: World, params: Params) -> Params:
    name, kept = params["deploymentConfigName"], world.codedeploy.configs
    check_name(name, "DeploymentConfig")
    if name.startswith(RESERVED):
        raise Refusal("InvalidDeploymentConfigNameException", f"The prefix {RESERVED} is reserved.")
    if name in kept:
        raise Refusal("DeploymentConfigAlreadyExistsException", f"Deployment configuration {name} already exists")
    if params.get("computePlatform", "Server") != "ECS":
        raise Refusal("InvalidComputePlatformException", "The local AWS emulator has the compute platform ECS only.")
    if "minimumHealthyHosts" in params:
        raise Refusal(
            "InvalidMinimumHealthyHostValueException", "minimumHealthyHosts is for the compute platform Server only."
        )
    if "zonalConfig" in params:
        raise Refusal(
            "InvalidZonalDeploymentConfigurationException", "zonalConfig is for the compute platform Server only."
        )
    routing = _routing(params.get("trafficRoutingConfig"))
    if len(kept) >= MOST:
        raise Refusal(
            "DeploymentConfigLimitExceededException", f"The limit of {MOST} deployment configurations is reached."
        )
    kept[name] = {
        "deploymentConfigId": world.ids.uuid(),
        "deploymentConfigName": name,
        "createTime": world.now,
        "computePlatform": "ECS",
        "trafficRoutingConfig": routing,
    }
    return {"deploymentConfigId": kept[name]["deploymentConfigId"]}


def _routing(given: Params | None) -> Params:
    kinds = {"TimeBasedCanary": ("timeBasedCanary", "canary"), "TimeBasedLinear": ("timeBasedLinear", "linear")}
    kind = (given or {}).get("type")
    if given is None or kind not in (*kinds, "AllAtOnce"):
        raise _wrong(f"The type of the traffic routing must be AllAtOnce, {' or '.join(kinds)}.")
    for name, (member, word) in kinds.items():
        if name != kind:
            if member in given:
                raise _wrong(f"{member} cannot be specified for the type {kind}.")
            continue
        body = given.get(member) or {}
        percentage, minutes = body.get(f"{word}Percentage", 0), body.get(f"{word}Interval", 0)
        if not 1 <= percentage <= INCREMENT_MOST:
            raise _wrong(f"{word}Percentage must be between 1 and {INCREMENT_MOST}.")
        steps = 1 if word == "canary" else -(-100 // percentage) - 1
        if minutes < 1 or minutes * steps > SHIFT_MOST:
            raise _wrong(f"{word}Interval must be at least 1, and all of the shift at most {SHIFT_MOST} minutes.")
    return given


def _wrong(message: str) -> Refusal:
    return Refusal("InvalidTrafficRoutingConfigurationException", message)


def get_deployment_config(world: World, params: Params) -> Params:
    return {"deploymentConfigInfo": config(world, params["deploymentConfigName"])}


def list_deployment_configs(world: World, params: Params) -> Params:
    return paged(sorted([*BUILT_IN, *world.codedeploy.configs]), params, "deploymentConfigsList")


def delete_deployment_config(world: World, params: Params) -> Params:
    name = params["deploymentConfigName"]
    check_name(name, "DeploymentConfig")
    if name in BUILT_IN:
        raise Refusal("InvalidOperationException", "Predefined deployment configurations cannot be deleted.")
    used = [item.settings["deploymentConfigName"] for item in world.codedeploy.groups.values()]
    active = [item.config for item in world.codedeploy.releases.values() if not item.over]
    if name in [*used, *active]:
        raise Refusal("DeploymentConfigInUseException", f"Deployment configuration {name} is in use")
    world.codedeploy.configs.pop(name, None)
    return {}
