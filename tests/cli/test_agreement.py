"""`status`, `diff` and `apply` say the same of a service, and what somebody sees who looks at the account."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.controller.until import has_ended
from reconciler.model.plan import RefusalCode
from reconciler.rollout.outlook import Outlook
from tests.cli.cli_runner import Typed, onstage
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    """v1 serves."""
    with emulated_stack(terms=SHORT) as found:
        found.serving()
        yield found


@pytest.fixture
def type_(stage: EmulatedStack) -> Iterator[Typed]:
    with onstage(stage) as typed:
        yield typed


@pytest.mark.slow
def test_a_rollback_is_pending_for_as_long_as_production_has_not_moved(stage: EmulatedStack, type_: Typed) -> None:
    """From the request on; what serves then was tested when it was new, and nothing is promised of what is declared."""
    first = json.loads(type_("status", "-o", "json").out)["services"][0]["release"]
    before = stage.weights(80)
    stage.spec(v1="v2")
    assert not stage.apply(has_ended).went_wrong
    assert stage.weights(80) != before
    type_("rollback", SERVICE, "--to", first, "--timeout", 60)
    exits = []
    while not exits or not stage.last.at_rest:
        moved = stage.weights(80) == before
        ran = type_("diff", "-o", "json")
        (found,) = json.loads(ran.out)["rollouts"]
        assert found["outlook"] == Outlook.UNDER_WAY or (moved and found["outlook"] == Outlook.GIVEN_UP)
        assert found["then"] is None
        exits.append(ran.code)
        assert ran.code == (Exit.DONE if moved else Exit.PENDING)
        status = type_("status")
        assert status.code == Exit.ROLLED_BACK
        assert ":9000 " in status.out
        assert "tested on" not in status.out
        stage.follow(lambda turn: not turn.busy)
        stage.laptop.advance(30)
    assert set(exits) == {Exit.DONE, Exit.PENDING}


def test_a_count_that_is_not_what_is_declared_is_pending(stage: EmulatedStack, type_: Typed) -> None:
    """Although its version is deployed: also where the plan is refused, or AWS refuses the update."""
    assert type_("status").code == Exit.DONE
    stage.laptop.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, desiredCount=0)
    stage.laptop.advance(30)
    ran = type_("status", "-o", "json")
    (service,) = json.loads(ran.out)["services"]
    assert (ran.code, type_("diff").code) == (Exit.PENDING, Exit.PENDING)
    assert [change["path"] for action in service["pending"] for change in action["changes"]] == [["desired_count"]]
    assert service["health"] != "healthy"
    assert type_("suspend", "--stack").code == Exit.DONE
    ran = type_("status", "-o", "json")
    assert ran.code == Exit.BLOCKED
    assert [one["code"] for one in json.loads(ran.out)["refusals"]] == [RefusalCode.SUSPENDED]
    assert f"blocked ({RefusalCode.SUSPENDED})" in type_("status").out


def test_a_count_of_zero_that_nobody_has_declared_is_told(stage: EmulatedStack, type_: Typed) -> None:
    """Where the specs leave the count to autoscaling, nothing differs from them and nobody is served."""
    stage.change({"desired_count: 1": "scaling: {min: 0, max: 2, cpu: 60}"})
    assert not stage.apply(has_ended).went_wrong
    (service,) = json.loads(type_("status", "-o", "json").out)["services"]
    assert service["warnings"] == []
    stage.laptop.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, desiredCount=0)
    stage.laptop.advance(60)
    ran = type_("status", "-o", "json")
    (service,) = json.loads(ran.out)["services"]
    assert (ran.code, service["pending"], service["desired"]) == (Exit.DONE, [], 0)
    (warning,) = service["warnings"]
    assert "autoscaling" in warning
    assert warning in type_("status").out


def test_of_a_suspended_service_no_rollout_is_promised(stage: EmulatedStack, type_: Typed) -> None:
    """The reason of the suspension is shown, and nothing of the new version counts as started."""
    assert type_("suspend", SERVICE, "--now", "--why", "database migration").code == Exit.DONE
    stage.spec(v1="v2")
    ran = type_("diff", "-o", "json")
    (found,) = json.loads(ran.out)["rollouts"]
    assert (ran.code, found["outlook"], found["then"]) == (Exit.PENDING, Outlook.WAITS, None)
    assert ": database migration, since " in found["because"]
    assert ", 0 rollouts," in type_("diff").out
    ran = type_("status")
    assert ran.code == Exit.WAITING
    assert "scaling up" not in ran.out
    assert ran.out.count("database migration") == 1


def test_a_version_that_nobody_has_applied_is_not_scaling_up(stage: EmulatedStack, type_: Typed) -> None:
    """It is declared, and the next apply starts it."""
    stage.spec(v1="v2")
    ran = type_("status")
    assert ran.code == Exit.PENDING
    assert "scaling up" not in ran.out
    assert "scaled up" not in ran.out
