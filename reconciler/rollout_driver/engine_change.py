"""A change of the engine of a service that lives, in AWS's ids: what it needs, what it observes, and its calls.

Which step is next is decided in rollout/engine_change.py. Every write is preceded by a look at what it depends on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler import errors
from reconciler.model.adoption import adopted
from reconciler.model.resource import Address, Calls, Observed
from reconciler.resources.service import ServiceSpec, deployment_configuration, paired_load_balancers
from reconciler.rollout import engine_change, listener_weights, observe_engine, prefetch
from reconciler.rollout.change_facts import ChangeFacts
from reconciler.rollout.describe import ecs
from reconciler.rollout.engine import NOTHING, Controller, Engine, Prefetched, RolloutStep, engines
from reconciler.rollout.engine_change import Goal, Step, TakeStep
from reconciler.rollout.release import RolloutTarget
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import ObservedService, all_on
from reconciler.rollout.strategy import Strategy
from reconciler.rollout_driver.resolution import ResolutionContext
from reconciler.rollout_driver.wanted_release import wanted_release

CHANGING: Final = "the deployment engine of the service changes first"

TASKS_START: Final = timedelta(minutes=2)
"""Roughly how long ECS takes to start the tasks of a deployment on Fargate, image included."""

WHOLE_AT_ANY_TIME: Final = {"minimumHealthyPercent": 100, "maximumPercent": 200}
"""Limits of a rolling deployment in which no task is stopped before another one serves."""

SWITCHED_OFF: Final = {
    "alarms": {"alarmNames": [], "enable": False, "rollback": False},
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
}


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """`subject` names both target groups and the listeners, whichever engine runs the service. `spec` is what the
    specs declare of it, with ids as far as they are known.
    """

    goal: Goal
    policy: Strategy
    subject: RolloutTarget
    spec: ServiceSpec

    def step(self, ordinary: RolloutStep, seen: ObservedService, now: datetime) -> RolloutStep:
        return engine_change.step(self.goal, self.policy, ordinary, seen, now)


def due(declared: RolloutSpec, found: Observed[Any]) -> bool:
    """Whether the engine of a service is to change, and can be changed in place."""
    item = found.facts["item"]
    if not observe_engine.lives(found) or not observe_engine.differs(declared.engine, item):
        return False
    return engine_change.possible(observe_engine.style_of(item)[0], declared.engine.controller)


def change_of(
    declared: RolloutSpec, present: Engine, subject: RolloutTarget, context: ResolutionContext, undone: Address | None
) -> ServiceChange:
    """`undone` is something that the service builds on and that is not as the specs declare it."""
    service = context.found[declared.service]
    want = adopted(context.wanted[declared.service].resolved(context.ids), service)
    unknown = sorted(want.refs() - {declared.task_definition})
    lack = f"{unknown[0]} does not exist yet" if unknown else f"{undone} is not in place" if undone is not None else ""
    controller, shifted = engine_change.style(declared.engine)
    was = _passed(service.facts["item"], declared.engine, present)
    release, _ = wanted_release(declared, context, "")
    names = tuple((alias, release.id) for alias in release.aliases)
    goal = Goal(was, declared.engine.name, controller, shifted, _deployment_lasts(declared), lack, names)
    return ServiceChange(goal, declared.policy, subject, want.spec)


def _passed(item: Mapping[str, Any], declared: Engine, present: Engine) -> str:
    """The engine that the change began with, as far as the service still shows it: a pair is what is left of one."""
    if present is not declared or not observe_engine.paired(item):
        return present.name
    return next(name for name, one in engines().items() if engine_change.style(one) == (str(Controller.ECS), True))


def _deployment_lasts(declared: RolloutSpec) -> timedelta:
    check = declared.health
    proven = timedelta() if check is None else timedelta(seconds=check.interval * check.healthy_threshold)
    return TASKS_START + proven + declared.policy.drain


def first_read(change: ServiceChange | None, subject: RolloutTarget, known: Prefetched) -> Calls[Prefetched]:
    """What the first observation of a service needs, as far as it is not known."""
    wanted = subject if change is None else change.subject
    (found,) = yield from prefetch.prefetch_missing([(wanted, known)])
    return found


def outdated(change: ServiceChange | None, engine: Engine, known: Prefetched) -> bool:
    """Whether another engine than `engine` runs the service now, or the change is over: the next pass goes on then."""
    if not observe_engine.runs(engine, known):
        return True
    return change is not None and not engine_change.remaining(
        change.goal, observe_engine.facts_of(change.subject, known)
    )


def observed(change: ServiceChange | None, seen: ObservedService, known: Prefetched) -> ObservedService:
    """`seen` with the facts of the change, if there is one."""
    return seen if change is None else replace(seen, change=observe_engine.facts_of(change.subject, known))


def apply(change: ServiceChange, action: TakeStep) -> Calls[None]:
    """One write. Raises `errors.StalePlan` if it is not the next step any more, or something has begun meanwhile."""
    (found,) = yield from prefetch.prefetch_missing([(change.subject, NOTHING)])
    facts = observe_engine.facts_of(change.subject, found)
    todo = engine_change.remaining(change.goal, facts)
    busy = found.service.get("currentServiceDeployment") if action.stranded and found.service else facts.busy
    if busy or engine_change.misrouted(facts) or not todo or todo[0] is not action.step:
        raise errors.StalePlan(f"the service has changed since it was read; not done: {action.step}")
    item = found.service
    assert item is not None
    match action.step:
        case Step.NAME_PRODUCTION | Step.NAME_TEST:
            yield from _name_both(change, action.step, facts)
        case _:
            yield ecs.update_service(
                cluster=change.subject.cluster,
                service=change.subject.service,
                **(yield from _members(change, action.step, item, facts.live)),
            )


def _name_both(change: ServiceChange, step: Step, facts: ChangeFacts) -> Calls[None]:
    subject = change.subject
    name, entry = ("production", subject.production) if step is Step.NAME_PRODUCTION else ("test", subject.test)
    assert entry is not None, "only listeners that were observed are bare"
    assert facts.live is not None, "checked right before"
    yield from listener_weights.point(subject, entry, all_on(facts.live), dict(facts.bare)[name])


def _members(change: ServiceChange, step: Step, item: Mapping[str, Any], live: int | None) -> Calls[dict[str, Any]]:
    """What UpdateService is sent."""
    goal, spec, groups = change.goal, change.spec, change.subject.groups
    match step:
        case Step.STOP_SHIFTING:
            off = {} if goal.controller == Controller.ECS else SWITCHED_OFF
            still = {"strategy": observe_engine.ROLLING, "bakeTimeInMinutes": 0, "lifecycleHooks": []}
            return {"deploymentConfiguration": {**still, **WHOLE_AT_ANY_TIME, **off}}
        case Step.DISARM:
            return {"deploymentConfiguration": SWITCHED_OFF}
        case Step.CONTROLLER:
            return {"deploymentController": {"type": goal.controller}}
        case Step.SHIFT:
            assert spec.deployment is not None, "an engine with a strategy declares it"
            return {"deploymentConfiguration": deployment_configuration(spec.deployment)}
        case Step.PAIR:
            assert spec.pair is not None, "an engine with a strategy declares it"
            assert live is not None, "checked right before"
            entry = item["loadBalancers"][0]
            served = {"target_group": groups[live], "alternate": groups[1 - live]}
            pair = spec.pair.model_copy(update={**served, **_port(entry)})
            sent = yield from paired_load_balancers(pair, spec.infrastructure_role or "")
            return {"loadBalancers": sent, "deploymentConfiguration": WHOLE_AT_ANY_TIME}
        case Step.ATTACH:
            assert live is not None, "checked right before"
            entry = item["loadBalancers"][0]
            declared = [str(one.target_group) for one in spec.load_balancers or ()]
            kept = [one for one in declared if one in groups and goal.controller == Controller.ECS]
            attached = dict.fromkeys((*kept, groups[live]))
            plain = {name: entry[name] for name in ("containerName", "containerPort")}
            sent = [{"targetGroupArn": group, **plain} for group in attached]
            return {"loadBalancers": sent, "deploymentConfiguration": WHOLE_AT_ANY_TIME}
        case Step.NAME_PRODUCTION | Step.NAME_TEST:
            raise AssertionError(f"{step} is a write to a listener")


def _port(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The port of the tasks that run, whatever is declared for the next version."""
    return {"container": entry["containerName"], "port": entry["containerPort"]}
