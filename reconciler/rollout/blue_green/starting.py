"""Making the task set of a new version."""

from __future__ import annotations

from dataclasses import replace

from reconciler.rollout.actions import CreateTaskSet, RolloutAction, SuspendScaling, UpdateHealthCheck
from reconciler.rollout.blue_green.context import RolloutContext
from reconciler.rollout.state import MOST_SETS, WHOLE, Scaling
from reconciler.rollout.stored_state import Deadline, DeadlineKind, deadline


def room(s: RolloutContext) -> bool:
    """ECS counts the sets that are going away, too."""
    return len(s.seen.sets) + s.seen.others < MOST_SETS


def begin(s: RolloutContext, slot: int, scale: int = WHOLE) -> tuple[RolloutAction, ...]:
    """Everything up to the set itself. The stored deadline names the attempt: a second try makes the same set."""
    decisions: list[RolloutAction] = []
    if s.seen.scaling is Scaling.ACTIVE:
        decisions.append(SuspendScaling(suspend=True))
    due = attempt(s)
    if s.seen.production is not None and s.seen.production[slot]:
        due = replace(due, weight=WHOLE)  # it comes where requests go already
    decisions += s.mark(deadline=due)
    definition = ""
    if s.going_back:  # its group still has the health check that it was judged by
        assert s.marks.rollback_target is not None
        definition, scale = s.marks.rollback_target.task_definition, WHOLE
    elif not s.seen.tuned[slot]:
        decisions.append(UpdateHealthCheck(slot))
    assert due.at is not None
    decisions.append(CreateTaskSet(s.target, slot, scale, str(int(due.at.timestamp())), definition))
    return tuple(decisions)


def attempt(s: RolloutContext) -> Deadline:
    """Until when green has to be healthy: as stored, or from now where that was another attempt's.

    What was asked for already is asked for again in the same words, until it is seen.
    """
    due = s.due(s.target)
    first = not any(one.release == s.target for one in s.seen.sets)
    if first and due is not None and due.stage is DeadlineKind.UP and not due.passed(s.now):
        return due
    return deadline(s.target, DeadlineKind.UP, s.now, s.policy.healthy_within)
