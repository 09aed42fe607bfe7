"""An application, a deployment group, and words for the deployments of CodeDeploy."""

from __future__ import annotations

import json
from typing import Any

from tests.local.control_plane.stage import Stage

HOUR = 3600.0
ROLLBACK = {"enabled": True, "events": ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST", "DEPLOYMENT_STOP_ON_ALARM"]}
READY = {
    "blueGreenDeploymentConfiguration": {
        "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 60},
        "deploymentReadyOption": {"actionOnTimeout": "STOP_DEPLOYMENT", "waitTimeInMinutes": 150},
    }
}


class CodeDeploy:
    """An application and a deployment group for the service `web`."""

    def __init__(self, stage: Stage, **changes: Any) -> None:
        self.stage, self.laptop = stage, stage.laptop
        self.client = stage.laptop.client("codedeploy")
        stage.service(deploymentController={"type": "CODE_DEPLOY"}, loadBalancers=stage.behind(stage.blue))
        self.client.create_application(applicationName="app", computePlatform="ECS")
        self.role = stage.role("deployer")
        self.client.create_deployment_group(**self.settings(**changes))

    def settings(self, **changes: Any) -> dict[str, Any]:
        return {
            "applicationName": "app",
            "deploymentGroupName": "group",
            "serviceRoleArn": self.role,
            "deploymentConfigName": "CodeDeployDefault.ECSAllAtOnce",
            "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
            "blueGreenDeploymentConfiguration": {
                "terminateBlueInstancesOnDeploymentSuccess": {
                    "action": "TERMINATE",
                    "terminationWaitTimeInMinutes": 60,
                },
                "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT"},
            },
            "loadBalancerInfo": self.balancing(),
            "ecsServices": [{"clusterName": "demo", "serviceName": "web"}],
            "autoRollbackConfiguration": ROLLBACK,
            **changes,
        }

    def balancing(self, **changes: Any) -> dict[str, Any]:
        """loadBalancerInfo; a member that is None is left out."""
        pair = {
            "targetGroups": [{"name": "blue"}, {"name": "green"}],
            "prodTrafficRoute": {"listenerArns": [self.stage.production]},
            "testTrafficRoute": {"listenerArns": [self.stage.test]},
            **changes,
        }
        return {"targetGroupPairInfoList": [{name: value for name, value in pair.items() if value is not None}]}

    def update(self, **changes: Any) -> None:
        self.client.update_deployment_group(applicationName="app", currentDeploymentGroupName="group", **changes)

    def deploy(self, definition: str, hooks: list[dict[str, str]] | None = None, **changes: Any) -> str:
        properties = {
            "TaskDefinition": definition,
            "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 80},
        }
        document = {
            "version": "0.0",
            "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}],
            "Hooks": hooks or [],
        }
        revision = {"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(document)}}
        made: str = self.client.create_deployment(
            applicationName="app", deploymentGroupName="group", revision=revision, **changes
        )["deploymentId"]
        return made

    def seen(self, deployment: str) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get_deployment(deploymentId=deployment)["deploymentInfo"]
        return found

    def target(self, deployment: str) -> dict[str, Any]:
        answer = self.client.batch_get_deployment_targets(deploymentId=deployment, targetIds=["demo:web"])
        found: dict[str, Any] = answer["deploymentTargets"][0]["ecsTarget"]
        return found

    def production(self) -> dict[str, int]:
        return self.stage.weights(self.stage.production)

    def events(self, deployment: str) -> dict[str, str]:
        return {row["lifecycleEventName"]: row["status"] for row in self.target(deployment)["lifecycleEvents"]}

    def sets(self) -> list[tuple[str, str]]:
        """(status, task definition) of the service's task sets, newest first."""
        rows = self.stage.seen()["taskSets"]
        return [(row["status"], row["taskDefinition"].rpartition("/")[2]) for row in rows]

    def rollback_of(self, deployment: str) -> dict[str, Any]:
        return self.seen(self.seen(deployment)["rollbackInfo"]["rollbackDeploymentId"])
