"""Ownership check of every write, by the names that the call says its targets by.

It is the second check, after the planner's, and knows nothing of plans: a call is let through for what stands in it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from reconciler.aws.catalogue import service_facts
from reconciler.model.resource import Call

TARGETS_INSIDE = {
    ("autoscaling", "CreateOrUpdateTags"): ("Tags", "ResourceId"),
    ("autoscaling", "DeleteTags"): ("Tags", "ResourceId"),
    ("elbv2", "SetRulePriorities"): ("RulePriorities", "RuleArn"),
    ("route53", "ChangeResourceRecordSets"): ("ChangeBatch.Changes", "ResourceRecordSet.Name"),
}
"""Operations that name their targets in a list, and the way to each name; a dot leads into a mapping."""


@dataclass(slots=True)
class OwnershipGuard:
    """What the stack owns, by every name that a call can say it by. Grows as things are created."""

    names: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, *identifiers: str) -> None:
        with self._lock:
            for identifier in identifiers:
                self.names.update(aliases(identifier))

    def knows(self, service: str, text: str) -> bool:
        """Whether a service's call may name something of ours so. Short names count in their own service only: a
        repository is not ours because a cluster of that name is."""
        return text in self.names or f"{service_facts(service).arn_namespace}:{text}" in self.names

    def covers(self, call: Call) -> bool:
        """A write names at least one thing of ours, and a list of targets nothing but ours.

        Only top-level parameters count: they are what is written to, the deeper ones are what it is written with.
        `TARGETS_INSIDE` are the operations that hide their targets deeper.
        """
        inside = TARGETS_INSIDE.get((call.service, call.operation))
        if call.operation in service_facts(call.service).shared:
            return True
        if inside is not None:
            parameter, key = inside
            return all(self.knows(call.service, _at(item, key)) for item in _at(call.params, parameter))
        texts = [value for value in call.params.values() if isinstance(value, str)]
        lists = [value for value in call.params.values() if is_list_of_text(value)]
        return any(self.knows(call.service, text) for text in texts) or any(
            all(self.knows(call.service, item) for item in value) for value in lists
        )


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value[step]
    return value


def aliases(identifier: str) -> set[str]:
    """An ARN's resource part and its last segment name the same thing as the ARN, to its own service."""
    if not identifier.startswith("arn:"):
        return {identifier}
    _, _, service, _, _, resource = (identifier + ":::::").split(":", 5)
    resource = resource.rstrip(":")
    short = {resource, resource.rpartition("/")[2], resource.partition(":")[2] or resource}
    return {identifier, *(f"{service}:{name}" for name in short)}


def created(call: Call, answer: dict[str, Any]) -> Iterable[str]:
    """What a creation's answer gives out as the new thing's id, ARN or name; not what it stands on or refers to.

    `CreateSubnet` answers a `SubnetId`, which is new, and a `VpcId`, which is not; `CreateLogGroup` answers nothing,
    and its new thing goes by the name that it was sent.
    """
    noun = _VERB.sub("", call.operation).casefold()
    for key, text in (*_pairs(answer), *_pairs(call.params)):
        if _names(noun, key.casefold()):
            yield f"{service_facts(call.service).arn_namespace}:{text}" if key.endswith(("Name", "name")) else text


_VERB = re.compile(r"^[A-Z][a-z]+")
_IDENTIFIER = re.compile(r"(id|arn|name)$")


def _names(noun: str, key: str) -> bool:
    """Whether `key` says which `noun` it is: `groupid` of a `securitygroup`, or just `arn`."""
    what, ends = _IDENTIFIER.subn("", key)
    return bool(ends) and (not what or noun.endswith(what) or what in _SAME.get(noun, ()))


_SAME = {"address": ("allocation",), "scalabletarget": ("resource",)}


def _pairs(value: Any) -> Iterable[tuple[str, str]]:
    """Every key and text, however deep."""
    if isinstance(value, dict):
        for key, item in value.items():
            if isinstance(item, str):
                yield key, item
            elif key not in _ELSEWHERE:
                yield from _pairs(item)
    elif isinstance(value, list):
        for item in value:
            yield from _pairs(item)


_ELSEWHERE = frozenset({"ResponseMetadata", "containerDefinitions", "containers", "Tags", "tags", "TagSpecifications"})
"""What is inside these goes by `name` and `id` too, and is not the thing itself."""


def is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
