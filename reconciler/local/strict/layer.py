"""Where the strict layer takes hold of a call: before moto sees it, and of its answer."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import orjson

from reconciler.local.paging import page
from reconciler.local.refusal import Refusal
from reconciler.local.strict import certificates, ec2, endpoints, iam, ipv6, members, others
from reconciler.local.strict.rule import After, Before, Rewrite
from reconciler.local.strict.s3 import redirected
from reconciler.local.wire import Call, Response, read_cbor
from reconciler.local.world import World

BEFORE: dict[tuple[str, str], Before] = {
    **certificates.BEFORE,
    **ec2.BEFORE,
    **endpoints.BEFORE,
    **iam.BEFORE,
    **members.BEFORE,
    **others.BEFORE,
    **ipv6.BEFORE,
}
AFTER: dict[tuple[str, str], After] = {
    **certificates.AFTER,
    **ec2.AFTER,
    **endpoints.AFTER,
    **iam.AFTER,
    **members.AFTER,
    **others.AFTER,
    **ipv6.AFTER,
}
REWRITE: dict[tuple[str, str], Rewrite] = {**others.REWRITE}
EC2_PAGE = (5, 1000)


def before(world: World, call: Call) -> Call | Response:
    """The call as moto is to see it, or the answer already; a `Refusal` when AWS would not take it."""
    if call.service == "s3":
        return redirected(world, call) or call
    params = parameters(call)
    key = (call.service, call.operation)
    if call.service == "ec2":
        if known := _known_token(world, call, params):
            return known
        if rule := BEFORE.get(key):
            rule(world, params)
        if params.get("DryRun") == "true":
            raise Refusal("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412)
        return call
    if rule := BEFORE.get(key):
        rule(world, params)
    if rewrite := REWRITE.get(key):
        return replace(call, request=replace(call.request, body=orjson.dumps(rewrite(world, dict(params)))))
    return call


def after(world: World, call: Call, response: Response) -> Response:
    """moto's answer, mended."""
    params = parameters(call)
    if response.status < 300 and (rule := AFTER.get((call.service, call.operation or call.request.method))):
        response = rule(world, params, response) or response
    if call.service == "ec2" and response.status < 300:
        if call.operation.startswith("Describe") and ("MaxResults" in params or "NextToken" in params):
            response = _paged(params, response)
        elif token := params.get("ClientToken"):
            world.strict_tokens[(call.operation, token)] = (_fingerprint(params), response)
    return response


def parameters(call: Call) -> Mapping[str, Any]:
    """The flat form of a query call, the members of any other."""
    if call.protocol in ("query", "ec2"):
        return call.form
    if call.protocol == "json" and call.request.body:
        try:
            parsed = orjson.loads(call.request.body)
        except orjson.JSONDecodeError as error:
            raise Refusal("SerializationException", str(error)) from error
        return parsed if isinstance(parsed, dict) else {}
    if call.service == "scheduler" and call.request.method == "PUT":
        name = urlsplit(call.request.url).path.rpartition("/")[2]
        return {**orjson.loads(call.request.body), "Name": name}
    if call.protocol == "cbor" and call.request.body:
        try:
            decoded = read_cbor(call.request.body)
        except ValueError as error:
            raise Refusal("SerializationException", str(error)) from error
        return decoded if isinstance(decoded, dict) else {}
    return {}


def _known_token(world: World, call: Call, params: Mapping[str, Any]) -> Response | None:
    """EC2 API reference, "Ensuring idempotency": same token and parameters, same answer; other parameters, an error."""
    known = world.strict_tokens.get((call.operation, params.get("ClientToken", "")))
    if known is None:
        return None
    fingerprint, response = known
    assert isinstance(response, Response)
    if fingerprint != _fingerprint(params):
        raise Refusal(
            "IdempotentParameterMismatch",
            "The client token you have provided was used in an earlier request with other parameters.",
        )
    return response


def _fingerprint(params: Mapping[str, Any]) -> str:
    return repr(sorted((key, value) for key, value in params.items() if key != "ClientToken"))


def _paged(params: Mapping[str, Any], response: Response) -> Response:
    """EC2 API reference, "Pagination": moto ignores MaxResults; the one list in the answer is cut to pages."""
    size = int(params.get("MaxResults", EC2_PAGE[1]))
    low, high = EC2_PAGE
    if not low <= size <= high:
        raise Refusal("InvalidParameterValue", f"Value ( {size} ) for parameter maxResults is invalid.")
    root = ElementTree.fromstring(response.body)
    lists = [child for child in root if child.tag.endswith("Set") or child.tag.endswith("Info")]
    if len(lists) != 1:
        return response
    items = list(lists[0])
    numbered = [(f"{index:08d}", item) for index, item in enumerate(items)]
    wrong = Refusal("InvalidParameterValue", "The token is invalid.")
    chosen, following = page(numbered, params.get("NextToken"), size, lambda pair: pair[0], wrong)
    kept = [item for _, item in chosen]
    for item in items:
        if item not in kept:
            lists[0].remove(item)
    for stale in [child for child in root if child.tag.endswith("nextToken")]:
        root.remove(stale)
    if following:
        prefix = root.tag.partition("}")[0] + "}" if root.tag.startswith("{") else ""
        ElementTree.SubElement(root, f"{prefix}nextToken").text = following
    return replace(response, body=ElementTree.tostring(root))
