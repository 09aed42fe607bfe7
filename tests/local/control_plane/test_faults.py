"""Faults on demand: what a call, or a task, meets on a bad day."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from reconciler.local.faults import Fault, FaultKind, Faults
from reconciler.local.inprocess import Laptop
from tests.local.control_plane.stage import Stage, refused


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("ecs", "list_clusters", "ThrottlingException"),
        ("ec2", "describe_vpcs", "RequestLimitExceeded"),
        ("elbv2", "describe_load_balancers", "Throttling"),
        ("codedeploy", "list_applications", "ThrottlingException"),
        ("resourcegroupstaggingapi", "get_resources", "ThrottledException"),
    ],
)
def test_every_service_throttles_in_its_own_words(laptop: Laptop, service: str, operation: str, code: str) -> None:
    """The codes of the services' "Request throttling" pages; after `count` calls it is over."""
    laptop.aws.faults.add(Fault("throttle", service=service, count=2))
    client = laptop.client(service)
    for _ in range(2):
        with refused(code):
            getattr(client, operation)()
    getattr(client, operation)()


def test_botocore_itself_retries_a_throttle(laptop: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    """In process, real retry code runs: two throttles cost two more attempts, and the caller sees none."""
    monkeypatch.setattr("time.sleep", lambda *_: None)
    laptop.aws.faults.add(Fault("throttle", service="ecs", operation="ListClusters", count=2))
    laptop.client("ecs", attempts=3).list_clusters()
    assert laptop.aws.calls.count(("ecs", "ListClusters")) == 3


@pytest.mark.parametrize(
    ("kind", "error", "made"),
    [
        ("throttle", ClientError, False),
        ("error", ClientError, False),
        ("denied", ClientError, False),
        ("unreachable", ConnectionClosedError, False),
        ("error_after", ClientError, True),
        ("lost", ConnectionClosedError, True),
    ],
)
def test_whether_it_was_carried_out_depends_on_the_fault(
    laptop: Laptop, kind: FaultKind, error: type[Exception], made: bool
) -> None:
    """Before, the call has done nothing; after, it has, and only the answer is missing."""
    laptop.aws.faults.add(Fault(kind, operation="CreateCluster", count=1))
    ecs = laptop.client("ecs")
    with pytest.raises(error):
        ecs.create_cluster(clusterName="c")
    assert bool(ecs.list_clusters()["clusterArns"]) is made


def test_a_denial_names_the_action(laptop: Laptop) -> None:
    """IAM: AccessDeniedException, or EC2's UnauthorizedOperation, with the action in the message."""
    laptop.aws.faults.add(Fault("denied", operation="Describe*"))
    with refused("UnauthorizedOperation", "ec2:DescribeVpcs"):
        laptop.client("ec2").describe_vpcs()
    with refused("AccessDeniedException", "ecs:DescribeClusters"):
        laptop.client("ecs").describe_clusters()
    with refused("AccessDenied", "elasticloadbalancing:DescribeRules"):
        laptop.client("elbv2").describe_rules()


def test_a_stale_read_shows_an_earlier_moment(laptop: Laptop) -> None:
    """A read that was asked before may be answered as it was up to `depth` writes ago; never older."""
    ecs, ec2 = laptop.client("ecs"), laptop.client("ec2")
    laptop.aws.faults.add(Fault("stale", service="nothing"))
    known = [{"Name": "tag:name", "Values": ["v"]}]

    def vpcs() -> int:
        return len(ec2.describe_vpcs(Filters=known)["Vpcs"])

    assert vpcs() == 0
    for _ in range(3):
        tags = [{"ResourceType": "vpc", "Tags": [{"Key": "name", "Value": "v"}]}]
        ec2.create_vpc(CidrBlock="10.0.0.0/16", TagSpecifications=tags)
    for depth, expected in ((1, 2), (2, 1), (3, 0), (9, 0)):
        laptop.aws.faults.add(Fault("stale", operation="DescribeVpcs", depth=depth, count=1))
        assert vpcs() == expected
    assert vpcs() == 3
    laptop.aws.faults.add(Fault("stale", operation="ListClusters", depth=5))
    assert ecs.list_clusters()["clusterArns"] == []


def test_chance_is_repeatable(laptop: Laptop) -> None:
    """The same seed, the same faults."""

    def run() -> list[bool]:
        laptop.aws.faults.clear()
        laptop.aws.faults.seed(7)
        laptop.aws.faults.add(Fault("error", operation="ListClusters", probability=0.5))
        outcomes = []
        for _ in range(20):
            try:
                laptop.client("ecs").list_clusters()
                outcomes.append(True)
            except ClientError:
                outcomes.append(False)
        return outcomes

    first = run()
    assert run() == first
    assert {True, False} == set(first)


def test_faults_are_named_listed_and_removed() -> None:
    """Each has an id; an unknown kind or an impossible chance is refused."""
    faults = Faults()
    name = faults.add(Fault("throttle"))
    faults.add(Fault("lost", id="mine"))
    assert [fault.id for fault in faults.active()] == [name, "mine"]
    assert faults.remove("mine")
    assert not faults.remove("mine")
    with pytest.raises(ValueError, match="there is no fault"):
        Fault("bogus")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="probability"):
        Fault("lost", probability=2)


def _reason(stage: Stage) -> Any:
    return stage.tasks(desiredStatus="STOPPED")[0]["stoppedReason"]


def test_an_image_can_be_made_to_be_missing(laptop: Laptop, stage: Stage) -> None:
    """The task ends as it does when the tag is not there; the next one finds it."""
    laptop.aws.faults.add(Fault("image_missing", image="web:*", count=1))
    stage.service(desiredCount=1)
    assert _reason(stage).startswith("CannotPullContainerError")
    laptop.advance(5)
    assert stage.seen()["runningCount"] == 1


def test_a_crash_comes_after_a_while(laptop: Laptop, stage: Stage) -> None:
    """The containers exit with the given code, the given time after they started."""
    laptop.aws.faults.add(Fault("crash", service="web", after=30, exit_code=9, count=1))
    stage.service(desiredCount=1)
    laptop.advance(29)
    assert stage.tasks(desiredStatus="STOPPED") == []
    laptop.advance(1)
    assert stage.tasks(desiredStatus="STOPPED")[0]["containers"][0]["exitCode"] == 9
    assert stage.seen()["runningCount"] == 1


def test_a_task_can_be_never_healthy(laptop: Laptop, stage: Stage) -> None:
    """Its load-balancer checks fail, whatever it answers, and ECS replaces it."""
    laptop.aws.faults.add(Fault("never_healthy", service="web", count=1))
    stage.service(desiredCount=1, loadBalancers=stage.behind(stage.blue))
    laptop.advance(20)
    assert _reason(stage).startswith("Task failed ELB health checks")
    laptop.advance(40)
    assert stage.health(stage.blue) == ["healthy"]


def test_a_slow_start_and_no_capacity_take_their_time(laptop: Laptop, stage: Stage) -> None:
    """PENDING for longer; or not placed at all, with the event that says so, and tried again."""
    laptop.aws.faults.add(Fault("slow_start", service="web", after=100, count=1))
    stage.service(desiredCount=1)
    laptop.advance(99)
    assert stage.tasks()[0]["lastStatus"] == "PENDING"
    laptop.advance(1)
    assert stage.tasks()[0]["lastStatus"] == "RUNNING"
    laptop.aws.faults.add(Fault("no_capacity", count=2))
    stage.update(desiredCount=2)
    assert any("Capacity is unavailable at this time" in text for text in stage.messages())
    laptop.advance(10)
    assert stage.seen()["runningCount"] == 2
    laptop.aws.faults.add(Fault("no_capacity", service="web"))
    answer = stage.ecs.run_task(
        cluster="demo", taskDefinition="web", launchType="FARGATE", networkConfiguration=stage.where
    )
    assert answer["tasks"] == []
    assert "Capacity is unavailable" in answer["failures"][0]["reason"]


def test_capacity_can_be_lacking_on_one_provider(laptop: Laptop, stage: Stage) -> None:
    """Tasks with a launch type, or on another provider, are placed; those on Spot are taken away and not replaced."""
    spot = [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]
    stage.service(desiredCount=2, launchType=None, capacityProviderStrategy=spot)
    laptop.advance(60)
    assert stage.seen()["runningCount"] == 2
    laptop.aws.inject(Fault("no_capacity", provider="FARGATE_SPOT"))
    laptop.aws.inject(Fault("spot_interruption", provider="FARGATE"))
    laptop.advance(600)
    assert stage.seen()["runningCount"] == 2
    laptop.aws.inject(Fault("spot_interruption", provider="FARGATE_SPOT", count=1))
    laptop.advance(600)
    assert stage.seen()["runningCount"] == 1
    answer = stage.ecs.run_task(
        cluster="demo", taskDefinition="web", launchType="FARGATE", networkConfiguration=stage.where
    )
    assert len(answer["tasks"]) == 1


@pytest.mark.parametrize(
    ("kind", "code"), [("spot_interruption", "SpotInterruption"), ("retirement", "TerminationNotice")]
)
def test_a_running_task_is_taken_away_and_replaced(laptop: Laptop, stage: Stage, kind: FaultKind, code: str) -> None:
    """Task, "stopCode"; the service starts another one."""
    stage.external(desiredCount=2)
    stage.task_set("web:1", stage.blue)
    laptop.aws.inject(Fault(kind, count=1))
    stopped = [task for task in laptop.aws.world.ecs.tasks.values() if task.stop_code]
    assert [task.stop_code for task in stopped] == [code]
    laptop.advance(60)
    assert stage.task_sets()[0]["runningCount"] == 2
