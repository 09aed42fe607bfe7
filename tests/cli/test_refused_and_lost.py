"""`status` and `diff` of a service under ECS's own blue/green: a refused plan beside the rollout, and what is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.model.plan import RefusalCode
from reconciler.rollout.engine import Phase
from tests.cli.cli_runner import onstage
from tests.harness.emulated_stack import SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.harness.rollout_outcomes import DAY, in_phase
from tests.rollout_driver.test_ecs_native import NATIVE, serving

pytestmark = pytest.mark.apart

MATCH = {"  load_balancer: my-app-alb": "  load_balancer: my-app-alb\n  match: {path: /*, priority: 10}"}


@pytest.fixture(scope="module")
def stage(for_a_module: None) -> Iterator[EmulatedStack]:
    """v1 serves."""
    with emulated_stack(NATIVE, SHORT) as found:
        serving(found)
        yield found


@pytest.mark.slow
def test_status_says_the_refused_plan_and_the_rollout(stage: EmulatedStack) -> None:
    """The rollout goes by the listeners that are there; requests can be made of it."""
    stage.spec(v1="v2")
    stage.apply(in_phase(Phase.AWAITING_PROMOTION), patience=DAY)
    stage.change(MATCH)
    with onstage(stage) as type_:
        said = type_("status", SERVICE)
        assert f"service/{SERVICE}" in said.out
        assert "waiting for promotion" in said.out
        assert f"blocked ({RefusalCode.IMMUTABLE})" in said.out
        found = json.loads(type_("status", SERVICE, "-o", "json").out)
        (service,) = found["services"]
        assert (service["phase"], found["not_deployed"]) == (str(Phase.AWAITING_PROMOTION), [])
        assert [one["code"] for one in found["refusals"]] == [RefusalCode.IMMUTABLE]
        assert type_("promote", SERVICE, "--now").code == Exit.DONE
        assert type_("diff").code == Exit.BLOCKED


def test_status_and_diff_say_what_the_next_deployment_will_miss(stage: EmulatedStack) -> None:
    elb = stage.laptop.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    lost = "the test listener or its rule"
    with onstage(stage) as type_:
        assert lost not in type_("status", SERVICE).out + type_("diff").out
        elb.delete_listener(ListenerArn=next(one["ListenerArn"] for one in listeners if one["Port"] == 9000))
        for command, arguments in (("status", [SERVICE]), ("diff", [])):
            text = type_(command, *arguments).out
            assert lost in text
            assert "change the engine to `rolling`" in text
        (service,) = json.loads(type_("status", SERVICE, "-o", "json").out)["services"]
        assert [lost in one for one in service["warnings"]] == [True]
        (note,) = json.loads(type_("diff", "-o", "json").out)["warnings"]
        assert lost in note["because"]
