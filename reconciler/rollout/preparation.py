"""Writes that prepare a service for a new version, for engines that shift traffic: autoscaling and health checks."""

from __future__ import annotations

from typing import Any

from reconciler.model.resource import Calls
from reconciler.rollout.actions import SuspendScaling, UpdateHealthCheck
from reconciler.rollout.listener_weights import elbv2
from reconciler.rollout.observe_task_sets import SCALE_IN
from reconciler.rollout.prefetch import DIMENSION, NAMESPACE, autoscaling
from reconciler.rollout.release import HealthCheck, RolloutTarget


def scale(decision: SuspendScaling, subject: RolloutTarget) -> Calls[None]:
    yield autoscaling.register_scalable_target(
        **NAMESPACE,
        **DIMENSION,
        ResourceId=subject.scalable,
        SuspendedState={SCALE_IN: decision.suspend},
    )


def tune(decision: UpdateHealthCheck, subject: RolloutTarget) -> Calls[None]:
    check = subject.release.health
    assert check is not None, "only a release with a health check is updated"
    yield elbv2.modify_target_group(TargetGroupArn=subject.groups[decision.slot], **_members(check))


def _members(check: HealthCheck) -> dict[str, Any]:
    return {
        "HealthCheckProtocol": check.protocol,
        "HealthCheckPort": check.port,
        "HealthCheckPath": check.path,
        "HealthCheckIntervalSeconds": check.interval,
        "HealthCheckTimeoutSeconds": check.timeout,
        "HealthyThresholdCount": check.healthy_threshold,
        "UnhealthyThresholdCount": check.unhealthy_threshold,
        "Matcher": {"GrpcCode" if check.grpc else "HttpCode": check.matcher},
    }
