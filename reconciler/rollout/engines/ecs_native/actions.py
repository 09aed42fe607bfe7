"""The calls of ECS that move a service deployment on, as actions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from reconciler import errors
from reconciler.rollout.action_text import tasks_text
from reconciler.rollout.actions import EngineAction, RolloutAction, SetWeights
from reconciler.rollout.engines.ecs_native.facts import (
    Deployment,
    PauseHook,
    Status,
    native,
)
from reconciler.rollout.release import Ports, entrance
from reconciler.rollout.state import ObservedService, TaskSet, all_on
from reconciler.rollout.strategy import Function


@dataclass(frozen=True, slots=True)
class StartDeployment(EngineAction):
    """UpdateService with a revision, and with the hooks of the deployment that it starts. ECS starts none if nothing
    differs. `task_definition` is the wanted release's unless given. A deployment that is active is superseded by it.
    `functions` are those that ECS calls in it, which are the service's.
    """

    release: str
    slot: int
    attempt: str
    task_definition: str = ""
    hooks: tuple[PauseHook, ...] = ()
    functions: tuple[Function, ...] = ()

    @property
    def revision(self) -> str | None:
        return self.task_definition

    def visible(self, seen: ObservedService) -> bool:
        found = native(seen).deployment
        return found is not None and found.release == self.release and found.active

    def after(self, seen: ObservedService, now: datetime) -> ObservedService:
        found = native(seen)
        made = Deployment(f"d-{self.release}-{self.attempt}", self.release, Status.IN_PROGRESS, now)
        definition = self.task_definition or seen.definition or f"{self.release}:1"
        green = TaskSet(f"ecs-svc/{made.id}", self.release, self.slot, now, healthy=(), task_definition=definition)
        made = replace(made, stage="SCALE_UP", target=green.id, task_definition=definition, declared=self.hooks)
        return replace(found, sets=(*seen.sets, green), deployment=made, shifting_since=None)

    def text(self, seen: ObservedService, ports: Ports) -> str:
        called = f"; it calls {', '.join(map(str, self.functions))}" if self.functions else ""
        return f"ECS starts green: {tasks_text(seen.desired)}{called}"


@dataclass(frozen=True, slots=True)
class ContinueDeployment(EngineAction):
    """ContinueServiceDeployment of a hook that waits. `at_gate`: of the one that waits for promotion."""

    id: str
    hook: str
    at_gate: bool

    def visible(self, seen: ObservedService) -> bool:
        active = native(seen).active
        if active is None or active.id != self.id:
            return True
        return not any(one.id == self.hook and one.waits for one in active.hooks)

    def after(self, seen: ObservedService, now: datetime) -> ObservedService:
        found = native(seen)
        active = found.active
        if active is None or active.id != self.id or not any(one.id == self.hook and one.waits for one in active.hooks):
            raise errors.StalePlan(f"deployment {self.id} does not wait at hook {self.hook}")
        hooks = tuple(replace(one, waits=False, passed=True) if one.id == self.hook else one for one in active.hooks)
        return replace(found, deployment=replace(active, hooks=hooks))

    def amounts_to(self, seen: ObservedService) -> tuple[RolloutAction, ...]:
        """All of production, which ECS shifts by itself once no hook waits any more. The gate's is the last one."""
        found = native(seen)
        active, green = found.active, found.target
        others = active is not None and any(one.waits and one.id != self.hook for one in active.hooks)
        if green is None or (others and not self.at_gate):
            return ()
        return (SetWeights("production", all_on(green.slot), seen.production),)

    def text(self, seen: ObservedService, ports: Ports) -> str:
        return f"ECS shifts {entrance(ports[0])}" if self.at_gate else ""


@dataclass(frozen=True, slots=True)
class StopDeployment(EngineAction):
    """StopServiceDeployment with a rollback: traffic goes back, if it had shifted, and the new tasks are removed."""

    id: str

    def visible(self, seen: ObservedService) -> bool:
        active = native(seen).active
        return active is None or active.id != self.id or active.going_back

    def after(self, seen: ObservedService, now: datetime) -> ObservedService:
        found = native(seen)
        active = found.active
        if active is None or active.id != self.id or active.going_back:
            raise errors.StalePlan(f"deployment {self.id} cannot be stopped any more")
        blue = next((one for one in seen.alive if one.id != active.target), None)
        back = all_on(blue.slot) if blue is not None else seen.production
        sets = tuple(replace(one, primary=one is blue) for one in seen.sets)
        stopped = replace(active, status=Status.ROLLBACK_IN_PROGRESS, finished=now)
        return replace(found, sets=sets, production=back, test=back, deployment=stopped)

    def amounts_to(self, seen: ObservedService) -> tuple[RolloutAction, ...]:
        """The way back of production. Tasks that have none of it are removed so that another version can start."""
        green, production = native(seen).target, seen.production
        if green is None or production is None or not production[green.slot]:
            return ()
        return (SetWeights("production", all_on(1 - green.slot), production),)

    def text(self, seen: ObservedService, ports: Ports) -> str:
        active = native(seen).active
        back = f"switch {entrance(ports[0])} back to blue and " if active is not None and active.shifts else ""
        return f"ECS rolls back: {back}remove green" if back else "ECS removes green"
