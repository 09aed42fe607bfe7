"""Versions of what tasks read, which are looked up without a value, and once for each secret."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler import errors
from reconciler.model.resource import ResourceHealth
from reconciler.model.resource_type import Depth
from reconciler.resources.secret_version import SecretVersion, SecretVersionSpec
from tests.laws.example import wish
from tests.resources.talk import Talk, scope

SECRET = "arn:aws:secretsmanager:us-west-2:123456789012:secret:shop"
ARN = f"{SECRET}-AbCdEf"
PARAMETER = "arn:aws:ssm:us-west-2:123456789012:parameter/shop/token"
FILE = "arn:aws:s3:::shop/web.env"
VERSION = "2" * 36
AT = datetime(2026, 1, 1, tzinfo=UTC)
DESCRIBED = {"ARN": ARN, "VersionIdsToStages": {"1" * 36: ["AWSPREVIOUS"], VERSION: ["AWSCURRENT"]}}
PARAMETERS = {"Parameters": [{"Name": "/shop/token", "Version": 3, "LastModifiedDate": AT, "LastModifiedUser": "ana"}]}
OBJECTS = {"Contents": [{"Key": "web.env", "ETag": '"abc"', "LastModified": AT}]}


def spec(reference: str, pin: bool | None = None) -> SecretVersionSpec:
    return SecretVersionSpec(reference=reference, pin=pin)


@pytest.mark.parametrize(
    ("wanted", "answers", "id"),
    [
        (spec(SECRET), {"DescribeSecret": DESCRIBED}, f"{ARN}:::{VERSION}"),
        (spec(f"{SECRET}:key:AWSPREVIOUS:"), {"DescribeSecret": DESCRIBED}, f"{ARN}:key::{'1' * 36}"),
        (spec(SECRET), {"DescribeSecret": {**DESCRIBED, "RotationEnabled": True}}, f"{SECRET} #cc92489d"),
        (spec(SECRET, True), {"DescribeSecret": {**DESCRIBED, "RotationEnabled": True}}, f"{ARN}:::{VERSION}"),
        (spec(SECRET, False), {"DescribeSecret": DESCRIBED}, f"{SECRET} #cc92489d"),
        (spec(PARAMETER, False), {"DescribeParameters": PARAMETERS}, f"{PARAMETER} #3"),
        (spec(FILE, False), {"ListObjectsV2": OBJECTS}, f"{FILE} #abc"),
        (spec(SECRET), {"DescribeSecret": errors.Gone("no")}, SECRET),
        (spec(SECRET), {"DescribeSecret": errors.Denied("no")}, SECRET),
        (spec(SECRET), {"DescribeSecret": errors.Invalid("no")}, SECRET),
        (spec(PARAMETER, False), {"DescribeParameters": errors.Denied("no")}, PARAMETER),
        (spec(PARAMETER, False), {"DescribeParameters": errors.Invalid("no")}, PARAMETER),
        (spec(FILE, False), {"ListObjectsV2": errors.Invalid("no")}, FILE),
        (spec(PARAMETER, False), {"DescribeParameters": {"Parameters": []}}, PARAMETER),
        (spec(FILE, False), {"ListObjectsV2": {"Contents": [{"Key": "web.env.old", "ETag": "x"}]}}, FILE),
        (spec(SECRET.replace("us-west-2", "eu-west-1")), {}, SECRET.replace("us-west-2", "eu-west-1")),
    ],
)
def test_the_id_is_what_is_registered_with_its_version(
    wanted: SecretVersionSpec, answers: dict[str, Any], id: str
) -> None:
    """Without one where it is missing or may not be read, and then ECS says what is wrong."""
    talk = Talk(**answers)
    (found,) = talk.hold(SecretVersion().observe(scope(wish("secret-version/a", wanted))))
    assert (found.id, found.health) == (id, ResourceHealth.READY)
    assert not {"GetSecretValue", "GetParameter", "GetObject"} & set(talk.operations())
    refused = any(isinstance(one, errors.Denied | errors.Invalid) for one in answers.values())
    assert bool(found.reason) == refused


@pytest.mark.parametrize(
    "answer",
    [errors.Gone("no"), errors.Denied("no"), errors.Invalid("no"), {**DESCRIBED, "DeletedDate": AT}, {"ARN": ARN}],
)
def test_what_has_to_be_pinned_has_to_be_there(answer: Any) -> None:
    (found,) = Talk(DescribeSecret=answer).hold(
        SecretVersion().observe(scope(wish("secret-version/a", spec(SECRET, True))))
    )
    assert found.health is ResourceHealth.DEGRADED
    assert found.reason


def test_each_secret_is_asked_about_once_and_by_a_full_pass_only() -> None:
    """Fifty parameters in one call."""
    wanted = [wish(f"secret-version/{key}", spec(f"{SECRET}:{key}::")) for key in ("user", "password")]
    names = [f"{PARAMETER}{number}" for number in range(50)]
    wanted += [wish(f"secret-version/{name}", spec(name, False)) for name in names]
    talk = Talk(DescribeSecret=DESCRIBED, DescribeParameters={"Parameters": []})
    found = talk.hold(SecretVersion().observe(scope(*wanted)))
    assert talk.operations() == ["DescribeSecret", "DescribeParameters"]

    later = replace(scope(*wanted), depth=Depth.MEDIUM, before=tuple(found))
    again = Talk()
    assert again.hold(SecretVersion().observe(later)) == found
    assert again.operations() == []


def test_who_changed_it_and_when() -> None:
    """As far as AWS says it without being asked for the trail."""
    (found,) = Talk(DescribeParameters=PARAMETERS).hold(
        SecretVersion().observe(scope(wish("secret-version/a", spec(PARAMETER, False))))
    )
    assert (found.facts["changed_at"], found.facts["changed_by"]) == (AT, "ana")
