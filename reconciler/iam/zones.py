"""Statements about the hosted zones of domains: which records the operator may change, and by which role.

A policy binds a change of records to its hosted zone, and by condition keys to the names and types of all records in
it. Where the specs name no zone, its id is not known before the account is read, and the names alone bind.
Source: Route 53 developer guide, "Using IAM policy conditions for fine-grained access control".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final

from reconciler.iam.statement import EVERYTHING, Statement
from reconciler.model.resource import Address, Desired, Ref
from reconciler.model.type_registry import ResourceTypes

CHANGE: Final = "route53:ChangeResourceRecordSets"
NAMES: Final = f"{CHANGE}NormalizedRecordNames"
TYPES: Final = f"{CHANGE}RecordTypes"


def statements(
    kinds: ResourceTypes, wanted: Sequence[Desired[Any]], partition: str, reads: tuple[str, ...]
) -> Iterator[Statement]:
    specs = {want.address: want.spec for want in wanted}
    names: dict[str, set[str]] = defaultdict(set)
    types: dict[str, set[str]] = defaultdict(set)
    roles: set[str] = set()
    for want in wanted:
        for name, kinds_of_records in kinds[want.address.kind].records(want.spec).items():
            if want.spec.role:
                roles.add(want.spec.role)
                continue
            zone = _zone(want.spec.zone, specs)
            names[zone].add(normalized(name))
            types[zone].update(kinds_of_records)
    if names:
        yield Statement("LookAtZones", "Route 53 is in no region, and the zone of a domain is looked for", reads)
    for number, zone in enumerate(sorted(names)):
        condition = {
            "ForAllValues:StringLike": {NAMES: sorted(names[zone])},
            "ForAllValues:StringEquals": {TYPES: sorted(types[zone])},
        }
        why = "only the names of the specs' domains are changed"
        sid = f"ChangeRecords{number or ''}"
        yield Statement(sid, why, (CHANGE,), (f"arn:{partition}:route53:::hostedzone/{zone}",), condition)
    why = "hosted zones of other accounts are reached by the roles that the specs name"
    yield Statement("ReachZones", why, ("sts:AssumeRole",) if roles else (), tuple(sorted(roles)) or EVERYTHING)


def normalized(name: str) -> str:
    """A name as the condition key has it; the `*` of a wildcard is escaped there, any other stands for anything."""
    return f"\\052{name[1:]}" if name.startswith("*.") else name


def _zone(link: Any, specs: dict[Address, Any]) -> str:
    """The id of a zone that the specs name; `*` for one that they do not."""
    found = specs.get(link.address) if isinstance(link, Ref) else None
    return str((found.zone or "*") if found is not None else link)
