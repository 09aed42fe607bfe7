"""Engine for blue/green deployments by AWS CodeDeploy: an ECS service with the CODE_DEPLOY deployment controller.

    our state machine                 CodeDeploy
    ────────────────────────────────  ─────────────────────────────────────────────────────────────
    start green                       CreateDeployment: Install, test traffic, then Ready
    shift production                  ContinueDeployment(READY_WAIT): by the deployment configuration
    remove blue                       ContinueDeployment(TERMINATION_WAIT)
    shift back, or remove green       StopDeployment with a rollback, which is a deployment of its own

CodeDeploy creates and removes task sets and shifts traffic; when, is decided by the state machine of blue/green
deployments (rollout/blue_green/machine.py), from the same facts. `decisions.py` says what its actions are in
CodeDeploy's calls, and what CodeDeploy does by itself. Source: CodeDeploy user guide, "Deployments on an Amazon ECS
compute platform".
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from reconciler.model.permissions import Binding, Permissions
from reconciler.model.resource import Calls
from reconciler.rollout.actions import RolloutAction
from reconciler.rollout.blue_green.engine import DeployedByAws
from reconciler.rollout.engine import NOTHING, Controller, Limits, Prefetched, RolloutStep, TrafficShifter
from reconciler.rollout.engines.codedeploy import calls, decisions, facts, observation, scripted
from reconciler.rollout.engines.codedeploy.facts import deployed
from reconciler.rollout.release import RolloutTarget
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.state import ObservedService
from reconciler.rollout.strategy import Strategy


class CodeDeploy(DeployedByAws):
    name: ClassVar[str] = "codedeploy"
    controller: ClassVar[Controller] = Controller.CODE_DEPLOY
    shifts_traffic: ClassVar[TrafficShifter] = TrafficShifter.CODEDEPLOY
    limits: ClassVar[Limits] = facts.LIMITS
    creates: ClassVar[tuple[str, ...]] = ("CreateDeployment",)
    permissions: ClassVar[Permissions] = Permissions(
        bindings={
            ("codedeploy", name): Binding.DEPLOYMENTS
            for name in ("ContinueDeployment", "CreateDeployment", "StopDeployment")
        }
        | {("ecs", "DeleteTaskSet"): Binding.TASK_SETS}
    )

    def observe(
        self, subject: RolloutTarget, policy: Strategy, now: datetime, known: Prefetched = NOTHING
    ) -> Calls[ObservedService]:
        return observation.see(subject, policy, now, known)

    def decide(self, policy: Strategy, seen: ObservedService, now: datetime) -> RolloutStep:
        return decisions.step(policy, deployed(seen), now)

    def allowed_requests(self, policy: Strategy, seen: ObservedService, now: datetime) -> tuple[RequestVerb, ...]:
        return decisions.allowed_requests(policy, deployed(seen), now)

    def carry_out(self, decision: RolloutAction, subject: RolloutTarget) -> Calls[None]:
        return calls.carry_out(decision, subject)

    def owned(self, seen: ObservedService) -> tuple[str, ...]:
        """Deployments carry no tags; those of the service's deployment group are the stack's."""
        found = deployed(seen)
        return tuple(one.id for one in (found.active, found.ours) if one is not None)

    def simulated(self, seen: ObservedService, policy: Strategy, now: datetime) -> ObservedService:
        return scripted.goes_on(deployed(seen), policy, now)
