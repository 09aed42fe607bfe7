"""The state machine of a rollout between two target groups, whose traffic we move ourselves.

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
  blocked              somebody else moved production

Each arrow is one or several looks. The phase is concluded from the facts at each look: first by where production is
(`TrafficState`), then by the stored deadline, which says how far it has come where the facts look alike:

    production is            deadline of green's release     phase
    ───────────────────────  ──────────────────────────────  ─────────────────────────────
    nobody's                 any                             initial_deployment
    blue's                   up, or lost                     scaling_up
    blue's                   test                            testing
    blue's                   gate                            awaiting_promotion
    blue's                   to the first weight             shifting
    blue's                   at, verify, warm                rolling_back (it had production)
    shared                   to w, at w, or lost             shifting
    green's, blue is there   verify, or lost                 verifying
    green's, blue is there   warm                            baking
    where we never put it    any                             blocked

A lost deadline starts its clock anew. Every arrow of a usual life, in which nobody lays hands on AWS:

    idle → scaling_up → testing → awaiting_promotion → shifting → verifying → baking → teardown → idle

    scaling_up → awaiting_promotion, shifting                          nothing to test; nobody to ask
    testing → shifting
    testing, awaiting_promotion → scaling_up                           green fell ill
    scaling_up, testing, awaiting_promotion, shifting → failed
    scaling_up, testing, awaiting_promotion, shifting → superseded     a newer version is wanted
    shifting, verifying, baking → rolling_back → rolled_back      traffic first, then the rest
    idle, teardown → rolling_back                                    blue is gone: an ordinary rollout, backwards
    idle → failed                                                    stopped before it began
    teardown → scaling_up, failed                                      the next version waits already
    failed → idle, scaling_up, teardown, superseded
    rolling_back → idle, scaling_up, teardown, failed
    rolled_back → idle, scaling_up                                     a new version, or retry
    superseded → idle, scaling_up, teardown, failed
    idle, failed → initial_deployment → idle, failed, scaling_up, verifying, superseded
    blocked → rolling_back

Hands lead from anywhere to blocked, or to initial_deployment. A test holds these arrows against what the explorer
sees happen, both ways.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from reconciler.rollout import request_handler
from reconciler.rollout.actions import SuspendScaling
from reconciler.rollout.blue_green import cleanup, context, initial, pre_promotion, requests, traffic_shift
from reconciler.rollout.blue_green.context import RolloutContext, TrafficState
from reconciler.rollout.engine import Phase, RolloutStep
from reconciler.rollout.state import ObservedService, Scaling
from reconciler.rollout.stored_state import Actor, Outcome
from reconciler.rollout.strategy import OnNewRevision, Strategy


def step(policy: Strategy, seen: ObservedService, now: datetime) -> RolloutStep:
    """What the facts lead to: a person's word first, then the machine, which a pause keeps still."""
    s = context.of(policy, seen, now)
    ordinary = _rejected(s) or _ordinary(s)
    answer = requests.heard(s, ordinary)
    if answer is not None:
        return answer
    if s.marks.suspended is not None:
        return request_handler.paused(s.marks.suspended, ordinary)
    if s.flight and seen.scaling is Scaling.ACTIVE and not ordinary.decisions:
        return replace(ordinary, decisions=(SuspendScaling(suspend=True),), wake_at=now)
    return ordinary


def _ordinary(s: RolloutContext) -> RolloutStep:
    match s.shape:
        case TrafficState.FOREIGN:
            return cleanup.blocked(s)
        case TrafficState.NOTHING_LIVE:
            return initial.step(s)
        case TrafficState.HALF:
            return traffic_shift.half(s)
        case TrafficState.SHARED:
            return traffic_shift.share(s)
        case TrafficState.SWITCHED:
            return traffic_shift.switched(s)
        case TrafficState.BEFORE:
            return pre_promotion.step(s)
        case TrafficState.REST:
            return cleanup.rest(s)


def _rejected(s: RolloutContext) -> RolloutStep | None:
    """Where the policy says so, what arrives in mid-flight is refused for good: until it changes, or retry."""
    late = context.newcomer(s)
    if not late or s.policy.on_new_revision is not OnNewRevision.REJECT:
        return None
    why = f"it came while {s.flight} was rolled out"
    ended = s.ended(late, Outcome.ABORTED, Phase.IDLE, Actor.ENGINE, why)
    marks = s.mark(quarantine=s.marks.with_quarantined(late), ended=ended)
    return replace(_ordinary(s), decisions=marks, wake_at=s.now, ended=ended)
