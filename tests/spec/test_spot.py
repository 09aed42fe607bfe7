"""Compilation of `spot`: the service on Spot, the one on demand beside it, and their rollouts."""

from __future__ import annotations

from datetime import timedelta

from reconciler.model.resource import Address, Ref
from reconciler.resources._ecs import Strategy
from reconciler.rollout.fallback_state import FallbackTerms
from reconciler.spec.compile import compile_deliveries
from tests.spec import folder
from tests.spec.test_start import compiled

NAME = "my-app-frontend"
MAIN, BESIDE = Address("service", NAME), Address("service", f"{NAME}-on-demand")
TEXT = """\
kind: DeploymentStrategy
name: plain
type: rolling
---
kind: Service
name: my-app-frontend
aws_name: shop
deployment: plain
traffic: null
desired_count: 4
spot: preferred
"""


def test_a_second_service_is_the_same_without_tasks_and_with_a_launch_type() -> None:
    """Its count is not in the specs, so that no pass corrects it."""
    found = compiled(TEXT)
    main, beside = found[MAIN], found[BESIDE]
    own = {"name", "desired_count", "initial_count", "capacity_provider_strategy", "launch_type"}
    assert main.spec.capacity_provider_strategy == (Strategy(provider="FARGATE_SPOT", weight=1, base=0),)
    assert {name: getattr(beside.spec, name) for name in own} == {
        "name": "shop-on-demand",
        "desired_count": None,
        "initial_count": 0,
        "capacity_provider_strategy": None,
        "launch_type": "FARGATE",
    }
    assert {
        name for name in type(main.spec).model_fields if getattr(main.spec, name) != getattr(beside.spec, name)
    } == own
    assert beside.spec.task_definition == Ref(Address("task-definition", NAME))
    assert beside.tags["reconciler:address"] == str(BESIDE)


def test_its_rollout_has_no_gates_and_follows_the_first_one() -> None:
    """The times are those of the document."""
    text = TEXT.replace("preferred", "{fallback_after: 10m, return_after: 1h}")
    main, beside = compile_deliveries(folder.lay(text))
    assert (main.fallback, beside.service) == (None, BESIDE)
    assert beside.fallback == FallbackTerms(MAIN, timedelta(minutes=10), timedelta(hours=1))
    assert beside.task_definition == main.task_definition
    assert (beside.policy.windows, beside.pre_deployment, beside.scales) == ((), None, False)


def test_a_renamed_service_takes_the_one_on_demand_with_it() -> None:
    """Under the name that it has in AWS."""
    text = TEXT.replace(
        "name: my-app-frontend\naws_name: shop\n", "name: my-app-frontend\naws_name: shop\nmoved_from: old\n"
    )
    found = compiled(text)
    assert found[BESIDE].moved is not None
    assert found[BESIDE].moved.old == Address("service", "old-on-demand")


def test_each_target_group_has_a_service_of_its_own_where_ecs_shifts_traffic() -> None:
    """By rolling deployments, with the version that is in its target group."""
    native = "{kind: DeploymentStrategy, name: careful, engine: ecs_native}"
    text = f"{native}\n---\n{{kind: Service, name: {NAME}, spot: preferred}}"
    found, specs = compiled(text), folder.lay(text)
    pair = found[MAIN].spec.pair
    assert pair is not None
    several = [Address("service", f"{NAME}-on-demand"), Address("service", f"{NAME}-on-demand-2")]
    for address, group in zip(several, (pair.target_group, pair.alternate), strict=True):
        spec = found[address].spec
        assert [(one.target_group, one.container, one.port) for one in spec.load_balancers or ()] == [
            (group, pair.container, pair.port)
        ]
        assert (spec.pair, spec.infrastructure_role, spec.launch_type) == (None, None, "FARGATE")
        assert spec.deployment is not None
        assert (spec.deployment.strategy, spec.deployment.min_percent, spec.deployment.hooks) == (None, 100, ())
    main, *beside = compile_deliveries(specs)
    assert [(one.service, one.policy.engine) for one in beside] == [(address, "rolling") for address in several]
    assert [one.fallback.group for one in beside if one.fallback is not None] == list(main.groups)


def test_both_names_are_taken() -> None:
    """Another service cannot have them."""
    native = "{kind: DeploymentStrategy, name: careful, engine: ecs_native}"
    other = f"""kind: Service
name: {NAME}-on-demand-2
cluster: my-app-cluster
task: {{cpu: 256, memory: 512, containers: {{web: {{image: "nginx:1"}}}}}}
placement: {{subnets: [app-public1-a], security_groups: [my-app-task-sg], public_ip: true}}
"""
    specs = folder.lay(f"{native}\n---\n{{kind: Service, name: {NAME}, spot: preferred}}\n---\n{other}")
    assert [found.rule for found in specs.diagnostics if found.rule == "E2005"] == ["E2005"]
