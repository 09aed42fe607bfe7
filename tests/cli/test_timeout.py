"""`--timeout 0` of `apply` and `destroy`: what can be done without waiting is done, and nothing is waited for."""

from __future__ import annotations

import pytest

from reconciler.cli.output.exits import Exit
from tests.cli.cli_runner import onstage
from tests.harness.emulated_stack import EmulatedStack, emulated_stack

pytestmark = pytest.mark.apart


def waited(stage: EmulatedStack, *words: str) -> tuple[int, float, str]:
    """The exit code of a command, how much time it let pass, and what it printed to stderr."""
    with onstage(stage) as typed:
        began = stage.laptop.clock.monotonic()
        ran = typed(*words)
        return ran.code, stage.laptop.clock.monotonic() - began, ran.err


def test_apply_without_time_makes_one_pass() -> None:
    """It exits with 4 until it is seen to be in place, and the next one goes on; so does `--wait`."""
    with emulated_stack() as stage:
        code, seconds, _ = waited(stage, "apply", "-y", "--timeout", "0")
        assert code == Exit.TIMED_OUT
        assert stage.transport.sent["CreateVpc"] == 1, "what can be done now is done"
        assert seconds < 5
        code, seconds, text = waited(stage, "apply", "-y", "--wait", "--timeout", "0")
        assert code == Exit.TIMED_OUT, "its image has not been pushed"
        assert (
            "Waiting for image to be pushed: 123456789012.dkr.ecr.us-west-2.amazonaws.com/my-app-frontend:v1." in text
        )
        assert seconds < 5


def test_destroy_without_time_makes_one_pass() -> None:
    """The same."""
    with emulated_stack() as stage:
        stage.infrastructure()
        stage.transport.sent.clear()
        code, seconds, _ = waited(stage, "destroy", "-y", "--timeout", "0")
        assert code == Exit.TIMED_OUT
        assert any(call.startswith("Delete") for call in stage.transport.sent)
        assert seconds < 5


@pytest.mark.parametrize("command", ["apply", "destroy"])
def test_a_time_limit_below_zero_is_a_mistake(command: str) -> None:
    """It is refused before anything is read."""
    with emulated_stack() as stage:
        assert waited(stage, command, "-y", "--timeout", "-1")[0] == Exit.USAGE
        assert not stage.transport.sent
