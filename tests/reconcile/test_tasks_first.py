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
from reconciler.resources.service import ServiceSpec
from reconciler.resources.task import TaskSpec
from reconciler.resources.task_definition import TaskDefinitionSpec
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


def filtered(action: Action, world: ObservedState, *desired: Desired[TaskDefinitionSpec]) -> Plan:
    wanted = {one.address: one for one in (TASK, *desired)}
    return tasks_first(Plan("s", (action,)), world, wanted, discover(), (DELIVERY,))


@pytest.mark.parametrize("health", [ResourceHealth.READY, ResourceHealth.PROGRESSING])
def test_a_task_waits_for_the_image_of_its_definition(health: ResourceHealth) -> None:
    """It would fail to pull it, and be remembered as failed."""
    spec = definition("hello").spec
    containers = {name: one.model_copy(update={"image": Ref(IMAGE)}) for name, one in spec.containers.items()}
    built = replace(definition("hello"), spec=spec.model_copy(update={"containers": containers}))
    image = Observed(IMAGE, "uri", ImageSpec(repository="web", tag="v1", uri="uri"), health=health, reason="not pushed")
    create = Action(Verb.CREATE, TASK.address, "it does not exist", new=TASK)

    plan = filtered(create, ObservedState({"image": (image,)}), built)

    pushed = health is ResourceHealth.READY
    assert [one.code for one in plan.deferred] == ([] if pushed else [DeferralCode.IMAGE])
    assert bool(plan.actions) is pushed


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
