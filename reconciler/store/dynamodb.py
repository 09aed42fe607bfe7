"""DynamoDB store, for several machines: one table that many stacks may share.

A lease is one item, and each document beside it is another. Each is replaced conditionally on its version.

The transport must not use the fence, and its responses must come well within the TTL (`Boto(…, read_timeout=5)`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Protocol

from reconciler import errors
from reconciler.model.resource import Call
from reconciler.store.base import FORMAT, Copies, Copy, Record, Records, check_format

KEY: Final = "pk"
"""The table's partition key, a string; there is no sort key (spec/compile/store.py)."""

_FORMAT: Final[dict[str, Any]] = {"format": {"N": str(FORMAT)}}
"""The attribute of each item that says in which format it is."""

_KNOWN: Final = "(attribute_not_exists(#format) OR #format = :format)"
"""Condition of each replacement: a newer version may have written the item since it was read."""
_NAMES: Final = {"#version": "version", "#format": "format"}


class Transport(Protocol):
    """Performs one call, once; raises `errors.AwsError`. aws/session.py has the real one."""

    def perform(self, call: Call) -> dict[str, Any]: ...


class DynamoDb:
    """The `Store` of `stack` in an existing table."""

    def __init__(self, transport: Transport, table: str, stack: str) -> None:
        self._table, self._stack = _Table(transport, table), stack
        self.records: Records = _Records(self._table, stack)
        self.copies: Copies = self.document("accepted")

    def document(self, name: str) -> Copies:
        return _Copies(self._table, f"{self._stack}#{name}")

    def close(self) -> None:
        """Nothing to close: the transport belongs to the caller."""


class _Table:
    """Calls to one table, with failures translated to store errors."""

    def __init__(self, transport: Transport, name: str) -> None:
        self._transport = transport
        self.name = name

    def perform(self, operation: str, **params: Any) -> dict[str, Any]:
        """Raises `errors.StoreUnreachable`, and `errors.Invalid` for a condition that was not met."""
        try:
            return self._transport.perform(Call("dynamodb", operation, {"TableName": self.name, **params}))
        except errors.Gone as error:
            raise errors.StoreUnreachable(f"the table {self.name} does not exist") from error
        except errors.AwsError as error:
            if error.code == "ConditionalCheckFailedException":
                raise
            raise errors.StoreUnreachable(f"the table {self.name}: {error}") from error

    def item(self, key: dict[str, Any]) -> dict[str, Any] | None:
        """The item as it is now. Raises `errors.StoreUnreachable`."""
        item: dict[str, Any] | None = self.perform("GetItem", Key=key, ConsistentRead=True).get("Item")
        text = str((item or {}).get("format", _FORMAT["format"]).get("N", ""))
        check_format(f"the item {key[KEY]['S']} of the table {self.name}", int(text) if text.isdecimal() else text)
        return item


class _Records:
    def __init__(self, table: _Table, stack: str) -> None:
        self._table = table
        self._key = {KEY: {"S": f"{stack}#lease"}}

    def lost(self) -> str:
        return ""  # a table that was deleted is noticed by the next renewal

    def read(self) -> Record | None:
        item = self._table.item(self._key)
        if item is None:
            return None
        try:
            return Record(
                holder=item["holder"]["S"],
                epoch=int(item["epoch"]["N"]),
                version=item["version"]["S"],
                ttl=float(item["ttl_seconds"]["N"]),
                renewed_at=datetime.fromisoformat(item["renewed_at"]["S"]).astimezone(UTC),
                report=item.get("report", {}).get("S", ""),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise errors.StoreUnreachable(f"the table {self._table.name}: the lease cannot be read") from error

    def swap(self, expected: str | None, record: Record) -> bool:
        condition: dict[str, Any] = {"ConditionExpression": f"attribute_not_exists({KEY})"}
        if expected is not None:
            condition = {
                "ConditionExpression": f"#version = :expected AND {_KNOWN}",
                "ExpressionAttributeNames": _NAMES,
                "ExpressionAttributeValues": {":expected": {"S": expected}, ":format": _FORMAT["format"]},
            }
        item = {
            **self._key,
            **_FORMAT,
            "holder": {"S": record.holder},
            "epoch": {"N": str(record.epoch)},
            "version": {"S": record.version},
            "ttl_seconds": {"N": repr(record.ttl)},
            "renewed_at": {"S": record.renewed_at.isoformat()},
            **({"report": {"S": record.report}} if record.report else {}),
        }
        try:
            self._table.perform("PutItem", Item=item, **condition)
        except errors.AwsError:  # the condition failed; everything else is `StoreUnreachable`
            return False
        return True


class _Copies:
    def __init__(self, table: _Table, key: str) -> None:
        self._table = table
        self._key = {KEY: {"S": key}}

    def read(self) -> Copy | None:
        item = self._table.item(self._key)
        if item is None:
            return None
        version, revision, data = (item.get(name) or {} for name in ("version", "revision", "data"))
        epoch = str((item.get("epoch") or {}).get("N", ""))
        return Copy(
            version=version.get("S", ""),
            epoch=int(epoch) if epoch.isdecimal() else 0,
            revision=revision.get("S", ""),
            data=data.get("B", b""),
        )

    def swap(self, expected: str, copy: Copy) -> bool:
        item = {
            **self._key,
            **_FORMAT,
            "version": {"S": copy.version},
            "epoch": {"N": str(copy.epoch)},
            "revision": {"S": copy.revision},
            "data": {"B": copy.data},
        }
        values = {":expected": {"S": expected}, ":format": _FORMAT["format"]}
        condition = "#version = :expected"
        if not expected:  # there is none, or none that a writer of ours has left
            values[":text"] = {"S": "S"}
            condition = f"({condition} OR NOT attribute_type(#version, :text))"
        try:
            self._table.perform(
                "PutItem",
                Item=item,
                ConditionExpression=f"{condition} AND {_KNOWN}",
                ExpressionAttributeNames=_NAMES,
                ExpressionAttributeValues=values,
            )
        except errors.AwsError:  # the condition failed; everything else is `StoreUnreachable`
            return False
        return True
