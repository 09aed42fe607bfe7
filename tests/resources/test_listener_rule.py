"""Listener rules: the law example, and what bare moto cannot show."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.resource import Desired, Observed
from reconciler.resources._elb_actions import Action, Forward
from reconciler.resources.listener_rule import ListenerRule, ListenerRuleSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, pairs, scope, tagged
from tests.resources.test_listener import ARN as LISTENER
from tests.resources.test_listener import BLUE, BUSY, LOST, listener
from tests.resources.test_load_balancer import balancer, network

ARN = LISTENER.replace(":listener/", ":listener-rule/") + "/11111111111111"


def rule(name: str, **fields: Any) -> Desired[Any]:
    spec = ListenerRuleSpec(
        listener=ref(f"listener/{name}-production"),
        priority=10,
        paths=("/api/*", "/v2/*"),
        hosts=("Example.com",),
        methods=(),
        headers={"X-Canary": ("yes",)},
        queries=(),
        sources=(),
        action=BUSY,
    )
    return wish(f"listener-rule/{name}-api", spec.model_copy(update=fields))


EXAMPLE = Example(
    rule("web"),
    needs=(
        *network("web"),
        balancer("web"),
        listener("web"),
        wish("listener/web-test", listener("web").spec.model_copy(update={"port": 9000})),
    ),
    edits=(
        Edit({"paths": ("/v2/*", "/v3/*")}, "paths./api/*", "paths./v3/*"),
        Edit({"hosts": ()}, "hosts.example.com"),
        Edit({"methods": ("GET",)}, "methods.GET"),
        Edit({"headers": {"X-Canary": ("always",), "X-Other": ("1",)}}, "headers.X-Canary", "headers.X-Other"),
        Edit({"queries": ("version=2",)}, "queries.version=2"),
        Edit({"queries": ("beta",)}, "queries.beta"),
        Edit({"sources": ("10.0.0.0/8",)}, "sources.10.0.0.0/8"),
        Edit({"action": LOST}, "action.fixed_response.status"),
        Edit({"priority": 20}, "priority"),
        Edit({"listener": ref("listener/web-test")}, "listener"),
    ),
    decoys=(*network("decoy", "10.1"), balancer("decoy"), listener("decoy"), rule("decoy")),
)

WANT = wish("listener-rule/web-api", ListenerRuleSpec(listener=LISTENER, priority=10))


def item(arn: str = ARN, priority: str = "10", conditions: Any = (), **fields: Any) -> dict[str, Any]:
    forward = {"Type": "forward", "TargetGroupArn": BLUE}
    return {"RuleArn": arn, "Priority": priority, "Conditions": list(conditions), "Actions": [forward]} | fields


def talk(*items: dict[str, Any], tags: dict[str, dict[str, str]] | None = None, **more: Any) -> Talk:
    """Rules with `tags` by ARN, and those of `WANT` for all others."""

    def described(call: Any) -> dict[str, Any]:
        known = {arn: tagged(WANT) for arn in call.params["ResourceArns"]} | (tags or {})
        return {
            "TagDescriptions": [{"ResourceArn": arn, "Tags": pairs(known[arn])} for arn in call.params["ResourceArns"]]
        }

    return Talk(**({"DescribeRules": {"Rules": list(items)}, "DescribeTags": described} | more))


def observe(told: Talk, **more: Any) -> list[Observed[Any]]:
    return told.hold(ListenerRule().observe(scope(WANT, **more)))


def test_the_listeners_own_action_is_no_rule() -> None:
    """AWS shows it as the rule `default`, which cannot be changed as one."""
    found = observe(talk(item(), item(f"{ARN}0", "default", IsDefault=True)))

    assert [each.id for each in found] == [ARN]


def test_conditions_are_read_in_either_form() -> None:
    """AWS answers values twice; what an older caller wrote has the older form only."""
    (found,) = observe(
        talk(
            item(
                conditions=[
                    {"Field": "path-pattern", "Values": ["/b", "/a"], "PathPatternConfig": {"Values": ["/b", "/a"]}},
                    {"Field": "host-header", "Values": ["Example.com"]},
                    {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X", "Values": ["2", "1"]}},
                ]
            )
        )
    )
    spec = found.spec

    assert (spec.paths, spec.hosts, spec.methods, spec.headers) == (
        ("/a", "/b"),
        ("example.com",),
        (),
        {"X": ("1", "2")},
    )


def test_conditions_that_are_not_declared_stay() -> None:
    """Conditions are written as a whole: others go along as they are, those that no spec can say too."""
    source = {"Field": "source-ip", "SourceIpConfig": {"Values": ["203.0.113.0/24"]}}
    (old,) = observe(
        talk(
            item(
                conditions=[
                    {"Field": "path-pattern", "Values": ["/a"]},
                    {"Field": "host-header", "Values": ["b"]},
                    source,
                ]
            )
        )
    )
    new = WANT.spec.model_copy(update={"paths": ("/c",)})
    told = Talk()

    told.hold(ListenerRule().update(old, Desired(WANT.address, new), diff(old, new)))

    assert told.params("ModifyRule") == [
        {
            "RuleArn": ARN,
            "Conditions": [
                {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/c"]}},
                {"Field": "host-header", "HostHeaderConfig": {"Values": ["b"]}},
                source,
            ],
        }
    ]


def test_a_rule_of_somebody_else_with_our_priority_is_shown() -> None:
    """A priority that is taken is a conflict; one elsewhere is none of our business."""
    (found,) = observe(talk(item(), tags={ARN: {}}))
    assert (found.address, ownership.owner(found.tags)) == (WANT.address, None)

    assert observe(talk(item(priority="11"), tags={ARN: {}})) == []


def test_the_rollouts_weights_are_not_compared() -> None:
    """Where a rollout owns the action, the specs say only how it starts."""
    start = Action(forward=(Forward(target_group="other"),))
    (found,) = observe(talk(item()))

    assert not diff(found, WANT.spec.model_copy(update={"initial_action": start}))


def moved(told: Talk, priority: int = 20) -> None:
    (old,) = observe(talk(item()))
    new = Desired(WANT.address, WANT.spec.model_copy(update={"priority": priority}), tags=tagged(WANT))
    told.hold(ListenerRule().update(old, new, diff(old, new.spec)))


OTHER = f"{ARN}2"
TAKEN = errors.Exists("priority is in use", code="PriorityInUse")


@pytest.mark.parametrize(
    ("at", "continues"),
    [
        (LISTENER, True),
        (LISTENER.replace("/web/", "/other/"), False),
        (ref("listener/other-production"), False),
    ],
)
def test_a_rule_goes_on_with_what_serves_behind_its_own_load_balancer(at: Any, continues: bool) -> None:
    """AWS allows a target group one load balancer, so what serves through the first one cannot be reached here."""
    served, green = Action(forward=(Forward(target_group=BLUE),)), BLUE.replace("blue", "green")
    start = Action(forward=(Forward(target_group=green),))
    new = rule("web", listener=at, action=None, initial_action=start)
    found = [
        Observed(rule("web").address, f"{ARN[:-1]}{number}", rule("web", listener=LISTENER, action=served).spec)
        for number in range(2)
    ]
    spec = ListenerRule().continuing(new, None, found, frozenset(), frozenset({BLUE})).spec
    both = Action(forward=(Forward(target_group=BLUE), Forward(target_group=green, weight=0)))
    assert spec.initial_action == (both if continues else start)


def test_a_free_priority_is_taken() -> None:
    """One call, and nothing is read for it."""
    told = Talk()
    moved(told)
    assert [call.params for call in told.said] == [{"RulePriorities": [{"RuleArn": ARN, "Priority": 20}]}]


def test_two_of_ours_change_places_in_one_call() -> None:
    """AWS refuses a priority that is taken, even for a moment, and takes both at once."""
    told = talk(item(), item(OTHER, "20"), SetRulePriorities=[TAKEN, {}])

    moved(told)

    assert told.params("SetRulePriorities")[-1] == {
        "RulePriorities": [{"RuleArn": ARN, "Priority": 20}, {"RuleArn": OTHER, "Priority": 10}]
    }


def test_the_second_of_two_that_changed_places_is_there_already() -> None:
    """The first one's exchange has moved it."""
    told = talk(item(priority="20"), SetRulePriorities=[TAKEN])

    moved(told)

    assert len(told.params("SetRulePriorities")) == 1


def test_a_priority_of_somebody_else_is_not_taken() -> None:
    """A rule of another stack, or of nobody, keeps its place."""
    for tags in (tagged(WANT, "theirs"), {}):
        told = talk(item(), item(OTHER, "20"), tags={OTHER: tags}, SetRulePriorities=[TAKEN])
        with pytest.raises(errors.Exists):
            moved(told)
        assert len(told.params("SetRulePriorities")) == 1


def test_a_rule_made_before_is_adopted_and_a_taken_priority_is_not() -> None:
    """A creation whose answer was lost finds its own rule."""
    new = Desired(WANT.address, WANT.spec.model_copy(update={"paths": ("/a",), "action": BUSY}), tags=tagged(WANT))

    assert talk(item(), CreateRule=TAKEN).hold(ListenerRule().create(new)) == ARN
    with pytest.raises(errors.Exists):
        talk(item(), tags={ARN: {}}, CreateRule=TAKEN).hold(ListenerRule().create(new))
    with pytest.raises(errors.Exists):
        talk(CreateRule=TAKEN).hold(ListenerRule().create(new))
