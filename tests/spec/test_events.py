"""`events` of the Stack: the queue, its dead letters and the rule, and the permissions that they take."""

from __future__ import annotations

import json

import pytest

from reconciler.iam import document, statements
from reconciler.model.resource import Address
from reconciler.model.type_registry import discover
from reconciler.reconcile.observe import StackId
from reconciler.spec.compile import compile_specs
from reconciler.spec.compile.events import DEAD, QUEUE, RULE
from reconciler.spec.discovery import Source
from reconciler.spec.load import load_sources
from reconciler.spec.specs import Specs
from tests.conftest import ACCOUNT, REGION

ARN = f"arn:aws:sqs:{REGION}:{ACCOUNT}:shop-events"


def loaded(events: str, name: str = "shop") -> Specs:
    text = f"kind: Stack\nname: {name}\nregion: {REGION}\n{events}"
    return load_sources([Source("stack.yaml", "stack.yaml", text.encode())])


def test_a_stack_without_events_has_no_queue() -> None:
    """Nothing is made that was not asked for."""
    assert compile_specs(loaded(""), account=ACCOUNT) == ()


def test_events_make_a_rule_a_queue_and_one_for_dead_letters() -> None:
    """Only the rule may send, everything is encrypted, and what cannot be read is put aside."""
    found = {want.address: want for want in compile_specs(loaded("events: {}\n"), account=ACCOUNT)}
    queue, dead, rule = (found[address].spec for address in (QUEUE, DEAD, RULE))
    (statement,) = queue.policy["Statement"]
    assert statement["Condition"]["ArnEquals"]["aws:SourceArn"] == (
        f"arn:aws:events:{REGION}:{ACCOUNT}:rule/shop-events",
    )
    assert (statement["Principal"], statement["Resource"]) == ({"Service": ("events.amazonaws.com",)}, (ARN,))
    assert (queue.encrypted, dead.encrypted) == (True, True)
    assert (queue.dead_letter, dead.name) == (f"{ARN}-dead", "shop-events-dead")
    assert (rule.target, rule.enabled) == (ARN, True)
    assert (found[QUEUE].after, found[RULE].after) == ({DEAD}, {QUEUE})


@pytest.mark.parametrize(
    ("name", "queue", "made"),
    [("shop", "", "shop-events"), ("my.shop", "", "my-shop-events"), ("shop", "queue: changes", "changes")],
)
def test_a_queue_has_a_name_that_sqs_takes(name: str, queue: str, made: str) -> None:
    """The Stack's, unless another is given."""
    found = {want.address: want for want in compile_specs(loaded(f"events: {{{queue}}}\n", name), account=ACCOUNT)}
    assert found[QUEUE].spec.name == made
    assert found[Address("event-rule", "events")].spec.name == made


def test_a_name_that_is_too_long_is_found_before_anything_is_made() -> None:
    """Where a name is given, its field says how long it may be."""
    assert [str(one.rule) for one in loaded("events: {}\n", "s" * 60).diagnostics] == ["E2004"]
    assert loaded("events: {queue: " + "q" * 65 + "}\n").diagnostics
    assert loaded("events: {queue: a.b}\n").diagnostics
    assert not loaded("events: {queue: short}\n", "s" * 60).diagnostics


def test_the_policy_lets_the_controller_receive_its_own_queue_only() -> None:
    """And make it under its name, and see whether a trail logs."""
    desired = compile_specs(loaded("events: {}\n"), account=ACCOUNT)
    found = document(statements(discover(), desired, (), StackId("shop", ACCOUNT, REGION)))["Statement"]
    by_sid = {one["Sid"]: one for one in found}
    assert set(by_sid["ReceiveEvents"]["Action"]) == {"sqs:DeleteMessage", "sqs:ReceiveMessage"}
    assert by_sid["ReceiveEvents"]["Resource"] == [ARN]
    assert {"cloudtrail:DescribeTrails", "cloudtrail:GetEventSelectors"} <= set(by_sid["FindTrails"]["Action"])
    made = by_sid["MakeByName"]
    assert {"sqs:CreateQueue", "sqs:TagQueue", "events:PutRule", "events:TagResource"} <= set(made["Action"])
    assert f"arn:aws:events:{REGION}:{ACCOUNT}:rule/shop-events" in made["Resource"]
    without = document(statements(discover(), (), (), StackId("shop", ACCOUNT, REGION)))
    assert "sqs:ReceiveMessage" not in json.dumps(without)
