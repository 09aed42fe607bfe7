"""Rollout targets: from the rollout spec, in addresses, to the release and its target, in AWS ids.

The target is there as soon as the service and what routes requests to it are: it is enough to finish or to undo what
is under way, which AWS shows. Until the wanted release is known (wanted_release.py) it is not ready, and the reason
names what is missing.

It is one module because every part of a target is resolved from the same context, and the driver takes it as one value.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from reconciler.model.meanwhile import current
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Plan
from reconciler.model.resource import Address, Calls, Desired, Observed
from reconciler.model.type_registry import discover
from reconciler.reconcile.expectations import UNSEEN
from reconciler.rollout import observe_deployments, observe_engine
from reconciler.rollout.actions import RolloutAction
from reconciler.rollout.engine import Engine, Prefetched, RolloutStep
from reconciler.rollout.engine_change import TakeStep, possible
from reconciler.rollout.fallback import SetCount
from reconciler.rollout.fallback_state import FallbackTerms
from reconciler.rollout.release import (
    Attachment,
    Release,
    RolloutTarget,
    Version,
)
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import ObservedService
from reconciler.rollout.stored_state import KEYS
from reconciler.rollout.strategy import Strategy
from reconciler.rollout_driver import engine_change, fallback, rotations
from reconciler.rollout_driver.engine_change import CHANGING, ServiceChange
from reconciler.rollout_driver.fallback import FallbackTarget
from reconciler.rollout_driver.held_back import blocking_dependency, held_by, left_by, refused_in
from reconciler.rollout_driver.judges import judges_of
from reconciler.rollout_driver.resolution import ResolutionContext, context_of
from reconciler.rollout_driver.restarts import without_gates
from reconciler.rollout_driver.standing import Standing, standing
from reconciler.rollout_driver.target_groups import entry_of, slots_of, target_groups, with_ports, with_traffic
from reconciler.rollout_driver.task_runs import TaskTarget, target_of
from reconciler.rollout_driver.wanted_release import wanted_release, whole_members

OTHER_CONTROLLER: Final = "AWS cannot give the service the deployment controller that its strategy requires"


@dataclass(frozen=True, slots=True)
class NotReady:
    """There is nothing to observe yet.

    `absent`: it is the service itself that does not exist. `deployed`: a version of it was in place, and another one
    waits.
    """

    because: str
    absent: bool = False
    deployed: bool = False

    def __str__(self) -> str:
        return f"{'the new version is waiting' if self.deployed else 'not deployed yet'}: {self.because}"


@dataclass(frozen=True, slots=True)
class ServiceRollout:
    """One service to roll out, by addresses and by ids. `pre_deployment` is the task that runs before each release.

    `change`: its engine is to be another one than `delivery` says, which is the one that runs it. `fallback`: it runs
    on demand what another service lacks.

    `new_attempts`: whether a quarantined release is tried again once the specs judge it by something else.
    """

    delivery: RolloutSpec
    subject: RolloutTarget
    pre_deployment: TaskTarget | None = None
    new_attempts: bool = True
    change: ServiceChange | None = None
    fallback: FallbackTarget | None = None

    @property
    def engine(self) -> Engine:
        return self.delivery.engine

    @property
    def address(self) -> Address:
        return self.delivery.service

    def policy(self, seen: ObservedService) -> Strategy:
        """The strategy by which the wanted release is rolled out."""
        return rotations.policy(self.delivery.policy, self.subject.release, seen)

    def observe(self, known: Prefetched, now: datetime) -> Calls[ObservedService]:
        """The service, as its engine, a change of the engine and a fallback need it."""
        seen = yield from self.engine.observe(self.subject, self.delivery.policy, now, known)
        seen = engine_change.observed(self.change, seen, known)
        return (yield from fallback.observed(self.fallback, self.subject, seen, known, now))

    def step(self, ordinary: RolloutStep, seen: ObservedService, now: datetime) -> RolloutStep:
        """What its engine would do, or what comes before that."""
        if self.change is not None:
            return self.change.step(ordinary, seen, now)
        return ordinary if self.fallback is None else self.fallback.step(ordinary, seen, now)

    def allowed_requests(self, seen: ObservedService, now: datetime) -> tuple[RequestVerb, ...]:
        """Requests that would be accepted now and change something."""
        allowed = self.engine.allowed_requests(self.policy(seen), seen, now)
        return allowed if self.fallback is None else tuple(one for one in allowed if one in fallback.OF_ITS_OWN)

    def calls_of(self, action: RolloutAction) -> Calls[None]:
        """The calls that carry out an action of the engine, or a step to another one."""
        if self.change is not None and isinstance(action, TakeStep):
            return engine_change.apply(self.change, action)
        if isinstance(action, SetCount):
            return fallback.apply(self.subject, action)
        return self.engine.apply(action, self.subject)


def pinned(rollout: ServiceRollout, version: Version) -> ServiceRollout:
    """The rollout as if the specs declared a version that is deployed already, instead of another one."""
    deployed = replace(rollout.subject.release, id=version.release, task_definition=version.task_definition)
    release = replace(deployed, aliases=(), rotation_of=())
    return replace(rollout, subject=replace(rollout.subject, release=release))


def rollouts_of(
    deliveries: Iterable[RolloutSpec],
    desired: Iterable[Desired[Any]],
    world: ObservedState,
    stack: str,
    *,
    made: Mapping[Address, str] | None = None,
    undone: Collection[Address] = (),
    plan: Plan | None = None,
    commit: str = "",
    withheld: str = "",
    withdrawn: str = "",
) -> tuple[tuple[ServiceRollout, ...], dict[Address, NotReady]]:
    """Services that have rollouts, and why the others have none yet.

    `undone`: resources that are not as the specs declare them. `plan`: that of `world`, of which nothing is done if it
    is refused. `withheld`: why no release of the specs is started. `withdrawn`: why those that are under way are not in
    the specs any more.
    """
    refused, left = refused_in(plan), left_by(plan)
    rollouts: list[ServiceRollout] = []
    missing: dict[Address, NotReady] = {}
    present = {one.address for one in world if UNSEEN not in one.facts}
    context = context_of(current(desired, present), world, stack, made)
    several = tuple(deliveries)
    for declared in (with_ports(one.current(present), context) for one in several):
        there = context.found.get(declared.service)
        delivery = declared if there is None else declared.run_by(observe_engine.engine_of(there.facts["item"]))
        stands = standing(delivery, context, refused=bool(left or withheld))
        lack = blocking_dependency(context.wanted, delivery.service, {*undone, *refused})
        held = held_by(declared, context, left)
        changing = there is not None and not (withheld or withdrawn) and engine_change.due(declared, there)
        because = withheld or withdrawn or _before_all(declared, there)
        if lack is not None:
            because = because or refused.get(lack) or f"{lack} is not in place"
        subject = subject_of(stands, commit=commit, not_ready=because, held=held)
        if isinstance(subject, NotReady):
            missing[delivery.service] = subject
            continue
        subject = fallback.beside_the_new(subject, delivery.service, several, context)
        if there is not None:
            stands = replace(stands, delivery=without_gates(stands.delivery, there, subject.release.id))
        rollout = ServiceRollout(stands.delivery, subject, target_of(delivery, context))
        if declared.fallback is not None:
            rollout = _beside(rollout, declared.fallback, rollouts, context)
        if changing and stands.absent is None and not held:
            whole = with_traffic(subject, declared, context)
            change = engine_change.change_of(declared, delivery.engine, whole, context, lack)
            rollouts.append(restricted(replace(rollout, change=change), withheld=CHANGING, withdrawn=withdrawn))
            continue
        rollouts.append(restricted(rollout, withheld=withheld, withdrawn=withdrawn))
    return tuple(rollouts), missing


def _beside(
    rollout: ServiceRollout, terms: FallbackTerms, rollouts: Iterable[ServiceRollout], context: ResolutionContext
) -> ServiceRollout:
    """A service on demand, with the version that its main service serves with; it has none of its own.

    While nothing of the main service is rolled out, because the specs are withheld or it waits, its count stays as it
    is.
    """
    main = next((one for one in rollouts if one.address == terms.main), None)
    if main is None and terms.group is None:
        return rollout
    own = fallback.own_version(rollout.subject, context.found[rollout.address])
    ready = replace(rollout, subject=replace(rollout.subject, not_ready=""))
    source = None if main is None else fallback.source_of(terms, main.subject, context)
    if main is None or source is None:  # it is not known which version is in its target group
        return pinned(ready, own)
    version = source.version or own
    if not version.task_definition:
        return rollout
    return replace(pinned(ready, version), fallback=FallbackTarget(terms, main.subject.service, source.deployments))


def _before_all(declared: RolloutSpec, there: Observed[Any] | None) -> str:
    """Why no version is started by the engine that runs the service: it cannot become the declared one."""
    if there is None:
        return ""
    controller, _ = observe_engine.style_of(there.facts["item"])
    return "" if possible(controller, declared.engine.controller) else OTHER_CONTROLLER


def restricted(rollout: ServiceRollout, *, withheld: str, withdrawn: str) -> ServiceRollout:
    """The rollout under specs that must not be applied, or that do not contain what is under way."""
    subject = replace(rollout.subject, withdrawn=withdrawn)
    if withheld:  # nothing is wanted then, not even what runs already
        release = replace(subject.release, id="", task_definition="", aliases=())
        subject = replace(subject, release=release, not_ready=withheld)
    return replace(rollout, subject=subject)


def known_of(rollouts: Iterable[ServiceRollout], world: ObservedState) -> dict[Address, Prefetched]:
    """What `world` holds of each service, so that its rollout need not read it again."""
    found = {one.id: one for one in world}
    return {rollout.address: _known(rollout, found) for rollout in rollouts}


def _known(rollout: ServiceRollout, found: Mapping[str, Observed[Any]]) -> Prefetched:
    subject = rollout.subject
    service, beside = (
        found.get(arn) for arn in (subject.service, "" if rollout.fallback is None else rollout.fallback.service)
    )
    entries = [entry.arn for entry in (subject.production, subject.test) if entry is not None]
    scalable = found.get(subject.scalable or "")
    return Prefetched(
        service=None if service is None else service.facts["item"],
        actions={arn: found[arn].facts["actions"] for arn in entries if arn in found},
        groups={arn: found[arn].facts["item"] for arn in subject.groups if arn in found},
        scalable=None if scalable is None else scalable.facts["item"],
        beside=None if beside is None else beside.facts["item"],
    )


def subject_of(stands: Standing, *, commit: str = "", not_ready: str = "", held: str = "") -> RolloutTarget | NotReady:
    """The rollout target, whether or not the wanted release is ready. `not_ready`: why it is not, if that is known;
    `held`: the same, unless it lacks something of its own.
    """
    delivery, context = stands.delivery, stands.context
    wanted, found, ids = context.wanted, context.found, context.ids
    service = found.get(delivery.service)
    if service is None:
        return NotReady(f"{delivery.service} does not exist yet", absent=True)
    established = bool(service.facts.get("established", True))
    lack = "" if stands.absent is None else held or _absent(stands.absent, context)
    routed = delivery.moves_traffic and not delivery.connected
    if lack and (not established or (routed and delivery.production is None)):
        return NotReady(lack, deployed=established)
    release = Release("")
    if not lack:
        release, lack = wanted_release(delivery, context, commit)
    not_ready = not_ready or lack or held
    if not_ready:
        release = replace(release, health=None)  # its target group keeps the health check of what is under way
    cluster = str(service.facts.get("cluster") or wanted[delivery.service].resolved(ids).spec.cluster)
    scaling = Address("scaling", delivery.name)
    declared = tuple(ids[group] for group in delivery.groups)
    groups = slots_of(declared, service, delivery, context) if routed else ()
    if routed and len(groups) != 2:
        return NotReady(lack, deployed=established)
    sticky = delivery.policy.stickiness
    return RolloutTarget(
        cluster=cluster,
        service=service.id,
        release=release,
        name=delivery.name,
        groups=groups,
        production=entry_of(delivery.production, found) if delivery.moves_traffic else None,
        test=entry_of(delivery.test, found) if delivery.moves_traffic else None,
        scalable=found[scaling].id if delivery.scales and scaling in found else None,
        former=target_groups(found) - set(groups) if delivery.moves_traffic else frozenset(),
        inherited=_left_behind(context) & set(groups),
        members=whole_members(release, service),
        attached=() if delivery.moves_traffic else _attached(stands, service),
        stack_tags=tuple(sorted(wanted[delivery.service].tags.items())),
        stickiness=None if sticky is None else int(sticky.total_seconds()),
        roles=tuple(_roles(context)),
        gone=stands.gone if delivery.moves_traffic else (),
        not_ready=not_ready,
        judges=judges_of(delivery, context),
    )


def _absent(part: Address, context: ResolutionContext) -> str:
    return f"{part} does not send it requests yet" if part in context.found else f"{part} does not exist yet"


def _roles(context: ResolutionContext) -> Iterable[tuple[str, datetime | None]]:
    for address, identifier in context.ids.items():
        if address.kind == "role":
            found = context.found.get(address)
            yield identifier, None if found is None else found.facts.get("created_at")


def _left_behind(context: ResolutionContext) -> frozenset[str]:
    """What services have tasks in that leave the specs."""
    in_use = discover()["service"].in_use
    leaving = (one for at, one in context.found.items() if at.kind == "service" and at not in context.wanted)
    return frozenset(name for one in leaving for name in in_use(one))


def _attached(stands: Standing, service: Observed[Any]) -> tuple[Attachment, ...]:
    """The target groups of a service, with those in which its tasks have to stay registered for now.

    A group that a listener still sends requests to has the new tasks, too, until requests come in through the declared
    group and all tasks are healthy there: so it has healthy targets throughout. A group that is not the stack's stays.
    """
    delivery, context = stands.delivery, stands.context
    spec = context.wanted[delivery.service].resolved(context.ids).spec
    if spec.load_balancers is None or stands.absent is not None:  # declared for another engine, or not there yet
        return observe_deployments.attachments(service.facts["item"])
    declared = tuple(Attachment(str(one.target_group), one.container, one.port) for one in spec.load_balancers or ())
    groups, types = {one.group for one in declared}, discover()
    door = context.found.get(delivery.production) if delivery.production is not None else None
    named = {} if door is None else types[door.address.kind].forwards(door.spec)
    settled = KEYS["deadline"] not in service.tags and groups <= types["service"].serving(service)
    arrived = settled and any(named.get(group) for group in groups)
    shown = {str(one.target_group) for one in service.spec.load_balancers or ()}
    kept = []
    for one in observe_deployments.attachments(service.facts["item"]):
        if one.group in groups:
            continue
        if one.group not in shown:
            kept.append(one)
        elif declared and one.group in context.receiving and not arrived:
            same = any((one.container, one.port) == (other.container, other.port) for other in declared)
            kept.append(one if same else replace(declared[0], group=one.group))  # the new tasks have no other port
    return (*declared, *kept)
