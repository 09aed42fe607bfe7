"""A target's health as a table: what a check's outcome makes of it. Pure; the words are ELB's own.

initial ──healthy_threshold passes──► healthy ◄──────────┐
   └──unhealthy_threshold failures──► unhealthy ─passes──┘   healthy ─failures─► unhealthy
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from reconciler.local.ports import HealthState, TargetGroupSettings


@dataclass(frozen=True, slots=True)
class Health:
    """`streak` counts equal outcomes in a row: passes above 0, failures below."""

    state: HealthState
    reason: str = ""
    description: str = ""
    streak: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check. A failure has a reason and a description."""

    passed: bool
    reason: str = ""
    description: str = ""


REGISTERING = Health("initial", "Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING = Health("initial", "Elb.InitialHealthChecking", "Initial health checks in progress")
DRAINING = Health("draining", "Target.DeregistrationInProgress", "Target deregistration is in progress")
UNUSED = Health("unused", "Target.NotInUse", "Target group is not configured to receive traffic from the load balancer")
UNCHECKED = Health("unavailable", "Target.HealthCheckDisabled", "Health checks are not enabled for this target")

PASSED = Outcome(True)
TIMED_OUT = Outcome(False, "Target.Timeout", "Request timed out")
FAILED = Outcome(False, "Target.FailedHealthChecks", "Health checks failed")


def mismatch(status: int) -> Outcome:
    return Outcome(False, "Target.ResponseCodeMismatch", f"Health checks failed with these codes: [{status}]")


def begun(settings: TargetGroupSettings) -> Health:
    """A target that has just been registered, or whose group has just come into use or gone out of it."""
    if not settings.in_use:
        return UNUSED
    return REGISTERING if settings.health_check_enabled else UNCHECKED


def checked(health: Health, outcome: Outcome, settings: TargetGroupSettings) -> Health:
    """The health after one more check."""
    if outcome.passed:
        streak = max(health.streak, 0) + 1
        if health.state == "healthy" or streak >= settings.healthy_threshold:
            return Health("healthy", streak=streak)
        return replace(CHECKING if health.state == "initial" else health, streak=streak)
    streak = min(health.streak, 0) - 1
    if health.state == "unhealthy" or -streak >= settings.unhealthy_threshold:
        return Health("unhealthy", outcome.reason, outcome.description, streak)
    return replace(CHECKING if health.state == "initial" else health, streak=streak)


def matches(matcher: str, status: int) -> bool:
    """Whether a status is among "200", "200,204" or "200-299"."""
    for part in matcher.split(","):
        low, _, high = part.strip().partition("-")
        if int(low) <= status <= int(high or low):
            return True
    return False
