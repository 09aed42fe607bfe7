"""What the last release stored is read by this one: its tags in every phase, its plan files, its store and its cache.

`tests/promises/golden` was written by the last release. After a release it is regenerated, on its commit:
`python -m tests.promises.golden_records`. A file that is changed together with the code that reads it proves nothing.
"""

from __future__ import annotations

import base64
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.response_cache import ResponseCache
from reconciler.cli import plan_file
from reconciler.model import ownership
from reconciler.model.resource import Address, Call
from reconciler.reconcile import request_tags
from reconciler.resources import task
from reconciler.rollout import state_tags
from reconciler.rollout.engine import Phase
from reconciler.rollout.stored_state import KEYS, VERDICT_KEYS
from reconciler.source.archive import unpack
from reconciler.store.audit_trail import AuditEntry, audit_trail
from reconciler.store.base import Store
from reconciler.store.dynamodb import DynamoDb
from reconciler.store.sqlite import Sqlite
from tests.promises import golden_records
from tests.promises.golden_records import ARCHIVE, ARN, COPY, FOLDER, LASTING, LEASE, STACK
from tests.promises.test_changes import IN_FLIGHT

ROLLOUTS = ("task_sets", "rolling")
STATE = frozenset({*KEYS.values(), *VERDICT_KEYS})


def golden(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


ROWS = [(engine, row) for engine in ROLLOUTS for row in golden(f"{engine}.json")]


@pytest.mark.parametrize(("engine", "row"), ROWS, ids=[f"{one} {row['scene']} {row['phase']}" for one, row in ROWS])
def test_the_state_of_every_phase_is_read_as_it_was_meant(engine: str, row: dict[str, Any]) -> None:
    """All of it, with the same deadline, quarantine and request, and it is written as it was."""
    tags = {key: value for key, value in row["tags"].items() if key in STATE}
    found = state_tags.of_tags(row["tags"])
    assert not found.unreadable
    assert state_tags.tags_of(found) == tags
    assert state_tags.written(found, found) == ({}, ())
    assert golden_records.meaning(found) == golden_records.filled(row["read"])


def test_every_phase_is_among_them() -> None:
    """Those in which something is stored that the next version has to heed."""
    seen = {row["phase"] for engine, row in ROWS if engine == "task_sets"}
    assert seen >= {*IN_FLIGHT, Phase.PRE_DEPLOYMENT, Phase.ROLLING_BACK, Phase.FAILED, Phase.ROLLED_BACK}
    seen = {row["phase"] for engine, row in ROWS if engine == "rolling"}
    assert seen >= {Phase.PRE_DEPLOYMENT, Phase.SCALING_UP, Phase.ROLLING_BACK, Phase.ROLLED_BACK}


def test_every_tag_is_read_as_it_was_written() -> None:
    """Also those that no rollout above has needed."""
    tags = golden("tags.json")
    found = state_tags.of_tags(tags)
    assert not found.unreadable
    assert state_tags.tags_of(found) == {key: value for key, value in tags.items() if key in STATE}
    stack = request_tags.of_tags(tags)
    assert not stack.unreadable
    assert (stack.handled, stack.revision[:7], bool(stack.suspended), bool(stack.restored)) == (
        "5b1e08aa",
        "c2d87dd",
        True,
        True,
    )
    assert {task.RUN, task.RUN_AS, task.RUN_IN, task.OUTCOME} <= tags.keys()
    assert (ownership.owner(tags), ownership.address(tags)) == ("shop", Address("subnet", "shop-public1-a"))
    change = ownership.tag_changes({**tags, "team": "web", "cost-center": "42"}, {})
    assert {"team", "cost-center"} <= set(change.drop)


def test_what_is_found_by_its_name_has_the_same_one() -> None:
    """A release with another id would be rolled out, and a run with another token be started, a second time."""
    assert golden("identities.json") == golden_records.identities()


# -- the store


def sqlite_store(place: Path) -> Store:
    path = place / "reconciler" / "store.db"
    path.parent.mkdir(mode=0o700)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((FOLDER / "store.sql").read_text(encoding="utf-8"))
    return Sqlite(path, STACK)


class Items:
    """A DynamoDB table with these items, which takes what is put."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.items = {item["pk"]["S"]: item for item in items}
        for item in items:
            if "data" in item:
                item["data"] = {"B": base64.b64decode(item["data"]["B"])}

    def perform(self, call: Call) -> dict[str, Any]:
        if call.operation == "PutItem":
            self.items[call.params["Item"]["pk"]["S"]] = call.params["Item"]
            return {}
        found = self.items.get(call.params["Key"]["pk"]["S"])
        return {} if found is None else {"Item": found}


def dynamodb_store(place: Path) -> Store:
    return DynamoDb(Items(golden("dynamodb.json")), "reconciler", STACK)


@pytest.mark.parametrize("opened", [sqlite_store, dynamodb_store])
def test_the_lease_and_the_copy_of_the_specs_are_read(opened: Callable[[Path], Store], tmp_path: Path) -> None:
    """And the record is replaced by the next renewal, as that of its own version."""
    store = opened(tmp_path)
    with closing(store):
        assert (store.records.read(), store.copies.read()) == (LEASE, COPY)
        copy = store.copies.read()
        assert copy is not None
        assert unpack(copy.data) == ARCHIVE
        assert store.records.swap(LEASE.version, LEASE)
        assert store.copies.swap(COPY.version, COPY)
        assert (store.records.read(), store.copies.read()) == (LEASE, COPY)
        entry = AuditEntry("5b1e08aa", datetime(2026, 1, 5, tzinfo=UTC), "promote", "service/web", "ana")
        assert audit_trail(store).read() == ()  # it kept no journals
        assert audit_trail(store).add([entry])
        assert (audit_trail(store).read(), store.records.read(), store.copies.read()) == ((entry,), LEASE, COPY)


# -- files


def test_a_plan_file_is_read() -> None:
    """As one that was not edited."""
    found = plan_file.read(FOLDER / "plan.json")
    assert (found.stack, found.folder, found.max_delete) == ("small", Path("specs"), None)


@pytest.mark.parametrize("version", [2, 0, "1", None])
def test_a_plan_file_of_another_format_is_refused(version: Any, tmp_path: Path) -> None:
    """Although every key is known and the checksum right: it says what was found, and what to do."""
    document = golden("plan.json") | {"format_version": version}
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document | {"checksum": plan_file.checksum(document)}), encoding="utf-8")
    with pytest.raises(errors.UnknownFormat, match=r"knows 1; .* create the plan again"):
        plan_file.read(path)


def test_the_cache_is_read(tmp_path: Path) -> None:
    """A version that reads none of it asks AWS again, once; another format counts as not there."""
    cache = ResponseCache(tmp_path / "revisions")
    call = Call("ecs", "DescribeTaskDefinition", {"taskDefinition": ARN, "include": ["TAGS"]}, LASTING)
    cache.keep(call, {"taskDefinition": {"taskDefinitionArn": ARN, "status": "ACTIVE"}})
    (file,) = (tmp_path / "revisions").iterdir()
    text = (FOLDER / "cache.json").read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    os.chmod(file, 0o600)
    found = cache.recall(call)
    assert found is not None
    assert found["taskDefinition"]["cpu"] == "256"
    file.write_text(text.replace('"format":1', '"format":2'), encoding="utf-8")
    assert cache.recall(call) is None
