"""What vanishes between two reads is absent, and hides nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.resource import Call, ServiceApi
from reconciler.resources import _gone
from tests.resources.talk import Talk

elbv2 = ServiceApi("elbv2")


def describe(arns: list[str]) -> Call:
    return elbv2.describe_tags(ResourceArns=arns)


def without(*gone: str) -> Any:
    def answer(call: Call) -> dict[str, Any]:
        if set(gone) & set(call.params["ResourceArns"]):
            raise errors.Gone("not found")
        return {"TagDescriptions": [{"ResourceArn": arn} for arn in call.params["ResourceArns"]]}

    return answer


@pytest.mark.parametrize("gone", [set(), {"a"}, {"c"}, {"a", "e"}, set("abcde")])
def test_each_read_is_answered_unless_its_own_subject_is_gone(gone: set[str]) -> None:
    """One refusal takes only its own answer away."""
    talk = Talk(DescribeTags=without(*gone))

    found = talk.hold(_gone.answers([describe([arn]) for arn in "abcde"]))

    assert [answer is None for answer in found] == [arn in gone for arn in "abcde"]
    assert len(found) == 5


def test_a_batch_is_taken_apart_only_when_something_in_it_is_gone() -> None:
    """The rest of a refused batch is asked about one by one; the others are never taken apart."""
    talk = Talk(DescribeTags=without("b"))

    found = talk.hold(_gone.batches(describe, "abcdef", 3))

    assert sorted(item["ResourceArn"] for answer in found for item in answer["TagDescriptions"]) == list("acdef")
    singly = {params["ResourceArns"][0] for params in talk.params("DescribeTags") if len(params["ResourceArns"]) == 1}
    assert singly == {"a", "b", "c"}


def test_a_single_thing_that_is_gone_is_asked_about_once() -> None:
    """A batch of one that is refused has said all there is to say."""
    talk = Talk(DescribeTags=without("a"))

    assert talk.hold(_gone.batches(describe, ["a"], 20)) == []
    assert len(talk.said) == 1


def test_other_errors_are_not_absences() -> None:
    """Unknown is not absent: a denied read is an error."""
    talk = Talk(DescribeTags=errors.Denied("no"))

    with pytest.raises(errors.Denied):
        talk.hold(_gone.batches(describe, "abc", 2))


def test_nothing_to_ask_is_nothing_said() -> None:
    """No items, no call."""
    talk = Talk()

    assert talk.hold(_gone.batches(describe, [], 20)) == []
    assert talk.said == []
