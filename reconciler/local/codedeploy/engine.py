"""How a CodeDeploy deployment of an ECS service goes. How it ends is in `ends`, how traffic returns in `reroute`.

CodeDeploy user guide, "Deployments on an Amazon ECS compute platform".

    BeforeInstall ► Install ► AfterInstall ► AllowTestTraffic ► AfterAllowTestTraffic ► (Ready)
      ► BeforeAllowTraffic ► AllowTraffic ► AfterAllowTraffic ► TerminationWait ► Termination ► Succeeded
          any of them ─► Failed | Stopped ─► where rollback is configured: a second deployment that leads back

A step is entered, waited for, and left. Without a test listener there is no test traffic, and without STOP_DEPLOYMENT
no Ready.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from reconciler.local.codedeploy import events, hooks, preflight, reroute, traffic, watch
from reconciler.local.codedeploy.ends import end, fail, succeed
from reconciler.local.codedeploy.state import EVENTS, LifecycleEvent, Params, Release
from reconciler.local.ecs import launch
from reconciler.local.ecs.state import Deployment, Service, TaskSet
from reconciler.local.ecs.task_sets import begin_draining, check_room, make_primary
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

STEPS = (*EVENTS[:5], "Ready", *EVENTS[5:], "TerminationWait", "Termination")
TEST_STEPS = ("AllowTestTraffic", "AfterAllowTestTraffic")
SHIFT_WITHIN_HOURS = 120
"""Between the start of a deployment and the shift of traffic (CodeDeploy user guide, "Quotas")."""
STARTED_BY = "CodeDeploy"
"""startedBy of a task set, as DescribeServices has answered; the API reference says CODE_DEPLOY."""
UNHEALTHY = (
    "The deployment timed out while waiting for the replacement task set to become healthy. This time out period is "
    "60 minutes."
)


def begin(world: World, item: Release) -> None:
    item.step = "starting"
    world.after(world.timings.deployment_stage, lambda: _start(world, item))


def _start(world: World, item: Release) -> None:
    if item.over or item.stopping:
        return
    item.status, item.started_at = "InProgress", world.now
    events.state_changed(world, item)
    if item.rolls_back:
        reroute.begin(world, item)
    elif problem := preflight.problem(world, item):
        fail(world, item, *problem)
    else:
        world.after(SHIFT_WITHIN_HOURS * 3600.0, lambda: _unshifted(world, item))
        watch.begin(world, item, lambda: _look(world, item))
        _enter(world, item, STEPS[0])


def _unshifted(world: World, item: Release) -> None:
    if not item.over and item.step in STEPS[: STEPS.index("AllowTraffic")]:
        hours = SHIFT_WITHIN_HOURS
        fail(world, item, "TIMEOUT", f"The deployment timed out: traffic was not shifted within {hours} hours.")


# ---- steps ----------------------------------------------------------------------------------------------------------


def advance(world: World, service: Service) -> None:
    """Something has changed about the service: its deployment may get on."""
    for item in list(world.codedeploy.releases.values()):
        if item.service == service.key and not item.over:
            if item.step == "created":
                begin(world, item)
            _look(world, item)


def current_event(item: Release) -> LifecycleEvent | None:
    return next((event for event in item.events if event.name == item.step), None)


def _enter(world: World, item: Release, step: str) -> None:
    item.step, item.since = step, world.now
    event = current_event(item)
    if event is not None:
        event.status, event.started_at = "InProgress", world.now
    match step:
        case "Install":
            _install(world, item)
            world.after(world.timings.install_within, lambda: _look(world, item))
        case "AllowTestTraffic":
            _moved(world, item, lambda: traffic.shift_test(world, item, item.green_group))
        case "Ready":
            item.status = "Ready"
            events.state_changed(world, item)
            world.after(60.0 * ready_option(item)["waitTimeInMinutes"], lambda: _not_continued(world, item))
        case "AllowTraffic":
            item.shift_step, item.desired = 0, world.ecs.services[item.service].desired_count
            _shift(world, item)
        case "TerminationWait":
            item.termination_wait_since = world.now
            world.after(_termination_wait(item), lambda: _look(world, item))
        case "Termination":
            service = world.ecs.services[item.service]
            if blue := service.deployment(item.blue):
                begin_draining(world, service, blue)
    if event is not None and not item.over:
        hooks.begin(world, item, event, fail)
    if not item.over:
        world.after(world.timings.deployment_stage, lambda: _look(world, item))


def _look(world: World, item: Release) -> None:
    """Leave the step if it is done."""
    if item.over or item.stopping or item.since is None or item.step not in STEPS:
        return
    if problem := preflight.gone(world, item):
        fail(world, item, *problem)
        return
    if watch.ends(world, item, lambda: _look(world, item)) or hooks.waits(current_event(item)):
        return
    passed = world.now - item.since
    if passed < timedelta(seconds=world.timings.deployment_stage):
        return
    match item.step:
        case "Install" if not _installed(world, item):
            if passed >= timedelta(seconds=world.timings.install_within):
                fail(world, item, "TIMEOUT", UNHEALTHY)
        case "AllowTraffic" if item.shifted < 100:
            pass
        case "TerminationWait" if passed < timedelta(seconds=_termination_wait(item)):
            pass
        case "Ready":
            pass
        case _:
            proceed(world, item)


def proceed(world: World, item: Release) -> None:
    """The step is done: on to the next one that this deployment has."""
    if (event := current_event(item)) and event.status == "InProgress":
        event.status, event.ended_at = "Succeeded", world.now
    item.status = "InProgress"
    for step in STEPS[STEPS.index(item.step) + 1 :]:
        if _has(item, step):
            _enter(world, item, step)
            return
        for skipped in item.events:
            if skipped.name == step:
                skipped.status = "Skipped"
    succeed(world, item)


def _has(item: Release, step: str) -> bool:
    if step == "Ready":
        return ready_option(item).get("actionOnTimeout") == "STOP_DEPLOYMENT"
    return step not in TEST_STEPS or traffic.test_listener(item.settings) is not None


def ready_option(item: Release) -> Params:
    option: Params = item.settings["blueGreenDeploymentConfiguration"].get("deploymentReadyOption", {})
    return option


def _termination_wait(item: Release) -> float:
    """Seconds."""
    options = item.settings["blueGreenDeploymentConfiguration"]["terminateBlueInstancesOnDeploymentSuccess"]
    return 60.0 * float(options.get("terminationWaitTimeInMinutes", 0))


def _not_continued(world: World, item: Release) -> None:
    """DeploymentReadyOption, "waitTimeInMinutes": without ContinueDeployment the deployment is Stopped."""
    if not item.over and not item.stopping and item.step == "Ready":
        minutes = ready_option(item)["waitTimeInMinutes"]
        message = (
            "The deployment timed out while waiting for a notification to continue. This time out period is "
            f"{minutes} minutes."
        )
        end(world, item, "Stopped", "DEPLOYMENT_FAILURE", ("TIMEOUT", message))


def _install(world: World, item: Release) -> None:
    """The green task set, behind the target group that production does not use."""
    service = world.ecs.services[item.service]
    blue = service.deployment(item.blue)
    assert blue is not None
    assert item.spec is not None
    traffic.associate(world, item.settings, item.blue_group, item.green_group)
    try:
        check_room(service)
    except Refusal as refusal:
        fail(world, item, "ECS_UPDATE_ERROR", refusal.message)
        return
    owner = world.ecs.clusters[service.cluster]
    spec = item.spec
    entry = {"targetGroupArn": item.green_group, "containerName": spec.container, "containerPort": spec.port}
    try:
        changes = {"taskDefinition": spec.task_definition, "loadBalancers": [entry], **spec.changes}
        wanted = launch.changed(world, owner, blue.launch, changes)
    except Refusal as refusal:
        fail(world, item, "INVALID_REVISION", refusal.message)
        return
    number = world.ids.digits(19)
    green = Deployment(
        number=number,
        launch=wanted,
        created_at=world.now,
        updated_at=world.now,
        status="ACTIVE",
        task_set=TaskSet(
            arn=world.arn("ecs", f"task-set/{service.cluster}/{service.name}/ecs-svc/{number}"),
            scale=100.0,
            external_id=item.id,
            started_by=STARTED_BY,
            stability_at=world.now,
        ),
    )
    service.deployments.insert(0, green)
    service.revisions[number] = green
    item.green = number
    world.touch(service)


def _installed(world: World, item: Release) -> bool:
    green = world.ecs.services[item.service].deployment(item.green)
    return (
        green is not None
        and green.task_set is not None
        and green.task_set.stability == "STEADY_STATE"
        and green.running() == green.desired
    )


def hook_answered(world: World, item: Release, event: LifecycleEvent, *, succeeded: bool) -> None:
    hooks.answered(world, item, event, succeeded=succeeded, fail=fail)
    _look(world, item)


def _shift(world: World, item: Release) -> None:
    if item.over or item.stopping or item.step != "AllowTraffic":
        return
    if preflight.gone(world, item) or watch.ends(world, item, lambda: _look(world, item)):
        _look(world, item)
        return
    steps, minutes = traffic.shares(world, item)
    share = steps[item.shift_step]
    if not _moved(world, item, lambda: traffic.shift_production(world, item, item.green_group, share)):
        return
    item.shifted, item.shift_step = share, item.shift_step + 1
    if item.shift_step < len(steps):
        world.after(60.0 * minutes, lambda: _shift(world, item))
        return
    service = world.ecs.services[item.service]
    green = service.deployment(item.green)
    assert green is not None
    make_primary(world, service, green)
    world.after(world.timings.deployment_stage, lambda: _look(world, item))


def _moved(world: World, item: Release, move: Callable[[], None]) -> bool:
    """False where the listeners do not allow it, which fails the deployment."""
    try:
        move()
    except Refusal as refusal:
        fail(world, item, refusal.code, refusal.message)
        return False
    return True


def stop(world: World, item: Release) -> None:
    """StopDeployment: no step begins any more, and what is under way ends."""
    item.stopping = True
    world.after(world.timings.deployment_stage, lambda: _stopped(world, item))


def _stopped(world: World, item: Release) -> None:
    if not item.over:
        end(world, item, "Stopped", "DEPLOYMENT_STOP_ON_REQUEST", ("MANUAL_STOP", "The deployment was stopped."))
