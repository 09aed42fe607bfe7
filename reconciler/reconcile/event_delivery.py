"""Delivery of events: whether AWS sends what a rule of EventBridge asks for to its queue.

API calls are events only where a trail logs them: one of this region or of all, which is switched on and logs
management events that write (Amazon EventBridge user guide, AWS service events delivered via CloudTrail).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reconciler.model.resource import Batch, Calls, ServiceApi

cloudtrail = ServiceApi("cloudtrail")
events = ServiceApi("events")

GLOBAL: Final = "us-east-1"
"""The region in which CloudTrail reports what belongs to no region, such as roles and hosted zones."""


def untrailed(region: str) -> Calls[str]:
    """Why API calls in a region are no events; empty if they are."""
    answer = yield cloudtrail.describe_trails()
    here = [
        trail["TrailARN"]
        for trail in answer["trailList"]
        if trail.get("IsMultiRegionTrail") or trail.get("HomeRegion") == region
    ]
    states = yield Batch.of((cloudtrail.get_trail_status(Name=arn) for arn in here), missing_ok=True)
    logging = [arn for arn, state in zip(here, states, strict=True) if state is not None and state["IsLogging"]]
    if not logging:
        return f"no trail logs API calls in {region}"
    selected = yield Batch.of((cloudtrail.get_event_selectors(TrailName=arn) for arn in logging), missing_ok=True)
    if not any(one is not None and _logs_writes(one) for one in selected):
        return f"no trail in {region} logs management events that write"
    return ""


def undelivered(rule: str, queue: str) -> Calls[str]:
    """Why a rule does not deliver to the queue of that ARN; empty if it does. `errors.Gone` if there is no rule."""
    found = yield events.describe_rule(Name=rule)
    if found.get("State") == "DISABLED":
        return f"the rule {rule} is disabled"
    targets = yield events.list_targets_by_rule(Rule=rule)
    if not any(one["Arn"] == queue for one in targets["Targets"]):
        return f"the rule {rule} does not deliver to the queue"
    return ""


def _logs_writes(selected: Mapping[str, Any]) -> bool:
    """A trail without selectors logs all management events (CloudTrail API Reference, PutEventSelectors)."""
    basic, advanced = (selected.get(name) or () for name in ("EventSelectors", "AdvancedEventSelectors"))
    if not basic and not advanced:
        return True
    return any(_selects_writes(one) for one in advanced) or any(
        one.get("IncludeManagementEvents", True) and one.get("ReadWriteType", "All") != "ReadOnly" for one in basic
    )


def _selects_writes(selector: Mapping[str, Any]) -> bool:
    fields = {one["Field"]: one.get("Equals") or [] for one in selector["FieldSelectors"]}
    return "Management" in fields.get("eventCategory", ()) and "true" not in fields.get("readOnly", ())
