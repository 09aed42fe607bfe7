"""Other owners: what the stack owns or adopts, and another tool still manages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Final

from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity
from reconciler.importing.decision import CLOUDFORMATION, COPILOT, managed_by
from reconciler.importing.inventory import Inventory, Thing, every_tag
from reconciler.importing.stacks import listed_by_stacks
from reconciler.model import ownership
from reconciler.model.resource import Calls, Observed, ServiceApi
from reconciler.model.resource_type import Scope

tagging = ServiceApi("resourcegroupstaggingapi")

ARNS_AT_ONCE: Final = 100


class Owners(Check):
    title: ClassVar[str] = "other owners"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        used = list(_used(case))
        tags: dict[str, dict[str, str]] = {arn: dict(found) for arn, found in case.world.swept.items()}
        arns = sorted({arn for one in used if (arn := _arn(case, one)) and arn not in tags})
        for start in range(0, len(arns), ARNS_AT_ONCE):
            answer = yield tagging.get_resources(ResourceARNList=arns[start : start + ARNS_AT_ONCE])
            tags |= {item["ResourceARN"]: every_tag(item.get("Tags")) for item in answer["ResourceTagMappingList"]}
        things = {
            one.id: Thing(one.address.kind, one.id, _name(case, one), {**one.tags, **tags.get(_arn(case, one), {})})
            for one in used
        }
        marked = [thing for thing in things.values() if {CLOUDFORMATION, COPILOT} & set(thing.tags)]
        listed, _, unasked = (yield from listed_by_stacks(marked)) if marked else ({}, {}, "")
        place = case.place
        inventory = Inventory(
            Scope(place.stack, place.region, place.account, place.partition), (), things, listed, unasked
        )
        return [
            Finding(
                Severity.WARNING,
                "managed-elsewhere",
                str(one.address),
                f"{reason}; each undoes what the other changes",
                "remove it from the other tool, which has to retain it, or leave it out of the specs",
                case.wanted[one.address].where if one.address in case.wanted else "",
            )
            for one in used
            if (reason := managed_by(inventory, things[one.id]))
        ]


def _used(case: Case) -> Iterator[Observed[Any]]:
    """What the stack owns, and what the plan adopts."""
    for one in case.world:
        want, owner = case.wanted.get(one.address), ownership.owner(one.tags)
        if case.kinds[one.address.kind].lookup:
            continue
        if owner == case.place.stack or (owner is None and want is not None and want.adopt):
            yield one


def _arn(case: Case, one: Observed[Any]) -> str:
    arn = one.facts.get("arn") or one.id
    if arn.startswith("arn:"):
        return str(arn)
    kind = case.kinds[one.address.kind].permissions.ec2
    place = case.place
    return f"arn:{place.partition}:ec2:{place.region}:{place.account}:{kind}/{one.id}" if kind else ""


def _name(case: Case, one: Observed[Any]) -> str:
    field = case.kinds[one.address.kind].named_by
    return str(getattr(one.spec, field)) if field is not None else one.id
