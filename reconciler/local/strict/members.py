"""Members that moto takes and does not show again: kept beside its own state, and put into its answers.

Of log groups and tables they are in JSON, of EC2's resources in XML. They begin anew with each creation.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from reconciler.local.refusal import Refusal
from reconciler.local.strict.rule import After, Before, Form, listed
from reconciler.local.wire import Response
from reconciler.local.world import Operation, Params, World

# -- log groups


def log_group_created(world: World, params: Form, response: Response) -> Response | None:  # noqa: ARG001 — see `After`
    """CreateLogGroup: "If you omit this parameter, the default of STANDARD is used"."""
    kept = {"logGroupClass": params.get("logGroupClass", "STANDARD")}
    if "deletionProtectionEnabled" in params:
        kept["deletionProtectionEnabled"] = params["deletionProtectionEnabled"]
    world.members["log-group", params["logGroupName"]] = kept
    return None


def log_group(world: World, group: Any) -> Params:
    """A group of moto's as DescribeLogGroups shows it."""
    shown: Params = group.to_describe_dict()
    return shown | world.members.get(("log-group", group.name), {})


def log_group_protected(world: World, params: Form) -> None:
    """DeleteLogGroup: not while deletion protection is on (PutLogGroupDeletionProtection)."""
    if world.members.get(("log-group", params.get("logGroupName", "")), {}).get("deletionProtectionEnabled"):
        raise Refusal("ValidationException", "Log group has deletion protection enabled and cannot be deleted.")


def _group(world: World, params: Params) -> Any:
    name = str(params.get("logGroupName") or params.get("logGroupIdentifier", "")).rpartition(":log-group:")[2]
    found = world.rest.state("logs").groups.get(name.removesuffix(":*"))
    world.rest.changes += 1
    if found is None:
        raise Refusal("ResourceNotFoundException", "The specified log group does not exist.")
    return found


def associate_kms_key(world: World, params: Params) -> Params:
    _group(world, params).kms_key_id = params["kmsKeyId"]
    return {}


def disassociate_kms_key(world: World, params: Params) -> Params:
    _group(world, params).kms_key_id = None
    return {}


def put_log_group_deletion_protection(world: World, params: Params) -> Params:
    name = _group(world, params).name
    kept = world.members.setdefault(("log-group", name), {})
    kept["deletionProtectionEnabled"] = params["deletionProtectionEnabled"]
    return {}


LOGS: Final[Mapping[str, Operation]] = {
    "AssociateKmsKey": associate_kms_key,
    "DisassociateKmsKey": disassociate_kms_key,
    "PutLogGroupDeletionProtection": put_log_group_deletion_protection,
}
"""Operations that moto lacks."""

# -- tables


def _table(world: World, params: Form, response: Response) -> Response | None:
    """CreateTable, UpdateTable and DescribeTable answer with the table as it is then."""
    answer = orjson.loads(response.body)
    shown = answer.get("Table") or answer.get("TableDescription")
    kept = world.members.get(("table", params.get("TableName", "")))
    if not shown or not kept:
        return None
    if table_class := kept.get("TableClass"):
        shown["TableClassSummary"] = {"TableClass": table_class}
    if limits := kept.get("OnDemandThroughput"):
        shown["OnDemandThroughput"] = limits
    if encryption := kept.get("SSESpecification"):
        key = encryption.get("KMSMasterKeyId", "")
        arn = key if key.startswith("arn:") else world.arn("kms", f"key/{key or 'default'}")
        on = {"Status": "ENABLED", "SSEType": encryption.get("SSEType", "KMS"), "KMSMasterKeyArn": arn}
        shown["SSEDescription"] = on if encryption.get("Enabled") else {"Status": "DISABLED"}
    return replace(response, body=orjson.dumps(answer))


def table_created(world: World, params: Form, response: Response) -> Response | None:
    world.members["table", params["TableName"]] = dict(params)
    return _table(world, params, response)


def table_updated(world: World, params: Form, response: Response) -> Response | None:
    world.members.setdefault(("table", params["TableName"]), {}).update(params)
    return _table(world, params, response)


# -- schedules


def schedule_updated(world: World, params: Form, response: Response) -> Response | None:  # noqa: ARG001 — see `After`
    """UpdateSchedule: "all other parameters are overwritten"; moto keeps what it did after the last run."""
    group = world.rest.state("scheduler").schedule_groups[params["GroupName"]]
    group.schedules[params["Name"]].action_after_completion = params.get("ActionAfterCompletion", "NONE")
    return None


# -- EC2

ENDPOINT: Final = {
    "PrivateDnsEnabled": ("privateDnsEnabled",),
    "IpAddressType": ("ipAddressType",),
    "ServiceRegion": ("serviceRegion",),
    "DnsOptions.DnsRecordIpType": ("dnsOptions", "dnsRecordIpType"),
    "DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint": ("dnsOptions", "privateDnsOnlyForInboundResolverEndpoint"),
    "DnsOptions.PrivateDnsPreference": ("dnsOptions", "privateDnsPreference"),
    "DnsOptions.PrivateDnsSpecifiedDomain": ("dnsOptions", "privateDnsSpecifiedDomainSet", "item"),
}
SUBNET: Final = {"OutpostArn": ("outpostArn",)}
"""Parameters, and where an item of an answer has them."""


def _elements(form: Form, names: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, ...], list[str]]:
    found = {path: [form[name]] if name in form else listed(form, name) for name, path in names.items()}
    return {path: values for path, values in found.items() if values}


def _created(identifier: str, names: Mapping[str, tuple[str, ...]]) -> After:
    def after(world: World, form: Form, response: Response) -> Response | None:
        root = ElementTree.fromstring(response.body)
        found = next((one.text or "" for one in root.iter() if _name(one) == identifier), "")
        world.members[identifier, found] = _elements(form, names)
        return None

    return after


def _modified(identifier: str, parameter: str, names: Mapping[str, tuple[str, ...]]) -> After:
    def after(world: World, form: Form, response: Response) -> Response | None:  # noqa: ARG001 — see `After`
        world.members.setdefault((identifier, form.get(parameter, "")), {}).update(_elements(form, names))
        return None

    return after


def _described(identifier: str) -> After:
    def after(world: World, form: Form, response: Response) -> Response | None:  # noqa: ARG001 — see `After`
        if not any(kind == identifier and kept for (kind, _), kept in world.members.items()):
            return None
        root = ElementTree.fromstring(response.body)
        for item in root.iter():
            own = next((one.text or "" for one in item if _name(one) == identifier), "")
            for path, values in world.members.get((identifier, own), {}).items() if own else ():
                _put(item, path, values)
        return replace(response, body=ElementTree.tostring(root))

    return after


def _put(item: ElementTree.Element, path: tuple[str, ...], values: list[str]) -> None:
    """Replace what stands at `path` by an element for each value."""
    prefix = item.tag.partition("}")[0] + "}" if item.tag.startswith("{") else ""
    *outer, last = path
    for step in outer:
        inner = next((one for one in item if _name(one) == step), None)
        item = ElementTree.SubElement(item, f"{prefix}{step}") if inner is None else inner
    for former in [one for one in item if _name(one) == last]:
        item.remove(former)
    for value in values:
        ElementTree.SubElement(item, f"{prefix}{last}").text = value


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


BEFORE: dict[tuple[str, str], Before] = {("logs", "DeleteLogGroup"): log_group_protected}
AFTER: dict[tuple[str, str], After] = {
    ("logs", "CreateLogGroup"): log_group_created,
    ("dynamodb", "CreateTable"): table_created,
    ("dynamodb", "UpdateTable"): table_updated,
    ("dynamodb", "DescribeTable"): _table,
    ("scheduler", "PUT"): schedule_updated,
    ("ec2", "CreateSubnet"): _created("subnetId", SUBNET),
    ("ec2", "DescribeSubnets"): _described("subnetId"),
    ("ec2", "ModifyVpcEndpoint"): _modified("vpcEndpointId", "VpcEndpointId", ENDPOINT),
    ("ec2", "DescribeVpcEndpoints"): _described("vpcEndpointId"),
}
endpoint_created: Final = _created("vpcEndpointId", ENDPOINT)
