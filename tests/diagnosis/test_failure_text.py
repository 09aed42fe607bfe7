"""What a person reads when a rollout failed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.cli.output.failure_text import failure_text
from reconciler.cli.output.terminal import Look
from reconciler.diagnosis import observations, root_cause
from reconciler.diagnosis.observations import Unread
from reconciler.diagnosis.report import Changed, Diagnosis, Evidence, Known, Story
from tests.diagnosis.aws import event, stopped, unhealthy

STORY = Story(
    address="service/api",
    release="8d02c1f0aa",
    phase="scaling_up",
    happened="green never became healthy (5m0s of 5m0s)",
    production="Production :80 was not touched",
    done="green removed, blue 16 serving 3/3 healthy",
    changed=(Changed("environment.DATABASE_URL", "specs/services/api.yaml:22", "8d02c11", "move db"),),
)
LOG = 'OperationalError: could not translate host name "db-new" to address'
PLAIN = Look()


def task(id: str, number: int, **more: Any) -> dict[str, Any]:
    return {**stopped(number, **more), "taskArn": f"arn:aws:ecs:us-west-2:123456789012:task/my-app/{id}5e2a"}


def made(tasks: Any = (), targets: Any = (), events: Any = (), **more: Any) -> Diagnosis:
    seen = Evidence(
        tasks=tuple(observations.task(item) for item in tasks),
        targets=tuple(observations.target(item) for item in targets),
        events=observations.events(events),
        known=Known(path="/ready", matcher="200"),
        **more,
    )
    return root_cause.conclude(seen, STORY)


def test_a_failed_rollout_reads_as_promised() -> None:
    """What was expected, the cause, the folded tasks, the log, the line that changed, what was done, what to type."""
    tasks = [task(id, number) for number, id in enumerate(("9c1b", "77e0", "12aa"), 1)]

    text = failure_text(made(tasks, [unhealthy(n) for n in (1, 2, 3)], log=(LOG,)), PLAIN)

    assert text.splitlines() == [
        "✖ service/api   release 8d02c1 failed: green never became healthy (5m0s of 5m0s)."
        " Production :80 was not touched.",
        "  cause     load balancer health check GET /ready → 503 on 3/3 tasks"
        " (Target.ResponseCodeMismatch, expected 200)",
        '  tasks     9c1b, 77e0, 12aa STOPPED exit 1 "Essential container in task exited"',
        f"  last log  {LOG}",
        '  changed   environment.DATABASE_URL   specs/services/api.yaml:22   in 8d02c11 "move db"',
        "  done      green removed, blue 16 serving 3/3 healthy",
        "  next      fix specs/services/api.yaml:22, and push or apply it · reconciler logs api --previous",
    ]


def test_at_most_two_tasks_and_five_events_are_shown() -> None:
    """The newest and most frequent are shown, the rest is counted; -v shows them all."""
    tasks = [task(f"{code:04x}", code, exit_code=code) for code in (1, 2, 3, 4)]
    events = [event(f"was unable to place a task. Reason: strange {'x' * n}.", n) for n in range(8)]
    found = made(tasks, [], events, log=tuple(f"line {n}" for n in range(20)))

    short, long = failure_text(found, PLAIN).splitlines(), failure_text(found, PLAIN, verbose=1).splitlines()

    assert sum("STOPPED" in line for line in short) == 2
    assert sum("unable to place" in line for line in short) == 5
    assert [line for line in short if "more; use -v" in line] == [
        "            (2 more; use -v to show them)",
        "            (3 more; use -v to show them)",
    ]
    assert [line.split()[-1] for line in short if " line " in line] == ["15", "16", "17", "18", "19"]
    assert sum("STOPPED" in line for line in long) == 4
    assert sum("unable to place" in line for line in long) == 8
    assert sum(" line " in line for line in long) == 20


def test_an_event_that_says_the_same_as_the_cause_is_not_repeated() -> None:
    """Where the cause is known, only events that add to it are shown."""
    limit = event(
        "was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently."
    )

    assert "events" not in failure_text(made([], [], [limit]), PLAIN)


def test_an_unknown_cause_shows_the_words_of_aws_and_no_guess() -> None:
    """Nothing is advised where nothing is known."""
    text = failure_text(
        made([task("9c1b", 1, exit_code=None, stopCode="TaskFailedToStart", stoppedReason="The moon is full")]), PLAIN
    )

    assert "  cause     unknown. AWS reports: The moon is full (1/1 task)" in text.splitlines()
    assert "fix" not in text


def test_what_could_not_be_read_is_said() -> None:
    """A gap in the evidence is shown with its reason."""
    text = failure_text(made(unread=(Unread("stopped tasks", "ecs.ListTasks: AccessDenied: no"),)), PLAIN)

    assert "  unread    stopped tasks: ecs.ListTasks: AccessDenied: no" in text.splitlines()


def test_a_terminal_without_unicode_gets_ascii_and_one_without_colour_no_escapes() -> None:
    """Signs follow the terminal; piped output has no escape byte."""
    found = made([task("9c1b", 1)], [unhealthy(1)], log=("\x1b[31mboom\x1b[0m",))

    ascii_text = failure_text(found, Look(unicode=False))

    assert ascii_text.isascii()
    assert "-> 503" in ascii_text
    assert "\x1b" not in failure_text(found, PLAIN)
    assert "\x1b" in failure_text(found, Look(color=True))


def test_a_story_with_nothing_to_tell_leaves_its_rows_out() -> None:
    """Only rows that say something are shown."""
    bare = replace(made([task("9c1b", 1)]), story=Story("service/api", "", "scaling_up"), next=())

    assert failure_text(bare, PLAIN).splitlines() == [
        "✖ service/api   failed.",
        "  cause     container web exited with code 1 (1/1 task)",
        '  tasks     9c1b STOPPED exit 1 "Essential container in task exited"',
    ]
