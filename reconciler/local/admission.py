"""Admission of API requests: only what an AWS client sends, which no web page can send.

A page may have a browser send any URL with any body of type `text/plain`, a form or a file, and with no header that the
page chose. A client of AWS always sends `Authorization` or `X-Amz-Target`, and its protocol's own content type: a page
on another origin cannot, without a CORS preflight request that nobody here answers. The one kind of request that AWS
takes without a header is a presigned URL, and a public object: both read an object in S3 and change nothing, so they
are all that is admitted without.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from reconciler.local.refusal import Refusal
from reconciler.local.wire import READING_METHODS, Call, metadata

CONTENT_TYPES: Final = {
    "json": frozenset({"application/x-amz-json-1.0", "application/x-amz-json-1.1"}),
    "cbor": frozenset({"application/cbor"}),
    "query": frozenset({"application/x-www-form-urlencoded"}),
    "ec2": frozenset({"application/x-www-form-urlencoded"}),
    "rest-json": frozenset({"application/json"}),
    "rest-xml": frozenset({"application/xml", "text/xml"}),
}


def check(call: Call) -> Refusal | None:
    """Why AWS's own clients would not have sent this; None when they would.

    403 MissingAuthenticationToken, 415 UnsupportedMediaType, 405 MethodNotAllowed.
    """
    request = call.request
    reads_object = call.service == "s3" and call.protocol == "rest" and request.method in READING_METHODS
    if reads_object:
        return None
    if "authorization" not in request.headers and "x-amz-target" not in request.headers:
        return Refusal(
            "MissingAuthenticationToken",
            "The request has neither an Authorization nor an X-Amz-Target header. Presigned URLs read S3 objects only.",
            status=HTTPStatus.FORBIDDEN,
        )
    if request.method in READING_METHODS and call.protocol != "rest" and not call.reads():
        return Refusal(
            "MethodNotAllowed", f"{call.operation} has to be sent with POST.", status=HTTPStatus.METHOD_NOT_ALLOWED
        )
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    accepted = _content_types(call)
    if request.body and accepted and content_type not in accepted:
        return Refusal(
            "UnsupportedMediaType",
            f"{call.service} takes {' or '.join(sorted(accepted))}, not {content_type or 'a body without a type'}.",
            status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )
    return None


def _content_types(call: Call) -> frozenset[str]:
    """What the protocol sends its parameters as; empty for S3, whose bodies are objects of any type."""
    if call.service == "s3":
        return frozenset()
    protocol = str(metadata(call.service).get("protocol", "")) if call.protocol == "rest" else call.protocol
    return CONTENT_TYPES.get(protocol, frozenset())
