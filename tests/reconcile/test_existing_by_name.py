"""Topics, queues, log groups and repositories of others: used if they exist, refused at their place if not."""

from __future__ import annotations

from pathlib import Path

from reconciler.model.plan import Plan, RefusalCode
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.emulated_stack import EmulatedStack, emulated_stack

DOCUMENTS = """
kind: Stack
name: shop
region: us-west-2
---
kind: Cluster
name: prod
exec_logging: {log_group: /sessions}
---
kind: Alarm
name: errors
metric: {namespace: AWS/SQS, name: errors}
above: 1
notify: ["arn:aws:sns:us-west-2:123456789012:pages", "arn:aws:sns:us-west-2:210987654321:theirs"]
"""


def planned(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def test_what_is_missing_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    """In the order of the documents; once it is there, nothing holds the stack up."""
    (tmp_path / "specs.yaml").write_text(DOCUMENTS)
    with emulated_stack(folder=tmp_path) as stage:
        refusals = planned(stage).refusals
        assert [(one.code, one.because, one.where.partition("specs.yaml:")[2]) for one in refusals] == [
            (
                RefusalCode.MISSING,
                "the topic arn:aws:sns:us-west-2:123456789012:pages does not exist in this account and region",
                "14:10",
            ),
            (
                RefusalCode.MISSING,
                "the log group /sessions does not exist in this account and region",
                "8:27",
            ),
        ]
        stage.laptop.client("sns").create_topic(Name="pages")
        stage.laptop.client("logs").create_log_group(logGroupName="/sessions")
        stage.infrastructure()
        assert (planned(stage).actions, planned(stage).refusals, planned(stage).warnings) == ((), (), ())
        stage.laptop.client("logs").delete_log_group(logGroupName="/sessions")
        plan = planned(stage)
        assert (plan.actions, plan.refusals) == ((), ())
        assert [str(one.address) for one in plan.warnings] == ["existing-log-group//sessions"]
        assert not stage.aws.counts["sqs.GetQueueUrl"], "nothing of the stack uses one"
