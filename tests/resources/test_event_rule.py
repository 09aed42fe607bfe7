"""Rules of EventBridge: the law example, and its target."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.diff import diff
from reconciler.model.resource import Desired
from reconciler.resources.event_rule import EventRule, EventRuleSpec
from tests.conftest import ACCOUNT, REGION
from tests.laws.example import Edit, Example, wish
from tests.resources.talk import Talk, pairs, scope, tagged

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:shop-events"
OTHER = f"arn:aws:sqs:{REGION}:{ACCOUNT}:other-events"
ARN = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/shop-events"
PATTERN = {"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"]}

EXAMPLE = Example(
    wish("event-rule/events", EventRuleSpec(name="shop-events", pattern=PATTERN, enabled=True, target=QUEUE)),
    edits=(
        Edit({"pattern": {"source": ["aws.ecs", "aws.ecr"]}}, "pattern.detail-type", "pattern.source"),
        Edit({"enabled": False}, "enabled"),
        Edit({"target": OTHER}, "target"),
    ),
    unique=True,
    decoys=(wish("event-rule/decoy", EventRuleSpec(name="decoy-events", pattern=PATTERN, enabled=True)),),
)

WANT = wish("event-rule/events", EventRuleSpec(name="shop-events", pattern=PATTERN, enabled=True, target=QUEUE))


def talk(*targets: dict[str, str], **more: Any) -> Talk:
    answers = {
        "DescribeRule": {"Arn": ARN, "State": "ENABLED", "EventPattern": '{"source":["aws.ecs"]}'},
        "ListTargetsByRule": {"Targets": list(targets)},
        "ListTagsForResource": {"Tags": pairs(tagged(WANT))},
    }
    return Talk(**(answers | more))


def test_a_rule_without_its_target_delivers_nothing() -> None:
    """A missing target is a difference, and only that is written."""
    told = talk({"Id": "somebody", "Arn": OTHER}, DescribeRule={"Arn": ARN, "EventPattern": "{}"})
    (old,) = told.hold(EventRule().observe(scope(WANT)))
    changes = tuple(change for change in diff(old, WANT.spec) if change.field == "target")
    assert old.spec.target == ""

    told.hold(EventRule().update(old, WANT, changes))

    assert told.params("PutTargets") == [{"Rule": "shop-events", "Targets": [{"Id": "controller", "Arn": QUEUE}]}]
    assert "PutRule" not in told.operations()


def test_a_target_that_was_not_taken_is_a_failure() -> None:
    """PutTargets answers with a success that says which targets failed."""
    failed = {"FailedEntryCount": 1, "FailedEntries": [{"TargetId": "controller", "ErrorMessage": "no such queue"}]}
    new = Desired(WANT.address, WANT.spec, tags=tagged(WANT))
    told = talk(DescribeRule=errors.Gone("no such rule"), PutTargets=failed)

    with pytest.raises(errors.Invalid, match="no such queue"):
        told.hold(EventRule().create(new))


def test_a_rule_goes_with_all_its_targets() -> None:
    """EventBridge deletes no rule that has a target."""
    told = talk({"Id": "controller", "Arn": QUEUE}, {"Id": "somebody", "Arn": OTHER})
    (old,) = told.hold(EventRule().observe(scope(WANT)))

    told.hold(EventRule().delete(old))

    assert told.params("RemoveTargets") == [{"Rule": "shop-events", "Ids": ["controller", "somebody"]}]
    assert told.operations()[-1] == "DeleteRule"


def test_a_rule_of_somebody_else_is_not_overwritten() -> None:
    """PutRule would replace its pattern."""
    told = talk(ListTagsForResource={"Tags": []})
    with pytest.raises(errors.Exists):
        told.hold(EventRule().create(Desired(WANT.address, WANT.spec, tags=tagged(WANT))))
    assert "PutRule" not in told.operations()
