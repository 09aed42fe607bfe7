"""Bases of the engines that decide by the blue/green state machine: what they do to AWS in the same way."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from reconciler.model.resource import Calls
from reconciler.rollout import describe, listener_weights, preparation
from reconciler.rollout.actions import RolloutAction, SetWeights, SuspendScaling, UpdateHealthCheck, WriteState
from reconciler.rollout.engine import Engine, Phase, RolloutStep
from reconciler.rollout.release import RolloutTarget
from reconciler.rollout.state import ObservedService


class BlueGreenEngine(Engine):
    """State, scaling, health checks and weights are written by us, whoever creates the tasks."""

    types: ClassVar[tuple[str, ...]] = ("blue_green", "canary", "linear")

    def apply(self, decision: RolloutAction, subject: RolloutTarget) -> Calls[None]:
        match decision:
            case WriteState():
                yield from describe.write_state(decision, subject)
            case SuspendScaling():
                yield from preparation.scale(decision, subject)
            case UpdateHealthCheck():
                yield from preparation.tune(decision, subject)
            case SetWeights():
                entry = subject.production if decision.listener == "production" else subject.test
                assert entry is not None, "decisions are made about observed listeners only"
                yield from listener_weights.point(subject, entry, decision.weights, decision.was)
            case _:
                yield from self.carry_out(decision, subject)

    @abstractmethod
    def carry_out(self, decision: RolloutAction, subject: RolloutTarget) -> Calls[None]:
        """Apply an action that each engine does in its own way. Raises `TypeError` for one that it never decides."""


class DeployedByAws(BlueGreenEngine):
    """AWS creates the tasks: those of the first version with the service."""

    def starts(self, step: RolloutStep, seen: ObservedService) -> bool:
        """A service that was created without tasks starts those of its first version with its count."""
        first = seen.marks.live is None and step.phase is Phase.INITIAL_DEPLOYMENT and not seen.desired
        return super().starts(step, seen) or (first and any(one.release == seen.wanted for one in seen.sets))
