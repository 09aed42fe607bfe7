"""Creation of the task set of a new version."""

from __future__ import annotations

from dataclasses import replace

from reconciler.rollout.actions import CreateTaskSet, RolloutAction, SuspendScaling, UpdateHealthCheck
from reconciler.rollout.blue_green import health
from reconciler.rollout.blue_green.context import RolloutContext
from reconciler.rollout.state import MOST_SETS, WHOLE, Scaling
from reconciler.rollout.stored_state import Deadline, DeadlineKind, deadline


def room(s: RolloutContext) -> bool:
    """Whether another task set fits; ECS counts the ones being deleted too."""
    return len(s.seen.sets) + s.seen.others < MOST_SETS


def begin(s: RolloutContext, slot: int, scale: int = WHOLE) -> tuple[RolloutAction, ...]:
    """The actions up to the creation. The stored deadline names the attempt: a retry creates the same task set."""
    decisions: list[RolloutAction] = []
    if s.seen.scaling is Scaling.ACTIVE:
        decisions.append(SuspendScaling(suspend=True))
    due = attempt(s)
    if s.seen.production is not None and s.seen.production[slot]:
        due = replace(due, weight=WHOLE)  # its target group receives production traffic already
    decisions += s.mark(deadline=due)
    definition = ""
    if s.going_back:  # its target group still has its health check
        assert s.marks.rollback_target is not None
        definition, scale = s.marks.rollback_target.task_definition, WHOLE
    elif not s.seen.tuned[slot]:
        decisions.append(UpdateHealthCheck(slot))
    assert due.at is not None
    decisions.append(CreateTaskSet(s.target, slot, scale, str(int(due.at.timestamp())), definition))
    return tuple(decisions)


def attempt(s: RolloutContext) -> Deadline:
    """The deadline for green to become healthy: the stored one, or a new one if that belonged to another attempt.

    A create request is repeated with identical parameters until the task set is visible.
    """
    due = s.due(s.target)
    first = not any(one.release == s.target for one in s.seen.sets)
    if first and due is not None and due.stage is DeadlineKind.UP and not due.passed(s.now):
        return due
    return deadline(s.target, DeadlineKind.UP, s.now, s.policy.healthy_within)


def more_time(s: RolloutContext, due: Deadline) -> tuple[RolloutAction, ...]:
    """A later deadline while AWS has no capacity: at least half of the time is left once it has."""
    wait = s.policy.healthy_within
    if not health.lack(s.seen) or due.at is None or due.at - s.now > wait / 2:
        return ()
    return s.mark(deadline=deadline(due.release, due.stage, s.now, wait, weight=due.weight))
