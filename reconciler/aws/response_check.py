"""Whether a body is an answer of AWS at all. botocore hands on an empty answer where it is not.

JSON that is cut short, a proxy's page and a body that is not there are all taken by botocore's parsers for an answer
that says nothing, and whoever lists an account by such answers finds it empty. So each body of a success is looked at
before it is parsed:

    JSON    an object, in which something is known to the operation's answer. `{}` is one too: what is empty may be left
            out. A name that is not known is a newer AWS's, and not knowing a single one is not AWS.
    XML     the document is the operation's own response; whether it is whole, the parser says.

What is refused here becomes `errors.Ambiguous`: nobody knows what AWS has done, or has.
"""

from __future__ import annotations

import re
from typing import Any

import orjson
from botocore.parsers import ResponseParserError

_ROOT = re.compile(rb"\s*(?:<\?xml[^>]*\?>\s*)?(?:<!--.*?-->\s*)*<(?:[\w.-]+:)?([\w.-]+)", re.DOTALL)


def watch(client: Any) -> None:
    """Look at every answer that `client` gets."""
    client.meta.events.register("before-parse", _look)


def _look(*, operation_model: Any, response_dict: dict[str, Any], **_: Any) -> None:
    if response_dict["status_code"] >= 300 or operation_model.has_streaming_output:
        return
    problem = complaint(operation_model, response_dict["body"] or b"")
    if problem:
        raise ResponseParserError(problem)


def complaint(operation: Any, body: bytes) -> str:
    """Why `body` is not an answer to `operation`, a botocore model; empty where it is one. Repeats none of it."""
    protocol = operation.service_model.resolved_protocol
    if protocol in {"json", "rest-json"}:
        return _json(operation.output_shape, body)
    if protocol in {"query", "ec2"} and operation.output_shape is not None:
        found = _ROOT.match(body)
        if found is None:
            return "not XML"
        return "" if found[1].decode() == f"{operation.name}Response" else "another document"
    return ""


def _json(shape: Any, body: bytes) -> str:
    names = {member.serialization.get("name", name) for name, member in _inside(shape)}
    if not names:
        return ""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return "not JSON"
    if not isinstance(said, dict):
        return "not a JSON object"
    return "nothing in it is known" if said and names.isdisjoint(said) else ""


def _inside(shape: Any) -> list[tuple[str, Any]]:
    """The members that stand in the body, where it is made of members."""
    if shape is None or "payload" in shape.serialization:
        return []
    return [(name, member) for name, member in shape.members.items() if "location" not in member.serialization]
