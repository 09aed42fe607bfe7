"""One look at every service that may have something to do."""

from __future__ import annotations

from reconciler.local import metering
from reconciler.local.codedeploy import engine
from reconciler.local.ecs.state import Service
from reconciler.local.scheduler import fleet, native, rolling, sets
from reconciler.local.scheduler.strategy import shifts_traffic
from reconciler.local.world import World


def settle(world: World) -> None:
    """Look at every touched service until none is left; what a look wants to see again it asks the timers for."""
    while world.touched:
        key = next(iter(world.touched))
        del world.touched[key]
        if service := world.ecs.services.get(key):
            look(world, service)
    metering.arm(world)


def look(world: World, service: Service) -> None:
    if service.status == "INACTIVE":
        return
    fleet.observe(world, service)
    if service.status == "DRAINING":
        _drain(world, service)
        engine.advance(world, service)
    elif service.controller != "ECS":
        sets.step(world, service)
        engine.advance(world, service)
    elif shifts_traffic(service):
        native.step(world, service)
    else:
        rolling.step(world, service)


def _drain(world: World, service: Service) -> None:
    """A deleted service: its tasks go, then it is INACTIVE, and its name is free."""
    for deployment in service.deployments:
        fleet.stop(world, service, deployment, deployment.wanted(), fleet.scaling(deployment))
        deployment.desired = 0
    if all(deployment.empty() for deployment in service.deployments):
        service.status, service.inactive_at = "INACTIVE", world.now
        service.deployments = []
        world.after(world.timings.service_kept, lambda: _forget(world, service))


def _forget(world: World, service: Service) -> None:
    if world.ecs.services.get(service.key) is service:
        del world.ecs.services[service.key]
