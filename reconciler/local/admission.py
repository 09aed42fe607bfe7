"""Admission of API requests: only what an AWS client sends, which no web page can send.

A page may have a browser send any URL with any body, as `text/plain`, as a form or without a type, and with no header
that the page chose. A client of AWS always sends `Authorization` or `X-Amz-Target`, and its protocol's own content
type: a page on another origin cannot, without a CORS preflight request that nobody here answers. The requests that AWS
takes without a header are presigned URLs and public objects. Of those, reads of S3 are admitted, and nothing else.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from reconciler.local.refusal import Refusal
from reconciler.local.wire import READING_METHODS, Call

CONTENT_TYPES: Final = {
    "json": frozenset({"application/x-amz-json-1.0", "application/x-amz-json-1.1"}),
    "cbor": frozenset({"application/cbor"}),
    "query": frozenset({"application/x-www-form-urlencoded"}),
    "ec2": frozenset({"application/x-www-form-urlencoded"}),
}
"""What the protocol sends its parameters as. REST has no such type: a body is whatever the operation takes."""

FORMS: Final = frozenset({"text/plain", "multipart/form-data", "application/x-www-form-urlencoded"})
"""Types that a page may send anywhere (https://fetch.spec.whatwg.org/#cors-safelisted-request-header)."""

SCHEMES: Final = ("AWS4-", "AWS ", "Bearer ")
"""How AWS's clients authorize. Browsers add `Basic` and `Negotiate` by themselves."""


def check(call: Call) -> Refusal | None:
    """Why AWS's own clients would not have sent this; None when they would.

    403 MissingAuthenticationToken, 415 UnsupportedMediaType, 405 MethodNotAllowed.
    """
    request = call.request
    if _reads_s3(call):
        return None
    authorized = request.headers.get("authorization", "").startswith(SCHEMES)
    if not authorized and "x-amz-target" not in request.headers:
        return Refusal(
            "MissingAuthenticationToken",
            "The request has neither an AWS Authorization header nor X-Amz-Target. Presigned URLs read S3 only.",
            status=HTTPStatus.FORBIDDEN,
        )
    if request.method in READING_METHODS and call.protocol != "rest" and not call.reads():
        return Refusal(
            "MethodNotAllowed", f"{call.operation} has to be sent with POST.", status=HTTPStatus.METHOD_NOT_ALLOWED
        )
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.body and not _has_own_type(call, content_type):
        return Refusal(
            "UnsupportedMediaType",
            f"{call.service} does not take {content_type or 'a body without a content type'}.",
            status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )
    return None


def _reads_s3(call: Call) -> bool:
    rest = call.service == "s3" and call.protocol == "rest"
    return rest and call.request.method in READING_METHODS and "Action" not in call.form


def _has_own_type(call: Call, content_type: str) -> bool:
    if call.protocol == "rest":
        return call.service == "s3" or content_type not in FORMS  # an object in S3 may be of any type
    return content_type in CONTENT_TYPES[call.protocol]
