"""AWS's protocols, from the server's side.

A request is recognised by its signing scope; parameters are read, and answers written and checked, by the same
botocore service models that the clients use. What the AWS emulator does not own is recognised all the same (service,
operation), so that faults and the strict layer can name it, and is passed on as it came.
"""

from __future__ import annotations

import functools
import io
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import botocore.session
import cbor2
import orjson
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationModel, ServiceModel

from reconciler.local import wire_query
from reconciler.local.refusal import Refusal
from reconciler.local.wire_shapes import from_client, to_client

Protocol = Literal["json", "cbor", "query", "ec2", "rest"]

# signing name → boto3's client name, where they differ
CLIENT_NAMES = {
    "elasticloadbalancing": "elbv2",
    "tagging": "resourcegroupstaggingapi",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
}
SCOPE = re.compile(r"Credential=(?P<key>[^/]+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
HOST = re.compile(r"^(?:api\.)?(?P<service>[a-z0-9-]+)(?:\.(?P<region>[a-z]{2}(?:-[a-z]+)+-\d))?\.amazonaws\.com")
CBOR_PATH = re.compile(r"/service/(?P<service>[^/]+)/operation/(?P<operation>[^/]+)$")
QUERY_CODES = {
    "sqs": {
        "BatchEntryIdsNotDistinct": "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        "BatchRequestTooLong": "AWS.SimpleQueueService.BatchRequestTooLong",
        "EmptyBatchRequest": "AWS.SimpleQueueService.EmptyBatchRequest",
        "MessageNotInflight": "AWS.SimpleQueueService.MessageNotInflight",
        "PurgeQueueInProgress": "AWS.SimpleQueueService.PurgeQueueInProgress",
        "QueueDeletedRecently": "AWS.SimpleQueueService.QueueDeletedRecently",
        "QueueDoesNotExist": "AWS.SimpleQueueService.NonExistentQueue",
        "QueueNameExists": "QueueAlreadyExists",
        "TooManyEntriesInBatchRequest": "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        "UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
    }
}
"""What clients show as the code of an error, of services that spoke the query protocol before JSON."""
LARGEST_BODY = 64 * 1024 * 1024
READING_METHODS = frozenset({"GET", "HEAD"})
READS = ("Describe", "List", "Get", "BatchGet", "Query", "Scan", "Head", "Search", "Filter", "Simulate", "Lookup")


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` have lower-case names; `url` is the one that was signed or, over HTTP, the path on this machine."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call:
    """A request, recognised. `form` is the flat form of a query-protocol request."""

    request: Request
    signing_name: str
    service: str
    region: str
    operation: str
    protocol: Protocol
    form: Mapping[str, str]

    def reads(self) -> bool:
        """Whether it changes nothing, judged as AWS's own read-only policies are: by the operation's name."""
        return self.operation.startswith(READS)


def recognise(request: Request, default_region: str) -> Call:
    """Raises ValueError where the body of a form is not text, or a compressed one cannot be read."""
    signing_name, region = _scope(request, default_region)
    service = CLIENT_NAMES.get(signing_name, signing_name)
    if request.headers.get("content-encoding") == "gzip" and service != "s3":  # there it is the object's own
        request = _decompressed(request)
    content_type = request.headers.get("content-type", "")
    form: Mapping[str, str] = {}
    protocol: Protocol = "rest"
    operation = ""
    if match := CBOR_PATH.search(urlsplit(request.url).path):
        protocol, operation = "cbor", match["operation"]
    elif target := request.headers.get("x-amz-target"):
        protocol, operation = "json", target.rpartition(".")[2]
    elif content_type.startswith("application/x-www-form-urlencoded") or not request.body:
        form = _first_of_each(request.body.decode() or urlsplit(request.url).query)
        if operation := form.get("Action", ""):
            protocol = "ec2" if service == "ec2" else "query"
    if service == "elbv2" and form.get("Version") == "2012-06-01":
        service = "elb"  # the classic load balancer signs with the same name
    return Call(request, signing_name, service, region, operation, protocol, form)


def _decompressed(request: Request) -> Request:
    """SDKs compress what is long, such as PutMetricData."""
    stream = zlib.decompressobj(wbits=31)
    try:
        body = stream.decompress(request.body, LARGEST_BODY)
    except zlib.error as error:
        raise ValueError(f"the body is not gzip: {error}") from error
    if not stream.eof:
        raise ValueError(f"the body is cut short, or larger than {LARGEST_BODY} bytes")
    headers = {name: value for name, value in request.headers.items() if name != "content-encoding"}
    return replace(request, headers={**headers, "content-length": str(len(body))}, body=body)


def _first_of_each(form: str) -> dict[str, str]:
    """The first value of each parameter, as moto reads them. Raises ValueError where it is not a form."""
    found: dict[str, str] = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        found.setdefault(name, value)
    return found


def _scope(request: Request, default_region: str) -> tuple[str, str]:
    signed = request.headers.get("authorization", "")
    if match := SCOPE.search(signed):
        return match["service"], match["region"]
    parts = urlsplit(request.url)
    if request.method in READING_METHODS:  # a presigned URL; what it names is for reading only
        credential = dict(parse_qsl(parts.query)).get("X-Amz-Credential", "")
        pieces = credential.split("/")
        if len(pieces) == 5:
            return pieces[3], pieces[2]
    if match := HOST.match(parts.hostname or ""):
        return match["service"], match["region"] or default_region
    return "s3", default_region  # what is neither signed nor addressed to anybody can only be a public object


@functools.lru_cache(maxsize=1)
def _models() -> botocore.session.Session:
    return botocore.session.get_session()


@functools.lru_cache(maxsize=32)
def service_model(service: str) -> ServiceModel:
    return _models().get_service_model(service)


def metadata(service: str) -> Mapping[str, Any]:
    """The `metadata` of a service's model; empty for a service that botocore does not know."""
    try:
        found: Mapping[str, Any] = service_model(service).metadata
    except UnknownServiceError:
        return {}
    return found


def operation_model(call: Call) -> OperationModel:
    model = service_model(call.service)
    if call.operation not in model.operation_names:
        raise Refusal("InvalidAction" if call.protocol == "query" else "UnknownOperationException", unknown(call))
    return model.operation_model(call.operation)


def unknown(call: Call) -> str:
    return f"The local AWS emulator does not know {call.service}:{call.operation or call.request.method}."


def parameters(call: Call) -> dict[str, Any]:
    """The request's parameters, in the types that boto3 has them in."""
    shape = operation_model(call).input_shape
    if shape is None:
        return {}
    try:
        match call.protocol:
            case "query":
                return wire_query.read(shape, call.form)
            case "cbor":
                raw = read_cbor(call.request.body) if call.request.body else {}
            case _:
                raw = orjson.loads(call.request.body) if call.request.body else {}
        parsed: dict[str, Any] = from_client(shape, raw)
    except ValueError as error:
        raise Refusal("SerializationException", str(error)) from error
    return parsed


def answer(call: Call, result: Mapping[str, Any], request_id: str) -> Response:
    """`result` in the shape the model has for it; a member that the model does not know is an error of ours."""
    model = operation_model(call)
    match call.protocol:
        case "query":
            body = wire_query.write(model, result, request_id)
            return Response(200, _headers("text/xml", request_id), body)
        case "cbor":
            shaped = to_client(model.output_shape, result)
            return Response(200, _cbor_headers(request_id), write_cbor(shaped))
        case _:
            shaped = to_client(model.output_shape, result, timestamps_as_numbers=True)
            return Response(200, _headers("application/x-amz-json-1.1", request_id), orjson.dumps(shaped))


def refuse(call: Call, refusal: Refusal, request_id: str) -> Response:
    """An error in the words of the protocol that the caller speaks."""
    match call.protocol:
        case "cbor":
            body = write_cbor({"__type": refusal.code, "message": refusal.message, **refusal.extra})
            return Response(refusal.status, _cbor_headers(request_id), body)
        case "json":
            body = orjson.dumps({"__type": refusal.code, "message": refusal.message, **refusal.extra})
            headers = _headers("application/x-amz-json-1.1", request_id)
            if query_code := QUERY_CODES.get(call.service, {}).get(refusal.code):
                headers["x-amzn-query-error"] = f"{query_code};Sender"
            return Response(refusal.status, headers, body)
        case "ec2":
            body = wire_query.write_ec2_error(refusal.code, refusal.message, request_id)
            return Response(refusal.status, _headers("text/xml", request_id), body)
        case "query":
            namespace = metadata(call.service).get("xmlNamespace", "")
            body = wire_query.write_error(namespace, refusal, request_id)
            return Response(refusal.status, _headers("text/xml", request_id), body)
        case "rest" if call.service in ("s3", "route53", "cloudfront"):
            body = wire_query.write_rest_error(refusal.code, refusal.message, request_id)
            return Response(refusal.status, _headers("application/xml", request_id), body)
        case "rest":
            headers = {**_headers("application/json", request_id), "x-amzn-errortype": refusal.code}
            return Response(refusal.status, headers, orjson.dumps({"message": refusal.message, **refusal.extra}))


def read_cbor(data: bytes) -> Any:
    """The single value in `data`. Raises ValueError when it is cut short, malformed, or followed by more bytes."""
    stream = io.BytesIO(data)
    try:
        value = cbor2.CBORDecoder(stream).decode()
    except cbor2.CBORDecodeError as error:
        raise ValueError(f"invalid CBOR: {error}") from error
    if stream.read(1):
        raise ValueError("invalid CBOR: bytes after the value")
    return value


def write_cbor(value: Any) -> bytes:
    """Timestamps are written as seconds (tag 1), as rpc-v2-cbor requires."""
    return cbor2.dumps(value, timezone=UTC, datetime_as_timestamp=True)


def _headers(content_type: str, request_id: str) -> dict[str, str]:
    return {"content-type": content_type, "x-amzn-requestid": request_id}


def _cbor_headers(request_id: str) -> dict[str, str]:
    return {**_headers("application/cbor", request_id), "smithy-protocol": "rpc-v2-cbor"}
