"""Members of a service that optional fields of documents set, by ECS's names, as those of a task definition are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from reconciler.model.resource import Desired, Link, Path, Ref
from reconciler.spec import names
from reconciler.spec.compile import role
from reconciler.spec.compile.context import Context
from reconciler.spec.compile.task_members import Stated
from reconciler.spec.compile.workload import chosen
from reconciler.spec.documents import Alarm, Role, Service
from reconciler.spec.documents.deployment_strategy import FailureThreshold, Rolling
from reconciler.spec.documents.volume import EbsVolume

PRINCIPAL: Final = "ecs.amazonaws.com"
POLICY: Final = "service-role/AmazonECSInfrastructureRolePolicyForVolumes"
KEYS: Final = ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKeyWithoutPlaintext")
"""What creating an encrypted volume takes (EBS user guide, "Requirements for Amazon EBS encryption")."""


def of_service(context: Context, service: Service, rolling: Rolling | None) -> Stated:
    """`rolling` are the figures of a rolling deployment."""
    said = service.model_fields_set
    found: dict[Path, Any] = {}
    if "managed_tags" in said:
        found["enableECSManagedTags",] = service.managed_tags
    if service.propagate_tags is not None:
        found["propagateTags",] = service.propagate_tags.upper()
    if "availability_zone_rebalancing" in said:
        found["availabilityZoneRebalancing",] = "ENABLED" if service.availability_zone_rebalancing else "DISABLED"
    for member, items in chosen(service).items():
        found[member,] = items
    if volumes := _volumes(context, service):
        found["volumeConfigurations",] = volumes
    return {**found, **({} if rolling is None else _deployment(context, rolling))}


def _deployment(context: Context, rolling: Rolling) -> Stated:
    configuration, breaker = "deploymentConfiguration", "deploymentCircuitBreaker"
    named = {alarm.name: alarm.name_in_aws for alarm in context.specs.all(Alarm)}
    found: dict[Path, Any] = {}
    if rolling.alarms is not None:
        found[configuration, "alarms"] = {
            "alarmNames": [named.get(one, one) for one in rolling.alarms.names],
            "enable": True,
            "rollback": rolling.alarms.rollback,
        }
    if "reset_on_healthy_task" in rolling.model_fields_set:
        found[configuration, breaker, "resetOnHealthyTask"] = rolling.reset_on_healthy_task
    if rolling.failure_threshold is not None:
        found[configuration, breaker, "thresholdConfiguration"] = _threshold(rolling.failure_threshold)
    return found


def _threshold(threshold: FailureThreshold) -> dict[str, Any]:
    if threshold.count is not None:
        return {"type": "COUNT", "value": threshold.count}
    return {"type": "BOUNDED_PERCENT" if threshold.bounded else "UNBOUNDED_PERCENT", "value": threshold.percent}


# -- volumes


def _managed(service: Service) -> Iterator[tuple[str, EbsVolume]]:
    for name, volume in service.task.volumes.items():
        if volume.ebs is not None:
            yield name, volume.ebs


def _volumes(context: Context, service: Service) -> list[dict[str, Any]]:
    return [
        {"name": name, "managedEBSVolume": _volume(volume, _role_arn(context, service, volume))}
        for name, volume in _managed(service)
    ]


def _volume(volume: EbsVolume, role_arn: str) -> dict[str, Any]:
    members = {
        "roleArn": role_arn,
        "encrypted": volume.encrypted,
        "kmsKeyId": volume.kms_key,
        "volumeType": volume.type,
        "sizeInGiB": volume.size,
        "snapshotId": volume.snapshot,
        "volumeInitializationRate": volume.initialization_rate,
        "iops": volume.iops,
        "throughput": volume.throughput,
        "filesystemType": volume.filesystem,
    }
    return {name: value for name, value in members.items() if value is not None}


def _role_arn(context: Context, service: Service, volume: EbsVolume) -> str:
    """Its name is known before it is created, and a member holds no reference."""
    if volume.role is not None and volume.role.startswith("arn:"):
        return volume.role
    declared = None if volume.role is None else context.specs.get(Role, volume.role)
    path = (declared.path if declared is not None else None) or context.stack.roles.path or "/"
    name = service.role_in_aws(names.volume_role) if declared is None else declared.name_in_aws
    return f"arn:{context.partition}:iam::{context.account}:role{path}{name}"


def volume_role(context: Context, service: Service) -> tuple[Link | None, Desired[Any] | None]:
    """The role that ECS manages the volumes of the service with, and it itself where it is generated."""
    for _, volume in _managed(service):
        if volume.role is not None:
            return context.role(volume.role), None
        made = role.generated(
            context,
            service,
            names.volume_role,
            PRINCIPAL,
            None,
            {"encryption": [] if volume.kms_key is None else [role.allow(KEYS, [volume.kms_key])]},
            managed=(f"arn:{context.partition}:iam::aws:policy/{POLICY}",),
        )
        return Ref(made.address), made
    return None, None
