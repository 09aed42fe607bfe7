"""The store of several machines: one DynamoDB table, which many stacks may share.

The lease is one item, swapped by its version. Events and history are rings: a counter gives each entry its number, and
number modulo size its place, so the table never holds more than the rings and nothing has to be deleted. An append that
dies between the two leaves a gap, which readers recognise by the number and pass over.

The transport must be unfenced, and its answers must come well within the TTL (`Boto(…, read_timeout=5)`): the lease
cannot stand behind itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from reconciler import errors
from reconciler.model.resource import Call
from reconciler.store import encoding
from reconciler.store.base import MOST_EVENTS, MOST_HISTORY, Entry, Log, Record, Records

KEY: Final = "pk"
SORT: Final = "sk"


class Transport(Protocol):
    """Performs one call, once; raises `errors.AwsError`. aws/session.py has the real one."""

    def perform(self, call: Call) -> dict[str, Any]: ...


class DynamoDb:
    """The `Store` of `stack` in a table that is there (see `table`)."""

    def __init__(self, transport: Transport, table: str, stack: str) -> None:
        self._table = _Table(transport, table)
        self.records: Records = _Records(self._table, stack)
        self.events: Log = _Log(self._table, f"{stack}#event", MOST_EVENTS)
        self.history: Log = _Log(self._table, f"{stack}#history", MOST_HISTORY)

    def close(self) -> None:
        """Nothing to close: the transport is its maker's."""


def table(name: str, tags: dict[str, str]) -> Call:
    """The call that makes the table."""
    return Call(
        "dynamodb",
        "CreateTable",
        {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": KEY, "AttributeType": "S"},
                {"AttributeName": SORT, "AttributeType": "N"},
            ],
            "KeySchema": [
                {"AttributeName": KEY, "KeyType": "HASH"},
                {"AttributeName": SORT, "KeyType": "RANGE"},
            ],
            "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
        },
    )


class _Table:
    """Calls to one table, failures in the store's own words."""

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


class _Records:
    def __init__(self, table: _Table, stack: str) -> None:
        self._table = table
        self._key = _key(f"{stack}#lease", 0)

    def read(self) -> Record | None:
        item = self._table.perform("GetItem", Key=self._key, ConsistentRead=True).get("Item")
        if item is None:
            return None
        try:
            return Record(
                holder=item["holder"]["S"],
                epoch=int(item["epoch"]["N"]),
                version=item["version"]["S"],
                ttl=float(item["ttl_seconds"]["N"]),
                renewed_at=datetime.fromisoformat(item["renewed_at"]["S"]).astimezone(UTC),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise errors.StoreUnreachable(f"the table {self._table.name}: the lease cannot be read") from error

    def swap(self, expected: str | None, record: Record) -> bool:
        condition: dict[str, Any] = {"ConditionExpression": f"attribute_not_exists({KEY})"}
        if expected is not None:
            condition = {
                "ConditionExpression": "#version = :expected",
                "ExpressionAttributeNames": {"#version": "version"},
                "ExpressionAttributeValues": {":expected": {"S": expected}},
            }
        item = {
            **self._key,
            "holder": {"S": record.holder},
            "epoch": {"N": str(record.epoch)},
            "version": {"S": record.version},
            "ttl_seconds": {"N": repr(record.ttl)},
            "renewed_at": {"S": record.renewed_at.isoformat()},
        }
        try:
            self._table.perform("PutItem", Item=item, **condition)
        except errors.AwsError:  # the condition: all else is `StoreUnreachable`
            return False
        return True


class _Log:
    def __init__(self, table: _Table, partition: str, most: int) -> None:
        self._table = table
        self._partition = partition
        self._head = _key(f"{partition}#head", 0)
        self._most = most

    def append(self, entry: Entry) -> None:
        body = encoding.encode(entry)
        answer = self._table.perform(
            "UpdateItem",
            Key=self._head,
            UpdateExpression="ADD #last :one",
            ExpressionAttributeNames={"#last": "last"},
            ExpressionAttributeValues={":one": {"N": "1"}},
            ReturnValues="UPDATED_NEW",
        )
        number = int(answer["Attributes"]["last"]["N"])
        place = _key(self._partition, number % self._most)
        self._table.perform(
            "PutItem",
            Item={**place, "number": {"N": str(number)}, "address": {"S": entry.address}, "body": {"B": body}},
        )

    def newest(self, limit: int = 100, *, address: str | None = None) -> Sequence[Entry]:
        head = self._table.perform("GetItem", Key=self._head, ConsistentRead=True).get("Item")
        if head is None:
            return []
        last = int(head["last"]["N"])
        found: list[Entry] = []
        for item in self._backwards(last, limit):
            current = last - self._most < int(item["number"]["N"]) <= last
            if current and address in (None, item["address"]["S"]):
                found.append(encoding.decode(bytes(item["body"]["B"])))
            if len(found) >= limit:
                break
        return found

    def _backwards(self, last: int, limit: int) -> Iterator[dict[str, Any]]:
        """The ring from the place of `last` down to its beginning, then from its end."""
        turn = last % self._most
        yield from self._range(0, turn, limit)
        if turn + 1 < self._most:
            yield from self._range(turn + 1, self._most - 1, limit)

    def _range(self, low: int, high: int, limit: int) -> Iterator[dict[str, Any]]:
        start: dict[str, Any] = {}
        while True:
            page = self._table.perform(
                "Query",
                KeyConditionExpression="#pk = :pk AND #sk BETWEEN :low AND :high",
                ExpressionAttributeNames={"#pk": KEY, "#sk": SORT},
                ExpressionAttributeValues={
                    ":pk": {"S": self._partition},
                    ":low": {"N": str(low)},
                    ":high": {"N": str(high)},
                },
                ScanIndexForward=False,
                Limit=max(1, min(limit, 500)),
                **start,
            )
            yield from page.get("Items", ())
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def _key(partition: str, sort: int) -> dict[str, Any]:
    return {KEY: {"S": partition}, SORT: {"N": str(sort)}}
