"""Services behind a load balancer that others own: all engines, what is refused, and that nothing of theirs changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.controller.until import has_ended
from reconciler.iam.statements import document, statements
from reconciler.local.inprocess import laptop_session
from reconciler.model.plan import Plan, RefusalCode, Verb
from reconciler.model.planner import Consent
from reconciler.model.policy_evaluation import Request, is_allowed
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.emulated_stack import SERVICE, SHORT, EmulatedStack
from tests.harness.forked_runs import serial
from tests.harness.platform import NAME, PRODUCTION, REPLY, TAKEN, TEST, Platform

OURS = 20
DOCUMENTS = """
kind: Stack
name: my-app
region: us-west-2
guard: {{max_delete: 50, max_delete_percent: 100}}
---
kind: Registry
name: my-app-frontend
---
kind: Cluster
name: my-app-cluster
---
kind: Service
name: my-app-frontend
cluster: my-app-cluster
placement: {{subnets: [{subnets}], security_groups: [{group}], public_ip: true}}
task:
  cpu: 256
  memory: 512
  containers: {{frontend: {{image: {{registry: my-app-frontend, tag: v1}}, port: 80}}}}
traffic:
  load_balancer: {balancer}
  container: frontend
  target_groups: [{targets}]
  listener: {listener}
  test_listener: 9000
  health_check: {{interval: 10s, healthy_threshold: 2}}
  deregistration_delay: 30s
  match: {{host: shop.example.com, priority: 20}}
deployment: careful
---
kind: DeploymentStrategy
name: careful
{strategy}
"""
PAIR = "my-app-tg-1, my-app-tg-2"
ROLLING = {"strategy": "type: rolling", "targets": "my-app-tg-1"}
BLUE_GREEN = {"strategy": "type: blue_green\ngreen: {healthy_within: 15m}\ntest: [{http: /}]", "targets": PAIR}
ENGINES = {
    "rolling": ROLLING,
    "task_sets": BLUE_GREEN,
    "codedeploy": {**BLUE_GREEN, "strategy": f"{BLUE_GREEN['strategy']}\nengine: codedeploy"},
    "ecs_native": {**BLUE_GREEN, "strategy": f"{BLUE_GREEN['strategy']}\nengine: ecs_native"},
}


@contextmanager
def shared(folder: Path, **fields: str) -> Iterator[tuple[EmulatedStack, Platform]]:
    """A stack behind the load balancer of a platform, with nothing made yet. `fields` are those of the documents, with
    `<vpc>`, `<balancer>` and others for the platform's ids."""
    with serial(), laptop_session() as laptop:
        platform = Platform(laptop)
        given = {"balancer": f"{{name: {NAME}}}", "listener": str(PRODUCTION), **BLUE_GREEN}
        given |= {"subnets": ", ".join(platform.subnets), "group": platform.group, **fields}
        text = DOCUMENTS.format(**given)
        for name, value in (("balancer", platform.balancer), ("listener", platform.listeners[PRODUCTION])):
            text = text.replace(f"<{name}>", value)
        (folder / "specs.yaml").write_text(text)
        yield EmulatedStack(laptop, folder=folder, terms={} if given["targets"] != PAIR else SHORT), platform


def planned(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def live(platform: Platform) -> set[str]:
    """The target groups that receive production traffic."""
    return {name for name, weight in platform.weights(PRODUCTION, OURS).items() if weight}


def refused(stage: EmulatedStack) -> list[tuple[RefusalCode, str, str]]:
    return [(one.code, one.where, one.because) for one in planned(stage).refusals]


@pytest.mark.parametrize("engine", ENGINES)
def test_each_engine_deploys_through_rules_of_its_own(engine: str, tmp_path: Path) -> None:
    """Two versions, and then nothing is left to do; what others own is as it was, and has no tag of reconciler."""
    with shared(tmp_path, **ENGINES[engine]) as (stage, platform):
        before = platform.state()
        stage.serving()
        assert set(platform.rules(PRODUCTION)) == {str(TAKEN), str(OURS), "default"}
        assert str(OURS) in platform.rules(TEST)
        first = live(platform)

        stage.spec(v1="v2")
        assert not stage.apply(has_ended).went_wrong
        both = {"my-app-tg-1"} if engine == "rolling" else {"my-app-tg-1", "my-app-tg-2"}
        assert first | live(platform) == both
        assert (planned(stage).actions, planned(stage).refusals) == ((), ())
        assert platform.state() == before


def test_by_arn_it_is_the_same(tmp_path: Path) -> None:
    """And people are told the port of the listener."""
    with shared(tmp_path, balancer="<balancer>", listener="<listener>") as (stage, platform):
        assert stage.desired_state.deliveries[0].ports == ("?", TEST)
        stage.serving()
        assert live(platform) == {"my-app-tg-1"}
        (rollout,) = stage.rollouts()
        assert rollout.delivery.ports == (PRODUCTION, TEST)


@pytest.mark.parametrize(
    ("fields", "because", "place"),
    [
        ({"balancer": "{name: unknown}"}, "the load balancer unknown does not exist in this account and region", 22),
        (
            {"balancer": f"{{name: {NAME}}}", "listener": "8443"},
            "the load balancer has no listener on port 8443; it has listeners on 443, 9000",
            25,
        ),
    ],
)
def test_what_does_not_exist_is_refused_at_its_place(
    fields: dict[str, str], because: str, place: int, tmp_path: Path
) -> None:
    """Once, and before anything is made."""
    with shared(tmp_path, **fields) as (stage, _):
        ((code, where, found),) = refused(stage)
        assert (code, found) == (RefusalCode.MISSING, because)
        name, line, column = where.rsplit(":", 2)
        assert (name.endswith("specs.yaml"), int(line)) == (True, place)
        assert int(column) > 1


def test_a_network_load_balancer_is_refused(tmp_path: Path) -> None:
    with shared(tmp_path, balancer="{name: wire}") as (stage, platform):
        made = platform.elb.create_load_balancer(Name="wire", Type="network", Subnets=platform.subnets)
        arn = made["LoadBalancers"][0]["LoadBalancerArn"]
        group = platform.elb.create_target_group(
            Name="wire", Protocol="TCP", Port=80, VpcId=platform.vpc, TargetType="ip"
        )["TargetGroups"][0]["TargetGroupArn"]
        for port in (PRODUCTION, TEST):
            action = {"Type": "forward", "TargetGroupArn": group}
            platform.elb.create_listener(LoadBalancerArn=arn, Port=port, Protocol="TCP", DefaultActions=[action])
        assert {(code, because.partition(";")[0]) for code, _, because in refused(stage)} == {
            (RefusalCode.UNFIT, "wire is a network load balancer")
        }


def test_grpc_needs_a_listener_that_encrypts(tmp_path: Path) -> None:
    with shared(tmp_path, **ROLLING) as (stage, _):
        stage.change({"health_check: {interval: 10s": "protocol_version: GRPC\n  health_check: {interval: 10s"})
        because = f"the listener {PRODUCTION} of {NAME} uses HTTP, and {SERVICE} needs HTTPS"
        assert (RefusalCode.UNFIT, because) in {(code, found) for code, _, found in refused(stage)}


def test_targets_with_ipv6_addresses_need_a_dual_stack_load_balancer(tmp_path: Path) -> None:
    with shared(tmp_path, **ROLLING) as (stage, _):
        stage.change({"health_check: {interval: 10s": "ip_address_type: ipv6\n  health_check: {interval: 10s"})
        because = f"{NAME} has the IP address type ipv4, and connects to IPv4 addresses only"
        found = {(code, found, where.rsplit(":", 2)[1]) for code, where, found in refused(stage)}
        assert found == {(RefusalCode.UNFIT, because, "27")}


def test_a_priority_that_others_hold_is_refused_with_free_ones(tmp_path: Path) -> None:
    with shared(tmp_path) as (stage, platform):
        stage.change({"priority: 20": f"priority: {TAKEN}"})
        found = planned(stage).refusals
        assert {one.code for one in found} == {RefusalCode.CONFLICT}
        held = platform.rules(PRODUCTION)[str(TAKEN)]["RuleArn"]
        assert any(held in one.because and f"priority {TAKEN}" in one.because for one in found)
        assert {one.hint for one in found} == {"choose a free priority, such as 8, 9, 11"}


def test_tasks_in_another_network_are_refused(tmp_path: Path) -> None:
    """The load balancer of others is not in a network of the specs, whether that exists yet or not."""
    network = """
---
kind: Network
name: own
cidr: 10.8.0.0/20
subnets:
  - {name: own-a, zone: us-west-2a, cidr: 10.8.0.0/24, access: public}
security_groups: [{name: own-tasks, ingress: [{port: 80, from: 10.0.0.0/8}]}]
"""
    strategy = BLUE_GREEN["strategy"] + network
    with shared(tmp_path, subnets="own-a", group="own-tasks", strategy=strategy) as (stage, platform):
        unfit = {(code, because) for code, _, because in refused(stage)}
        because = f"{NAME} is in {platform.vpc}, and the tasks of {SERVICE} are in the network own"
        assert unfit == {(RefusalCode.UNFIT, because)}


def test_what_others_change_stays_and_what_they_delete_is_told(tmp_path: Path) -> None:
    with shared(tmp_path) as (stage, platform):
        stage.serving()
        elb, listener = platform.elb, platform.listeners[PRODUCTION]
        other = {**REPLY, "FixedResponseConfig": {"StatusCode": "503", "ContentType": "text/plain"}}
        elb.modify_listener(ListenerArn=listener, DefaultActions=[other])
        elb.add_tags(ResourceArns=[listener], Tags=[{"Key": "team", "Value": "platform"}])
        changed = platform.state()
        assert stage.infrastructure().last.plan.actions == ()
        assert platform.state() == changed

        elb.delete_listener(ListenerArn=listener)
        plan = planned(stage)
        assert plan.refusals[0].code is RefusalCode.MISSING
        assert plan.refusals[0].because == (
            f"the load balancer has no listener on port {PRODUCTION}; it has listeners on {TEST}"
        )


def test_destroy_leaves_what_others_own(tmp_path: Path) -> None:
    with shared(tmp_path) as (stage, platform):
        before = platform.state()
        stage.serving()
        stage.desired_state = replace(
            stage.desired_state, leaving=True, deliveries=(), consent=Consent(delete_images=True)
        )
        plan = planned(stage)
        assert {action.verb for action in plan.actions} == {Verb.DELETE}
        assert not {action.address.kind for action in plan.actions if action.address.kind.startswith("existing-")}
        stage.infrastructure()
        assert platform.state() == before
        assert set(platform.rules(PRODUCTION)) == {str(TAKEN), "default"}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_policies_let_rules_be_made_and_nothing_of_others_be_written(engine: str, tmp_path: Path) -> None:
    """A rule is made with the stack's tag in the request; everything else needs the tag on what is written to. Nor may
    the role that AWS shifts traffic with."""
    with shared(tmp_path, **ENGINES[engine]) as (stage, platform):
        place, target = stage.desired_state.place, stage.desired_state
        policy = document(statements(discover(), target.desired, target.deliveries, place))
        listener, ours = platform.listeners[PRODUCTION], {"aws:RequestTag/reconciler:stack": [place.stack]}

        def may(action: str, context: Mapping[str, list[str]]) -> bool:
            return is_allowed(Request(f"elasticloadbalancing:{action}", listener, context), [policy])

        assert may("CreateRule", ours)
        assert not may("CreateRule", {})
        for action in ("ModifyListener", "DeleteListener", "RemoveTags", "DeleteRule", "ModifyRule"):
            assert not may(action, ours), action
        roles = [want.spec.policies for want in target.desired if want.address.kind == "role"]
        assert "ModifyListener" not in str(roles)
        assert ("ModifyRule" in str(roles)) is (engine in ("codedeploy", "ecs_native"))
