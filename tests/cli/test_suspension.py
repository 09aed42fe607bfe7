"""A suspended stack from the command line: what is refused, and which ways back stay open."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.aws.retry import is_read
from reconciler.cli.output.exits import Exit
from reconciler.model.plan import RefusalCode
from reconciler.rollout.requests import RequestVerb
from tests.cli.cli_runner import Typed
from tests.harness.cli import recorded
from tests.harness.emulated_stack import SERVICE, EmulatedStack


def phase(name: str) -> Any:
    return lambda turn: turn.step is not None and str(turn.step.phase) == name and not turn.busy


def awaiting_promotion(stage: EmulatedStack) -> None:
    stage.spec(v1="v2")
    stage.apply(phase("awaiting_promotion"))


@pytest.mark.parametrize("command", [("diff",), ("apply", "-y"), ("destroy", "-y")])
def test_plans_are_blocked_while_the_stack_is_suspended(type_: Typed, command: tuple[str, ...]) -> None:
    """Exit 5 by the code, without a write; and as before once it is resumed."""
    assert type_("suspend", "--stack").code == Exit.DONE
    with recorded() as calls:
        ran = type_(*command, "-o", "json")
    assert ran.code == Exit.BLOCKED
    assert [refusal["code"] for refusal in json.loads(ran.out)["refusals"]] == [RefusalCode.SUSPENDED]
    assert [str(call) for call in calls if not is_read(call)] == []
    assert type_("resume", "--stack").code == Exit.DONE
    assert type_("diff").code == Exit.DONE


@pytest.mark.slow
def test_nothing_new_is_promoted_while_the_stack_is_suspended(stage: EmulatedStack, type_: Typed) -> None:
    """`promote --now` exits 5 and writes no request; `abort --now` goes through."""
    awaiting_promotion(stage)
    assert type_("suspend", "--stack").code == Exit.DONE
    stage.transport.sent.clear()
    ran = type_("promote", SERVICE, "--now")
    assert (ran.code, stage.transport.sent["TagResource"]) == (Exit.BLOCKED, 0)
    assert f"blocked ({RefusalCode.SUSPENDED}): " in ran.err
    ran = type_("abort", SERVICE, "--now")
    assert ran.code == Exit.DONE, ran.err


def test_the_way_back_stays_open_while_the_stack_is_suspended(stage: EmulatedStack, type_: Typed) -> None:
    """`rollback --now` moves production to the version before."""
    before = stage.weights(80)
    awaiting_promotion(stage)
    stage.say(RequestVerb.PROMOTE)
    stage.follow(phase("baking"))
    assert stage.weights(80) != before
    assert type_("suspend", "--stack").code == Exit.DONE
    ran = type_("rollback", SERVICE, "--now")
    assert ran.code == Exit.DONE, ran.err
    assert stage.weights(80) == before


def test_a_suspension_says_who_and_why_wherever_it_is_met(stage: EmulatedStack, type_: Typed) -> None:
    """`status`, `diff`, `apply` and requests show the reason; a request names the suspension before anything else."""
    stage.spec(v1="v2")
    stage.apply(phase("scaling_up"))
    assert type_("suspend", "--stack", "--why", "database migration").code == Exit.DONE
    ran = type_("status")
    assert "stack suspended by " in ran.out
    assert ": database migration" in ran.out
    assert (
        json.loads(type_("status", "-o", "json").out)["stack_suspended_by"]
        .partition(": ")[2]
        .startswith("database migration, since ")
    )
    assert ": database migration" in type_("diff").out
    assert ": database migration" in type_("apply", "-y").err
    for arguments in (("promote", SERVICE), ("promote", SERVICE, "--now"), ("rollback", SERVICE)):
        stage.transport.sent.clear()
        ran = type_(*arguments)
        assert (ran.code, stage.transport.sent["TagResource"]) == (Exit.BLOCKED, 0), arguments
        assert f"blocked ({RefusalCode.SUSPENDED}): " in ran.err
        assert ": database migration" in ran.err
    assert type_("resume", "--stack").code == Exit.DONE
    assert json.loads(type_("status", "-o", "json").out)["stack_suspended_by"] is None


def test_resuming_what_is_not_suspended_says_so_and_writes_nothing(stage: EmulatedStack, type_: Typed) -> None:
    """Exit 0, and no request for a reconciliation."""
    stage.transport.sent.clear()
    ran = type_("resume", "--stack")
    assert (ran.code, ran.out) == (Exit.DONE, "Stack my-app is not suspended; nothing to do.\n")
    assert stage.transport.sent["TagResource"] == 0


@pytest.mark.slow
def test_nothing_is_pending_for_a_quarantined_version(stage: EmulatedStack, type_: Typed) -> None:
    """`diff` is about what `apply` would do; `status` says what became of the version."""
    stage.spec(v1="v2")
    stage.apply(phase("awaiting_promotion"))
    assert type_("abort", SERVICE, "--now").code == Exit.DONE
    ran = type_("diff")
    assert (ran.code, "1 service quarantined." in ran.out) == (Exit.DONE, True), ran.out
    assert type_("status").code == Exit.ROLLED_BACK
