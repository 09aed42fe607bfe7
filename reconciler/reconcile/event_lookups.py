"""Look-ups in CloudTrail's event history, for the author of a difference: a few calls at each look."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from reconciler.aws.catalogue import service_facts
from reconciler.aws.client import AwsClient
from reconciler.aws.cloudtrail import ApiWrite, looked_up, writes_of
from reconciler.model.resource import Call, Calls, ServiceApi
from reconciler.reconcile.attribution import Attribution, Question, attributed, candidates

cloudtrail = ServiceApi("cloudtrail")

Client = Callable[[bool], AwsClient]
"""The client that CloudTrail is asked with; True: in the region that has the events of services in no region."""

AT_ONCE: Final = 4
"""Look-ups for one question at one look."""
PAGES: Final = 2
"""Pages of each: one call a page."""
PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Lookup:
    """One attribute, which is all that LookupEvents takes. `everywhere`: it is of services that are in no region, whose
    events are in one region, whatever the region of the stack.
    """

    key: str
    value: str
    everywhere: bool = False


Known = dict[tuple[Lookup, datetime, datetime], list[ApiWrite]]
"""Answers, by what was asked for and of which time."""


def lookups(question: Question, look: int) -> tuple[Lookup, ...]:
    """What is asked for at a look, which counts from 0; the next one also asks in another way, and for the next
    operations.

    By the name of the resource where CloudTrail indexes events by it, otherwise by operation.
    """
    could = candidates(question)
    by_name = [
        Lookup("ResourceName", question.index, everywhere)
        for everywhere in sorted({_is_everywhere(service) for service, _ in could})
        if any(service_facts(service).in_event_history for service, _ in could if _is_everywhere(service) is everywhere)
        if question.index
    ]
    by_operation = [
        Lookup("EventName", name, everywhere)
        for name, everywhere in dict.fromkeys((name, _is_everywhere(service)) for service, name in could)
    ]
    if not by_name:
        return _part(by_operation, look)
    return tuple(by_name[:AT_ONCE]) if look == 0 else (*by_name, *_part(by_operation, look - 1))[:AT_ONCE]


def search(
    question: Question,
    look: int,
    client: Client,
    known: Known,
    *,
    stack: str,
    own: str = "",
) -> Attribution | None:
    """Ask CloudTrail, until a call says that it made just this difference, or nothing is left to ask at this look.

    `known` are answers, to which what is read is added: what has changed at once often has one author.
    Raises `errors.AwsError`.
    """
    found, writes = None, list[ApiWrite]()
    for one in lookups(question, look):
        key = one, question.start, question.at
        if key not in known:
            known[key] = client(one.everywhere).run(read(one, question))
        writes += known[key]
        found = attributed(question, writes, stack=stack, own=own)
        if found is not None and found.exact:
            break
    return found


def _part(of: Sequence[Lookup], look: int) -> tuple[Lookup, ...]:
    start = AT_ONCE * (look % max(1, -(-len(of) // AT_ONCE)))
    return tuple(of[start : start + AT_ONCE])


def _is_everywhere(service: str) -> bool:
    return not service_facts(service).regional


def read(what: Lookup, question: Question) -> Calls[list[ApiWrite]]:
    """The writes, newest first, up to a number of pages. Raises `errors.AwsError`."""
    found, _ = yield from records(what, question.start, question.at, pages=PAGES)
    return list(writes_of(found))


def records(what: Lookup, start: datetime, end: datetime, *, pages: int) -> Calls[tuple[list[dict[str, Any]], bool]]:
    """The records of a time, newest first, up to a number of pages, and whether these are all of them.
    Raises `errors.AwsError`."""
    found: list[dict[str, Any]] = []
    token: str | None = None
    for _ in range(pages):
        answer: Mapping[str, Any] = yield lookup(what, start, end, token)
        found += looked_up(answer)
        token = answer.get("NextToken")
        if not token:
            break
    return found, not token


def lookup(what: Lookup, start: datetime, end: datetime, token: str | None = None) -> Call:
    return cloudtrail.lookup_events(
        LookupAttributes=[{"AttributeKey": what.key, "AttributeValue": what.value}],
        StartTime=start,
        EndTime=end,
        MaxResults=PAGE,
        NextToken=token,
    )
