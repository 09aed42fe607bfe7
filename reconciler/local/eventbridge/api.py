"""The operations of EventBridge that are ours, by AWS's names; the others are moto's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from reconciler.local.eventbridge import bus, rules
from reconciler.local.world import Operation

OPERATIONS: Final[Mapping[str, Operation]] = {
    "DeleteRule": rules.delete_rule,
    "DescribeRule": rules.describe_rule,
    "DisableRule": rules.disable_rule,
    "EnableRule": rules.enable_rule,
    "ListRuleNamesByTarget": rules.list_rule_names_by_target,
    "ListRules": rules.list_rules,
    "ListTagsForResource": rules.list_tags_for_resource,
    "ListTargetsByRule": rules.list_targets_by_rule,
    "PutEvents": bus.put_events,
    "PutRule": rules.put_rule,
    "PutTargets": rules.put_targets,
    "RemoveTargets": rules.remove_targets,
    "TagResource": rules.tag_resource,
    "TestEventPattern": bus.test_event_pattern,
    "UntagResource": rules.untag_resource,
}
