"""The check of CloudTrail and of the delivery of events."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from reconciler import errors
from reconciler.doctor.check import Severity
from reconciler.doctor.checks.trail import Trail
from reconciler.model.resource import Observed, Spec
from reconciler.model.type_registry import discover
from reconciler.resources.event_rule import EventRuleSpec
from reconciler.spec.compile.events import QUEUE, RULE
from tests.laws.example import wish
from tests.resources.talk import Talk

ARN = "arn:aws:sqs:us-west-2:123456789012:shop-events"
LOGGING = {
    "DescribeTrails": {"trailList": [{"TrailARN": "all", "IsMultiRegionTrail": True}]},
    "GetTrailStatus": {"IsLogging": True},
    "GetEventSelectors": {},
    "DescribeRule": {"State": "ENABLED"},
    "ListTargetsByRule": {"Targets": [{"Id": "controller", "Arn": ARN}]},
}


def found(region: str, *kinds: str, events: bool = True, **answers: Any) -> list[tuple[Severity, str]]:
    rule = Observed(RULE, "shop-events", EventRuleSpec(name="shop-events"))
    queue = Observed(QUEUE, "https://sqs/shop-events", Spec(), facts={"arn": ARN})
    case: Any = SimpleNamespace(
        place=SimpleNamespace(region=region),
        kinds=discover(),
        wanted={RULE: None, QUEUE: None} if events else {},
        found={RULE: rule, QUEUE: queue},
        desired=[wish(f"{kind}/a", Spec()) for kind in kinds],
    )
    findings = Talk(**(LOGGING | answers)).hold(Trail().findings(case))
    return [(one.severity, one.code) for one in findings]


def test_a_trail_that_logs_and_a_rule_that_delivers_are_enough() -> None:
    assert found("us-west-2", "service", "vpc") == []


@pytest.mark.parametrize(("events", "severity"), [(True, Severity.WARNING), (False, Severity.NOTE)])
def test_a_missing_trail_matters_where_events_are_wanted(events: bool, severity: Severity) -> None:
    """Without `events` it is only a note."""
    assert found("us-west-2", events=events, DescribeTrails={"trailList": []}) == [(severity, "no-trail")]


def test_a_rule_that_does_not_deliver_is_found() -> None:
    """Disabled, or with another target."""
    for answer in ({"DescribeRule": {"State": "DISABLED"}}, {"ListTargetsByRule": {"Targets": []}}):
        assert found("us-west-2", **answer) == [(Severity.WARNING, "events-not-delivered")]
    assert found("us-west-2", events=False, DescribeRule=errors.Gone("no such rule")) == []


@pytest.mark.parametrize(("region", "kind", "noted"), [
    ("us-west-2", "role", True), ("us-west-2", "dns-record", True), ("us-west-2", "service", False),
    ("us-east-1", "role", False),
])  # fmt: skip
def test_changes_of_what_is_in_no_region_are_told_in_one_region(region: str, kind: str, noted: bool) -> None:
    """A stack elsewhere finds them by reading, which is no fault."""
    expected = [(Severity.NOTE, "events-of-no-region")] if noted else []
    assert found(region, kind) == expected
