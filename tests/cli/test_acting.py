"""Requests as they are typed: what is refused says why by a code, on stderr, in the stored answer and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from reconciler.cli import lease
from reconciler.cli.output.exits import Exit
from reconciler.model.resource import Call
from reconciler.rollout import state_tags
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import RequestRefusal, RequestRefusalCode, Response
from reconciler.rollout.stored_state import KEYS
from tests.cli.cli_runner import Typed, onstage
from tests.harness.cli import Ran
from tests.harness.emulated_stack import SERVICE, EmulatedStack, emulated_stack


@pytest.fixture(scope="module")
def serving() -> Iterator[EmulatedStack]:
    with emulated_stack() as found:
        found.serving()
        yield found


@pytest.fixture
def type_(serving: EmulatedStack) -> Iterator[Typed]:
    with onstage(serving) as typed:
        yield typed
    serving.transport.before = None


def codes(ran: Ran) -> list[str]:
    """Of the refusals in a command's JSON; it is all that is on stdout."""
    document = json.loads(ran.out)
    assert document["blocked"] is True
    return [refusal["code"] for refusal in document["refusals"]]


def test_what_would_be_refused_is_not_even_written(serving: EmulatedStack, type_: Typed) -> None:
    """Exit 5 with the code, before anything is asked of whoever reconciles."""
    serving.transport.sent.clear()
    ran = type_("promote", SERVICE)
    assert (ran.code, serving.transport.sent["TagResource"]) == (Exit.BLOCKED, 0)
    assert "blocked (no-rollout): " in ran.err


def test_an_answer_that_refuses_is_exit_5_with_its_code(serving: EmulatedStack, type_: Typed) -> None:
    """Things changed between the look and the answer; `status` shows the answer afterwards, too."""
    ecs, arn = serving.laptop.client("ecs"), serving.service()["serviceArn"]

    def answer(call: Call) -> None:
        request = state_tags.of_tags(serving.tags()).request
        if call.operation == "DescribeServices" and request is not None:
            refusal = RequestRefusal(RequestRefusalCode.NO_PREVIOUS_VERSION, "it is gone by now")
            ecs.tag_resource(
                resourceArn=arn, tags=[{"key": KEYS["response"], "value": Response(request.id, refusal).text()}]
            )

    serving.transport.before = answer
    ran = type_("suspend", SERVICE, "--timeout", 60)
    assert ran.code == Exit.BLOCKED
    assert "blocked (no-previous-version): " in ran.err
    (service,) = json.loads(type_("status", SERVICE, "-o", "json").out)["services"]
    assert (service["response"]["accepted"], service["response"]["code"]) == (False, "no-previous-version")
    (said,) = [row for row in map(json.loads, type_("events", SERVICE, "-o", "jsonl").out.splitlines())
               if "verb" in row["details"]]  # fmt: skip
    assert (said["details"]["answer"], said["details"]["code"]) == ("refused", "no-previous-version")
    ecs.untag_resource(resourceArn=arn, tagKeys=[KEYS["request"], KEYS["response"]])


def test_who_asked_for_json_reads_there_why_it_was_refused(
    serving: EmulatedStack, type_: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One document with the code, in the shape in which a plan has its refusals."""
    monkeypatch.setitem(serving.texts, "desired_count: 1", "desired_count: 2")
    monkeypatch.setattr(lease, "_acquired", lambda *_: False)
    ran = type_("apply", "-y", "-o", "json")
    assert (ran.code, codes(ran)) == (Exit.BLOCKED, ["lease-held"])
    assert "blocked (lease-held): " in ran.err
    assert type_("apply", "-y").out == ""


def test_another_region_than_the_stacks_is_refused(type_: Typed) -> None:
    """By a code of its own: it is not another account."""
    ran = type_("diff", "--region", "eu-west-1", "-o", "json")
    assert (ran.code, codes(ran)) == (Exit.BLOCKED, ["wrong-region"])


@pytest.mark.slow
def test_a_release_that_was_rejected_has_no_failure_to_explain() -> None:
    """It never started: what the service's tasks and events say is about others."""
    reject = {"type: blue_green": "type: blue_green\non_new_revision: reject"}
    with emulated_stack(reject) as stack:
        stack.serving()
        stack.spec(v1="v2")
        stack.apply(lambda turn: turn.step is not None and turn.step.phase is Phase.AWAITING_PROMOTION)
        stack.change({"tag: v1": "tag: v3"})
        stack.apply(lambda turn: turn.seen is not None and bool(turn.seen.marks.rejected))
        with onstage(stack) as type_:
            ran = type_("status", SERVICE)
    assert "rejected because" in ran.out
    assert "Production :80 returns" not in ran.out
