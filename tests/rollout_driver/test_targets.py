"""What a service stands on."""

from __future__ import annotations

from dataclasses import replace

from reconciler.model.resource import Address
from reconciler.rollout.release import Release, RolloutTarget
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout_driver.held_back import blocking_dependency
from reconciler.rollout_driver.targets import ServiceRollout, restricted
from tests.harness.emulated_stack import emulated_stack
from tests.toy import shelf, want

SHELF, OTHER = want("shelf", "s", height=2), want("shelf", "other", height=1)
BOX = want("box", "b", shelf=shelf("s"))
LAST = replace(want("box", "last", shelf=shelf("other")), after=frozenset({BOX.address}))
WANTED = {one.address: one for one in (SHELF, OTHER, BOX, LAST)}


def test_what_is_referred_to_is_stood_on_however_far_away() -> None:
    """Directly, by what is to come before, and through what is in between."""
    assert blocking_dependency(WANTED, BOX.address, [SHELF.address]) == SHELF.address
    assert blocking_dependency(WANTED, LAST.address, [BOX.address]) == BOX.address
    assert blocking_dependency(WANTED, LAST.address, [SHELF.address]) == SHELF.address
    assert blocking_dependency(WANTED, BOX.address, [BOX.address]) == BOX.address


def test_what_is_not_needed_holds_nothing_up() -> None:
    """Nor does what needs it, nor something that the specs do not know."""
    assert blocking_dependency(WANTED, BOX.address, [OTHER.address, LAST.address]) is None
    assert blocking_dependency(WANTED, LAST.address, [Address("shelf", "nobody's")]) is None
    assert blocking_dependency(WANTED, LAST.address, []) is None


def test_of_several_it_is_always_the_same_one_that_is_named() -> None:
    """What is said of it must not differ from pass to pass."""
    undone = [SHELF.address, BOX.address, OTHER.address]
    assert {blocking_dependency(WANTED, LAST.address, order) for order in (undone, undone[::-1])} == {BOX.address}


def test_a_circle_is_gone_round_once() -> None:
    """Planning refuses circles; whoever asks before that gets an answer all the same."""
    there = replace(SHELF, after=frozenset({BOX.address}))
    assert blocking_dependency({there.address: there, BOX.address: BOX}, BOX.address, [OTHER.address]) is None


def test_under_specs_that_must_not_be_applied_nothing_is_wanted() -> None:
    """Nor is what was withdrawn promoted; that holds as well for a rollout whose service could not be read again."""
    spec = RolloutSpec(Address("service", "web"), Address("task-definition", "web"))
    rollout = ServiceRollout(spec, RolloutTarget("main", "web", Release("abc")))
    withdrawn = restricted(rollout, withheld="", withdrawn="the commit was removed").subject
    assert (withdrawn.release, withdrawn.withdrawn) == (Release("abc"), "the commit was removed")
    withheld = restricted(rollout, withheld="history was rewritten", withdrawn="").subject
    assert (withheld.release, withheld.not_ready) == (Release(""), "history was rewritten")
    assert restricted(replace(rollout, subject=withdrawn), withheld="", withdrawn="") == rollout


def test_a_release_whose_image_is_missing_has_no_id_but_all_else() -> None:
    """Earlier releases are told apart by it, so that one of them can be named in a request."""
    with emulated_stack() as stage:
        stage.serving()
        (before,) = stage.rollouts()
        stage.spec(v1="v9")
        (waiting,) = stage.rollouts()
    assert waiting.subject.not_ready
    assert (waiting.subject.release.id, waiting.subject.release.task_definition) == ("", "")
    assert waiting.subject.release.subnets == before.subject.release.subnets != ()
    assert waiting.subject.release.security_groups == before.subject.release.security_groups != ()
