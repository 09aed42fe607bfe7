"""Standalone tasks, and how tasks end. Source: ECS API reference, RunTask, StopTask, ListTasks; "Stopped tasks error
messages".
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.local.inprocess import Laptop, laptop_session
from reconciler.local.scripted import Script
from reconciler.local.timings import Timings
from tests.local.control_plane.stage import Stage, refused

REGISTRY = "123456789012.dkr.ecr.us-west-2.amazonaws.com"
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []})


def _run(stage: Stage, **changes: Any) -> dict[str, Any]:
    answer: dict[str, Any] = stage.ecs.run_task(
        **{
            "cluster": "demo",
            "taskDefinition": "web",
            "launchType": "FARGATE",
            "networkConfiguration": stage.where,
            **changes,
        }
    )
    return answer


def test_a_task_runs_and_ends_with_its_exit_code(laptop: Laptop, stage: Stage) -> None:
    """The waiters `tasks_running` and `tasks_stopped`; Container, "exitCode"."""
    laptop.tasks.script(Script(exits_after=60, exit_code=4))
    arn = _run(stage)["tasks"][0]["taskArn"]
    stage.ecs.get_waiter("tasks_running").wait(cluster="demo", tasks=[arn], WaiterConfig={"MaxAttempts": 1})
    task = stage.ecs.describe_tasks(cluster="demo", tasks=[arn])["tasks"][0]
    details = {item["name"]: item["value"] for item in task["attachments"][0]["details"]}
    assert details["privateIPv4Address"] == task["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    found = stage.ec2.describe_network_interfaces(NetworkInterfaceIds=[details["networkInterfaceId"]])
    assert found["NetworkInterfaces"][0]["Status"] == "in-use"
    laptop.advance(60)
    stage.ecs.get_waiter("tasks_stopped").wait(cluster="demo", tasks=[arn], WaiterConfig={"MaxAttempts": 1})
    task = stage.ecs.describe_tasks(cluster="demo", tasks=[arn])["tasks"][0]
    assert task["containers"][0]["exitCode"] == 4
    assert (task["stopCode"], task["desiredStatus"]) == ("EssentialContainerExited", "STOPPED")
    laptop.advance(3600)
    answer = stage.ecs.describe_tasks(cluster="demo", tasks=[arn])
    assert answer["failures"] == [{"arn": arn, "reason": "MISSING"}]


def test_the_same_client_token_runs_once(stage: Stage) -> None:
    """RunTask, "Idempotency": the same token returns the first tasks; with other parameters ConflictException names
    them.
    """
    first, second = (_run(stage, clientToken="once", count=2) for _ in range(2))
    arns = [task["taskArn"] for task in first["tasks"]]
    assert [task["taskArn"] for task in second["tasks"]] == arns
    assert len(stage.tasks()) == 2
    with pytest.raises(stage.ecs.exceptions.ConflictException) as conflict:
        _run(stage, clientToken="once", count=3)
    assert conflict.value.response["resourceIds"] == arns


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"count": 11}, "InvalidParameterException"),
        ({"count": 0}, "InvalidParameterException"),
        ({"cluster": "gone"}, "ClusterNotFoundException"),
        ({"taskDefinition": "gone"}, "ClientException"),
        ({"launchType": "EC2"}, "InvalidParameterException"),
        ({"overrides": {"containerOverrides": [{"name": "other"}]}}, "InvalidParameterException"),
        ({"startedBy": "x" * 129}, "InvalidParameterException"),
    ],
)
def test_what_cannot_run_is_refused(stage: Stage, changes: dict[str, Any], code: str) -> None:
    """RunTask, parameters and errors."""
    with refused(code):
        _run(stage, **changes)


def test_overrides_reach_the_container(laptop: Laptop, stage: Stage) -> None:
    """ContainerOverride: command and environment, over the task definition's."""
    stage.definition(container={"command": ["serve"], "environment": [{"name": "A", "value": "1"}]})
    override = {"name": "web", "command": ["migrate"], "environment": [{"name": "B", "value": "2"}]}
    _run(stage, overrides={"containerOverrides": [override]})
    container = laptop.tasks.started[-1].containers[0]
    assert container.command == ("migrate",)
    assert (container.environment["A"], container.environment["B"]) == ("1", "2")
    assert container.environment["AWS_REGION"] == "us-west-2"


def test_stopping_says_who_did_it(laptop: Laptop, stage: Stage) -> None:
    """StopTask: SIGTERM, `stopTimeout`, SIGKILL: exit code 137; UserInitiated with the given reason."""
    laptop.tasks.script(Script(stops_after=1000))
    stage.definition(container={"stopTimeout": 20})
    arn = _run(stage)["tasks"][0]["taskArn"]
    stopping = stage.ecs.stop_task(cluster="demo", task=arn, reason="because")["task"]
    assert (stopping["desiredStatus"], stopping["lastStatus"]) == ("STOPPED", "STOPPING")
    laptop.advance(19)
    assert stage.ecs.describe_tasks(cluster="demo", tasks=[arn])["tasks"][0]["lastStatus"] == "STOPPING"
    laptop.advance(1)
    task = stage.ecs.describe_tasks(cluster="demo", tasks=[arn])["tasks"][0]
    assert (task["lastStatus"], task["stopCode"], task["stoppedReason"]) == ("STOPPED", "UserInitiated", "because")
    assert task["containers"][0]["exitCode"] == 137
    with refused("InvalidParameterException", "not found"):
        stage.ecs.stop_task(cluster="demo", task="0" * 32)


def test_a_task_stopped_before_it_runs_never_runs(laptop: Laptop, stage: Stage) -> None:
    """StopTask on a PENDING task: no container starts."""
    laptop.tasks.script(Script(starts_after=100))
    arn = _run(stage)["tasks"][0]["taskArn"]
    stage.ecs.stop_task(cluster="demo", task=arn)
    laptop.advance(200)
    task = stage.ecs.describe_tasks(cluster="demo", tasks=[arn])["tasks"][0]
    assert (task["lastStatus"], "startedAt" in task) == ("STOPPED", False)
    assert laptop.tasks.running == {}


def test_tasks_are_listed_by_what_they_are_to_become(laptop: Laptop, stage: Stage) -> None:
    """ListTasks, "desiredStatus": RUNNING when not said; PENDING finds nothing; family, service, startedBy filter."""
    laptop.tasks.script(Script(starts_after=100))
    _run(stage, startedBy="me")
    stage.service(desiredCount=1)
    assert len(stage.tasks()) == 2
    assert len(stage.tasks(family="web")) == 2
    assert len(stage.tasks(startedBy="me")) == 1
    assert len(stage.tasks(serviceName="web")) == 1
    assert stage.tasks(desiredStatus="PENDING") == []
    assert stage.tasks(desiredStatus="STOPPED") == []
    with refused("InvalidParameterException"):
        stage.ecs.describe_tasks(cluster="demo", tasks=[f"t{number}" for number in range(101)])


def _stopped_reason(stage: Stage) -> tuple[str, str]:
    task = stage.tasks(desiredStatus="STOPPED")[0]
    return task["stopCode"], task["stoppedReason"]


def test_an_image_that_is_not_there_cannot_be_pulled(stage: Stage) -> None:
    """Stopped tasks error messages, "CannotPullContainerError": the tag must be in the repository."""
    role = stage.role()
    laptop, image = stage.laptop, f"{REGISTRY}/app:v1"
    stage.definition(image, executionRoleArn=role)
    _run(stage)
    code, reason = _stopped_reason(stage)
    assert code == "TaskFailedToStart"
    assert reason.startswith("CannotPullContainerError: ")
    assert reason.endswith(f"{image}: not found")
    ecr = laptop.client("ecr")
    ecr.create_repository(repositoryName="app")
    digest = ecr.put_image(repositoryName="app", imageManifest=MANIFEST, imageTag="v1")["image"]["imageId"][
        "imageDigest"
    ]
    _run(stage)
    assert stage.tasks()[0]["containers"][0]["imageDigest"] == digest


def test_all_tasks_of_a_deployment_run_the_same_image(stage: Stage) -> None:
    """Developer guide, "Container image resolution": the digest is resolved once a deployment."""
    ecr = stage.laptop.client("ecr")
    ecr.create_repository(repositoryName="app")
    other = MANIFEST.replace("[]", '[{"size": 1}]')
    ecr.put_image(repositoryName="app", imageManifest=MANIFEST, imageTag="v1")
    stage.definition(f"{REGISTRY}/app:v1", executionRoleArn=stage.role())
    stage.service(desiredCount=1)
    ecr.put_image(repositoryName="app", imageManifest=other, imageTag="v1")
    stage.update(desiredCount=3)
    assert len({task["containers"][0]["imageDigest"] for task in stage.tasks(serviceName="web")}) == 1
    stage.update(forceNewDeployment=True)
    stage.advance(60)
    assert len({task["containers"][0]["imageDigest"] for task in stage.tasks(desiredStatus="STOPPED")}) == 1
    digests = {task["containers"][0]["imageDigest"] for task in stage.tasks()}
    assert len(digests) == 1
    assert digests != {task["containers"][0]["imageDigest"] for task in stage.tasks(desiredStatus="STOPPED")}


def test_without_a_way_to_the_registry_nothing_is_pulled(stage: Stage) -> None:
    """Developer guide, "Fargate task networking": a public address and an internet gateway, NAT, or endpoints."""
    network = {"awsvpcConfiguration": {**stage.where["awsvpcConfiguration"], "assignPublicIp": "DISABLED"}}
    stage.definition(f"{REGISTRY}/app:v1", executionRoleArn=stage.role())
    _run(stage, networkConfiguration=network)
    assert _stopped_reason(stage)[1].startswith("ResourceInitializationError: unable to pull secrets or registry auth")


def test_a_log_group_that_is_not_there_ends_the_task(laptop: Laptop, stage: Stage) -> None:
    """awslogs: the group must exist, or be created on demand; the stream is prefix/container/task."""
    role = stage.role()
    options = {"awslogs-group": "/web", "awslogs-region": "us-west-2", "awslogs-stream-prefix": "ecs"}
    logging = {"logConfiguration": {"logDriver": "awslogs", "options": options}}
    stage.definition(executionRoleArn=role, container=logging)
    _run(stage)
    assert "ResourceNotFoundException: The specified log group does not exist" in _stopped_reason(stage)[1]
    logs = laptop.client("logs")
    logs.create_log_group(logGroupName="/web")
    laptop.tasks.script(Script(logs=("one", "two")))
    task = _run(stage)["tasks"][0]["taskArn"].rpartition("/")[2]
    events = logs.get_log_events(logGroupName="/web", logStreamName=f"ecs/web/{task}", startFromHead=True)["events"]
    assert [event["message"] for event in events] == ["one", "two"]


def test_secrets_reach_the_container_or_end_the_task(laptop: Laptop, stage: Stage) -> None:
    """Developer guide, "Pass sensitive data": SSM by name, Secrets Manager by ARN with a JSON key; missing ones: the
    task fails.
    """
    role = stage.role()
    laptop.client("ssm").put_parameter(Name="/web/key", Value="k1", Type="SecureString")
    secret = laptop.client("secretsmanager").create_secret(Name="db", SecretString='{"password": "p1"}')["ARN"]
    secrets = [
        {"name": "KEY", "valueFrom": "/web/key"},
        {"name": "PASSWORD", "valueFrom": f"{secret}:password::"},
    ]
    stage.definition(executionRoleArn=role, container={"secrets": secrets})
    _run(stage)
    environment = laptop.tasks.started[-1].containers[0].environment
    assert (environment["KEY"], environment["PASSWORD"]) == ("k1", "p1")
    stage.definition(executionRoleArn=role, container={"secrets": [{"name": "KEY", "valueFrom": "/web/gone"}]})
    _run(stage)
    assert "invalid ssm parameters: /web/gone" in _stopped_reason(stage)[1]
    short = {"name": "PASSWORD", "valueFrom": f"{secret}:password"}
    stage.definition(executionRoleArn=role, container={"secrets": [short]})
    _run(stage)
    assert "unexpected ARN format with parameters" in _stopped_reason(stage)[1]


def test_environment_files_are_read_from_s3_or_end_the_task(laptop: Laptop, stage: Stage) -> None:
    """Developer guide, "Pass environment variables": without comments, and the definition's own come first."""
    s3 = laptop.client("s3")
    s3.create_bucket(Bucket="settings", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="settings", Key="a/web.env", Body=b"# none\n\nMODE=file\nURL=http://a?b=c\n")
    files = [{"type": "s3", "value": "arn:aws:s3:::settings/a/web.env"}]
    environment = [{"name": "MODE", "value": "plain"}]
    stage.definition(container={"environmentFiles": files, "environment": environment})
    _run(stage)
    found = laptop.tasks.started[-1].containers[0].environment
    assert (found["MODE"], found["URL"]) == ("plain", "http://a?b=c")
    stage.definition(container={"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::settings/b.env"}]})
    _run(stage)
    assert "failed to download env files" in _stopped_reason(stage)[1]


def test_a_role_must_trust_ecs(stage: Stage) -> None:
    """Stopped tasks error messages: "ECS was unable to assume the role"."""
    trust = {
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]
    }
    role = stage.iam.create_role(RoleName="other", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    stage.definition(taskRoleArn=role)
    _run(stage)
    assert _stopped_reason(stage)[1].startswith(f"ECS was unable to assume the role '{role}'")


def test_a_new_role_takes_a_while_to_spread() -> None:
    """IAM user guide, "Changes that I make are not always immediately visible"."""
    with laptop_session(timings=Timings(iam_propagation=10)) as laptop:
        stage = Stage(laptop).network().cluster()
        stage.definition(taskRoleArn=stage.role())
        _run(stage)
        laptop.advance(5)
        assert "unable to assume the role" in _stopped_reason(stage)[1]
        laptop.advance(5)
        _run(stage)
        laptop.advance(5)
        assert stage.tasks()[0]["lastStatus"] == "RUNNING"


def test_a_full_subnet_has_no_room(stage: Stage) -> None:
    """Subnet sizing: a /28 has 11 addresses to give."""
    stage.subnets = [stage.subnet("10.0.8.0/28", "b")]
    _run(stage, count=10)
    _run(stage, count=2)
    assert len(stage.tasks()) == 11
    assert "InsufficientFreeAddressesInSubnet" in _stopped_reason(stage)[1]
