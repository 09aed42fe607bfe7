"""`tree`, `events`, `logs`, `history`: what is said of a service in each state, and that saying it writes nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler import printable
from reconciler.aws.retry import is_read
from reconciler.cli.output.events_text import group_line
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import Look
from reconciler.cli.output.tree_text import tree_text
from reconciler.local.scripted import Script
from reconciler.model.resource import Call, ResourceHealth
from reconciler.queries.events import EventGroup, ServiceEvent, Source
from reconciler.queries.tree import Node
from reconciler.rollout.engines.task_sets import COMMIT
from reconciler.rollout.requests import RequestVerb
from tests.cli.cli_runner import Typed, onstage
from tests.harness.cli import Ran, recorded
from tests.harness.emulated_stack import CLUSTER, SERVICE, EmulatedStack, StageClock, emulated_stack

HOSTILE = "  up \x1b[31mand\x1b[0m\x1b]0;title\x07 running\x9b2J"
SECRET = "Hello World"  # the value of an environment variable of the seed's
EVER = "300d"


@dataclass
class Story:
    """What every command answered in each scene, and every call that all of them made."""

    ran: dict[tuple[str, ...], Ran] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)

    def __call__(self, scene: str, *words: str) -> Ran:
        return self.ran[(scene, *words)]

    def json(self, scene: str, *words: str) -> Any:
        return json.loads(self(scene, *words, "-o", "json").out)

    def rows(self, scene: str, *words: str) -> list[Any]:
        return [json.loads(line) for line in self(scene, *words, "-o", "jsonl").out.splitlines()]


ALL = ("logs", "--since", EVER)
SCENES: dict[str, tuple[tuple[str, ...], ...]] = {
    "absent": (("tree",), ("tree", "-o", "json"), ("history",), ("events",), ("logs",)),
    "serving": (
        ("tree", "-o", "json"),
        ("history", "-o", "json"),
        ALL,
        (*ALL, "-o", "jsonl"),
        (*ALL, "--grep", "nowhere"),
        (*ALL, "--grep", "running"),
        ("logs", "--previous"),
    ),
    "waiting": (
        ("tree",),
        ("tree", "-o", "json"),
        ("tree", "--color", "always"),
        ("history",),
        ("history", "-o", "json"),
        ("history", "--color", "always"),
        (*ALL, "-o", "jsonl"),
    ),
    "warm": (("history", "-o", "json"), ("events", "-o", "jsonl"), (*ALL, "-o", "jsonl")),
    "failed": (
        ("history",),
        ("history", "-o", "json"),
        ("events",),
        ("events", "-o", "jsonl"),
        ("events", "--since", "10m", "-o", "jsonl"),
        ("logs",),
        ALL,
        (*ALL, "-o", "jsonl"),
        ("logs", "--previous"),
        ("logs", "--previous", "-o", "jsonl"),
    ),
}
"""What is typed when."""


def commit(stage: EmulatedStack, name: str) -> None:
    """As a loop that knows its source tags what it makes."""
    for one in stage.service()["taskSets"]:
        if one["status"] == "ACTIVE":
            tags = [{"key": COMMIT, "value": name}]
            stage.laptop.client("ecs").tag_resource(resourceArn=one["taskSetArn"], tags=tags)


def waits(turn: Any) -> bool:
    return turn.step is not None and str(turn.step.phase) == "awaiting_promotion" and not turn.busy


@pytest.fixture(scope="module")
def story() -> Story:
    """Nothing yet, v1 serving, v2 waiting beside it, v2 promoted with v1 warm, v3 failed."""
    told = Story()

    def scene(name: str, typed: Typed) -> None:
        with recorded() as calls:
            told.ran |= {(name, *words): typed(*words) for words in SCENES[name]}
        told.calls += calls

    with emulated_stack() as stage, onstage(stage) as typed:
        scene("absent", typed)
        stage.laptop.script(Script(logs=("starting", HOSTILE)))
        stage.infrastructure()
        stage.push("v1")
        stage.apply()
        stage.follow()
        scene("serving", typed)
        stage.push("v2")
        stage.spec(v1="v2")
        stage.laptop.script(Script(logs=("second version",)))
        stage.apply(waits)
        commit(stage, "4f1c2ab9")
        scene("waiting", typed)
        stage.say(RequestVerb.PROMOTE)
        stage.follow(lambda turn: turn.step is not None and str(turn.step.phase) == "baking" and not turn.busy)
        scene("warm", typed)
        stage.follow()
        stage.push("v3")
        stage.spec(v2="v3")
        stage.laptop.script(Script(exits_after=1.0, exit_code=3, logs=("boom: no database",)))
        stage.apply()
        stage.follow()
        assert stage.phases[-1] == "failed"
        scene("failed", typed)
        told.ran["odd", "service"] = typed("events", "my-app-frontent")
        told.ran["odd", "container"] = typed("logs", "--container", "nginx", SERVICE)
        told.ran["odd", "both"] = typed("logs", "--previous", "-f")
        told.ran["odd", "since"] = typed("events", "--since", "yesterday")
    return told


def test_nothing_is_ever_written(story: Story) -> None:
    """Every call of every command in every scene is a read; and there were some."""
    assert {str(call) for call in story.calls if not is_read(call)} == set()
    assert len(story.calls) > 300


@pytest.mark.parametrize("command", ["history", "events", "logs"])
def test_what_is_not_in_aws_is_a_line_and_exit_1(story: Story, command: str) -> None:
    """Before the first apply: one line with what makes it."""
    ran = story("absent", command)
    assert (ran.code, ran.out) == (Exit.FAILED, "")
    assert ran.err == f"error: service/{SERVICE} does not exist yet; `reconciler apply` creates it\n"


def test_what_cannot_be_meant_is_a_usage_error(story: Story) -> None:
    """64, with what was probably meant or what there is."""
    for key, words in {
        "service": "Did you mean 'my-app-frontend'?",
        "container": "the tasks have: frontend",
        "both": "mutually exclusive",
        "since": "such as 30m, 1h",
    }.items():
        ran = story("odd", key)
        assert (ran.code, ran.out, words in ran.err) == (Exit.USAGE, "", True), ran.err


def test_no_secret_and_no_control_character_comes_out(story: Story) -> None:
    """Environment values are never printed, and what tasks say cannot steer a terminal."""
    for key, ran in story.ran.items():
        assert SECRET not in ran.out + ran.err, key
        if "always" not in key:
            assert not {char for char in ran.out if ord(char) < 32 or 127 <= ord(char) < 160} - {"\n"}, key


# -- tree


def nodes(found: list[Any]) -> Iterator[Any]:
    for node in found:
        yield node
        yield from nodes(node["children"])


def named(story: Story, scene: str) -> dict[str, Any]:
    return {node["name"]: node for node in nodes(story.json(scene, "tree")["tree"])}


def test_the_tree_has_everything_inside_what_it_is_part_of(story: Story) -> None:
    """Subnets in their network, listeners on their load balancer, services in their cluster."""
    tree = named(story, "serving")
    inside = {child["name"]: name for name, node in tree.items() for child in node["children"]}
    assert inside["subnet/app-public1-a"] == "vpc/my-workspace"
    assert inside["security-group-rules/my-app-lb-sg"] == "security-group/my-app-lb-sg"
    assert inside["listener/my-app-alb-production"] == "load-balancer/my-app-alb"
    assert inside["target-group/my-app-frontend-tg-1"] == "load-balancer/my-app-alb"
    assert inside[f"service/{SERVICE}"] == f"cluster/{CLUSTER}"
    assert inside[f"task-definition/{SERVICE}"] == f"service/{SERVICE}"
    assert inside["image/my-app-frontend:v1"] == "repository/my-app-frontend"
    assert tree["subnet/app-public1-a"]["id"].startswith("subnet-")
    roots = [node["name"].partition("/")[0] for node in story.json("serving", "tree")["tree"]]
    assert roots[:4] == ["vpc", "load-balancer", "cluster", "repository"]
    assert len([name for name in tree if "/" in name]) == 28, "27 of the specs, and the image that is looked up"


def test_the_tree_says_what_runs_where(story: Story) -> None:
    """Versions below their service, with their share of production; tasks below those, with address and subnet."""
    tree = named(story, "waiting")
    versions = [node for node in tree[f"service/{SERVICE}"]["children"] if node["name"].startswith("task set")]
    assert [", 0 % of production" in node["detail"] for node in versions] == [True, False]
    assert ", 100 % of production" in versions[1]["detail"]
    (task,) = versions[1]["children"]
    assert task["detail"].startswith("10.0.")
    assert "subnet/app-public1-" in task["detail"]
    text = story("waiting", "tree").out
    assert "│  │  ├─ task set my-app-frontend:" in text
    assert f"└─ task {task['id'][:4]}" in text
    assert "\x1b" in story("waiting", "tree", "--color", "always").out


def test_the_tree_names_what_is_not_there_yet(story: Story) -> None:
    """Before the first apply that is all of it."""
    assert story("absent", "tree").code == Exit.DONE
    assert len(story.json("absent", "tree")["absent"]) == 27
    assert f"service/{SERVICE} does not exist yet" in story("absent", "tree").out
    assert story.json("serving", "tree")["absent"] == []


def test_what_cannot_be_read_is_said_and_not_taken_for_absent() -> None:
    """Exit 1, with the rest of the tree; and no service command says that the service is not there."""
    from reconciler import errors

    with emulated_stack() as stage, onstage(stage) as typed:
        stage.infrastructure()

        def deny(call: Call) -> None:
            if call.operation in ("DescribeServices", "DescribeSubnets"):
                raise errors.Denied("no", call=str(call), code="AccessDenied")

        stage.transport.before = deny
        ran = typed("tree", "-o", "json")
        found = json.loads(ran.out)
        assert ran.code == Exit.FAILED
        assert {"service", "subnet"} <= found["unread"].keys()
        assert not [one for one in found["absent"] if one.startswith(("service/", "subnet/"))]
        assert "cannot read subnet" in typed("tree").out
        for command in ("logs", "events", "history"):
            ran = typed(command)
            assert (ran.code, "DescribeServices" in ran.err, "not in AWS" in ran.err) == (Exit.FAILED, True, False)


# -- history


def releases(story: Story, scene: str) -> list[tuple[list[str], list[str]]]:
    """Image tags and standing, newest first; without revisions that never ran."""
    found = [
        (row["images"][0]["tags"] if row["images"] else [], row["standing"])
        for row in story.json(scene, "history")["releases"]
    ]
    return [row for row in found if row[0]]


def test_history_says_how_each_release_stands(story: Story) -> None:
    """Live, on its way, previous, quarantined: by the listener and the service's tags."""
    assert releases(story, "serving") == [(["v1"], ["live"])]
    assert releases(story, "waiting") == [(["v2"], ["in-progress"]), (["v1"], ["live"])]
    assert releases(story, "warm") == [(["v2"], ["live"]), (["v1"], ["warm"])]
    assert releases(story, "failed") == [(["v3"], ["quarantined"]), (["v2"], ["live"]), (["v1"], ["previous"])]


def test_history_says_how_the_last_rollout_ended_and_why(story: Story) -> None:
    """Outcome, phase and reason, on the release that it was about."""
    newest = story.json("failed", "history")["releases"][0]
    assert newest["ended"]["outcome"] == "Failed"
    assert newest["ended"]["phase"] == "scaling_up"
    assert newest["ended"]["by"] == "engine"
    assert int(newest["ended"]["because"].split()[0]) >= 3, "as many of its tasks as the strategy takes"
    lines = story("failed", "history").out.splitlines()
    assert lines[2].split()[-1] == "quarantined"
    assert lines[3].startswith("  ✖ Failed in scaling up, 2026-01-01 ")


def test_history_shows_images_by_tag_and_digest_and_the_commit(story: Story) -> None:
    """What people call it, what it is, and what it was made from."""
    newest = story.json("waiting", "history")["releases"][0]
    assert newest["commit"] == "4f1c2ab9"
    assert "@sha256:" in newest["images"][0]["image"]
    row = story("waiting", "history").out.splitlines()[2]
    assert "my-app-frontend:v2@" in row
    assert "4f1c2ab" in row
    assert "\x1b" in story("waiting", "history", "--color", "always").out


# -- events


def test_events_are_newest_first_with_the_marks_of_rollouts(story: Story) -> None:
    """ECS's own, when versions began, how the last rollout ended, what a person said."""
    rows = story.rows("failed", "events")
    assert [row["at"] for row in rows] == sorted((row["at"] for row in rows), reverse=True)
    rollout = [row["text"] for row in rows if row["source"] == "rollout"]
    (ended,) = [row["details"] for row in rows if "outcome" in row["details"]]
    assert (ended["outcome"], ended["phase"], ended["by"]) == ("Failed", "scaling_up", "engine")
    assert any("started as ecs-svc/" in text for text in rollout)
    (said,) = [row for row in story.rows("warm", "events") if "verb" in row["details"]]
    assert (said["details"]["verb"], said["details"]["answer"]) == ("promote", "accepted")
    assert "ana" in said["text"]
    assert any("has reached a steady state" in row["text"] for row in rows if row["source"] == "ecs")


def test_equal_events_are_one_line(story: Story) -> None:
    """A version that kept crashing fills one line for each sort of event; other versions keep their own."""
    text = story("failed", "events").out
    crashed = [line for line in text.splitlines() if "has started 1 tasks" in line and "×" in line]
    assert len(crashed) == 1
    started = [line for line in text.splitlines() if "has started 1 tasks" in line]
    assert len(started) == 3, "v1, v2, v3"
    assert len(story.rows("failed", "events")) > len(text.splitlines())


def test_events_since_a_time(story: Story) -> None:
    """By the clock of the account."""
    every, recent = story.rows("failed", "events"), story.rows("failed", "events", "--since", "10m")
    assert 0 < len(recent) < len(every)
    assert {row["id"] for row in recent} <= {row["id"] for row in every}


# -- logs


def messages(story: Story, scene: str, *words: str) -> list[str]:
    return [row["message"] for row in story.rows(scene, "logs", *words)]


def test_logs_are_those_of_the_version_that_production_has(story: Story) -> None:
    """Not of the one that waits beside it; and of the new one from the switch on."""
    assert messages(story, "serving", "--since", EVER) == ["starting", "  up and running"]
    assert messages(story, "waiting", "--since", EVER) == ["starting", "  up and running"]
    assert messages(story, "warm", "--since", EVER) == ["second version"]
    assert messages(story, "failed", "--since", EVER) == ["second version"]


def test_previous_logs_are_what_the_failed_version_said(story: Story) -> None:
    """With the tasks that said it and how they ended."""
    assert set(messages(story, "failed", "--previous")) == {"boom: no database"}
    ran = story("failed", "logs", "--previous")
    assert "exited with 3" in ran.err
    task = story.rows("failed", "logs", "--previous")[0]["task"]
    assert f"  {task[:4]}  boom: no database" in ran.out


def test_where_nobody_says_anything_that_is_said(story: Story) -> None:
    """No stopped tasks; running ones that have been silent; no line with that text."""
    ran = story("serving", "logs", "--previous")
    assert (ran.code, ran.out, "no stopped tasks" in ran.err) == (Exit.FAILED, "", True)
    ran = story("failed", "logs")
    assert (ran.code, ran.out) == (Exit.DONE, "")
    assert "no log lines in the last 10m; use --since" in ran.err
    ran = story("serving", "logs", "--since", EVER, "--grep", "nowhere")
    assert (ran.out, "no line contains 'nowhere'" in ran.err) == ("", True)
    assert len(story("serving", "logs", "--since", EVER, "--grep", "running").out.splitlines()) == 1


def test_streams_are_apart(story: Story) -> None:
    """Lines on stdout, everything about them on stderr."""
    for scene in ("serving", "failed"):
        ran = story(scene, *ALL)
        assert ran.out
        assert all(line.startswith("01-01 ") for line in ran.out.splitlines())
        assert ran.err.startswith(f"service/{SERVICE}: ")


# -- following


class Impatient(StageClock):
    """Something happens at each wait, and then somebody presses Ctrl-C."""

    def __init__(self, stage: EmulatedStack, *acts: Callable[[], object]) -> None:
        super().__init__(stage.laptop)
        self.acts = iter(acts)

    def wait(self, event: Any, seconds: float | None) -> bool:
        act = next(self.acts, None)
        if act is None:
            raise KeyboardInterrupt
        act()
        return super().wait(event, seconds)


def say(stage: EmulatedStack, stream: str, *texts: str) -> None:
    now = int(time.time() * 1000)  # CloudWatch takes nothing that is older than two weeks
    events = [{"timestamp": now, "message": text} for text in texts]
    stage.laptop.client("logs").put_log_events(logGroupName=f"/ecs/{SERVICE}", logStreamName=stream, logEvents=events)


def test_followed_logs_come_once_each_from_new_tasks_too() -> None:
    """What was said before, then what is said next, until Ctrl-C; and nothing is written."""
    with emulated_stack() as stage:
        stage.laptop.script(Script(logs=("first",)))
        stage.infrastructure()
        stage.push("v1")
        stage.apply()
        stage.follow()
        (arn,) = stage.laptop.client("ecs").list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
        stream = f"{SERVICE}/frontend/{arn.rpartition('/')[2]}"
        stage.laptop.script(Script(logs=("another task",), logged_at=int(stage.laptop.clock.now().timestamp() * 1000)))

        def crash() -> None:
            stage.laptop.client("ecs").stop_task(cluster=CLUSTER, task=arn)

        acts = (lambda: say(stage, stream, "second", "third"), lambda: None, crash, *([lambda: None] * 6))
        with onstage(stage, Impatient(stage, *acts)) as typed, recorded() as calls:
            ran = typed("logs", "-f", "--since", EVER, "-o", "jsonl")
        assert ran.code == Exit.INTERRUPTED
        said = [json.loads(line)["message"] for line in ran.out.splitlines()]
        assert said == ["first", "second", "third", "another task"]
        assert {str(call) for call in calls if not is_read(call) and call.operation != "StopTask"} == set()


def test_followed_events_come_once_each_oldest_first() -> None:
    """Those that are known, then those that come."""
    with emulated_stack() as stage:
        stage.infrastructure()
        stage.push("v1")
        stage.apply()
        stage.follow()
        (arn,) = stage.laptop.client("ecs").list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]

        def crash() -> None:
            stage.laptop.client("ecs").stop_task(cluster=CLUSTER, task=arn)

        with onstage(stage, Impatient(stage, lambda: None, crash, lambda: None, lambda: None)) as typed:
            ran = typed("events", "-f", "-o", "jsonl")
        rows = [json.loads(line) for line in ran.out.splitlines()]
        assert ran.code == Exit.INTERRUPTED
        assert [row["at"] for row in rows] == sorted(row["at"] for row in rows)
        assert len({row["id"] for row in rows}) == len(rows)
        assert sum("has started 1 tasks" in row["text"] for row in rows) == 2


# -- the views


def test_an_ascii_terminal_gets_ascii() -> None:
    """Branches, signs and dots as it can show them."""
    tree = (
        Node("vpc/a", "vpc-1", children=(Node("subnet/b", health=ResourceHealth.DEGRADED, because="gone"), Node("c"))),
    )
    text = tree_text("shop", tree, Look(unicode=False), unread={"role": "no"})
    assert text.isascii()
    assert text.splitlines()[1:4] == ["`- vpc/a        ok   vpc-1", "   |- subnet/b  x   gone", "   `- c         ok"]
    when = datetime(2026, 1, 5, tzinfo=UTC)
    assert group_line(EventGroup(ServiceEvent(when, Source.ECS, "x", "1"), 3, when), Look(unicode=False)).isascii()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("    at Main.java:7", ["    at Main.java:7"]),
        ("\tindented", ["    indented"]),
        ("one\r\ntwo\n", ["one", "two"]),
        ("progress 1%\rprogress 2%", ["progress 1%", "progress 2%"]),
        ("\x1b[2J\x1b]8;;http://evil\x1b\\click\x1b]8;;\x07\x9b31mred\u202eback\x00", ["clickredback"]),
        ("", [""]),
        ("日本語 ✔", ["日本語 ✔"]),
    ],
)
def test_lines_keep_their_shape_and_lose_what_steers_a_terminal(text: str, shown: list[str]) -> None:
    """Indentation stays; escape sequences, control and format characters go; each line is its own."""
    assert list(printable.lines(text)) == shown
