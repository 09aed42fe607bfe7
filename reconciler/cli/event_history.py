"""What tells a controller of changes: the queue of events, and CloudTrail's event history.

The history is asked here, and in the region that has the events of services in no region.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.aws.client import AwsClient
    from reconciler.cli.session import SignedIn
    from reconciler.controller.drift_recorder import DriftRecorder
    from reconciler.controller.event_listener import EventListener
    from reconciler.controller.events import EventRecorder
    from reconciler.model.type_registry import ResourceTypes
    from reconciler.reconcile.event_lookups import Client
    from reconciler.store.base import Store


def event_history(signed_in: SignedIn, own: AwsClient | None = None) -> Client:
    """`own`: the client for the stack's region, if it is not that of the session. The client of the other region is
    made when it is first needed. It keeps to a rate of its own, as AWS does."""

    @cache
    def client(everywhere: bool) -> AwsClient:
        from reconciler.aws.client import AwsClient
        from reconciler.aws.cloudtrail import HOME_REGIONS

        identity, aws = signed_in.identity, own or signed_in.aws
        home = HOME_REGIONS.get(identity.partition, identity.region)
        if not everywhere or home == identity.region:
            return aws
        return AwsClient(signed_in.transport.in_region(home), clock=aws.clock, pace=type(aws.pace)(aws.clock))

    return client


def drift_recorder(
    signed_in: SignedIn,
    kinds: ResourceTypes,
    recorder: EventRecorder,
    stack: str,
    store: Store,
    wake: Callable[[], object],
) -> DriftRecorder:
    """Of a controller: it asks CloudTrail, and keeps in the store what it finds."""
    from reconciler.controller.drift_recorder import DriftRecorder
    from reconciler.store.drift_journal import drift_journal

    journal, client = drift_journal(store), event_history(signed_in)
    return DriftRecorder(
        signed_in.aws, kinds, recorder, stack, signed_in.identity.arn, lambda: journal, client, wake=wake
    )


def event_listener(signed_in: SignedIn, stack: str, wake: Callable[[], None]) -> EventListener:
    """With a client of its own: a call that waits for events is no sign of life of the controller."""
    from reconciler.aws.client import AwsClient
    from reconciler.controller.event_listener import EventListener
    from reconciler.model.type_registry import discover

    aws, requests = AwsClient(signed_in.transport, clock=signed_in.aws.clock), signed_in.aws.requests
    history = event_history(signed_in, aws)
    return EventListener(
        aws, discover(), signed_in.identity, stack, mine=requests.__contains__, wake=wake, history=history
    )
