"""Events of AWS that are about an ECS service."""

from __future__ import annotations

from collections.abc import Set
from typing import ClassVar

from reconciler.model.aws_event import AwsEvent
from reconciler.model.named_by_events import EventType, NamedByEvents
from reconciler.model.permissions import Operation
from reconciler.model.resource import S
from reconciler.resources import _ecs


class ServiceEvents(NamedByEvents[S]):
    """Deployments under EXTERNAL and CODE_DEPLOY have no events, so rollouts under way look for themselves."""

    changed_by: ClassVar[tuple[Operation, ...]] = (
        ("ecs", "CreateTaskSet"),
        ("ecs", "UpdateServicePrimaryTaskSet"),
        ("ecs", "UpdateTaskSet"),
    )
    event_types: ClassVar[tuple[EventType, ...]] = (
        _ecs.TASK_STATE,
        EventType("aws.ecs", "ECS Deployment State Change"),
        EventType("aws.ecs", "ECS Service Action"),
    )

    def named_in(self, event: AwsEvent) -> Set[str]:
        """Of an event of a task, its service: only that it has stopped changes what is read of one."""
        if event.type == _ecs.TASK_STATE:
            return _ecs.service_of_stopped(event)
        return frozenset(event.resources)
