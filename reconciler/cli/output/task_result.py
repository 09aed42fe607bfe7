"""Result of a run's one-off tasks: what is printed at the end, and the exit code."""

from __future__ import annotations

from typing import Any

from reconciler.aws.client import AwsClient
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.failure_text import failure_text
from reconciler.cli.output.terminal import Look, say
from reconciler.controller.controller import Controller
from reconciler.controller.goals import Applied
from reconciler.diagnosis.report import Story
from reconciler.model.resource import Observed
from reconciler.rollout_driver.failure_report import task_failure


def report_tasks(
    controller: Controller, goal: Applied, look: Look, code: Exit, *, waited: bool, verbose: int = 0
) -> Exit:
    """Print what became of one-off tasks; the exit code, which is no better than `code`."""
    failed = goal.failed_tasks(controller)
    for one in failed:
        say("\n" + failed_text(controller.aws, one, look, verbose=verbose), look, err=True)
    for one in goal.running_tasks(controller) if waited else ():
        say(f"{one.address}: {one.reason}; `reconciler status` shows its outcome", look, err=True)
    return Exit.ROLLED_BACK if failed and code in (Exit.DONE, Exit.PENDING, Exit.WAITING) else code


def failed_text(aws: AwsClient, task: Observed[Any], look: Look, *, verbose: int = 0) -> str:
    """Why a task failed: its outcome, and what ECS and its log still say of it."""
    story = Story(
        address=str(task.address),
        release="",
        phase="",
        happened=task.reason.removeprefix("failed: "),
        next=(f"reconciler retry {task.address}",),
        of_service=False,
    )
    diagnosis = aws.run(task_failure(task.facts["cluster"], task.facts["task"], story))
    return failure_text(diagnosis, look, verbose=verbose)
