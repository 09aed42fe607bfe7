"""State machine of a rollout that shifts traffic between two target groups.

      ┌────────────────────────────────── idle ◄────────────────────────────────────┐
      ▼                                                                             │
  scaling_up ─► testing ─► awaiting_promotion ─► shifting ─► verifying ─► baking ─► teardown
      │            │               │               │            │          │
      ├────────────┴───────────────┴───────────────┤            │          │
      ▼                                            ▼            ▼          ▼
  failed, superseded                            rolling_back ◄──┴──────────┘
  (production was not touched)                     ▼
                                                rolled_back

  initial_deployment   there is no blue: the first deployment, or everything was lost
  blocked              production traffic was changed outside the controller

Each arrow is one or several observations. The phase is derived from each observation: first from the production
weights (`TrafficState`), then from the stored deadline, which records progress that cannot be observed:

    production is            deadline of green's release     phase
    ───────────────────────  ──────────────────────────────  ─────────────────────────────
    no version's             any                             initial_deployment
    blue's                   up, or lost                     scaling_up
    blue's                   test                            testing
    blue's                   gate                            awaiting_promotion
    blue's                   to the first weight             shifting
    blue's                   at, verify, warm                rolling_back (it had production)
    shared                   to w, at w, or lost             shifting
    green's, blue is there   verify, or lost                 verifying
    green's, blue is there   warm                            baking
    changed outside          any                             blocked

The timer of a lost deadline starts again. Every arrow of a rollout in which nothing is changed outside the controller,
and tasks are wanted:

    idle → scaling_up → testing → awaiting_promotion → shifting → verifying → baking → teardown → idle

    scaling_up → awaiting_promotion, shifting                          no tests; automatic promotion
    testing → shifting
    testing, awaiting_promotion → scaling_up                           green became unhealthy
    shifting, verifying, baking → scaling_up                    all tasks of green were interrupted, or a fix starts
    scaling_up, testing, awaiting_promotion, shifting → failed
    scaling_up, testing, awaiting_promotion, shifting → superseded     superseded by a newer version
    verifying, baking → superseded                  a newer version waits, and this one is unhealthy
    shifting, verifying, baking → rolling_back → rolled_back      traffic first, then cleanup
    idle, teardown → rolling_back                                    blue is gone: a rollout of the previous version
    idle → failed                                                    aborted before it began
    teardown → scaling_up                                              the next version is waiting
    teardown → rolled_back                                             an earlier version was rolled back to
    failed → idle, scaling_up, teardown, superseded
    failed → rolled_back                                               a version that was rolled back is wanted again
    rolling_back → idle, scaling_up, teardown, failed
    rolled_back → idle, scaling_up                                     a new version, or retry
    superseded → idle, scaling_up, teardown, failed
    idle, failed → initial_deployment → idle, failed, scaling_up, testing, shifting, superseded
    blocked → rolling_back

Changes outside the controller lead from any phase to blocked or initial_deployment. A test compares these arrows with
those that the explorer finds, both ways.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from reconciler.rollout import request_handler
from reconciler.rollout.actions import ScaleTaskSet, SetWeights, SuspendScaling
from reconciler.rollout.attempts import Rejection
from reconciler.rollout.blue_green import cleanup, context, initial, pre_promotion, requests, traffic_shift
from reconciler.rollout.blue_green.context import RolloutContext, TrafficState
from reconciler.rollout.engine import Phase, RolloutStep
from reconciler.rollout.state import WHOLE, ObservedService, Scaling, TaskSet
from reconciler.rollout.stored_state import Actor, Outcome
from reconciler.rollout.strategy import OnNewRevision, Strategy


def step(policy: Strategy, seen: ObservedService, now: datetime) -> RolloutStep:
    """The next step: a pending request first, then the state machine, unless the service is suspended."""
    s = context.of(policy, seen, now)
    ordinary = _rejected(s) or _ordinary(s)
    answer = requests.heard(s, ordinary)
    if answer is not None:
        return answer
    if s.marks.suspended is not None:
        return request_handler.paused(s.marks.suspended, ordinary)
    shrunk = tuple(
        ScaleTaskSet(one.id, WHOLE) for one in s.serving if one.scale != WHOLE and not _leaves(one, ordinary)
    )
    if shrunk:
        because = "production runs on a task set that was scaled down outside the controller; scaling it up"
        return replace(ordinary, decisions=shrunk, wake_at=now, because=because, ended=None)
    begun = any(one.release == s.flight for one in seen.alive)
    if begun and seen.scaling is Scaling.ACTIVE and not ordinary.decisions:
        return replace(ordinary, decisions=(SuspendScaling(suspend=True),), wake_at=now)
    return ordinary


def _ordinary(s: RolloutContext) -> RolloutStep:
    match s.shape:
        case TrafficState.FOREIGN:
            return cleanup.blocked(s)
        case TrafficState.NOTHING_LIVE:
            return initial.step(s)
        case TrafficState.PARTIALLY_ORPHANED:
            return traffic_shift.recover_orphaned(s)
        case TrafficState.SHARED:
            return traffic_shift.share(s)
        case TrafficState.SWITCHED:
            return traffic_shift.switched(s)
        case TrafficState.BEFORE:
            return pre_promotion.step(s)
        case TrafficState.REST:
            return cleanup.rest(s)


def _leaves(one: TaskSet, ordinary: RolloutStep) -> bool:
    """Whether production leaves a task set now, as in a rollback, which waits for nothing."""
    moves = [each for each in ordinary.decisions if isinstance(each, SetWeights) and each.listener == "production"]
    return any(not each.weights[one.slot] for each in moves)


def _rejected(s: RolloutContext) -> RolloutStep | None:
    """With `on_new_revision: reject`, quarantine a release that appears during the rollout of another one."""
    late = context.newcomer(s)
    if not late or s.policy.on_new_revision is not OnNewRevision.REJECT:
        return None
    rejected = Rejection(late, s.flight)
    ended = s.ended(late, Outcome.ABORTED, Phase.IDLE, Actor.ENGINE, rejected.why)
    marks = s.mark(quarantine=s.marks.with_quarantined(late), rejected=rejected, ended=ended)
    return replace(_ordinary(s), decisions=marks, wake_at=s.now, ended=ended)
