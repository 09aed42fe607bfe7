"""`--only`: which resources a pattern stands for, and what they need."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import click
import pytest

from reconciler.cli import selection
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Plan, Refusal, RefusalCode
from reconciler.model.resource import Address
from reconciler.model.type_registry import discover
from reconciler.reconcile.observe import StackId
from reconciler.reconcile.pass_ import DesiredState, planned
from reconciler.reconcile.selection import concerned, matching, workloads
from reconciler.rollout.spec import RolloutSpec
from reconciler.spec.compile import compile_deliveries, compile_specs
from reconciler.spec.load import load
from tests.conftest import ACCOUNT, REGION
from tests.harness.seed import SEED

SERVICE = "my-app-frontend"


@pytest.fixture(scope="module")
def stack() -> DesiredState:
    specs = load(SEED)
    place = StackId("my-app", ACCOUNT, REGION)
    return DesiredState(place, compile_specs(specs, account=ACCOUNT), deliveries=compile_deliveries(specs))


def plan(stack: DesiredState, *only: str) -> Plan:
    """In an empty account: everything is to be created, and what needs the image waits for it."""
    found, _ = planned(replace(stack, only=only), ObservedState(), discover(), at=datetime(2026, 1, 5, tzinfo=UTC))
    return found


def addresses(found: Plan) -> set[str]:
    """Of what is done now or later."""
    every = (*found.actions, *(one.action for one in found.deferred), *found.waiting)
    return {str(one.address) for one in every}


def test_what_is_needed_comes_along_and_nothing_else(stack: DesiredState) -> None:
    """Down to the network, and what routes requests to a service; not what others need, or what only refers to it."""
    whole, found = plan(stack), plan(stack, SERVICE)
    made = addresses(found)
    assert {f"service/{SERVICE}", f"task-definition/{SERVICE}", "cluster/my-app-cluster", "vpc/my-workspace"} <= made
    assert {"listener/my-app-alb-production", f"target-group/{SERVICE}-tg-1", f"log-group/ecs/{SERVICE}"} <= made
    assert not {one for one in made if "hello" in one or one.startswith("route-table/")}
    assert made | {str(action.address) for action in found.left_out} == addresses(whole)
    assert addresses(plan(stack, "vpc/my-workspace")) == {"vpc/my-workspace"}
    assert addresses(plan(stack, "subnet/*")) == {
        "vpc/my-workspace", "subnet/app-private1-a", "subnet/app-public1-a", "subnet/app-public1-c",
    }  # fmt: skip
    assert plan(stack).only is None


def test_it_is_part_of_what_was_agreed_to(stack: DesiredState) -> None:
    """The same plan with another restriction is another plan; the order of the patterns counts for nothing."""
    both = plan(stack, SERVICE, "vpc/*").digest
    assert both == plan(stack, "vpc/*", SERVICE).digest
    assert len({both, plan(stack, SERVICE).digest, plan(stack).digest}) == 3


def test_a_name_stands_for_workloads_and_a_pattern_for_addresses() -> None:
    """A cluster of the same name is meant only by its address."""
    known = [Address("service", "shop"), Address("cluster", "shop"), Address("scaling", "shop"), Address("task", "job")]
    named = workloads(known, [RolloutSpec(known[0], Address("task-definition", "shop"))], discover())
    assert matching("shop", known, named) == {Address("service", "shop")}
    assert matching("job", known, named) == {Address("task", "job")}
    assert matching("*/shop", known, named) == set(known[:3])
    assert matching("Service/shop", known, named) == matching("sho", known, named) == set()


def test_what_is_not_there_is_an_error_with_what_is(stack: DesiredState) -> None:
    """A name or an address that is spelt like it, or the address of what bears a name and is no service."""
    near = {
        SERVICE[:-2]: SERVICE, f"service/{SERVICE}s": f"service/{SERVICE}", "my-app-cluster": "cluster/my-app-cluster",
        "queue/*": "reconciler tree",
    }  # fmt: skip
    for word, meant in near.items():
        opened: Any = SimpleNamespace(target=replace(stack, only=("vpc/*", word)), kinds=discover())
        with pytest.raises(click.UsageError, match=re.escape(meant)):
            selection.check(opened, ObservedState())
    opened = SimpleNamespace(target=replace(stack, only=(SERVICE, "subnet/*")), kinds=discover())
    selection.check(opened, ObservedState())


def test_refusals_of_what_is_left_out_do_not_hold() -> None:
    """Those of the stack as a whole do, such as the guard's."""
    web = Address("service", "web")
    refusals = tuple(Refusal(RefusalCode.GUARD, address, "no") for address in (web, Address("vpc", "main"), None))
    found = concerned(Plan("shop", refusals=refusals, only=frozenset({web})))
    assert [one.address for one in found.refusals] == [web, None]
    assert concerned(Plan("shop", refusals=refusals)).refusals == refusals
