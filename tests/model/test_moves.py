"""Which of what was read is shown at another address, because its document was renamed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.model.moves import former_address, renamed
from reconciler.model.resource import Address, Desired, Move, Observed
from tests.toy import STACK, ShelfSpec, want


def moved(new: str, old: str) -> Desired[Any]:
    return replace(want("shelf", new), moved=Move(Address("shelf", old), new, f"specs/{new}.yaml:2"))


def found(name: str, stack: str | None = STACK, id: str = "") -> Observed[Any]:
    tags = {} if stack is None else {"reconciler:stack": stack, "reconciler:address": f"shelf/{name}"}
    return Observed(Address("shelf", name), id or f"id-of-{name}", ShelfSpec(), tags=tags)


def shown(*read: Observed[Any], wanted: tuple[Desired[Any], ...]) -> list[tuple[str, str]]:
    return [(one.address.name, one.id) for one in renamed(read, wanted, STACK)]


def test_what_is_at_the_former_address_is_shown_at_the_present_one() -> None:
    """And it still says in its tag where it comes from."""
    wish = moved("new", "old")
    assert shown(found("old"), wanted=(wish,)) == [("new", "id-of-old")]
    assert former_address(wish, renamed((found("old"),), (wish,), STACK)[0]) == Address("shelf", "old")
    assert former_address(wish, found("new")) is None


def test_only_what_the_stack_owns_moves() -> None:
    """What another stack owns, or nobody, stays where it is; and holds up no move of ours."""
    wish = moved("new", "old")
    assert shown(found("old", "others"), found("old", None), wanted=(wish,)) == [
        ("old", "id-of-old"),
        ("old", "id-of-old"),
    ]
    assert shown(found("new", "others"), found("old"), wanted=(wish,)) == [("new", "id-of-new"), ("new", "id-of-old")]


def test_what_is_there_already_keeps_its_address() -> None:
    """Once the stack has something at the present address, the one at the former is another."""
    assert shown(found("new"), found("old"), wanted=(moved("new", "old"),)) == [
        ("new", "id-of-new"),
        ("old", "id-of-old"),
    ]


def test_what_is_wanted_at_the_former_address_stays_there() -> None:
    """Another document may have taken the name over."""
    assert shown(found("old"), wanted=(moved("new", "old"), want("shelf", "old"))) == [("old", "id-of-old")]
