"""What every resource type must obey, tried on the example in its test module."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from reconciler.aws.retry import is_read
from reconciler.model import ownership
from reconciler.model.diff import Change, diff, fields
from reconciler.model.resource import Desired, Observed, ResourceHealth, Spec
from reconciler.model.resource_type import FieldMark
from reconciler.model.type_registry import discover
from tests.laws.account import Stack, faults
from tests.laws.example import Edit, Example

MADE = {name: kind for name, kind in discover().items() if not kind.lookup}


def module_of(kind: str) -> str:
    """`tests.resources.test_<module>` of a type."""
    return f"tests.resources.test_{type(discover()[kind]).__module__.rpartition('.')[2]}"


def example_of(kind: str) -> Example | None:
    name = module_of(kind)
    if importlib.util.find_spec(name) is None:
        return None
    found = vars(importlib.import_module(name)).get("EXAMPLE")
    return found if isinstance(found, Example) else None


EXAMPLES = {kind: example for kind in MADE if (example := example_of(kind)) is not None}

every_type = pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
UNIQUE = {kind: example for kind, example in EXAMPLES.items() if example.unique}
TAGGED = {kind: example for kind, example in EXAMPLES.items() if example.taggable}
every_unique_type = pytest.mark.parametrize("example", UNIQUE.values(), ids=UNIQUE)
every_tagged_type = pytest.mark.parametrize("example", TAGGED.values(), ids=TAGGED)


def in_place(spec: Spec, edit: Edit) -> bool:
    """Whether an update carries the edit out."""
    touched = [item for item in fields(type(spec)) if item.name in edit.fields]
    return not any({FieldMark.IMMUTABLE, FieldMark.ROLLS} & item.marks for item in touched)


EDITS = [
    pytest.param(example, edit, id=f"{kind}-{number}")
    for kind, example in EXAMPLES.items()
    for number, edit in enumerate(example.edits)
    if in_place(example.desired.spec, edit)
]
every_edit = pytest.mark.parametrize(("example", "edit"), EDITS)


def make(stack: Stack, example: Example) -> Observed[Any]:
    stack.make(*example.needs, example.desired)
    return stack.the(example.desired)


def edits(stack: Stack, example: Example) -> Iterator[tuple[Edit, Desired[Any], tuple[Change, ...]]]:
    """Those edits that an update carries out, with what is then wanted and what that changes."""
    for edit in example.edits:
        new = edited(stack, example, edit)
        changes = diff(stack.the(new), new.spec)
        if not any(change.immutable or change.rolls for change in changes):
            yield edit, new, changes


def edited(stack: Stack, example: Example, edit: Edit) -> Desired[Any]:
    return stack.wish(replace(example.desired, spec=edit.of(example.desired.spec)))


def paths(old: Observed[Any], new: Desired[Any]) -> tuple[str, ...]:
    return tuple(sorted(str(change) for change in diff(old, new.spec)))


@pytest.mark.parametrize("kind", MADE)
def test_a_type_has_an_example(kind: str) -> None:
    """A type without an example is one that nobody has tried."""
    file = f"{module_of(kind).replace('.', '/')}.py"
    assert kind in EXAMPLES, f"{kind} has no example: define EXAMPLE, a tests.laws.example.Example, in {file}"
    assert EXAMPLES[kind].desired.address.kind == kind


@every_type
def test_what_was_created_is_observed_as_the_spec_says(ours: Stack, example: Example) -> None:
    """Create, then observe: the same id at the same address, ours by its tags, and nothing to change."""
    identifier = ours.make(*example.needs, example.desired)

    assert ours.the(example.desired, swept=False).id == identifier, "before the tagging service knows of it"
    old = ours.the(example.desired)

    assert old.id == identifier
    assert old.health is not ResourceHealth.DEGRADED, old.reason
    assert not diff(old, ours.wish(example.desired).spec)
    if example.taggable:
        assert old.tags.items() >= ours.wish(example.desired).tags.items()


@every_edit
def test_what_was_edited_before_it_was_created_is_as_edited(ours: Stack, example: Example, edit: Edit) -> None:
    """Everything that an update can reach, a creation reaches at once."""
    desired = replace(example.desired, spec=edit.of(example.desired.spec))
    ours.make(*example.needs, desired)

    assert not diff(ours.the(desired), ours.wish(desired).spec)


@every_type
def test_what_the_specs_no_longer_have_is_still_observed(ours: Stack, example: Example) -> None:
    """What we own is found without being wanted, or it could never be deleted."""
    old = make(ours, example)

    found = ours.observe(old.address.kind, wanted=False)

    assert [each.id for each in found if each.address == old.address] == [old.id]


@every_unique_type
def test_creating_what_is_ours_adopts_it(ours: Stack, example: Example) -> None:
    """A creation whose answer was lost is done again, and there is one of it."""
    identifier = ours.make(*example.needs, example.desired)

    assert ours.make(example.desired) == identifier
    assert ours.the(example.desired).id == identifier


@every_unique_type
def test_a_name_that_somebody_else_has_taken_is_shown(ours: Stack, theirs: Stack, example: Example) -> None:
    """What stands under our name without being ours is observed as theirs: a conflict, not an absence."""
    ours.make(*example.needs)
    theirs.ids = ours.ids
    taken = theirs.make(example.desired)

    ours.wish(example.desired)
    found = [each for each in ours.observe(example.desired.address.kind) if each.address == example.desired.address]

    assert [each.id for each in found] == [taken]
    assert ownership.owner(found[0].tags) == theirs.name


@every_type
def test_an_edit_shows_as_exactly_its_paths(ours: Stack, example: Example) -> None:
    """A changed spec differs where it was changed, and nowhere else."""
    old = make(ours, example)

    for edit in example.edits:
        assert paths(old, edited(ours, example, edit)) == edit.paths


@every_type
def test_an_update_empties_the_diff(ours: Stack, example: Example) -> None:
    """After an update there is nothing left to change, for every edit, there and back again."""
    make(ours, example)

    for edit, new, changes in edits(ours, example):
        ours.update(ours.the(new), new, changes)
        assert not diff(ours.the(new), new.spec), f"after {edit.paths}"

        back = ours.wish(example.desired)
        ours.update(ours.the(back), back, diff(ours.the(back), back.spec))
        assert not diff(ours.the(back), back.spec), f"back from {edit.paths}"


@every_type
def test_a_change_from_outside_is_seen(ours: Stack, theirs: Stack, example: Example) -> None:
    """What somebody else changes shows as exactly the paths that were changed."""
    make(ours, example)

    for edit, new, changes in edits(ours, example):
        theirs.mine = ours.mine
        theirs.update(ours.the(new), new, changes)

        original = ours.wish(example.desired)
        drifted = ours.the(original)
        assert paths(drifted, original) == edit.paths
        ours.update(drifted, original, diff(drifted, original.spec))


@every_type
def test_what_was_deleted_is_not_observed(ours: Stack, example: Example) -> None:
    """Delete, then observe: nothing. Deleting it a second time succeeds."""
    old = make(ours, example)

    ours.delete(old)
    assert [each for each in ours.observe(old.address.kind) if each.address == old.address] == []
    assert old.address not in {each.address for each in ours.observe(old.address.kind, wanted=False)}
    ours.delete(old)


@every_tagged_type
def test_tags_are_written_and_removed(ours: Stack, example: Example) -> None:
    """Retagging drops, adds and changes tags, in that order, and leaves those of other people alone."""
    desired = replace(example.desired, tags={**example.desired.tags, "team": "red"})
    ours.make(*example.needs, desired)
    kind = discover()[desired.address.kind]
    ours.run(kind.update_tags(ours.the(desired), {"cost": "1", "hand": "made"}, ()))

    began = len(ours.calls)
    ours.run(kind.update_tags(ours.the(desired), {"cost": "2"}, ("team",)))

    removed, written = (str(call.params) for call in ours.calls[began:] if not is_read(call))
    assert "team" in removed, "a pass may end after the first call"
    assert "cost" in written
    tags = ours.the(desired).tags
    assert tags["cost"] == "2"
    assert tags["hand"] == "made"
    assert "team" not in tags
    ours.run(kind.update_tags(ours.the(desired), {}, ("cost", "hand")))
    assert not {"cost", "hand"} & ours.the(desired).tags.keys()


@every_type
def test_a_look_alike_of_another_stack_is_left_alone(ours: Stack, theirs: Stack, example: Example) -> None:
    """Something of the same sort that is another stack's is never taken for ours, and outlives ours untouched."""
    decoys = example.decoys or (*example.needs, example.desired)
    theirs.make(*decoys)
    before = theirs.the(decoys[-1])

    old = make(ours, example)
    assert old.id != before.id
    assert before.id not in {each.id for each in ours.observe(old.address.kind, wanted=False)}

    ours.delete(old)
    assert theirs.the(decoys[-1]) == before


@every_tagged_type
def test_what_a_person_made_by_hand_can_be_adopted(ours: Stack, example: Example) -> None:
    """Something under our name that has no tags is shown as nobody's, and is ours once it is tagged."""
    old = make(ours, example)
    kind, new = discover()[old.address.kind], ours.wish(example.desired)
    derived = {ownership.STACK, ownership.ADDRESS, ownership.PROTECT, ownership.MANAGED}
    ours.run(kind.update_tags(old, {}, sorted(derived & old.tags.keys())))

    found = ours.observe(old.address.kind)
    assert [(each.id, each.address, ownership.owner(each.tags)) for each in found] == [(old.id, old.address, None)]

    ours.run(kind.update_tags(found[0], new.tags, ()))
    assert ours.the(example.desired).id == old.id


@every_type
def test_every_call_is_one_that_botocore_would_send(ours: Stack, example: Example) -> None:
    """Operations exist, parameters are known and of the right type; through a whole life."""
    make(ours, example)
    for _, new, changes in edits(ours, example):
        ours.update(ours.the(new), new, changes)
    ours.delete(ours.the(example.desired))

    assert ours.calls
    assert not [text for call in ours.calls if (text := faults(call))]
