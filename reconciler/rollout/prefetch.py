"""Prefetch of what a rollout reads first: service, listeners, groups, scaling. Ten rollouts cost as few calls as one.

ELB answers forty reads at once and ten a second, for everybody in the account together (behaviour.md §2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from reconciler.model.resource import Batch, Call, Calls, ServiceApi
from reconciler.model.service_description import with_task_sets
from reconciler.rollout import describe, listener_weights
from reconciler.rollout.engine import Prefetched
from reconciler.rollout.listener_weights import elbv2
from reconciler.rollout.release import RolloutTarget

autoscaling = ServiceApi("application-autoscaling")

NAMESPACE: Final = {"ServiceNamespace": "ecs"}
DIMENSION: Final = {"ScalableDimension": "ecs:service:DesiredCount"}

AT_ONCE: Final = 10
"""DescribeServices takes ten services, which have twenty target groups."""


def prefetch_missing(wanted: Sequence[tuple[RolloutTarget, Prefetched]]) -> Calls[list[Prefetched]]:
    """Read what is not known yet of each rollout, `AT_ONCE` at most.

    Raises `errors.AwsError` where any of it cannot be read, `errors.Gone` where it is not there.
    """
    calls = [*_services(wanted), *_traffic(wanted), *_groups(wanted), *_scaling(wanted)]
    answers: list[Any] = (yield Batch.of(calls)) if calls else []
    listed = [item for answer in answers for item in describe.listed(answer)]
    services = {item["serviceArn"]: item for item in (yield from with_task_sets(listed))}
    actions = listener_weights.actions_in(answers)
    groups = {item["TargetGroupArn"]: item for answer in answers for item in answer.get("TargetGroups", ())}
    targets = {item["ResourceId"]: item for answer in answers for item in answer.get("ScalableTargets", ())}
    return [
        Prefetched(
            known.service if known.service is not None else services[subject.service],
            {**actions, **known.actions},
            {**groups, **known.groups},
            known.scalable if known.scalable is not None else targets.get(subject.scalable or ""),
            known.beside,
        )
        for subject, known in wanted
    ]


Wanted = Iterable[tuple[RolloutTarget, Prefetched]]


def _services(wanted: Wanted) -> Iterator[Call]:
    names: dict[str, list[str]] = {}
    for subject, known in wanted:
        if known.service is None:
            names.setdefault(subject.cluster, []).append(subject.service)
    for cluster, arns in names.items():
        yield describe.described(cluster, arns)


def _traffic(wanted: Wanted) -> list[Call]:
    entries = [
        entry
        for subject, known in wanted
        for entry in (subject.production, subject.test)
        if entry is not None and entry.arn not in known.actions
    ]
    return listener_weights.reads(entries)


def _groups(wanted: Wanted) -> Iterator[Call]:
    """Target groups are read only for releases that have a health check."""
    arns = [
        arn
        for subject, known in wanted
        if subject.release.health is not None
        for arn in subject.groups
        if arn not in known.groups
    ]
    if arns:
        yield elbv2.describe_target_groups(TargetGroupArns=arns)


def _scaling(wanted: Wanted) -> Iterator[Call]:
    ids = [subject.scalable for subject, known in wanted if subject.scalable is not None and known.scalable is None]
    if ids:
        yield autoscaling.describe_scalable_targets(**NAMESPACE, **DIMENSION, ResourceIds=ids)
