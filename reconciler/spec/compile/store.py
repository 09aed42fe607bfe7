"""Compilation of a Store: a table with the partition key of leases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.model.resource import Address, Desired
from reconciler.resources.table import Key, TableSpec
from reconciler.spec import members
from reconciler.spec.compile.context import Context, unstated
from reconciler.spec.documents import Store

KEYS = (Key(name="pk", type="S"),)


def compile_store(context: Context, store: Store) -> Iterator[Desired[Any]]:
    yield context.desired(
        store,
        Address("table", store.name),
        TableSpec(
            name=store.name_in_aws,
            keys=KEYS,
            deletion_protection=store.deletion_protection,
            point_in_time_recovery=store.point_in_time_recovery,
            aws=members.said(store),
        ),
        kept=unstated(
            store, deletion_protection="deletion_protection", point_in_time_recovery="point_in_time_recovery"
        ),
    )
