"""The part of a resource type that says which events of AWS are about one, and what they call it."""

from __future__ import annotations

from collections.abc import Hashable, Set
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple

from reconciler.model.resource import Observed, S

if TYPE_CHECKING:
    from reconciler.model.aws_event import AwsEvent


class EventType(NamedTuple):
    """Events of one kind that AWS sends: EventBridge's `source` and `detail-type`."""

    source: str
    detail_type: str


class NamedByEvents(Generic[S]):
    """An API call is about those that it names, if the type itself makes such a call, or has it in `changed_by`."""

    event_types: ClassVar[tuple[EventType, ...]] = ()
    """Events that AWS sends of one by itself, beyond those of API calls."""

    def named_in(self, event: AwsEvent) -> Set[str]:
        """Names of those that an event of `event_types` is about; empty if it changes nothing that is read of one."""
        return event.texts

    def event_names(self, found: Observed[S]) -> Set[str]:
        """What events call `found`, beyond its id, its ARN and its `ids`."""
        return frozenset()

    def activity(self, found: Observed[S]) -> Hashable:
        """What changes whenever something starts or stops in `found`; None if nothing shows it."""
        return None
