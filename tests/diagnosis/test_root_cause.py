"""One cause is told: the one that is frequent and nearest to the root; all else is evidence, folded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from reconciler.diagnosis import classify, observations, root_cause
from reconciler.diagnosis.cause import Cause, table
from reconciler.diagnosis.report import Changed, Evidence, Known, Story
from tests.diagnosis.aws import GROUP, NOON, event, stopped, task_id, unhealthy

STORY = Story("service/api", "8d02c1f0", "scaling_up", changed=(Changed("environment.URL", "specs/api.yaml:22"),))
UNHEALTHY = {
    "stopCode": "ServiceSchedulerInitiated",
    "stoppedReason": f"Task failed ELB health checks in (target-group {GROUP})",
}
NO_IMAGE = {"stopCode": "TaskFailedToStart", "stoppedReason": "CannotPullContainerError: manifest for api:17 not found"}
SPOT = {"stopCode": "SpotInterruption", "stoppedReason": "Your Spot Task was interrupted."}
SCALED = {
    "stopCode": "ServiceSchedulerInitiated",
    "stoppedReason": "Scaling activity initiated by (deployment ecs-svc/1)",
}


def evidence(
    tasks: Sequence[Any] = (), targets: Sequence[Any] = (), events: Sequence[Any] = (), **more: Any
) -> Evidence:
    return Evidence(
        tasks=tuple(observations.task(item) for item in tasks),
        targets=tuple(observations.target(item) for item in targets),
        events=observations.events(events),
        **more,
    )


def cause(*args: Any, **more: Any) -> str:
    return root_cause.conclude(evidence(*args, **more), STORY).finding.id


def timed_out(number: int) -> dict[str, Any]:
    health = {"State": "unhealthy", "Reason": "Target.Timeout", "Description": "Request timed out"}
    return {"Target": {"Id": f"10.0.1.{number}", "Port": 80}, "TargetHealth": health}


def test_a_status_says_more_than_an_exit_code() -> None:
    """Where tasks ended with 1 and answered 503 before, the 503 is told."""
    found = root_cause.conclude(
        evidence(
            [stopped(n) for n in (1, 2, 3)],
            [unhealthy(n) for n in (1, 2, 3)],
            known=Known(path="/ready", matcher="200"),
        ),
        STORY,
    )

    assert found.finding.id == "lb-error"
    assert "GET /ready → 503 on 3/3 tasks" in found.finding.text
    assert "expected 200" in found.finding.text


def test_an_exit_explains_a_health_check_that_nobody_answers() -> None:
    """A task that ended cannot answer: the exit is the cause, the timeout its symptom."""
    assert cause([stopped(n) for n in (1, 2)], [timed_out(n) for n in (1, 2)]) == "exit-1"


def test_the_frequent_cause_is_told_before_the_rare_one() -> None:
    """One failed pull among many crashes is not why the rollout failed."""
    assert cause([stopped(n) for n in range(9)] + [stopped(10, **NO_IMAGE)]) == "exit-1"


def test_of_two_that_are_as_frequent_the_one_nearer_to_the_root_is_told() -> None:
    """A missing image names what to change; an exit code does not."""
    assert cause([stopped(1), stopped(2), stopped(3, **NO_IMAGE), stopped(4, **NO_IMAGE)]) == "image-missing"


@pytest.mark.parametrize("meant", [SPOT, SCALED])
def test_stops_that_were_meant_hide_no_failure(meant: dict[str, str]) -> None:
    """However many tasks were interrupted or scaled in, the ones that failed are told."""
    assert cause([*(stopped(n, **meant) for n in range(20)), stopped(30)]) == "exit-1"


def test_where_all_stops_were_meant_that_is_told() -> None:
    """A green that lost all its Spot capacity failed of nothing else."""
    found = root_cause.conclude(evidence([stopped(n, **SPOT) for n in range(3)]), STORY)

    assert found.finding.id == "spot"
    assert not found.finding.counts


def test_an_unknown_stop_is_not_covered_up_by_a_symptom() -> None:
    """Where tasks end for an unknown reason, targets that are not answering prove nothing."""
    strange = {"stopCode": "TaskFailedToStart", "stoppedReason": "The moon is full"}

    found = root_cause.conclude(evidence([stopped(n, **strange) for n in (1, 2)], [timed_out(1)]), STORY)

    assert not found.finding.known
    assert "The moon is full · exit code 1 (2/2 tasks)" in found.finding.text


def test_events_are_asked_where_tasks_show_only_symptoms() -> None:
    """No vCPUs left says more than that the few tasks there were did not get healthy."""
    limit = event(
        "was unable to place a task. Reason: You've reached the limit on the number of vCPUs you can run concurrently."
    )

    assert cause([], [timed_out(1)], [limit]) == "vcpu-limit"
    assert cause([stopped(1)], [], [limit]) == "exit-1"


def test_tasks_of_a_failed_health_check_are_told_apart_by_their_events() -> None:
    """The event that names a task says how its checks failed."""
    told = [
        event(
            f"(task {task_id(n)}) (port 80) is unhealthy in (target-group {GROUP}) due to "
            "(reason Health checks failed with these codes: [404])"
        )
        for n in (1, 2)
    ]

    assert cause([stopped(n, **UNHEALTHY) for n in (1, 2)], [], told) == "lb-path"


def test_equal_stops_are_one_row() -> None:
    """Ids, addresses, times and digests do not keep equal reasons apart; different exit codes do."""
    reasons = [
        f"CannotPullContainerError: retried {n} time(s): dial tcp 10.0.{n}.7:443: i/o timeout, "
        f"RequestID: d45b80b7-7a19-49eb-8fd2-44305bb5e5d{n}, 2026-01-01T12:00:0{n}Z, "
        f"sha256:{str(n) * 64}, eni-0123456789abcde0{n}"
        for n in (1, 2, 3)
    ]
    tasks = [
        stopped(n, exit_code=None, stopCode="TaskFailedToStart", stoppedReason=text)
        for n, text in enumerate(reasons, 1)
    ]

    folds = root_cause.conclude(evidence([*tasks, stopped(5, exit_code=2), stopped(6, exit_code=3)]), STORY).tasks

    assert [(fold.count, fold.cause) for fold in folds] == [(3, "image-no-route"), (1, "exit-2"), (1, "exit-other")]
    assert folds[0].ids == tuple(task_id(n) for n in (1, 2, 3))
    assert folds[0].reason == observations.plain(reasons[0])


def test_the_most_frequent_stop_comes_first_and_meant_stops_last() -> None:
    """Failures are ordered by how often they happened; what was meant follows, however often it was."""
    tasks = [stopped(1, exit_code=2), *(stopped(n) for n in (2, 3)), *(stopped(n, **SCALED) for n in (4, 5, 6))]

    assert [fold.cause for fold in root_cause.conclude(evidence(tasks), STORY).tasks] == [
        "exit-1",
        "exit-2",
        "scaled-in",
    ]


def test_events_are_folded_newest_first_without_the_routine() -> None:
    """That ECS started and stopped tasks is no evidence; a repeated complaint is one row with its number."""
    place = "was unable to place a task. Reason: The stars are not aligned."
    events = [
        event("has started 1 tasks: (task 9c1b).", 1),
        event(place, 2),
        event("registered 1 targets in (target-group x)", 3),
        event(place, 4),
        event("is unable to consistently start tasks successfully.", 5),
        event("has reached a steady state.", 9),
    ]

    folds = root_cause.conclude(evidence([], [], events), STORY).events

    assert [(fold.count, fold.cause) for fold in folds] == [(2, "unknown"), (1, "starts-slowed")]
    assert folds[0].at > folds[1].at


def test_a_failure_of_the_release_sends_to_the_specs_and_one_that_is_not_to_retry() -> None:
    """What to type next depends on whose fault it is."""
    full = {"stopCode": "TaskFailedToStart", "stoppedReason": "Capacity is unavailable at this time."}

    blamed = root_cause.conclude(evidence([stopped(1)], log=("boom",)), STORY)
    passing = root_cause.conclude(evidence([stopped(1, exit_code=None, **full)]), STORY)

    strange = root_cause.conclude(evidence(rollout="The moon is full"), STORY)

    assert strange.next == ("reconciler events api",)
    assert blamed.next == ("fix specs/api.yaml:22, and push or apply it", "reconciler logs api --previous")
    assert passing.next == ("reconciler retry api",)


def test_a_task_that_runs_never_counts_as_a_failure() -> None:
    """Only a stopped task can speak against its release."""
    running = stopped(1, lastStatus="RUNNING", stopCode="")

    assert not classify.counts_as_failure(observations.task(running))
    assert classify.counts_as_failure(observations.task(stopped(1)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc", "a b c"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("a\u202eb\u200bc", "a b c"),
        ("x" * 500, None),
    ],
)
def test_words_from_outside_cannot_move_the_cursor(text: str, shown: str | None) -> None:
    """Text is shown on one line, without control characters, and no longer than a few hundred characters."""
    found = observations.plain(text)

    assert found.isprintable()
    assert len(found) <= observations.LONGEST
    assert shown is None or found == shown


def test_a_long_reason_keeps_its_end() -> None:
    """AWS says why at the end, so both ends are kept."""
    found = observations.plain("ResourceInitializationError: " + "x" * 900 + " marked for deletion.")

    assert found.startswith("ResourceInitializationError")
    assert found.endswith("marked for deletion.")


def test_a_text_of_a_megabyte_is_recognised_in_no_time() -> None:
    """Patterns are held against the first few thousand characters, so that no text can hold up a rollout."""
    huge = "CannotPullContainerError: " + "descriptor for platform dkr.ecr. starport-layer-bucket " * 20_000
    task = observations.task(stopped(1, stopCode="TaskFailedToStart", stoppedReason=huge, stoppedAt=NOON))

    assert all(len(text) <= classify.CUT for text in classify.sign_of_task(task).texts)


def test_a_task_is_told_by_its_own_event_and_not_by_another_tasks() -> None:
    """Each task of a failed health check gets the status that was seen of itself."""
    told = [
        event(
            f"(task {task_id(n)}) is unhealthy in (target-group x) due to "
            f"(reason Health checks failed with these codes: [{code}])"
        )
        for n, code in ((1, 404), (2, 503))
    ]

    folds = root_cause.conclude(evidence([stopped(n, **UNHEALTHY) for n in (1, 2)], [], told), STORY).tasks

    assert {fold.ids[0]: fold.cause for fold in folds} == {task_id(1): "lb-path", task_id(2): "lb-error"}


def test_a_task_is_told_by_the_target_with_its_address_before_others() -> None:
    """The health of the task's own target counts for more than that of most."""
    targets = [unhealthy(1, 404), unhealthy(8), unhealthy(9)]

    folds = root_cause.conclude(evidence([stopped(1, **UNHEALTHY)], targets), STORY).tasks

    assert [fold.cause for fold in folds] == ["lb-path"]


@pytest.mark.parametrize("tasks", [[], [stopped(1, **SCALED)]])
def test_where_aws_shows_no_trouble_the_rollouts_own_judgement_is_the_cause(tasks: Sequence[Any]) -> None:
    """A failed test is the cause, and not that AWS is silent, or that the version was removed after it."""
    judged = Story("service/api", "8d02c1f0", "testing", happened="GET / returned a body without Hello", judged=True)
    found = root_cause.conclude(evidence(tasks), judged)

    assert found.finding.text == "GET / returned a body without Hello"
    assert found.finding.counts
    assert found.next[0] == "fix the program and push its image"


def test_what_was_removed_by_the_rollout_did_not_fail_because_of_that() -> None:
    """In any phase: that tasks were scaled in follows from the failure, whose reason the rollout knows."""
    late = Story("service/api", "8d02c1f0", "scaling_up", happened="green did not become healthy before the deadline")
    for stop in (SCALED, {**SCALED, "exit_code": 137}, {"stoppedReason": "CannotStopContainerError: timeout"}):
        found = root_cause.conclude(evidence([stopped(n, **stop) for n in (1, 2)]), late)
        assert found.finding.text == late.happened
        assert found.finding.counts
        assert "reconciler retry api" not in found.next


@pytest.mark.parametrize("cause", [one for one in table() if one.counts], ids=lambda one: one.id)
def test_the_advice_is_one_that_helps(cause: Cause) -> None:
    """Where the check asks for something that no commit does, the next step is that, and trying again."""
    elsewhere = ("run `reconciler apply`", "push that", "push it again", "create ", "restore it", "add the key")
    assert not (cause.outside and cause.program)
    assert cause.outside or cause.program or not cause.check.startswith(elsewhere)


def test_an_image_that_was_not_pushed_is_pushed() -> None:
    """No commit is needed for it: the same version is tried again."""
    reason = (
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref x: not found"
    )
    lost = {"stopCode": "TaskFailedToStart", "stoppedReason": reason}
    found = root_cause.conclude(evidence([stopped(1, exit_code=None, **lost)]), STORY)
    assert found.next[:2] == ("push the image", "then reconciler retry api")


def test_a_failure_that_aws_shows_explains_a_failed_test() -> None:
    """The test failed because the application ended."""
    judged = Story("service/api", "8d02c1f0", "testing", happened="GET / did not answer", judged=True)

    assert root_cause.conclude(evidence([stopped(1)]), judged).finding.id == "exit-1"


def test_what_no_spec_causes_is_mended_outside_and_tried_again() -> None:
    """A secret that does not exist is created; pushing would start another version, and this one is quarantined."""
    reason = (
        "ResourceInitializationError: unable to pull secrets or registry auth: unable to retrieve secret from asm: "
        "ResourceNotFoundException: Secrets Manager can't find the specified secret."
    )
    missing = {"stopCode": "TaskFailedToStart", "stoppedReason": reason}
    found = root_cause.conclude(evidence([stopped(1, exit_code=None, **missing)]), STORY)
    assert found.finding.id == "secret-missing"
    assert found.next[:2] == ("create the secret, such as with `reconciler secret put`", "then reconciler retry api")
    assert not any("push" in step for step in found.next)
