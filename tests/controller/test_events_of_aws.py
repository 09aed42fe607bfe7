"""The controller with a queue on the local AWS emulator: what events wake, and what is found without them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler import events
from reconciler.local.faults import Fault
from reconciler.model.resource_type import Depth
from tests.harness.aws_events import api_call, image_pushed, task_stopped
from tests.harness.emulated_stack import CLUSTER, SERVICE
from tests.harness.listening import NAME, Listening, listening

pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def at_rest(for_a_module: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    with listening(tmp_path_factory.mktemp("listening") / "specs") as found:
        yield found


def opened(stack: Listening, port: int = 22) -> dict[str, Any]:
    """Somebody opens a port by hand; the event that CloudTrail makes of it."""
    ec2 = stack.stage.laptop.client("ec2")
    group = next(
        one["GroupId"] for one in ec2.describe_security_groups()["SecurityGroups"] if one["GroupName"] == "my-app-lb-sg"
    )
    ranges = [{"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=ranges)
    return api_call(f"open-{port}", "ec2", "AuthorizeSecurityGroupIngress", {"groupId": group})


def is_open(stack: Listening, port: int = 22) -> bool:
    groups = stack.stage.laptop.client("ec2").describe_security_groups()["SecurityGroups"]
    return any(one.get("FromPort") == port for group in groups for one in group["IpPermissions"])


@pytest.mark.slow
def test_a_quiet_stack_costs_few_calls(at_rest: Listening) -> None:
    """An hour: two medium passes, a fast one every five minutes, and two calls every fifteen seconds."""
    at_rest.quiet()
    at_rest.go(3600)
    depths = [one.depth for one in at_rest.passes]
    assert (at_rest.writes(), at_rest.entries) == ({}, [])
    assert depths.count(Depth.FULL) == 0
    assert depths.count(Depth.MEDIUM) == 2
    assert 8 <= depths.count(Depth.FAST) <= 12
    assert {one.calls for one in at_rest.passes if one.depth is Depth.NARROW} == {2}


def test_a_change_by_hand_is_put_back_at_once(at_rest: Listening) -> None:
    """Only what the event names is read before it is."""
    at_rest.quiet()
    at_rest.send(opened(at_rest))
    at_rest.go(3)
    assert not is_open(at_rest)
    assert at_rest.said(events.DRIFT_REPAIRED) != []
    first = at_rest.passes[0]
    assert first.depth is Depth.NARROW
    assert set(first.world.narrowed) == {"cluster", "security-group-rules", "service"}
    assert first.calls <= 5


def test_the_events_of_the_emulator_do_the_same(at_rest: Listening) -> None:
    """The repair is an event of CloudTrail as well, and wakes nothing."""
    at_rest.stage.laptop.aws.faults.clear()
    at_rest.quiet()
    opened(at_rest, 25)
    at_rest.go(10)
    assert not is_open(at_rest, 25)
    at_rest.go(20)
    counts = at_rest.listener.counts
    assert counts["woke"] == 1
    assert counts["own"] >= 1


@pytest.mark.slow
def test_without_its_event_it_is_found_by_the_next_medium_pass(at_rest: Listening) -> None:
    """A lost event costs half an hour at most."""
    at_rest.quiet()
    opened(at_rest, 2222)
    at_rest.go(1800 + 30)
    assert not is_open(at_rest, 2222)


@pytest.mark.slow
@pytest.mark.parametrize("denied", [False, True])
def test_details_whose_event_was_lost_are_found_within_half_an_hour(at_rest: Listening, denied: bool) -> None:
    """In the event history, or by reading them all where that is denied."""
    laptop = at_rest.stage.laptop
    if denied:
        laptop.aws.inject(Fault("denied", operation="LookupEvents"))
    at_rest.go(1800 if denied else 0)
    at_rest.quiet()
    elb = laptop.client("elbv2")
    arn = elb.describe_target_groups()["TargetGroups"][0]["TargetGroupArn"]
    key = "deregistration_delay.timeout_seconds"

    def delay() -> str:
        found = elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
        return str(next(one["Value"] for one in found if one["Key"] == key))

    before = delay()
    elb.modify_target_group_attributes(TargetGroupArn=arn, Attributes=[{"Key": key, "Value": "77"}])
    at_rest.go(1800 + 30)
    assert delay() == before
    assert bool(at_rest.listener.unswept) is denied
    assert (at_rest.listener.counts["missed"] > 0) is not denied
    laptop.aws.faults.clear()
    laptop.aws.inject(Fault("event_loss"))
    at_rest.go(1800)


def test_a_suspended_stack_is_not_written_to_by_an_event(at_rest: Listening) -> None:
    """A narrow pass reads whether the stack is suspended, too."""
    at_rest.quiet()
    arn = at_rest.stage.service()["serviceArn"]
    ecs = at_rest.stage.laptop.client("ecs")
    ecs.tag_resource(resourceArn=arn, tags=[{"key": "reconciler:stack-suspended", "value": "ana 2026-01-01T00:00:00Z"}])
    try:
        at_rest.send(opened(at_rest, 23))
        at_rest.go(10)
        assert is_open(at_rest, 23)
    finally:
        ecs.untag_resource(resourceArn=arn, tagKeys=["reconciler:stack-suspended"])
    at_rest.go(400)
    assert not is_open(at_rest, 23)


def test_an_image_that_is_pushed_is_released_at_once(at_rest: Listening) -> None:
    """ECR says which tag it is; the digest is read."""
    at_rest.quiet()
    at_rest.stage.push("v1", content="newer")
    at_rest.send(image_pushed("pushed", SERVICE, "v1"))
    at_rest.go(5)
    (result,) = at_rest.loop.queue.results.values()
    assert result.step is not None
    assert not result.at_rest


def test_an_event_of_a_stopped_task_reads_its_service(at_rest: Listening) -> None:
    """Nothing else is read, and its rollout looks at once."""
    at_rest.quiet()
    at_rest.send(task_stopped("stopped", CLUSTER, f"service:{SERVICE}"))
    at_rest.go(1.5)
    assert set(at_rest.passes[0].world.narrowed) == {"cluster", "service"}
    assert at_rest.reads()["DescribeListeners"] == 1


def test_what_stops_by_itself_is_seen_without_its_event(at_rest: Listening) -> None:
    """The numbers of the cluster tell it, and the next pass is a fast one."""
    at_rest.go(40)
    at_rest.quiet()
    ecs = at_rest.stage.laptop.client("ecs")
    (task, *_) = ecs.list_tasks(cluster=CLUSTER)["taskArns"]
    ecs.stop_task(cluster=CLUSTER, task=task)
    at_rest.go(35)
    assert Depth.FAST in [one.depth for one in at_rest.passes]


def test_a_queue_that_is_gone_is_made_again_and_distrusted_meanwhile(at_rest: Listening) -> None:
    """Passes are as frequent as without a queue, which is reported; a full pass follows once it is received again."""
    at_rest.quiet()
    sqs = at_rest.stage.laptop.client("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=NAME)["QueueUrl"])
    at_rest.go(60)
    assert len(at_rest.said(events.EVENTS_DISTRUSTED)) == 1
    assert at_rest.loop.timer.relaxed is None
    at_rest.go(900)
    assert sqs.get_queue_url(QueueName=NAME)["QueueUrl"]
    assert len(at_rest.said(events.EVENTS_TRUSTED)) == 1
    assert at_rest.passes[-1].depth is not Depth.FULL
    assert Depth.FULL in [one.depth for one in at_rest.passes]


def test_a_poisoned_message_ends_in_the_queue_of_dead_letters(at_rest: Listening) -> None:
    """It is received three times, a minute apart, and holds up nothing."""
    at_rest.quiet()
    at_rest.send("poison", opened(at_rest, 24))
    at_rest.go(3)
    assert not is_open(at_rest, 24)
    at_rest.go(300)
    assert at_rest.listener.counts["unreadable"] == 3
    sqs = at_rest.stage.laptop.client("sqs")
    dead = sqs.receive_message(QueueUrl=sqs.get_queue_url(QueueName=f"{NAME}-dead")["QueueUrl"])["Messages"]
    assert [one["Body"] for one in dead] == ["poison"]


def disturbed(stack: Listening, seed: int, changes: int = 10) -> None:
    """Changes by hand whose events are lost, doubled, late or out of order: each is put back within the time of the
    next medium pass, and once."""
    chance = random.Random(seed)
    stack.quiet()
    late: list[tuple[float, dict[str, Any]]] = []
    clock, ports = stack.stage.laptop.clock, range(3000, 3000 + changes)
    opened_at: dict[int, float] = {}
    closed_at: dict[int, float] = {}

    def step(seconds: float) -> None:
        end = clock.monotonic() + seconds
        while clock.monotonic() < end:
            due = [one for at, one in late if at <= clock.monotonic()]
            late[:] = [(at, one) for at, one in late if at > clock.monotonic()]
            chance.shuffle(due)
            stack.send(*due)
            stack.go(min(60.0, end - clock.monotonic()))
            for port in opened_at.keys() - closed_at.keys():
                if not is_open(stack, port):
                    closed_at[port] = clock.monotonic()

    for port in ports:
        opened_at[port] = clock.monotonic()
        event = {**opened(stack, port), "id": f"{seed}-{port}"}
        if chance.random() < 0.1:
            stack.send("poison")
        for _ in range(chance.choice((0, 1, 1, 2, 3))):
            late.append((clock.monotonic() + chance.choice((0, 1, 60, 900)), event))
        step(chance.choice((1, 30, 400)))
    step(2000)

    assert closed_at.keys() == opened_at.keys()
    assert max(closed_at[port] - opened_at[port] for port in ports) <= 1800 + 60
    repairs = [one.message for one in stack.entries if one.name == events.DRIFT_REPAIRED]
    assert sorted(port for port in ports for text in repairs if f"tcp {port} " in text) == sorted(ports)


def test_events_that_are_lost_doubled_late_or_out_of_order_cost_time_only(at_rest: Listening) -> None:
    """A sample of what the slow test tries."""
    disturbed(at_rest, 1, changes=2)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 12))
def test_events_of_every_kind_cost_time_only(at_rest: Listening, seed: int) -> None:
    """Nothing is missed for longer than the next ordinary pass, and nothing is done twice."""
    disturbed(at_rest, seed)
