"""Planning: what is decided for each resource, and in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.model import ownership
from reconciler.model.guard import Guard, check
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import DeferralCode, Deferred, Plan, Refusal, RefusalCode, Verb
from reconciler.model.planner import Consent
from reconciler.model.resource import Address, Desired, Ref
from reconciler.reconcile.observe import StackId, observe
from tests.model.ordered_plan import plan
from tests.toy import KINDS, STACK, ToyAws, shelf, want

PLACE = StackId(STACK, "123456789012", "us-west-2")


def made(world: ToyAws, *desired: Desired[Any], **kwargs: Any) -> Plan:
    return plan(STACK, desired, observe(AwsClient(world), KINDS, PLACE, desired), KINDS, **kwargs)


def verbs(found: Plan) -> list[tuple[str, str]]:
    return [(action.verb.value, str(action.address)) for action in found.actions]


def test_what_is_missing_is_created_after_what_it_refers_to() -> None:
    """A resource is made after the resources that its spec refers to."""
    found = made(ToyAws(), want("box", "b", shelf=shelf("s")), want("shelf", "s"))
    assert verbs(found) == [("create", "shelf/s"), ("create", "box/b")]
    assert [[str(step) for step in wave] for wave in found.waves()] == [["shelf/s:make"], ["box/b:make"]]


def test_what_is_as_wanted_is_left_alone() -> None:
    """Nothing is planned for what is as the specs have it, whatever AWS adds of its own."""
    world = ToyAws()
    on = world.put("shelf", "s", height=3)
    world.put("box", "b", shelf=on, size=1, color="red", labels=("x",), options={"theirs": "1"}, count=9)
    found = made(world, want("shelf", "s"), want("box", "b", shelf=shelf("s"), options={}, count=2))
    assert not found
    assert found.unchanged == 2


def test_fields_differ_by_path_and_only_where_declared() -> None:
    """Each declared difference shows as its own path; sets by their items, partial mappings by our keys only."""
    world = ToyAws()
    on = world.put("shelf", "s")
    world.put("box", "b", shelf=on, color="red", labels=("old", "same"), options={"ours": "1", "theirs": "1"})
    found = made(
        world,
        want("shelf", "s"),
        want("box", "b", shelf=shelf("s"), color="blue", labels=("same", "new"), options={"ours": "2"}),
    )
    (action,) = found.actions
    assert action.verb is Verb.UPDATE
    assert sorted(map(str, action.changes)) == ["color", "labels.new", "labels.old", "options.ours"]


def test_a_field_of_another_owner_is_never_a_change() -> None:
    """What the autoscaler owns is not compared once the resource exists."""
    world = ToyAws()
    world.put("box", "b", shelf="shelf-9", count=7)
    assert not made(world, want("box", "b", shelf="shelf-9", count=1))


def test_a_change_that_starts_new_tasks_is_a_rollout() -> None:
    """A change of a rolling field is a `roll`, not an `update`."""
    world = ToyAws()
    world.put("box", "b", shelf="shelf-9", version="1")
    assert verbs(made(world, want("box", "b", shelf="shelf-9", version="2"))) == [("roll", "box/b")]


def test_an_immutable_change_replaces_and_the_old_one_goes_last() -> None:
    """What is replaced is made first where names allow, and dropped after what refers to it has moved on."""
    world = ToyAws()
    on = world.put("shelf", "s")
    world.put("box", "b", shelf=on, size=1)
    found = made(world, want("shelf", "s"), want("box", "b", shelf=shelf("s"), size=2))
    assert verbs(found) == [("replace", "box/b")]
    assert [[str(step) for step in wave] for wave in found.waves()] == [["box/b:make"], ["box/b:drop:box-2"]]
    assert found.actions[0].changes[0].immutable


def test_a_type_that_is_never_replaced_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that would take the rest with it is refused with what to do instead."""
    from reconciler.model.resource_type import Replace

    world = ToyAws()
    world.put("box", "b", shelf="shelf-9", size=1)
    monkeypatch.setattr(type(KINDS["box"]), "replace", Replace.NEVER)
    found = made(world, want("box", "b", shelf="shelf-9", size=2))
    assert [refusal.code for refusal in found.refusals] == ["immutable"]
    monkeypatch.setattr(type(KINDS["box"]), "replace", Replace.DELETE_FIRST)
    assert made(world, want("box", "b", shelf="shelf-9", size=2)).refusals
    consent = Consent(frozenset({Address("box", "b")}))
    agreed = made(world, want("box", "b", shelf="shelf-9", size=2), consent=consent)
    assert [str(step) for wave in agreed.waves() for step in wave] == ["box/b:drop:box-1", "box/b:make"]


def test_what_is_not_ours_is_a_conflict_and_never_an_action() -> None:
    """A wanted name without our tags is refused, with the way to take it over; another stack's has no such way."""
    world = ToyAws()
    world.put("shelf", "s", stack=None)
    found = made(world, want("shelf", "s"), want("box", "b", shelf=shelf("s")))
    assert not found.actions
    assert [(refusal.code, str(refusal.address)) for refusal in found.refusals] == [("conflict", "shelf/s")]
    assert "adopt: true" in found.refusals[0].hint
    world.things["shelf-1"]["tags"] = {ownership.STACK: "others", ownership.ADDRESS: "shelf/s"}
    (refusal,) = made(world, want("shelf", "s", adopt=True)).refusals
    assert refusal.code == "conflict"
    assert not refusal.hint


def test_adoption_tags_and_puts_right() -> None:
    """`adopt: true` takes over what nobody owns, its differences included."""
    world = ToyAws()
    world.put("shelf", "s", stack=None, height=1)
    (action,) = made(world, want("shelf", "s", adopt=True, height=2)).actions
    assert action.verb is Verb.ADOPT
    assert action.tags.put == {ownership.STACK: STACK, ownership.ADDRESS: "shelf/s"}
    assert [str(change) for change in action.changes] == ["height"]


def test_what_the_specs_drop_goes_backwards() -> None:
    """What is no longer wanted is deleted, what stands on it first; what others own stays."""
    world = ToyAws()
    on = world.put("shelf", "s")
    world.put("box", "b", shelf=on)
    world.put("box", "theirs", stack="others", shelf=on)
    world.put("box", "nobodys", stack=None, shelf=on)
    found = made(world)
    assert [[str(step) for step in wave] for wave in found.waves()] == [["box/b:drop:box-2"], ["shelf/s:drop:shelf-1"]]


def test_protection_outlives_its_block() -> None:
    """What was applied with `protect: true` is not deleted when its block disappears."""
    world = ToyAws()
    world.put("shelf", "s", tags={ownership.PROTECT: "true"})
    found = made(world)
    assert not found.actions
    assert [refusal.code for refusal in found.refusals] == ["protected"]
    (action,) = made(world, want("shelf", "s")).actions
    assert action.tags.drop == (ownership.PROTECT,)


def test_of_two_of_ours_the_one_in_use_stays() -> None:
    """A duplicate, made when a stale read hid the first, is deleted; the one that others refer to is kept."""
    world = ToyAws()
    world.put("shelf", "s")
    used = world.put("shelf", "s")
    world.put("box", "b", shelf=used)
    found = made(world, want("shelf", "s"), want("box", "b", shelf=shelf("s")))
    assert [(action.verb.value, action.old.id) for action in found.actions if action.old] == [("delete", "shelf-1")]


def test_unknown_is_not_absent() -> None:
    """A type that could not be read is neither created nor deleted, nor is anything that refers to it."""
    world = ToyAws()
    world.put("box", "old", shelf="shelf-9")
    world.fail["toy.ListThings"] = errors.Denied("no", call="toy.ListThings", code="AccessDenied")
    found = made(world, want("shelf", "s"), want("box", "b", shelf=shelf("s")))
    assert not found.actions
    assert {refusal.code for refusal in found.refusals} == {"read-failed"}


def test_a_circle_is_said_and_not_planned() -> None:
    """References in a circle are an error of the specs that names the circle."""
    one, two = (
        want("box", "one", shelf=Ref(Address("box", "two"))),
        want("box", "two", shelf=Ref(Address("box", "one"))),
    )
    with pytest.raises(errors.SpecInvalid, match="box/one"):
        plan(STACK, [one, two], ObservedState(), KINDS)


def test_the_digest_is_of_what_would_be_done() -> None:
    """The same plan has the same digest; another wish, or another world, has another."""
    first = made(ToyAws(), want("shelf", "s", height=1)).digest
    assert first == made(ToyAws(), want("shelf", "s", height=1)).digest
    assert first != made(ToyAws(), want("shelf", "s", height=2)).digest
    world = ToyAws()
    world.put("shelf", "s", height=3)
    assert first != made(world, want("shelf", "s", height=1)).digest


def test_the_digest_is_of_refusals_and_consent_too() -> None:
    """A plan that is blocked, or that was allowed more, is another one although it has the same actions."""
    found = made(ToyAws(), want("shelf", "s", height=1))
    refusal = Refusal(RefusalCode.GUARD, None, "too many")
    others = [replace(found, refusals=(refusal,)), replace(found, allowed=("max-delete 3",))]
    others += [replace(one, refusals=(replace(refusal, because="more"),)) for one in others]
    assert len({one.digest for one in (found, *others)}) == 5


def test_secrets_are_neither_in_changes_shown_nor_in_the_digest_text() -> None:
    """A secret field is marked, so that every view hides it."""
    world = ToyAws()
    world.put("box", "b", shelf="shelf-9", key="old-canary")
    (action,) = made(world, want("box", "b", shelf="shelf-9", key="new-canary")).actions
    assert action.changes[0].secret


@pytest.mark.parametrize(
    ("guard", "allowed"),
    [
        (Guard(), True),
        (Guard(max_delete=2), True),
        (Guard(max_delete=1), False),
        (Guard(max_delete_percent=50), True),
        (Guard(max_delete_percent=49), False),
    ],
)
def test_the_guard_counts_what_leaves(guard: Guard, allowed: bool) -> None:
    """A plan that deletes more than its guard allows, by number or by share, is refused."""
    world = ToyAws()
    for name in "abcd":
        world.put("shelf", name)
    found = made(world, want("shelf", "a"), want("shelf", "b"))
    assert (check(found, guard) == ()) is allowed


def test_the_guard_counts_a_resource_once_that_changes_in_steps() -> None:
    """What is left of an update for later is not another resource."""
    world = ToyAws()
    for name in "abcd":
        world.put("shelf", name, height=1)
    found = made(world, want("shelf", "a", height=2), want("shelf", "b", height=2))
    update = next(action for action in found.actions if action.verb is Verb.UPDATE)
    split = replace(found, deferred=(Deferred(update, DeferralCode.IN_USE, "later"),))
    assert check(split, Guard(max_delete_percent=49)) != ()


def test_tags_follow_the_specs_and_leave_other_peoples_alone() -> None:
    """A tag that the specs once set and no longer do is dropped; one that somebody else set stays."""
    have = {ownership.MANAGED: "team cost", "team": "a", "cost": "1", "theirs": "x", ownership.STACK: STACK}
    want_tags = ownership.tags_for(STACK, Address("shelf", "s"), protect=False, declared={"team": "b"})
    found = ownership.tag_changes(have, want_tags)
    assert found.drop == ("cost",)
    assert found.put == {
        "team": "b",
        ownership.MANAGED: want_tags[ownership.MANAGED],
        ownership.ADDRESS: "shelf/s",
    }
