"""ECS's own deployments behind a network load balancer, with the ten minutes that ECS waits after each shift."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.controller.until import has_ended
from reconciler.local.timings import Timings
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import Outcome
from tests.harness.emulated_stack import EmulatedStack, emulated_stack
from tests.harness.rollout_outcomes import outcome

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
  - {name: app, ingress: [{port: 6379, from: 10.0.0.0/24}]}
---
kind: Cluster
name: my-app-cluster
---
kind: LoadBalancer
name: cache
type: network
scheme: internal
subnets: [public-a]
listeners:
  production: {port: 6379, protocol: TCP}
  test: {port: 6380, protocol: TCP}
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
placement: {subnets: [public-a], security_groups: [app], public_ip: true}
task: {cpu: 256, memory: 512, containers: {app: {image: "public.ecr.aws/docker/library/redis:V", port: 6379}}}
traffic:
  load_balancer: cache
  container: app
  target_groups: [cache-1, cache-2]
  protocol: TCP
  deregistration_delay: 30s
deployment: careful
"""
CANARY = "canary\nsteps: [{weight: 10, pause: 2m}]"


def listener(stage: EmulatedStack, port: int) -> dict[str, int]:
    """Target group's name → weight."""
    elb = stage.laptop.client("elbv2")
    (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    action = next(one for one in listeners if one["Port"] == port)["DefaultActions"][0]
    groups = action["ForwardConfig"]["TargetGroups"]
    return {one["TargetGroupArn"].split("/")[1]: one["Weight"] for one in groups}


@pytest.mark.parametrize("kind", ["blue_green", CANARY], ids=["blue_green", "canary"])
def test_ecs_shifts_connections(tmp_path: Path, kind: str) -> None:
    """Both listeners are named by their own ARNs; a wait of ECS counts against no time of the strategy."""
    (tmp_path / "stack.yaml").write_text(DOCUMENTS.replace("TYPE", kind).replace("MODE", "auto"))
    with emulated_stack({"redis:V": "redis:7"}, folder=tmp_path, timings=Timings(network_shift=600.0)) as stage:
        assert not stage.apply(has_ended).went_wrong
        stage.laptop.advance(3600)
        elb, service = stage.laptop.client("elbv2"), stage.service()
        (balancer,) = elb.describe_load_balancers()["LoadBalancers"]
        arns = {
            one["Port"]: one["ListenerArn"]
            for one in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        }
        advanced: dict[str, Any] = service["loadBalancers"][0]["advancedConfiguration"]
        assert (advanced["productionListenerRule"], advanced["testListenerRule"]) == (arns[6379], arns[6380])
        before = listener(stage, 6379)

        stage.change({"redis:7": "redis:8", "redis:V": "redis:8"})
        assert not stage.apply(has_ended, patience=14_400.0).went_wrong
        assert outcome(stage)[0] is Outcome.PROMOTED
        after = listener(stage, 6379)
        assert {name for name, weight in before.items() if weight} != {name for name, weight in after.items() if weight}
        assert pass_.look(stage.aws, discover(), stage.desired_state)[1].actions == ()


def test_what_is_aborted_at_the_test_listener_never_serves(tmp_path: Path) -> None:
    """The first version keeps all of production."""
    (tmp_path / "stack.yaml").write_text(DOCUMENTS.replace("TYPE", "blue_green").replace("MODE", "manual"))
    with emulated_stack({"redis:V": "redis:7"}, folder=tmp_path, timings=Timings(network_shift=600.0)) as stage:
        assert not stage.apply(has_ended).went_wrong
        stage.laptop.advance(3600)
        before = listener(stage, 6379)
        stage.change({"redis:7": "redis:8", "redis:V": "redis:8"})
        stage.apply(lambda result: str(result.step.phase if result.step else "") == "awaiting_promotion")
        assert stage.phases[-1] == "awaiting_promotion"
        assert listener(stage, 6380) != before
        stage.say(RequestVerb.ABORT)
        stage.follow()
        assert outcome(stage)[0] is Outcome.ABORTED
        assert {name: weight for name, weight in listener(stage, 6379).items() if weight} == {
            name: weight for name, weight in before.items() if weight
        }
