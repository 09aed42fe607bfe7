"""What CodeDeploy looks up, and refuses with."""

from __future__ import annotations

import re

from reconciler.local.codedeploy.state import Application, Group, Params, Release
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,100}")


def application(world: World, name: str) -> Application:
    found = world.codedeploy.applications.get(name)
    if found is None:
        raise Refusal("ApplicationDoesNotExistException", f"No application found for name: {name}")
    return found


def group(world: World, application_name: str, name: str) -> Group:
    application(world, application_name)
    found = world.codedeploy.groups.get((application_name, name))
    if found is None:
        raise Refusal("DeploymentGroupDoesNotExistException", f"No Deployment Group found for name: {name}")
    return found


def release(world: World, deployment_id: str | None) -> Release:
    if not deployment_id:
        raise Refusal("DeploymentIdRequiredException", "Deployment ID is required")
    found = world.codedeploy.releases.get(deployment_id)
    if found is None:
        raise Refusal("DeploymentDoesNotExistException", f"The deployment {deployment_id} could not be found")
    return found


def settings_of(world: World, item: Release) -> Params:
    """The deployment group's settings."""
    return world.codedeploy.groups[(item.application, item.group)].settings


def check_name(name: str, what: str) -> None:
    if not NAME.fullmatch(name):
        raise Refusal(f"Invalid{what}NameException", f"{what} name '{name}' is invalid.")


def tags_of(params: Params) -> dict[str, str]:
    return {item["Key"]: item.get("Value", "") for item in params.get("tags", [])}
