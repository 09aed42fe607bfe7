"""Lack of capacity: tasks that AWS cannot place or start for reasons that no version of a service can help.

ECS reports it in the service's events and in the reasons of stopped tasks. It repeats an event only after six hours or
once its cause has been resolved (ECS developer guide, "Viewing service event messages"), so an event counts for that
long, as long as tasks are missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from reconciler.rollout.state import TaskSet

REPEATED_AFTER: Final = timedelta(hours=6)

_LACKING: Final = re.compile(
    r"Capacity is unavailable at this time"
    r"|UnfulfillableCapacity|InsufficientInstanceCapacity|MaxSpotInstanceCountExceeded"
    r"|limit on the number of (?:vCPUs|(?:\w+ )?tasks)[^.]*|VcpuLimitExceeded"
    r"|No Container Instances were found in your cluster"
    r"|RESOURCE:(?:CPU|MEMORY|ENI|PORTS)|insufficient (?:CPU|memory) units available"
)
_RESOLVED: Final = "has reached a steady state"


def lack_in(text: str) -> str:
    """The part of an event or a stop reason that reports a lack of capacity, or ""."""
    found = _LACKING.search(text)
    return found[0] if found is not None else ""


def with_lack(one: TaskSet, desired: int, events: Iterable[Mapping[str, Any]], now: datetime) -> TaskSet:
    """The task set, with what keeps ECS from placing its missing tasks. `events` are the service's, newest first."""
    if one.draining or one.running + one.pending >= one.needed(desired):
        return one
    its_own = (
        event
        for event in events
        if event["createdAt"] >= one.born and ("taskSet" not in event["message"] or f"{one.id})" in event["message"])
    )
    return replace(one, unplaced=reported(its_own, now))


def reported(events: Iterable[Mapping[str, Any]], now: datetime) -> str:
    """The lack of capacity that ECS reported last, unless it is resolved, or "". `events` come newest first."""
    for event in events:
        if now - event["createdAt"] > REPEATED_AFTER:
            break
        lack = lack_in(event["message"])
        if lack or _RESOLVED in event["message"]:
            return lack
    return ""
