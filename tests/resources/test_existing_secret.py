"""Secrets that are looked up without their values, and the values, which are read as they are written elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.resource import ResourceHealth
from reconciler.resources import _secret_value
from reconciler.resources.existing_secret import ExistingSecret, ExistingSecretSpec
from tests.laws.example import wish
from tests.resources.talk import Talk, scope

ARN = "arn:aws:secretsmanager:us-west-2:123456789012:secret:shop-AbCdEf"
V2 = "2" * 32
SECRET = {"ARN": ARN, "VersionIdsToStages": {"v1": ["AWSPREVIOUS"], V2: ["AWSCURRENT"]}}
PARAMETER = {"Parameter": {"Type": "SecureString", "Version": 3, "Value": "encrypted"}}


def spec(text: str, **fields: str) -> ExistingSecretSpec:
    service, _, name = text.partition(":")
    return ExistingSecretSpec(service=service, name=name, **fields)


@pytest.mark.parametrize(
    ("wanted", "answers", "id"),
    [
        (spec("secretsmanager:shop"), {"DescribeSecret": SECRET}, f"{ARN}:::{V2}"),
        (spec("secretsmanager:shop", key="id", stage="AWSPREVIOUS"), {"DescribeSecret": SECRET}, f"{ARN}:id::v1"),
        (spec("secretsmanager:shop", version="v0"), {"DescribeSecret": SECRET}, f"{ARN}:::v0"),
        (spec("ssm:/shop/login"), {"GetParameter": PARAMETER}, "/shop/login:3"),
    ],
)
def test_the_id_names_the_version(wanted: ExistingSecretSpec, answers: dict[str, Any], id: str) -> None:
    told = Talk(**answers)
    (found,) = told.hold(ExistingSecret().observe(scope(wish("existing-secret/a", wanted))))
    assert (found.id, found.health) == (id, ResourceHealth.READY)
    assert all("WithDecryption" not in call.params for call in told.said)


@pytest.mark.parametrize(
    ("wanted", "answers", "reason"),
    [
        (
            spec("secretsmanager:shop"),
            {"DescribeSecret": errors.Gone("no")},
            "the secret shop does not exist in this account and region",
        ),
        (
            spec("secretsmanager:shop"),
            {"DescribeSecret": {**SECRET, "DeletedDate": "today"}},
            "the secret shop is scheduled for deletion",
        ),
        (
            spec("secretsmanager:shop", stage="AWSPENDING"),
            {"DescribeSecret": SECRET},
            "the secret shop has no value of the stage AWSPENDING",
        ),
        (
            spec("ssm:/shop"),
            {"GetParameter": errors.Gone("no")},
            "the parameter /shop does not exist in this account and region",
        ),
        (
            spec("ssm:/shop"),
            {"GetParameter": {"Parameter": {"Type": "String", "Version": 1, "Value": "plain"}}},
            "the parameter /shop is a String, which is not encrypted; store it as a SecureString",
        ),
        (spec("ssm:/shop"), {"GetParameter": errors.Denied("no")}, "the parameter /shop may not be read: no"),
    ],
)
def test_what_cannot_be_used(wanted: ExistingSecretSpec, answers: dict[str, Any], reason: str) -> None:
    (found,) = Talk(**answers).hold(ExistingSecret().observe(scope(wish("existing-secret/a", wanted))))
    assert (found.health, found.reason) == (ResourceHealth.DEGRADED, reason)
    assert "plain" not in found.reason


def test_a_secret_is_looked_up_once_whatever_is_taken_from_it() -> None:
    told = Talk(DescribeSecret=SECRET)
    wanted = (wish(f"existing-secret/{key}", spec("secretsmanager:shop", key=key)) for key in "ab")
    assert [one.id for one in told.hold(ExistingSecret().observe(scope(*wanted)))] == [
        f"{ARN}:a::{V2}",
        f"{ARN}:b::{V2}",
    ]
    assert told.operations() == ["DescribeSecret"]
    assert Talk().hold(ExistingSecret().observe(scope())) == []


@pytest.mark.parametrize(
    ("id", "answers", "value"),
    [
        (f"{ARN}:::{V2}", {"GetSecretValue": {"SecretString": "hidden"}}, "hidden"),
        (f"{ARN}:key::{V2}", {"GetSecretValue": {"SecretString": '{"key": "hidden"}'}}, "hidden"),
        ("/shop:3", {"GetParameter": {"Parameter": {"Version": 3, "Value": "hidden"}}}, "hidden"),
    ],
)
def test_the_value_is_that_of_the_version(id: str, answers: dict[str, Any], value: str) -> None:
    told = Talk(**answers)
    assert told.hold(_secret_value.read(id)) == value
    (params,) = (call.params for call in told.said)
    assert params in ({"SecretId": ARN, "VersionId": V2}, {"Name": "/shop", "WithDecryption": True})


@pytest.mark.parametrize(
    ("id", "answers", "error"),
    [
        (f"{ARN}:key::{V2}", {"GetSecretValue": {"SecretString": "hidden"}}, errors.SpecInvalid),
        (f"{ARN}:key::{V2}", {"GetSecretValue": {"SecretString": '{"key": {"hidden": 1}}'}}, errors.SpecInvalid),
        (f"{ARN}:::{V2}", {"GetSecretValue": {"SecretBinary": b"hidden"}}, errors.SpecInvalid),
        ("/shop:3", {"GetParameter": {"Parameter": {"Version": 4, "Value": "hidden"}}}, errors.StalePlan),
    ],
)
def test_a_value_that_cannot_be_used_is_not_in_the_error(
    id: str, answers: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error) as found:
        Talk(**answers).hold(_secret_value.read(id))
    assert "hidden" not in str(found.value)
    assert found.value.__cause__ is None
