"""The data files of the AWS services: complete, sourced, and read only when a service is asked about."""

from __future__ import annotations

from typing import Annotated, Literal

import botocore.session
import pytest
from pydantic import BaseModel, ConfigDict, Field

from reconciler.aws import catalogue
from reconciler.aws.catalogue import COMMON, MEANINGS, read, service_facts, services

FILES = (*services(), COMMON)
Text = Annotated[str, Field(min_length=1)]
Seconds = Annotated[int, Field(gt=0)]
Meaning = Literal[tuple(MEANINGS)]  # type: ignore[valid-type]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Codes(Strict):
    means: Meaning
    propagates: Seconds | None = None
    codes: Annotated[list[Text], Field(min_length=1)]
    message_first: Literal[True] | None = None
    source: Text


class Message(Strict):
    text: Text
    means: Meaning
    propagates: Seconds | None = None
    source: Text


class Pattern(Strict):
    pattern: Text
    means: Meaning
    source: Text


class Size(Strict):
    burst: Annotated[float, Field(gt=0)]
    per_second: Annotated[float, Field(gt=0)]


class Bucket(Size):
    bucket: Text
    operations: Annotated[list[Text], Field(min_length=1)]


class Rates(Strict):
    source: Text
    others: dict[Literal["read", "write"], Size] | None = None
    buckets: list[Bucket]


class Service(Strict):
    arn_namespace: Text | None = None
    iam_prefix: Text | None = None
    iam_actions: dict[Text, Text] = {}
    regional: Literal[False] | None = None
    tagging_on_creation: Text | None = None
    shared: list[Text] = []
    in_event_history: Literal[True] | None = None
    errors: list[Codes] = []
    messages: list[Message] = []
    patterns: list[Pattern] = []
    rates: Rates | None = None


@pytest.mark.parametrize("name", FILES)
def test_every_row_is_complete_and_has_its_source(name: str) -> None:
    """Nothing misspelt, nothing without a source, no code or operation twice, and messages in lower case."""
    found = Service.model_validate(read(name))
    codes = [code for row in found.errors for code in row.codes]
    operations = [operation for row in (found.rates.buckets if found.rates else ()) for operation in row.operations]
    assert len(codes) == len(set(codes))
    assert len(operations) == len(set(operations))
    assert all(row.text == row.text.lower() for row in found.messages)
    assert (name == COMMON) == bool(found.patterns)


@pytest.mark.parametrize("name", services())
def test_every_file_is_of_a_service(name: str) -> None:
    """Named as botocore names it, which is how calls name it."""
    assert name in botocore.session.get_session().get_available_services()


def test_a_service_without_a_file_has_no_special_facts() -> None:
    """It goes by its own name everywhere, and no rate is known of it."""
    facts = service_facts("acm")
    assert (facts.arn_namespace, facts.iam_prefix, facts.regional, facts.codes) == ("acm", "acm", True, {})
    assert facts.rate_of("DescribeCertificate", reads=True) is None


def test_a_file_is_read_once_and_only_when_asked_about(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing the package reads nothing."""
    asked: list[str] = []
    monkeypatch.setattr(catalogue, "read", lambda service: asked.append(service) or {})
    service_facts.cache_clear()
    service_facts("ecs")
    service_facts("ecs")
    service_facts.cache_clear()
    assert asked == ["ecs"]
