"""CloudTrail: without a trail, nobody can see who changed something, and EventBridge gets no events of API calls."""

from __future__ import annotations

from typing import ClassVar

from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity
from reconciler.model.resource import Calls
from reconciler.queries import event_delivery


class Trail(Check):
    title: ClassVar[str] = "CloudTrail"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        because = yield from event_delivery.untrailed(case.place.region)
        if not because:
            return []
        cause = f"{because}: EventBridge rules on API calls get no events"
        fix = (
            "create one, if you want to see who has changed what: aws cloudtrail create-trail … --is-multi-region-trail"
        )
        return [Finding(Severity.NOTE, "no-trail", "CloudTrail", cause, fix)]
