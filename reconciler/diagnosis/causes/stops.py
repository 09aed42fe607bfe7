"""Causes for tasks that were stopped without a failure of the release."""

from __future__ import annotations

from typing import Final

from reconciler.diagnosis.causes.cause import Cause, Level, Match

BY_PERSON: Final = (
    Cause(
        "stopped-by-person",
        "somebody stopped the task",
        "the task was stopped by a person or a tool ({seen})",
        "CloudTrail knows who: StopTask",
        (Match(stop_code="UserInitiated"),),
        level=Level.NOISE,
        counts=False,
    ),
)
"""Before all others: here stoppedReason is what that person wrote, and may sound like anything."""

STOPS: Final = (
    Cause(
        "spot",
        "AWS took the Spot capacity back",
        "AWS took Spot capacity back ({seen})",
        "nothing of yours; a base of FARGATE beside FARGATE_SPOT keeps some tasks",
        (Match(stop_code="SpotInterruption"), Match(said=r"Spot Task was interrupted")),
        level=Level.NOISE,
        counts=False,
    ),
    Cause(
        "maintenance",
        "AWS retired the task",
        "AWS renews the machine below the task ({seen})",
        "nothing of yours: ECS starts another one",
        (
            Match(said=r"performing maintenance on the underlying infrastructure"),
            Match(said=r"Fargate task maintenance"),
            Match(stop_code="TerminationNotice"),
        ),
        level=Level.NOISE,
        counts=False,
    ),
    Cause(
        "infrastructure",
        "the machine below the task failed",
        "the machine below the task failed or went away ({seen})",
        "nothing of yours: ECS starts another one",
        (
            Match(stop_code="InfrastructureHealth"),
            Match(said=r"Host EC2 \(instance [^)]*\) (?:stopped|terminated)"),
            Match(said=r"container instance is in DRAINING state"),
        ),
        level=Level.NOISE,
        counts=False,
    ),
    Cause(
        "killed-at-stop",
        "the task ignored the request to end",
        "{container} did not end within its stop_timeout when it was scaled in, and was killed (exit code 137, {seen})",
        "handle SIGTERM (the program has to be process 1, not a shell's child), or raise stop_timeout",
        (Match(stop_code="ServiceSchedulerInitiated", said=r"Scaling activity initiated by", exit_code="137"),),
        level=Level.NOISE,
        counts=False,
    ),
    Cause(
        "stop-failed",
        "the container could not be stopped",
        "{container} could not be stopped",
        "nothing of yours: AWS cleans it up",
        (Match(said=r"^CannotStopContainerError"),),
        level=Level.NOISE,
        counts=False,
    ),
    Cause(
        "scaled-in",
        "the scheduler stopped the task",
        "ECS stopped the task because fewer were wanted ({seen})",
        "nothing to do",
        (
            Match(said=r"Scaling activity initiated by"),
            Match(stop_code="ServiceSchedulerInitiated", said=r"rebalanc"),
        ),
        level=Level.NOISE,
        counts=False,
    ),
)
