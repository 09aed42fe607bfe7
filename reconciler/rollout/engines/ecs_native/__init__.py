"""Engine for ECS's own blue/green, canary and linear deployments: the ECS deployment controller with a strategy that
shifts traffic.

    our state machine                 ECS
    ────────────────────────────────  ─────────────────────────────────────────────────────────────────
    start green                       UpdateService, with the hooks of this deployment
    tests passed                      ContinueServiceDeployment of the tests' hook
    shift production                  ContinueServiceDeployment of the gate's hook: by ECS's own steps
    remove blue                       nothing: ECS does it after the bake time
    shift back, or remove green       StopServiceDeployment with a rollback

ECS creates and removes tasks and shifts traffic; when, is decided by the state machine of blue/green deployments
(rollout/blue_green/machine.py), from the same facts, as far as ECS waits for it: `hooks.py` says how. `decisions.py`
says what its actions are in ECS's calls, and `endings.py` what ECS does by itself. Source: ECS developer guide, "Amazon
ECS blue/green deployments".
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from reconciler.model.permissions import Binding, Permissions
from reconciler.model.resource import Calls
from reconciler.rollout.actions import RolloutAction
from reconciler.rollout.blue_green.engine import DeployedByAws
from reconciler.rollout.engine import NOTHING, Controller, Limits, Prefetched, RolloutStep, TrafficShifter
from reconciler.rollout.engines.ecs_native import calls, decisions, facts, observation, scripted
from reconciler.rollout.engines.ecs_native.facts import native
from reconciler.rollout.release import RolloutTarget
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.state import ObservedService
from reconciler.rollout.strategy import Strategy


class EcsNative(DeployedByAws):
    name: ClassVar[str] = "ecs_native"
    controller: ClassVar[Controller] = Controller.ECS
    shifts_traffic: ClassVar[TrafficShifter] = TrafficShifter.ECS
    limits: ClassVar[Limits] = facts.LIMITS
    permissions: ClassVar[Permissions] = Permissions(
        bindings={
            ("ecs", name): Binding.SERVICE_DEPLOYMENTS
            for name in ("ContinueServiceDeployment", "StopServiceDeployment")
        }
    )

    def observe(
        self, subject: RolloutTarget, policy: Strategy, now: datetime, known: Prefetched = NOTHING
    ) -> Calls[ObservedService]:
        return observation.see(subject, policy, now, known)

    def decide(self, policy: Strategy, seen: ObservedService, now: datetime) -> RolloutStep:
        return decisions.step(policy, native(seen), now)

    def allowed_requests(self, policy: Strategy, seen: ObservedService, now: datetime) -> tuple[RequestVerb, ...]:
        return decisions.allowed_requests(policy, native(seen), now)

    def carry_out(self, decision: RolloutAction, subject: RolloutTarget) -> Calls[None]:
        return calls.carry_out(decision, subject)

    def owned(self, seen: ObservedService) -> tuple[str, ...]:
        """Deployments carry no tags; those of the service are the stack's."""
        found = native(seen).deployment
        return () if found is None else (found.id,)

    def simulated(self, seen: ObservedService, policy: Strategy, now: datetime) -> ObservedService:
        return scripted.goes_on(native(seen), policy, now)
