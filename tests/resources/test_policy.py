"""Policy documents that say the same are the same, and those that do not are not."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.resource import Address, Ref, refs_in, resolve
from reconciler.resources import _policy

TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"},
        {"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam::123456789012:root"]}, "Action": ["sts:AssumeRole"]},
    ],
}


def changed(**fields: Any) -> dict[str, Any]:
    """One statement's policy with other fields in it."""
    statement = {"Effect": "Allow", "Action": ["ecs:RunTask", "ecs:StopTask"], "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement | fields]}


@pytest.mark.parametrize(
    "other",
    [
        changed(Action=["ecs:StopTask", "ecs:RunTask", "ecs:RunTask"]),
        changed(Action=["ecs:runtask", "ECS:StopTask"]),
        changed(Resource=["*"]),
        changed(Sid=""),
        {**changed(), "Statement": changed()["Statement"][0]},
    ],
    ids=["order", "case", "one or many", "empty sid", "lone statement"],
)
def test_spelling_makes_no_difference(other: dict[str, Any]) -> None:
    """Lists or single values, order, case of actions: none of them means anything."""
    assert _policy.same(changed(), other)


@pytest.mark.parametrize(
    "other",
    [
        changed(Effect="Deny"),
        changed(Action=["ecs:RunTask"]),
        changed(Resource="arn:aws:ecs:us-west-2:123456789012:cluster/x"),
        changed(Sid="Mine"),
        changed(Condition={"Bool": {"aws:SecureTransport": "true"}}),
        {**changed(), "Version": "2008-10-17"},
        {**changed(), "Statement": changed()["Statement"] * 2 + [changed(Effect="Deny")["Statement"][0]]},
    ],
    ids=["effect", "action", "resource", "sid", "condition", "version", "another statement"],
)
def test_what_is_said_does(other: dict[str, Any]) -> None:
    """Anything that changes who may do what is a difference."""
    assert not _policy.same(changed(), other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"AWS": "123456789012"}, {"AWS": "arn:aws:iam::123456789012:root"}),
        ({"AWS": ["arn:aws-cn:iam::123456789012:root"]}, {"AWS": "123456789012"}),
        ("*", {"AWS": "*"}),
    ],
)
def test_principals_go_by_several_names(one: Any, other: Any) -> None:
    """An account is its number or its root; everybody is a star or a star of AWS."""
    assert _policy.same(changed(Principal=one), changed(Principal=other))


def test_conditions_are_kept_as_text() -> None:
    """IAM answers booleans and numbers as text."""
    assert _policy.same(
        changed(Condition={"Bool": {"a": True}, "NumericEquals": {"b": [2, 1]}}),
        changed(Condition={"NumericEquals": {"b": ["1", "2"]}, "Bool": {"a": ["true"]}}),
    )


def test_a_document_without_a_version_is_of_the_oldest() -> None:
    """IAM takes it for 2008-10-17."""
    bare = {"Statement": changed()["Statement"]}
    assert _policy.same(bare, {**changed(), "Version": "2008-10-17"})


words = st.sampled_from(["ecs:RunTask", "ecs:*", "logs:PutLogEvents", "iam:PassRole"])
statements = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": st.lists(words, min_size=1, max_size=4), "Resource": words}
)


@given(st.lists(statements, max_size=4), st.randoms(use_true_random=False))
def test_any_spelling_of_a_document_is_that_document(said: list[dict[str, Any]], random: Any) -> None:
    """However the statements and their lists are shuffled, and whatever was a list of one, it is the same document,
    and writing it down in one spelling changes nothing further."""
    other = [
        {
            **statement,
            "Action": random.sample([*statement["Action"], statement["Action"][0]], len(statement["Action"]) + 1),
        }
        for statement in said
    ]
    random.shuffle(other)
    one = {"Version": "2012-10-17", "Statement": said}

    assert _policy.same(one, {"Version": "2012-10-17", "Statement": other})
    assert _policy.document(_policy.document(one)) == _policy.document(one)
    assert _policy.same(json.loads(_policy.text(_policy.document(one))), one)


@pytest.mark.parametrize("answer", [TRUST, json.dumps(TRUST), quote(json.dumps(TRUST))], ids=["dict", "text", "quoted"])
def test_an_equal_answer_is_seen_in_the_words_of_the_spec(answer: Any) -> None:
    """What AWS answers reads exactly as what is wanted, if it says the same."""
    wanted = _policy.document(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "sts:assumerole"},
                {"Effect": "Allow", "Principal": {"Service": ["ecs-tasks.amazonaws.com"]}, "Action": "sts:AssumeRole"},
            ],
        }
    )

    assert _policy.seen_as(answer, wanted) == wanted
    assert _policy.seen_as(answer, _policy.document(changed())) == _policy.document(TRUST)


def test_a_document_may_refer_to_other_resources() -> None:
    """A reference in a document is found, and becomes an ARN without upsetting the comparison."""
    role = Address("role", "task")
    written = _policy.document(changed(Action="iam:PassRole", Resource=[Ref(role), "arn:aws:iam::123456789012:role/b"]))
    assert [found.address for found in refs_in(written)] == [role]

    known = resolve(written, {role: "arn:aws:iam::123456789012:role/z"})

    assert json.loads(_policy.text(known))["Statement"][0]["Resource"] == [
        "arn:aws:iam::123456789012:role/b",
        "arn:aws:iam::123456789012:role/z",
    ] or _policy.same(
        known,
        changed(
            Action="iam:PassRole", Resource=["arn:aws:iam::123456789012:role/b", "arn:aws:iam::123456789012:role/z"]
        ),
    )
