"""What a release is judged by: which changes of the specs lead to a new attempt at one that failed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import pytest

from reconciler.controller.until import has_ended
from reconciler.model.observed_state import ObservedState
from reconciler.rollout.engine import Phase
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.strategy import Strategy
from reconciler.rollout_driver import judges
from reconciler.rollout_driver.judges import judges_of, judges_of_task
from reconciler.rollout_driver.resolution import ResolutionContext, context_of
from reconciler.spec.compile import compile_deliveries, compile_specs
from reconciler.spec.load import Source, load_sources
from tests.harness.emulated_stack import SHORT, emulated_stack
from tests.harness.seed import SEED
from tests.rollout_driver.test_pre_deployment import MIGRATE

ROLE = "  role_statements: [{actions: [s3:GetObject], resources: ['arn:aws:s3:::shop/*']}]\n"
LOGS = "  logs: {retention_days: 30}"
FILES = {
    **{str(file.relative_to(SEED)): file.read_text(encoding="utf-8") for file in sorted(SEED.rglob("*.yaml"))},
    "migrate.yaml": MIGRATE,
}


def digests(texts: Mapping[str, str], *, rolling: bool = False) -> tuple[str, str]:
    """Of the service and of its pre-deployment task, in the example specs with other texts."""
    delivery, context = compiled(texts, rolling=rolling)
    assert delivery.pre_deployment is not None
    return judges_of(delivery, context).partition(".")[0], judges_of_task(delivery.pre_deployment, context)


def compiled(texts: Mapping[str, str], *, rolling: bool = False) -> tuple[RolloutSpec, ResolutionContext]:
    """The service of the example specs with other texts, of which nothing exists."""
    sources = []
    for name, written in FILES.items():
        text = written
        if rolling and name.endswith("frontend.yaml"):
            text = re.sub(r"deployment: .*\n", "", text).replace(", my-app-frontend-tg-2", "")
        for old, new in texts.items():
            text = text.replace(old, new)
        sources.append(Source(name, name, text.encode()))
    specs = load_sources(sources)
    assert specs.ok, specs.diagnostics
    desired = compile_specs(specs, account="123456789012")
    (delivery,) = compile_deliveries(specs)
    return delivery, context_of(desired, ObservedState(), "shop")


@pytest.mark.parametrize(
    ("texts", "rolling", "of"),
    [
        ({"body: Hello": "body: World"}, False, "release"),
        ({"within: 1m": "within: 2m"}, False, "release"),
        ({"healthy_within: 15m": "healthy_within: 20m"}, False, "release"),
        ({"max_failed_tasks: 3": "max_failed_tasks: 5"}, False, "release"),
        ({"verify: {for: 5m}": "verify: {for: 10m}"}, False, "release"),
        ({"health_check: {path: /,": "health_check: {path: /ready,"}, True, "release"),
        ({LOGS: f"{LOGS}\n{ROLE.rstrip()}"}, False, "release"),
        ({"- {port: 80, from: my-app-lb-sg}": "- {port: 80-81, from: my-app-lb-sg}"}, False, "both"),
        ({"placement: {subnets: [app-public1-a]": "placement: {subnets: [app-public1-c]"}, False, "task"),
        ({"  logs: {retention_days: 7}\nplacement": f"  logs: {{retention_days: 7}}\n{ROLE}placement"}, False, "task"),
        ({"after: 2h": "after: 3h"}, False, ""),
        ({"teardown: {after: 1h}": "teardown: {after: 2h}"}, False, ""),
        ({"desired_count: 1": "desired_count: 2"}, False, ""),
        ({"tag: v1": "tag: v2"}, False, ""),
        ({"GREETING: Hello World": "GREETING: Hello"}, True, ""),
    ],
)
def test_what_judges_is_part_of_the_digest_and_nothing_else_is(texts: dict[str, str], rolling: bool, of: str) -> None:
    """What a release consists of makes another release; when it is promoted, and its number of tasks, judge nothing."""
    before, after = digests({}, rolling=rolling), digests(texts, rolling=rolling)
    changed = (before[0] != after[0], before[1] != after[1])
    assert changed == (of in ("release", "both"), of in ("task", "both"))


def test_functions_judge_a_release_and_none_are_as_before_there_were_any() -> None:
    """A service without hooks has the digest that was stored when none could be declared."""
    native = {"type: blue_green": "type: blue_green\nengine: ecs_native"}
    assert judges_of(*compiled(native)) == "r150267.e237.5a35"
    hook = "hooks: [{function: 'arn:aws:lambda:us-west-2:123456789012:function:check', stages: post_scale_up}]"
    assert digests(native)[0] != digests({"type: blue_green": f"{native['type: blue_green']}\n{hook}"})[0]


@dataclass(frozen=True, slots=True)
class NextStrategy(Strategy):
    """The strategy in a later version, which judges by one thing more."""

    max_4xx: float | None = None


@pytest.mark.parametrize(("field", "same"), [({}, True), ({"max_4xx": 5.0}, False)])
def test_an_upgrade_leads_to_no_new_attempt(
    field: dict[str, float], same: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A field that a later version adds counts once the specs state it."""
    delivery, context = compiled({})
    before = judges_of(delivery, context)
    monkeypatch.setattr(judges, "OF_THE_STRATEGY", (*judges.OF_THE_STRATEGY, "max_4xx"))
    policy = NextStrategy(**{one.name: getattr(delivery.policy, one.name) for one in fields(Strategy)}, **field)
    assert (judges_of(replace(delivery, policy=policy), context) == before) is same


@pytest.mark.slow
def test_a_digest_is_the_same_in_every_process() -> None:
    """Another one after a restart would be a new attempt without a change of the specs."""
    code = "from tests.rollout_driver.test_judges import digests; print(digests({}))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert found == {f"{digests({})}\n"}


pytestmark = pytest.mark.apart


@pytest.mark.slow
def test_a_release_that_failed_a_wrong_test_is_deployed_once_the_test_is_right() -> None:
    """By the commit alone; and while the test stays wrong, it is tried once for each commit that changes it."""
    with emulated_stack({}, {one: SHORT[one] for one in ("promote_after", "verify_for", "teardown_after")}) as stage:
        stage.serving()
        stage.answers = lambda path: (200, "Hello World") if path == "/" else (404, "not found")
        stage.change({"http: /,": "http: /nothing,"})
        stage.spec(v1="v2")
        assert stage.apply(has_ended).went_wrong
        failed = stage.last.seen
        assert failed is not None
        assert failed.marks.quarantined(failed.wanted)

        for _ in range(3):
            stage.transport.sent.clear()
            stage.apply(has_ended)
            stage.laptop.advance(3600)
            assert stage.transport.sent["CreateTaskSet"] == 0

        stage.change({"http: /nothing,": "http: /none,"})
        stage.change({"http: /,": "http: /none,"})
        stage.transport.sent.clear()
        assert stage.apply(has_ended).went_wrong
        stage.apply(has_ended)
        assert stage.transport.sent["CreateTaskSet"] == 1, "one attempt for the commit"

        del stage.texts["http: /,"]
        stage.change({"http: /nothing,": "http: /,"})
        assert not stage.apply(has_ended).went_wrong
        assert stage.last.step is not None
        assert stage.last.step.phase is Phase.IDLE
        assert stage.last.seen is not None
        assert stage.last.seen.marks.quarantine == ()
