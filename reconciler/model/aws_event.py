"""AWS event: what EventBridge delivers of a change, as a value. Pure.

An event is a hint and never state: it may come late, twice, out of order or not at all. It says where to look, and what
is there is read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from reconciler.model.named_by_events import EventType
from reconciler.model.resource import ServiceApi
from reconciler.model.resource_type import ResourceType

API_CALL: Final = "AWS API Call via CloudTrail"
"""The detail type of an API call that a trail has logged."""

SOURCES: Final[Mapping[str, str]] = {
    "application-autoscaling": "autoscaling",
    "cloudwatch": "monitoring",
    "elbv2": "elasticloadbalancing",
}
"""Services that CloudTrail calls by another name than boto3; it puts `.amazonaws.com` behind it."""

LONGEST_PATTERN: Final = 2048
"""Characters of an event pattern (Amazon EventBridge quotas)."""

DEEPEST: Final = 20
"""Levels of an event that are looked into."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who made an API call: the user or role, the name of the role's session, the address it came from, and the tool.

    `arn` is that of the session. Each is empty if the event does not say it.
    """

    user: str = ""
    session: str = ""
    arn: str = ""
    address: str = ""
    agent: str = ""
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class AwsEvent:
    """One event of AWS. `source` is `aws.ecs`; `detail` is what the service itself says."""

    id: str
    source: str
    detail_type: str
    time: datetime
    account: str = ""
    region: str = ""
    resources: tuple[str, ...] = ()
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def type(self) -> EventType:
        return EventType(self.source, self.detail_type)

    @property
    def operation(self) -> tuple[str, str] | None:
        """Service, as CloudTrail calls it, and name of an API call; None for any other event."""
        if self.detail_type != API_CALL:
            return None
        return _text(self.detail, "eventSource").removesuffix(".amazonaws.com"), _text(self.detail, "eventName")

    @property
    def failed(self) -> bool:
        """Whether it is an API call that AWS refused."""
        return bool(self.detail.get("errorCode"))

    @property
    def request_id(self) -> str:
        return _text(self.detail, "requestID")

    @property
    def caller(self) -> Caller | None:
        """Who made the API call; None for any other event."""
        if self.detail_type != API_CALL:
            return None
        identity = self.detail.get("userIdentity")
        identity = identity if isinstance(identity, Mapping) else {}
        arn, issuer = _text(identity, "arn"), identity
        for step in ("sessionContext", "sessionIssuer"):
            inner = issuer.get(step)
            issuer = inner if isinstance(inner, Mapping) else {}
        assumed = _text(identity, "type") in ("AssumedRole", "WebIdentityUser")
        return Caller(
            user=_text(identity, "userName") or _text(issuer, "userName") or _text(identity, "invokedBy") or arn,
            session=arn.rpartition("/")[2] if assumed else "",
            arn=arn,
            address=_text(self.detail, "sourceIPAddress"),
            agent=_text(self.detail, "userAgent"),
            event_id=_text(self.detail, "eventID"),
        )

    @property
    def texts(self) -> frozenset[str]:
        """Every value that may name a resource: of an API call, in what was asked and answered."""
        if self.detail_type == API_CALL:
            parts = [self.detail.get("requestParameters"), self.detail.get("responseElements")]
            return frozenset((*self.resources, *_texts(parts)))
        return frozenset((*self.resources, *_texts(self.detail)))


def parse(text: str) -> AwsEvent:
    """The event in the body of a message. Raises `ValueError` if it is none."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("too deeply nested") from error
    if not isinstance(found, dict):
        raise ValueError("not an object")
    id, source, detail_type = (_text(found, name) for name in ("id", "source", "detail-type"))
    detail, resources = found.get("detail"), found.get("resources") or []
    if not (id and source and detail_type) or not isinstance(detail, dict) or not isinstance(resources, list):
        raise ValueError("not an event of EventBridge")
    time = datetime.fromisoformat(_text(found, "time"))
    if time.tzinfo is None:
        raise ValueError("its time has no zone")
    named = tuple(one for one in resources if isinstance(one, str))
    return AwsEvent(
        id, source, detail_type, time, _text(found, "account"), _text(found, "region"), named, detail
    )  # fmt: skip


def of_record(record: Mapping[str, Any], resources: Iterable[str] = ()) -> AwsEvent | None:
    """The event that EventBridge makes of a CloudTrail record; None if it is no record of a call. Its id is that of the
    record, which EventBridge does not use for its own."""
    id, source = _text(record, "eventID"), _text(record, "eventSource").removesuffix(".amazonaws.com")
    if not (id and source and _text(record, "eventName")):
        return None
    try:
        time = datetime.fromisoformat(_text(record, "eventTime"))
    except ValueError:
        return None
    account = _text(record, "recipientAccountId")
    region = _text(record, "awsRegion")
    return AwsEvent(id, f"aws.{source}", API_CALL, time, account, region, tuple(resources), record)


def pattern(kinds: Iterable[ResourceType[Any]]) -> dict[str, Any]:
    """The event pattern of all events that resource types are concerned by, for a rule of EventBridge."""
    every = tuple(kinds)
    types = {one for kind in every for one in kind.event_types}
    sources = {one.source for one in types} | {f"aws.{name}" for kind in every for name in sources_of(kind)}
    return {"source": sorted(sources), "detail-type": sorted({API_CALL, *(one.detail_type for one in types)})}


def sources_of(kind: ResourceType[Any]) -> Collection[str]:
    """The services whose API changes one of a type, as CloudTrail calls them."""
    module = vars(sys.modules[type(kind).__module__])
    own = {one.service for one in module.values() if isinstance(one, ServiceApi)} if not kind.lookup else set()
    return {source_of(one) for one in own | {service for service, _ in kind.changed_by}}


def source_of(service: str) -> str:
    return SOURCES.get(service, service)


def _text(value: Mapping[str, Any], name: str) -> str:
    found = value.get(name)
    return found if isinstance(found, str) else ""


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < DEEPEST and isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item, depth + 1)
