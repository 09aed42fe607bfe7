"""Stack-wide request tags on one of the stack's services, like operator requests on each service.

    reconciler:reconcile-request  a full reconciliation is requested, `ID`, or `ID+resume …` with who resumed the stack;
                                  answered in reconciler:reconcile-handled
    reconciler:stack-suspended    the stack is suspended until the tag is removed
    reconciler:accepted-history   a commit that may be applied although it does not descend from the last one
    reconciler:revision           the revision that was last applied as a whole, and the start of its subject
    reconciler:restored           the revision that the controller restored, and why the newest cannot be used
    reconciler:stack-format       the format of these tags (model/formats.py), written with any of them

They are written to the first service of the stack by name that is not read-only, and read from all of them, so that
nothing is lost when another service comes first. DescribeServices returns the tags without an extra call.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from reconciler.model import formats, ownership
from reconciler.model.resource import Address, Calls, Observed, ServiceApi
from reconciler.model.tagging import escaped, stamped, tag_value, unescaped, unstamped
from reconciler.rollout import state_tags

ecs = ServiceApi("ecs")

REQUEST: Final = f"{ownership.PREFIX}reconcile-request"
HANDLED: Final = f"{ownership.PREFIX}reconcile-handled"
SUSPEND: Final = f"{ownership.PREFIX}stack-suspended"
ACCEPTED: Final = f"{ownership.PREFIX}accepted-history"
REVISION: Final = f"{ownership.PREFIX}revision"
RESTORED: Final = f"{ownership.PREFIX}restored"
RESUMED: Final = "+resume+"
LONGEST_RESUMED: Final = 190
"""Characters of who, when and why, so that the answer has room for the whole request and a revision."""


@dataclass(frozen=True, slots=True)
class RequestTags:
    """`request` and `handled` are ids of requests; `suspended` is who suspended the stack, why, and since when.

    `accepted` is the start of a commit's id that may be applied whatever it descends from. `restored` is the stored
    revision that the controller works from, and why. `unreadable` is why the tags cannot be read, or "".
    """

    request: str = ""
    handled: str = ""
    suspended: str = ""
    revision: str = ""
    accepted: str = ""
    restored: str = ""
    unreadable: str = ""

    @property
    def pending(self) -> bool:
        return bool(self.request) and self.request != self.handled

    @property
    def resumed(self) -> str:
        """`stack resumed by ana: migrated`; "" if the last request did not resume the stack."""
        found = resumed_by({REQUEST: self.request})
        if found is None:
            return ""
        _, by, why, _ = found
        return f"stack resumed by {by}{f': {why}' if why else ''}"


def of_tags(tags: Mapping[str, str]) -> RequestTags:
    return RequestTags(
        tags.get(REQUEST, ""),
        tags.get(HANDLED, "").partition(":")[0],
        _suspended(tags.get(SUSPEND, "")),
        tags.get(REVISION, "").partition(" ")[0],
        tags.get(ACCEPTED, ""),
        unescaped(tags.get(RESTORED, "")),
        formats.unknown_stack(tags),
    )


def candidates(services: Iterable[Observed[Any]], stack: str, wanted: Collection[Address]) -> tuple[Observed[Any], ...]:
    """Services that may carry the tags, the first one first: those in the specs, then other services of the stack, and
    last those whose own state cannot be read, to which nothing is written.
    """
    existing = [service for service in services if "arn" in service.facts and not service.facts.get("deleting")]
    ours = [
        service
        for service in existing
        if (owner := ownership.owner(service.tags)) == stack or (owner is None and service.address in wanted)
    ]
    return tuple(
        sorted(ours, key=lambda service: (read_only(service), service.address not in wanted, service.address.name))
    )


def read_only(service: Observed[Any]) -> bool:
    return bool(state_tags.of_tags(service.tags).unreadable)


def service_for_tags(services: Sequence[Observed[Any]], wanted: Collection[Address]) -> Observed[Any] | None:
    """The service to write the tags to; None if the specs declare no existing one that may be written to."""
    first = services[0] if services else None
    return first if first is not None and first.address in wanted and not read_only(first) else None


def merged(services: Iterable[Observed[Any]]) -> RequestTags:
    """The tags of all services together: of several requests a pending one, of several revisions the first."""
    each = [of_tags(service.tags) for service in services]
    requested = next(
        (tags for tags in each if tags.pending), next((tags for tags in each if tags.request), RequestTags())
    )
    suspended = next((tags.suspended for tags in each if tags.suspended), "")
    revision = next((tags.revision for tags in each if tags.revision), "")
    accepted = next((tags.accepted for tags in each if tags.accepted), "")
    restored = next((tags.restored for tags in each if tags.restored), "")
    unreadable = next((tags.unreadable for tags in each if tags.unreadable), "")
    return RequestTags(requested.request, requested.handled, suspended, revision, accepted, restored, unreadable)


def write(arn: str, tags: Mapping[str, str]) -> Calls[None]:
    every = {**tags, **formats.stack_tags()}
    yield ecs.tag_resource(resourceArn=arn, tags=[{"key": key, "value": every[key]} for key in sorted(every)])


def erase(arn: str, *keys: str) -> Calls[None]:
    yield ecs.untag_resource(resourceArn=arn, tagKeys=list(keys))


def read(cluster: str, arn: str) -> Calls[dict[str, str]]:
    """The current tags of the service."""
    answer = yield ecs.describe_services(cluster=cluster, services=[arn], include=["TAGS"])
    return {tag["key"]: tag["value"] for item in answer["services"] for tag in item.get("tags") or ()}


def handled(request: str, revision: str) -> str:
    return tag_value(f"{request}:{revision}")


def suspended(by: str, why: str, at: datetime) -> str:
    return escaped(stamped(at, f"{by}: {why}" if why else by))


def resumed(id: str, by: str, why: str, at: datetime) -> str:
    """The request with which the stack is resumed. It is one value without a colon, as older versions expect."""
    return f"{id}{RESUMED}{escaped(stamped(at, f'{by}: {why}' if why else by), also=':+', longest=LONGEST_RESUMED)}"


def resumed_by(tags: Mapping[str, str]) -> tuple[str, str, str, datetime | None] | None:
    """The id of the request, who resumed the stack, why, and when; None if the last request was another one."""
    id, resumes, rest = tags.get(REQUEST, "").partition(RESUMED)
    if not resumes:
        return None
    at, text = unstamped(unescaped(rest))
    return id, *requester(text), at


def suspended_by(value: str) -> tuple[str, str, datetime | None]:
    """Who suspended the stack, why, and when."""
    at, text = unstamped(unescaped(value))
    return *requester(text), at


def requester(text: str) -> tuple[str, str]:
    """Who and why, of `ana: migration`. The name of a caller has no colon that a space follows."""
    by, _, why = text.partition(": ")
    return by, why


def _suspended(value: str) -> str:
    """`ana: migration, since 01 Jan 12:05 UTC`; an older version has stored no time."""
    at, by = unstamped(unescaped(value))
    return by if at is None else f"{by}, since {at:%d %b %H:%M} UTC"


def in_place(revision: str, subject: str) -> str:
    return escaped(f"{revision} {subject}".strip())


def restored(revision: str, because: str) -> str:
    return escaped(f"{revision}: {because}")
