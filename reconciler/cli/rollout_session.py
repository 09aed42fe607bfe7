"""Rollout session: the rollouts of a stack, for commands that show or drive them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

import click

from reconciler import errors
from reconciler.cli.emulator_client import urls_of
from reconciler.cli.output.progress import Progress
from reconciler.cli.session import Stack
from reconciler.controller.audit import AuditRecorder
from reconciler.controller.controller import Controller
from reconciler.controller.events import EventRecorder
from reconciler.controller.revisions import ActiveRevision, FixedRevision
from reconciler.controller.schedule import COMMAND
from reconciler.controller.until import Observer
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Observed, existing
from reconciler.queries import versions
from reconciler.queries.containers import failed_containers, optional_containers
from reconciler.queries.outputs import listener_url
from reconciler.queries.versions import ServiceState
from reconciler.reconcile import pass_
from reconciler.reconcile.observe import observe, owned_ids
from reconciler.rollout.engine import Prefetched
from reconciler.rollout.outlook import RolloutPreview
from reconciler.rollout.release import RolloutTarget
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import ObservedService
from reconciler.rollout_driver.driver import RolloutDriver
from reconciler.rollout_driver.failure_report import FailureReporter
from reconciler.rollout_driver.leaving import every_rollout
from reconciler.rollout_driver.preview import prospects
from reconciler.rollout_driver.smoke_tests import Reach, SmokeTests
from reconciler.rollout_driver.targets import NotReady, ServiceRollout, known_of
from reconciler.source.base import Revision
from reconciler.source.git_history import committed
from reconciler.store.audit_trail import audit_trail

NO_COMMIT = Revision("")


@dataclass(slots=True)
class RolloutSession:
    """The rollouts of a stack, while its plan is refused also of services that the specs leave out.

    `missing` are services that have none yet, `prefetched` what was read on the way.

    `restored` is the stored revision that the controller works from, and why. `unreadable` is why the requests for the
    stack cannot be read, or "". `applied` is the revision that a controller has applied last as a whole.
    """

    stack: Stack
    driver: RolloutDriver
    rollouts: tuple[ServiceRollout, ...]
    missing: dict[Address, NotReady]
    prefetched: dict[Address, Prefetched]
    suspended_by: str = ""
    restored: str = ""
    unreadable: str = ""
    applied: str = ""
    world: ObservedState = field(default_factory=ObservedState)

    def rollout(self, name: str | None) -> ServiceRollout:
        """The rollout of the service `name`, or of the only service.

        Raises `click.UsageError` for a name that is not in the specs, `errors.ReconcilerError` if it has no rollout.
        """
        specs = self.stack.target.deliveries
        left = tuple(one.delivery for one in self.rollouts if one.address not in {spec.service for spec in specs})
        spec = service_spec(specs if name is None and specs else (*specs, *left), name)
        for rollout in self.rollouts:
            if rollout.delivery.service == spec.service:
                return rollout
        lack = self.missing[spec.service]
        if lack.absent:
            raise errors.ReconcilerError(f"{lack.because}; `reconciler apply` creates it")
        raise errors.ReconcilerError(f"{spec.service}: {lack.because}")

    def previews(self) -> tuple[RolloutPreview, ...]:
        return prospects(self.driver, self.rollouts, self.missing, self.prefetched)


def service_spec(specs: Sequence[RolloutSpec], name: str | None) -> RolloutSpec:
    """The rollout spec of the service `name`, or of the only service. Raises `click.UsageError`."""
    names = [spec.name for spec in specs]
    listed = ", ".join(names) or "none"
    if name is None:
        if len(specs) != 1:
            raise click.UsageError(f"name a service; the specs define: {listed}")
        return specs[0]
    wanted = name.removeprefix("service/")
    if wanted not in names:
        close = get_close_matches(wanted, names, n=1)
        hint = f"Did you mean {close[0]!r}?" if close else f"The specs define: {listed}."
        raise click.UsageError(f"no service {wanted!r} in the specs. {hint}")
    return specs[names.index(wanted)]


def service_state(stack: Stack, spec: RolloutSpec) -> ServiceState:
    """The service and its versions, as AWS has them now."""
    place = stack.target.place
    world = versions.look(stack.aws, stack.kinds, place, stack.target.desired, spec)
    return versions.find(world, spec, place.stack)


def open_rollouts(stack: Stack, world: ObservedState | None = None) -> RolloutSession:
    """`world`: the observed state, if it is known already."""
    target = stack.target
    if world is None:
        world = observe(stack.aws, stack.kinds, target.place, target.desired)
    stack.aws.mine.add(*sorted(owned_ids(world, target.place.stack, {})))
    plan, _ = pass_.planned(target, world, stack.kinds, at=stack.aws.clock.now())
    rollouts, missing = every_rollout(target, world, plan=plan)
    driver = RolloutDriver(
        stack.aws,
        SmokeTests(reach_of(stack.identity.endpoint, world)),
        FailureReporter({want.address: want for want in target.desired}),
    )
    prefetched = known_of(rollouts, world)
    tags = pass_.tags_of(target, world)
    told = (tags.suspended, tags.restored, tags.unreadable, tags.revision)
    return RolloutSession(stack, driver, rollouts, missing, prefetched, *told, world)


NO_TASKS = "no tasks: the desired count is 0 in the account, and the specs state none; state a `desired_count` above 0"
NO_TASKS_SCALED = "no tasks: autoscaling, or another client, keeps the desired count at 0; raise `min` of `scaling`"


def without_tasks(stack: Stack, rollout: ServiceRollout, observed: ObservedService) -> tuple[str, ...]:
    """That a service has no tasks although nothing of it differs from the specs, which leave the count to others."""
    declared = stack.target.wanted.get(rollout.delivery.service)
    if observed.desired or declared is None or declared.spec.desired_count is not None:
        return ()
    return (NO_TASKS_SCALED if rollout.delivery.scales else NO_TASKS,)


def rollout_warnings(stack: Stack, rollout: ServiceRollout) -> tuple[str, ...]:
    """What a service's rollout does not show: containers that failed although their tasks run."""
    optional = optional_containers(stack.target.desired, rollout.delivery.task_definition)
    name = rollout.subject.service.rpartition("/")[2]
    try:
        return stack.aws.run(failed_containers(rollout.subject.cluster, name, optional))
    except errors.AwsError as error:
        return (f"its containers could not be read: {error}",)


def controller_of(stack: Stack, observer: Observer | None = None, revision: Revision = NO_COMMIT) -> Controller:
    """The controller that a command runs, for specs that are those of `revision`, if they are in Git."""

    def reach(spec: RolloutSpec, target: RolloutTarget) -> str:
        return reach_of(stack.identity.endpoint, controller.world or ObservedState())(spec, target)

    recorder = EventRecorder(stack.aws.clock)
    controller = Controller(
        stack.aws,
        stack.kinds,
        FixedRevision(ActiveRevision(revision, stack.target)),
        recorder,
        SmokeTests(reach),
        observer=observer,
        rhythm=COMMAND,
        audit=audit_of(stack, recorder),
    )
    return controller


def audit_of(stack: Stack, recorder: EventRecorder) -> AuditRecorder:
    """Keeps requests in the store whose lease the command holds."""
    return AuditRecorder(
        stack.aws, recorder, lambda: None if stack.held_store is None else audit_trail(stack.held_store)
    )


def reporting_controller(stack: Stack) -> Controller:
    """A controller that reports its progress on stderr."""
    revision = None if stack.instead else committed(stack.folder)
    return controller_of(stack, Progress(stack.aws.clock, stack.err_look), revision or NO_COMMIT)


def reach_of(endpoint: str | None, world: ObservedState) -> Reach:
    """URLs of listeners: the local AWS emulator is asked for them, a real load balancer has a DNS name."""
    names = {one.id: one.facts.get("dns_name", "") for one in _of(world, "load-balancer")}
    listeners = {one.id: one.spec for one in _of(world, "listener")}

    def reach(spec: RolloutSpec, target: RolloutTarget) -> str:
        assert target.test is not None, "a strategy with tests has a test listener"
        arn = target.test.listener
        url = urls_of(endpoint).get(arn)
        if url is not None:
            return url
        listener = listeners.get(arn)
        protocol, port = ("HTTP", spec.ports[1]) if listener is None else (listener.protocol, listener.port)
        balancer = arn.replace(":listener/", ":loadbalancer/", 1).rpartition("/")[0]
        return listener_url(protocol, names.get(balancer, ""), port)

    return reach


def _of(world: ObservedState, kind: str) -> Iterable[Observed[Any]]:
    """Those of the stack, and those that others own."""
    return (*world.found.get(kind, ()), *world.found.get(existing(kind), ()))
