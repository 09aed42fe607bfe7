"""The block `scaling` of a service, where the specs would make the same policies under the same names.

Policies of other names would be replaced, so autoscaling that somebody else has set up is not stated, and stays.
"""

from __future__ import annotations

from typing import Any

from reconciler.importing.inventory import Thing
from reconciler.importing.tasks import seconds
from reconciler.model.duration import format as duration_text
from reconciler.model.resource import Address
from reconciler.model.resource_type import Scope
from reconciler.resources._scaling_fields import OURS, read_policy, unsaid
from reconciler.spec import names
from reconciler.spec.compile.scaling import METRICS
from reconciler.spec.documents.scaling import Scaling

REQUESTS = "requests"
COOLDOWNS = ("scale_in_cooldown", "scale_out_cooldown")


def scaling_block(target: Thing, service: str, scope: Scope) -> dict[str, Any] | None:
    """`service` is its name in AWS. None if the policies are not those that the specs would make."""
    found: dict[str, Any] = {"min": target.item["MinCapacity"], "max": target.item["MaxCapacity"]}
    ours = {names.scaling_policy(service, metric): metric for metric in METRICS if metric != REQUESTS}
    cooldowns = set()
    if any(action["ScheduledActionName"].startswith(OURS) for action in target.more["actions"]):
        return None
    for item in target.more["policies"]:
        policy = read_policy(item, scope, None, Address("scaling", service))
        metric = ours.get(item["PolicyName"])
        if metric is None or policy.metric != METRICS[metric] or unsaid(item) or policy.target % 1:
            return None
        found[metric] = int(policy.target)
        cooldowns.add((policy.scale_in_cooldown, policy.scale_out_cooldown))
    if len(cooldowns) != 1:
        return None
    for field, value in zip(COOLDOWNS, cooldowns.pop(), strict=True):
        assert value is not None, "an observed policy has both"
        if seconds(value) != duration_text(Scaling.model_fields[field].default):
            found[field] = seconds(value)
    return found
