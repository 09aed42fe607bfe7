"""The plan filter for what runs to completion, and for what waits for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.diff import Change
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, DeferralCode, Plan, Verb
from reconciler.model.resource import Address, Desired, Observed, Ref, ResourceHealth
from reconciler.model.type_registry import discover
from reconciler.reconcile.tasks_first import tasks_first
from reconciler.resources.image import ImageSpec
from reconciler.resources.scaling import ScalingSpec
from reconciler.resources.schedule import ScheduleSpec
from reconciler.resources.service import ServiceSpec
from reconciler.resources.task import TaskSpec
from reconciler.resources.task_definition import TaskDefinitionSpec
from reconciler.rollout.engine import engines
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.strategy import Strategy
from reconciler.spec.compile import compile_deliveries, compile_specs
from tests.resources.workload import definition
from tests.spec.folder import lay

IMAGE = Address("image", "web:v1")
TASK = Desired(
    Address("task", "hello"),
    TaskSpec(cluster="c", task_definition=Ref(Address("task-definition", "hello")), outcome="recorded"),
)
SERVICE = Address("service", "web")
DELIVERY = RolloutSpec(
    SERVICE,
    Address("task-definition", "web"),
    Strategy(engine="rolling"),
    pre_deployment=replace(TASK, address=Address("task", "migrate")),
)


def built(name: str) -> Desired[TaskDefinitionSpec]:
    """A task definition with two containers, of which the second one runs an image of the stack."""
    spec = definition(name).spec
    (container,) = spec.containers.values()
    containers = {"proxy": container, "app": container.model_copy(update={"image": Ref(IMAGE)})}
    return replace(definition(name), spec=spec.model_copy(update={"containers": containers}))


def looked_up(health: ResourceHealth = ResourceHealth.PROGRESSING) -> Observed[ImageSpec]:
    spec = ImageSpec(repository="web", tag="v1", uri="uri")
    return Observed(IMAGE, "uri", spec, health=health, reason="not pushed")


def filtered(action: Action, world: ObservedState, *desired: Desired[TaskDefinitionSpec]) -> Plan:
    wanted = {one.address: one for one in (TASK, *desired)}
    return tasks_first(Plan("s", (action,)), world, wanted, discover(), (DELIVERY,))


@pytest.mark.parametrize("health", [ResourceHealth.READY, ResourceHealth.PROGRESSING])
def test_a_task_waits_for_the_image_of_its_definition(health: ResourceHealth) -> None:
    """It would fail to pull it, and be remembered as failed."""
    create = Action(Verb.CREATE, TASK.address, "it does not exist", new=TASK)

    plan = filtered(create, ObservedState({"image": (looked_up(health),)}), built("hello"))

    pushed = health is ResourceHealth.READY
    assert [one.code for one in plan.deferred] == ([] if pushed else [DeferralCode.IMAGE])
    assert bool(plan.actions) is pushed


@pytest.mark.parametrize("health", [ResourceHealth.READY, ResourceHealth.PROGRESSING])
@pytest.mark.parametrize("engine", sorted(engines()))
def test_a_service_that_ecs_creates_with_tasks_waits_for_its_image(engine: str, health: ResourceHealth) -> None:
    """So does what refers to it, and nothing else. With `task_sets`, ECS creates it without any."""
    name = Address("task-definition", "web")
    service = Desired(SERVICE, ServiceSpec(cluster="c", name="web", task_definition=Ref(name)))
    scaling = Desired(
        Address("scaling", "web"), ScalingSpec(resource="service/c/web", service=Ref(SERVICE), min=1, max=3)
    )
    wanted = {one.address: one for one in (service, scaling, built("web"))}
    actions = tuple(Action(Verb.CREATE, one.address, "it does not exist", new=one) for one in wanted.values())
    delivery = RolloutSpec(SERVICE, name, Strategy(engine=engine))

    world = ObservedState({"image": (looked_up(health),)})
    plan = tasks_first(Plan("s", actions), world, wanted, discover(), (delivery,))

    waits = engine != "task_sets" and health is not ResourceHealth.READY
    deferred = {one.action.address: (one.code, one.because) for one in plan.deferred}
    assert deferred == (dict.fromkeys((SERVICE, scaling.address), (DeferralCode.IMAGE, "not pushed")) if waits else {})
    assert {one.address for one in plan.actions} == wanted.keys() - deferred.keys()


NIGHTLY = Desired(
    Address("schedule", "hello"),
    ScheduleSpec(
        name="hello",
        expression="rate(1 hour)",
        cluster="c",
        task_definition=Ref(Address("task-definition", "hello")),
        role="r",
        enabled=False,
    ),
)


def test_a_schedule_is_not_created_before_its_image_is_pushed() -> None:
    """It would start a task at its time, which fails."""
    plan = tasks_first(
        Plan("s", (Action(Verb.CREATE, NIGHTLY.address, "it does not exist", new=NIGHTLY),)),
        ObservedState({"image": (looked_up(),)}),
        {one.address: one for one in (NIGHTLY, built("hello"))},
        discover(),
        (),
    )
    assert (plan.actions, [one.code for one in plan.deferred]) == ((), [DeferralCode.IMAGE])


def test_a_schedule_keeps_its_revision_until_the_image_is_pushed() -> None:
    """It can be disabled meanwhile, which is what helps where somebody has deleted the image."""
    before = NIGHTLY.spec.model_copy(update={"task_definition": "arn:hello:1", "enabled": True})
    found = Observed(NIGHTLY.address, "hello", before)
    revision = Change(("task_definition",), "arn:hello:1", NIGHTLY.spec.task_definition, release=True)
    disabled = Change(("enabled",), True, False)
    update = Action(Verb.UPDATE, NIGHTLY.address, "it differs", (revision, disabled), old=found, new=NIGHTLY)
    plan = tasks_first(
        Plan("s", (update,)),
        ObservedState({"image": (looked_up(),)}),
        {one.address: one for one in (NIGHTLY, built("hello"))},
        discover(),
        (),
    )
    (now,), (later,) = plan.actions, plan.deferred
    assert now.new is not None
    assert (now.changes, now.new.spec) == ((disabled,), before.model_copy(update={"enabled": False}))
    assert (later.action.changes, later.code) == ((revision,), DeferralCode.IMAGE)


@pytest.mark.parametrize("tag", ["", "reconciler:live", "reconciler:cleared"])
def test_the_first_tasks_of_a_service_wait_for_its_pre_deployment_task(tag: str) -> None:
    """The count is raised once the task has succeeded; other fields are changed at once."""
    spec = ServiceSpec(cluster="c", name="web", desired_count=2)
    service = Observed(SERVICE, "arn", spec, {tag: "x"} if tag else {})
    changes = (Change(("desired_count",), 0, 2), Change(("exec",), False, True))
    update = Action(Verb.UPDATE, SERVICE, "it differs", changes, old=service, new=Desired(SERVICE, spec))

    plan = filtered(update, ObservedState({"service": (service,)}))

    now = [str(change) for one in plan.actions for change in one.changes]
    later = [str(change) for one in plan.deferred for change in one.action.changes]
    assert (now, later) == ((["desired_count", "exec"], []) if tag else (["exec"], ["desired_count"]))


def test_autoscaling_of_such_a_service_waits_too() -> None:
    """Registering it would raise the count at once."""
    create = Action(Verb.CREATE, Address("scaling", "web"), "it does not exist")
    (deferred,) = filtered(create, ObservedState()).deferred
    assert (deferred.action, deferred.code) == (create, DeferralCode.PRE_DEPLOYMENT)


def test_a_pre_deployment_task_is_no_resource_of_the_plan() -> None:
    """The rollout runs it; the plan makes what it needs, and a service without tasks."""
    before = MIGRATE.format("before: my-app-frontend")
    specs = lay(before)
    assert specs.ok, specs.diagnostics
    desired = {one.address: one for one in compile_specs(specs, account="123456789012")}
    (delivery,) = (one for one in compile_deliveries(specs) if one.name == "my-app-frontend")

    assert Address("task", "migrate") not in desired
    assert Address("task-definition", "migrate") in desired
    assert delivery.pre_deployment is not None
    assert delivery.pre_deployment.address == Address("task", "migrate")
    once = {one.address for one in compile_specs(lay(MIGRATE.format("run: once")), account="123456789012")}
    assert Address("task", "migrate") in once


MIGRATE = """kind: Task
name: migrate
cluster: my-app-cluster
{}
task:
  cpu: 256
  memory: 512
  containers: {{migrate: {{image: {{registry: my-app-frontend, tag: v1}}}}}}
placement: {{subnets: [app-public1-a], security_groups: [my-app-task-sg], public_ip: true}}
"""
