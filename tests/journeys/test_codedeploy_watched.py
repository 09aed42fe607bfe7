"""The example by CodeDeploy, watched from outside: re-routed after two hours, the original terminated after one.

The product follows a rollout on the emulator's clock, which passes only when somebody waits. Beside it somebody looks
with AWS's own clients, over HTTP, whenever the phase changes: the AWS CLI where it is installed, else boto3. What was
seen is a table for each story, line by line: the time since the commit, CodeDeploy's deployments, who gets the requests
on :80 and :9000, the task sets, and our phase.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config

from reconciler.controller.until import has_ended
from reconciler.local.scripted import Script
from reconciler.local.server import serve
from reconciler.rollout import state_tags
from reconciler.rollout.stored_state import Actor, Outcome
from reconciler.rollout_driver.driver import StepResult
from tests.conftest import REGION
from tests.harness.emulated_stack import CLUSTER, SERVICE, EmulatedStack, emulated_stack
from tests.promises.conftest import Record

pytestmark = pytest.mark.apart

CODEDEPLOY = {"type: blue_green": "type: blue_green\nengine: codedeploy"}
ALARM = "errors"
WATCHED = CODEDEPLOY | {"verify: {for: 5m}": f"verify: {{for: 5m, alarms: [{ALARM}]}}"}
GROUP = {"applicationName": f"AppECS-{CLUSTER}-{SERVICE}", "deploymentGroupName": f"DgpECS-{CLUSTER}-{SERVICE}"}
DAY = 86_400.0
COLOURS = {"my-app-frontend-tg-1": "blue", "my-app-frontend-tg-2": "green"}


# -- who looks


@dataclass(slots=True)
class Client:
    """AWS over HTTP, by the AWS CLI or by boto3."""

    endpoint: str
    program: str | None
    home: Path

    def ask(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        if self.program is None:
            client = boto3.client(
                "codedeploy" if service == "deploy" else service,
                endpoint_url=self.endpoint,
                region_name=REGION,
                config=Config(retries={"total_max_attempts": 1}),
            )
            answer: dict[str, Any] = getattr(client, xform_name(operation))(**params)
            return answer
        verb = xform_name(operation, "-")
        command = [self.program, service, verb, "--cli-input-json", json.dumps(params), "--output", "json"]
        environment = os.environ | {"AWS_ENDPOINT_URL": self.endpoint, "AWS_PAGER": "", "HOME": str(self.home)}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout or "{}")
        return found


@dataclass(slots=True)
class Watcher:
    """Writes a line whenever something but the time is other than in the line before."""

    stage: EmulatedStack
    aws: Client
    began: datetime
    lines: list[str] = field(default_factory=list)
    _phase: str = ""
    _balancer: str = ""

    def look(self, phase: str) -> None:
        gets = f":80 {self._gets(80):<5}  :9000 {self._gets(9000):<5}"
        line = f"{self._deployments():<30} {gets}  {self._sets():<12} {phase}"
        if not self.lines or self.lines[-1].partition("  ")[2] != line:
            minutes = round((self.stage.laptop.clock.now() - self.began) / timedelta(minutes=1))
            self.lines.append(f"{minutes // 60}:{minutes % 60:02}  {line}")

    def follow(self, until: Callable[[StepResult], bool]) -> None:
        """The product goes on, and at each new phase there is a look; and one at the end."""

        def goal(result: StepResult) -> bool:
            phase = str(result.step.phase) if result.step is not None else "unread"
            if phase != self._phase:
                self._phase = phase
                self.look(phase)
            return until(result)

        self.stage.apply(goal, patience=10 * DAY)
        self.look(self._phase)

    def for_hours(self, hours: float) -> None:
        end = self.stage.laptop.clock.now() + timedelta(hours=hours)
        self.follow(lambda result: self.stage.laptop.clock.now() >= end)

    def until_phase(self, phase: str) -> None:
        self.follow(lambda result: result.step is not None and result.step.phase == phase and not result.busy)

    def deployment(self) -> str:
        """The newest one."""
        found: str = self.aws.ask("deploy", "ListDeployments", **GROUP)["deployments"][0]
        return found

    def _deployments(self) -> str:
        ids = self.aws.ask("deploy", "ListDeployments", **GROUP)["deployments"]
        if not ids:
            return "none"
        found = self.aws.ask("deploy", "BatchGetDeployments", deploymentIds=ids)["deploymentsInfo"]
        by = {one["deploymentId"]: one for one in found}
        return ", ".join(f"{_kind(by[one])}{by[one]['status']}" for one in reversed(ids))

    def _gets(self, port: int) -> str:
        if not self._balancer:
            (balancer,) = self.aws.ask("elbv2", "DescribeLoadBalancers")["LoadBalancers"]
            self._balancer = balancer["LoadBalancerArn"]
        listeners = self.aws.ask("elbv2", "DescribeListeners", LoadBalancerArn=self._balancer)["Listeners"]
        action = next(one for one in listeners if one["Port"] == port)["DefaultActions"][0]
        gets = [one["TargetGroupArn"].split("/")[1] for one in action["ForwardConfig"]["TargetGroups"] if one["Weight"]]
        return "+".join(COLOURS[one] for one in gets)

    def _sets(self) -> str:
        (service,) = self.aws.ask("ecs", "DescribeServices", cluster=CLUSTER, services=[SERVICE])["services"]
        names = {"PRIMARY": "", "ACTIVE": " beside", "DRAINING": " goes"}
        sets = sorted(service["taskSets"], key=lambda one: str(one["createdAt"]))
        return ", ".join(f"{one['taskDefinition'].rpartition(':')[2]}{names[one['status']]}" for one in sets)


def _kind(deployment: Mapping[str, Any]) -> str:
    return "rollback " if deployment["creator"] == "codeDeployRollback" else ""


# -- stories


@dataclass(frozen=True, slots=True)
class Story:
    """`tells` what happens after the commit of v2 (`commits`), and `seen` is what was seen, line by line."""

    name: str
    tells: Callable[[Watcher], None]
    seen: str
    ends: tuple[Outcome, Actor]
    texts: Mapping[str, str] = field(default_factory=lambda: CODEDEPLOY)
    script: Mapping[str, Any] = field(default_factory=dict)
    commits: bool = True


def _to_the_end(watcher: Watcher) -> None:
    watcher.follow(has_ended)


def _stopped_at_the_gate(watcher: Watcher) -> None:
    watcher.until_phase("awaiting_promotion")
    watcher.for_hours(1)
    watcher.aws.ask("deploy", "StopDeployment", deploymentId=watcher.deployment(), autoRollbackEnabled=True)
    watcher.follow(has_ended)


def _continued_at_the_gate(watcher: Watcher) -> None:
    watcher.until_phase("awaiting_promotion")
    watcher.for_hours(0.5)
    ready = watcher.deployment()
    watcher.aws.ask("deploy", "ContinueDeployment", deploymentId=ready, deploymentWaitType="READY_WAIT")
    watcher.follow(has_ended)


def _stopped_in_the_termination_hour(watcher: Watcher) -> None:
    watcher.until_phase("baking")
    watcher.for_hours(0.5)
    watcher.aws.ask("deploy", "StopDeployment", deploymentId=watcher.deployment(), autoRollbackEnabled=True)
    watcher.follow(has_ended)


def _alarm_in_the_first_minutes(watcher: Watcher) -> None:
    watcher.until_phase("verifying")
    watcher.aws.ask("cloudwatch", "SetAlarmState", AlarmName=ALARM, StateValue="ALARM", StateReason="a test")
    watcher.follow(has_ended)


def _somebody_else_deploys(watcher: Watcher) -> None:
    """A copy of the revision that serves, as the console makes one; continued there, and its original removed."""
    arn = watcher.stage.service()["taskDefinition"]
    item = watcher.aws.ask("ecs", "DescribeTaskDefinition", taskDefinition=arn)["taskDefinition"]
    fields = ("family", "containerDefinitions", "networkMode", "cpu", "memory", "executionRoleArn",
              "requiresCompatibilities", "runtimePlatform")  # fmt: skip
    copied = watcher.aws.ask("ecs", "RegisterTaskDefinition", **{key: item[key] for key in fields if key in item})
    target = {
        "TaskDefinition": copied["taskDefinition"]["taskDefinitionArn"],
        "LoadBalancerInfo": {"ContainerName": "frontend", "ContainerPort": 80},
    }
    resource = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": target}}
    content = json.dumps({"version": "0.0", "Resources": [resource]})
    revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": content}}
    made = watcher.aws.ask("deploy", "CreateDeployment", **GROUP, revision=revision)["deploymentId"]
    watcher.for_hours(0.5)
    for wait in ("READY_WAIT", "TERMINATION_WAIT"):
        watcher.aws.ask("deploy", "ContinueDeployment", deploymentId=made, deploymentWaitType=wait)
        watcher.for_hours(0.25)
    watcher.follow(has_ended)


STORIES = {
    one.name: one
    for one in (
        Story(
            "the example",
            _to_the_end,
            """
            0:00  none                           :80 blue   :9000 blue   2            idle
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  scaling_up
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  testing
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  awaiting_promotion
            2:00  Ready                          :80 blue   :9000 green  2, 3 beside  shifting
            2:00  InProgress                     :80 green  :9000 green  2 beside, 3  verifying
            2:05  InProgress                     :80 green  :9000 green  2 beside, 3  baking
            3:05  Succeeded                      :80 green  :9000 green  2 goes, 3    teardown
            3:06  Succeeded                      :80 green  :9000 green  3            idle
            """,
            (Outcome.PROMOTED, Actor.TIMER),
        ),
        Story(
            "continued at the gate",
            _continued_at_the_gate,
            """
            0:00  none                           :80 blue   :9000 blue   2            idle
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  scaling_up
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  testing
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  awaiting_promotion
            0:30  InProgress                     :80 green  :9000 green  2 beside, 3  verifying
            0:35  InProgress                     :80 green  :9000 green  2 beside, 3  baking
            1:35  Succeeded                      :80 green  :9000 green  2 goes, 3    teardown
            1:36  Succeeded                      :80 green  :9000 green  3            idle
            """,
            (Outcome.PROMOTED, Actor.TIMER),
        ),
        Story(
            "stopped in the Ready hours",
            _stopped_at_the_gate,
            """
            0:00  none                           :80 blue   :9000 blue   2            idle
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  scaling_up
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  testing
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  awaiting_promotion
            1:00  Stopped, rollback Succeeded    :80 blue   :9000 blue   2, 3 goes    failed
            1:01  Stopped, rollback Succeeded    :80 blue   :9000 blue   2            failed
            """,
            (Outcome.FAILED, Actor.ENGINE),
        ),
        Story(
            "stopped in the termination hour",
            _stopped_in_the_termination_hour,
            """
            0:00  none                           :80 blue   :9000 blue   2            idle
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  scaling_up
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  testing
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  awaiting_promotion
            2:00  Ready                          :80 blue   :9000 green  2, 3 beside  shifting
            2:00  InProgress                     :80 green  :9000 green  2 beside, 3  verifying
            2:05  InProgress                     :80 green  :9000 green  2 beside, 3  baking
            2:35  Stopped, rollback Succeeded    :80 blue   :9000 blue   2, 3 goes    rolling_back
            2:35  Stopped, rollback Succeeded    :80 blue   :9000 blue   2, 3 goes    rolled_back
            2:36  Stopped, rollback Succeeded    :80 blue   :9000 blue   2            rolled_back
            """,
            (Outcome.ROLLED_BACK, Actor.ENGINE),
        ),
        Story(
            "an image that exits",
            _to_the_end,
            """
            0:00  none                           :80 blue   :9000 blue   2            idle
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  scaling_up
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  failed
            0:00  Stopped, rollback Succeeded    :80 blue   :9000 blue   2            failed
            """,
            (Outcome.FAILED, Actor.ENGINE),
            script={"exits_after": 2.0, "exit_code": 1},
        ),
        Story(
            "a task that never gets healthy",
            _to_the_end,
            """
            0:00  none                           :80 blue   :9000 blue   2            idle
            0:00  InProgress                     :80 blue   :9000 blue   2, 3 beside  scaling_up
            0:01  InProgress                     :80 blue   :9000 blue   2, 3 beside  failed
            0:01  Stopped, rollback Succeeded    :80 blue   :9000 blue   2            failed
            """,
            (Outcome.FAILED, Actor.ENGINE),
            script={"healthy": False},
        ),
        Story(
            "an alarm",
            _alarm_in_the_first_minutes,
            """
            0:00  none                           :80 blue   :9000 blue   2            idle
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  scaling_up
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  testing
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  awaiting_promotion
            2:00  Ready                          :80 blue   :9000 green  2, 3 beside  shifting
            2:00  InProgress                     :80 green  :9000 green  2 beside, 3  verifying
            2:00  Stopped, rollback Succeeded    :80 blue   :9000 blue   2, 3 goes    rolling_back
            2:00  Stopped, rollback Succeeded    :80 blue   :9000 blue   2, 3 goes    rolled_back
            2:01  Stopped, rollback Succeeded    :80 blue   :9000 blue   2            rolled_back
            """,
            (Outcome.ROLLED_BACK, Actor.ENGINE),
            texts=WATCHED,
        ),
        Story(
            "somebody else deploys",
            _somebody_else_deploys,
            """
            0:00  none                           :80 blue   :9000 blue   2            idle
            0:00  Ready                          :80 blue   :9000 green  2, 3 beside  blocked
            0:45  InProgress                     :80 green  :9000 green  2 beside, 3  blocked
            0:45  Succeeded, Ready               :80 green  :9000 blue   2 goes, 3, 2 beside scaling_up
            0:45  Succeeded, Ready               :80 green  :9000 blue   2 goes, 3, 2 beside testing
            0:45  Succeeded, Ready               :80 green  :9000 blue   2 goes, 3, 2 beside awaiting_promotion
            1:00  Succeeded, Ready               :80 green  :9000 blue   3, 2 beside  awaiting_promotion
            2:45  Succeeded, Ready               :80 green  :9000 blue   3, 2 beside  shifting
            2:45  Succeeded, InProgress          :80 blue   :9000 blue   3 beside, 2  verifying
            2:50  Succeeded, InProgress          :80 blue   :9000 blue   3 beside, 2  baking
            3:50  Succeeded, Succeeded           :80 blue   :9000 blue   3 goes, 2    teardown
            3:51  Succeeded, Succeeded           :80 blue   :9000 blue   2            idle
            """,
            (Outcome.PROMOTED, Actor.TIMER),
            commits=False,
        ),
    )
}


def tell(story: Story, program: str | None, home: Path) -> tuple[list[str], tuple[Outcome, Actor] | None]:
    """What was seen, and how the rollout of v2 has ended."""
    with emulated_stack(story.texts) as stage:
        if story.texts is WATCHED:
            stage.laptop.client("cloudwatch").put_metric_alarm(
                AlarmName=ALARM, Namespace="x", MetricName="y", Statistic="Sum", Period=60, EvaluationPeriods=1,
                Threshold=1.0, ComparisonOperator="GreaterThanThreshold",
            )  # fmt: skip
        stage.serving()
        if story.script:
            stage.laptop.script(Script(image=f"*{stage.digest('v2')}*", **story.script))
        with serve("127.0.0.1", 0, stage.laptop.aws) as server:
            watcher = Watcher(stage, Client(server.url, program, home), stage.laptop.clock.now())
            watcher.look("idle")
            if story.commits:
                stage.spec(v1="v2")
            story.tells(watcher)
        ended = state_tags.of_tags(stage.tags()).ended
        return watcher.lines, None if ended is None else (ended.outcome, ended.by)


def _check(story: Story, program: str | None, home: Path, record: Record) -> None:
    lines, ended = tell(story, program, home)
    print(f"{story.name}\n" + "\n".join(f"  {line}" for line in lines))
    expected = [line.strip() for line in story.seen.strip().splitlines()]
    wrong = lines != expected or ended != story.ends
    record("S6", f"the example by CodeDeploy, watched from outside: {story.name}", worlds=1, violations=int(wrong))
    assert (lines, ended) == (expected, story.ends)


@pytest.mark.slow
def test_the_example_is_seen_from_outside(tmp_path: Path, record: Record) -> None:
    """Two hours Ready, with green behind :9000; then :80, an hour with both, and blue goes."""
    _check(STORIES["the example"], None, tmp_path, record)


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
def test_every_story_is_seen_from_outside(name: str, tmp_path: Path, record: Record) -> None:
    """The same by the AWS CLI, and what goes wrong in it."""
    _check(STORIES[name], shutil.which("aws"), tmp_path, record)
