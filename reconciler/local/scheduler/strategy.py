"""What a deployment that shifts traffic goes through: its stages, its steps and how long they bake. Pure.

ECS developer guide, "Amazon ECS blue/green service deployments workflow", and the pages of linear and canary
deployments.

    (RECONCILE_SERVICE) ► PRE_SCALE_UP ► SCALE_UP ► POST_SCALE_UP ► (TEST_TRAFFIC_SHIFT ► POST_TEST_TRAFFIC_SHIFT)
      ► { PRE_PRODUCTION_TRAFFIC_SHIFT ► PRODUCTION_TRAFFIC_SHIFT } per step ► POST_PRODUCTION_TRAFFIC_SHIFT
      ► BAKE_TIME ► CLEAN_UP ► SUCCESSFUL

There is no test traffic where no pair of target groups has a test rule, and no name in Service Connect a test header.
"""

from __future__ import annotations

from reconciler.local.ecs.state import Launch, Params, Service

RECONCILE = "RECONCILE_SERVICE"
UP = ("PRE_SCALE_UP", "SCALE_UP", "POST_SCALE_UP")
TEST = ("TEST_TRAFFIC_SHIFT", "POST_TEST_TRAFFIC_SHIFT")
SHIFT = ("PRE_PRODUCTION_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT")
DOWN = ("POST_PRODUCTION_TRAFFIC_SHIFT", "BAKE_TIME", "CLEAN_UP")
HOOK_STAGES: tuple[str, ...] = (RECONCILE, *UP[::2], *TEST, *SHIFT, DOWN[0])
"""Where lifecycle hooks can run (API reference, DeploymentLifecycleHook)."""
NO_PAUSE = (TEST[0], SHIFT[1])
"""Where PAUSE hooks cannot run, since these stages are also those of a rollback."""
STAGE_MOST = 24 * 3600.0
"""Seconds that a stage may last; one with PAUSE hooks lasts as long as they do."""
DEPLOYMENT_MOST = 30 * STAGE_MOST


def shifts_traffic(service: Service) -> bool:
    launch, strategy = service.launch, service.configuration["strategy"]
    return service.controller == "ECS" and strategy != "ROLLING" and launch is not None and routed(launch)


def routed(launch: Launch) -> bool:
    """Whether there are requests that can be shifted: through load balancers, or by Service Connect."""
    return bool(launch.load_balancers or names(launch))


def names(launch: Launch) -> tuple[Params, ...]:
    """Those in Service Connect."""
    connected = launch.service_connect or {}
    return tuple(connected.get("services") or ()) if connected.get("enabled") else ()


def tested(launch: Launch) -> bool:
    rules = any((entry.get("advancedConfiguration") or {}).get("testListenerRule") for entry in launch.load_balancers)
    aliases = (alias for one in names(launch) for alias in one.get("clientAliases", ()))
    return rules or any(alias.get("testTrafficRules") for alias in aliases)


def after(stage: str, launch: Launch, *, step: int, configuration: Params) -> str:
    """The stage that follows; `step` counts the production shifts so far."""
    if stage == RECONCILE:
        return UP[0]
    if stage == SHIFT[1] and step < len(weights(configuration)):
        return SHIFT[0]
    order: tuple[str, ...] = (*UP, *(TEST if tested(launch) else ()), *SHIFT, *DOWN)
    return order[order.index(stage) + 1]


def weights(configuration: Params) -> list[float]:
    """Green's share of production after each step, in percent."""
    match configuration["strategy"]:
        case "CANARY":
            return [configuration["canaryConfiguration"]["canaryPercent"], 100.0]
        case "LINEAR":
            size = configuration["linearConfiguration"]["stepPercent"]
            steps = [round(size * index, 1) for index in range(1, int(100 / size) + 1)]
            return steps if steps[-1] == 100 else [*steps, 100.0]
        case _:
            return [100.0]


def step_bake(configuration: Params, step: int) -> float:
    """Minutes that a step bakes; none after all of production has shifted."""
    if step >= len(weights(configuration)):
        return 0.0
    match configuration["strategy"]:
        case "CANARY":
            return float(configuration["canaryConfiguration"]["canaryBakeTimeInMinutes"])
        case _:
            return float(configuration["linearConfiguration"]["stepBakeTimeInMinutes"])
