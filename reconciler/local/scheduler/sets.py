"""Task sets, of services whose deployments somebody else controls (EXTERNAL, CODE_DEPLOY).

The scheduler keeps each set at ceil(desired × scale %), replaces what fails for ever, and says when a set is steady
(API reference, TaskSet). It moves no traffic and rolls nothing back.
"""

from __future__ import annotations

from math import ceil

from reconciler.local.ecs.state import Deployment, Service
from reconciler.local.scheduler import events, fleet
from reconciler.local.world import World


def computed(service: Service, deployment: Deployment) -> int:
    """computedDesiredCount. A set that is being deleted wants nothing any more."""
    assert deployment.task_set is not None
    if deployment.status == "DRAINING":
        return 0
    # scale 33.3 of 3 is 0.999…, which is 1 task, and 33.4 is 2: round away what binary fractions add
    return ceil(round(service.desired_count * deployment.task_set.scale / 100, 6))


def step(world: World, service: Service) -> None:
    for deployment in list(service.deployments):
        fleet.keep(world, service, deployment, computed(service, deployment))
        _judge(world, service, deployment)
    gone = [one for one in service.deployments if one.status == "DRAINING" and one.empty()]
    service.deployments = [one for one in service.deployments if one not in gone]


def _judge(world: World, service: Service, deployment: Deployment) -> None:
    task_set = deployment.task_set
    assert task_set is not None
    steady = fleet.all_healthy(world, deployment, deployment.desired)
    state = "STEADY_STATE" if steady else "STABILIZING"
    if state == task_set.stability:
        return
    task_set.stability, task_set.stability_at, deployment.updated_at = state, world.now, world.now
    if steady and deployment.status != "DRAINING":
        events.add(world, service, "has reached a steady state.", deployment)
        events.service_action(world, service, "TASKSET_STEADY_STATE", taskSetArns=[task_set.arn])
