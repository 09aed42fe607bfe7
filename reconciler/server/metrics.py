"""Metrics in the Prometheus format.

Counters are updated by the controller (`on_pass`, `on_entry`, `refused`); gauges are read at each scrape. Labels are
fixed terms or names from the specs, never messages; the only one that grows with the specs is `service`, which is
bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from reconciler import __version__, errors, events
from reconciler.clock import Clock, SystemClock
from reconciler.controller.status import ControllerStatus
from reconciler.model.event import Event
from reconciler.model.resource import Address, Call
from reconciler.reconcile.drift import Drift, DriftMode
from reconciler.reconcile.executor import Result
from reconciler.reconcile.result import PassResult
from reconciler.rollout.engine import Phase
from reconciler.rollout.stored_state import Outcome

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
MOST_SERVICES: Final = 500
"""Number of services with their own series, by name; `reconciler_services` counts all."""

PASS_SECONDS: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
OUTCOMES: Final = frozenset(one.value for one in Outcome)


class Metrics:
    """A separate registry. Safe to use from several threads."""

    def __init__(self, standing: Callable[[], ControllerStatus], *, clock: Clock | None = None) -> None:
        """`standing` is called at each scrape."""
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types for this one
        self._clock = clock or SystemClock()
        self._drifted: frozenset[Drift] = frozenset()
        self.registry = CollectorRegistry()
        self._passes = self._counter("passes", "Reconciliation passes.", "depth", "result")
        self._seconds = Histogram(
            "reconciler_pass_seconds",
            "Duration of reconciliation passes.",
            ("depth",),
            buckets=PASS_SECONDS,
            registry=self.registry,
        )
        self._actions = self._counter("actions", "Executed plan steps.", "verb", "result")
        self._errors = self._counter("aws_errors", "AWS calls that were refused or not answered.", "operation", "error")
        self._throttles = self._counter("aws_throttles", "AWS calls that were throttled.", "operation")
        self._drift = self._counter("drift", "Drift that was found, corrected, or keeps recurring.", "kind", "what")
        self._drifting = self._gauge("drifting", "Resources with uncorrected drift in the last pass.", "kind")
        self._ended = self._counter("rollouts", "Finished rollouts.", "outcome")
        self._rejections = self._counter("specs_rejected", "Rejected revisions.")
        self._blocks = self._counter("plans_blocked", "Times a plan became blocked.")
        self._refusals = self._gauge("plan_refusals", "Refusals in the last plan.")
        self._failing = self._gauge("pass_failing", "1 if the last pass failed.")
        self._passed_at = self._gauge("last_pass_timestamp_seconds", "Time of the last successful pass.")
        self._source = self._gauge("source_unreachable", "1 while the source is unreachable.")
        self.registry.register(_Standing(standing))
        ProcessCollector(namespace="reconciler", registry=self.registry)

    def on_pass(self, report: PassResult) -> None:
        depth = report.depth.name.lower()
        self._passes.labels(depth, _result(report)).inc()
        self._seconds.labels(depth).observe(report.seconds)
        for outcome in report.outcomes:
            self._actions.labels(outcome.action.verb, outcome.result).inc()
        self._refusals.set(len(report.refusals))
        failed = any(one.result is Result.FAILED for one in report.outcomes)
        self._failing.set(failed)
        if not failed:
            self._passed_at.set(self._clock.now().timestamp())
        self._count_drift(report)

    def on_entry(self, entry: Event) -> None:
        match entry.name:
            case events.PASS_FAILED:
                self._failing.set(1)
            case events.CONTESTED:
                self._drift.labels(_kind(entry.address), "contested").inc()
            case events.SPEC_REJECTED:
                self._rejections.inc()
            case events.PLAN_BLOCKED:
                self._blocks.inc()
            case events.ROLLOUT_ENDED:
                outcome = str(entry.details.get("outcome", ""))
                self._ended.labels(outcome if outcome in OUTCOMES else "other").inc()
            case events.SOURCE_UNREACHABLE:
                self._source.set(1)
            case events.SOURCE_REACHABLE:
                self._source.set(0)

    def refused(self, call: Call, error: errors.AwsError) -> None:
        """AWS refused `call`."""
        self._errors.labels(str(call), type(error).__name__).inc()
        if isinstance(error, errors.Throttled):
            self._throttles.labels(str(call)).inc()

    def text(self) -> bytes:
        """All metrics in `CONTENT_TYPE`."""
        return generate_latest(self.registry)

    def _count_drift(self, report: PassResult) -> None:
        """Drift counts as found once, however many passes it lasts; it is corrected when the write is done."""
        now = frozenset(report.drifts)
        done = {one.step.address for one in report.outcomes if one.result is Result.DONE}
        for drift in now - self._drifted:
            self._drift.labels(drift.address.kind, "found").inc()
        repaired = {drift for drift in now if drift.mode is DriftMode.ENFORCE and drift.address in done}
        for drift in repaired:
            self._drift.labels(drift.address.kind, "repaired").inc()
        self._drifted = now - repaired
        self._drifting.clear()
        for kind, count in _tally(drift.address.kind for drift in self._drifted).items():
            self._drifting.labels(kind).set(count)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"reconciler_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"reconciler_{name}", text, labels, registry=self.registry)


def _result(report: PassResult) -> str:
    results = {one.result for one in report.outcomes if not one.action.only_rolls}
    if Result.FAILED in results:
        return "failed"
    if report.refusals:
        return "blocked"
    if Result.DONE in results:
        return "changed"
    return "waiting" if Result.WAITING in results else "unchanged"


def _kind(address: str) -> str:
    try:
        return Address.parse(address).kind
    except ValueError:
        return "other"


def _tally(words: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return found


class _Standing(Collector):
    """Gauges, read at each scrape: a series disappears with its subject."""

    def __init__(self, standing: Callable[[], ControllerStatus]) -> None:
        self._standing = standing

    def describe(self) -> Iterable[Metric]:
        return ()  # otherwise the registry would collect everything at once, before there is anything

    def collect(self) -> Iterable[Metric]:
        now = self._standing()
        yield _family("aws_calls", "AWS calls sent, including retries.", now.calls)
        yield _family("aws_writes", "AWS write calls sent, including retries.", now.writes)
        yield _one("lease_held", "1 while this process holds the lease.", float(now.lease_held))
        yield _one("lease_epoch", "Epoch of the lease; increases with each new holder.", now.epoch)
        yield _one("suspended", "1 while the stack is suspended.", float(now.suspended))
        yield _one("revision_restored", "1 while the active revision is the stored one.", float(now.restored))
        yield _one("spec_rejected", "1 while the newest revision is rejected.", float(now.rejected))
        services = GaugeMetricFamily("reconciler_services", "Services in each phase.", labels=("phase",))
        counts = _tally(now.phases.values())
        for phase in Phase:
            services.add_metric((phase,), counts.get(phase, 0))
        yield services
        each = GaugeMetricFamily("reconciler_rollout_phase", "1 for the current phase of each service.",
                                 labels=("service", "phase"))  # fmt: skip
        for service in sorted(now.phases)[:MOST_SERVICES]:
            each.add_metric((service, now.phases[service]), 1)
        yield each
        notices = CounterMetricFamily("reconciler_notifications", "Notifications by result.",
                                      labels=("to", "result"))  # fmt: skip
        for to, tally in now.notices.items():
            for result in ("sent", "failed", "dropped"):
                notices.add_metric((to, result), getattr(tally, result))
        yield notices
        if now.events_trusted is not None:
            yield _one("events_trusted", "1 while changes are found by events of AWS.", float(now.events_trusted))
        messages = CounterMetricFamily("reconciler_events", "Messages of the queue of events.", labels=("result",))
        for result, count in sorted(now.messages.items()):
            messages.add_metric((result,), count)
        yield messages
        revision = GaugeMetricFamily("reconciler_revision_info", "1, labelled with active revision and version.",
                                     labels=("revision", "version"))  # fmt: skip
        revision.add_metric((now.revision, __version__), 1)
        yield revision


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"reconciler_{name}", text, value=value)


def _family(name: str, text: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"reconciler_{name}", text, labels=("operation",))
    for operation, count in sorted(counts.items()):
        family.add_metric((operation,), count)
    return family
