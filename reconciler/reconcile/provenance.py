"""Provenance: what the tags of a task definition's revision say of where it comes from, and who asked for what of it.

The commit is the one that the revision was registered for. It is not part of what is desired: another commit with the
same content registers nothing. The last requests are beside it, because their own tags on the service are replaced by
the next request; a value that cannot be read is left out, since nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reconciler.model.plan import Action, Plan
from reconciler.model.resource import Calls, ServiceApi
from reconciler.model.tagging import unescaped, with_text
from reconciler.model.type_registry import ResourceTypes
from reconciler.resources.task_definition import AUDIT, COMMIT
from reconciler.rollout.requests import ANY, Request, intent_of
from reconciler.store.audit_trail import AuditEntry

ecs = ServiceApi("ecs")


def with_commit(plan: Plan, kinds: ResourceTypes, commit: str, subject: str) -> Plan:
    """`plan`, whose new revisions say which commit they are for; `commit` is empty for specs of no commit."""
    if not commit:
        return plan
    tag = {COMMIT: with_text(f"{commit} ", subject).rstrip()}
    return replace(plan, actions=tuple(_tagged(action, kinds, tag) for action in plan.actions))


def _tagged(action: Action, kinds: ResourceTypes, tag: Mapping[str, str]) -> Action:
    new: Any = action.new
    if new is None or not kinds[action.address.kind].revisions:
        return action
    return replace(action, new=replace(new, tags={**new.tags, **tag}))


def commit_of(tags: Mapping[str, str]) -> tuple[str, str]:
    """The commit and the start of its subject; both empty where a revision does not say."""
    commit, _, subject = tags.get(COMMIT, "").partition(" ")
    return commit, unescaped(subject)


def read_commit(revision: str) -> Calls[str]:
    """The commit of a revision, `family:number`. Raises `errors.AwsError`."""
    answer = yield ecs.describe_task_definition(taskDefinition=revision, include=["TAGS"])
    return commit_of({tag["key"]: tag.get("value", "") for tag in answer.get("tags") or ()})[0]


def audit_tag(entry: AuditEntry, tags: Mapping[str, str]) -> dict[str, str]:
    """The tag that keeps `entry` on a revision with these tags, in place of the oldest; none if it is there already."""
    kept = {key: request for key in AUDIT if (request := intent_of(tags.get(key, ""))) is not None}
    if entry.id in {request.id for request in kept.values()}:
        return {}
    free = next((key for key in AUDIT if key not in kept), None)
    key = free or min(AUDIT, key=lambda one: kept[one].at)
    return {key: Request(entry.verb, entry.release or ANY, entry.id, entry.at, entry.by, entry.why).text()}


def audit_of(tags: Mapping[str, str], address: str) -> tuple[AuditEntry, ...]:
    """The requests that the tags of a revision keep, the oldest first. `address` is that of its service or task."""
    commit, subject = commit_of(tags)
    requests = [request for key in AUDIT if (request := intent_of(tags.get(key, ""))) is not None]
    entries = [
        AuditEntry(one.id, one.at, str(one.verb), address, one.by, one.why, _release(one), commit, subject)
        for one in requests
    ]
    return tuple(sorted(entries, key=lambda entry: (entry.at, entry.id)))


def _release(request: Request) -> str:
    return "" if request.release == ANY else request.release
