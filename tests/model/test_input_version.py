"""Versions in references: which two are the same, what stays, and what a tag records of them."""

from __future__ import annotations

import pytest

from reconciler.model import input_version
from reconciler.model.resource import Keep

SECRET = "arn:aws:secretsmanager:us-west-2:123456789012:secret:db"
WHOLE = f"{SECRET}-AbCdEf"
PARAMETER = "arn:aws:ssm:us-west-2:123456789012:parameter/key"
ONE, TWO = "1" * 36, "2" * 36


def pinned(version: str, key: str = "") -> str:
    return f"{WHOLE}:{key}::{version}"


def followed(version: str) -> str:
    return input_version.with_version(SECRET, version)


@pytest.mark.parametrize("how", [Keep.VERSION, Keep.ANY_VERSION, Keep.PINNED])
def test_another_secret_is_never_kept(how: Keep) -> None:
    """Nor is another key of the same one."""
    for have in (pinned(ONE, "password"), SECRET.replace("db", "other"), PARAMETER):
        assert input_version.kept(pinned(ONE), have, how, late=True) == pinned(ONE)


@pytest.mark.parametrize(
    ("want", "have", "how", "stays"),
    [
        (pinned(ONE), SECRET, Keep.VERSION, True),
        (pinned(ONE), followed(ONE), Keep.VERSION, True),
        (pinned(TWO), followed(ONE), Keep.VERSION, False),
        (pinned(TWO), pinned(ONE), Keep.VERSION, False),
        (followed(ONE), pinned(ONE), Keep.VERSION, True),
        (pinned(TWO), pinned(ONE), Keep.ANY_VERSION, True),
        (pinned(TWO), SECRET, Keep.ANY_VERSION, True),
        (pinned(TWO), pinned(ONE), Keep.PINNED, True),
        (pinned(TWO), followed(ONE), Keep.PINNED, False),
        (input_version.with_version(PARAMETER, "2"), PARAMETER, Keep.VERSION, True),
        (input_version.with_version(PARAMETER, "2"), f"{PARAMETER} #1", Keep.VERSION, False),
    ],
)
def test_what_stays_where_nothing_else_changes(want: str, have: str, how: Keep, stays: bool) -> None:
    assert input_version.kept(want, have, how, late=True) == (have if stays else want)
    assert input_version.kept(want, have, how, late=False) == want


@pytest.mark.parametrize("late", [True, False])
def test_a_version_that_cannot_be_read_any_more_stays(late: bool) -> None:
    """A refusal of DescribeSecret is no new version."""
    for have in (pinned(ONE), followed(ONE)):
        assert input_version.kept(SECRET, have, Keep.VERSION, late=late) == have


def test_a_record_is_read_back() -> None:
    """Of references that are not pinned, in as many tags as they need; what ECS is given has no version."""
    references = [f"{PARAMETER}{number} #{number}" for number in range(40)]
    tags = input_version.recorded([*references, pinned(ONE), SECRET])
    assert list(tags) == list(input_version.RECORDS[: len(tags)])
    assert all(len(text) <= 256 for text in tags.values())
    record = input_version.of_record(tags)
    assert [input_version.versioned(input_version.plain(one), record) for one in references] == references
    assert input_version.versioned(pinned(ONE), record) == pinned(ONE)
    assert input_version.versioned(SECRET, record) == SECRET


def test_as_many_have_room_as_is_said() -> None:
    references = [input_version.with_version(f"{PARAMETER}{number}", ONE) for number in range(input_version.MOST)]
    assert len(input_version.of_record(input_version.recorded(references))) == input_version.MOST


def test_a_rotation_is_another_version_of_the_same() -> None:
    assert input_version.rotated(pinned(ONE), pinned(TWO))
    assert input_version.rotated(followed(ONE), pinned(TWO))
    assert not input_version.rotated(SECRET, pinned(TWO)), "nobody knows which version that was"
    assert not input_version.rotated(pinned(ONE), PARAMETER)


def test_a_reference_may_have_any_character_that_aws_takes() -> None:
    """A JSON key or the name of a file with a number sign is not taken for a version."""
    for reference in (f"{WHOLE}:pass#word::", f"{WHOLE}:#:AWSCURRENT:", "arn:aws:s3:::shop/a#b.env"):
        assert input_version.plain(reference) == reference
        assert input_version.read(reference).version == ""
        versioned = input_version.with_version(reference, ONE)
        assert input_version.plain(versioned) == reference
        record = input_version.of_record(input_version.recorded([versioned]))
        assert input_version.versioned(reference, record) == versioned


def test_two_versions_of_one_reference_are_no_record() -> None:
    """One of them would be read back, and the other be a release for ever."""
    several = [f"{input_version.with_version(PARAMETER, version)}" for version in ("9", "10")]
    other = input_version.with_version(f"{PARAMETER}2", "1")
    assert input_version.recorded([*several, other]) == input_version.recorded([other])
