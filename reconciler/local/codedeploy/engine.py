"""How a CodeDeploy deployment of an ECS service goes. How it ends, and leads back, is in `ends`.

CodeDeploy user guide, "Deployments on an Amazon ECS compute platform".

    BeforeInstall ► Install ► AfterInstall ► AllowTestTraffic ► AfterAllowTestTraffic ► (Ready)
      ► BeforeAllowTraffic ► AllowTraffic ► AfterAllowTraffic ► TerminationWait ► Succeeded
          any of them ─► Failed | Stopped ─► where rollback is configured: a second deployment that leads back

A step is entered, waited for, and left. A hook names a Lambda function: the AWS emulator has none, so the step waits
until somebody reports with PutLifecycleEventHookExecutionStatus, an hour at most, as CodeDeploy does.
"""

from __future__ import annotations

from datetime import timedelta

from reconciler.local.cloudwatch import alarms
from reconciler.local.codedeploy import traffic
from reconciler.local.codedeploy.checks import settings_of
from reconciler.local.codedeploy.ends import close, current_event, end, fail, succeed
from reconciler.local.codedeploy.groups import by_name
from reconciler.local.codedeploy.state import LifecycleEvent, Params, Release
from reconciler.local.ecs import launch
from reconciler.local.ecs.state import Deployment, Service, TaskSet
from reconciler.local.ecs.task_sets import make_primary
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

EVENTS = (
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
)
STEPS = (*EVENTS[:5], "Ready", *EVENTS[5:], "TerminationWait")
HOOK_WITHIN = 3600.0


def begin(world: World, item: Release) -> None:
    item.status, item.step = "Created", "created"
    world.after(world.timings.deployment_stage, lambda: _start(world, item))


def _start(world: World, item: Release) -> None:
    if item.over:
        return
    item.status, item.started_at = "InProgress", world.now
    if problem := _problem(world, item):
        fail(world, item, *problem)
        return
    _enter(world, item, STEPS[0])


def _problem(world: World, item: Release) -> tuple[str, str] | None:
    """What CodeDeploy finds out only once it has begun."""
    service = world.ecs.services.get(item.service)
    blue = service.primary if service else None
    if service is None or service.status != "ACTIVE" or service.controller != "CODE_DEPLOY" or blue is None:
        return "INVALID_ECS_SERVICE", "The ECS service is missing or has no primary task set."
    names = traffic.pair(world, item)["targetGroups"]
    try:
        arns = [by_name(world, one["name"]).arn for one in names]
    except Refusal as refusal:
        return "ELASTIC_LOAD_BALANCING_INVALID", refusal.message
    item.blue = blue.number
    item.blue_group = blue.launch.load_balancers[0]["targetGroupArn"] if blue.launch.load_balancers else ""
    if item.blue_group not in arns:
        return "ELASTIC_LOAD_BALANCING_INVALID", "The primary task set is behind neither target group of the pair."
    item.green_group = next(arn for arn in arns if arn != item.blue_group)
    rules = traffic.production_rules(world, item)
    if not rules:
        return (
            "ELASTIC_LOAD_BALANCING_INVALID",
            f"The production listener does not forward to the target group of the primary task set {item.blue_group}.",
        )
    return None


# ---- steps ----------------------------------------------------------------------------------------------------------


def advance(world: World, service: Service) -> None:
    """Something has changed about the service: its deployment may get on."""
    for item in list(world.codedeploy.releases.values()):
        if item.service == service.key and not item.over and item.status != "Created":
            _look(world, item)


def _enter(world: World, item: Release, step: str) -> None:
    item.step, item.since = step, world.now
    event = current_event(item)
    if event is not None:
        event.status, event.started_at = "InProgress", world.now
        if event.hook:
            event.execution_id = world.ids.hexadecimal(64)
            world.after(HOOK_WITHIN, lambda: _hook_late(world, item, event))
    match step:
        case "Install":
            _install(world, item)
            world.after(world.timings.install_within, lambda: _look(world, item))
        case "AllowTestTraffic":
            traffic.shift_test(world, item, item.green_group)
        case "Ready":
            _begin_ready(world, item)
        case "AllowTraffic":
            item.shift_step = 0
            _shift(world, item)
        case "TerminationWait":
            item.termination_wait_since = world.now
            options = settings_of(world, item)["blueGreenDeploymentConfiguration"]
            minutes = options["terminateBlueInstancesOnDeploymentSuccess"].get("terminationWaitTimeInMinutes", 0)
            world.after(60.0 * minutes, lambda: _waited(world, item, "TerminationWait"))
    if not item.over:
        world.after(world.timings.deployment_stage, lambda: _look(world, item))


def _look(world: World, item: Release) -> None:
    """Leave the step if it is done."""
    if item.over or item.since is None or item.step not in STEPS:
        return
    if item.service not in world.ecs.services or (item.application, item.group) not in world.codedeploy.groups:
        close(world, item, "Failed")
        item.error = {"code": "INVALID_ECS_SERVICE", "message": "The ECS service or the deployment group is gone."}
        return
    if ringing := _ringing(world, item):
        item.error = {"code": "ALARM_ACTIVE", "message": f"One or more alarms have been activated: {ringing}"}
        end(world, item, "Stopped", "DEPLOYMENT_STOP_ON_ALARM")
        return
    event = current_event(item)
    waits = event is not None and bool(event.hook) and event.status == "InProgress"
    if waits or world.now < item.since + timedelta(seconds=world.timings.deployment_stage):
        return
    if item.step == "Install":
        if not _installed(world, item):
            if world.now >= item.since + timedelta(seconds=world.timings.install_within):
                fail(world, item, "TIMEOUT", "The ECS task set did not become stable in time.")
            return
    elif item.step in ("Ready", "TerminationWait") or (item.step == "AllowTraffic" and item.shifted < 100):
        return
    proceed(world, item)


def proceed(world: World, item: Release) -> None:
    """The step is done: on to the next."""
    if event := current_event(item):
        event.status = "Succeeded"
        event.ended_at = world.now
    if item.step == "AfterAllowTestTraffic" and _ready_option(world, item).get("actionOnTimeout") != "STOP_DEPLOYMENT":
        _enter(world, item, EVENTS[5])
    elif item.step == "Ready":
        item.status = "InProgress"
        _enter(world, item, EVENTS[5])
    elif item.step == "TerminationWait":
        succeed(world, item)
    else:
        _enter(world, item, STEPS[STEPS.index(item.step) + 1])


def _ready_option(world: World, item: Release) -> Params:
    option: Params = settings_of(world, item)["blueGreenDeploymentConfiguration"].get("deploymentReadyOption", {})
    return option


def _begin_ready(world: World, item: Release) -> None:
    item.status, item.ready_since = "Ready", world.now
    minutes = _ready_option(world, item)["waitTimeInMinutes"]
    world.after(60.0 * minutes, lambda: _waited(world, item, "Ready"))


def _waited(world: World, item: Release, step: str) -> None:
    """A wait is over: of READY_WAIT the deployment stops, of TERMINATION_WAIT it goes on."""
    if item.over or item.step != step:
        return
    if step == "Ready":
        item.error = {"code": "TIMEOUT", "message": "The wait time for traffic rerouting has run out."}
        end(world, item, "Stopped", "DEPLOYMENT_FAILURE")
    else:
        proceed(world, item)


def _install(world: World, item: Release) -> None:
    """The green task set, behind the target group that production does not use."""
    service = world.ecs.services[item.service]
    blue = service.deployment(item.blue)
    assert blue is not None
    owner = world.ecs.clusters[service.cluster]
    entry = {"targetGroupArn": item.green_group, "containerName": item.container, "containerPort": item.port}
    try:
        changes = {"taskDefinition": item.task_definition, "loadBalancers": [entry], **item.launch_changes}
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
            started_by="CODE_DEPLOY",
            stability_at=world.now,
        ),
    )
    service.deployments.insert(0, green)
    service.revisions[number] = green
    item.green = number
    world.touch(service)


def _installed(world: World, item: Release) -> bool:
    green = world.ecs.services[item.service].deployment(item.green)
    steady = green is not None and green.task_set is not None and green.task_set.stability == "STEADY_STATE"
    return steady and green is not None and green.running() == green.desired


def hook_answered(world: World, item: Release, event: LifecycleEvent, *, succeeded: bool) -> None:
    if not succeeded:
        _hook_failed(world, item, event, "The lifecycle event hook reported a failure.")
        return
    event.status, event.ended_at = "Succeeded", world.now
    _look(world, item)


def _hook_late(world: World, item: Release, event: LifecycleEvent) -> None:
    if not item.over and event.status == "InProgress":
        _hook_failed(world, item, event, "The lifecycle event hook did not report within an hour.")


def _hook_failed(world: World, item: Release, event: LifecycleEvent, message: str) -> None:
    event.status, event.ended_at = "Failed", world.now
    event.diagnostics = {"errorCode": "ScriptFailed", "message": message}
    fail(world, item, "HOOK_EXECUTION_FAILURE", f"{event.name}: {message}")


def _shift(world: World, item: Release) -> None:
    if item.over or item.step != "AllowTraffic":
        return
    steps, minutes = traffic.shares(world, item)
    item.shifted = steps[item.shift_step]
    traffic.shift_production(world, item, item.green_group, item.shifted)
    item.shift_step += 1
    if item.shift_step < len(steps):
        world.after(60.0 * minutes, lambda: _shift(world, item))
        return
    service = world.ecs.services[item.service]
    green = service.deployment(item.green)
    assert green is not None
    make_primary(world, service, green)
    world.after(world.timings.deployment_stage, lambda: _look(world, item))


def _ringing(world: World, item: Release) -> str:
    rules = item.alarms or settings_of(world, item).get("alarmConfiguration") or {}
    if not rules.get("enabled"):
        return ""
    names = [alarm["name"] for alarm in rules.get("alarms", [])]
    return ", ".join(alarms.in_alarm(world, names))
