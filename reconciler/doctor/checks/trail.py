"""CloudTrail: without a trail, EventBridge gets no events of API calls, and calls are kept for 90 days only."""

from __future__ import annotations

from typing import ClassVar

from reconciler.aws.catalogue import service_facts
from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity
from reconciler.iam import calls, rules
from reconciler.model.resource import Calls
from reconciler.reconcile import event_delivery
from reconciler.spec.compile.events import QUEUE, RULE


class Trail(Check):
    title: ClassVar[str] = "CloudTrail and events"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        found, region = [], case.place.region
        because = yield from event_delivery.untrailed(region)
        if because:
            cause = f"{because}: EventBridge rules on API calls get no events"
            severity, why = Severity.NOTE, "if you want events, or to see who changed what after more than 90 days"
            if RULE in case.wanted:
                severity, why = Severity.WARNING, "so that the events of the Stack include changes by hand"
            fix = f"create one, {why}: aws cloudtrail create-trail … --is-multi-region-trail"
            found.append(Finding(severity, "no-trail", "CloudTrail", cause, fix))
        rule, queue = case.found.get(RULE), case.found.get(QUEUE)
        if RULE in case.wanted and rule is not None and queue is not None:
            because = yield from event_delivery.undelivered(rule.id, queue.facts["arn"])
            if because:
                fix = "the controller, or `reconciler apply`, puts it right"
                found.append(Finding(Severity.WARNING, "events-not-delivered", str(RULE), because, fix))
        kinds = {want.address.kind for want in case.desired} if region != event_delivery.GLOBAL else set()
        if RULE in case.wanted and any(_in_no_region(case, kind) for kind in kinds):
            cause = f"changes of roles and DNS records are events in {event_delivery.GLOBAL} only, and not in {region}"
            where = "in CloudTrail's event history there, and by reading"
            fix = f"nothing needs to be done: the controller finds them {where}, within half an hour"
            found.append(Finding(Severity.NOTE, "events-of-no-region", str(RULE), cause, fix))
        return found


def _in_no_region(case: Case, kind: str) -> bool:
    written = (service for service, name in calls.of_kind(case.kinds[kind]) if not rules.reads((service, name)))
    return any(not service_facts(service).regional for service in written)
