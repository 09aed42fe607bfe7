"""Commands about a service that the specs leave out, while their plan is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.rollout.engine import Phase
from tests.cli.cli_runner import onstage
from tests.harness.emulated_stack import SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.harness.rollout_outcomes import DAY, in_phase
from tests.rollout_driver.test_driver import ONE, TWO

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    """v2 waits for its promotion, and the specs of the next commit, which is refused, call it something else."""
    with emulated_stack(terms=SHORT) as found:
        found.serving()
        found.spec(v1="v2")
        found.apply(in_phase(Phase.AWAITING_PROMOTION), patience=DAY)
        found.change({"max_delete: 5": "max_delete: 0", "name: my-app-frontend\ncluster": "name: other\ncluster"})
        yield found


def test_status_shows_it_and_what_may_be_asked(stage: EmulatedStack) -> None:
    with onstage(stage) as type_:
        said = type_("status")
        assert f"service/{SERVICE}" in said.out
        assert "waiting for promotion" in said.out
        assert said.code == Exit.BLOCKED
        (service,) = json.loads(type_("status", SERVICE, "-o", "json").out)["services"]
        assert service["phase"] == Phase.AWAITING_PROMOTION
        assert {"promote", "abort", "hold"} <= set(service["verbs"])


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "weights"), [("promote", {ONE: 0, TWO: 100}), ("abort", {ONE: 100, TWO: 0})])
def test_requests_are_heard(stage: EmulatedStack, verb: str, weights: dict[str, int]) -> None:
    with onstage(stage) as type_:
        assert type_(verb, SERVICE, "--now").code == Exit.DONE
        assert stage.weights(80) == weights
        assert type_("promote", "nothing").code == Exit.USAGE
