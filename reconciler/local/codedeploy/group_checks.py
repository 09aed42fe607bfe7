"""What CreateDeploymentGroup, UpdateDeploymentGroup and CreateDeployment refuse.

API reference, their errors and the data types' descriptions; CodeDeploy user guide, "Create a deployment group for an
Amazon ECS deployment" and "Quotas". The texts that begin with "For ECS" are quoted by users; most others are not.
"""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.local.codedeploy.configs import check_for_ecs
from reconciler.local.codedeploy.state import Group, Params
from reconciler.local.ecs.lookup import last
from reconciler.local.elb.state import TargetGroup
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

BATCH = 100
ALARMS_MOST = 10
ALARM_NAME_LENGTH = 255
TRIGGERS_MOST = 10
TERMINATION_MOST = 2880
"""Minutes."""
STYLE = {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"}
ROLLBACK_EVENTS = ("DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST")
ONLY_SERVERS = {
    "autoScalingGroups": "InvalidAutoScalingGroupException",
    "ec2TagFilters": "InvalidEC2TagException",
    "ec2TagSet": "InvalidEC2TagCombinationException",
    "onPremisesInstanceTagFilters": "InvalidTagException",
    "onPremisesTagSet": "InvalidOnPremisesTagCombinationException",
}
"""What only deployment groups of EC2 instances and servers have, and the error for it."""
OPTIONS = "InvalidBlueGreenDeploymentConfigurationException"
PAIR = "InvalidTargetGroupPairException"


def check(world: World, item: Group, sent: Params) -> None:
    """Raises `Refusal` where the settings of a group, which are those before with what was sent, are not for ECS."""
    settings = item.settings
    for member, code in ONLY_SERVERS.items():
        if sent.get(member):
            raise Refusal(code, f"For ECS deployment group, {member} can not be specified")
    check_for_ecs(world, settings["deploymentConfigName"])
    if settings.get("deploymentStyle") != STYLE:
        raise Refusal(
            "InvalidDeploymentStyleException",
            "For ECS deployment, the deployment type must be BLUE_GREEN, and deployment option must be "
            "WITH_TRAFFIC_CONTROL.",
        )
    _check_options(settings.get("blueGreenDeploymentConfiguration"))
    _check_balancing(settings.get("loadBalancerInfo"))
    check_alarms(settings.get("alarmConfiguration"))
    check_rollback(settings.get("autoRollbackConfiguration"))
    _check_triggers(settings.get("triggerConfigurations", []))
    _check_role(world, settings.get("serviceRoleArn", ""))
    _check_service(world, item)
    _check_pair(world, settings)


def _check_role(world: World, role: str) -> None:
    trusted = world.rest.role(role) and world.rest.role_trusts(role, "codedeploy.amazonaws.com")
    if world.checks.roles and not trusted:
        raise Refusal(
            "InvalidRoleException",
            "AWS CodeDeploy does not have the permissions required to assume the role " + role + ".",
        )


def _check_options(options: Params | None) -> None:
    if not options:
        raise Refusal(OPTIONS, "For ECS deployment group, blueGreenDeploymentConfiguration must be specified")
    for needed in ("terminateBlueInstancesOnDeploymentSuccess", "deploymentReadyOption"):
        if needed not in options:
            raise Refusal(OPTIONS, f"For ECS deployment group, {needed} must be specified")
    if "greenFleetProvisioningOption" in options:
        raise Refusal(OPTIONS, "For ECS deployment group, greenFleetProvisioningOption can not be specified")
    terminate, ready = options["terminateBlueInstancesOnDeploymentSuccess"], options["deploymentReadyOption"]
    if terminate.get("action") != "TERMINATE":
        raise Refusal(OPTIONS, "For ECS deployment group, the action must be TERMINATE.")
    if not 0 <= terminate.get("terminationWaitTimeInMinutes", 0) <= TERMINATION_MOST:
        raise Refusal(OPTIONS, f"terminationWaitTimeInMinutes must be between 0 and {TERMINATION_MOST}.")
    wait = ready.get("waitTimeInMinutes", 0)
    match ready.get("actionOnTimeout"):
        case "STOP_DEPLOYMENT":
            if wait < 1:
                raise Refusal(OPTIONS, "waitTimeInMinutes must be at least 1 with STOP_DEPLOYMENT.")
        case "CONTINUE_DEPLOYMENT":
            if wait:
                raise Refusal(OPTIONS, "waitTimeInMinutes can not be specified with CONTINUE_DEPLOYMENT.")
        case _:
            raise Refusal(OPTIONS, "actionOnTimeout must be CONTINUE_DEPLOYMENT or STOP_DEPLOYMENT.")


def _check_balancing(info: Params | None) -> None:
    if not info:
        raise Refusal(
            "InvalidLoadBalancerInfoException", "For ECS deployment group, loadBalancerInfo must be specified"
        )
    for member in ("elbInfo", "targetGroupInfo"):
        if info.get(f"{member}List"):
            raise Refusal(
                "InvalidLoadBalancerInfoException",
                f"For ECS deployment group, loadBalancerInfo must not contain {member} list",
            )


def check_alarms(config: Params | None) -> None:
    if config is None:
        return
    names = [alarm.get("name") or "" for alarm in config.get("alarms", [])]
    if len(names) > ALARMS_MOST:
        raise Refusal("AlarmsLimitExceededException", f"There can be at most {ALARMS_MOST} alarms.")
    if config.get("enabled") and not names:
        raise Refusal("InvalidAlarmConfigException", "The alarm configuration is enabled, but the alarm list is empty.")
    if any(not 1 <= len(name) <= ALARM_NAME_LENGTH for name in names):
        raise Refusal(
            "InvalidAlarmConfigException",
            f"The alarm name is empty or null or exceeds the limit of {ALARM_NAME_LENGTH} characters.",
        )
    if len(set(names)) < len(names):
        raise Refusal("InvalidAlarmConfigException", "Two alarms with the same name have been specified.")


def check_rollback(config: Params | None) -> None:
    events = (config or {}).get("events", [])
    if (config or {}).get("enabled") and not events:
        raise Refusal(
            "InvalidAutoRollbackConfigException", "Automatic rollback is enabled, but no event types were listed."
        )
    if unknown := [event for event in events if event not in ROLLBACK_EVENTS]:
        raise Refusal("InvalidAutoRollbackConfigException", f"The event type {unknown[0]} is invalid.")


def _check_triggers(triggers: list[Params]) -> None:
    if len(triggers) > TRIGGERS_MOST:
        raise Refusal("TriggerTargetsLimitExceededException", f"There can be at most {TRIGGERS_MOST} triggers.")
    for trigger in triggers:
        if not trigger.get("triggerName") or not trigger.get("triggerEvents"):
            raise Refusal("InvalidTriggerConfigException", "A trigger needs a name and events.")
        if ":sns:" not in trigger.get("triggerTargetArn", ""):
            raise Refusal("InvalidTriggerConfigException", "The target of a trigger must be a Topic ARN.")


def _check_service(world: World, item: Group) -> None:
    services = item.settings.get("ecsServices", [])
    if len(services) != 1 or not services[0].get("clusterName") or not services[0].get("serviceName"):
        raise Refusal(
            "InvalidECSServiceException", "For ECS deployment group, exactly one ECS service must be specified"
        )
    key = service_key(item)
    found = world.ecs.services.get(key)
    if found is None or found.status != "ACTIVE":
        raise Refusal(
            "InvalidECSServiceException",
            f"Could not load ECS service information for cluster: {key[0]}, service: {key[1]}.",
        )
    if found.controller != "CODE_DEPLOY":
        raise Refusal(
            "InvalidECSServiceException",
            "Deployment group's ECS service must be configured for a CODE_DEPLOY deployment controller.",
        )
    for other in world.codedeploy.groups.values():
        if other is not item and service_key(other) == key:
            raise Refusal(
                "ECSServiceMappingLimitExceededException",
                f"The ECS service {key[1]} in the cluster {key[0]} is associated with the deployment group "
                f"{other.name} already. An Amazon ECS service can be associated with only one deployment group.",
            )


def _check_pair(world: World, settings: Params) -> None:
    pairs = settings["loadBalancerInfo"].get("targetGroupPairInfoList", [])
    if len(pairs) != 1:
        raise Refusal(PAIR, "For ECS deployment group, exactly one target group pair must be specified")
    names = [one.get("name", "") for one in pairs[0].get("targetGroups", [])]
    if len(names) != 2:
        raise Refusal(PAIR, "Target group pair must have exactly two target groups.")
    if len(set(names)) < 2:
        raise Refusal(PAIR, "Target group pair must have distinct target groups.")
    for name in names:
        by_name(world, name)
    production = _listeners(world, pairs[0], "prodTrafficRoute", least=1)
    test = _listeners(world, pairs[0], "testTrafficRoute", least=0)
    if production == test:
        raise Refusal(PAIR, "The production and the test traffic route must have different listeners.")
    if len({world.elb.listeners[arn].load_balancer for arn in [*production, *test]}) > 1:
        raise Refusal(PAIR, "The listeners must be of the same load balancer.")


def _listeners(world: World, pair: Mapping[str, Params], route: str, *, least: int) -> list[str]:
    arns: list[str] = (pair.get(route) or {}).get("listenerArns", [])
    if not least <= len(arns) <= 1:
        raise Refusal(PAIR, f"{route} must have exactly one listener.")
    for arn in arns:
        if arn not in world.elb.listeners:
            raise Refusal(PAIR, f"The listener {arn} does not exist.")
    return arns


def by_name(world: World, name: str) -> TargetGroup:
    found = next((item for item in world.elb.target_groups.values() if item.name == name), None)
    if found is None:
        raise Refusal(PAIR, f"The target group {name} does not exist.")
    return found


def service_key(item: Group) -> tuple[str, str]:
    """Cluster and name of the group's one service, as ECS's state has them. Either may be given as an ARN."""
    service = item.settings["ecsServices"][0]
    return last(service["clusterName"]), last(service["serviceName"])
