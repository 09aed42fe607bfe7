"""Both stores, made anew for each test, and a lease over either."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from moto import mock_aws

from reconciler.aws.session import Boto
from reconciler.clock import Clock
from reconciler.model.resource import Call
from reconciler.store.base import Records, Store
from reconciler.store.dynamodb import KEY, DynamoDb
from reconciler.store.lease import Lease
from reconciler.store.sqlite import Sqlite
from tests.conftest import REGION

KINDS = ("sqlite", "dynamodb")


@contextmanager
def opened(kind: str, folder: Path, stack: str = "shop") -> Iterator[Store]:
    if kind == "sqlite":
        store = Sqlite(folder / "store.db", stack)
        try:
            yield store
        finally:
            store.close()
        return
    with mock_aws():
        transport = Boto(REGION)
        key = {"KeySchema": [{"AttributeName": KEY, "KeyType": "HASH"}], "BillingMode": "PAY_PER_REQUEST"}
        types = {"AttributeDefinitions": [{"AttributeName": KEY, "AttributeType": "S"}]}
        transport.perform(Call("dynamodb", "CreateTable", {"TableName": "reconciler", **key, **types}))
        yield DynamoDb(transport, "reconciler", stack)


def contender(records: Records, clock: Clock, name: str = "one", ttl: float = 60.0) -> Lease:
    return Lease(records, name, clock, ttl=ttl)
