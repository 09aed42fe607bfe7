"""What is remembered of task definitions between runs: only what cannot have changed, and only ours to read."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.aws import response_cache
from reconciler.aws.client import AwsClient
from reconciler.aws.response_cache import DAY_SECONDS, ResponseCache
from reconciler.model.resource import Batch, Call, Calls

ARN = "arn:aws:ecs:us-west-2:123456789012:task-definition/web:7"
TAGS = {"reconciler:stack": "ours", "reconciler:content": "abc"}


def describe(arn: str = ARN, lasting: dict[str, str] | None = TAGS) -> Call:
    return Call("ecs", "DescribeTaskDefinition", {"taskDefinition": arn, "include": ["TAGS"]}, lasting)


def answer(arn: str = ARN, status: str = "ACTIVE", **tags: str) -> dict[str, Any]:
    pairs = [{"key": key, "value": value} for key, value in {**TAGS, **tags, "aws:made": "1"}.items()]
    item = {"taskDefinitionArn": arn, "status": status, "cpu": "256", "registeredAt": datetime(2026, 1, 1, tzinfo=UTC)}
    return {"taskDefinition": item, "tags": pairs, "ResponseMetadata": {"RequestId": "x"}}


class Ecs:
    def __init__(self) -> None:
        self.calls: list[Call] = []

    def perform(self, call: Call) -> dict[str, Any]:
        self.calls.append(call)
        return answer(call.params["taskDefinition"]) if "taskDefinition" in call.params else {}


def ask(*calls: Call) -> Calls[list[Any]]:
    found: list[Any] = yield Batch.of(calls)
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "revisions"


def test_a_revision_is_read_once(place: Path) -> None:
    """The second process asks AWS nothing, and gets the same answer but for times."""
    first, second = Ecs(), Ecs()
    calls = [describe(f"{ARN}{number}") for number in range(5)]
    said = AwsClient(first, memory=ResponseCache(place)).run(ask(*calls))
    again = AwsClient(second, memory=ResponseCache(place)).run(ask(*calls))
    assert (len(first.calls), len(second.calls)) == (5, 0)
    for each in said:
        del each["taskDefinition"]["registeredAt"], each["ResponseMetadata"]
    assert again == said


def test_only_what_is_said_to_last_is_remembered(place: Path) -> None:
    """A family's newest revision is another one tomorrow."""
    ecs = Ecs()
    aws = AwsClient(ecs, memory=ResponseCache(place))
    for _ in range(2):
        aws.run(ask(describe(lasting=None)))
    assert len(ecs.calls) == 2
    assert not place.exists()


@pytest.mark.parametrize("tags", [{}, {**TAGS, "reconciler:run": "1"}, {**TAGS, "reconciler:content": "def"}])
def test_other_tags_are_another_answer(place: Path, tags: dict[str, str]) -> None:
    """What the sweep says of the tags, and so of the content, has to be what is remembered."""
    ResponseCache(place).keep(describe(), answer())
    assert ResponseCache(place).recall(describe()) is not None
    assert ResponseCache(place).recall(describe(lasting=tags)) is None


def test_nobody_else_may_read_it(place: Path) -> None:
    """A task definition may hold secrets: the folder and its files are the user's alone."""
    ResponseCache(place).keep(describe(), answer())
    (file,) = place.iterdir()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_what_somebody_else_could_have_written_is_not_believed(place: Path) -> None:
    """Loose permissions, a link, another's name on it, a flipped byte, half a file: each counts as not there."""
    found = ResponseCache(place)
    found.keep(describe(), answer())
    (file,) = place.iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:40], whole[:-1], whole.replace(b'"256"', b'"512"'), b"{}\n{}", b"\xff" * 100):
        file.write_bytes(damaged)
        assert found.recall(describe()) is None, damaged[:20]
    file.write_bytes(whole)
    assert found.recall(describe()) is not None
    file.chmod(0o644)
    assert found.recall(describe()) is None
    file.chmod(0o600)
    file.rename(place / "elsewhere")
    file.symlink_to(place / "elsewhere")
    assert found.recall(describe()) is None


def test_it_is_believed_for_a_day(place: Path) -> None:
    """What is not in the tags, such as that it was deregistered, is found out the next day."""
    ResponseCache(place).keep(describe(), answer())
    (file,) = place.iterdir()
    kept = file.stat().st_mtime
    assert ResponseCache(place, now=lambda: kept + DAY_SECONDS - 1).recall(describe()) is not None
    assert ResponseCache(place, now=lambda: kept + DAY_SECONDS + 1).recall(describe()) is None


@pytest.mark.parametrize(
    ("operation", "parameter"),
    [("TagResource", "resourceArn"), ("UntagResource", "resourceArn"), ("DeregisterTaskDefinition", "taskDefinition")],
)
def test_what_we_change_is_forgotten(place: Path, operation: str, parameter: str) -> None:
    """The next read is AWS's."""
    found = ResponseCache(place)
    found.keep(describe(), answer())
    found.keep(Call("ecs", operation, {parameter: ARN}), {})
    assert found.recall(describe()) is None


def test_it_does_not_grow_for_ever(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest entries make room for new ones."""
    monkeypatch.setattr(response_cache, "MOST", 20)
    found = ResponseCache(place)
    for number in range(100):
        found.keep(describe(f"{ARN}{number}"), answer(f"{ARN}{number}"))
    assert len(list(place.iterdir())) <= 20
    assert found.recall(describe(f"{ARN}99")) is not None


def test_a_disk_that_takes_nothing_is_no_obstacle(tmp_path: Path) -> None:
    """Then AWS is asked each time."""
    (tmp_path / "file").write_text("in the way")
    ecs = Ecs()
    aws = AwsClient(ecs, memory=ResponseCache(tmp_path / "file" / "revisions"))
    for _ in range(2):
        aws.run(ask(describe()))
    assert len(ecs.calls) == 2


def test_one_that_is_no_longer_active_is_not_kept(place: Path) -> None:
    """Nothing new can be started from it, and that must be seen."""
    ResponseCache(place).keep(describe(), answer(status="INACTIVE"))
    assert ResponseCache(place).recall(describe()) is None


def test_it_is_where_caches_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """XDG_CACHE_HOME is heeded where it is a path from the root, as its specification has it."""
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache/me")
    assert response_cache.folder() == Path("/var/cache/me/reconciler/revisions")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert response_cache.folder() == Path.home() / ".cache/reconciler/revisions"
