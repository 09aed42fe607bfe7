"""Pre-deployment tasks over the local AWS emulator: every engine, first deployments, and a crash at every write."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.controller.goals import Applied
from reconciler.controller.until import has_ended
from reconciler.local.scripted import Script
from reconciler.local.timings import Timings
from reconciler.model.resource import Call
from reconciler.resources._task_runs import family_of
from reconciler.rollout.engine import Phase
from reconciler.rollout.outlook import Outlook
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout_driver.preview import prospects, with_attempts
from reconciler.rollout_driver.targets import known_of, rollouts_of
from tests.controller.commands import command
from tests.harness.crash import Crash, CrashGate, How, Point
from tests.harness.emulated_stack import CLUSTER, SERVICE, SHORT, EmulatedStack, emulated_stack
from tests.harness.seed import SEED
from tests.harness.unpropagated import Unpropagated
from tests.promises.conftest import mostly_slow

MIGRATE = f"""kind: Task
name: migrate
cluster: {CLUSTER}
before: {SERVICE}
task:
  cpu: 256
  memory: 512
  containers:
    migrate: {{image: "public.ecr.aws/docker/library/python:3.12", command: [migrate]}}
  logs: {{retention_days: 7}}
placement: {{subnets: [app-public1-a], security_groups: [my-app-task-sg], public_ip: true}}
"""
STARTS = ("CreateTaskSet", "UpdateService", "CreateDeployment")


pytestmark = pytest.mark.apart


@pytest.fixture(scope="module", params=mostly_slow(("task_sets", "rolling", "codedeploy"), "task_sets"))
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example specs with a pre-deployment task, deployed by each engine."""
    specs = Path(shutil.copytree(SEED, tmp_path_factory.mktemp(request.param) / "specs"))
    (specs / "migrate.yaml").write_text(MIGRATE, encoding="utf-8")
    if request.param == "codedeploy":
        file = specs / "deployment.yaml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("type: blue_green", "type: blue_green\nengine: codedeploy"), encoding="utf-8")
    if request.param == "rolling":
        file = specs / "services" / "frontend.yaml"
        text = re.sub(r"deployment: .*\n", "", file.read_text(encoding="utf-8"))
        file.write_text(re.sub(r"(my-app-frontend-tg-1), my-app-frontend-tg-2", r"\1", text), encoding="utf-8")
    return specs


@pytest.fixture(scope="module")
def stage(for_a_module: None, folder: Path) -> Iterator[EmulatedStack]:
    """Nothing is deployed; v1 and v2 are pushed."""
    with emulated_stack(terms=SHORT, folder=folder) as found:
        exits(found, 0)
        found.infrastructure()
        for tag in ("v1", "v2"):
            found.push(tag)
        yield found


def exits(stage: EmulatedStack, code: int, after: float = 20.0) -> None:
    stage.laptop.script(Script(image="*python*", exits_after=after, exit_code=code, logs=("migrating",)))


def runs(stage: EmulatedStack) -> list[dict[str, Any]]:
    ecs = stage.laptop.client("ecs")
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for arn in ecs.list_tasks(cluster=CLUSTER, family="migrate", desiredStatus=status)["taskArns"]
    ]
    found: list[dict[str, Any]] = ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
    return found


def deployed(stage: EmulatedStack) -> None:
    """Until what is wanted runs, as `apply --wait` does: passes and results, one after the other."""
    for _ in range(3):
        assert not stage.apply(has_ended).went_wrong
    assert stage.service()["runningCount"] == 1


def test_it_runs_before_the_first_version_starts(stage: EmulatedStack) -> None:
    """There is no blue yet, and no task of the service runs before the task has ended with 0."""
    told: list[tuple[str, int]] = []

    def before(call: Call) -> None:
        if call.operation in (*STARTS, "RunTask"):
            told.append((call.operation, stage.service()["runningCount"]))

    stage.transport.before = before
    deployed(stage)

    mine = [one for one in told if one[0] != "RunTask" or "migrate" in str(runs(stage))]
    assert all(running == 0 for _, running in mine), told
    (run,) = runs(stage)
    tasks = stage.laptop.client("ecs").list_tasks(cluster=CLUSTER, serviceName=SERVICE)["taskArns"]
    (task,) = stage.laptop.client("ecs").describe_tasks(cluster=CLUSTER, tasks=tasks)["tasks"]
    assert run["stoppedAt"] <= task["createdAt"]


def test_it_has_the_tags_of_its_own_document(stage: EmulatedStack) -> None:
    """Together with those of its service they could be more than ECS takes."""
    stage.change(
        {
            "name: migrate\n": "name: migrate\ntags: {data: yes-it-has}\n",
            "kind: Service\n": "kind: Service\ntags: {owner: web}\n",
        }
    )
    given: list[Call] = []
    stage.transport.before = lambda call: given.append(call) if call.operation == "RunTask" else None
    deployed(stage)

    (run,) = given
    tags = {tag["key"]: tag["value"] for tag in run.params["tags"]}
    assert tags["data"] == "yes-it-has"
    assert "owner" not in tags
    assert tags["reconciler:address"] == "task/migrate"


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [{"roles": 10.0}, {"fleet": 30.0}], ids=["refused", "accepted, and not started"])
def test_it_is_started_once_aws_knows_its_role(folder: Path, seconds: dict[str, float]) -> None:
    """A first deployment, with roles that were created seconds ago, fails neither the task nor the release."""
    timings = Timings(iam_propagation=seconds.get("fleet", 0.0))
    with emulated_stack(terms=SHORT, folder=folder, timings=timings) as stage:
        exits(stage, 0)
        aws = Unpropagated(stage.laptop, roles=seconds.get("roles", 0.0), by_operation=True, only=["ecs"])
        stage.transport = aws
        stage.restart()
        stage.infrastructure()
        stage.push("v1")
        began = stage.laptop.clock.now()
        deployed(stage)
        (ended,) = [run for run in runs(stage) if run["containers"][0].get("exitCode") == 0]
        assert ended["createdAt"] - began < timedelta(minutes=1)
        assert aws.refused["RunTask"] or len(runs(stage)) > 1


def test_it_runs_once_for_each_release_and_not_for_a_rollback(stage: EmulatedStack) -> None:
    """Passes at rest run nothing; neither does a return to what was in production."""
    deployed(stage)
    stage.spec(v1="v2")
    deployed(stage)
    assert len(runs(stage)) == 2
    stage.follow(has_ended)
    stage.say(RequestVerb.ROLLBACK)
    stage.follow(has_ended)

    assert stage.last.step is not None
    assert len(runs(stage)) == 2
    assert stage.service()["runningCount"] == 1


def test_a_task_that_fails_holds_the_release_back(stage: EmulatedStack) -> None:
    """Production stays; the diagnosis has the exit code and the log of the task; retry runs it again."""
    deployed(stage)
    exits(stage, 1)
    stage.spec(v1="v2")
    stage.transport.sent.clear()
    followed = stage.apply(has_ended)

    assert [result.step.phase for result in followed.went_wrong if result.step is not None] == [Phase.FAILED]
    assert not any(stage.transport.sent[name] for name in STARTS)
    (diagnosis,) = followed.diagnoses
    assert diagnosis.log == ("migrating",)
    assert [fold.exit_code for fold in diagnosis.tasks] == [1]
    assert len(runs(stage)) == 2

    exits(stage, 0)
    assert stage.last.seen is not None
    stage.say(RequestVerb.RETRY, release=stage.last.seen.wanted)
    deployed(stage)
    assert sorted(one["containers"][0]["exitCode"] for one in runs(stage)) == [0, 0, 1]


def test_a_corrected_task_is_tried_again_by_a_plan_that_says_so(stage: EmulatedStack) -> None:
    """Its new revision is registered by the same plan; one that does not contain the attempt does not start it."""
    exits(stage, 1)
    assert stage.apply(has_ended).went_wrong
    exits(stage, 0)
    stage.change({"command: [migrate]": "command: [migrate, again]"})
    controller = command(stage)
    report = controller.look()
    rollouts, missing = rollouts_of(
        stage.desired_state.deliveries, stage.desired_state.desired, report.world, stage.desired_state.place.stack
    )
    previews = prospects(stage.driver, rollouts, missing, known_of(rollouts, report.world))
    plan = with_attempts(report.plan, previews)
    assert [(one.outlook, one.new_attempt, bool(one.then)) for one in previews] == [(Outlook.NEW, True, True)]
    assert plan.new_attempts == (rollouts[0].address,)
    assert plan.digest != report.plan.digest

    for agreed, ran in ((report.plan, 1), (plan, 2)):
        controller = command(stage)
        controller.look()
        controller.run(Applied(goal=has_ended, rollout_patience=7200.0), agreed=agreed)
        assert len(runs(stage)) == ran
    assert stage.service()["runningCount"] == 1


def test_an_image_that_is_not_pushed_starts_no_task(stage: EmulatedStack) -> None:
    """The release could not start either."""
    deployed(stage)
    stage.laptop.client("ecr").batch_delete_image(repositoryName=SERVICE, imageIds=[{"imageTag": "v2"}])
    stage.spec(v1="v2")
    stage.follow(has_ended)
    assert len(runs(stage)) == 1


def test_the_outcome_outlives_the_hour_and_the_process(stage: EmulatedStack) -> None:
    """What was stored is all that the next process needs, when ECS knows nothing of the task any more."""
    deployed(stage)
    stage.laptop.advance(2 * 3600)
    assert runs(stage) == []
    stage.restart()
    stage.apply(has_ended)
    assert runs(stage) == []


def test_a_task_that_nobody_saw_end_is_lost(stage: EmulatedStack) -> None:
    """The process was gone for hours: the release is held back, and the reason says so."""
    deployed(stage)
    stage.spec(v1="v2")
    stage.apply(lambda result: result.step is not None and result.seen is not None and _known(result.seen.marks))
    stage.laptop.advance(3 * 3600)
    stage.restart()
    followed = stage.apply(has_ended)
    assert [result.step.phase for result in followed.went_wrong if result.step is not None] == [Phase.FAILED]
    assert runs(stage) == []


def _known(marks: Any) -> bool:
    return marks.task_run is not None and bool(marks.task_run.id)


@pytest.mark.parametrize("how", mostly_slow(How, How.BEFORE))
@pytest.mark.parametrize("write", mostly_slow(range(4), 1))
def test_a_crash_neither_skips_nor_doubles_it(stage: EmulatedStack, how: How, write: int) -> None:
    """Before, at and after each write of the run, and whether the task ends before the next process starts."""
    deployed(stage)
    stage.spec(v1="v2")
    report = stage.infrastructure()
    gate = _AtWrite(stage.transport, write, how)
    stage.restart(gate)
    rollouts = stage.rollouts(report)
    with suppress(Crash):
        stage.follow(has_ended, rollouts=rollouts, patience=30.0)
    stage.laptop.advance(60.0)
    stage.restart()
    deployed(stage)

    assert [one["containers"][0]["exitCode"] for one in runs(stage)] == [0, 0], "one for each release"


def test_a_stopped_run_is_found_by_the_name_in_aws(folder: Path, tmp_path: Path) -> None:
    """ECS lists stopped tasks by family, which is not named after the document if that has an `aws_name`."""
    text = MIGRATE.replace("name: migrate\n", "name: migrate\naws_name: shop-migrate\n", 1)
    folder = Path(shutil.copytree(folder, tmp_path / "specs"))
    (folder / "migrate.yaml").write_text(text, encoding="utf-8")
    with emulated_stack(terms=SHORT, folder=folder) as stage:
        stage.infrastructure()
        stage.push("v1")
        (rollout,) = stage.rollouts(stage.infrastructure())
    assert rollout.pre_deployment is not None
    assert rollout.pre_deployment.task.lacks == ""
    arn = rollout.pre_deployment.desired.spec.task_definition
    assert rollout.pre_deployment.family == family_of(arn) == "shop-migrate"


def left(stage: EmulatedStack) -> set[str]:
    """What is there of the resources that the task alone uses."""
    ecs, logs, iam = (stage.laptop.client(name) for name in ("ecs", "logs", "iam"))
    found = (
        {"definition"}
        if ecs.list_task_definitions(familyPrefix="migrate", status="ACTIVE")["taskDefinitionArns"]
        else set()
    )
    found |= {"log group"} if logs.describe_log_groups(logGroupNamePrefix="/ecs/migrate")["logGroups"] else set()
    return found | {"role" for one in iam.list_roles()["Roles"] if "migrate" in one["RoleName"]}


def without(folder: Path, to: Path, *names: str) -> Path:
    copy = Path(shutil.copytree(folder, to))
    for name in names:
        (copy / name).unlink()
    return copy


@pytest.mark.slow
def test_a_task_that_leaves_the_specs_while_it_runs_keeps_what_it_uses(stage: EmulatedStack, tmp_path: Path) -> None:
    """Its task definition, roles and log group go once it has ended."""
    deployed(stage)
    exits(stage, 0, after=1800.0)
    stage.spec(v1="v2")
    stage.apply(lambda result: result.step is not None and result.seen is not None and _known(result.seen.marks))
    assert left(stage) == {"definition", "log group", "role"}

    stage.folder = without(stage.folder, tmp_path / "specs", "migrate.yaml")
    stage.change({})
    for _ in range(3):
        stage.infrastructure()
        stage.laptop.advance(60)
    assert left(stage) == {"definition", "log group", "role"}

    stage.laptop.advance(1800)
    for _ in range(3):
        assert not stage.apply(has_ended).went_wrong
    assert left(stage) == set()


@pytest.mark.slow
def test_a_schedule_that_leaves_keeps_what_its_running_task_uses(folder: Path, tmp_path: Path) -> None:
    """Nothing of the stack started the task, and ECS does not show its security groups."""
    specs, nightly = (
        Path(shutil.copytree(folder, tmp_path / "specs")),
        MIGRATE.replace(f"before: {SERVICE}", 'run: {schedule: "cron(0 3 * * ? *)"}').replace(
            "security_groups: [my-app-task-sg]", "security_groups: [nightly]"
        ),
    )
    (specs / "migrate.yaml").write_text(nightly, encoding="utf-8")
    network = specs / "network.yaml"
    bare = network.read_text(encoding="utf-8")
    network.write_text(f"{bare}  - {{name: nightly, ingress: []}}\n", encoding="utf-8")
    with emulated_stack(terms=SHORT, folder=specs) as stage:
        exits(stage, 0, after=1800.0)
        stage.serving()
        ecs, ec2 = stage.laptop.client("ecs"), stage.laptop.client("ec2")
        group = next(one for one in ec2.describe_security_groups()["SecurityGroups"] if "nightly" in one["GroupName"])
        vpc = {"Name": "vpc-id", "Values": [group["VpcId"]]}
        subnet, group = ec2.describe_subnets(Filters=[vpc])["Subnets"][0]["SubnetId"], group["GroupId"]
        where = {"awsvpcConfiguration": {"subnets": [subnet], "securityGroups": [group], "assignPublicIp": "ENABLED"}}
        ecs.run_task(
            cluster=CLUSTER,
            taskDefinition="migrate",
            networkConfiguration=where,
            startedBy="chronos-schedule",
            launchType="FARGATE",
        )
        stage.laptop.advance(60)

        stage.folder = without(specs, tmp_path / "left", "migrate.yaml")
        (stage.folder / "network.yaml").write_text(bare, encoding="utf-8")
        stage.change({})
        for _ in range(3):
            stage.infrastructure()
            stage.laptop.advance(60)
        assert left(stage) == {"definition", "log group", "role"}
        assert ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]

        stage.laptop.advance(1800)
        for _ in range(3):
            stage.infrastructure()
        assert left(stage) == set()
        names = {one["GroupName"] for one in ec2.describe_security_groups()["SecurityGroups"]}
        assert not any("nightly" in name for name in names)


class _AtWrite(CrashGate):
    """Crashes at a write that belongs to the run, counted from 0."""

    def __init__(self, inner: Any, write: int, how: How) -> None:
        super().__init__(inner, Point(-1, how))
        self.write, self.how = write, how

    def perform(self, call: Call) -> dict[str, Any]:
        if call.operation in ("TagResource", "UntagResource", "RunTask"):
            self.write -= 1
            if self.write < 0:
                self.point, self.write = Point(self.calls, self.how), 1000
        return super().perform(call)
