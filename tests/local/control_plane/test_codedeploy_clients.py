"""CodeDeploy through AWS's own clients: botocore's waiter and the AWS CLI; and `reconciler local hooks`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from reconciler.local.inprocess import Laptop
from reconciler.local.server import Server, serve
from tests.harness.cli import run
from tests.local.control_plane.codedeploy import HOUR, READY, CodeDeploy
from tests.local.control_plane.stage import Stage


def test_the_waiter_ends_with_the_deployment(stage: Stage) -> None:
    """botocore's `deployment_successful`: Succeeded ends it, Failed and Stopped are errors."""
    codedeploy = CodeDeploy(stage, **READY)
    waiter = codedeploy.client.get_waiter("deployment_successful")
    first = codedeploy.deploy(stage.definition("web:v2"))
    for wait in ("READY_WAIT", "TERMINATION_WAIT"):
        codedeploy.client.continue_deployment(deploymentId=first, deploymentWaitType=wait)
    waiter.wait(deploymentId=first)
    second = codedeploy.deploy(stage.definition("web:v3"))
    codedeploy.client.stop_deployment(deploymentId=second)
    with pytest.raises(WaiterError, match="Stopped"):
        waiter.wait(deploymentId=second)


@pytest.fixture
def server(laptop: Laptop) -> Iterator[Server]:
    """Over HTTP, on the clock that a test moves by hand."""
    with serve("127.0.0.1", 0, laptop.aws) as made:
        yield made


def test_hooks_are_reported_by_whoever_lists_them(server: Server, stage: Stage) -> None:
    """`reconciler local hooks` prints each function that is waited for, with the ids of its report."""
    codedeploy = CodeDeploy(stage)
    deployment = codedeploy.deploy(stage.definition("web:v2"), hooks=[{"AfterInstall": "check"}])
    assert "check  AfterInstall  us-west-2" in run("local", "hooks", "--endpoint", server.url).out
    (hook,) = json.loads(run("local", "hooks", "--endpoint", server.url, "-o", "json").out)["hooks"]
    codedeploy.client.put_lifecycle_event_hook_execution_status(
        deploymentId=hook["payload"]["DeploymentId"],
        lifecycleEventHookExecutionId=hook["payload"]["LifecycleEventHookExecutionId"],
        status="Succeeded",
    )
    assert codedeploy.events(deployment)["AfterInstall"] == "Succeeded"
    assert run("local", "hooks", "--endpoint", server.url).out == ""


@pytest.mark.slow
def test_the_command_line_deploys(server: Server, laptop: Laptop, stage: Stage, tmp_path: Path) -> None:
    """`aws deploy`: what is created, continued, reported, waited for and stopped; skipped where it is not installed."""
    program = shutil.which("aws")
    if program is None:
        pytest.skip("the AWS CLI is not installed")
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_PAGER": "",
        "HOME": str(tmp_path),
    }

    def call(service: str, verb: str, /, **options: Any) -> str:
        words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", value)]
        command = [program, service, *verb.split(), *(str(word) for word in words), "--output", "json"]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def aws(verb: str, /, **options: Any) -> Any:
        answer = call("deploy", verb, **options)
        return json.loads(answer) if answer.strip() else {}

    codedeploy = CodeDeploy(stage, **READY)
    group = {"application_name": "app", "deployment_group_name": "group"}
    properties = {
        "TaskDefinition": stage.definition("web:v2"),
        "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 80},
    }
    target = {"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}
    appspec = json.dumps({"version": 0.0, "Resources": [target], "Hooks": [{"AfterInstall": "check"}]})
    revision = json.dumps({"revisionType": "AppSpecContent", "appSpecContent": {"content": appspec}})
    deployment = aws("create-deployment", **group, revision=revision)["deploymentId"]
    (hook,) = laptop.aws.hooks()
    aws(
        "put-lifecycle-event-hook-execution-status",
        deployment_id=deployment,
        lifecycle_event_hook_execution_id=hook["payload"]["LifecycleEventHookExecutionId"],
        status="Succeeded",
    )
    assert aws("get-deployment", deployment_id=deployment)["deploymentInfo"]["status"] == "Ready"
    aws("continue-deployment", deployment_id=deployment, deployment_wait_type="READY_WAIT")
    shown = aws("get-deployment-target", deployment_id=deployment, target_id="demo:web")["deploymentTarget"]
    assert shown["ecsTarget"]["taskSetsInfo"][0]["taskSetLabel"] == "Blue"
    laptop.advance(HOUR)
    aws("wait deployment-successful", deployment_id=deployment)
    second = codedeploy.deploy("web:1")
    assert aws("list-deployments", **group)["deployments"] == [second, deployment]
    assert aws("stop-deployment", deployment_id=second)["status"] == "Pending"
    assert aws("stop-deployment", deployment_id=second)["status"] == "Succeeded"
    terminate = {"action": "TERMINATE", "terminationWaitTimeInMinutes": 0}
    at_once = {"actionOnTimeout": "CONTINUE_DEPLOYMENT"}
    codedeploy.update(
        blueGreenDeploymentConfiguration={
            "terminateBlueInstancesOnDeploymentSuccess": terminate,
            "deploymentReadyOption": at_once,
        }
    )
    for name, document in (("appspec.json", {"version": 0.0, "Resources": [target]}), ("task.json", task(stage))):
        (tmp_path / name).write_text(json.dumps(document))
    printed = call(
        "ecs", "deploy", cluster="demo", service="web", task_definition=tmp_path / "task.json",
        codedeploy_appspec=tmp_path / "appspec.json", codedeploy_application="app",
        codedeploy_deployment_group="group",
    )  # fmt: skip
    assert "Successfully deployed" in printed
    assert codedeploy.sets()[0] == ("PRIMARY", "web:3")


def task(stage: Stage) -> dict[str, Any]:
    """What `aws ecs deploy` registers."""
    shown = stage.ecs.describe_task_definition(taskDefinition="web:2")["taskDefinition"]
    wanted = ("family", "networkMode", "requiresCompatibilities", "cpu", "memory", "containerDefinitions")
    return {name: shown[name] for name in wanted}
