"""Causes for failing health checks, of the load balancer and of containers."""

from __future__ import annotations

from typing import Final

from reconciler.diagnosis.causes.cause import Cause, Level, Match


def _codes(code: str) -> tuple[Match, ...]:
    """Where every status that was seen is one of `code`: they stand in an event and in the target's description."""
    return (Match(said=rf"failed with these codes: \[(?P<code>(?:{code})(?:, ?(?:{code}))*)\]"),)


def _answered(id: str, title: str, check: str, matches: tuple[Match, ...]) -> Cause:
    return Cause(
        id,
        title,
        "load balancer health check {request} → {code} on {seen} (Target.ResponseCodeMismatch{expected})",
        check,
        matches,
    )


HEALTH: Final = (
    _answered(
        "lb-redirected",
        "the health check is redirected",
        "check the path's slash and the redirect to https; or let the matcher accept it",
        _codes(r"3\d\d"),
    ),
    _answered(
        "lb-login",
        "the health check is not allowed in",
        "let the health check's path answer without signing in, and to any Host header",
        _codes(r"401|403"),
    ),
    _answered(
        "lb-path",
        "the health check's path does not exist",
        "correct traffic.health_check.path, or let the application answer there",
        _codes(r"404"),
    ),
    _answered(
        "lb-error",
        "the application answers the health check with an error",
        "",
        _codes(r"5\d\d"),
    ),
    _answered(
        "lb-status",
        "the health check gets another status than expected",
        "make path and matcher of traffic.health_check fit what the application answers",
        (*_codes(r"\d+"), Match(target=r"Target\.ResponseCodeMismatch")),
    ),
    Cause(
        "lb-timeout",
        "the health check is not answered in time",
        "load balancer health check {request} {at_port} timed out on {seen} (Target.Timeout)",
        "let the load balancer's security group in on that port; or the application is too slow for the timeout",
        (Match(target=r"Target\.Timeout"), Match(said=r"due to \(reason Request timed out\)")),
        level=Level.SYMPTOM,
    ),
    Cause(
        "lb-refused",
        "nothing listens where the load balancer asks",
        "load balancer health check {at_port} found nobody listening on {seen} (Target.FailedHealthChecks)",
        "check that the application listens on that port, and on 0.0.0.0 instead of 127.0.0.1, and speaks plain HTTP",
        (Match(target=r"Target\.FailedHealthChecks"), Match(said=r"due to \(reason Health checks failed\)")),
        level=Level.SYMPTOM,
    ),
    Cause(
        "lb-zone",
        "the load balancer has no subnet in the task's zone",
        "tasks run in a zone that the load balancer does not serve",
        "give the load balancer a subnet in every zone of the service's subnets",
        (Match(said=r"Availability Zone that is not enabled for the load balancer"),),
    ),
    Cause(
        "lb-not-in-use",
        "no listener leads to the target group",
        "no listener or rule of a load balancer names {target_group}, so its targets are never checked",
        "apply again to put the listeners right",
        (
            Match(target=r"Target\.NotInUse"),
            Match(said=r"does not have an associated load balancer"),
        ),
    ),
    Cause(
        "lb-target-group",
        "the target group does not exist",
        "{target_group} does not exist any more",
        "apply again to make it",
        (Match(said=r"target[ -]?group.*(?:not found|could not be found|does not exist)"),),
    ),
    Cause(
        "lb-address",
        "the load balancer has the task's address for itself",
        "the address of a target is one that the load balancer uses (Target.IpUnusable)",
        "nothing of yours: a new task gets another address",
        (Match(target=r"Target\.IpUnusable"),),
        counts=False,
    ),
    Cause(
        "lb-internal",
        "the load balancer could not check",
        "the load balancer's own health checking failed (Elb.InternalError)",
        "nothing of yours: see the AWS Health Dashboard, then retry",
        (Match(target=r"Elb\.InternalError"),),
        counts=False,
    ),
    Cause(
        "lb-checking",
        "the health checks had not ended",
        "time ran out while the load balancer was still checking {seen}",
        "healthy_threshold times interval has to fit into the time allowed, after the application's own start",
        (Match(target=r"Elb\.(?:InitialHealthChecking|RegistrationInProgress)"),),
        level=Level.SYMPTOM,
    ),
    Cause(
        "lb-unhealthy",
        "the load balancer's health check fails",
        "the load balancer found {seen} unhealthy",
        "check port, path and matcher, the security group between them, and grace_period against the start-up time",
        (Match(said=r"Task failed ELB health checks"),),
        level=Level.SYMPTOM,
        vague=True,
    ),
    Cause(
        "container-unhealthy",
        "the container's own health check fails",
        "the health check command of {container} failed ({seen})",
        "run the command in the image: it may lack curl, or start_period is shorter than the start-up time",
        (
            Match(said=r"failed container health checks"),
            Match(status="PENDING|ACTIVATING|RUNNING", health="UNHEALTHY"),
        ),
        level=Level.SYMPTOM,
    ),
)
