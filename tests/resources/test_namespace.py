"""Namespaces of Service Connect: the law example, and what bare moto cannot show."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.resource import Desired
from reconciler.resources.namespace import Namespace, NamespaceSpec
from tests.laws.example import Example, wish
from tests.resources.talk import Talk, pairs, scope, tagged

EXAMPLE = Example(
    wish("namespace/apps", NamespaceSpec(name="apps")),
    edits=(),
    decoys=(wish("namespace/decoy", NamespaceSpec(name="apps-decoy")),),
)
WANT = Desired(EXAMPLE.desired.address, EXAMPLE.desired.spec, tags=tagged(EXAMPLE.desired))
ARN = "arn:aws:servicediscovery:us-west-2:123456789012:namespace/ns-1"
ITEM = {"Id": "ns-1", "Arn": ARN, "Name": "apps", "Type": "HTTP"}


def talk(*items: dict[str, Any], **more: Any) -> Talk:
    answers = {"ListNamespaces": {"Namespaces": list(items)}, "ListTagsForResource": {"Tags": pairs(tagged(WANT))}}
    return Talk(**(answers | more))


def test_nothing_is_asked_where_no_namespace_is_wanted_or_owned() -> None:
    told = talk(ITEM)
    assert told.hold(Namespace().observe(scope())) == []
    assert told.said == []


def test_a_namespace_with_a_zone_is_another_one() -> None:
    """Cloud Map lets a DNS namespace have the same name."""
    assert talk({**ITEM, "Type": "DNS_PRIVATE"}).hold(Namespace().observe(scope(WANT))) == []


def test_what_an_earlier_attempt_made_is_taken() -> None:
    told = talk(ITEM, CreateHttpNamespace=errors.Exists("NamespaceAlreadyExists"))
    assert told.hold(Namespace().create(WANT)) == ARN


@pytest.mark.parametrize("items", [(), (ITEM,)], ids=["of another account", "of somebody else"])
def test_what_somebody_else_made_is_not_taken(items: tuple[dict[str, Any], ...]) -> None:
    """A namespace that another account shares may be in the way as well, and is not listed."""
    refused = errors.Exists("NamespaceAlreadyExists")
    told = talk(*items, CreateHttpNamespace=refused, ListTagsForResource={"Tags": []})
    with pytest.raises(errors.Exists, match="not of this stack"):
        told.hold(Namespace().create(WANT))


def test_an_operation_that_fails_says_why() -> None:
    operation = {"Id": "op", "Status": "FAIL", "ErrorMessage": "no more namespaces"}
    told = talk(CreateHttpNamespace={"OperationId": "op"}, GetOperation={"Operation": operation})
    with pytest.raises(errors.Invalid, match="no more namespaces"):
        told.hold(Namespace().create(WANT))
