"""ECS's own deployments of a service without a load balancer: ECS shifts what comes in by Service Connect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.local.scripted import Script
from reconciler.model.plan import RefusalCode
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.rollout.engine import Phase
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import Outcome
from reconciler.rollout_driver.targets import rollouts_of
from tests.harness.emulated_stack import CLUSTER, SERVICE, EmulatedStack, emulated_stack
from tests.harness.rollout_outcomes import in_phase, outcome, sent

pytestmark = pytest.mark.apart

DOCUMENTS = """
kind: Stack
name: shop
region: us-west-2
---
kind: Network
name: net
cidr: 10.0.0.0/16
subnets:
  - {name: public-a, zone: us-west-2a, cidr: 10.0.0.0/24, access: public}
security_groups:
  - {name: app, ingress: [{port: 80, from: 10.0.0.0/16}, {port: 9000, from: 10.0.0.0/16}, {port: 80, from: app}]}
---
kind: Cluster
name: my-app-cluster
namespace: shop
---
kind: DeploymentStrategy
name: careful
type: TYPE
engine: ecs_native
promotion: {mode: MODE}
green: {healthy_within: 5m}
verify: {for: 1m}
teardown: {after: 1m}
---
kind: Service
name: my-app-frontend
cluster: my-app-cluster
desired_count: 2
placement: {subnets: [public-a], security_groups: [app], public_ip: true}
task: {cpu: 256, memory: 512, containers: {app: {image: "public.ecr.aws/docker/library/nginx:V", port: 80}}}
service_connect: {services: [{name: web, protocol: http, alias: {test_header: {name: x-test}}}]}
deployment: careful
"""
CANARY = "canary\nsteps: [{weight: 10, pause: 2m}]"
WRITES = ("UpdateService", "ContinueServiceDeployment", "StopServiceDeployment", "ModifyListener", "ModifyRule")


def documents(folder: Path, kind: str = "blue_green", mode: str = "auto") -> dict[str, str]:
    text = DOCUMENTS.replace("TYPE", kind).replace("MODE", mode)
    (folder / "stack.yaml").write_text(text, encoding="utf-8")
    return {"nginx:V": "nginx:1"}


def newest(stage: EmulatedStack) -> dict[str, Any]:
    client = stage.laptop.client("ecs")
    listed = client.list_service_deployments(cluster=CLUSTER, service=SERVICE)["serviceDeployments"]
    arn = max(listed, key=lambda one: one["createdAt"])["serviceDeploymentArn"]
    found: dict[str, Any] = client.describe_service_deployments(serviceDeploymentArns=[arn])["serviceDeployments"][0]
    return found


def share(stage: EmulatedStack) -> float:
    return float(newest(stage)["targetServiceRevision"]["requestedProductionTrafficWeight"])


def served(stage: EmulatedStack) -> None:
    assert not stage.apply(has_ended).went_wrong
    stage.laptop.advance(3600)


def changed(stage: EmulatedStack) -> None:
    stage.transport.sent.clear()
    stage.change({"nginx:1": "nginx:2", "nginx:V": "nginx:2"})


@pytest.mark.parametrize("kind", ["blue_green", pytest.param(CANARY, marks=pytest.mark.slow)])
def test_ecs_shifts_what_comes_in_by_name(tmp_path: Path, kind: str) -> None:
    """A deployment from its start to the removal of blue, without a load balancer, a role or a target group."""
    with emulated_stack(documents(tmp_path, kind), folder=tmp_path) as stage:
        served(stage)
        service = stage.service()
        assert service["loadBalancers"] == []
        assert service["deploymentConfiguration"]["strategy"] == kind.partition("\n")[0].upper()
        changed(stage)
        assert not stage.apply(has_ended, patience=14_400.0).went_wrong
        assert outcome(stage)[0] is Outcome.PROMOTED
        assert newest(stage)["status"] == "SUCCESSFUL"
        assert [one["taskDefinition"].rpartition("/")[2] for one in stage.service()["deployments"]] == [f"{SERVICE}:2"]
        assert sent(stage, WRITES) == {"UpdateService": 1, "ContinueServiceDeployment": 1}
        assert pass_.look(stage.aws, discover(), stage.desired_state)[1].actions == ()


def test_it_waits_for_promotion_where_the_header_reaches_it(tmp_path: Path) -> None:
    """At the gate requests with the header reach green, and all others blue; `promote` shifts them."""
    with emulated_stack(documents(tmp_path, mode="manual"), folder=tmp_path) as stage:
        served(stage)
        changed(stage)
        stage.apply(in_phase(Phase.AWAITING_PROMOTION))
        found = newest(stage)
        assert (found["lifecycleStage"], share(stage)) == ("POST_TEST_TRAFFIC_SHIFT", 0)
        assert found["targetServiceRevision"]["requestedTestTrafficWeight"] == 100
        stage.say(RequestVerb.PROMOTE)
        stage.follow()
        assert outcome(stage)[0] is Outcome.PROMOTED
        assert share(stage) == 100


@pytest.mark.parametrize(
    ("phase", "verb", "expected", "left"),
    [
        pytest.param(Phase.AWAITING_PROMOTION, RequestVerb.ABORT, Outcome.ABORTED, 1, marks=pytest.mark.slow),
        pytest.param(Phase.BAKING, RequestVerb.ROLLBACK, Outcome.ROLLED_BACK, 1, marks=pytest.mark.slow),
    ],
)
def test_it_goes_back(tmp_path: Path, phase: Phase, verb: RequestVerb, expected: Outcome, left: int) -> None:
    """Before promotion nothing was shifted; after it requests go back before the tasks of green stop."""
    with emulated_stack(documents(tmp_path, mode="manual"), folder=tmp_path) as stage:
        served(stage)
        changed(stage)
        stage.apply(in_phase(Phase.AWAITING_PROMOTION))
        if phase is Phase.BAKING:
            stage.say(RequestVerb.PROMOTE)
            stage.apply(in_phase(phase))
            assert share(stage) == 100
        stage.say(verb)
        stage.follow()
        assert outcome(stage)[0] is expected
        stage.laptop.advance(3600)
        assert share(stage) == 0
        assert [one["taskDefinition"].rpartition("/")[2] for one in stage.service()["deployments"]] == [
            f"{SERVICE}:{left}"
        ]


@pytest.mark.slow
def test_a_canary_is_shifted_in_the_steps_of_ecs(tmp_path: Path) -> None:
    """The share that ECS reports is the one that is shown and rolled back from."""
    with emulated_stack(documents(tmp_path, CANARY), folder=tmp_path) as stage:
        served(stage)
        changed(stage)
        stage.apply(lambda result: result.seen is not None and result.seen.production == (90, 10))
        assert stage.phases[-1] == "shifting"
        stage.restart()
        stage.say(RequestVerb.ROLLBACK)
        stage.follow()
        assert outcome(stage)[0] is Outcome.ROLLED_BACK
        assert share(stage) == 0


@pytest.mark.slow
def test_tasks_that_fail_are_not_promoted(tmp_path: Path) -> None:
    """Without target groups it is the tasks themselves that say so."""
    with emulated_stack(documents(tmp_path), folder=tmp_path) as stage:
        served(stage)
        stage.laptop.script(Script(exits_after=2.0, exit_code=1, logs=("no database",)))
        changed(stage)
        stage.apply(has_ended)
        assert outcome(stage)[0] is Outcome.FAILED
        stage.laptop.advance(3600)
        assert [one["taskDefinition"].rpartition("/")[2] for one in stage.service()["deployments"]] == [f"{SERVICE}:1"]


PLAIN = """---
kind: DeploymentStrategy
name: plain
type: rolling
"""
HEADER = ", alias: {test_header: {name: x-test}}"


@pytest.mark.slow
def test_the_engine_changes_without_a_pair(tmp_path: Path) -> None:
    """From rolling deployments and back, in place, and with the tasks that run."""
    edits = documents(tmp_path) | {"deployment: careful\n": f"deployment: plain\n{PLAIN}", HEADER: ""}
    with emulated_stack(edits, folder=tmp_path) as stage:
        served(stage)
        before = stage.service()["deployments"]
        stage.change({"deployment: careful\n": f"deployment: careful\n{PLAIN}"})
        stage.apply(has_ended)
        after = stage.service()
        assert after["deploymentConfiguration"]["strategy"] == "BLUE_GREEN"
        assert [one["id"] for one in after["deployments"]] == [one["id"] for one in before]
        stage.change({"deployment: careful\n": f"deployment: plain\n{PLAIN}"})
        stage.apply(has_ended)
        assert stage.service()["deploymentConfiguration"]["strategy"] == "ROLLING"
        assert [one["id"] for one in stage.service()["deployments"]] == [one["id"] for one in before]
        assert pass_.look(stage.aws, discover(), stage.desired_state)[1].actions == ()


BALANCED = {
    "kind: Cluster\n": """kind: LoadBalancer
name: shop
scheme: internal
subnets: [public-a, public-b]
security_groups: [app]
listeners: {production: {port: 80}, test: {port: 9000}}
---
kind: Cluster
""",
    "access: public}\n": """access: public}
  - {name: public-b, zone: us-west-2b, cidr: 10.0.1.0/24, access: public}
""",
    "service_connect:": """traffic: {load_balancer: shop, container: app, target_groups: [web-1, web-2]}
service_connect:""",
}


@pytest.mark.slow
@pytest.mark.parametrize("balanced", [True, False])
def test_a_load_balancer_comes_and_goes_under_rolling_deployments(tmp_path: Path, balanced: bool) -> None:
    """ECS takes the target groups of a service for those of its present tasks, so the plan is refused."""
    edits, more = documents(tmp_path), BALANCED
    with emulated_stack(edits | (more if balanced else {}), folder=tmp_path) as stage:
        served(stage)
        before = [one["id"] for one in stage.service()["deployments"]]
        stage.change({key: key if balanced else text for key, text in more.items()})
        world, plan = pass_.look(stage.aws, discover(), stage.desired_state)
        assert [(one.code, str(one.address)) for one in plan.refusals] == [
            (RefusalCode.IMMUTABLE, "service/my-app-frontend")
        ]
        wish = stage.desired_state
        (rollout,), _ = rollouts_of(wish.deliveries, wish.desired, world, wish.place.stack, plan=plan)
        assert (rollout.subject.production is not None, len(rollout.subject.groups)) == (balanced, 2 if balanced else 0)
        assert stage.driver.advance_one(rollout).step is not None
        assert [one["id"] for one in stage.service()["deployments"]] == before
