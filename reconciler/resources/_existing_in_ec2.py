"""Looking up what others own in EC2, by its id: filters answer with what is there, and refuse nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.model import resource
from reconciler.model.resource import Batch, Call, Calls, Desired, Link, Observed, ResourceHealth
from reconciler.model.resource_type import Scope
from reconciler.resources import _ec2

PREFIXES = {"subnet": "subnet-", "security group": "sg-"}
"""What ids begin with; one that is looked up may be anything."""


class ExistingInEc2Spec(resource.Spec):
    id: Link


def observe(
    scope: Scope, call: Callable[..., Call], items: str, key: str, filtered: str, noun: str
) -> Calls[list[Observed[Any]]]:
    """`items` and `key` are the list and the id in the answer to `call`, `filtered` is the filter of ids."""
    ids = {str(want.spec.id) for want in scope.wanted}
    answers = yield Batch.of(call(Filters=each) for each in _ec2.filters(filtered, ids))
    found = {item[key]: item for answer in answers for item in answer[items]}
    return [_look_up(want, found.get(str(want.spec.id)), noun) for want in scope.wanted]


def _look_up(want: Desired[Any], item: dict[str, Any] | None, noun: str) -> Observed[Any]:
    id = str(want.spec.id)
    if item is None:
        known = id.startswith(PREFIXES[noun])
        reason = (
            f"the {noun} {id} does not exist in this account and region" if known else f"{id!r} is no id of a {noun}"
        )
        return Observed(want.address, id, want.spec, health=ResourceHealth.DEGRADED, reason=reason)
    return Observed(want.address, id, want.spec, facts={"vpc": item.get("VpcId", "")})
