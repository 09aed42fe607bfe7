"""Deferral: what of a plan waits, and for what, over hand-made observations of real types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model import ownership
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import DeferralCode, Plan, Verb
from reconciler.model.planner import draft
from reconciler.model.resource import Address, Desired, Observed, ResourceHealth
from reconciler.model.type_registry import discover
from reconciler.reconcile import deferral
from reconciler.resources._elb_actions import NOBODY, Action, Forward
from reconciler.resources.listener import ListenerSpec
from reconciler.resources.listener_rule import ListenerRule, ListenerRuleSpec
from reconciler.resources.role import RoleSpec
from reconciler.resources.schedule import ScheduleSpec
from reconciler.resources.service import ServiceSpec
from reconciler.resources.target_group import TargetGroupSpec
from reconciler.resources.task import TaskSpec
from reconciler.resources.task_definition import TaskDefinitionSpec
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.stored_state import KEYS
from reconciler.rollout.strategy import Strategy

STACK = "shop"
DOOR = Address("listener", "lb-production")
OTHER_DOOR = Address("listener", "lb-other")


def tags(address: Address) -> dict[str, str]:
    return {ownership.STACK: STACK, ownership.ADDRESS: str(address)}


def group(name: str) -> tuple[Desired[Any], Observed[Any]]:
    spec = TargetGroupSpec(name=name, port=80, protocol="HTTP", vpc="vpc-1", target_type="ip")
    address = Address("target-group", name)
    return Desired(address, spec, tags(address)), Observed(address, name, spec, tags(address))


def listener(address: Address, port: int = 80, /, **weights: int) -> tuple[Desired[Any], Observed[Any]]:
    forwards = tuple(Forward(target_group=one, weight=weight) for one, weight in weights.items())
    action = Action(forward=forwards) if weights else Action(fixed_response=NOBODY)
    spec = ListenerSpec(load_balancer="lb", port=port, protocol="HTTP", default_action=action)
    return Desired(address, spec, tags(address)), Observed(address, str(address), spec, tags(address))


def service(
    name: str, *groups: str, ready: bool = True, established: bool = True
) -> tuple[Desired[Any], Observed[Any]]:
    address, spec = Address("service", name), ServiceSpec(cluster="c", name=name)
    deployment = {"status": "PRIMARY", "runningCount": 1}
    item = {
        "deploymentController": {"type": "EXTERNAL"},
        "deployments": [deployment],
        "loadBalancers": [{"targetGroupArn": one} for one in groups],
    }
    facts = {"item": item, "deployments": [deployment], "task_definitions": ("t:1",), "established": established}
    health = ResourceHealth.READY if ready else ResourceHealth.PROGRESSING
    return Desired(address, spec, tags(address)), Observed(address, name, spec, tags(address), health, facts=facts)


def planned(desired: list[Desired[Any]], world: list[Observed[Any]], *deliveries: RolloutSpec) -> Plan:
    found: dict[str, list[Observed[Any]]] = {}
    for one in world:
        found.setdefault(one.address.kind, []).append(one)
    state, types = ObservedState(found), discover()
    plan = draft(STACK, desired, state, types)
    assert not plan.refusals
    return deferral.deferral(plan, state, {want.address: want for want in desired}, types, deliveries)


def delivery(name: str, production: Address | None = DOOR, test: Address | None = None) -> RolloutSpec:
    return RolloutSpec(Address("service", name), Address("task-definition", name), production=production, test=test)


def done(plan: Plan) -> list[str]:
    return sorted(f"{one.verb} {one.address}" for one in plan.actions)


def waits(plan: Plan) -> dict[str, DeferralCode]:
    return {f"{one.action.verb} {one.action.address}": one.code for one in plan.deferred}


def waits_for(plan: Plan) -> set[Address | None]:
    return {one.waits_for for one in plan.deferred}


def test_what_another_resource_refers_to_is_not_deleted() -> None:
    """A target group that a listener names, though with the weight 0, is deleted once it does not."""
    blue, old = group("blue"), group("old")
    named = listener(DOOR, blue=100, old=0)
    left = Desired(DOOR, named[0].spec.model_copy(update={"default_action": None}), tags(DOOR))
    found = planned([blue[0], left], [blue[1], old[1], named[1]])
    assert done(found) == []
    assert waits(found) == {"delete target-group/old": DeferralCode.REFERRED_TO}
    assert waits_for(found) == {DOOR}


@pytest.mark.parametrize("ready", [False, True])
def test_a_service_goes_after_the_one_that_replaces_it(ready: bool) -> None:
    """While the new one has never been healthy; then while requests still reach the old one's tasks."""
    web, shop = service("web", "old"), service("shop", "new", ready=ready, established=ready)
    groups = [group("old"), group("new")]
    before, after = listener(DOOR, old=100, new=0), listener(DOOR, new=100)
    world = [web[1], shop[1], before[1], *(one[1] for one in groups)]
    found = planned([shop[0], after[0], groups[1][0]], world, delivery("shop"))
    if ready:
        assert done(found) == [f"update {DOOR}"]
        assert waits(found)["delete service/web"] == DeferralCode.SENDS_REQUESTS
    else:
        assert done(found) == []
        assert waits(found)["delete service/web"] == DeferralCode.NOT_HEALTHY
        assert Address("service", "shop") in waits_for(found)
    switched = listener(DOOR, new=100, old=0)
    found = planned([shop[0], after[0], groups[1][0]], [web[1], service("shop", "new")[1], switched[1], groups[1][1]])
    assert ("delete service/web" in done(found)) is True


def test_a_listener_goes_on_until_its_service_is_served_elsewhere() -> None:
    """And then until none of its tasks is in a target group that only this listener names."""
    old, new = group("old"), group("new")
    leaving, nobody = listener(DOOR, old=100), listener(DOOR)
    other = listener(OTHER_DOOR, 81, new=100)
    desired = [nobody[0], other[0], new[0], service("web")[0]]
    rest = [leaving[1], other[1], old[1], new[1]]
    found = planned(desired, [service("web", "old")[1], *rest], delivery("web", OTHER_DOOR))
    assert waits(found)[f"update {DOOR}"] == DeferralCode.NOT_SERVED
    found = planned(desired, [service("web", "old", "new")[1], *rest], delivery("web", OTHER_DOOR))
    assert waits(found)[f"update {DOOR}"] == DeferralCode.TASKS_IN_GROUP
    found = planned(desired, [service("web", "new")[1], *rest], delivery("web", OTHER_DOOR))
    assert f"update {DOOR}" in done(found)
    assert "delete target-group/old" in done(found)


@pytest.mark.parametrize("ready", [False, True])
def test_an_adopted_listener_sends_requests_to_a_new_service_once_that_is_healthy(ready: bool) -> None:
    """It is adopted at once, and names the new target group; what served its requests before goes on until then."""
    wanted, _ = listener(DOOR, new=100)
    found = listener(DOOR, foreign=100)[1]
    loss = frozenset({f"{DOOR}.default_action"})
    adopted = Desired(DOOR, wanted.spec, tags(DOOR), adopt=True, accept_loss=loss)
    unowned = Observed(DOOR, found.id, found.spec, facts={"actions": ()})
    web, new = service("web", *(["new"] if ready else []), ready=ready, established=ready), group("new")
    plan = planned([adopted, new[0], web[0]], [unowned, new[1], web[1]], delivery("web"))
    (action,) = plan.actions
    assert action.verb is Verb.ADOPT
    assert action.tags.put == tags(DOOR)
    assert action.new is not None
    weights = {str(one.target_group): one.weight for one in action.new.spec.default_action.forward}
    assert weights == ({"new": 100} if ready else {"foreign": 100, "new": 0})
    if ready:
        assert not plan.deferred
    else:
        (later,) = plan.deferred
        assert (later.action.verb, later.action.tags.put) == (Verb.UPDATE, {})


def test_what_is_done_of_an_update_is_not_listed_as_deferred() -> None:
    """Also a change that is marked, such as a loss that the document accepts: the mark stays with it."""
    old, new, web = group("old"), group("new"), service("web", "old")
    before, after = listener(DOOR, old=100), listener(DOOR, new=100)
    wanted = Desired(DOOR, after[0].spec.model_copy(update={"ssl_policy": "new"}), tags(DOOR))
    desired, world = [wanted, old[0], new[0], web[0]], [before[1], old[1], new[1], web[1]]
    state = ObservedState(
        {one.address.kind: [each for each in world if each.address.kind == one.address.kind] for one in world}
    )
    plan = draft(STACK, desired, state, discover())
    (action,) = plan.actions
    marked = replace(action, changes=tuple(replace(one, loss=one.field == "ssl_policy") for one in action.changes))
    found = deferral.deferral(
        replace(plan, actions=(marked,)), state, {want.address: want for want in desired}, discover(), ()
    )
    assert [one.field for one in found.actions[0].changes if one.loss] == ["ssl_policy"]
    assert {one.field for one in found.deferred[0].action.changes} == {"default_action"}


def test_a_listener_whose_name_changes_is_the_same_listener() -> None:
    """One port of a load balancer has one listener: it is tagged with its new address."""
    blue = group("blue")
    _, there = listener(DOOR, blue=100)
    wanted, _ = listener(OTHER_DOOR, blue=100)
    found = planned([blue[0], wanted], [blue[1], there])
    (action,) = found.actions
    assert action.verb is Verb.UPDATE
    assert action.old is not None
    assert action.old.id == there.id
    assert action.tags.put == {ownership.ADDRESS: str(OTHER_DOOR)}


def definition(name: str, id: str, **fields: Any) -> Observed[Any]:
    address = Address("task-definition", name)
    return Observed(
        address, id, TaskDefinitionSpec(family=name, cpu=256, memory=512, containers={}, **fields), tags(address)
    )


def test_a_service_that_stays_for_now_keeps_its_task_definition() -> None:
    """A listener still sends requests to it; ECS needs the revision to replace a task."""
    web, shop = service("web", "old"), service("shop", "new")
    before = listener(DOOR, old=100, new=0)
    world = [web[1], shop[1], before[1], definition("web", "t:1")]
    found = planned([shop[0], listener(DOOR, new=100)[0]], world, delivery("shop"))
    assert waits(found)["delete service/web"] == DeferralCode.SENDS_REQUESTS
    assert waits(found)["delete task-definition/web"] == DeferralCode.IN_USE


@pytest.mark.parametrize("rolls", [False, True])
def test_what_a_service_that_leaves_may_need_is_kept_with_it(rolls: bool) -> None:
    """A rollout is a reason only where there is one."""
    web, shop = service("web", "old"), service("shop", "new", ready=False, established=False)
    if rolls:
        shop = (replace(shop[0], spec=shop[0].spec.model_copy(update={"task_definition": "t:2"})), shop[1])
    role = Observed(Address("role", "web"), "role-1", RoleSpec(name="web", trust={}), tags(Address("role", "web")))
    found = planned([shop[0]], [web[1], shop[1], role], delivery("shop"))
    (kept,) = (one for one in found.deferred if one.action.address == role.address)
    expected = (DeferralCode.SEVERAL_VERSIONS, None) if rolls else (DeferralCode.KEPT_TOGETHER, web[1].address)
    assert (kept.code, kept.waits_for) == expected


def test_a_task_that_leaves_is_ended_and_what_it_uses_goes_then() -> None:
    """It would be kept together with what it uses itself otherwise."""
    at, task = Address("role", "job"), Address("task", "job")
    role = Observed(at, "role-1", RoleSpec(name="job", trust={}), tags(at))
    spec = TaskSpec(cluster="c", task_definition="job:1")
    running = ResourceHealth.PROGRESSING
    run = Observed(task, "run-1", spec, tags(task), running, parent="job:1", facts={"network": ["sg-1"]})
    found = planned([], [run, definition("job", "job:1", execution_role="role-1"), role])
    assert done(found) == ["delete task/job"]
    kept = waits(found)
    assert kept["delete role/job"] == DeferralCode.IN_USE
    assert kept["delete task-definition/job"] == DeferralCode.KEPT_TOGETHER
    assert at in waits_for(found)


@pytest.mark.parametrize("older", [False, True])
def test_what_a_running_task_uses_stays_although_nothing_is_wanted_of_it(older: bool) -> None:
    """A pre-deployment task or a scheduled one, also of an earlier revision than the newest."""
    at = [Address("role", name) for name in ("job", "other")]
    roles = [Observed(one, f"{one.name}-1", RoleSpec(name=one.name, trust={}), tags(one)) for one in at]
    newest = definition("job", "job:2", execution_role="other-1" if older else "job-1")
    runs = replace(newest, facts={"runs": ["job:1", "job:2", "job-1"]})
    found = planned([], [runs, *roles])
    assert waits(found)["delete task-definition/job"] == DeferralCode.IN_USE
    assert waits(found)["delete role/job"] == DeferralCode.IN_USE
    assert ("delete role/other" in done(found)) is not older
    assert len(done(planned([], [newest, *roles]))) == 3


def test_a_schedule_goes_while_a_task_that_it_started_runs() -> None:
    """Otherwise it would start another one before that has ended, and would never go."""
    address = Address("schedule", "job")
    spec = ScheduleSpec(name="job", expression="rate(1 minute)", cluster="c", task_definition="job:1", role="job")
    runs = replace(definition("job", "job:1"), facts={"runs": ["job:1"]})
    found = planned([], [runs, Observed(address, "schedule-1", spec, tags(address))])
    assert done(found) == [f"delete {address}"]
    assert waits(found) == {"delete task-definition/job": DeferralCode.IN_USE}


def test_a_role_that_a_running_task_uses_is_not_narrowed() -> None:
    """Roles of others are, and those of a task that stays: it gets what is declared, as a service's tasks do."""
    from tests.reconcile.test_in_flight import narrowed

    job, web = narrowed("job"), narrowed("web")
    runs = replace(definition("job", "job:1", execution_role="job"), facts={"runs": ["job:1", "job"]})
    found = planned([job[0], web[0]], [runs, job[1], web[1]])
    assert done(found) == ["update role/web"]
    assert "update role/job" in waits(found)
    stays = Desired(runs.address, runs.spec, runs.tags)
    assert set(done(planned([job[0], web[0], stays], [runs, job[1], web[1]]))) == {"update role/job", "update role/web"}


RULE = Address("listener-rule", "shop-production")


def rule(*paths: str, id: str = "", **weights: int) -> tuple[Desired[Any], Observed[Any]]:
    address = Address("listener-rule", id) if id else RULE
    forwards = tuple(Forward(target_group=one, weight=weight) for one, weight in weights.items())
    spec = ListenerRuleSpec(
        listener=str(DOOR), priority=len(id) + 1, paths=paths, hosts=(), action=Action(forward=forwards)
    )
    facts = {"actions": (), "conditions": (), "patterns": [], "priorities": ()}
    return Desired(address, spec, tags(address)), Observed(address, str(address), spec, tags(address), facts=facts)


@pytest.mark.parametrize(
    ("served", "in_place", "ready", "begins"),
    [
        ("old", True, False, False),
        ("old", True, True, True),
        ("old", False, False, True),
        ("strange", False, False, False),
        ("", True, False, True),
    ],
    ids=["wait", "healthy", "nobody serves yet", "somebody else serves", "nobody serves"],
)
def test_a_new_rule_takes_requests_that_are_served_once_its_targets_are_healthy(
    served: str, in_place: bool, ready: bool, begins: bool
) -> None:
    """What is left of it is deferred, so that the plan shows it."""
    web = service("web", "old", ready=in_place, established=in_place)
    shop = service("shop", "new", ready=ready, established=ready)
    door = listener(DOOR, **({served: 100} if served else {}))
    wanted = rule("/shop/*", new=100)[0]
    groups = [group("old"), group("new")]
    found = planned(
        [web[0], shop[0], door[0], wanted, *(one[0] for one in groups)],
        [web[1], shop[1], door[1], *(one[1] for one in groups)],
        delivery("web"),
        delivery("shop", RULE),
    )
    (created,) = (one for one in found.actions if one.address == RULE)
    assert created.new is not None
    assert (created.new.spec.paths == ("/shop/*",)) is begins
    assert [one.address for one in (deferred.action for deferred in found.deferred)] == ([] if begins else [RULE])


def test_who_has_the_requests_of_a_new_rule_keeps_them_until_it_takes_them() -> None:
    """A rule that is to take other requests takes both meanwhile; one that leaves stays."""
    web, shop = service("web", "old"), service("shop", "new")
    there, groups = rule("/shop/*", id="web-production", old=100), [group("old"), group("new")]
    changed = Desired(there[0].address, there[0].spec.model_copy(update={"paths": ("/web/*",)}), there[0].tags)
    wanted, door = rule("/shop/*", new=100)[0], listener(DOOR)
    world = [web[1], shop[1], door[1], there[1], *(one[1] for one in groups)]
    rest = [web[0], shop[0], door[0], *(one[0] for one in groups)]

    found = planned([*rest, changed, wanted], world)
    (update,) = (one for one in found.actions if one.address == changed.address)
    assert update.new is not None
    assert set(update.new.spec.paths) == {"/shop/*", "/web/*"}

    found = planned([*rest, wanted], world)
    assert f"delete {changed.address}" not in done(found)
    assert waits(found)[f"delete {changed.address}"] == DeferralCode.TAKEN_LATER
    assert RULE in waits_for(found)


@pytest.mark.parametrize("ready", [False, True])
def test_a_rule_that_waits_takes_its_requests_once_its_targets_are_healthy(ready: bool) -> None:
    """And only when it takes them does the one go that had them; until then it names its target groups, and no more."""
    web, shop = service("web", "old"), service("shop", "new", ready=ready, established=ready)
    groups, door = [group("old"), group("new")], listener(DOOR, old=100)
    leaving = rule("/shop/*", id="web-production", old=100)[1]
    wanted, takes = rule("/shop/*", new=100)
    waiting = replace(takes, spec=ListenerRule().waiting(wanted).spec)
    desired = [web[0], shop[0], door[0], wanted, *(one[0] for one in groups)]
    rest = [web[1], shop[1], door[1], leaving, *(one[1] for one in groups)]

    found = planned(desired, [*rest, waiting])
    assert done(found) == ([f"update {RULE}"] if ready else [])
    assert waits(found)[f"delete {leaving.address}"] == DeferralCode.TAKEN_LATER
    if ready:
        (update,) = found.actions
        assert update.new is not None
        assert (update.new.spec.paths, update.new.spec.hosts) == (("/shop/*",), ())
        assert done(planned(desired, [*rest, takes])) == [f"delete {leaving.address}"]
    else:
        assert waits(found)[f"update {RULE}"] == DeferralCode.TAKES_LATER


def test_two_rules_exchange_their_requests() -> None:
    """Each takes both for one pass, so that no request falls through to the listener's own action."""
    services, groups = [service("web", "old"), service("shop", "new")], [group("old"), group("new")]
    there = [rule("/a/*", id="a", old=100), rule("/b/*", new=100)]
    wanted = [
        Desired(one.address, one.spec.model_copy(update={"paths": paths}), one.tags)
        for (one, _), paths in zip(there, [("/b/*",), ("/a/*",)], strict=True)
    ]
    door = listener(DOOR)
    desired = [*wanted, door[0], *(one[0] for one in (*services, *groups))]
    rest = [door[1], *(one[1] for one in (*services, *groups))]

    first = planned(desired, [*rest, *(one[1] for one in there)])
    after = {action.address: action.new.spec for action in first.actions if action.new is not None}
    assert {frozenset(spec.paths) for spec in after.values()} == {frozenset({"/a/*", "/b/*"})}
    both = [replace(one, spec=after[one.address]) for _, one in there]
    second = planned(desired, [*rest, *both])
    assert {str(one.address): one.new.spec.paths for one in second.actions if one.new is not None} == {
        str(one.address): one.spec.paths for one in wanted
    }
    assert not second.deferred


@pytest.mark.parametrize("ready", [False, True])
def test_a_rule_that_moves_to_another_listener_takes_what_is_served_there_once_its_targets_are_healthy(
    ready: bool,
) -> None:
    """It is created there before the one that it replaces goes, as any other new rule."""
    web, shop, legacy = service("web", "old"), service("shop", "new", ready=ready), service("legacy", "former")
    groups = [group("old"), group("new"), group("former")]
    door, other = listener(DOOR, old=100), listener(OTHER_DOOR, 81)
    wanted, _ = rule("/shop/*", new=100)
    there = rule("/shop/*", former=100)[1]
    there = replace(there, spec=there.spec.model_copy(update={"listener": str(OTHER_DOOR)}))
    rest, world = [web, shop, legacy, door, other, *groups], [there]
    found = planned([wanted, *(one[0] for one in rest)], [*world, *(one[1] for one in rest)])
    (created,) = found.actions
    assert created.new is not None
    assert (created.verb, created.new.spec.paths) == (Verb.CREATE, ("/shop/*",) if ready else ())
    assert (waits(found).get(f"update {RULE}") == DeferralCode.TAKES_LATER) is not ready


TEST_DOOR, TEST_RULE = Address("listener", "lb-test"), Address("listener-rule", "shop-test")


def at(door: Address, one: tuple[Desired[Any], Observed[Any]], **fields: Any) -> tuple[Desired[Any], Observed[Any]]:
    """The rule at another listener, and with other fields."""
    first, second = (each.spec.model_copy(update={"listener": str(door), **fields}) for each in one)
    return replace(one[0], spec=first), replace(one[1], spec=second)


def test_a_new_rule_of_a_test_listener_takes_its_requests_at_once() -> None:
    """Tests of the next version would reach whoever has the listener's own action; users reach the one that serves."""
    web, shop, groups = service("web", "old"), service("shop", "new", ready=False), [group("old"), group("new")]
    doors = [listener(DOOR, old=100), listener(TEST_DOOR, 81, old=100)]
    production, test = rule("/shop/*", new=100), at(TEST_DOOR, rule("/shop/*", id=TEST_RULE.name, new=100))
    deliveries = delivery("web", DOOR, TEST_DOOR), delivery("shop", RULE, TEST_RULE)
    rest, world = [web, shop, *doors, *groups], [web[1], shop[1], *(one[1] for one in (*doors, *groups))]
    found = planned([production[0], test[0], *(one[0] for one in rest)], world, *deliveries)
    created = {one.address: one.new.spec.paths for one in found.actions if one.new is not None}
    assert created == {RULE: (), TEST_RULE: ("/shop/*",)}
    # where another service has its users' requests through that listener, these come first
    users = delivery("web", TEST_DOOR, DOOR), deliveries[1]
    found = planned([production[0], test[0], *(one[0] for one in rest)], world, *users)
    created = {one.address: one.new.spec.paths for one in found.actions if one.new is not None}
    assert created == {RULE: (), TEST_RULE: ()}


def test_a_rule_of_a_test_listener_takes_the_requests_of_the_next_version_before_that_is_tested() -> None:
    """Whatever it had waited for, and while the release is under way that it was changed with."""
    shop, groups = service("shop", "new", ready=False), [group("new")]
    doors = [listener(DOOR), listener(TEST_DOOR, 81)]
    rules = [rule("/shop/*", new=100), at(TEST_DOOR, rule("/shop/*", id=TEST_RULE.name, new=100))]
    before = [
        at(DOOR, rules[0], paths=("/old/*",))[1],
        replace(rules[1][1], spec=ListenerRule().waiting(rules[1][0]).spec),
    ]
    under_way = replace(shop[1], tags={**shop[1].tags, KEYS["deadline"]: "r/up/0"})
    world = [under_way, *before, *(one[1] for one in (*doors, *groups))]
    shift = replace(delivery("shop", RULE, TEST_RULE), policy=Strategy(engine="task_sets"))
    assert shift.moves_traffic
    found = planned([one[0] for one in (shop, *rules, *doors, *groups)], world, shift)
    (update,) = found.actions
    assert update.new is not None
    assert (update.address, update.new.spec.paths, update.new.spec.hosts) == (TEST_RULE, ("/shop/*",), ())
    assert waits(found)[f"update {RULE}"] == DeferralCode.WITH_RELEASE


def test_a_rule_that_is_replaced_in_one_step_waits_like_a_new_one() -> None:
    """Nothing needs the old one, which had no requests; the new one would take those that the new listener serves."""
    web, shop, groups = service("web", "old"), service("shop", ready=False), [group("old"), group("new")]
    doors = [listener(DOOR, old=100), listener(OTHER_DOOR, 81)]
    wanted, there = rule("/shop/*", new=100)[0], at(OTHER_DOOR, rule("/shop/*", new=100))[1]
    leaving = rule("/shop/*", id="web-production", old=100)[1]
    rest = [web, shop, *doors, *groups]
    found = planned([wanted, *(one[0] for one in rest)], [there, leaving, *(one[1] for one in rest)])
    (replaced,) = found.actions
    assert replaced.new is not None
    assert (replaced.verb, replaced.new.spec.paths) == (Verb.REPLACE, ())
    assert waits(found) == {
        f"update {RULE}": DeferralCode.TAKES_LATER,
        f"delete {leaving.address}": DeferralCode.TAKEN_LATER,
    }


@pytest.mark.parametrize("gone", [False, True])
def test_a_new_service_that_gets_no_healthier_holds_back_no_rule_of_another(gone: bool) -> None:
    """It is to have the listener's own action: only a rule that leaves waits until somebody else takes its requests."""
    web, fresh = service("web", "old"), service("fresh", "new", ready=False, established=False)
    groups, door = [group("old"), group("new")], listener(DOOR, new=100)
    wanted, there = rule("/b/*", id="web-production", old=100)
    wanted = replace(wanted, spec=wanted.spec.model_copy(update={"hosts": ("b.example.com",)}))
    there = replace(there, spec=there.spec.model_copy(update={"paths": ("/a/*",), "hosts": ("a.example.com",)}))
    rest = [web, fresh, door, *groups]
    found = planned(
        [*([] if gone else [wanted]), *(one[0] for one in rest)],
        [there, *(one[1] for one in rest)],
        delivery("web", wanted.address),
        delivery("fresh", DOOR),
    )
    if gone:
        assert waits(found) == {f"delete {there.address}": DeferralCode.TAKEN_LATER}
        return
    (update,) = found.actions
    assert update.new is not None
    assert (update.new.spec.paths, update.new.spec.hosts) == (("/b/*",), ("b.example.com",))
