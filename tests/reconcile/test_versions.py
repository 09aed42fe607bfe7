"""Versions of what tasks read: an upgrade rolls nothing, and what rolls for another reason is pinned with it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.model.adoption import adopted
from reconciler.model.diff import Change, diff
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Action, Plan, Verb
from reconciler.model.resource import Address, Desired, Keep, Observed
from reconciler.reconcile import input_notes
from reconciler.resources._containers import Container
from reconciler.resources.secret_version import SecretVersionSpec
from reconciler.resources.task_definition import TaskDefinitionSpec, content

AT = Address("task-definition", "web")
SECRET = "arn:aws:secretsmanager:us-west-2:123456789012:secret:db"
FILE = "arn:aws:s3:::shop/web.env"
ONE, TWO = (f"{SECRET}-AbCdEf:::{number * 36}" for number in "12")
KEPT = {("containers", "web", "secrets", "KEY"): Keep.VERSION, ("containers", "web", "versions"): Keep.VERSION}


def spec(secret: str, image: str = "web:1", file: str = "") -> TaskDefinitionSpec:
    versions = {"versions": {FILE: file}} if file else {}
    container = Container(image=image, secrets={"KEY": secret}, **versions)
    return TaskDefinitionSpec(family="web", containers={"web": container})


def merged(want: TaskDefinitionSpec, have: TaskDefinitionSpec) -> TaskDefinitionSpec:
    return adopted(Desired(AT, want, kept=KEPT), Observed(AT, "arn:web:1", have)).spec


def test_an_upgrade_registers_no_revision() -> None:
    """Of what was registered before versions were looked up; its hash, and so the release, stays what it was."""
    live = spec(SECRET)
    found = merged(spec(ONE, file=f"{FILE} #abc"), live)
    assert not diff(Observed(AT, "arn:web:1", live), found)
    assert content(found) == content(live)


def test_the_next_release_is_pinned() -> None:
    want = spec(ONE, "web:2", file=f"{FILE} #abc")
    assert merged(want, spec(SECRET)) == want


@pytest.mark.parametrize(
    ("want", "have"), [(spec(TWO), spec(ONE)), (spec(ONE, file=f"{FILE} #new"), spec(ONE, file=f"{FILE} #old"))]
)
def test_a_new_version_is_a_change_and_another_release(want: TaskDefinitionSpec, have: TaskDefinitionSpec) -> None:
    found = merged(want, have)
    assert diff(Observed(AT, "arn:web:1", have), found)
    assert content(found) != content(have)


def world(definition: TaskDefinitionSpec, labelled: tuple[str, ...] = ("2" * 36,)) -> ObservedState:
    at = Address("secret-version", SECRET)
    facts = {"changed_at": datetime(2026, 1, 1, 10, tzinfo=UTC), "changed_by": "ana", "labelled": labelled}
    version: Observed[Any] = Observed(at, TWO, SecretVersionSpec(reference=SECRET), facts=facts)
    return ObservedState(
        {"secret-version": (version,), "task-definition": (Observed(AT, "arn:web:1", definition),)}, {}, frozenset(), {}
    )


def test_a_plan_says_when_and_by_whom_a_secret_was_rotated() -> None:
    change = Change(("containers", "web", "secrets", "KEY"), ONE, TWO, release=True, origin=f"secret-version/{SECRET}")
    plan = Plan("shop", (Action(Verb.UPDATE, AT, "a new revision is needed", (change,)),))
    (note,) = input_notes.rotations(plan, world(spec(ONE)))
    assert (note.address, note.because) == (AT, "KEY has a new version, changed at 2026-01-01 10:00 UTC by ana")
    followed = replace(change, old=f"{SECRET} #1", new=f"{SECRET} #2")
    (note,) = input_notes.rotations(
        replace(plan, actions=(replace(plan.actions[0], changes=(followed,)),)), world(spec(ONE))
    )
    assert "a rollback does not take it back" in note.because


def test_a_pinned_version_without_a_label_is_warned_of() -> None:
    """Before Secrets Manager deletes it; of a secret whose labels are not known, nothing is said."""
    (note,) = input_notes.lost(world(spec(ONE)))
    assert note.because.startswith(f"KEY is pinned to the version {'1' * 36}, which has no label any more")
    assert not list(input_notes.lost(world(spec(ONE), labelled=("1" * 36, "2" * 36))))
    assert not list(input_notes.lost(world(spec(ONE), labelled=())))
    assert not list(input_notes.lost(world(spec(SECRET))))


def test_what_a_rollback_does_not_take_back() -> None:
    have = Observed(AT, "arn:web:1", spec(f"{SECRET} #1", file=f"{FILE} #abc"))
    assert input_notes.not_taken_back(ObservedState({"task-definition": (have,)}), AT) == ("KEY", FILE)
    assert input_notes.not_taken_back(world(spec(ONE)), AT) == ()
    assert input_notes.not_taken_back(ObservedState(), AT) == ()
