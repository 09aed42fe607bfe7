"""Rolling deployments. Source: ECS developer guide, "Rolling update", "Deployment circuit breaker", "Task health"."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from reconciler.local.inprocess import Laptop, laptop_session
from reconciler.local.scheduler.rolling import Counts, Moves, moves
from reconciler.local.scripted import Script
from reconciler.local.timings import Timings
from tests.local.control_plane.stage import Stage

BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


@some.composite
def _counts(draw: Any) -> Counts:
    desired = draw(some.integers(0, 20))
    new, old = draw(some.integers(0, 20)), draw(some.integers(0, 20))
    low = draw(some.integers(0, 100))
    high = draw(some.integers(100, 300))
    return Counts(
        desired=desired,
        lower=-(-desired * low // 100),
        upper=desired * high // 100,
        new=new,
        new_healthy=draw(some.integers(0, new)),
        old=old,
        old_healthy=draw(some.integers(0, old)),
    )


@given(_counts())
def test_no_move_leaves_the_bounds(counts: Counts) -> None:
    """maximumPercent is never exceeded by a start, minimumHealthyPercent never undercut by a stop."""
    chosen = moves(counts)
    sick = counts.old - counts.old_healthy
    if chosen.start:
        assert counts.new + counts.old - chosen.stop_old_unhealthy + chosen.start <= counts.upper
        assert counts.new + chosen.start <= counts.desired
    if chosen.stop_old_healthy:
        assert counts.new_healthy + counts.old_healthy - chosen.stop_old_healthy >= counts.lower
    assert 0 <= chosen.stop_old_unhealthy <= sick
    assert 0 <= chosen.stop_old_healthy <= counts.old_healthy


def test_a_deployment_without_room_is_stuck_and_says_so() -> None:
    """One task, 100 % to 150 %: none may be stopped and none started."""
    assert moves(Counts(desired=1, lower=1, upper=1, new=0, new_healthy=0, old=1, old_healthy=1)) == Moves(stuck=True)


def test_new_tasks_come_up_before_old_ones_go(stage: Stage) -> None:
    """Rolling update with 100/200: at every moment as many healthy tasks as desired; the old ones drain, then stop."""
    stage.service(loadBalancers=stage.behind(stage.blue))
    stage.definition("web:v2")
    stage.update(taskDefinition="web:2")
    assert stage.deployments() == [("PRIMARY", "web:2", "IN_PROGRESS", 2), ("ACTIVE", "web:1", "COMPLETED", 2)]
    assert stage.health(stage.blue) == ["draining", "draining", "healthy", "healthy"]
    stage.advance(30)
    assert stage.deployments() == [("PRIMARY", "web:2", "COMPLETED", 2)]
    assert stage.messages()[-1] == "(service web) has reached a steady state."


def test_events_are_worded_as_aws_words_them(stage: Stage) -> None:
    """Developer guide, "Viewing Amazon ECS service event messages"."""
    stage.service(loadBalancers=stage.behind(stage.blue), desiredCount=1)
    deployment = stage.seen()["deployments"][0]["id"]
    task = stage.tasks(serviceName="web")[0]["taskArn"].rpartition("/")[2]
    assert stage.messages() == [
        f"(service web) has started 1 tasks: (task {task}).",
        f"(service web) registered 1 targets in (target-group {stage.blue})",
        f"(service web) (deployment {deployment}) deployment completed.",
        "(service web) has reached a steady state.",
    ]


def test_without_any_health_check_a_task_must_have_run_for_a_while() -> None:
    """Developer guide, "How Amazon ECS determines task health": some time after RUNNING."""
    with laptop_session(timings=Timings.aws()) as laptop:
        stage = Stage(laptop).network().cluster()
        stage.definition()
        stage.service()
        laptop.advance(30)
        assert [task["lastStatus"] for task in stage.tasks(serviceName="web")] == ["RUNNING", "RUNNING"]
        assert stage.deployments()[0][2] == "IN_PROGRESS"
        laptop.advance(40)
        assert stage.deployments()[0][2] == "COMPLETED"


def test_a_task_goes_through_every_state_of_its_life() -> None:
    """Developer guide, "Task lifecycle": with AWS's own durations each state can be seen."""
    with laptop_session(timings=Timings.aws()) as laptop:
        stage = Stage(laptop).network().load_balancer().cluster()
        laptop.advance(120)
        stage.definition()
        laptop.tasks.script(Script(stops_after=5))
        stage.service(desiredCount=1, loadBalancers=stage.behind(stage.blue))
        seen: list[str] = []

        def status() -> str:
            arns = [task.arn for task in laptop.aws.world.ecs.tasks.values()]
            found: str = stage.ecs.describe_tasks(cluster="demo", tasks=arns)["tasks"][0]["lastStatus"]
            return found

        for step in range(70):
            if step == 30:
                stage.update(desiredCount=0)
            if not seen or seen[-1] != status():
                seen.append(status())
            laptop.advance(2)
        assert seen == [
            "PROVISIONING",
            "PENDING",
            "RUNNING",
            "DEACTIVATING",
            "STOPPING",
            "DEPROVISIONING",
            "STOPPED",
        ]


def test_the_circuit_breaker_rolls_back_to_the_last_completed_deployment(laptop: Laptop, stage: Stage) -> None:
    """Circuit breaker: half of the desired count, at least 3; the failed deployment is FAILED, the old one PRIMARY
    again.
    """
    laptop.tasks.script(Script(image="web:v2", exits_after=0, exit_code=3))
    stage.service(deploymentConfiguration=BREAKER)
    first = stage.seen()["deployments"][0]["id"]
    stage.definition("web:v2")
    stage.update(taskDefinition="web:2")
    failed = stage.seen()["deployments"][0]["id"]
    laptop.until(lambda: stage.seen()["deployments"][0]["id"] == first)
    assert 3 <= sum(task.containers[0].image == "web:v2" for task in laptop.tasks.started) <= 4
    laptop.until(lambda: stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)])
    assert stage.seen()["taskDefinition"].endswith("web:1")
    assert f"(service web) (deployment {failed}) deployment failed: tasks failed to start." in stage.messages()
    assert f"(service web) rolling back to deployment {first}." in stage.messages()
    listed = stage.ecs.list_service_deployments(cluster="demo", service="web")["serviceDeployments"]
    assert [item["status"] for item in listed] == ["ROLLBACK_SUCCESSFUL", "SUCCESSFUL"]
    assert listed[0]["statusReason"] == "ECS deployment circuit breaker: tasks failed to start."


def test_without_rollback_the_deployment_just_fails(laptop: Laptop, stage: Stage) -> None:
    """Circuit breaker with rollback off: FAILED, nothing more is started, the old tasks stay."""
    laptop.tasks.script(Script(image="web:v2", fails_to_start="ResourceInitializationError: no"))
    stage.service(deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": False}})
    stage.definition("web:v2")
    stage.update(taskDefinition="web:2")
    laptop.until(lambda: stage.deployments()[0][2] == "FAILED")
    started = len(laptop.tasks.started)
    laptop.advance(3600)
    assert len(laptop.tasks.started) == started
    assert stage.deployments() == [("PRIMARY", "web:2", "FAILED", 0), ("ACTIVE", "web:1", "COMPLETED", 2)]
    reason = stage.seen()["deployments"][0]["rolloutStateReason"]
    assert reason == "ECS deployment circuit breaker: tasks failed to start."


def test_without_a_circuit_breaker_it_tries_for_ever_and_ever_more_slowly(laptop: Laptop, stage: Stage) -> None:
    """Developer guide, "Service throttling logic": a service whose tasks fail repeatedly is slowed down, to 15
    minutes.
    """
    laptop.tasks.script(Script(exits_after=0, exit_code=1))
    stage.service(desiredCount=1)
    laptop.advance(3600)
    first_hour = len(laptop.tasks.started)
    laptop.advance(3600)
    assert 10 <= first_hour <= 20
    assert 3 <= len(laptop.tasks.started) - first_hour <= 5
    assert any("is unable to consistently start tasks successfully" in text for text in stage.messages())
    assert stage.deployments()[0][2] == "IN_PROGRESS"


def test_a_task_the_load_balancer_finds_unhealthy_is_replaced(laptop: Laptop, stage: Stage) -> None:
    """Developer guide, "Task health": stopped with the target group's ARN as its reason, once the grace period is
    over.
    """
    laptop.tasks.script(Script(healthy=False))
    stage.service(loadBalancers=stage.behind(stage.blue), desiredCount=1, healthCheckGracePeriodSeconds=60)
    laptop.advance(59)
    assert stage.tasks(desiredStatus="STOPPED") == []
    laptop.advance(1)
    stopped = stage.tasks(desiredStatus="STOPPED")[0]
    assert stopped["stopCode"] == "ServiceSchedulerInitiated"
    assert stopped["stoppedReason"] == f"Task failed ELB health checks in (target-group {stage.blue})"
    assert any("is unhealthy in (target-group" in text and "[503]" in text for text in stage.messages())


def test_a_killed_task_is_replaced_with_its_exit_code_kept(laptop: Laptop, stage: Stage) -> None:
    """StopCode EssentialContainerExited; the service starts another."""
    stage.service(desiredCount=1)
    laptop.advance(60)
    victim = stage.tasks(serviceName="web")[0]["taskArn"]
    laptop.tasks.kill(victim.rpartition("/")[2], 137)
    laptop.aws.tick()
    gone = stage.ecs.describe_tasks(cluster="demo", tasks=[victim])["tasks"][0]
    assert gone["stopCode"] == "EssentialContainerExited"
    assert gone["stoppedReason"] == "Essential container in task exited"
    assert gone["containers"][0]["exitCode"] == 137
    assert [task["taskArn"] != victim for task in stage.tasks(serviceName="web")] == [True]
    assert stage.seen()["runningCount"] == 1


def test_a_container_that_fails_its_own_check_ends_the_task(laptop: Laptop, stage: Stage) -> None:
    """HealthCheck: UNHEALTHY after `retries`; the service replaces the task; HEALTHY ones count as healthy."""
    check = {"healthCheck": {"command": ["CMD-SHELL", "true"], "interval": 5, "retries": 2}}
    stage.definition("web:v1", container=check)
    stage.service(taskDefinition="web:2", desiredCount=1)
    assert stage.deployments()[0][2] == "IN_PROGRESS"
    laptop.advance(5)
    assert stage.deployments()[0][2] == "COMPLETED"
    assert stage.tasks(serviceName="web")[0]["healthStatus"] == "HEALTHY"
    laptop.tasks.script(Script(image="web:v2", healthy=False))
    stage.definition("web:v2", container=check)
    stage.update(taskDefinition="web:3")
    laptop.advance(10)
    stopped = [task for task in stage.tasks(desiredStatus="STOPPED") if task["taskDefinitionArn"].endswith(":3")]
    assert stopped[0]["stoppedReason"] == "Task failed container health checks"


def test_a_newer_update_supersedes_the_one_under_way(laptop: Laptop, stage: Stage) -> None:
    """ServiceDeployment, "status": the older one is STOPPED, which is not a failure."""
    laptop.tasks.script(Script(image="web:v2", starts_after=600))
    stage.service()
    for image in ("web:v2", "web:v3"):
        stage.definition(image)
    stage.update(taskDefinition="web:2")
    stage.update(taskDefinition="web:3")
    laptop.until(lambda: stage.deployments() == [("PRIMARY", "web:3", "COMPLETED", 2)])
    listed = stage.ecs.list_service_deployments(cluster="demo", service="web")["serviceDeployments"]
    assert [item["status"] for item in listed] == ["SUCCESSFUL", "STOPPED", "SUCCESSFUL"]


def test_scaling_in_takes_the_least_missed(laptop: Laptop, stage: Stage) -> None:
    """Tasks that do not run yet go first; protected ones stay (UpdateTaskProtection)."""
    stage.service(desiredCount=3)
    laptop.advance(10)
    arns = [task["taskArn"] for task in stage.tasks(serviceName="web")]
    stage.ecs.update_task_protection(cluster="demo", tasks=[arns[0]], protectionEnabled=True)
    protected = stage.ecs.get_task_protection(cluster="demo", tasks=[arns[0]])["protectedTasks"][0]
    assert protected["protectionEnabled"]
    stage.update(desiredCount=1)
    assert [task["taskArn"] for task in stage.tasks(serviceName="web")] == [arns[0]]
    stopped = stage.tasks(desiredStatus="STOPPED")[0]
    assert stopped["stoppedReason"].startswith("Scaling activity initiated by (deployment ecs-svc/")


def test_an_alarm_rolls_a_deployment_back(laptop: Laptop, stage: Stage) -> None:
    """DeploymentAlarms: an alarm in ALARM fails the deployment; one that rang already when it began is ignored."""
    cloudwatch = laptop.client("cloudwatch")
    for name in ("errors", "old"):
        cloudwatch.put_metric_alarm(
            AlarmName=name, MetricName="m", Namespace="n", Period=60, EvaluationPeriods=1, Threshold=1,
            Statistic="Sum", ComparisonOperator="GreaterThanThreshold",
        )  # fmt: skip
    cloudwatch.set_alarm_state(AlarmName="old", StateValue="ALARM", StateReason="x")
    alarms = {"alarms": {"alarmNames": ["errors", "old"], "enable": True, "rollback": True}, "bakeTimeInMinutes": 5}
    stage.service(deploymentConfiguration=alarms)
    laptop.advance(300)
    assert stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)]
    stage.definition("web:v2")
    stage.update(taskDefinition="web:2")
    laptop.advance(60)
    assert stage.deployments()[0][:3] == ("PRIMARY", "web:2", "IN_PROGRESS")
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="x")
    laptop.advance(60)
    laptop.until(lambda: stage.deployments() == [("PRIMARY", "web:1", "COMPLETED", 2)])
    listed = stage.ecs.list_service_deployments(cluster="demo", service="web")["serviceDeployments"][0]
    shown = stage.ecs.describe_service_deployments(serviceDeploymentArns=[listed["serviceDeploymentArn"]])
    assert shown["serviceDeployments"][0]["alarms"]["triggeredAlarmNames"] == ["errors"]


@pytest.mark.parametrize("desired", [1, 3, 10])
def test_a_revision_is_named_like_its_deployment(stage: Stage, desired: int) -> None:
    """ServiceRevision: its ARN ends with the number in `deployments[].id`; the service names both."""
    stage.service(desiredCount=desired)
    seen = stage.seen()
    number = seen["deployments"][0]["id"].removeprefix("ecs-svc/")
    assert len(number) == 19
    summary = seen["currentServiceRevisions"][0]
    assert summary["arn"].endswith(f"/demo/web/{number}")
    assert summary["runningTaskCount"] == desired
    revision = stage.ecs.describe_service_revisions(serviceRevisionArns=[summary["arn"]])["serviceRevisions"][0]
    assert revision["taskDefinition"].endswith("web:1")
    assert revision["containerImages"][0]["image"] == "web:v1"
