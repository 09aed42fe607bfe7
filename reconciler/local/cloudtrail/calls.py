"""Calls as CloudTrail sees them: which operation, in which region, and whether it is a management event.

What REST requests ask for is known by their method and path alone (botocore's models have both).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote, urlsplit

from botocore.exceptions import UnknownServiceError

from reconciler.local import wire
from reconciler.local.wire import READING_METHODS, Call

US_EAST: Final = "us-east-1"
GLOBAL: Final = frozenset({"iam", "route53", "cloudfront"})
"""Services whose events are in us-east-1 only (CloudTrail User Guide, "Global service events")."""
EVENT_SOURCES: Final = {"application-autoscaling": "autoscaling"}
"""The first part of `eventSource`, where it is not the signing name."""
DATA_EVENTS: Final = {
    "cloudwatch": re.compile(r"(Put|Get)Metric(Data|Statistics)"),
    "dynamodb": re.compile(r"(Put|Get|Update|Delete)Item|Query|Scan|Batch\w+|Transact\w+|ExecuteStatement|GetRecords"),
    "events": re.compile(r"PutEvents"),
    "logs": re.compile(r"PutLogEvents|GetLogEvents|FilterLogEvents"),
    "sqs": re.compile(r"(Send|Receive|Delete|ChangeMessageVisibility)(Message)?(Batch)?"),
}
"""Operations that no trail logs by default."""
CHECKS: Final = ("BatchCheck", "Test", "Validate")
"""How operations begin that only look, besides those of `Call.reads`. All of STS counts as reading, too."""


def is_management(call: Call) -> bool:
    if call.service == "s3":
        return call.request.method in ("PUT", "DELETE") and not _object_key(call)
    known = DATA_EVENTS.get(call.service)
    return known is None or not known.fullmatch(call.operation)


def reads(call: Call) -> bool:
    """Whether CloudTrail calls it read-only."""
    if call.service == "sts" or call.operation.startswith(CHECKS):
        return True
    return call.request.method in READING_METHODS if call.protocol == "rest" else call.reads()


def region(call: Call) -> str:
    return US_EAST if call.service in GLOBAL or call.region == "aws-global" else call.region


def source(call: Call) -> str:
    """The source of its events, such as `aws.elasticloadbalancing`; `eventSource` begins with the same name."""
    return f"aws.{EVENT_SOURCES.get(call.signing_name, call.signing_name)}"


def operation(call: Call) -> str:
    return call.operation or rest_operation(call)[0]


def rest_operation(call: Call) -> tuple[str, dict[str, str]]:
    """The operation of a REST request and what its path names, by the names of the path's template."""
    path = urlsplit(call.request.url)
    if call.service == "s3":
        query = {part.partition("=")[0] for part in path.query.split("&") if part}
        bucket = _bucket(call)
        return _s3_operation(call.request.method, query), {"bucketName": bucket}
    for method, pattern, name in _routes(call.service):
        if method == call.request.method and (match := pattern.fullmatch(path.path)):
            return name, {key: unquote(value) for key, value in match.groupdict().items()}
    return call.request.method, {}


S3_SUBRESOURCES: Final = {
    "policy": "BucketPolicy",
    "tagging": "BucketTagging",
    "versioning": "BucketVersioning",
    "encryption": "BucketEncryption",
    "lifecycle": "BucketLifecycle",
    "publicAccessBlock": "BucketPublicAccessBlock",
    "acl": "BucketAcl",
    "cors": "BucketCors",
    "ownershipControls": "BucketOwnershipControls",
}


def _s3_operation(method: str, query: set[str]) -> str:
    known = next((name for key, name in S3_SUBRESOURCES.items() if key in query), None)
    verb = {"PUT": "Put", "DELETE": "Delete", "GET": "Get", "POST": "Post"}.get(method, method.capitalize())
    if known is None:
        return {"Put": "CreateBucket", "Delete": "DeleteBucket"}.get(verb, f"{verb}Bucket")
    return f"{verb}{known}"


def _s3_path(call: Call) -> list[str]:
    """Bucket and key, wherever the bucket is written."""
    parts = urlsplit(call.request.url)
    host = parts.hostname or ""
    path = parts.path.lstrip("/")
    before = re.match(r"(.+)\.s3[.-]", host)
    return [before[1], path] if before else [*path.split("/", 1), ""][:2]


def _bucket(call: Call) -> str:
    return _s3_path(call)[0]


def _object_key(call: Call) -> str:
    return _s3_path(call)[1]


@lru_cache(maxsize=16)
def _routes(service: str) -> list[tuple[str, re.Pattern[str], str]]:
    try:
        model = wire.service_model(service)
    except UnknownServiceError:
        return []
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        template = str(http["requestUri"]).partition("?")[0]
        pieces = re.split(r"\{(\w+)(\+?)\}", template)
        expression = "".join(
            re.escape(piece) if index % 3 == 0 else f"(?P<{piece}>{'.+' if pieces[index + 1] else '[^/]+'})"
            for index, piece in enumerate(pieces)
            if index % 3 != 2
        )
        found.append((str(http["method"]), re.compile(expression), name))
    return sorted(found, key=lambda route: -len(re.sub(r"\(.*?\)", "", route[1].pattern)))
