"""The query protocol: flat forms in, XML out."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from botocore.model import OperationModel, Shape

from reconciler.local.refusal import Refusal
from reconciler.local.wire_shapes import to_client


def read(shape: Shape, form: Mapping[str, str]) -> dict[str, Any]:
    """Parameters by their shape from `A.member.1.B=…`; ValueError when a number or a date is none."""
    parsed = _read(shape, form, "")
    return parsed if isinstance(parsed, dict) else {}


def _read(shape: Shape, form: Mapping[str, str], prefix: str) -> Any:
    match shape.type_name:
        case "structure":
            members = shape.members  # type: ignore[attr-defined]  # StructureShape, which its type_name says
            found = {
                name: _read(member, form, _join(prefix, member.serialization.get("name", name)))
                for name, member in members.items()
            }
            return {name: value for name, value in found.items() if value is not None} or None
        case "list":
            member = shape.member  # type: ignore[attr-defined]  # ListShape
            base = prefix if shape.serialization.get("flattened") else _join(prefix, "member")
            if form.get(prefix) == "":
                return []
            return [_read(member, form, f"{base}.{index}") for index in _indexes(form, base)] or None
        case "map":
            value_shape = shape.value  # type: ignore[attr-defined]  # MapShape
            base = _join(prefix, "entry")
            pairs = {
                form.get(f"{base}.{index}.key", ""): _read(value_shape, form, f"{base}.{index}.value")
                for index in _indexes(form, base)
            }
            return pairs or None
        case _:
            return _scalar(shape.type_name, form[prefix]) if prefix in form else None


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _indexes(form: Mapping[str, str], base: str) -> Iterable[int]:
    start = len(base) + 1
    seen = {key[start:].partition(".")[0] for key in form if key.startswith(f"{base}.")}
    return sorted(int(index) for index in seen if index.isdigit())


def _scalar(kind: str, text: str) -> Any:
    match kind:
        case "boolean":
            if text.lower() not in ("true", "false"):
                raise ValueError(f"{text!r} is not a boolean")
            return text.lower() == "true"
        case "integer" | "long":
            return int(text)
        case "double" | "float":
            return float(text)
        case "timestamp":
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        case "blob":
            return base64.b64decode(text)
        case _:
            return text


def write(model: OperationModel, result: Mapping[str, Any], request_id: str) -> bytes:
    shape = model.output_shape
    shaped = to_client(shape, result)
    wrapper = shape.serialization.get("resultWrapper", f"{model.name}Result") if shape else f"{model.name}Result"
    inner = _xml(shape, shaped) if shape else ""
    namespace = escape(str(model.service_model.metadata.get("xmlNamespace", "")))
    return (
        f'<{model.name}Response xmlns="{namespace}"><{wrapper}>{inner}</{wrapper}>'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{model.name}Response>"
    ).encode()


def write_error(namespace: str, refusal: Refusal, request_id: str) -> bytes:
    kind = "Sender" if refusal.status < 500 else "Receiver"
    return (
        f'<ErrorResponse xmlns="{escape(namespace)}"><Error><Type>{kind}</Type><Code>{escape(refusal.code)}</Code>'
        f"<Message>{escape(refusal.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    ).encode()


def write_ec2_error(code: str, message: str, request_id: str) -> bytes:
    return (
        f"<Response><Errors><Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message></Error></Errors>"
        f"<RequestID>{request_id}</RequestID></Response>"
    ).encode()


def write_rest_error(code: str, message: str, request_id: str) -> bytes:
    return (
        f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        f"<RequestId>{request_id}</RequestId></Error>"
    ).encode()


def _xml(shape: Shape, value: Any) -> str:
    match shape.type_name:
        case "structure":
            members = shape.members  # type: ignore[attr-defined]  # StructureShape
            pieces = []
            for name, member in members.items():
                tag = member.serialization.get("name", name)
                if tag in value:
                    pieces.append(f"<{tag}>{_xml(member, value[tag])}</{tag}>")
            return "".join(pieces)
        case "list":
            member = shape.member  # type: ignore[attr-defined]  # ListShape
            return "".join(f"<member>{_xml(member, item)}</member>" for item in value)
        case "map":
            member = shape.value  # type: ignore[attr-defined]  # MapShape
            return "".join(
                f"<entry><key>{escape(key)}</key><value>{_xml(member, item)}</value></entry>"
                for key, item in value.items()
            )
        case "boolean":
            return "true" if value else "false"
        case "timestamp":
            moment: datetime = value.astimezone(UTC)
            return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
        case "blob":
            return base64.b64encode(value).decode()
        case _:
            return escape(str(value))
