"""Neighbours: who else writes to what the stack owns, and goes on doing so.

    neighbour = NEIGHBOURS["Terraform: the health check of the target groups"]
    neighbour(Hands(laptop))                    # once; does nothing if it is as the neighbour wants it

An autoscaler, ECS, a person in the console, Terraform and CodeDeploy differ in what they change, and not in how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconciler.local.inprocess import Laptop
from tests.harness.emulated_stack import CLUSTER, SERVICE

PRODUCTION, TEST = 80, 9000
SCALABLE: Final = {"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount"}


@dataclass(frozen=True, slots=True)
class Hands:
    """What a neighbour reads and writes."""

    laptop: Laptop

    @property
    def ecs(self) -> Any:
        return self.laptop.client("ecs")

    @property
    def elb(self) -> Any:
        return self.laptop.client("elbv2")

    @property
    def autoscaling(self) -> Any:
        return self.laptop.client("application-autoscaling")

    @property
    def codedeploy(self) -> Any:
        return self.laptop.client("codedeploy")

    def deployments(self, *statuses: str) -> list[str]:
        """Of CodeDeploy."""
        found = self.codedeploy.list_applications()["applications"]
        listed = [self.codedeploy.list_deployments(**_all_of(self, one), includeOnlyStatuses=statuses) for one in found]
        return [one for answer in listed for one in answer["deployments"]]

    def service(self) -> dict[str, Any]:
        answer = self.ecs.describe_services(cluster=CLUSTER, services=[SERVICE], include=["TAGS"])
        found: dict[str, Any] = answer["services"][0]
        return found

    def sets(self, *, primary: bool) -> list[dict[str, Any]]:
        status = "PRIMARY" if primary else "ACTIVE"
        return [one for one in self.service().get("taskSets", ()) if one["status"] == status]

    def groups(self) -> list[str]:
        return sorted(one["TargetGroupArn"] for one in self.elb.describe_target_groups()["TargetGroups"])

    def listener(self, port: int) -> dict[str, Any] | None:
        (balancer,) = self.elb.describe_load_balancers()["LoadBalancers"]
        found = self.elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
        return next((one for one in found if one["Port"] == port), None)

    def point(self, port: int, *weights: int) -> None:
        listener = self.listener(port)
        if listener is None:
            return
        groups = [{"TargetGroupArn": arn, "Weight": one} for arn, one in zip(self.groups(), weights, strict=False)]
        actions = [{"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}]
        self.elb.modify_listener(ListenerArn=listener["ListenerArn"], DefaultActions=actions)

    def scalable(self, **fields: Any) -> None:
        for one in self.autoscaling.describe_scalable_targets(ServiceNamespace="ecs")["ScalableTargets"]:
            self.autoscaling.register_scalable_target(**SCALABLE, ResourceId=one["ResourceId"], **fields)


def _all_of(hands: Hands, application: str) -> dict[str, str]:
    (group,) = hands.codedeploy.list_deployment_groups(applicationName=application)["deploymentGroups"]
    return {"applicationName": application, "deploymentGroupName": group}


def _count(hands: Hands) -> None:
    if hands.service()["desiredCount"] != 3:
        hands.ecs.update_service(cluster=CLUSTER, service=SERVICE, desiredCount=3)


def _shrinks(hands: Hands) -> None:
    for one in hands.sets(primary=True):
        if one["scale"]["value"]:
            none = {"value": 0.0, "unit": "PERCENT"}
            hands.ecs.update_task_set(cluster=CLUSTER, service=SERVICE, taskSet=one["id"], scale=none)


def _deletes_set(hands: Hands) -> None:
    for one in hands.sets(primary=True):
        hands.ecs.delete_task_set(cluster=CLUSTER, service=SERVICE, taskSet=one["id"], force=True)


def _other_primary(hands: Hands) -> None:
    for one in hands.sets(primary=False)[:1]:
        hands.ecs.update_service_primary_task_set(cluster=CLUSTER, service=SERVICE, primaryTaskSet=one["id"])


def _strips(hands: Hands) -> None:
    service = hands.service()
    keys = [tag["key"] for tag in service["tags"] if not tag["key"].startswith("reconciler:")]
    if keys:
        hands.ecs.untag_resource(resourceArn=service["serviceArn"], tagKeys=keys)


def _garbles(hands: Hands) -> None:
    service = hands.service()
    hands.ecs.tag_resource(
        resourceArn=service["serviceArn"], tags=[{"key": "reconciler:deadline", "value": "somebody's"}]
    )


def _check(hands: Hands) -> None:
    for arn in hands.groups():
        hands.elb.modify_target_group(TargetGroupArn=arn, HealthCheckIntervalSeconds=25)


def _no_test(hands: Hands) -> None:
    listener = hands.listener(TEST)
    if listener is not None:
        hands.elb.delete_listener(ListenerArn=listener["ListenerArn"])


def _rule(hands: Hands) -> None:
    """A rule of somebody else's that answers everything on the test port."""
    listener = hands.listener(TEST)
    if listener is None or len(hands.elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"]) > 1:
        return
    reply = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404"}}
    path = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/theirs/*"]}}
    hands.elb.create_rule(ListenerArn=listener["ListenerArn"], Priority=5, Conditions=[path], Actions=[reply])


def _stops(hands: Hands) -> None:
    """What is under way is rolled back: by ECS where that shifts traffic, by CodeDeploy where that does."""
    service = hands.service()
    if arn := service.get("currentServiceDeployment"):
        hands.ecs.stop_service_deployment(serviceDeploymentArn=arn, stopType="ROLLBACK")
    for one in hands.deployments("Created", "Queued", "InProgress", "Ready"):
        hands.codedeploy.stop_deployment(deploymentId=one, autoRollbackEnabled=True)


def _deploys(hands: Hands) -> None:
    """The version that the service has once more, unless something is under way."""
    service = hands.service()
    by_ecs = service.get("deploymentController", {}).get("type", "ECS") == "ECS"
    if by_ecs and not service.get("currentServiceDeployment") and len(service["deployments"]) == 1:
        hands.ecs.update_service(cluster=CLUSTER, service=SERVICE, forceNewDeployment=True)


def _hold(hands: Hands) -> None:
    state = {
        "DynamicScalingInSuspended": True,
        "DynamicScalingOutSuspended": False,
        "ScheduledScalingSuspended": False,
    }
    hands.scalable(SuspendedState=state)


NEIGHBOURS: Final[Mapping[str, Callable[[Hands], None]]] = {
    "an autoscaler: the desired count": _count,
    "an autoscaler: the limits of scaling": lambda hands: hands.scalable(MinCapacity=1, MaxCapacity=9),
    "a person: scaling in suspended": _hold,
    "a person: production to the other group": lambda hands: hands.point(PRODUCTION, 0, 100),
    "a person: production to both groups": lambda hands: hands.point(PRODUCTION, 50, 50),
    "a person: the task set in production scaled to 0": _shrinks,
    "a person: the task set in production deleted": _deletes_set,
    "a person: a stored deadline garbled": _garbles,
    "a person: a rule on our listener": _rule,
    "a person: the deployment under way stopped": _stops,
    "a person: the same version deployed again": _deploys,
    "Terraform: the tags of the service": _strips,
    "Terraform: the health check of the target groups": _check,
    "Terraform: the test listener deleted": _no_test,
    "CodeDeploy: the test listener to the other group": lambda hands: hands.point(TEST, 0, 100),
    "CodeDeploy: another task set made primary": _other_primary,
}
