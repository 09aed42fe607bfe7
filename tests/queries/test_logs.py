"""What tasks say: whose output it is, and reading all of it once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler import errors
from reconciler.diagnosis.observations import Task
from reconciler.queries import logs
from reconciler.queries.logs import LogStream, assigned, newest_version
from reconciler.resources.task_definition import Container, TaskDefinitionSpec
from tests.resources.talk import Talk

NOW = datetime(2026, 1, 5, tzinfo=UTC)
VOICE = LogStream("9c1b", "app", "web:1", "/ecs/web", "web/app/9c1b")


def stopped(name: str, by: str, minutes: int) -> Task:
    return Task(name, started_by=by, at=NOW - timedelta(minutes=minutes), definition="x/web:1")


def test_the_version_that_stopped_last_is_the_previous_one() -> None:
    """Not the one that is live, even if a task of it stopped later; unless no other did."""
    tasks = (stopped("1", "live", 1), stopped("2", "new", 5), stopped("3", "new", 6), stopped("4", "old", 50))
    assert [task.id for task in newest_version(tasks, frozenset({"live"}))] == ["2", "3"]
    assert [task.id for task in newest_version(tasks[:1], frozenset({"live"}))] == ["1"]
    assert newest_version((), frozenset()) == ()


def test_each_container_has_its_stream_and_one_without_a_log_is_named() -> None:
    """By the task's own definition; what goes elsewhere is not left out silently."""
    logged = Container(image="i", log_group="/ecs/web", log_stream_prefix="web", log_region="us-west-2")
    spec = TaskDefinitionSpec(
        family="web", cpu=256, memory=512, containers={"app": logged, "proxy": Container(image="i")}
    )
    found = assigned((stopped("9c1b", "x", 1),), {"x/web:1": spec}, None, left_out=2)
    assert found.streams == (VOICE,)
    assert (found.containers, found.without_log, found.left_out) == (("app", "proxy"), ("proxy",), 2)
    assert assigned((stopped("9c1b", "x", 1),), {"x/web:1": spec}, "proxy").streams == ()


def page(*texts: str, forward: str = "f/9", backward: str = "b/0") -> dict[str, Any]:
    events = [{"timestamp": 1_767_600_000_000 + int(text), "message": text} for text in texts]
    return {"events": events, "nextForwardToken": forward, "nextBackwardToken": backward}


def said(talk: Talk, place: str | None = None) -> tuple[list[str], str, bool]:
    lines, onward, cut = talk.hold(logs._read_stream(VOICE, NOW, place))
    return [line.text for line in lines], onward, cut


def test_a_stream_is_read_from_its_end_until_the_token_stays() -> None:
    """An empty page on the way is not the beginning; the newest page says where to go on."""
    pages = [
        page("4", "5", forward="f/5", backward="b/4"),
        page(forward="f/4", backward="b/3"),
        page("2", "3", forward="f/3", backward="b/2"),
        page(forward="f/2", backward="b/2"),
    ]
    talk = Talk(GetLogEvents=pages)
    assert said(talk) == (["2", "3", "4", "5"], "f/5", False)
    assert [call.get("nextToken") for call in talk.params("GetLogEvents")] == [None, "b/4", "b/3", "b/2"]
    assert {call["startTime"] for call in talk.params("GetLogEvents")} == {int(NOW.timestamp() * 1000)}


def test_reading_on_starts_where_the_last_reading_ended() -> None:
    """Forward, until there is no more."""
    talk = Talk(GetLogEvents=[page("6", forward="f/6"), page("7", forward="f/7"), page(forward="f/7")])
    assert said(talk, "f/5") == (["6", "7"], "f/7", False)
    assert all(call["startFromHead"] for call in talk.params("GetLogEvents"))


def test_a_stream_that_is_not_there_has_said_nothing() -> None:
    """A container that never wrote has no stream."""
    gone = errors.Gone("no", call="logs.GetLogEvents", code="ResourceNotFoundException")
    assert said(Talk(GetLogEvents=gone)) == ([], "", False)


def test_an_endless_stream_is_cut_and_that_is_known() -> None:
    """The newest lines are shown."""
    pages = [page(str(99 - n), backward=f"b/{n}") for n in range(logs.PAGES + 5)]
    texts, _, cut = said(Talk(GetLogEvents=pages))
    assert (len(texts), texts[-1], cut) == (logs.PAGES, "99", True)


def test_voices_are_told_apart_by_all_that_they_are() -> None:
    """They key where to go on."""
    assert len({VOICE, replace(VOICE, container="proxy"), replace(VOICE)}) == 2
