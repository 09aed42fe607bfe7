"""What AWS refuses because something else is there: known when the plan is made, or found out later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.model import obstacles
from reconciler.model.diff import Change
from reconciler.model.observed_state import ObservedState
from reconciler.model.ownership import tags_for
from reconciler.model.plan import Action, Refusal, RefusalCode, Verb
from reconciler.model.planner import draft
from reconciler.model.resource import Address, Desired, Observed, Ref, Spec
from reconciler.model.resource_type import ResourceType
from reconciler.model.type_registry import ResourceTypes, discover
from reconciler.reconcile.executor import Result
from reconciler.reconcile.expectations import TRIES
from reconciler.resources._elb_actions import Action as ListenerAction
from reconciler.resources._elb_actions import Forward
from reconciler.resources.listener import Listener, ListenerSpec
from reconciler.resources.listener_rule import ListenerRule, ListenerRuleSpec
from reconciler.resources.load_balancer import LoadBalancer, LoadBalancerSpec
from reconciler.resources.subnet import Subnet, SubnetSpec
from reconciler.resources.target_group import TargetGroup, TargetGroupSpec
from reconciler.resources.vpc_endpoint import VpcEndpoint, VpcEndpointSpec
from tests.reconcile.test_executor import desired_state, run
from tests.toy import STACK, ToyAws, want

LB = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/web/1"
AT = LB.replace("loadbalancer", "listener") + "/2"


Desires = Mapping[Address, Desired[Any]]
CHANGE = Change(("place",), 1, 2)


def subnet(cidr: str, zone: str = "us-west-2a") -> SubnetSpec:
    return SubnetSpec(vpc="vpc-1", cidr=cidr, zone=zone)


def listener(port: int) -> ListenerSpec:
    return ListenerSpec(load_balancer=LB, port=port, protocol="HTTP")


def rule(priority: int) -> ListenerRuleSpec:
    return ListenerRuleSpec(listener=AT, priority=priority)


def endpoint(table: str) -> VpcEndpointSpec:
    return VpcEndpointSpec(vpc="vpc-1", service="com.amazonaws.us-west-2.s3", type="Gateway", route_tables=(table,))


def observed(kind: ResourceType[Any], name: str, spec: Spec, owner: str | None = "ours") -> Observed[Any]:
    at = Address(kind.kind, name)
    tags = {} if owner is None else tags_for(owner, at, protect=False, declared={})
    return Observed(at, f"{name}-id", spec, tags=tags, facts={"priorities": [9, 10, 12]})


def wished(kind: ResourceType[Any], name: str, spec: Spec) -> Desired[Any]:
    return Desired(Address(kind.kind, name), spec, where="specs/case.yaml:3")


def creating(want: Desired[Any]) -> Action:
    return Action(Verb.CREATE, want.address, "it does not exist", new=want)


def obstacle(action: Action, kind: ResourceType[Any], there: list[Observed[Any]], wishes: Desires) -> Refusal | None:
    return obstacles.obstacle(action, discover(), ObservedState({kind.kind: there}), wishes, {}, "ours")


CASES = [
    (Subnet(), subnet("10.0.0.0/24"), subnet("10.0.0.0/24", "us-west-2b")),
    (Subnet(), subnet("10.0.0.0/24"), subnet("10.0.0.0/23")),
    (Listener(), listener(80), listener(80)),
    (ListenerRule(), rule(10), rule(10)),
    (VpcEndpoint(), endpoint("rtb-1"), endpoint("rtb-1")),
]


@pytest.mark.parametrize(("kind", "spec", "other"), CASES)
@pytest.mark.parametrize("owner", ["ours", "theirs", None])
def test_what_something_else_has_is_refused_at_plan(
    kind: ResourceType[Any], spec: Spec, other: Spec, owner: str | None
) -> None:
    """Whoever holds it; with the holder's id and the place in the specs."""
    want, holder = wished(kind, "new", spec), observed(kind, "old", other, owner)

    refusal = obstacle(creating(want), kind, [holder], {want.address: want})

    assert refusal is not None
    assert (refusal.code, refusal.where) == (RefusalCode.CONFLICT, "specs/case.yaml:3")
    assert "old-id" in refusal.because
    assert ("`moved_from: old`" in refusal.hint) == (owner == "ours")


@pytest.mark.parametrize(
    ("kind", "spec", "other"),
    [
        (Subnet(), subnet("10.0.0.0/24"), subnet("10.0.1.0/24")),
        (Listener(), listener(80), listener(81)),
        (ListenerRule(), rule(10), rule(11)),
        (VpcEndpoint(), endpoint("rtb-1"), endpoint("rtb-2")),
    ],
)
def test_what_nothing_else_has_is_planned(kind: ResourceType[Any], spec: Spec, other: Spec) -> None:
    """A neighbour is no obstacle."""
    want = wished(kind, "new", spec)
    assert obstacle(creating(want), kind, [observed(kind, "old", other)], {want.address: want}) is None


def test_free_priorities_nearby_are_named() -> None:
    """Those nearest to the one that is taken, on that listener."""
    want = wished(ListenerRule(), "new", rule(10))
    holder = observed(ListenerRule(), "old", rule(10), None)
    refusal = obstacle(creating(want), ListenerRule(), [holder], {want.address: want})
    assert refusal is not None
    assert refusal.hint == "choose a free priority, such as 7, 8, 11"


@pytest.mark.parametrize(("kind", "of", "refused"), [(Listener(), listener, True), (ListenerRule(), rule, False)])
def test_two_that_change_places(kind: ResourceType[Any], of: Callable[[int], Spec], refused: bool) -> None:
    """Rules exchange their priorities in one call; listeners cannot exchange their ports."""
    left, right = observed(kind, "left", of(1)), observed(kind, "right", of(2))
    wishes = {one.address: one for one in (wished(kind, "left", of(2)), wished(kind, "right", of(1)))}
    action = Action(Verb.UPDATE, left.address, "", changes=(CHANGE,), old=left, new=wishes[left.address])
    assert (obstacle(action, kind, [left, right], wishes) is not None) == refused


def test_what_moves_away_is_in_nobodys_way() -> None:
    """A port that this plan has its holder give up is free for another."""
    kind = Listener()
    left, right = observed(kind, "left", listener(1)), observed(kind, "right", listener(2))
    wishes = {one.address: one for one in (wished(kind, "left", listener(2)), wished(kind, "right", listener(3)))}
    action = Action(Verb.UPDATE, left.address, "", changes=(CHANGE,), old=left, new=wishes[left.address])
    assert obstacle(action, kind, [left, right], wishes) is None


def test_what_is_not_ours_does_not_move_away() -> None:
    """The specs say nothing of a stranger, even where it is shown at the address of one of ours."""
    kind = Listener()
    left, right = observed(kind, "left", listener(1)), observed(kind, "right", listener(2), "theirs")
    wishes = {one.address: one for one in (wished(kind, "left", listener(2)), wished(kind, "right", listener(3)))}
    action = Action(Verb.UPDATE, left.address, "", changes=(CHANGE,), old=left, new=wishes[left.address])
    assert obstacle(action, kind, [left, right], wishes) is not None


def test_a_subnet_is_in_its_own_way() -> None:
    """A replacement is made beside the old one, which AWS does not allow with a range that overlaps it."""
    kind, old = Subnet(), observed(Subnet(), "web", subnet("10.0.0.0/24"))
    want = wished(kind, "web", subnet("10.0.0.0/23"))
    action = Action(Verb.REPLACE, want.address, "AWS cannot change cidr in place", old=old, new=want)
    refusal = obstacle(action, kind, [old], {want.address: want})
    assert refusal is not None
    assert refusal.code is RefusalCode.IMMUTABLE


def test_a_priority_of_somebody_else_can_be_taken_over_or_avoided() -> None:
    """Where the stack has no such rule yet, the one that is there may be meant: both ways out are named."""
    kind, want = ListenerRule(), wished(ListenerRule(), "new", rule(10))
    world = ObservedState({kind.kind: [observed(kind, "new", rule(10), None)]})
    (refusal,) = draft("ours", [want], world, ResourceTypes([kind])).refusals
    assert (refusal.code, refusal.where) == (RefusalCode.CONFLICT, "specs/case.yaml:3")
    assert "new-id already has priority 10" in refusal.because
    assert refusal.hint.startswith("set `adopt: true`")
    assert refusal.hint.endswith("7, 8, 11")


# -- found out while the plan is carried out


class Taken(ToyAws):
    """An AWS in which a shelf of that name turns out to exist: `holder` is its stack, and there may be none to see."""

    def __init__(self, holder: str | None, *, shown: bool = True) -> None:
        super().__init__()
        self.holder, self.shown = holder, shown

    def CreateThing(self, kind: str, name: str, spec: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
        if self.shown:
            self.put(kind, name, stack=self.holder)
        raise errors.Exists("it exists", call="toy.CreateThing", code="AlreadyExists")


@pytest.mark.parametrize("holder", ["others", None])
def test_what_somebody_else_made_in_the_meantime_fails_at_once(holder: str | None) -> None:
    """Waiting for it would have no end: the step fails with the reason."""
    report = run(Taken(holder), desired_state(want("shelf", "s")), patience=1800.0)
    (outcome,) = report.last.outcomes
    assert outcome.result is Result.FAILED
    assert "shelf-1" in outcome.because
    assert len(report.passes) == 1
    assert not report.timed_out


def test_what_the_stack_itself_made_is_read_again() -> None:
    """A create whose answer was lost: the next pass finds what it made."""
    report = run(Taken(STACK), desired_state(want("shelf", "s")))
    assert report.passes[0].outcomes[0].result is Result.WAITING
    assert not report.timed_out
    assert not report.last.failed
    assert report.passes[-1].plan.unchanged == 1


def test_what_nobody_shows_is_given_up_after_a_while() -> None:
    """AWS says that it exists and never shows it: a few attempts, and then the reason instead of the whole timeout."""
    report = run(Taken(None, shown=False), desired_state(want("shelf", "s")), patience=1800.0)
    assert [one.result for one in report.last.outcomes] == [Result.FAILED]
    assert not report.timed_out
    assert sum(len(one.outcomes) for one in report.passes) >= TRIES


@pytest.mark.parametrize("kind_and_spec", [(Listener(), listener(80)), (ListenerRule(), rule(10))])
@pytest.mark.parametrize("protect", [False, True])
def test_what_is_protected_is_not_taken_over(kind_and_spec: tuple[ResourceType[Any], Spec], protect: bool) -> None:
    """One that leaves the specs becomes the one that needs its place, unless it is protected: then it stays."""
    kind, spec = kind_and_spec
    address = Address(kind.kind, "old")
    tags = tags_for(STACK, address, protect=protect, declared={})
    old = Observed(address, "old-id", spec, tags=tags, facts={"priorities": [10]})
    found = draft(STACK, [wished(kind, "new", spec)], ObservedState({kind.kind: [old]}), ResourceTypes([kind]))
    assert found.actions == ()
    assert found.names["old-id"] == (address if protect else Address(kind.kind, "new"))
    codes = {one.code for one in found.refusals}
    assert codes == ({RefusalCode.CONFLICT, RefusalCode.PROTECTED} if protect else set())


@pytest.mark.parametrize(
    ("balancer", "renamed", "because"),
    [("web", False, ""), ("new", True, "moved_from: web"), ("new", False, "name a new target group")],
)
@pytest.mark.parametrize("by_rule", [True, False])
def test_a_target_group_of_another_load_balancer(balancer: str, renamed: bool, because: str, by_rule: bool) -> None:
    """AWS allows a target group one load balancer (quotas of Application Load Balancers)."""
    group = TargetGroupSpec(vpc="vpc-1", name="web", port=80, protocol="HTTP", target_type="ip")
    used = replace(observed(TargetGroup(), "web", group), facts={"load_balancers": ("web-id",)})
    spec = LoadBalancerSpec(name="web", scheme="internal", subnets=("subnet-1",), security_groups=())
    world = ObservedState({"target-group": [used], "load-balancer": [observed(LoadBalancer(), "web", spec)]})
    action = ListenerAction(forward=(Forward(target_group="web-id", weight=100),))
    door = Address("load-balancer", balancer)
    to = ListenerSpec(load_balancer=Ref(door), port=80, protocol="HTTP", initial_action=action)
    wishes = [wished(LoadBalancer(), balancer, spec), wished(Listener(), "main", to)]
    want = wishes[1]
    if by_rule:
        rule_spec = ListenerRuleSpec(listener=Ref(want.address), priority=1, action=action)
        want = wished(ListenerRule(), "api", rule_spec)
    if not renamed:
        wishes.append(wished(LoadBalancer(), "web", spec))
    desired = {one.address: one for one in (*wishes, want)}

    refusal = obstacles.obstacle(creating(want), discover(), world, desired, {}, "ours")

    assert (refusal is not None) == bool(because)
    if refusal is not None:
        assert (refusal.code, refusal.where) == (RefusalCode.CONFLICT, "specs/case.yaml:3")
        assert because in refusal.hint
