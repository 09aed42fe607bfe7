"""Writes to the task sets of a service, for engines that move its traffic."""

from __future__ import annotations

from reconciler import errors
from reconciler.model.resource import Calls
from reconciler.rollout import listener_weights
from reconciler.rollout.actions import DeleteTaskSet, SetPrimary
from reconciler.rollout.describe import ecs
from reconciler.rollout.release import RolloutTarget


def make_primary(decision: SetPrimary, subject: RolloutTarget) -> Calls[None]:
    yield ecs.update_service_primary_task_set(
        cluster=subject.cluster, service=subject.service, primaryTaskSet=decision.id
    )


def delete(decision: DeleteTaskSet, subject: RolloutTarget) -> Calls[None]:
    """Production weights are read again right before the task set is deleted."""
    assert subject.production is not None
    weights = yield from listener_weights.now_at(subject, subject.production)
    if weights is None or weights[decision.slot]:
        raise errors.StalePlan(f"{decision.id} receives production traffic now; nothing was deleted")
    try:
        yield ecs.delete_task_set(cluster=subject.cluster, service=subject.service, taskSet=decision.id, force=True)
    except errors.Gone:
        return
