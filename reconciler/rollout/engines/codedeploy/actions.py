"""The calls of CodeDeploy that move a deployment on, as actions."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

from reconciler import errors
from reconciler.model import codedeploy_names
from reconciler.rollout.action_text import tasks_text
from reconciler.rollout.actions import DeleteTaskSet, EngineAction, RolloutAction, SetWeights
from reconciler.rollout.engines.codedeploy.facts import DeployedService, Deployment, Stage, Status
from reconciler.rollout.release import Ports
from reconciler.rollout.state import WHOLE, ObservedService, TaskSet, all_on


@dataclass(frozen=True, slots=True)
class CreateDeployment(EngineAction):
    """Create the deployment of a release; one at a time, which CodeDeploy sees to. `attempt` tells it from others of
    the same revision. `task_definition` is the wanted release's unless given. `config` is the deployment configuration:
    that of the group may be another one, as long as it could not be updated or somebody has changed it.
    """

    release: str
    slot: int
    attempt: str
    task_definition: str = ""
    config: str = codedeploy_names.ALL_AT_ONCE

    @property
    def revision(self) -> str | None:
        return self.task_definition

    def visible(self, seen: ObservedService) -> bool:
        assert isinstance(seen, DeployedService)
        known = (seen.active, seen.ours)
        return any(one is not None and (one.release, one.attempt) == (self.release, self.attempt) for one in known)

    def after(self, seen: ObservedService, now: datetime) -> ObservedService:
        assert isinstance(seen, DeployedService)
        if seen.active is not None:
            raise errors.StalePlan(f"deployment {seen.active.id} is active")
        made = Deployment(f"d-{self.release}-{self.attempt}", self.release, self.attempt, Status.IN_PROGRESS, now)
        definition = self.task_definition or seen.definition or f"{self.release}:1"
        green = TaskSet(made.id, self.release, self.slot, now, healthy=(), task_definition=definition)
        versions = (*seen.versions, (green.id, made.id))
        return replace(seen, sets=(*seen.sets, green), active=made, ours=made, versions=versions)

    def text(self, seen: ObservedService, ports: Ports) -> str:
        return f"CodeDeploy starts green: {tasks_text(math.ceil(seen.desired))}"


@dataclass(frozen=True, slots=True)
class ShiftTraffic(EngineAction):
    """ContinueDeployment of a deployment that is ready: CodeDeploy shifts production traffic."""

    id: str

    def amounts_to(self, seen: ObservedService) -> tuple[RolloutAction, ...]:
        """All of production, which CodeDeploy shifts by itself from the first share on."""
        assert isinstance(seen, DeployedService)
        green, live = seen.created_by(self.id), next((one for one in seen.alive if one.primary), None)
        slot = green.slot if green is not None else 0 if live is None else 1 - live.slot
        return (SetWeights("production", all_on(slot), seen.production),)

    def visible(self, seen: ObservedService) -> bool:
        assert isinstance(seen, DeployedService)
        return seen.active is None or seen.active.id != self.id or not seen.active.ready

    def after(self, seen: ObservedService, now: datetime) -> ObservedService:
        assert isinstance(seen, DeployedService)
        found = seen.active
        if found is None or found.id != self.id or not found.ready:
            raise errors.StalePlan(f"deployment {self.id} is not ready")
        shifting = replace(found, status=Status.IN_PROGRESS, stage=Stage.SHIFTING)
        return replace(seen, active=shifting, ours=shifting)

    def text(self, seen: ObservedService, ports: Ports) -> str:
        return f"CodeDeploy shifts :{ports[0]}"


@dataclass(frozen=True, slots=True)
class TerminateOriginal(EngineAction):
    """ContinueDeployment of a deployment that has shifted traffic: CodeDeploy terminates the original tasks, which are
    in `slot`."""

    id: str
    slot: int

    def amounts_to(self, seen: ObservedService) -> tuple[RolloutAction, ...]:
        assert isinstance(seen, DeployedService)
        green = seen.created_by(self.id)
        return tuple(DeleteTaskSet(one.id, one.slot) for one in seen.alive if one is not green)

    def visible(self, seen: ObservedService) -> bool:
        assert isinstance(seen, DeployedService)
        return seen.active is None or seen.active.id != self.id or not seen.active.keeps

    def after(self, seen: ObservedService, now: datetime) -> ObservedService:
        assert isinstance(seen, DeployedService)
        if seen.active is None or seen.active.id != self.id or not seen.active.keeps:
            raise errors.StalePlan(f"deployment {self.id} does not keep the original tasks")
        done = replace(seen.active, status=Status.SUCCEEDED)
        green = seen.created_by(self.id)
        sets = tuple(one if one is green else replace(one, draining=True, running=0, healthy=()) for one in seen.sets)
        return replace(seen, sets=sets, active=None, ours=done)

    def text(self, seen: ObservedService, ports: Ports) -> str:
        return "CodeDeploy removes blue"


@dataclass(frozen=True, slots=True)
class StopDeployment(EngineAction):
    """StopDeployment with a rollback: traffic goes back, if it had shifted, and the new tasks are removed."""

    id: str

    def amounts_to(self, seen: ObservedService) -> tuple[RolloutAction, ...]:
        """The way back of production. Tasks that have none of it are removed so that another version can start."""
        assert isinstance(seen, DeployedService)
        green, production = seen.created_by(self.id), seen.production
        if green is None or production is None or not production[green.slot]:
            return ()
        return (SetWeights("production", all_on(1 - green.slot), production),)

    def visible(self, seen: ObservedService) -> bool:
        assert isinstance(seen, DeployedService)
        return seen.active is None or seen.active.id != self.id

    def after(self, seen: ObservedService, now: datetime) -> ObservedService:
        assert isinstance(seen, DeployedService)
        if seen.active is None or seen.active.id != self.id:
            raise errors.StalePlan(f"deployment {self.id} is not active any more")
        stopped, green = replace(seen.active, status=Status.STOPPED), seen.created_by(self.id)
        rollback = Deployment(f"{self.id}-rollback", "", "", Status.IN_PROGRESS, now, rolls_back=self.id)
        blue = next((one for one in seen.alive if one is not green), None)
        sets = tuple(replace(one, primary=one is blue) for one in seen.sets)
        back = all_on(blue.slot) if blue is not None else (WHOLE, 0)
        return replace(seen, sets=sets, production=back, test=back, active=rollback, ours=stopped)

    def text(self, seen: ObservedService, ports: Ports) -> str:
        found = seen.active if isinstance(seen, DeployedService) else None
        back = f"switch :{ports[0]} back to blue and " if found is not None and found.shifts else ""
        return f"CodeDeploy rolls back: {back}remove green" if back else "CodeDeploy removes green"
