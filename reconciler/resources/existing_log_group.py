"""A log group that others own, looked up by its name: containers or sessions write to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.resource import Calls, Observed, ServiceApi
from reconciler.model.resource_type import Scope
from reconciler.resources import _existing_by_name
from reconciler.resources._existing_by_name import ExistingByNameSpec

logs = ServiceApi("logs")


class ExistingLogGroup(LookedUpType[ExistingByNameSpec]):
    kind: ClassVar[str] = "existing-log-group"
    of_others: ClassVar[bool] = True
    Spec = ExistingByNameSpec

    def observe(self, scope: Scope) -> Calls[list[Observed[ExistingByNameSpec]]]:
        return (
            yield from _existing_by_name.observe(
                scope, lambda name: logs.describe_log_groups(logGroupNamePrefix=name), "log group", _has
            )
        )


def _has(name: str, answer: Mapping[str, Any]) -> bool:
    return any(group["logGroupName"] == name for group in answer["logGroups"])
