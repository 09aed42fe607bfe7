"""How much a pass reads at each depth, counted in requests as AWS gets them, and that it says no less for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from benchmarks import stack
from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.aws.response_cache import ResponseCache
from reconciler.aws.retry import READ
from reconciler.clock import ManualClock
from reconciler.local.inprocess import Laptop, laptop_session
from reconciler.model import ownership
from reconciler.model.guard import Guard
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Plan
from reconciler.model.resource import Address, Desired, Observed, ResourceHealth
from reconciler.model.resource_type import Depth
from reconciler.model.type_registry import discover
from reconciler.reconcile.expectations import Expectations
from reconciler.reconcile.observe import StackId, observe
from reconciler.reconcile.pass_ import DesiredState, look
from reconciler.reconcile.read_plan import ReadPlan
from reconciler.spec.compile import compile_specs
from reconciler.spec.load import load
from tests.harness.driving import converge
from tests.harness.emulated_stack import InProcess
from tests.model.ordered_plan import plan

KINDS = discover()


@dataclass
class Bench:
    """The measured stack, applied to the AWS emulator; ECS's own deployments, so that it is in production at once."""

    laptop: Laptop
    desired_state: DesiredState
    memory: Path

    def aws(self) -> AwsClient:
        return AwsClient(InProcess(self.laptop), clock=ManualClock(), memory=ResponseCache(self.memory))

    def read(
        self, depth: Depth, before: ObservedState | None = None, **more: Any
    ) -> tuple[ObservedState, Counter[str]]:
        self.laptop.aws.calls.clear()
        aws = self.aws()
        world = observe(
            aws, KINDS, self.desired_state.place, self.desired_state.desired, depth=depth, before=before, **more
        )
        aws.close()
        assert not world.unreadable
        return world, Counter(f"{service}.{operation}" for service, operation in self.laptop.aws.calls)

    def plan(self, world: ObservedState) -> Plan:
        return plan(self.desired_state.place.stack, self.desired_state.desired, world, KINDS)

    def drifts(self, world: ObservedState) -> list[str]:
        return [f"{action.address} {change}" for action in self.plan(world).actions for change in action.changes]


@contextmanager
def applied(services: int, tmp: Path, *, everything: bool = False) -> Iterator[Bench]:
    folder = stack.write(tmp / "specs", services, everything=everything)
    for file in folder.glob("svc-*.yaml"):
        text = file.read_text().replace("deployment: careful\n", "")
        name = file.stem
        file.write_text(text.replace(f"[{name}-1, {name}-2]", f"[{name}-1]"))
    with laptop_session() as laptop:
        specs = replace(load(folder, None), diagnostics=())
        desired = compile_specs(specs, account=laptop.aws.account, partition="aws")
        desired_state = DesiredState(
            StackId(stack.NAME, laptop.aws.account, laptop.aws.region), desired, guard=Guard(None, None)
        )
        bench = Bench(laptop, desired_state, tmp / "memory")
        aws = bench.aws()
        report = converge(
            aws,
            KINDS,
            desired_state,
            look(aws, KINDS, desired_state),
            patience_seconds=600,
            stop=Event(),
            expectations=None,
        )
        aws.close()
        assert not any(each.failed for each in report.passes)
        yield bench


@pytest.fixture(scope="module", params=[1, 12])
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        with applied(request.param, tmp_path_factory.mktemp("tiers")) as found:
            yield found


def services(bench: Bench) -> int:
    return sum(want.address.kind == "service" for want in bench.desired_state.desired)


def bounds(bench: Bench) -> tuple[int, int, int]:
    """The most requests of a fast, a medium and a full pass, from what there is."""
    count = Counter(want.address.kind for want in bench.desired_state.desired)
    swept = ceil(sum(count.values()) / 100)
    batches = ceil(count["service"] / 10)
    fast = batches + 1 + count["listener"]
    medium = fast + swept + ceil(count["log-group"] / 50) + 12
    full = medium + 11 + count["target-group"] + ceil(count["scaling"] / 10)
    return fast, medium, full


def test_a_pass_reads_no_more_than_it_says(bench: Bench) -> None:
    """Fast: services, listeners and rules. Medium: each kind in batches. Full: and each target group's attributes."""
    before, _ = bench.read(Depth.FULL)
    fast, medium, full = bounds(bench)
    assert fast <= {1: 4, 12: 5}[services(bench)]
    assert medium <= 26
    for depth, most in ((Depth.FULL, full), (Depth.MEDIUM, medium), (Depth.FAST, fast)):
        world, calls = bench.read(depth, before)
        assert calls.total() <= most, calls
        assert not [name for name in calls if not READ.match(name.partition(".")[2] or "Get")]
        assert not bench.plan(world)


def test_a_fast_pass_says_what_it_has_not_read(bench: Bench) -> None:
    """What is carried over is in the world as it was, is named, and is neither absent nor unreadable."""
    before, _ = bench.read(Depth.FULL)
    world, _ = bench.read(Depth.FAST, before)
    assert {one.address for one in world} == {one.address for one in before}
    assert world.carried == KINDS.keys() - {"service", "listener", "listener-rule", "task-definition"}
    assert before.carried == frozenset()


def test_a_fast_pass_sees_what_moves(bench: Bench) -> None:
    """A rule's weights, a service's count, a service that is gone: within one fast pass."""
    before, _ = bench.read(Depth.FULL)
    ecs, elb = bench.laptop.client("ecs"), bench.laptop.client("elbv2")
    name = stack.service_name(1)
    ecs.update_service(cluster=stack.CLUSTER, service=name, desiredCount=3)
    world, _ = bench.read(Depth.FAST, before)
    assert f"service/{name} desired_count" in bench.drifts(world)
    ecs.update_service(cluster=stack.CLUSTER, service=name, desiredCount=1)
    rule = next(one for one in before.found["listener-rule"])
    reply = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}
    was = elb.describe_rules(RuleArns=[rule.id])["Rules"][0]["Actions"]
    elb.modify_rule(RuleArn=rule.id, Actions=[reply])
    world, calls = bench.read(Depth.FAST, before)
    assert any(each.startswith(f"{rule.address} action") for each in bench.drifts(world))
    assert calls["elbv2.DescribeTags"] == 1, "nothing is written on hearsay"
    elb.modify_rule(RuleArn=rule.id, Actions=[{key: was[0][key] for key in ("Type", "ForwardConfig")}])
    assert not bench.plan(bench.read(Depth.FAST, before)[0])


def test_what_the_sweep_says_is_not_enough_to_write_by(bench: Bench) -> None:
    """A target group that differs has its tags read from AWS itself; if it is not ours after all, nothing is done."""
    before, _ = bench.read(Depth.FULL)
    elb = bench.laptop.client("elbv2")
    group = before.found["target-group"][0]
    elb.modify_target_group(TargetGroupArn=group.id, HealthCheckPath="/elsewhere")
    for depth in (Depth.MEDIUM, Depth.FULL):
        world, calls = bench.read(depth, before)
        assert f"{group.address} health_check.path" in bench.drifts(world)
        assert calls["elbv2.DescribeTags"] == 2  # its own, and the load balancer's
    elb.modify_target_group(TargetGroupArn=group.id, HealthCheckPath="/")
    assert not bench.plan(bench.read(Depth.MEDIUM, before)[0])


def test_something_new_in_the_way_is_seen_by_a_fast_pass(bench: Bench) -> None:
    """Somebody's rule where the specs want ours is a conflict at once; elsewhere it is no business of a fast pass."""
    before, _ = bench.read(Depth.FULL)
    elb = bench.laptop.client("elbv2")
    rule = before.found["listener-rule"][0]
    elb.delete_rule(RuleArn=rule.id)
    made = [
        elb.create_rule(
            ListenerArn=rule.spec.listener,
            Priority=priority,
            Conditions=[{"Field": "path-pattern", "Values": ["/theirs/*"]}],
            Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "503"}}],
        )["Rules"][0]["RuleArn"]
        for priority in (rule.spec.priority, 4321)
    ]
    world, _ = bench.read(Depth.FAST, before)
    assert [refusal.address for refusal in bench.plan(world).refusals] == [rule.address]
    assert made[1] not in {one.id for one in world}
    for arn in made:
        elb.delete_rule(RuleArn=arn)
    restored, _ = bench.read(Depth.FULL)
    aws = bench.aws()
    converge(aws, KINDS, bench.desired_state, (restored, bench.plan(restored)), patience_seconds=60, stop=Event())
    aws.close()


def test_what_was_written_to_is_read_in_full(bench: Bench) -> None:
    """A kind that this process wrote to is never carried over while AWS may not show the write."""
    before, _ = bench.read(Depth.FULL)
    expectations = Expectations(ManualClock())
    group = before.found["target-group"][0]
    expectations.deleted(group)
    world, calls = bench.read(Depth.FAST, before, expectations=expectations)
    assert "target-group" not in world.carried
    assert calls["elbv2.DescribeTargetGroups"] == 1
    assert calls["resourcegroupstaggingapi.GetResources"] >= 1


def test_a_fast_pass_at_rest_lists_no_tasks_of_what_has_left_the_specs(bench: Bench) -> None:
    """It takes over what ran, unless something has changed since; a leftover may be protected, and stay for years."""
    address, ecs = Address("task-definition", "left"), bench.laptop.client("ecs")
    tags = [{"key": ownership.STACK, "value": stack.NAME}, {"key": ownership.ADDRESS, "value": str(address)}]
    containers = [{"name": "app", "image": "app", "memory": 64}]
    arn = ecs.register_task_definition(family="left", containerDefinitions=containers, tags=tags)
    try:
        before, calls = bench.read(Depth.FULL)
        assert calls["ecs.ListTasks"]
        world, calls = bench.read(Depth.FAST, before)
        assert calls["ecs.ListTasks"] == 0
        assert {one.id: one.facts.get("runs") for one in world} == {one.id: one.facts.get("runs") for one in before}
        name = stack.service_name(1)
        ecs.update_service(cluster=stack.CLUSTER, service=name, desiredCount=3)
        assert bench.read(Depth.FAST, world)[1]["ecs.ListTasks"]
        ecs.update_service(cluster=stack.CLUSTER, service=name, desiredCount=1)
    finally:
        ecs.deregister_task_definition(taskDefinition=arn["taskDefinition"]["taskDefinitionArn"])


@pytest.mark.slow
def test_a_hundred_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """13 requests for a fast pass, 40 for a medium one; the account's quotas are raised, as they would have to be."""
    monkeypatch.setattr("reconciler.local.elb.rules.RULES_PER_LOAD_BALANCER", 10_000)
    for module in ("listeners", "rules"):
        monkeypatch.setattr(f"reconciler.local.elb.{module}.check_unique_groups", lambda *_: None)
    with applied(100, tmp_path) as bench:
        before, _ = bench.read(Depth.FULL)
        _, medium = bench.read(Depth.MEDIUM, before)
        _, fast = bench.read(Depth.FAST, before)
    assert (fast.total() <= 13, medium.total() <= 40) == (True, True), (fast, medium)


# -- what is read, decided without AWS

WANT: Desired[Any] = Desired(Address("cluster", "one"), KINDS["cluster"].Spec(name="one"))


def found(**more: Any) -> Observed[Any]:
    return Observed(WANT.address, "one", WANT.spec, **more)


def everything(**kinds: tuple[Observed[Any], ...]) -> ObservedState:
    return ObservedState(dict.fromkeys(KINDS, ()) | kinds, swept={"arn:a": {}})


SWEPT: dict[str, dict[str, str]] = {"arn:a": {}}
CLUSTER, SERVICE = KINDS["cluster"], KINDS["service"]


@pytest.mark.parametrize(
    ("before", "wanted", "depth"),
    [
        (everything(cluster=(found(),)), [WANT], None),
        (everything(cluster=(found(health=ResourceHealth.PROGRESSING),)), [WANT], Depth.MEDIUM),
        (everything(cluster=(found(facts={"deleting": True}),)), [WANT], Depth.MEDIUM),
        (everything(), [WANT], Depth.MEDIUM),
        (ObservedState({}, {"cluster": errors.Denied("no")}), [WANT], Depth.MEDIUM),
        (ObservedState({}), [WANT], Depth.MEDIUM),
        (everything(), [], None),
    ],
    ids=["stands still", "not ready", "on its way out", "wanted", "not read", "never read", "nothing at all"],
)
def test_a_fast_pass_reads_what_is_under_way(
    before: ObservedState, wanted: list[Desired[Any]], depth: Depth | None
) -> None:
    """What stood still is carried over; anything else is looked at."""
    assert ReadPlan(Depth.FAST, before, SWEPT).depth_of(CLUSTER, wanted, {}) is depth


def test_what_builds_on_a_kind_is_read_when_others_are_there() -> None:
    """A service that has appeared or gone has a scaling to be looked for, or none any more."""
    before, there = everything(cluster=(found(),)), {"cluster": (found(),), "service": (found(),)}
    reading = ReadPlan(Depth.FAST, before, SWEPT)
    assert reading.depth_of(KINDS["scaling"], [], there) is Depth.MEDIUM
    assert reading.depth_of(KINDS["scaling"], [], {"service": ()}) is None


def test_a_medium_pass_leaves_out_what_nobody_has() -> None:
    """Unless something has turned up in the sweep that was not in it before."""
    before = everything()
    assert ReadPlan(Depth.MEDIUM, before, SWEPT).depth_of(CLUSTER, [], {}) is None
    assert ReadPlan(Depth.MEDIUM, before, SWEPT | {"arn:b": {}}).depth_of(CLUSTER, [], {}) is Depth.MEDIUM
    assert ReadPlan(Depth.MEDIUM, None, SWEPT).depth_of(CLUSTER, [], {}) is Depth.MEDIUM


def test_what_moves_is_read_at_any_depth() -> None:
    """And a kind that was written to, in full."""
    before = everything()
    assert ReadPlan(Depth.FAST, before, SWEPT).depth_of(SERVICE, [], {}) is Depth.FAST
    assert ReadPlan(Depth.FAST, before, SWEPT, frozenset({"service"})).depth_of(SERVICE, [], {}) is Depth.FULL
    assert ReadPlan(Depth.FULL, before, SWEPT).depth_of(CLUSTER, [], {}) is Depth.FULL


def test_a_fast_pass_needs_one_before_it() -> None:
    """It would otherwise take everything that it does not read for absent."""
    with pytest.raises(ValueError, match="earlier pass"):
        ReadPlan(Depth.FAST, None, SWEPT)
