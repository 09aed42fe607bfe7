"""Applications and deployment configurations."""

from __future__ import annotations

from reconciler.local.codedeploy.checks import application, check_name, tags_of
from reconciler.local.codedeploy.state import Application, Params
from reconciler.local.refusal import Refusal
from reconciler.local.world import World


def _built_in() -> dict[str, Params]:
    routes: dict[str, Params] = {
        "CodeDeployDefault.ECSAllAtOnce": {"type": "AllAtOnce"},
        "CodeDeployDefault.ECSLinear10PercentEvery1Minutes": _linear(10, 1),
        "CodeDeployDefault.ECSLinear10PercentEvery3Minutes": _linear(10, 3),
        "CodeDeployDefault.ECSCanary10Percent5Minutes": _canary(10, 5),
        "CodeDeployDefault.ECSCanary10Percent15Minutes": _canary(10, 15),
    }
    return {
        name: {
            "deploymentConfigId": f"00000000-0000-0000-0000-00000000000{index}",
            "deploymentConfigName": name,
            "computePlatform": "ECS",
            "trafficRoutingConfig": routing,
        }
        for index, (name, routing) in enumerate(routes.items())
    }


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


BUILT_IN = _built_in()


def config(world: World, name: str) -> Params:
    found = BUILT_IN.get(name) or world.codedeploy.configs.get(name)
    if found is None:
        raise Refusal("DeploymentConfigDoesNotExistException", f"No deployment configuration found for name: {name}")
    return found


def create_application(world: World, params: Params) -> Params:
    name = params["applicationName"]
    check_name(name, "Application")
    if params.get("computePlatform", "Server") != "ECS":
        raise Refusal("InvalidComputePlatformException", "The local AWS emulator has the compute platform ECS only.")
    if name in world.codedeploy.applications:
        raise Refusal("ApplicationAlreadyExistsException", f"Application {name} already exists")
    made = Application(world.ids.uuid(), name, world.now, tags_of(params))
    world.codedeploy.applications[name] = made
    return {"applicationId": made.id}


def _shown(item: Application) -> Params:
    return {
        "applicationId": item.id,
        "applicationName": item.name,
        "createTime": item.created_at,
        "linkedToGitHub": False,
        "computePlatform": "ECS",
    }


def get_application(world: World, params: Params) -> Params:
    return {"application": _shown(application(world, params["applicationName"]))}


def batch_get_applications(world: World, params: Params) -> Params:
    names = params["applicationNames"]
    if len(names) > 100:
        raise Refusal("BatchLimitExceededException", "The maximum number of names is 100.")
    return {"applicationsInfo": [_shown(application(world, name)) for name in names]}


def list_applications(world: World, params: Params) -> Params:  # noqa: ARG001 — every operation has this signature
    return {"applications": sorted(world.codedeploy.applications)}


def update_application(world: World, params: Params) -> Params:
    found = application(world, params.get("applicationName", ""))
    new = params.get("newApplicationName", found.name)
    check_name(new, "Application")
    if new != found.name:
        if new in world.codedeploy.applications:
            raise Refusal("ApplicationAlreadyExistsException", f"Application {new} already exists")
        state = world.codedeploy
        state.groups = {
            (new if name == found.name else name, rest): item for (name, rest), item in state.groups.items()
        }
        state.applications[new] = state.applications.pop(found.name)
        found.name = new
    return {}


def delete_application(world: World, params: Params) -> Params:
    """Succeeds for one that is not there; takes its deployment groups with it."""
    name = params["applicationName"]
    world.codedeploy.applications.pop(name, None)
    world.codedeploy.groups = {key: item for key, item in world.codedeploy.groups.items() if key[0] != name}
    return {}


def create_deployment_config(world: World, params: Params) -> Params:
    name = params["deploymentConfigName"]
    check_name(name, "DeploymentConfig")
    if name.startswith("CodeDeployDefault."):
        raise Refusal("InvalidDeploymentConfigNameException", "The prefix CodeDeployDefault. is reserved.")
    if name in world.codedeploy.configs:
        raise Refusal("DeploymentConfigAlreadyExistsException", f"Deployment configuration {name} already exists")
    if "trafficRoutingConfig" not in params:
        raise Refusal("InvalidTrafficRoutingConfigurationException", "A trafficRoutingConfig is required for ECS.")
    world.codedeploy.configs[name] = {
        "deploymentConfigId": world.ids.uuid(),
        "deploymentConfigName": name,
        "createTime": world.now,
        "computePlatform": "ECS",
        "trafficRoutingConfig": params["trafficRoutingConfig"],
    }
    return {"deploymentConfigId": world.codedeploy.configs[name]["deploymentConfigId"]}


def get_deployment_config(world: World, params: Params) -> Params:
    return {"deploymentConfigInfo": config(world, params["deploymentConfigName"])}


def list_deployment_configs(world: World, params: Params) -> Params:  # noqa: ARG001 — every operation has this signature
    return {"deploymentConfigsList": sorted([*BUILT_IN, *world.codedeploy.configs])}


def delete_deployment_config(world: World, params: Params) -> Params:
    name = params["deploymentConfigName"]
    if name in BUILT_IN:
        raise Refusal("InvalidOperationException", "A predefined deployment configuration cannot be deleted.")
    if any(item.settings["deploymentConfigName"] == name for item in world.codedeploy.groups.values()):
        raise Refusal("DeploymentConfigInUseException", f"Deployment configuration {name} is in use")
    world.codedeploy.configs.pop(name, None)
    return {}
