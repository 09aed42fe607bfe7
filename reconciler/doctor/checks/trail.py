"""CloudTrail: without a trail, nobody can see who changed something, and EventBridge gets no events of API calls."""

from __future__ import annotations

from typing import ClassVar

from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity
from reconciler.model.resource import Batch, Calls, ServiceApi

cloudtrail = ServiceApi("cloudtrail")


class Trail(Check):
    title: ClassVar[str] = "CloudTrail"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        answer = yield cloudtrail.describe_trails()
        here = [
            trail["TrailARN"]
            for trail in answer["trailList"]
            if trail.get("IsMultiRegionTrail") or trail.get("HomeRegion") == case.place.region
        ]
        states = yield Batch.of((cloudtrail.get_trail_status(Name=arn) for arn in here), missing_ok=True)
        if any(state is not None and state["IsLogging"] for state in states):
            return []
        cause = f"no trail logs API calls in {case.place.region}: EventBridge rules on API calls get no events"
        fix = (
            "create one, if you want to see who has changed what: aws cloudtrail create-trail … --is-multi-region-trail"
        )
        return [Finding(Severity.NOTE, "no-trail", "CloudTrail", cause, fix)]
