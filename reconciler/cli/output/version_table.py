"""Table of a service's versions and their tasks."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.rollout.state import ObservedService, TaskSet, short


def version_table(observed: ObservedService, *, colors: bool) -> Iterator[str]:
    """Versions and their tasks. `colors`: they are blue and green; tasks that are replaced in place are old and new.

    The health of targets is left out where it was not read, as between rollouts.
    """
    known = any(task_set.healthy is not None for task_set in observed.sets)
    health = f"{'healthy':>9}" if known else ""
    yield f"  {'':10}{'release':9}{'revision':>8}   tasks: {'desired':>7}{'running':>9}{health}{'failed':>8}"
    rows = [one for one in observed.sets if _twin(observed, one) is None]
    for task_set in sorted(rows, key=lambda task_set: (task_set.born, task_set.id)):
        label = "DRAINING" if task_set.draining else _label(observed, task_set, rows, colors=colors)
        healthy = "-" if task_set.healthy is None else str(task_set.well)
        desired = 0 if task_set.draining else task_set.needed(observed.desired)
        failed = task_set.failed + sum(one.failed for one in observed.sets if _twin(observed, one) is task_set)
        revision = task_set.task_definition.rpartition(":")[2] or "-"
        health = f"{healthy:>9}" if known else ""
        yield (
            f"  {label:10}{short(task_set.release):9}{revision:>8}          {desired:>7}{task_set.running:>9}"
            f"{health}{failed:>8}"
        )


def _twin(observed: ObservedService, empty: TaskSet) -> TaskSet | None:
    """The set with the tasks of the same release, beside one without any that a failed attempt has left."""
    if empty.primary or empty.running or empty.pending:
        return None
    others = (one for one in observed.sets if one is not empty and one.release == empty.release)
    twins = [one for one in others if one.running or one.pending]
    return twins[0] if twins else None


def _label(observed: ObservedService, task_set: TaskSet, rows: list[TaskSet], *, colors: bool) -> str:
    if colors:
        return color_of(observed, task_set).upper()
    alive = [one for one in observed.alive if one in rows]
    return "CURRENT" if len(alive) < 2 else "NEW" if task_set is alive[-1] else "OLD"


def color_of(observed: ObservedService, task_set: TaskSet) -> str:
    """Blue is the older of two versions, green the newer."""
    alive = observed.alive
    return "green" if len(alive) > 1 and task_set is alive[-1] else "blue"
