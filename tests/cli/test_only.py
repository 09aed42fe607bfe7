"""`--only`: some resources with what they need, and nothing else; and the plan before the lease."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from reconciler.cli import consent
from reconciler.cli.output.exits import Exit
from reconciler.source.base import Fetched, Revision
from reconciler.spec import discovery
from tests.cli.cli_runner import Typed, lease_of, onstage
from tests.harness.emulated_stack import CLUSTER, SEED, SERVICE, SHORT, EmulatedStack, emulated_stack

pytestmark = pytest.mark.apart

TASK = "my-app-hello"


@pytest.fixture(scope="module")
def changed(for_a_module: None) -> Iterator[EmulatedStack]:
    """v1 serves; the service is to have another count, and the task another image."""
    with emulated_stack(terms=SHORT) as found:
        found.serving()
        found.change({"desired_count: 1": "desired_count: 2", "nginx:1.27": "nginx:1.28"})
        yield found


@pytest.fixture
def type_(changed: EmulatedStack) -> Iterator[Typed]:
    with onstage(changed) as typed:
        yield typed


def addresses(rows: list[dict[str, Any]]) -> set[str]:
    return {row["address"] for row in rows}


def test_the_rest_is_listed_and_left_as_it_is(changed: EmulatedStack, type_: Typed, tmp_path: Path) -> None:
    """In the plan, in its file, and when it is applied; the restriction is part of what was approved."""
    file = tmp_path / "plan.json"
    assert type_("diff", "--only", TASK, "--out", file).code == Exit.PENDING
    written = json.loads(file.read_text(encoding="utf-8"))
    task = {f"task/{TASK}", f"task-definition/{TASK}"}
    assert (addresses(written["actions"]), written["only"]) == (task, [TASK])
    assert addresses(written["left_out"]) == {f"service/{SERVICE}"}
    ran = type_("apply", "-y", "--only", TASK)
    assert ran.code == Exit.DONE, ran.err
    assert "Left out by --only:" in ran.err
    assert changed.service()["desiredCount"] == 1
    left = type_("diff", "--only", TASK)
    assert (left.code, "No changes." in left.out, "1 change left out" in left.out) == (Exit.DONE, True, True)


def test_drift_is_told_from_a_change_of_the_specs(changed: EmulatedStack, type_: Typed) -> None:
    """By the specs of the commit that was applied last, which the controller has recorded, or which is named."""
    sources, findings = discovery.read(SEED)
    fetched = Fetched(Revision("4f1c2ab" + "0" * 33, "ana"), sources, findings, "specs")
    changed.laptop.client("ecs").put_cluster_capacity_providers(
        cluster=CLUSTER, capacityProviders=[], defaultCapacityProviderStrategy=[]
    )
    with patch("reconciler.source.git_history.at", lambda folder, commit: fetched if commit == "main" else None):
        found = json.loads(type_("diff", "-o", "json", "--base", "main").out)["origins"]
        assert type_("diff", "--base", "gone").code == Exit.USAGE
    assert found["applied"]["commit"] == fetched.revision.id
    origins = {row["address"]: row["origins"] for row in found["actions"]}
    assert origins.pop(f"cluster/{CLUSTER}") == ["drift"]
    assert set(map(tuple, origins.values())) == {("specs",)}


# -- the plan first, and then the lease


def answering(*acts: Callable[[], object]) -> Any:
    """A person who agrees, and while the plan is read does these things, one each time."""
    left = list(acts)

    def confirm(question: str, expected: str, output: str, look: Any) -> None:
        assert left, "asked once too often"
        left.pop(0)()

    return patch.object(consent, "confirm", confirm)


def test_nobody_is_waited_for_before_the_plan_is_shown(changed: EmulatedStack, type_: Typed) -> None:
    """Somebody else's lease is named with it, and has to be waited for only to write."""
    lease_of(changed)
    for command in ("apply", "destroy"):
        ran = type_(command)
        assert (ran.code, "Plan: " in ran.err) == (Exit.BLOCKED, True)
        assert "locked by run by ana@ci-7 (4711)" in ran.err
        assert "waiting up to" not in ran.err
        assert ("3 images" in ran.err and "--delete-images" in ran.err) is (command == "destroy")


def test_a_plan_that_has_changed_is_shown_again(changed: EmulatedStack, type_: Typed) -> None:
    """Somebody else has applied while it was read: what was agreed to is not what there is to do now."""

    def others() -> None:
        lease_of(changed, "apply by bo@laptop (1)")
        changed.laptop.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, desiredCount=3)
        lease_of(changed, "")

    with answering(others, lambda: None):
        ran = type_("apply", "--only", SERVICE)
    assert (ran.code, ran.err.count(consent.CHANGED)) == (Exit.DONE, 1)
    assert changed.service()["desiredCount"] == 2


@pytest.mark.slow
def test_a_plan_is_looked_at_again_only_if_it_may_have_changed(changed: EmulatedStack, type_: Typed) -> None:
    """After a while, but nobody is asked again about the same plan; not where the lease was free all the time."""
    looks = []
    for pause, count in ((0, 2), (120, 3)):
        changed.laptop.client("ecs").update_service(cluster=CLUSTER, service=SERVICE, desiredCount=count * 2)
        changed.transport.sent.clear()
        with answering(lambda pause=pause: changed.laptop.advance(pause)):  # type: ignore[misc]
            ran = type_("apply", "--only", SERVICE, "--timeout", 0)
        assert consent.CHANGED not in ran.err
        looks.append(changed.transport.sent["DescribeVpcs"])
    assert looks[1] == looks[0] + 1
