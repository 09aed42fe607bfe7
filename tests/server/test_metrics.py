"""Metrics count what happened once, show what is, and do not grow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from reconciler import errors, events
from reconciler.clock import ManualClock
from reconciler.controller.status import ControllerStatus
from reconciler.model.resource import Call
from reconciler.model.resource_type import Depth
from reconciler.notifications.delivery import Tally
from reconciler.reconcile.drift import DriftMode
from reconciler.reconcile.executor import Result
from reconciler.rollout.engine import Phase
from reconciler.server.metrics import MOST_SERVICES, Metrics
from tests.server.fixtures import drift, entry, report

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "gitops.md"


class Case:
    def __init__(self, standing: ControllerStatus | None = None) -> None:
        self.standing = standing or ControllerStatus()
        self.metrics = Metrics(lambda: self.standing, clock=ManualClock())

    def samples(self) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        families = text_string_to_metric_families(self.metrics.text().decode())
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        return self.samples().get((f"reconciler_{name}", frozenset(labels.items())))


def test_passes_are_counted_by_depth_and_by_what_came_of_them() -> None:
    """One pass is one result: the worst of what it did."""
    case = Case()
    for results, refusals in (
        ({}, 0),
        ({"vpc/main": Result.DONE}, 0),
        ({"vpc/main": Result.WAITING}, 0),
        ({"vpc/main": Result.DONE, "subnet/a": Result.FAILED}, 0),
        ({}, 2),
    ):
        case.metrics.on_pass(report(results, depth=Depth.MEDIUM, refusals=refusals, seconds=2.0))
    for result in ("unchanged", "changed", "waiting", "failed", "blocked"):
        assert case.value("passes_total", depth="medium", result=result) == 1, result
    assert case.value("pass_seconds_sum", depth="medium") == 10
    assert case.value("pass_seconds_bucket", depth="medium", le="2.5") == 5
    assert case.value("actions_total", verb="update", result="done") == 2
    assert case.value("plan_refusals") == 2


def test_a_failing_pass_shows_until_one_does_not_fail() -> None:
    """Whether it could not look at the account, or could not do something."""
    case = Case()
    case.metrics.on_entry(entry(events.PASS_FAILED))
    assert case.value("pass_failing") == 1
    assert case.value("last_pass_timestamp_seconds") == 0
    case.metrics.on_pass(report())
    assert case.value("pass_failing") == 0
    assert case.value("last_pass_timestamp_seconds") == ManualClock().now().timestamp()


def test_drift_that_lasts_is_found_once_and_repaired_when_it_is_written() -> None:
    """However many passes see it; the same drift coming back is another."""
    case = Case()
    found, told = drift("service/api", DriftMode.ENFORCE, "desired_count"), drift("vpc/main", DriftMode.WARN, "tags.a")
    for _ in range(3):
        case.metrics.on_pass(report({"service/api": Result.FAILED}, drifts=(found, told)))
    assert case.value("drift_total", kind="service", what="found") == 1
    assert case.value("drift_total", kind="service", what="repaired") is None
    assert case.value("drifting", kind="service") == 1
    for _ in range(2):
        case.metrics.on_pass(report({"service/api": Result.DONE}, drifts=(found, told)))
    assert case.value("drift_total", kind="service", what="repaired") == 2
    assert case.value("drift_total", kind="service", what="found") == 2
    assert case.value("drift_total", kind="vpc", what="found") == 1
    assert case.value("drifting", kind="vpc") == 1
    case.metrics.on_pass(report())
    assert case.value("drifting", kind="vpc") is None
    case.metrics.on_entry(entry(events.CONTESTED, "service/api"))
    assert case.value("drift_total", kind="service", what="contested") == 1


def test_what_is_said_is_counted_by_its_name() -> None:
    """Rollouts by outcome, rejections, blocked plans, and a source that comes and goes."""
    case = Case()
    for one in (
        entry(events.ROLLOUT_ENDED, "service/api", outcome="Promoted"),
        entry(events.ROLLOUT_ENDED, "service/api", outcome="RolledBack"),
        entry(events.ROLLOUT_ENDED, "service/api", outcome="somebody's own word"),
        entry(events.SPEC_REJECTED),
        entry(events.PLAN_BLOCKED),
        entry(events.SOURCE_UNREACHABLE),
    ):
        case.metrics.on_entry(one)
    for outcome in ("Promoted", "RolledBack", "other"):
        assert case.value("rollouts_total", outcome=outcome) == 1
    assert case.value("specs_rejected_total") == 1
    assert case.value("plans_blocked_total") == 1
    assert case.value("source_unreachable") == 1
    case.metrics.on_entry(entry(events.SOURCE_REACHABLE))
    assert case.value("source_unreachable") == 0


def test_refused_calls_are_counted_and_throttles_beside_them() -> None:
    """A throttle is an error of one sort, and has a counter of its own to alert on."""
    case = Case()
    call = Call("ecs", "DescribeServices")
    case.metrics.refused(call, errors.Throttled("slow down"))
    case.metrics.refused(call, errors.Denied("no"))
    assert case.value("aws_errors_total", operation="ecs.DescribeServices", error="Throttled") == 1
    assert case.value("aws_errors_total", operation="ecs.DescribeServices", error="Denied") == 1
    assert case.value("aws_throttles_total", operation="ecs.DescribeServices") == 1


def test_how_things_stand_is_read_at_each_scrape() -> None:
    """What is gone from there is gone from here: a service that was dropped leaves no series behind."""
    case = Case(
        ControllerStatus(
            revision="4f1c2ab",
            epoch=7,
            calls={"ecs.ListClusters": 3},
            writes={"ecs.TagResource": 1},
            phases={"api": Phase.SHIFTING, "web": Phase.IDLE},
            notices={"1 slack": Tally(sent=2, failed=1, dropped=4)},
        )
    )
    assert case.value("aws_calls_total", operation="ecs.ListClusters") == 3
    assert case.value("aws_writes_total", operation="ecs.TagResource") == 1
    assert case.value("lease_held") == 1
    assert case.value("lease_epoch") == 7
    assert case.value("rollout_phase", service="api", phase="shifting") == 1
    assert case.value("services", phase="idle") == 1
    assert case.value("services", phase="testing") == 0
    assert case.value("notifications_total", to="1 slack", result="dropped") == 4
    case.standing = ControllerStatus(lease_held=False, phases={"web": Phase.IDLE})
    assert case.value("rollout_phase", service="api", phase="shifting") is None
    assert case.value("lease_held") == 0


def _series(case: Case) -> int:
    return len(case.samples())


def test_the_number_of_series_is_bounded() -> None:
    """Thousands of passes and any text leave as many series as the first hundred did; services stop at their limit."""
    case = Case()

    def storm(rounds: range) -> None:
        for number in rounds:
            mode = tuple(DriftMode)[number % 2]
            done = {f"service/s{number}": Result.DONE}
            case.metrics.on_pass(report(done, drifts=(drift(f"service/s{number}", mode, f"tags.{number}"),)))
            for name in (events.CONTESTED, events.SPEC_REJECTED, events.PLAN_BLOCKED, events.ROLLOUT_ENDED):
                case.metrics.on_entry(entry(name, f"text without a kind {number}", f"m{number}", outcome=str(number)))

    storm(range(100))
    before = _series(case)
    storm(range(100, 3_000))
    assert _series(case) == before
    case.standing = ControllerStatus(phases={f"s{number:04}": Phase.IDLE for number in range(MOST_SERVICES + 50)})
    assert _series(case) == before + MOST_SERVICES
    assert case.value("services", phase="idle") == MOST_SERVICES + 50


def test_names_and_texts_cannot_break_the_format() -> None:
    """A label is escaped: no service's name can write a series of its own."""
    case = Case(ControllerStatus(phases={'a"} 1\nforged_total 9': Phase.IDLE}))
    assert not any(name == "forged_total" for name, _ in case.samples())


def test_two_of_them_share_nothing() -> None:
    """Each has its registry, and the library's global one stays empty of ours."""
    one, two = Case(), Case()
    one.metrics.on_entry(entry(events.SPEC_REJECTED))
    assert two.value("specs_rejected_total") == 0
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("reconciler")]


def _described(text: str) -> Mapping[str, str]:
    rows = re.findall(r"^\| `(reconciler_\w+)`(?: by ([^|]*))? \|", text, re.MULTILINE)
    return {name: ", ".join(sorted(re.findall(r"`(\w+)`", labels))) for name, labels in rows}


def test_the_guide_s_table_names_every_metric_and_its_labels() -> None:
    """What is not in the table is not there, and the other way round."""
    case = Case(
        ControllerStatus(
            calls={"a.B": 1},
            writes={"a.B": 1},
            phases={"api": Phase.IDLE},
            notices={"1 slack": Tally()},
            events_trusted=True,
            messages={"woke": 1},
        )
    )
    case.metrics.on_pass(report({"vpc/main": Result.DONE}, drifts=(drift("vpc/main", DriftMode.WARN),)))
    case.metrics.on_entry(entry(events.ROLLOUT_ENDED, outcome="Promoted"))
    case.metrics.refused(Call("a", "B"), errors.Throttled("slow down"))
    found: dict[str, str] = {}
    for family in text_string_to_metric_families(case.metrics.text().decode()):
        if family.name.startswith("reconciler_process_"):
            continue
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = ", ".join(sorted(labels))
    assert _described(GUIDE.read_text(encoding="utf-8")) == found
