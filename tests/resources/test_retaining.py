"""What a type keeps of the old state while something needs it: a table of handovers, roles and security group rules."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.resource import Address, Desired, Link, Observed, Ref
from reconciler.model.usage import Usage
from reconciler.resources._elb_actions import NOBODY, Action, FixedResponse, Forward, claimed, handed_over
from reconciler.resources.listener_rule import ListenerRule, ListenerRuleSpec
from reconciler.resources.role import Role, RoleSpec
from reconciler.resources.security_group_rules import SecurityGroupRules, SecurityGroupRulesSpec
from tests.resources.test_role import READ, WRITE, policy, trust
from tests.resources.test_security_group_rules import tcp

NEW = Ref(Address("target-group", "new"))


def forward(**weights: int) -> Action:
    return Action(forward=tuple(Forward(target_group=group, weight=weight) for group, weight in weights.items()))


def weights(action: Action | None) -> dict[Link, int]:
    assert action is not None
    return {one.target_group: one.weight for one in action.forward or ()}


@pytest.mark.parametrize(
    ("old", "new", "usage", "wanted"),
    [
        (forward(old=100), forward(new=100), Usage(used=frozenset({"old"})), {"old": 100, "new": 0}),
        (forward(old=100, new=0), forward(new=100), Usage(used=frozenset({"old"})), {"old": 100, "new": 0}),
        (
            forward(old=100, new=0),
            forward(new=100),
            Usage(used=frozenset({"old", "new"}), proven=frozenset({"new"})),
            {"new": 100, "old": 0},
        ),
        (forward(new=100, old=0), forward(new=100), Usage(several=True), {"new": 100, "old": 0}),
        (forward(new=100, old=0), forward(new=100), Usage(used=frozenset({"new"})), {"new": 100}),
        (
            forward(new=100, old=0),
            forward(new=100),
            Usage(used=frozenset({"new"}), several=True, needed=frozenset({"another"})),
            {"new": 100},
        ),
        (forward(old=0, older=0), forward(new=100), Usage(), {"new": 100}),
        (Action(fixed_response=NOBODY), forward(new=100), Usage(), {"new": 100}),
        (
            forward(new=0, old=100),
            forward(new=100, old=0),
            Usage(used=frozenset({"new"})),
            {"new": 100, "old": 0},
        ),
    ],
    ids=[
        "attach",
        "wait",
        "switch",
        "keep named",
        "detach",
        "another service is in flight",
        "nobody is served",
        "nobody was served",
        "nobody is reached",
    ],
)
def test_requests_are_handed_over_once_the_new_group_is_healthy(
    old: Action, new: Action, usage: Usage, wanted: dict[str, int]
) -> None:
    """A group is named before it receives requests, and until no task uses it."""
    assert weights(handed_over(old, new, usage)) == wanted


@pytest.mark.parametrize(
    ("usage", "path"), [(Usage(), "/old/*"), (Usage(proven=frozenset({"new"})), "/new/*")], ids=["wait", "switch"]
)
def test_a_rule_catches_other_requests_only_once_it_sends_them_elsewhere(usage: Usage, path: str) -> None:
    """Nobody's requests reach the service that had the rule before."""
    old = ListenerRuleSpec(listener="l", priority=10, paths=("/old/*",), methods=("GET",), action=forward(old=100))
    new = ListenerRuleSpec(listener="l", priority=10, paths=("/new/*",), methods=(), action=forward(new=100))
    kept = ListenerRule().retaining(observed("listener-rule", old), desired("listener-rule", new), usage).spec
    assert kept.paths == (path,)
    assert kept.methods == (old if path == "/old/*" else new).methods


def test_a_rule_that_sends_its_requests_where_it_did_catches_others_at_once() -> None:
    """A share of each target group is not the condition."""
    old = ListenerRuleSpec(listener="l", priority=10, paths=("/old/*",), action=forward(blue=100))
    new = ListenerRuleSpec(listener="l", priority=10, paths=("/new/*",), action=forward(blue=50, green=0))
    kept = ListenerRule().retaining(observed("listener-rule", old), desired("listener-rule", new), Usage()).spec
    assert kept.paths == ("/new/*",)


def test_a_group_that_is_yet_to_be_made_is_not_healthy() -> None:
    """It is named by the same plan that makes it, and receives nothing."""
    new = Action(forward=(Forward(target_group=NEW, weight=100),))
    assert weights(handed_over(forward(old=100), new, Usage())) == {"old": 100, NEW: 0}


@pytest.mark.parametrize(
    ("present", "wanted"),
    [
        (Action(fixed_response=NOBODY), {"blue": 100, "green": 0}),
        (forward(other=100), {"other": 100, "blue": 0, "green": 0}),
        (forward(other=100, blue=0), {"other": 100, "blue": 0, "green": 0}),
        (forward(other=0, blue=100), {"blue": 100, "green": 0}),
        (forward(blue=100), {"blue": 100, "green": 0}),
        (forward(blue=0, green=100), None),
        (forward(other=100, blue=0, green=0), None),
        (forward(strange=100), None),
        (Action(fixed_response=FixedResponse(status="503", body="maintenance")), None),
    ],
)
def test_a_rollout_can_begin_where_nobody_or_another_service_is_served(
    present: Action, wanted: dict[str, int] | None
) -> None:
    """Both of its target groups are named, and receive nothing yet; what a person has set by hand is left as it is."""
    found = claimed(present, forward(blue=100, green=0), frozenset({"blue", "green", "other"}))
    assert (None if found is None else weights(found)) == wanted


def observed(kind: str, spec: Any) -> Observed[Any]:
    return Observed(Address(kind, "web"), f"{kind}-1", spec)


def desired(kind: str, spec: Any) -> Desired[Any]:
    return Desired(Address(kind, "web"), spec)


def statements(document: Any) -> list[str]:
    return sorted(str(one["Action"]) for one in document["Statement"])


def test_a_role_keeps_what_an_older_version_may_need() -> None:
    """Statements, whole policies and attachments; what is added is there at once."""
    old = RoleSpec(name="web", trust=trust(), policies={"a": READ, "b": WRITE}, managed=("arn:one",))
    new = RoleSpec(name="web", trust=trust(), policies={"a": WRITE}, managed=("arn:two",))
    kept = Role().retaining(observed("role", old), desired("role", new), Usage(several=True)).spec
    assert statements(kept.policies["a"]) == sorted([*statements(old.policies["a"]), *statements(new.policies["a"])])
    assert kept.policies["b"] == old.policies["b"]
    assert kept.managed == ("arn:one", "arn:two")
    for usage in (Usage(), Usage(several=True, needed=frozenset({"another"}))):
        assert Role().retaining(observed("role", old), desired("role", new), usage).spec == new
    needs = Usage(several=True, needed=frozenset({observed("role", old).id}))
    assert Role().retaining(observed("role", old), desired("role", new), needs).spec == kept


def test_a_role_denies_nothing_to_an_older_version_that_it_did_not_deny_before() -> None:
    """A statement that denies narrows a role, as one that is taken away does."""
    deny = {"Effect": "Deny", "Action": "s3:DeleteObject", "Resource": "*"}
    both = {**READ, "Statement": [*READ["Statement"], deny]}
    old = RoleSpec(name="web", trust=trust(), policies={"a": READ})
    new = RoleSpec(name="web", trust=trust(), policies={"a": both})
    kept = Role().retaining(observed("role", old), desired("role", new), Usage(several=True)).spec
    assert kept.policies == old.policies
    kept = Role().retaining(observed("role", new), desired("role", new), Usage(several=True)).spec
    assert kept == new


def test_statements_that_are_called_alike_do_not_clash() -> None:
    """What is kept loses its `Sid`, which is unique within a policy."""
    old = RoleSpec(name="web", trust=trust(), policies={"a": policy(Sid="Use", Action="s3:GetObject", Resource="*")})
    new = RoleSpec(name="web", trust=trust(), policies={"a": policy(Sid="Use", Action="s3:PutObject", Resource="*")})
    kept = Role().retaining(observed("role", old), desired("role", new), Usage(several=True)).spec
    assert [one.get("Sid") for one in kept.policies["a"]["Statement"]] == ["Use", None]


@pytest.mark.parametrize(
    ("usage", "ports"),
    [
        (Usage(used=frozenset({"sg-web"}), several=True), {80, 8080}),
        (Usage(used=frozenset({"sg-lb"}), several=True), {80, 8080}),
        (Usage(used=frozenset({"sg-other"}), several=True), {8080}),
        (Usage(used=frozenset({"sg-web"})), {8080}),
        (Usage(used=frozenset({"sg-web"}), several=True, needed=frozenset({"sg-web"})), {80, 8080}),
        (Usage(used=frozenset({"sg-web"}), several=True, needed=frozenset({"sg-other"})), {8080}),
    ],
    ids=["of a group of tasks", "from a group of tasks", "of no task", "one version", "in flight", "another in flight"],
)
def test_a_rule_stays_while_tasks_of_an_older_version_may_need_it(usage: Usage, ports: set[int]) -> None:
    """Only rules of, or about, groups that tasks are in."""
    old = SecurityGroupRulesSpec(group="sg-web", ingress=(tcp(80, "sg-lb"),))
    new = SecurityGroupRulesSpec(group="sg-web", ingress=(tcp(8080, "sg-lb"),))
    kind = "security-group-rules"
    kept = SecurityGroupRules().retaining(observed(kind, old), desired(kind, new), usage).spec
    assert {rule.from_port for rule in kept.ingress} == ports
