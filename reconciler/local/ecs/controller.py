"""Another deployment controller for a service that lives: what UpdateService allows, and what becomes of its tasks.

ECS developer guide, "Updating Amazon ECS service parameters", "Deployment controller", which lists the transitions and
their conditions; "Troubleshooting Amazon ECS deployment strategy updates", which has the texts.
"""

from __future__ import annotations

from dataclasses import replace

from reconciler.local.ecs.configuration import check_controller
from reconciler.local.ecs.lookup import invalid
from reconciler.local.ecs.state import Deployment, Launch, Params, Service, TaskSet
from reconciler.local.world import World

TRANSITIONS = {
    ("CODE_DEPLOY", "ECS"),
    ("CODE_DEPLOY", "EXTERNAL"),
    ("ECS", "EXTERNAL"),
    ("EXTERNAL", "ECS"),
}
SEVERAL_SETS = (
    "Updating the deployment controller is not supported when there are multiple tasksets in the service. Please "
    "ensure your service has only one taskset and try again."
)
NO_PRIMARY = (
    "Updating the deployment controller requires a primary taskset in the service. Please ensure your service has a "
    "primary taskset and try again."
)
SERVICE_CONNECT = "The EXTERNAL deployment controller type is not supported for services using Service Connect."
LATTICE = "The EXTERNAL deployment controller type is not supported for services using VPC Lattice."


def check(world: World, found: Service, controller: str, configuration: Params) -> None:
    """Raises `Refusal` unless the service can go to this controller as it is.

    `configuration` is what it would have afterwards: what only the ECS controller takes must be gone from it, and from
    the present one.
    """
    if controller == found.controller:
        return
    if (found.controller, controller) not in TRANSITIONS:
        raise invalid(
            f"Unable to update the deployment controller from {found.controller} to {controller} for this service."
        )
    if _under_way(world, found):
        raise invalid(
            f"Unable to update the deployment controller to {controller} during an ongoing service deployment."
        )
    if len(found.deployments) > 1:
        raise invalid(SEVERAL_SETS)
    if found.primary is None:
        raise invalid(NO_PRIMARY)
    if found.controller == "ECS":
        for one in (found.configuration, configuration):
            check_controller(controller, one)
        _check_networking(found.launch)


def _under_way(world: World, found: Service) -> bool:
    released = any(item.service == found.key and not item.over for item in world.codedeploy.releases.values())
    return released or (found.controller == "ECS" and found.rollout is not None)


def _check_networking(launch: Launch | None) -> None:
    if launch and launch.service_connect and launch.service_connect.get("enabled"):
        raise invalid(SERVICE_CONNECT)
    if launch and launch.lattice:
        raise invalid(LATTICE)


def move(world: World, found: Service, controller: str) -> None:
    """The one set of tasks stays as it is, and answers to the new controller."""
    before, found.controller = found.controller, controller
    (only,) = found.deployments
    if controller == "ECS":
        _become_deployment(found, only)
    elif before == "ECS":
        _become_task_set(world, found, only)


def _become_deployment(found: Service, only: Deployment) -> None:
    found.answers_deployments = False
    only.task_set, only.status = None, "PRIMARY"
    only.rollout_state, only.completed = "COMPLETED", True
    only.declared = only.launch.load_balancers
    found.revisions[only.number] = only


def _become_task_set(world: World, found: Service, only: Deployment) -> None:
    """ECS does not look after it any more: whoever controls the service deletes it when another one serves.

    `advancedConfiguration` is ignored from here on, and DescribeServices goes on answering `deployments`.
    """
    found.answers_deployments = True
    plain = tuple(
        {key: value for key, value in entry.items() if key != "advancedConfiguration"}
        for entry in only.launch.load_balancers
    )
    only.launch = found.launch = replace(only.launch, load_balancers=plain)
    only.status, only.updated_at = "PRIMARY", world.now
    only.task_set = TaskSet(
        arn=world.arn("ecs", f"task-set/{found.cluster}/{found.name}/{only.id}"),
        scale=100.0,
        stability_at=world.now,
    )
