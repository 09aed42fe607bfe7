"""Applications."""

from __future__ import annotations

from reconciler.local.codedeploy.checks import application, check_name, paged, tags_of
from reconciler.local.codedeploy.state import Application, Group, Params, Release
from reconciler.local.refusal import Refusal
from reconciler.local.world import World


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


def list_applications(world: World, params: Params) -> Params:
    return paged(sorted(world.codedeploy.applications), params, "applications")


def update_application(world: World, params: Params) -> Params:
    found = application(world, params.get("applicationName", ""))
    new = params.get("newApplicationName", found.name)
    check_name(new, "Application")
    if new == found.name:
        return {}
    state = world.codedeploy
    if new in state.applications:
        raise Refusal("ApplicationAlreadyExistsException", f"Application {new} already exists")
    renamed: list[Group | Release] = [*state.groups.values(), *state.releases.values()]
    for item in renamed:
        if item.application == found.name:
            item.application = new
    state.groups = {(item.application, item.name): item for item in state.groups.values()}
    state.applications[new] = state.applications.pop(found.name)
    found.name = new
    return {}


def delete_application(world: World, params: Params) -> Params:
    """Succeeds for one that is not there; takes its deployment groups and the history of its deployments with it."""
    name = params["applicationName"]
    state = world.codedeploy
    state.applications.pop(name, None)
    state.groups = {key: item for key, item in state.groups.items() if key[0] != name}
    state.releases = {key: item for key, item in state.releases.items() if item.application != name or not item.over}
    return {}
