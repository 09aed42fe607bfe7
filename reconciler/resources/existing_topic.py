"""A topic of SNS that others own, looked up by its ARN. Alarms notify it."""

from __future__ import annotations

from typing import ClassVar

from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.resource import Calls, Observed, ServiceApi
from reconciler.model.resource_type import Scope
from reconciler.resources import _existing_by_name
from reconciler.resources._existing_by_name import ExistingByNameSpec

sns = ServiceApi("sns")


class ExistingTopic(LookedUpType[ExistingByNameSpec]):
    kind: ClassVar[str] = "existing-topic"
    of_others: ClassVar[bool] = True
    Spec = ExistingByNameSpec

    def observe(self, scope: Scope) -> Calls[list[Observed[ExistingByNameSpec]]]:
        return (
            yield from _existing_by_name.observe(scope, lambda arn: sns.get_topic_attributes(TopicArn=arn), "topic")
        )
