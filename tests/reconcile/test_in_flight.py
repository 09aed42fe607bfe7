"""What a service with several versions may need, and what of a plan waits only because of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.resource import Address, Observed, ResourceHealth
from reconciler.reconcile import in_flight
from reconciler.resources.role import RoleSpec
from reconciler.resources.security_group_rules import SecurityGroupRulesSpec
from reconciler.resources.task_definition import TaskDefinitionSpec
from reconciler.rollout.stored_state import KEYS
from tests.reconcile.test_deferral import group, planned, service, tags, waits
from tests.resources.test_role import READ, WRITE, trust


def definition(name: str, role: str, number: int = 2, **earlier: str) -> Observed[Any]:
    """A revision, with the roles of those that run beside it."""
    spec = TaskDefinitionSpec(family=name, cpu=256, memory=512, containers={}, task_role=role)
    facts = {"earlier": {f"{name}:{one[1:]}": frozenset({earlier[one]}) for one in earlier}}
    return Observed(Address("task-definition", name), f"{name}:{number}", spec, facts=facts)


def flying(name: str, *groups: str, networks: tuple[str, ...] = (), revisions: int = 2) -> Observed[Any]:
    """A service of which two versions run."""
    one = service(name, *groups)[1]
    versions = [{"networkConfiguration": {"awsvpcConfiguration": {"securityGroups": [each]}}} for each in networks]
    item = one.facts["item"] | {"taskSets": versions}
    named = tuple(f"{name}:{number}" for number in range(1, revisions + 1))
    return replace(one, facts={**one.facts, "item": item, "task_definitions": named})


def role(name: str, *policies: Any) -> RoleSpec:
    return RoleSpec(name=name, trust=trust(), policies={str(number): one for number, one in enumerate(policies)})


def narrowed(name: str) -> tuple[Any, Observed[Any]]:
    """A role that loses a policy."""
    from reconciler.model.resource import Desired

    address = Address("role", name)
    return (
        Desired(address, role(name, READ), tags(address)),
        Observed(address, name, role(name, READ, WRITE), tags(address)),
    )


@pytest.mark.parametrize(
    ("web", "narrow", "waiting"),
    [
        pytest.param(definition("web", "web", _1="web"), "api", False, id="of another service"),
        pytest.param(definition("web", "web", _1="web"), "web", True, id="its own"),
        pytest.param(
            definition("web", "new", _1="api"), "api", True, id="of its older version, and of another service"
        ),
        pytest.param(definition("web", "web"), "api", True, id="the older version is not known"),
    ],
)
def test_narrowing_a_role_waits_for_a_service_that_may_need_it(web: Observed[Any], narrow: str, waiting: bool) -> None:
    """One service waits at a gate, perhaps for days; what another one uses changes at once."""
    wanted, there = narrowed(narrow)
    api = service("api")
    other = replace(api[1], facts={**api[1].facts, "task_definitions": ("api:2",)})
    world = [flying("web"), other, web, definition("api", "api"), there]
    found = planned([service("web")[0], api[0], wanted], world)
    assert (f"update role/{narrow}" in waits(found)) is waiting


def test_what_is_needed_follows_references() -> None:
    """The networks of both versions, the roles of both revisions, and what rules of these groups name."""
    rules = SecurityGroupRulesSpec(group="sg-new", ingress=())
    world = [
        definition("web", "new-role", _1="old-role"),
        Observed(Address("security-group-rules", "new"), "sg-new/rules", rules),
        definition("api", "api-role"),
    ]
    web = flying("web", networks=("sg-old", "sg-new"))
    uses = {web.id: frozenset({"sg-old", "sg-new"}), "api": frozenset({"sg-api"})}
    found = in_flight.needed([web], uses, [web, *world])
    assert found is not None
    assert found >= {"sg-old", "sg-new", "old-role", "new-role"}
    assert found.isdisjoint({"api-role", "sg-api"})


def test_a_rolling_service_may_be_in_any_group_that_no_other_service_uses() -> None:
    """ECS shows the target groups of its newest deployment only."""
    web = flying("web", "new", revisions=1)
    web = replace(web, facts={**web.facts, "deployments": [{"status": "PRIMARY"}, {"status": "ACTIVE"}]})
    groups = [group(name)[1] for name in ("new", "old", "api")]
    uses = {web.id: frozenset({"new"}), "api": frozenset({"api"})}
    found = in_flight.needed([web], uses, [definition("web", "r", 1), *groups])
    assert found is not None
    assert {"new", "old"} <= found
    assert "api" not in found


@pytest.mark.parametrize(
    ("running", "shifts", "health", "waits"),
    [
        (1, False, ResourceHealth.PROGRESSING, True),
        (4, False, ResourceHealth.PROGRESSING, False),
        (5, True, ResourceHealth.PROGRESSING, True),
        (4, True, ResourceHealth.READY, False),
    ],
)
@pytest.mark.parametrize("name", ["web-on-demand", "web-on-demand-2"])
def test_a_service_on_demand_stays_while_production_may_need_it(
    name: str, running: int, shifts: bool, health: ResourceHealth, waits: bool
) -> None:
    """Of a service whose traffic ECS shifts, tasks of both versions run, and one of them may lack some."""
    web = Address("service", "web")
    pair = [{"targetGroupArn": "a", "advancedConfiguration": {"alternateTargetGroupArn": "b"}}] if shifts else []
    facts = {"item": {"loadBalancers": pair}, "running": running, "desired": 4}
    main = Observed(web, "web-arn", None, health=health, facts=facts)
    beside = Observed(Address("service", name), "x", None, {KEYS["fallback"]: "running:1:-"})
    assert in_flight.lacking(beside, [main], {web}) == (web if waits else None)
