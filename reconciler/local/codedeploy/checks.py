"""What CodeDeploy looks up, and refuses with."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from reconciler.local.codedeploy.state import Application, Group, Params, Release
from reconciler.local.paging import page
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,100}")
DEPLOYMENT_ID = re.compile(r"d-[A-Z0-9]{9}")
LISTED = 100


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
    if not DEPLOYMENT_ID.fullmatch(deployment_id):
        raise Refusal("InvalidDeploymentIdException", f"Deployment ID {deployment_id} is in an invalid format")
    found = world.codedeploy.releases.get(deployment_id)
    if found is None:
        raise Refusal("DeploymentDoesNotExistException", f"The deployment {deployment_id} could not be found")
    return found


def paged(rows: Sequence[str], params: Params, name: str, key: Callable[[str], str] = str) -> Params:
    """A page of `rows`, which are in the order of their keys."""
    wrong = Refusal("InvalidNextTokenException", "The next token is invalid.")
    chosen, following = page(rows, params.get("nextToken"), LISTED, key, wrong)
    return {name: chosen, "nextToken": following}


def check_name(name: str, what: str) -> None:
    if not NAME.fullmatch(name):
        raise Refusal(f"Invalid{what}NameException", f"{what} name '{name}' is invalid.")


def tags_of(params: Params) -> dict[str, str]:
    return {item["Key"]: item.get("Value", "") for item in params.get("tags", [])}
