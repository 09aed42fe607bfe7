"""A desired count of zero. No version can prove itself, and there are no users to serve.

A rollout in progress moves no traffic until tasks are wanted again. It then continues with what its tasks have to prove
again: health before promotion, verification after it. A rollout that has not begun has nothing to protect if the specs
want no tasks: the previous version is removed, so that the new one starts once tasks are wanted. If autoscaling went
down to zero, which passes, the previous version stays and starts first.
"""

from __future__ import annotations

from reconciler.rollout.actions import SetWeights
from reconciler.rollout.blue_green.context import RolloutContext
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.release import Version
from reconciler.rollout.state import Scaling, all_on


def wait(s: RolloutContext, phase: Phase, *, begun: bool = True) -> RolloutStep:
    because = f"the desired count is 0; the rollout {'continues' if begun else 'starts'} when it is raised"
    forgotten = s.mark(deadline=None)
    return s.step(phase, because, *forgotten, health=RolloutHealth.SUSPENDED, wake=None, waits_for=Waiting.SPEC)


def take_over(s: RolloutContext) -> RolloutStep:
    """Move production, which has no users, to the group of the new version."""
    assert s.live is not None
    live = s.live
    if s.seen.scaling is not Scaling.NONE:
        return wait(s, Phase.IDLE, begun=False)
    if live.running or live.pending or live.well:
        return s.step(Phase.IDLE, "the desired count is 0; tasks of the previous version are stopping")
    point = SetWeights("production", all_on(1 - live.slot), s.seen.production)
    good = bool(live.task_definition) and not s.marks.quarantined(live.release)
    previous = Version(live.release, live.task_definition) if good else s.marks.previous
    because = "the desired count is 0; the new version starts when it is raised"
    return s.step(Phase.INITIAL_DEPLOYMENT, because, point, *s.mark(previous=previous))
