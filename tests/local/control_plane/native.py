"""A service whose deployments ECS itself shifts, for the tests of them."""

from __future__ import annotations

from typing import Any

from tests.local.control_plane.stage import Stage

HOUR = 3600.0
POLICY = "arn:aws:iam::aws:policy/AmazonECSInfrastructureRolePolicyForLoadBalancers"


def pause(*stages: str, **timeout: Any) -> dict[str, Any]:
    """Two hours, then CONTINUE, unless `timeout` says otherwise."""
    settings = {"timeoutInMinutes": 120, "action": "CONTINUE", **timeout}
    return {"targetType": "PAUSE", "lifecycleStages": list(stages), "timeoutConfiguration": settings}


class Native:
    """A service `web` on BLUE_GREEN or another strategy. Its first deployment is done: the create's tasks are behind
    the alternate group, which production forwards to.
    """

    def __init__(self, stage: Stage, *, test: bool = True, settle: bool = True, **configuration: Any) -> None:
        self.stage, self.laptop = stage, stage.laptop
        self.rules = stage.default_rule(stage.production), stage.default_rule(stage.test)
        self.role = stage.role("infrastructure")
        stage.iam.attach_role_policy(RoleName="infrastructure", PolicyArn=POLICY)
        self.first, self.second = stage.green, stage.blue  # where the first and the second deployment come to
        self.wanted = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 60, **configuration}
        self.changes: dict[str, Any] = {} if test else {"testListenerRule": None}
        if settle:
            quick = {**self.wanted, "bakeTimeInMinutes": 0, "lifecycleHooks": []}
            self.create(quick)
            stage.advance(24 * HOUR)
            stage.update(deploymentConfiguration=self.wanted)

    def create(self, configuration: dict[str, Any] | None = None) -> None:
        self.stage.service(loadBalancers=self.pair(), deploymentConfiguration=configuration or self.wanted)

    def pair(self, **changes: Any) -> list[dict[str, Any]]:
        advanced = {
            "alternateTargetGroupArn": self.stage.green,
            "productionListenerRule": self.rules[0],
            "testListenerRule": self.rules[1],
            "roleArn": self.role,
            **self.changes,
            **changes,
        }
        kept = {key: value for key, value in advanced.items() if value is not None}
        return [{**self.stage.behind(self.stage.blue)[0], "advancedConfiguration": kept}]

    def release(self, image: str = "web:v2", **changes: Any) -> dict[str, Any]:
        self.stage.definition(image)
        self.stage.update(taskDefinition="web", **changes)
        return self.seen()

    def listed(self, **filters: Any) -> list[dict[str, Any]]:
        """Newest first."""
        found = self.stage.ecs.list_service_deployments(cluster="demo", service="web", **filters)
        rows: list[dict[str, Any]] = found["serviceDeployments"]
        return rows

    def seen(self, place: int = 0) -> dict[str, Any]:
        """The newest service deployment, or an older one."""
        arn = self.listed()[place]["serviceDeploymentArn"]
        answer = self.stage.ecs.describe_service_deployments(serviceDeploymentArns=[arn])
        found: dict[str, Any] = answer["serviceDeployments"][0]
        return found

    def where(self) -> tuple[str, str | None]:
        seen = self.seen()
        return seen["status"], seen.get("lifecycleStage")

    def production(self) -> dict[str, int]:
        return self.stage.weights(self.stage.production)

    def waiting(self) -> list[dict[str, Any]]:
        return [item for item in self.seen()["lifecycleHookDetails"] if item["status"] == "AWAITING_ACTION"]

    def decide(self, action: str, hook: dict[str, Any] | None = None) -> None:
        self.stage.ecs.continue_service_deployment(
            serviceDeploymentArn=self.seen()["serviceDeploymentArn"],
            hookId=(hook or self.waiting()[0])["hookId"],
            action=action,
        )

    def stop(self) -> None:
        arn = self.seen()["serviceDeploymentArn"]
        self.stage.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")

    def answer(self, *answers: Any) -> list[dict[str, Any]]:
        """Lambda functions give these answers, the last one again and again. Returns what they are told."""
        told: list[dict[str, Any]] = []

        def function(arn: str, payload: dict[str, Any]) -> Any:
            told.append(payload)
            return answers[min(len(told), len(answers)) - 1]

        self.laptop.aws.world.lambda_hook = function
        return told

    def function(self, *stages: str, **changes: Any) -> dict[str, Any]:
        """A Lambda hook."""
        role = self.stage.iam.list_roles()["Roles"]
        if not any(one["RoleName"] == "hook" for one in role):
            self.stage.role("hook")
        return {
            "hookTargetArn": "arn:aws:lambda:us-west-2:123456789012:function:check",
            "roleArn": self.stage.iam.get_role(RoleName="hook")["Role"]["Arn"],
            "lifecycleStages": list(stages),
            **changes,
        }
