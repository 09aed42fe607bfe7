"""Runs of standalone tasks: starting one exactly once, finding it again, and its outcome."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.resource import TOKEN_LENGTH, Address, Call, Calls, Link
from reconciler.model.tagging import tag_value
from reconciler.resources import _ecs
from reconciler.resources._ecs import ecs

TOKEN: Final = "reconciler:run-token"
"""The tag of a task that says which run it belongs to."""

SECURITY_GROUPS: Final = "reconciler:run-security-groups"
"""The tag of a task that has its security groups, separated by spaces: ECS shows only in which subnet it runs."""

BATCH: Final = 100  # tasks a DescribeTasks


def token(*parts: str) -> str:
    """The client token of a run: what it is a run of, and which attempt, but not with which parameters."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:TOKEN_LENGTH]


def started_by(stack: str | None, address: Address) -> str:
    """Who starts the task, in the characters that ECS allows and at most 128 of them."""
    return re.sub(r"[^A-Za-z0-9_/-]", "-", f"reconciler/{stack}/{address.name}")[:128]


def start(call: Call, address: Address, stack: str | None) -> Calls[tuple[list[str], list[dict[str, Any]]]]:
    """The ARNs of the started tasks, and ECS's failures. `call` is a RunTask with a client token.

    ECS returns the first tasks to a repeated token. Where the parameters have changed since, it refuses; the tasks are
    then found by their tags. Raises `errors.AwsError` if nothing was started.
    """
    try:
        answer = yield call
    except errors.Exists:
        family = family_of(call.params["taskDefinition"])
        items = yield from find(call.params["cluster"], family, stack, address, call.params["clientToken"])
        if not items:
            raise
        return [item["taskArn"] for item in items], []
    failures: list[dict[str, Any]] = answer.get("failures") or []
    arns = [task["taskArn"] for task in answer["tasks"]]
    if not arns:
        raise refusal(failures)
    return arns, failures


def find(cluster: Link, family: str, stack: str | None, address: Address, token: str) -> Calls[list[dict[str, Any]]]:
    """The tasks of one run: those that run, and those that stopped within the hour. Three calls at most.

    ECS takes no other filter beside `startedBy`, and shows only running tasks then.
    """
    try:
        running = yield ecs.list_tasks(cluster=cluster, startedBy=started_by(stack, address))
        stopped = yield ecs.list_tasks(cluster=cluster, family=family, desiredStatus="STOPPED")
    except errors.Gone:
        return []  # not even the cluster is there
    items = yield from described(cluster, [*running["taskArns"], *stopped["taskArns"]])
    return [item for item in items if is_of(item, stack, address) and _ecs.tags_of(item).get(TOKEN) == token]


def described(cluster: Link, arns: Sequence[str]) -> Calls[list[dict[str, Any]]]:
    """What ECS knows of the tasks, with their tags; those that it has forgotten are left out."""
    found: list[dict[str, Any]] = []
    for batch in _ecs.batches(sorted(arns), BATCH):
        call = ecs.describe_tasks(cluster=cluster, tasks=list(batch), include=["TAGS"])
        try:
            found += _ecs.found(call, (yield call), "tasks")
        except errors.Gone:
            return found  # the cluster is gone
    return found


def is_of(item: Mapping[str, Any], stack: str | None, address: Address) -> bool:
    tags = _ecs.tags_of(item)
    return ownership.owner(tags) == stack and tags.get(ownership.ADDRESS) == tag_value(str(address))


def network(item: Mapping[str, Any]) -> frozenset[str]:
    """The subnet and the security groups that a task runs in."""
    details = [one for attachment in item.get("attachments") or () for one in attachment.get("details") or ()]
    subnets = {one["value"] for one in details if one.get("name") == "subnetId"}
    return frozenset(subnets | set(_ecs.tags_of(item).get(SECURITY_GROUPS, "").split()))


def family_of(definition: Link) -> str:
    return _ecs.last(str(definition)).rpartition(":")[0]


# -- outcome


def failure_of(items: Iterable[Mapping[str, Any]], optional: Collection[str] = ()) -> str | None:
    """Why a run failed; "" if it succeeded, None while one of its tasks has not stopped.

    It succeeded if every container exited with 0, apart from the `optional` ones, which are not essential.
    """
    several = list(items)
    if any(item.get("lastStatus") != "STOPPED" for item in several):
        return None
    return next((why for item in several if (why := _failure(item, optional))), "")


def _failure(item: Mapping[str, Any], optional: Collection[str]) -> str:
    reason = item.get("stoppedReason") or ""
    containers = [one for one in item.get("containers") or () if one.get("name") not in optional]
    if item.get("stopCode") == "TaskFailedToStart" or not containers:
        return reason or "the task did not start"
    for one in sorted(containers, key=lambda one: one.get("exitCode") is None):
        code, whose = one.get("exitCode"), f" of {one['name']}" if len(containers) > 1 else ""
        if code:
            return f"exit code {code}{whose}{_because(one.get('reason'))}"
        if code is None:
            return f"no exit code{whose}{_because(one.get('reason') or reason)}"
    return ""


def _because(reason: str | None) -> str:
    return f" ({reason})" if reason else ""


_FOR_A_PERSON: Final = ("limit on the number of", "RESOURCE:ENI-LIMIT")


def refusal(failures: Sequence[Mapping[str, Any]]) -> errors.AwsError:
    """Why RunTask started nothing, which it answers with status 200: a quota, or something that time may cure."""
    first = failures[0] if failures else {}
    reason = first.get("reason", "")
    text = ": ".join(part for part in (reason, first.get("detail", "")) if part) or "no reason given"
    kind = errors.Quota if any(part in text for part in _FOR_A_PERSON) else errors.Blocked
    return kind(text, call="ecs.RunTask", code=reason)
