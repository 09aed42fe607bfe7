"""`requestParameters` and `responseElements` of a call, as CloudTrail spells them.

Members begin with a small letter; secrets are hidden in a request, and left out of an answer. EC2's lists are objects
with `items`, and its newer operations are wrapped whole, with the names of the API.
Sources: the records published in the CloudTrail User Guide and in AWS's guides of each service.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from botocore import parsers
from botocore.model import Shape

from reconciler.local import wire
from reconciler.local.cloudtrail import calls
from reconciler.local.cloudtrail.state import Params, Record
from reconciler.local.refusal import Refusal
from reconciler.local.wire import Call, Response

HIDDEN: Final = "HIDDEN_DUE_TO_SECURITY_REASONS"
SECRET_MEMBERS: Final = frozenset({("ssm", "PutParameterRequest", "Value")})
"""Members that are hidden although their shapes are not marked as sensitive: service, shape and member."""
OMITTED_MEMBERS: Final = frozenset({"SecretString", "SecretBinary", "SecretAccessKey", "authorizationToken"})
WRAPPED: Final = re.compile(
    r"\w*(NatGateway|VpcEndpoint|LaunchTemplate|SecurityGroupRule|ManagedPrefixList|FlowLogs)\w*"
)
"""Operations of EC2 whose records hold one member, `<operation>Request`, with the API's own names."""
SETS: Final = {
    "Resources": ("resourcesSet", "resourceId"),
    "Tags": ("tagSet", ""),
    "TagSpecifications": ("tagSpecificationSet", ""),
    "PublicIps": ("publicIpsSet", "publicIp"),
}
"""EC2: lists that have another name in CloudTrail, and the member that a plain item becomes."""
PROTOCOLS: Final = {"json": "json", "cbor": "smithy-rpc-v2-cbor", "query": "query", "ec2": "ec2"}


# ---- requests -------------------------------------------------------------------------------------------------------


def requested(record: Record) -> Params | None:
    call = record.call
    if record.omitted or not wire.metadata(call.service):
        return None
    if call.protocol == "rest":
        return _requested_by_rest(call)
    try:
        shape = wire.operation_model(call).input_shape
        if shape is None:
            return None
        if call.protocol == "ec2":
            return _requested_of_ec2(call, shape)
        given = wire.parameters(call)
    except Refusal:
        return None  # it could not be read, and was refused
    shown: Params = _lowered(call.service, shape, given, HIDDEN)
    return shown or None


def _requested_by_rest(call: Call) -> Params | None:
    name, path = calls.rest_operation(call)
    found: Params = {_lower(key): value for key, value in path.items()}
    body = call.request.body
    if body[:1] == b"{":
        try:
            given = orjson.loads(body)
            shape = wire.service_model(call.service).operation_model(name).input_shape
        except (orjson.JSONDecodeError, KeyError):
            return found or None
        if shape is not None:
            found |= _lowered(call.service, shape, given, HIDDEN)
    return found or None


def _lowered(service: str, shape: Shape, value: Any, hidden: str | None) -> Any:
    """A value with the names of CloudTrail; what is secret is `hidden`, or left out where that is None."""
    match shape.type_name:
        case "structure" if isinstance(value, Mapping):
            members: Mapping[str, Shape] = shape.members  # type: ignore[attr-defined]  # StructureShape
            found: Params = {}
            for name, item in value.items():
                if name in OMITTED_MEMBERS or name not in members or item is None:
                    continue
                secret = members[name].metadata.get("sensitive") or (service, shape.name, name) in SECRET_MEMBERS
                if secret and hidden is None:
                    continue
                found[_lower(name)] = hidden if secret else _lowered(service, members[name], item, hidden)
            return found
        case "list" if isinstance(value, list | tuple):
            return [_lowered(service, shape.member, item, hidden) for item in value]  # type: ignore[attr-defined]  # ListShape
        case "map" if isinstance(value, Mapping):
            return {key: _lowered(service, shape.value, item, hidden) for key, item in value.items()}  # type: ignore[attr-defined]  # MapShape
        case _:
            return _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, datetime):
        at = value.astimezone(UTC)
        return f"{at:%b} {at.day}, {at.year}, {at.hour % 12 or 12}:{at:%M:%S %p}"
    return HIDDEN if isinstance(value, bytes) else value


def _lower(name: str) -> str:
    """`ARN` becomes `arn`; it was `aRN` until 2024 (Secrets Manager User Guide, "CloudTrail entries")."""
    return name.lower() if name.isupper() else name[:1].lower() + name[1:]


# ---- EC2 ------------------------------------------------------------------------------------------------------------


def _requested_of_ec2(call: Call, shape: Shape) -> Params | None:
    given = _from_form(shape, call.form, "")
    if WRAPPED.fullmatch(call.operation):
        return {f"{call.operation}Request": _whole(given)}
    return _items(shape, given or {}) or None


def _from_form(shape: Shape, form: Mapping[str, str], prefix: str) -> Any:
    """Parameters of EC2's flat form, by the names of the model."""
    match shape.type_name:
        case "structure":
            members: Mapping[str, Shape] = shape.members  # type: ignore[attr-defined]  # StructureShape
            found = {
                name: _from_form(one, form, _join(prefix, _query_name(name, one))) for name, one in members.items()
            }
            return {name: value for name, value in found.items() if value is not None} or None
        case "list":
            return [_from_form(shape.member, form, f"{prefix}.{index}") for index in _indexes(form, prefix)] or None  # type: ignore[attr-defined]  # ListShape
        case "boolean":
            return form[prefix] == "true" if prefix in form else None
        case "integer" | "long":
            text = form.get(prefix, "")
            return int(text) if text.lstrip("-").isdigit() else None
        case _:
            return form.get(prefix)


def _query_name(name: str, shape: Shape) -> str:
    named = shape.serialization.get("queryName")
    if named is None and (located := shape.serialization.get("name")):
        named = located[:1].upper() + located[1:]
    return str(named or name)


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _indexes(form: Mapping[str, str], prefix: str) -> Iterator[int]:
    start = len(prefix) + 1
    found = {key[start:].partition(".")[0] for key in form if key.startswith(f"{prefix}.")}
    return iter(sorted(int(index) for index in found if index.isdigit()))


def _items(shape: Shape, value: Any) -> Any:
    """Members by their names in EC2's XML; lists as `{"items": […]}`, of objects or of plain values made objects."""
    if not isinstance(value, Mapping):
        return _scalar(value)
    members: Mapping[str, Shape] = shape.members  # type: ignore[attr-defined]  # StructureShape
    found: Params = {}
    if shape.name == "IpPermission":  # shown with all of its lists
        found = {_located(name, one): {} for name, one in members.items() if one.type_name == "list"}
    for name, item in value.items():
        one = members[name]
        named = _located(name, one)
        if isinstance(item, list):
            renamed, member = SETS.get(name, (named, ""))
            of: Shape = one.member  # type: ignore[attr-defined]  # ListShape
            plain = member or _lower(name).removesuffix("s")
            rows = [_items(of, row) if isinstance(row, Mapping) else {plain: _scalar(row)} for row in item]
            found[renamed] = {"items": rows} if rows else {}
        else:
            found["_return" if named == "return" else named] = _items(one, item)
    return found


def _located(name: str, shape: Shape) -> str:
    return _lower(str(shape.serialization.get("name") or name))


def _whole(value: Any) -> Any:
    """Names as they are; the items of a list are numbered."""
    if isinstance(value, Mapping):
        return {name: _whole(item) for name, item in value.items()}
    if isinstance(value, list):
        rows = [{"tag": number, "content": _whole(one)} for number, one in enumerate(value, 1)]
        return rows[0] if len(rows) == 1 else rows
    return _scalar(value)


# ---- answers --------------------------------------------------------------------------------------------------------


def answered(record: Record) -> Params | None:
    """None for what reads, for what was refused, and for operations that answer nothing."""
    call, response = record.call, record.response
    if record.reads or response.status >= 300 or not response.body:
        return None
    parsed = _parsed(call, response)
    if parsed is None:
        return None
    parsed.pop("ResponseMetadata", None)
    shape = wire.service_model(call.service).operation_model(calls.operation(call)).output_shape
    if call.protocol == "ec2":
        found = _items(shape, parsed) if shape is not None else {}
        request_id = {"requestId": request_id_of(record)}
        return (
            {f"{call.operation}Response": found}
            if WRAPPED.fullmatch(call.operation)
            else request_id | (found or {"_return": True})
        )
    return None if shape is None else _lowered(call.service, shape, parsed, None) or None


def refused(record: Record) -> tuple[str, str]:
    """`errorCode` and `errorMessage`; empty for what was carried out."""
    call, response = record.call, record.response
    if response.status < 300:
        return "", ""
    error = (_parsed(call, response) or {}).get("Error") or {}
    code = str(error.get("Code") or response.status)
    side = "Server" if response.status >= 500 and response.status != 503 else "Client"
    return (f"{side}.{code}" if call.service == "ec2" else code), str(error.get("Message") or "")


def _parsed(call: Call, response: Response) -> Params | None:
    """The answer as boto3 would read it; None for an operation that botocore does not know."""
    metadata = wire.metadata(call.service)
    name = calls.operation(call)
    if not metadata or name not in wire.service_model(call.service).operation_names:
        return None
    protocol = PROTOCOLS.get(call.protocol) or str(metadata["protocol"])
    shape = wire.service_model(call.service).operation_model(name).output_shape
    answer = {"headers": dict(response.headers), "status_code": response.status, "body": response.body, "context": {}}
    try:
        found: Params = parsers.create_parser(protocol).parse(answer, shape)  # type: ignore[arg-type]  # it takes None
    except parsers.ResponseParserError:
        return None  # of moto, which does not answer everything in the protocol of its service
    return found


def request_id_of(record: Record) -> str:
    headers = record.response.headers
    return str(headers.get("x-amzn-requestid") or headers.get("x-amz-request-id") or record.event_id)
