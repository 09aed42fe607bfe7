"""Records what this version stores, for the tests of the next one: `tests/promises/golden`.

    python -m tests.promises.golden_records       on the commit of a release, before the next version's first change

Rollouts of both kinds are brought through every phase, and the tags of the service, its task sets and its task
definitions are written down whenever they or the phase change. Times are simulated, so a second run writes the same.
"""

from __future__ import annotations

import base64
import json
import logging
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from docs import tags as reference
from reconciler.aws.response_cache import ResponseCache
from reconciler.cli import plan_file
from reconciler.cli.output.exits import Exit
from reconciler.local.scripted import Script
from reconciler.model.resource import Call
from reconciler.resources import task
from reconciler.rollout.release import Attachment, Capacity, HealthCheck, Release, release_id
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.strategy import Promotion
from reconciler.source.archive import Archive, pack
from reconciler.source.base import Fetched, Proof, Revision
from reconciler.spec.load import Source
from reconciler.store.base import Copy, Record
from reconciler.store.dynamodb import DynamoDb
from reconciler.store.sqlite import Sqlite
from tests.harness.cli import run
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.harness.seed import SEED

FOLDER: Final = Path(__file__).parent / "golden"
AT: Final = datetime(2026, 3, 2, 14, 5, tzinfo=UTC)
STACK: Final = "shop.123456789012.us-west-2"
ARN: Final = "arn:aws:ecs:us-west-2:123456789012:task-definition/web:7"
LASTING: Final = {"reconciler:stack": "shop", "reconciler:content": "abc"}
SPECS: Final = "kind: Stack\nname: small\nregion: us-west-2\n---\nkind: Registry\nname: small\n"
MIGRATE: Final = f"""kind: Task
name: migrate
cluster: {CLUSTER}
before: {SERVICE}
task:
  cpu: 256
  memory: 512
  containers:
    migrate: {{image: "public.ecr.aws/docker/library/python:3.12", command: [migrate]}}
  logs: {{retention_days: 7}}
placement: {{subnets: [app-public1-a], security_groups: [my-app-task-sg], public_ip: true}}
"""
RELEASE: Final = Release(
    "",
    container="web",
    port=80,
    subnets=("subnet-1", "subnet-2"),
    security_groups=("sg-1",),
    public_ip=True,
    launch_type="FARGATE",
    capacity=(Capacity("FARGATE", 1, 1),),
    platform_version="LATEST",
    health=HealthCheck("/healthz", 10, 5, 2, 3, "200"),
    attached_to=("web-a",),
)
ATTACHED: Final = Attachment("group", "web", 80)

LEASE: Final = Record("run by ana@host (1)/5b1e08aa", 7, "9f2c4e1a7b3d9f2c4e1a7b3d9f2c4e1a", 60.0, AT)
REVISION: Final = Revision("c2d87dd9e0f1a2b3c4d5e6f708192a3b4c5d6e7f", "ana", "Raise the memory of web", AT, "ana")
ARCHIVE: Final = Archive(
    Fetched(
        REVISION, (Source("all.yaml", "specs/all.yaml", SPECS.encode()),), (), "specs", Proof(b"c", (b"t",), (b"h",))
    ),
    "production",
    "3f2a91c05d6e",
)
COPY: Final = Copy("0d1f6c0a4be2f3a897c55e1b2d3f4a5b", 7, "c2d87dd", pack(ARCHIVE))


def main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    FOLDER.mkdir(exist_ok=True)
    for name, content in records():
        (FOLDER / name).write_text(content, encoding="utf-8")


def records() -> Iterator[tuple[str, str]]:
    """File name → content."""
    yield "tags.json", _json(_examples())
    for engine in ("task_sets", "rolling"):
        yield f"{engine}.json", _json(_rollouts(engine))
    yield "identities.json", _json(identities())
    yield from _store()
    yield "plan.json", _plan()
    yield "cache.json", _cache()


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def _examples() -> dict[str, str]:
    """One value of each tag, as the reference has it."""
    return {tag.key: tag.example for group in reference.GROUPS for tag in group.tags}


def identities() -> dict[str, str]:
    """What is found again by its name: a changed one would start something a second time."""
    return {
        "release": release_id("content", RELEASE),
        "run": task.token("service", "9f2c4e1a7b3d", "7", "1772460300"),
        "started by": task.started_by("shop", reference.Address("task", "migrate")),
    }


# -- rollouts


class _Recorder(list[Any]):
    """Takes the place of the turns that a stage remembers: the tags before each, and how they were read."""

    def __init__(self, stage: EmulatedStack) -> None:
        super().__init__()
        self.stage = stage
        self.rows: list[dict[str, Any]] = []
        self.scene = ""
        self.before: dict[str, str] = {}

    def say(self, verb: RequestVerb) -> None:
        self.stage.say(verb)
        self.before = _ours(self.stage.tags())

    def append(self, turn: Any) -> None:
        super().append(turn)
        before, self.before = self.before, _ours(self.stage.tags())
        if turn.step is None or turn.settling:
            return
        row = {"scene": self.scene, "phase": str(turn.step.phase), "tags": before, "read": meaning(turn.seen.marks)}
        if row not in self.rows:
            self.rows.append(row)


def meaning(state: Any) -> Any:
    """What is stored, as JSON has it; without what is empty, as every field is that came later."""
    return filled(json.loads(json.dumps(asdict(state), default=str)))


def filled(value: Any) -> Any:
    """`value` without what is empty, at any depth."""
    if isinstance(value, list):
        return [filled(one) for one in value]
    if isinstance(value, dict):
        return {name: filled(one) for name, one in value.items() if one not in (None, [], "")}
    return value


def _ours(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key.startswith("reconciler:")}


@contextmanager
def _stage(engine: str) -> Iterator[tuple[EmulatedStack, _Recorder]]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(shutil.copytree(SEED, Path(place) / "specs"))
        (folder / "migrate.yaml").write_text(MIGRATE, encoding="utf-8")
        if engine == "rolling":
            file = folder / "services" / "frontend.yaml"
            text = re.sub(r"deployment: .*\n", "", file.read_text(encoding="utf-8"))
            file.write_text(re.sub(r"(my-app-frontend-tg-1), my-app-frontend-tg-2", r"\1", text), encoding="utf-8")
        terms = SHORT if engine == "rolling" else {**SHORT, "promotion": Promotion.TIMED}
        with emulated_stack(terms=terms, folder=folder) as stage:
            stage.laptop.script(Script(image="*python*", exits_after=20.0, exit_code=0))
            stage.seen = recorder = _Recorder(stage)
            yield stage, recorder


def _rollouts(engine: str) -> list[dict[str, Any]]:
    with _stage(engine) as (stage, recorder):
        recorder.scene = "first version"
        stage.infrastructure()
        for tag in ("v1", "v2", "v3"):
            stage.push(tag)
        for _ in range(3):
            stage.apply(_ended)
        recorder.scene = "next version"
        stage.spec(v1="v2")
        if engine == "task_sets":
            stage.apply(_in("awaiting_promotion"))
            recorder.scene = "held"
            recorder.say(RequestVerb.HOLD)
            stage.follow(_answered)
            recorder.scene = "promoted"
            recorder.say(RequestVerb.PROMOTE)
            stage.follow(_ended)
        for _ in range(2):
            stage.apply(_ended)
        recorder.scene = "failed"
        stage.laptop.script(Script(image=f"*{stage.digest('v3')}*", healthy=False, exits_after=5.0, exit_code=1))
        stage.spec(v1="v3")
        for _ in range(2):
            stage.apply(_ended)
        recorder.scene = "rolled back"
        stage.spec(v1="v2")
        for _ in range(2):
            stage.apply(_ended)
        recorder.say(RequestVerb.ROLLBACK)
        stage.follow(_ended)
        recorder.scene = "suspended"
        recorder.say(RequestVerb.SUSPEND)
        stage.follow(_answered)
        return recorder.rows


def _ended(turn: Any) -> bool:
    from reconciler.controller.until import has_ended

    return bool(has_ended(turn))


def _answered(turn: Any) -> bool:
    return turn.seen is not None and turn.seen.marks.pending_request is None


def _in(phase: str) -> Any:
    return lambda turn: turn.step is not None and turn.step.phase == phase and not turn.busy


# -- the store


class _Table:
    """A DynamoDB table that remembers what is put."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []

    def perform(self, call: Call) -> dict[str, Any]:
        if call.operation == "PutItem":
            self.items.append(call.params["Item"])
        return {}


def _store() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "reconciler" / "store.db"
        store = Sqlite(path, STACK)
        assert store.records.swap(None, LEASE)
        assert store.copies.swap("", COPY)
        store.close()
        with closing(sqlite3.connect(path)) as connection:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            yield "store.sql", f"PRAGMA user_version = {version};\n" + "\n".join(connection.iterdump()) + "\n"
    table = _Table()
    dynamodb = DynamoDb(table, "reconciler", STACK)
    assert dynamodb.records.swap(None, LEASE)
    assert dynamodb.copies.swap("", COPY)
    yield "dynamodb.json", json.dumps(table.items, indent=1, sort_keys=True, default=_bytes) + "\n"


def _bytes(value: Any) -> Any:
    return base64.b64encode(value).decode()


# -- files


def _plan() -> str:
    from moto import mock_aws

    with tempfile.TemporaryDirectory() as place, mock_aws():
        specs = Path(place) / "specs"
        specs.mkdir()
        (specs / "all.yaml").write_text(SPECS, encoding="utf-8")
        file = Path(place) / "plan.json"
        assert run("diff", specs, "--out", file).code == Exit.PENDING
        written = json.loads(file.read_text(encoding="utf-8").replace(str(specs), "specs"))
        return json.dumps(written | {"checksum": plan_file.checksum(written)}, indent=1) + "\n"


def _cache() -> str:
    with tempfile.TemporaryDirectory() as place:
        cache = ResponseCache(Path(place) / "revisions")
        call = Call("ecs", "DescribeTaskDefinition", {"taskDefinition": ARN, "include": ["TAGS"]}, LASTING)
        item = {"taskDefinitionArn": ARN, "status": "ACTIVE", "cpu": "256"}
        cache.keep(call, {"taskDefinition": item, "tags": [{"key": key, "value": LASTING[key]} for key in LASTING]})
        (file,) = (Path(place) / "revisions").iterdir()
        return file.read_text(encoding="utf-8")


if __name__ == "__main__":
    main()
