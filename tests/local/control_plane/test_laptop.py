"""The local AWS emulator as a whole: repeatable, one account of one's choice, honest about its own failures."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from reconciler.local import inprocess
from reconciler.local.aws import LaptopAws
from reconciler.local.fault_answers import DENIALS, THROTTLES
from reconciler.local.inprocess import Laptop, laptop_session
from reconciler.local.rest import Rest
from reconciler.local.wire import Call, Request, Response
from reconciler.local.world import Checks
from tests.local.control_plane.stage import Stage, refused


def _story(seed: int) -> list[Any]:
    """What a service's life looks like from outside."""
    with laptop_session(seed=seed) as laptop:
        stage = Stage(laptop).network().load_balancer().cluster()
        stage.definition()
        stage.service(loadBalancers=stage.behind(stage.blue))
        stage.definition("web:v2")
        stage.update(taskDefinition="web:2")
        laptop.advance(60)
        seen: Any = stage.seen()
        return [seen, stage.tasks(), stage.ec2.describe_network_interfaces()["NetworkInterfaces"]]


def _without_metadata(value: Any) -> Any:
    """moto's own moments and MAC addresses aside: it reads the machine's clock, and its MACs are not seeded."""
    if isinstance(value, dict):
        return {
            key: _without_metadata(item)
            for key, item in value.items()
            if key not in ("ResponseMetadata", "AttachTime", "MacAddress") and item != "macAddress"
        }
    return [_without_metadata(item) for item in value] if isinstance(value, list) else value


def test_the_same_calls_give_the_same_world() -> None:
    """Names, addresses, events and moments: all chance comes from the seed."""
    first, second = _story(1), _story(1)
    arns = [[task["taskArn"] for task in story[1]] for story in (first, second)]
    assert arns[0] == arns[1]
    assert first[0] == second[0]
    addresses = [[item["PrivateIpAddress"] for item in story[2]] for story in (first, second)]
    assert addresses[0] == addresses[1]
    assert _story(2)[0] != first[0]


def test_an_account_of_ones_choice() -> None:
    """Both halves belong to it."""
    with laptop_session(account="210987654321") as laptop:
        assert laptop.client("sts").get_caller_identity()["Account"] == "210987654321"
        made = laptop.client("ecs").create_cluster(clusterName="c")["cluster"]["clusterArn"]
        assert ":210987654321:" in made
        stage = Stage(laptop).network().load_balancer().cluster()
        stage.definition(executionRoleArn=stage.role())
        stage.service(loadBalancers=stage.behind(stage.blue))
        assert stage.seen()["runningCount"] == 2


def test_roles_need_not_exist_where_nobody_looks() -> None:
    """`Checks(roles=False)`: any role ARN will do."""
    with laptop_session(checks=Checks(roles=False)) as laptop:
        Stage(laptop).definition(executionRoleArn="arn:aws:iam::123456789012:role/anything")


def test_one_session_after_the_other_begins_empty() -> None:
    """Clients are shared between sessions; the account is not."""
    with laptop_session() as first:
        first.client("ecs").create_cluster(clusterName="c")
        client = first.client("ecs")
    with laptop_session() as second:
        assert second.client("ecs") is client
        assert client.list_clusters()["clusterArns"] == []
    with pytest.raises(AssertionError, match="is over"):
        client.list_clusters()


def test_a_clockwork_that_has_stopped_is_not_passed_over() -> None:
    """A world that stands still must not look like one where nothing happens."""
    with laptop_session() as laptop:
        aws: LaptopAws = laptop.aws
        aws._failure = ZeroDivisionError("boom")
        with pytest.raises(RuntimeError, match="clockwork has stopped"):
            aws.handle(Request("POST", "/", {}, b""))


def test_every_service_that_throttles_its_own_way_is_one_we_know() -> None:
    """A misspelt service name would fall back to the common words in silence."""
    with laptop_session() as laptop:
        for service in {*THROTTLES, *DENIALS}:
            laptop.session.get_available_regions(service)
            assert service in laptop.session.get_available_services()


def test_tasks_without_a_way_out_are_left_alone_where_nobody_looks() -> None:
    """`Checks(network=False)`: a task starts in any subnet; its image must still be there."""
    with laptop_session(checks=Checks(network=False)) as laptop:
        stage = Stage(laptop).network().cluster()
        stage.definition("123456789012.dkr.ecr.us-west-2.amazonaws.com/app:v1", executionRoleArn=stage.role())
        network = {"awsvpcConfiguration": {"subnets": stage.subnets}}
        stage.service(networkConfiguration=network, desiredCount=1)
        assert stage.tasks(desiredStatus="STOPPED")[0]["stoppedReason"].startswith("CannotPullContainerError")
        with refused("ClusterNotFoundException"):
            stage.ecs.list_tasks(cluster="other")


def test_one_request_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto has no lock and would lose conditional writes: nobody is in it while somebody else is."""
    inside, peak, gate = [0], [0], threading.Event()
    dispatch = Rest.dispatch

    def slow(self: Rest, call: Call) -> Response:
        inside[0] += 1
        peak[0] = max(peak[0], inside[0])
        gate.wait(0.02)  # nobody sets it: long enough for another to come in, if it could
        inside[0] -= 1
        return dispatch(self, call)

    monkeypatch.setattr(Rest, "dispatch", slow)
    with laptop_session() as laptop, ThreadPoolExecutor(4) as pool:
        iam = laptop.client("iam")
        assert len(list(pool.map(lambda _: iam.list_roles(), range(8)))) == 8
    assert peak == [1]


def test_threads_share_one_client_of_a_service(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 sessions make clients for one thread at a time; threads that ask together wait for each other."""
    monkeypatch.setattr(inprocess, "_shared", inprocess._Shared())
    together = threading.Barrier(4)

    def ask(_: int) -> Any:
        together.wait()
        return laptop.client("sts")

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(ask, range(4)))) == 1


def test_a_log_stream_keeps_its_newest_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that writes without end does not fill the memory of the machine."""
    monkeypatch.setattr("reconciler.local.rest.KEPT_LINES", 10)
    with laptop_session() as laptop:
        logs = laptop.client("logs")
        logs.create_log_group(logGroupName="g")
        logs.create_log_stream(logGroupName="g", logStreamName="s")
        rest = laptop.aws.regions.world("us-west-2").rest
        for number in range(35):
            rest.put_logs("g", "s", ((1_000 + number, str(number)),))
        found = logs.get_log_events(logGroupName="g", logStreamName="s", startFromHead=True)["events"]
        assert len(found) <= 20
        assert found[-1]["message"] == "34"
