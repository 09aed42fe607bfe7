"""`status` as people see it, at 80 and at 100 columns.

The expected texts are in `tests/cli/status_views/`, and `python -m tests.cli.test_status_views` writes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from reconciler.cli.driver_state import DrivenBy, DriverState
from reconciler.cli.output.driver_text import driver_lines
from reconciler.cli.output.rollout_text import status_text
from reconciler.cli.output.terminal import Look
from reconciler.cli.service_status import ServiceStatus
from reconciler.cli.status_output import service_block
from reconciler.model.resource import Address
from reconciler.rollout.actions import SuspendScaling
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.release import Release, RolloutTarget
from reconciler.rollout.request_handler import paused
from reconciler.rollout.requests import Pause, RequestVerb
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.stored_state import Outcome, StoredState, Verdict
from reconciler.rollout.strategy import Promotion, Share, SmokeTest, Strategy
from reconciler.rollout_driver.targets import ServiceRollout
from reconciler.store.holder_report import HolderReport

FOLDER: Final = Path(__file__).parent / "status_views"
NOW: Final = datetime(2026, 1, 1, 12, 5, tzinfo=UTC)
OLD, NEW = "9f2c1e00aa11", "41ab07c9d2e3"
COMMIT: Final = "4f1c2ab9d0e1f2a3"
POLICY: Final = Strategy(
    tests=(SmokeTest("/"),),
    promotion=Promotion.TIMED,
    promote_after=timedelta(hours=2),
    shares=(Share(10, timedelta(minutes=5)),),
)
BLUE: Final = TaskSet(
    "ecs-svc/1", OLD, 0, NOW - timedelta(days=2), True, running=2, healthy=(("a", 2),), task_definition="web:41"
)
GREEN: Final = TaskSet("ecs-svc/2", NEW, 1, NOW, running=2, healthy=(("a", 2),), task_definition="web:42")
RUNS: Final = DriverState(
    DrivenBy.CONTROLLER,
    "dynamodb:reconciler",
    "run by ops@ip-10-0-3-17 (7)",
    NOW,
    HolderReport("run", NOW - timedelta(hours=3), NOW - timedelta(seconds=12), '4f1c2ab "hello: v2"'),
)
NOBODY: Final = DriverState(DrivenBy.NOBODY, "the store of this machine")
VERBS: Final = (RequestVerb.PROMOTE, RequestVerb.ROLLBACK, RequestVerb.ABORT, RequestVerb.HOLD, RequestVerb.EXTEND)
GATE: Final = RolloutStep(
    Phase.AWAITING_PROMOTION,
    wake_at=NOW,
    because="waiting for promotion (automatic at 14:05 UTC)",
    health=RolloutHealth.SUSPENDED,
    release=NEW,
    until=NOW + timedelta(hours=2),
)
GATED: Final = ObservedService(NEW, 2, sets=(BLUE, GREEN), production=(100, 0), test=(0, 100), has_test=True)
REST: Final = RolloutStep(Phase.IDLE, because="up to date", health=RolloutHealth.HEALTHY, release=OLD)
RESTING: Final = ObservedService(
    OLD, 2, sets=(replace(BLUE, healthy=None),), production=(100, 0), test=(100, 0), has_test=True
)
SHIFT: Final = RolloutStep(
    Phase.SHIFTING,
    wake_at=NOW,
    because="10% of production for 5m",
    release=NEW,
    until=NOW + timedelta(minutes=3, seconds=20),
)
FAIL: Final = RolloutStep(
    Phase.FAILED,
    because=f"{NEW[:6]} is quarantined; `reconciler retry` or a new version lifts it",
    health=RolloutHealth.DEGRADED,
    release=NEW,
)
WHY: Final = "GET /ready returned 503, expected 200"
FAILED: Final = replace(
    RESTING,
    wanted=NEW,
    marks=StoredState(quarantine=(NEW,), verdicts=(Verdict(NEW, Outcome.FAILED, NOW, "", WHY),)),
)
PAUSE: Final = Pause("ana: database migration", at=NOW - timedelta(hours=1))
WORKER: Final = ObservedService(
    OLD,
    2,
    sets=(
        replace(BLUE, id="ecs-svc/3", healthy=None, task_definition="web:41"),
        replace(BLUE, id="ecs-svc/4", primary=False, running=0, failed=3, healthy=None),
    ),
)
REFUSED: Final = replace(
    RUNS,
    report=replace(
        RUNS.report,
        rejected="c2d87dd",
        because="specs/services/web.yaml:9:5: error[E1102]: unknown field 'imgae' in Container",
        refused={"role/web": "AccessDenied: not authorized to perform iam:PutRolePolicy"},
    ),
)

VIEWS: Final[Mapping[str, tuple[DriverState, ObservedService, RolloutStep]]] = {
    "at rest": (RUNS, RESTING, REST),
    "gate": (RUNS, GATED, GATE),
    "shifting": (RUNS, replace(GATED, production=(90, 10)), SHIFT),
    "failed": (REFUSED, FAILED, FAIL),
    "suspended": (RUNS, replace(GATED, marks=StoredState(suspended=PAUSE)), paused(PAUSE, GATE)),
    "nobody drives": (NOBODY, GATED, GATE),
    "worker": (RUNS, WORKER, REST),
}


def status_in(name: str) -> ServiceStatus:
    """The service in that state, with the requests that it would accept."""
    _, observed, step = VIEWS[name]
    engine = "rolling" if name == "worker" else "task_sets"  # without a load balancer
    rollout = ServiceRollout(
        RolloutSpec(Address("service", "web"), Address("task-definition", "web"), replace(POLICY, engine=engine)),
        RolloutTarget("main", "arn:web", Release(NEW, "web", 80, commit=COMMIT), "web"),
    )
    verbs = VERBS if step.phase is Phase.AWAITING_PROMOTION else ()
    verbs = (RequestVerb.RESUME,) if observed.marks.suspended is not None else verbs
    return ServiceStatus(rollout, observed, step, verbs)


def view(name: str, columns: int | None) -> str:
    driver, _, _ = VIEWS[name]
    look = Look(columns=columns)
    stack = SimpleNamespace(look=look, aws=SimpleNamespace(clock=SimpleNamespace(now=lambda: NOW)), verbose=0)
    session: Any = SimpleNamespace(stack=stack)
    head = "\n".join(driver_lines(driver, "4f1c2ab9d0", NOW, look))
    return f"{head}\n\n{service_block(session, status_in(name), {}, watch=False, driven=driver.counts)}\n"


def file(name: str, columns: int) -> Path:
    return FOLDER / f"{name.replace(' ', '-')}-{columns}.txt"


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("name", VIEWS)
def test_a_status_is_as_it_was(name: str, columns: int) -> None:
    """A change of what people see is seen in a review."""
    assert view(name, columns) == file(name, columns).read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", [80, 100])
@pytest.mark.parametrize("name", VIEWS)
def test_nothing_is_wider_than_the_terminal(name: str, columns: int) -> None:
    """Lines are broken between parts and words, and the same text is left."""
    shown = view(name, columns)
    assert max(map(len, shown.splitlines())) <= columns
    assert shown.split() == view(name, None).split()


def test_other_output_is_not_wrapped() -> None:
    """Piped, each fact is on one line."""
    lines = view("gate", None).splitlines()
    assert any(line.count(":80  ") == line.count(":9000  ") == 1 for line in lines)


def test_a_countdown_needs_somebody_who_counts() -> None:
    """The gate of our engine opens once a controller runs; with one, or one that cannot be seen, it has its time."""
    assert "opens at 14:05 UTC once a controller runs" in view("nobody drives", None)
    assert "left)" not in view("nobody drives", None)
    assert "automatic at 14:05 UTC" in view("gate", None)
    assert "(2h left)" in view("gate", None)


def test_a_gate_that_a_person_opens_has_no_time() -> None:
    """Whoever drives."""
    manual = replace(GATE, because="waiting for promotion", until=None, waits_for=Waiting.PERSON)
    rollout = ServiceRollout(
        RolloutSpec(Address("service", "web"), Address("task-definition", "web")),
        RolloutTarget("main", "arn:web", Release(NEW, "web", 80), "web"),
    )
    stack = SimpleNamespace(look=Look(), aws=SimpleNamespace(clock=SimpleNamespace(now=lambda: NOW)), verbose=0)
    session: Any = SimpleNamespace(stack=stack)
    assert "opens" not in service_block(
        session, ServiceStatus(rollout, GATED, manual, ()), {}, watch=False, driven=False
    )


def test_a_version_that_nobody_starts_is_applied() -> None:
    """There is nothing to roll back yet. A controller starts it by itself."""
    step = RolloutStep(Phase.SCALING_UP, (SuspendScaling(True),), release=NEW)
    rollout = ServiceRollout(
        RolloutSpec(Address("service", "web"), Address("task-definition", "web"), POLICY),
        RolloutTarget("main", "arn:web", Release(NEW, "web", 80), "web"),
    )
    observed = replace(RESTING, wanted=NEW)
    shown = status_text(rollout, observed, step, VERBS, NOW, Look(), driven=False)
    assert shown.splitlines()[-1] == "  reconciler apply"
    assert "rollback" not in shown
    assert "reconciler apply" not in status_text(rollout, observed, step, VERBS, NOW, Look(), driven=True)


def test_a_worker_has_neither_colors_nor_an_empty_twin() -> None:
    """Its one version is current, and what failed in an attempt before is counted with it."""
    rows = [line.split() for line in view("worker", None).splitlines() if OLD[:6] in line and "41" in line]
    assert rows == [["CURRENT", OLD[:6], "41", "2", "2", "3"]]


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for each in VIEWS:
        for width in (80, 100):
            file(each, width).write_text(view(each, width), encoding="utf-8")
