"""Events of CodeDeploy, CloudWatch, ECR, Parameter Store and Secrets Manager, in the shapes of their user guides."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.local.inprocess import Laptop
from tests.harness.emulated_stack import image_digest, image_manifest
from tests.local.control_plane.codedeploy import READY, CodeDeploy
from tests.local.control_plane.stage import Stage
from tests.local.control_plane.test_api_events import begin_trail
from tests.local.control_plane.test_events import Listener


@pytest.fixture
def listener(laptop: Laptop) -> Listener:
    return Listener(laptop)


def told(listener: Listener) -> list[tuple[str, dict[str, Any]]]:
    return [(one["detail-type"], one["detail"]) for one in listener.take()]


def test_deployments_of_codedeploy(stage: Stage, listener: Listener) -> None:
    """A deployment that waits and is then continued, and one that is stopped and rolled back."""
    listener.rule({"source": ["aws.codedeploy"]})
    codedeploy = CodeDeploy(stage, **READY)
    first = codedeploy.deploy(stage.definition("web:v2"))
    stage.laptop.until(lambda: codedeploy.seen(first)["status"] == "Ready")
    codedeploy.client.continue_deployment(deploymentId=first, deploymentWaitType="READY_WAIT")
    codedeploy.client.continue_deployment(deploymentId=first, deploymentWaitType="TERMINATION_WAIT")
    stage.laptop.until(lambda: codedeploy.seen(first)["status"] == "Succeeded")
    events = listener.take()
    assert [one["detail"]["state"] for one in events] == ["START", "READY", "SUCCESS"]
    group = codedeploy.client.get_deployment_group(applicationName="app", deploymentGroupName="group")
    assert events[0]["detail-type"] == "CodeDeploy Deployment State-change Notification"
    assert events[0]["resources"] == [
        "arn:aws:codedeploy:us-west-2:123456789012:application:app",
        "arn:aws:codedeploy:us-west-2:123456789012:deploymentgroup:app/group",
    ]
    assert events[0]["detail"] == {
        "region": "us-west-2",
        "deploymentId": first,
        "instanceGroupId": group["deploymentGroupInfo"]["deploymentGroupId"],
        "deploymentGroup": "group",
        "state": "START",
        "application": "app",
    }
    second = codedeploy.deploy(stage.definition("web:v3"))
    codedeploy.client.stop_deployment(deploymentId=second, autoRollbackEnabled=True)
    stage.advance(5)
    rollback = codedeploy.seen(second)["rollbackInfo"]["rollbackDeploymentId"]
    states = [(detail["deploymentId"], detail["state"]) for _, detail in told(listener)]
    assert states == [
        (second, "START"),
        (second, "READY"),
        (second, "STOP"),
        (rollback, "START"),
        (rollback, "SUCCESS"),
    ]


def test_alarms(laptop: Laptop, listener: Listener) -> None:
    cloudwatch = laptop.client("cloudwatch")
    listener.rule({"source": ["aws.cloudwatch"], "detail": {"state": {"value": ["ALARM"]}}})
    cloudwatch.put_metric_alarm(
        AlarmName="errors",
        AlarmDescription="d",
        Namespace="app",
        MetricName="errors",
        Dimensions=[{"Name": "Service", "Value": "web"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )
    laptop.advance(60)
    cloudwatch.set_alarm_state(AlarmName="errors", StateValue="ALARM", StateReason="a test")
    (event,) = listener.take()
    assert event["detail-type"] == "CloudWatch Alarm State Change"
    assert event["resources"] == ["arn:aws:cloudwatch:us-west-2:123456789012:alarm:errors"]
    detail = event["detail"]
    assert detail["state"] == {"value": "ALARM", "reason": "a test", "timestamp": "2026-01-01T00:01:00.000+0000"}
    assert detail["previousState"]["value"] == "OK"
    metric = {"namespace": "app", "name": "errors", "dimensions": {"Service": "web"}}
    assert detail["configuration"] == {
        "description": "d",
        "metrics": [{"id": "m1", "metricStat": {"metric": metric, "period": 60, "stat": "Sum"}, "returnData": True}],
    }


def test_images(laptop: Laptop, listener: Listener) -> None:
    listener.rule({"source": ["aws.ecr"]})
    ecr = laptop.client("ecr")
    ecr.create_repository(repositoryName="web")
    ecr.put_image(repositoryName="web", imageManifest=image_manifest("v1"), imageTag="v1")
    with pytest.raises(ecr.exceptions.ImageAlreadyExistsException):
        ecr.put_image(repositoryName="web", imageManifest=image_manifest("v1"), imageTag="v1")
    ecr.batch_delete_image(repositoryName="web", imageIds=[{"imageTag": "v1"}])
    pushed, deleted = told(listener)
    known = {"result": "SUCCESS", "repository-name": "web", "image-digest": image_digest("v1"), "image-tag": "v1"}
    media_type = "application/vnd.oci.image.manifest.v1+json"
    assert pushed == ("ECR Image Action", {**known, "action-type": "PUSH", "manifest-media-type": media_type})
    assert deleted == ("ECR Image Action", {**known, "action-type": "DELETE"})


def test_parameters(laptop: Laptop, listener: Listener) -> None:
    listener.rule({"source": ["aws.ssm"]})
    ssm = laptop.client("ssm")
    ssm.put_parameter(Name="/app/key", Value="geheim", Type="SecureString", Description="d")
    ssm.put_parameter(Name="/app/key", Value="other", Overwrite=True)
    ssm.label_parameter_version(Name="/app/key", Labels=["stable"])
    ssm.delete_parameter(Name="/app/key")
    ssm.delete_parameters(Names=["/app/key"])
    events = listener.take()
    assert [one["detail"] for one in events] == [
        {"operation": "Create", "name": "/app/key", "type": "SecureString", "description": "d"},
        {"operation": "Update", "name": "/app/key", "type": "SecureString"},
        {"operation": "LabelParameterVersion", "name": "/app/key", "type": "SecureString"},
        {"operation": "Delete", "name": "/app/key", "type": "SecureString"},
    ]
    assert {one["detail-type"] for one in events} == {"Parameter Store Change"}
    assert events[0]["resources"] == ["arn:aws:ssm:us-west-2:123456789012:parameter/app/key"]


def test_secrets(laptop: Laptop, listener: Listener) -> None:
    """A new value is an API call; a rotation is an event of the service besides. Both need a trail."""
    listener.rule({"source": ["aws.secretsmanager"]})
    secrets = laptop.client("secretsmanager")
    arn = secrets.create_secret(Name="s", SecretString="geheim")["ARN"]
    assert told(listener) == []
    begin_trail(laptop)
    secrets.put_secret_value(SecretId="s", SecretString="other")
    secrets.rotate_secret(SecretId="s")
    events = told(listener)
    assert [(kind, detail["eventName"]) for kind, detail in events] == [
        ("AWS API Call via CloudTrail", "PutSecretValue"),
        ("AWS Service Event via CloudTrail", "RotationStarted"),
        ("AWS Service Event via CloudTrail", "RotationSucceeded"),
        ("AWS API Call via CloudTrail", "RotateSecret"),
    ]
    assert events[0][1]["responseElements"]["arn"] == arn
    rotated = events[2][1]
    assert rotated["additionalEventData"] == {"SecretId": arn}
    assert rotated["eventType"] == "AwsServiceEvent"
    assert rotated["userIdentity"]["invokedBy"] == "secretsmanager.amazonaws.com"
    assert "geheim" not in json.dumps(events)
