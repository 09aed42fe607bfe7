"""Causes for tasks that were stopped without a failure of the release."""

from __future__ import annotations

from typing import Final

from reconciler.diagnosis.causes.cause import Cause, Level, Match

BY_PERSON: Final = (
    Cause(
        "stopped-by-person",
        "the task was stopped on request",
        "the task was stopped by a user or a tool ({seen})",
        "see StopTask in CloudTrail for who stopped it",
        (Match(stop_code="UserInitiated"),),
        level=Level.NOISE,
        counts=False,
    ),
)
"""Before all others: here stoppedReason is what that person wrote, and may sound like anything."""

STOPS: Final = (
    Cause(
        "spot",
        "AWS reclaimed the Spot capacity",
        "AWS reclaimed Spot capacity ({seen})",
        "no action needed; a base of FARGATE beside FARGATE_SPOT keeps some tasks running",
        (Match(stop_code="SpotInterruption"), Match(said=r"Spot Task was interrupted")),
        level=Level.NOISE,
        counts=False,
    ),
    Cause(
        "maintenance",
        "AWS retired the task",
        "AWS is replacing the host of the task ({seen})",
        "no action needed: ECS starts another task",
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
        "the host of the task failed",
        "the host of the task failed or was terminated ({seen})",
        "no action needed: ECS starts another task",
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
        "the task ignored SIGTERM",
        "{container} did not stop within its stop_timeout during scale-in, and was killed (exit code 137, {seen})",
        "handle SIGTERM (the program must be process 1, not a child of a shell), or raise stop_timeout",
        (Match(stop_code="ServiceSchedulerInitiated", said=r"Scaling activity initiated by", exit_code="137"),),
        level=Level.NOISE,
        counts=False,
    ),
    Cause(
        "stop-failed",
        "the container could not be stopped",
        "{container} could not be stopped",
        "no action needed: AWS cleans it up",
        (Match(said=r"^CannotStopContainerError"),),
        level=Level.NOISE,
        counts=False,
    ),
    Cause(
        "scaled-in",
        "the scheduler stopped the task",
        "ECS stopped the task during scale-in ({seen})",
        "no action needed",
        (
            Match(said=r"Scaling activity initiated by"),
            Match(stop_code="ServiceSchedulerInitiated", said=r"rebalanc"),
        ),
        level=Level.NOISE,
        counts=False,
    ),
)
