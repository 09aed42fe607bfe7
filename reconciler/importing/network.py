"""The document of a network that is owned: its VPC, and the subnets, route tables and gateways in it, each by its id.

Routes and the rules of security groups are not stated, and stay as they are. A subnet that uses the main route table of
its VPC is left out, because the specs associate each subnet with a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.importing.inventory import Inventory, Thing
from reconciler.spec.yaml_text import Block

ANYWHERE: Final = "0.0.0.0/0"
_NAME: Final = re.compile(r"(?!vpc-|subnet-)[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DESCRIBED: Final = re.compile(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}")


@dataclass(frozen=True, slots=True)
class Tables:
    """Route tables by id, and the table of each subnet that is associated with one."""

    tables: Mapping[str, Thing]
    of_subnet: Mapping[str, str]


def tables_of(inventory: Inventory, vpc: str) -> Tables:
    tables = {one.id: one for one in inventory.of("route-table") if one.item["VpcId"] == vpc}
    pairs = (
        (association.get("SubnetId"), one.id) for one in tables.values() for association in one.item["Associations"]
    )
    return Tables(tables, {subnet: table for subnet, table in pairs if subnet})


def is_public(table: Thing) -> bool:
    routes = table.item.get("Routes") or ()
    return any(
        one.get("DestinationCidrBlock") == ANYWHERE and one.get("GatewayId", "").startswith("igw-") for one in routes
    )


def network_names(inventory: Inventory, vpc: Thing) -> dict[str, str]:
    """Names of what the document holds, by id: the VPC's is that of the document."""
    found = {vpc.id: _named(vpc, "network", (), drop="-vpc")}
    tables = tables_of(inventory, vpc.id)
    subnets = [one for one in inventory.of("subnet") if one.item["VpcId"] == vpc.id and one.id in tables.of_subnet]
    for subnet in sorted(subnets, key=lambda one: (one.item["AvailabilityZone"], one.item["CidrBlock"])):
        access = "public" if is_public(tables.tables[tables.of_subnet[subnet.id]]) else "private"
        found[subnet.id] = _named(subnet, f"{access}-{subnet.item['AvailabilityZone'][-1]}", found.values())
    names: list[str] = []
    for id in dict.fromkeys(tables.of_subnet[subnet.id] for subnet in subnets):
        table = tables.tables[id]
        names.append(found.setdefault(id, _named(table, "public" if is_public(table) else "private", names)))
    groups = [one for one in inventory.of("security-group") if one.item["VpcId"] == vpc.id and one.name != "default"]
    return found | {group.id: group.name for group in groups if not group.name.startswith("sg-")}


def _named(thing: Thing, otherwise: str, taken: Iterable[str], drop: str = "") -> str:
    """The tag `Name`, if it can be a name in the specs and nothing else has it."""
    name, known = thing.tags.get("Name", "").removesuffix(drop), set(taken)
    names = (name, otherwise, *(f"{otherwise}-{number}" for number in range(2, len(known) + 3)))
    return next(one for one in names if _NAME.fullmatch(one) and one not in known)


def network_block(inventory: Inventory, vpc: Thing, names: Mapping[str, str]) -> Block:
    tables, block = tables_of(inventory, vpc.id), Block()
    subnets = [one for one in inventory.of("subnet") if one.id in names and one.item["VpcId"] == vpc.id]
    block.put("kind", "Network")
    block.put("name", names[vpc.id])
    block.put("adopt", {"ids": _ids(inventory, vpc, subnets, tables, names)})
    block.put("cidr", vpc.item["CidrBlock"])
    block.put("subnets", [_subnet(one, tables, names) for one in subnets])
    groups = [one for one in inventory.of("security-group") if one.id in names and one.item["VpcId"] == vpc.id]
    if groups:
        block.put(
            "security_groups",
            [_group(one) for one in groups],
            above="Their rules are not stated, and stay as they are; so do the routes of the subnets.",
        )
    return block


def _ids(
    inventory: Inventory, vpc: Thing, subnets: Iterable[Thing], tables: Tables, names: Mapping[str, str]
) -> dict[str, str]:
    ids = {f"vpc/{names[vpc.id]}": vpc.id}
    public = any(is_public(tables.tables[tables.of_subnet[one.id]]) for one in subnets)
    for gateway in inventory.of("internet-gateway") if public else ():
        if any(attached["VpcId"] == vpc.id for attached in gateway.item["Attachments"]):
            ids[f"internet-gateway/{names[vpc.id]}"] = gateway.id
    ids |= {f"subnet/{names[one.id]}": one.id for one in subnets}
    return ids | {f"route-table/{names[id]}": id for id in dict.fromkeys(tables.of_subnet[one.id] for one in subnets)}


def _subnet(subnet: Thing, tables: Tables, names: Mapping[str, str]) -> dict[str, Any]:
    table = tables.of_subnet[subnet.id]
    return {
        "name": names[subnet.id],
        "zone": subnet.item["AvailabilityZone"],
        "cidr": subnet.item["CidrBlock"],
        "access": "public" if is_public(tables.tables[table]) else "private",
        "route_table": names[table],
    }


def _group(group: Thing) -> dict[str, Any]:
    description = group.item["Description"]
    return {"name": group.name} | ({"description": description} if _DESCRIBED.fullmatch(description) else {})
