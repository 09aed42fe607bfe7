"""One-off tasks as a person meets them: the exit code, the reason, and another try."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.cli.output.exits import Exit
from tests.harness.emulator import local_session

FAILS = "image: {registry: my-app-frontend, tag: v1}\n      command: [python, -c, \"raise SystemExit('no database')\"]"


@pytest.mark.slow
def test_a_migration_that_fails_is_never_reported_as_done(tmp_path: Path) -> None:
    """It waits for its image; then `apply --wait` exits 3, `status` and `diff` say why, and only `retry` runs it."""
    with local_session(tmp_path, speed=40) as here:
        here.save({r"image: public\S+\n\s+port: 80": FAILS}, "tasks.yaml")
        first = here.typed("apply", "-y")
        assert first.code == Exit.DONE, first.text
        assert "create task/my-app-hello: my-app-frontend:v1 has not been pushed yet" in first.text

        here.push("v1")
        applied = here.typed("apply", "-y", "--wait")
        assert applied.code == Exit.ROLLED_BACK, applied.text
        assert "no database" in applied.text

        status = here.typed("status", "-o", "json")
        assert status.code == Exit.ROLLED_BACK
        (task,) = json.loads(status.text)["tasks"]
        assert (task["state"], task["because"]) == ("failed", "failed: exit code 1")
        assert here.typed("diff").code == Exit.PENDING

        assert here.typed("retry", "my-app-hello").code == Exit.DONE
        assert here.typed("apply", "-y", "--wait").code == Exit.ROLLED_BACK
        arns = here.ask("ecs", "ListTasks", cluster="my-app-cluster", family="my-app-hello", desiredStatus="STOPPED")
        assert len(arns["taskArns"]) == 2, "once, and once more on request"
