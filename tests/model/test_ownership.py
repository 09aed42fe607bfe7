"""Tags of the specs and of others on one resource: ours follow the specs, and theirs stay as they are."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model import ownership
from reconciler.model.resource import Address
from tests.model.accepted_tags import assert_accepted

AT = Address("shelf", "s")
WORDS = st.sampled_from(["Cost", "Center", "owner", "web", "Name", "a", "b", "ß", "漢"])
KEYS = (
    st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
    | st.text("ab c/漢", min_size=1, max_size=20).map(str.strip).filter(bool)
    | st.integers(0, 60).map(lambda number: f"{number:x<128}")
)
TAGS = st.dictionaries(KEYS, st.sampled_from(["1", "2"]), max_size=12)
MANY = st.sets(st.integers(0, 99), max_size=47).map(lambda found: {f"{number:x<128}": "1" for number in found})


def wanted(declared: Mapping[str, str]) -> dict[str, str]:
    return ownership.tags_for("my-app", AT, protect=False, declared=declared)


def applied(have: Mapping[str, str], want: Mapping[str, str]) -> dict[str, str]:
    changes = ownership.tag_changes(have, want)
    return {key: value for key, value in have.items() if key not in changes.drop} | dict(changes.put)


@settings(deadline=None)
@given(TAGS | MANY, TAGS | MANY, TAGS)
def test_own_tags_follow_the_specs_and_those_of_others_are_never_touched(
    before: dict[str, str], after: dict[str, str], theirs: dict[str, str]
) -> None:
    """Whatever the keys are: with spaces, words of one another, and more of them than a value can name."""
    strangers = {key: value for key, value in theirs.items() if key not in {**before, **after}}
    there = applied(strangers, wanted(before))
    assert there == strangers | wanted(before)
    there = applied(there, wanted(after))
    assert there == strangers | wanted(after)
    assert not ownership.tag_changes(there, wanted(after))


@settings(deadline=None)
@given(TAGS | MANY)
def test_what_is_remembered_of_the_keys_is_accepted(declared: dict[str, str]) -> None:
    """One tag of at most 256 characters, however many keys there are and however long."""
    tags = wanted(declared)
    assert len(tags) == len(declared) + 2 + bool(declared)
    for key in tags.keys() - declared.keys():
        assert_accepted(key, 128)
        assert_accepted(tags[key])


LONG = tuple(f"{number:x<32}" for number in range(9))
"""Keys of which a value has room for seven and the beginning of the eighth."""


def old(*keys: str) -> dict[str, str]:
    """As an earlier release remembered them: all separated by spaces, and cut at 256 characters."""
    return {**dict.fromkeys(keys, "1"), ownership.MANAGED: " ".join(sorted(keys))[:256]}


@pytest.mark.parametrize(
    ("have", "declared", "dropped"),
    [
        (old("cost", "team"), ["team"], {"cost"}),
        (old("Cost Center", "web owner") | {"Cost": "x", "owner": "x"}, ["Cost Center", "web owner"], set()),
        (old("Cost Center", "web owner") | {"Center": "x", "web": "x"}, [], set()),
        (old(*"abcdef", "Cost Center") | {"Center": "x"}, ["a", "Cost Center"], {*"bcdef"}),
        (old(*LONG) | {LONG[7][:25]: "x"}, ["team"], set(LONG[:7])),
    ],
)
def test_the_list_of_an_earlier_release_is_read(have: dict[str, str], declared: list[str], dropped: set[str]) -> None:
    """A word of it is a key unless it may be part of one with spaces, or was cut; then it may be another owner's."""
    changes = ownership.tag_changes(have, wanted(dict.fromkeys(declared, "1")))
    assert set(changes.drop) - {ownership.MANAGED} == dropped


def test_a_name_that_the_specs_set_is_removed_with_them() -> None:
    """`Name` is a tag like any other where it is not what the console calls the resource by."""
    have = wanted({"Name": "web"})
    assert ownership.tag_changes(have, wanted({})).drop == ("Name", ownership.MANAGED)


def test_what_speaks_of_a_change_is_written_after_it() -> None:
    """A pass that ends in between finds the change, and not a tag that says it has been made."""
    have = {"team": "a", ownership.MANAGED: "team", ownership.FIELDS: "slow_start", ownership.MEMBERS: "a:1"}
    first, last = ownership.tag_changes(have, {"env": "b", ownership.MEMBERS: "a:2"}).in_order()
    assert (dict(first.put), first.drop) == ({"env": "b"}, (ownership.MANAGED, "team"))
    assert (dict(last.put), last.drop) == ({ownership.MEMBERS: "a:2"}, (ownership.FIELDS,))
