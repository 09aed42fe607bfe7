"""S3: a bucket is in one region, and only that region's endpoint answers for it."""

from __future__ import annotations

import re
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from reconciler.local.wire import Call, Response
from reconciler.local.wire_query import write_rest_error
from reconciler.local.world import World

VIRTUAL_HOST = re.compile(r"(?P<bucket>.+)\.s3[.-][a-z0-9.-]*amazonaws\.com")


def redirected(world: World, call: Call) -> Response | None:
    """S3 user guide, "Making requests": a request that reaches another region's endpoint is redirected, and
    `x-amz-bucket-region` says where to. What is not signed names no region; a location may be asked for anywhere."""
    url = urlsplit(call.request.url)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    if "authorization" not in call.request.headers and "X-Amz-Credential" not in query:
        return None
    host = VIRTUAL_HOST.fullmatch(url.hostname or "")
    name = host["bucket"] if host else unquote(url.path.split("/")[1]) if "/" in url.path else ""
    bucket = world.rest.state("s3").buckets.get(name)
    creates = call.request.method == "PUT" and not query and url.path.strip("/") in ("", name)
    if bucket is None or bucket.region_name == world.region or creates or "location" in query:
        return None
    message = (
        "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all "
        "future requests to this endpoint."
    )
    return Response(
        HTTPStatus.MOVED_PERMANENTLY,
        {"content-type": "application/xml", "x-amz-bucket-region": bucket.region_name},
        write_rest_error("PermanentRedirect", message, world.ids.letters(16)),
    )
