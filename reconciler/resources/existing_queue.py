"""A queue of SQS that others own, looked up by its name: scaled by, or where starts go that never succeed."""

from __future__ import annotations

from typing import ClassVar

from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.resource import Calls, Observed, ServiceApi
from reconciler.model.resource_type import Scope
from reconciler.resources import _existing_by_name
from reconciler.resources._existing_by_name import ExistingByNameSpec

sqs = ServiceApi("sqs")


class ExistingQueue(LookedUpType[ExistingByNameSpec]):
    kind: ClassVar[str] = "existing-queue"
    of_others: ClassVar[bool] = True
    Spec = ExistingByNameSpec

    def observe(self, scope: Scope) -> Calls[list[Observed[ExistingByNameSpec]]]:
        return (yield from _existing_by_name.observe(scope, lambda name: sqs.get_queue_url(QueueName=name), "queue"))
