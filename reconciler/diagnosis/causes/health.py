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
        "the health check receives a redirect",
        "check the trailing slash of the path and redirects to https, or accept the status in the matcher",
        _codes(r"3\d\d"),
    ),
    _answered(
        "lb-login",
        "the health check is not authorized",
        "serve the health check path without authentication and for any Host header",
        _codes(r"401|403"),
    ),
    _answered(
        "lb-path",
        "the health check's path does not exist",
        "correct traffic.health_check.path, or serve that path in the application",
        _codes(r"404"),
    ),
    _answered(
        "lb-error",
        "the application returns an error for the health check",
        "",
        _codes(r"5\d\d"),
    ),
    _answered(
        "lb-status",
        "the health check receives an unexpected status",
        "adjust path and matcher of traffic.health_check to what the application returns",
        (*_codes(r"\d+"), Match(target=r"Target\.ResponseCodeMismatch")),
    ),
    Cause(
        "lb-timeout",
        "the health check times out",
        "load balancer health check {request} {at_port} timed out on {seen} (Target.Timeout)",
        "allow the load balancer's security group on that port, or raise the timeout if the application is slow",
        (Match(target=r"Target\.Timeout"), Match(said=r"due to \(reason Request timed out\)")),
        level=Level.SYMPTOM,
    ),
    Cause(
        "lb-refused",
        "nothing listens on the health check port",
        "load balancer health check {at_port} could not connect to {seen} (Target.FailedHealthChecks)",
        "check that the application listens on that port and on 0.0.0.0 (not 127.0.0.1), and uses plain HTTP",
        (Match(target=r"Target\.FailedHealthChecks"), Match(said=r"due to \(reason Health checks failed\)")),
        level=Level.SYMPTOM,
    ),
    Cause(
        "lb-zone",
        "the load balancer has no subnet in the task's zone",
        "tasks run in a zone where the load balancer has no subnet",
        "add a subnet to the load balancer for every zone of the service's subnets",
        (Match(said=r"Availability Zone that is not enabled for the load balancer"),),
    ),
    Cause(
        "lb-not-in-use",
        "no listener forwards to the target group",
        "no listener or rule of a load balancer forwards to {target_group}, so its targets are not checked",
        "run `reconciler apply` to restore the listeners",
        (
            Match(target=r"Target\.NotInUse"),
            Match(said=r"does not have an associated load balancer"),
        ),
    ),
    Cause(
        "lb-target-group",
        "the target group does not exist",
        "{target_group} no longer exists",
        "run `reconciler apply` to create it",
        (Match(said=r"target[ -]?group.*(?:not found|could not be found|does not exist)"),),
    ),
    Cause(
        "lb-address",
        "the load balancer uses the task's address",
        "the address of a target is used by the load balancer (Target.IpUnusable)",
        "no action needed: a new task gets another address",
        (Match(target=r"Target\.IpUnusable"),),
        counts=False,
    ),
    Cause(
        "lb-internal",
        "the load balancer could not check the targets",
        "health checking failed in the load balancer itself (Elb.InternalError)",
        "this is a problem in AWS: see the AWS Health Dashboard, then run `reconciler retry`",
        (Match(target=r"Elb\.InternalError"),),
        counts=False,
    ),
    Cause(
        "lb-checking",
        "the health checks were not finished",
        "the deadline passed while the load balancer was still checking {seen}",
        "allow more time: healthy_threshold × interval comes on top of the application's start-up time",
        (Match(target=r"Elb\.(?:InitialHealthChecking|RegistrationInProgress)"),),
        level=Level.SYMPTOM,
    ),
    Cause(
        "lb-unhealthy",
        "the load balancer's health check fails",
        "the load balancer found {seen} unhealthy",
        "check port, path, matcher and security groups, and compare grace_period with the start-up time",
        (Match(said=r"Task failed ELB health checks"),),
        level=Level.SYMPTOM,
        vague=True,
    ),
    Cause(
        "container-unhealthy",
        "the container's own health check fails",
        "the health check command of {container} failed ({seen})",
        "run the command in the image: curl may be missing, or start_period is shorter than the start-up time",
        (
            Match(said=r"failed container health checks"),
            Match(status="PENDING|ACTIVATING|RUNNING", health="UNHEALTHY"),
        ),
        level=Level.SYMPTOM,
    ),
)
