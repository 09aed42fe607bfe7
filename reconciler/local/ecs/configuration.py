"""deploymentConfiguration: what AWS fills in, and what it refuses.

API reference, DeploymentConfiguration, DeploymentLifecycleHook, LinearConfiguration, CanaryConfiguration; developer
guide, "Amazon ECS blue/green deployments", "Required resources".
"""

from __future__ import annotations

import copy
import re

from reconciler.local.ecs.lookup import invalid
from reconciler.local.ecs.state import Launch, Params
from reconciler.local.elb.state import groups_of
from reconciler.local.world import World

DEFAULTS: Params = {
    "deploymentCircuitBreaker": {"enable": False, "rollback": False},
    "maximumPercent": 200,
    "minimumHealthyPercent": 100,
    "alarms": {"alarmNames": [], "enable": False, "rollback": False},
    "strategy": "ROLLING",
    "bakeTimeInMinutes": 0,
    "lifecycleHooks": [],
}
BREAKER_DEFAULTS: Params = {
    "resetOnHealthyTask": True,
    "thresholdConfiguration": {"type": "BOUNDED_PERCENT", "value": 50},
}
LINEAR_DEFAULTS: Params = {"stepPercent": 10.0, "stepBakeTimeInMinutes": 6}
CANARY_DEFAULTS: Params = {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10}
HOOK_TIMEOUT_DEFAULTS: Params = {"timeoutInMinutes": 1440, "action": "ROLLBACK"}
NO_PAUSE = ("TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT")
HOOKS_MOST = 10
RULE_ARN = re.compile(r"arn:aws[\w-]*:elasticloadbalancing:[^:]+:\d{12}:listener-rule/app/.+")


def merged(old: Params | None, new: Params | None) -> Params:
    """The configuration after a create or an update: members that are not named stay as they were."""
    result = copy.deepcopy({**DEFAULTS, **(old or {}), **(new or {})})
    result["deploymentCircuitBreaker"] = {**BREAKER_DEFAULTS, **result["deploymentCircuitBreaker"]}
    result["lifecycleHooks"] = [_hook(item) for item in result["lifecycleHooks"]]
    if result["strategy"] == "LINEAR":
        result["linearConfiguration"] = {**LINEAR_DEFAULTS, **result.get("linearConfiguration", {})}
    if result["strategy"] == "CANARY":
        result["canaryConfiguration"] = {**CANARY_DEFAULTS, **result.get("canaryConfiguration", {})}
    _check(result, new or {})
    for strategy, member in (("LINEAR", "linearConfiguration"), ("CANARY", "canaryConfiguration")):
        if result["strategy"] != strategy:
            result.pop(member, None)
    return result


def _hook(hook: Params) -> Params:
    kind = hook.get("targetType") or "AWS_LAMBDA"
    if not hook.get("lifecycleStages"):
        raise invalid("lifecycleStages must be specified for every lifecycle hook.")
    if kind == "PAUSE":
        if wrong := [stage for stage in hook["lifecycleStages"] if stage in NO_PAUSE]:
            raise invalid(f"A PAUSE lifecycle hook cannot run at the lifecycle stage {wrong[0]}.")
        timeout = {**HOOK_TIMEOUT_DEFAULTS, **(hook.get("timeoutConfiguration") or {})}
        if not 1 <= timeout["timeoutInMinutes"] <= 20160:
            raise invalid("timeoutInMinutes must be between 1 and 20160.")
        return {**hook, "targetType": "PAUSE", "timeoutConfiguration": timeout}
    if not hook.get("hookTargetArn") or not hook.get("roleArn"):
        raise invalid("hookTargetArn and roleArn must be specified for an AWS_LAMBDA lifecycle hook.")
    return {**hook, "targetType": "AWS_LAMBDA"}


def _check(configuration: Params, sent: Params) -> None:
    low, high = configuration["minimumHealthyPercent"], configuration["maximumPercent"]
    if not 0 <= low <= 100 or high < 100:
        raise invalid("minimumHealthyPercent must be between 0 and 100, maximumPercent at least 100.")
    if low == 100 and high == 100:
        raise invalid("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.")
    if not 0 <= configuration["bakeTimeInMinutes"] <= 1440:
        raise invalid("bakeTimeInMinutes must be between 0 and 1440.")
    for strategy, member in (("LINEAR", "linearConfiguration"), ("CANARY", "canaryConfiguration")):
        if member in sent and configuration["strategy"] != strategy:
            raise invalid(f"{strategy.title()} configuration can only be present with {strategy} deployment strategy")
    if configuration["strategy"] == "LINEAR":
        linear = configuration["linearConfiguration"]
        if not 3.0 <= linear["stepPercent"] <= 100 or not 0 <= linear["stepBakeTimeInMinutes"] <= 1440:
            raise invalid("stepPercent must be between 3.0 and 100.0 and stepBakeTimeInMinutes between 0 and 1440.")
    if configuration["strategy"] == "CANARY":
        canary = configuration["canaryConfiguration"]
        if not 0.1 <= canary["canaryPercent"] <= 100 or not 0 <= canary["canaryBakeTimeInMinutes"] <= 1440:
            raise invalid("canaryPercent must be between 0.1 and 100.0 and canaryBakeTimeInMinutes between 0 and 1440.")
    for kind in ("PAUSE", "AWS_LAMBDA"):
        if sum(hook["targetType"] == kind for hook in configuration["lifecycleHooks"]) > HOOKS_MOST:
            raise invalid(f"There can be at most {HOOKS_MOST} lifecycle hooks of type {kind}.")


ONLY_ECS = "{} is only supported with ECS deployment controller. Update to ECS deployment controller and try again."
"""Developer guide, "Troubleshooting Amazon ECS deployment strategy updates"."""


def check_controller(controller: str, configuration: Params) -> None:
    """Raises `Refusal` for what only the ECS controller takes, where it is switched on (aws/aws-cdk#16646)."""
    if controller == "ECS":
        return
    if configuration.get("deploymentCircuitBreaker", {}).get("enable"):
        raise invalid(ONLY_ECS.format("Deployment circuit breaker feature"))
    if configuration.get("alarms", {}).get("enable"):
        raise invalid(ONLY_ECS.format("Alarm based rollback feature"))
    strategy = configuration.get("strategy", "ROLLING")
    if strategy != "ROLLING":
        raise invalid(ONLY_ECS.format(f"{strategy} deployment strategy"))


def shown(controller: str, configuration: Params) -> Params:
    """Of a service whose deployments somebody else controls, only the limits are answered: a circuit breaker that is
    sent switched off does not come back (cloudposse/terraform-aws-ecs-alb-service-task#165)."""
    limits = ("maximumPercent", "minimumHealthyPercent")
    return configuration if controller == "ECS" else {name: configuration[name] for name in limits}


def zone_rebalancing(wanted: str | None, present: str | None, configuration: Params) -> str:
    """availabilityZoneRebalancing after a create, where `present` is None, or an update.

    CreateService without it settles for DISABLED where the two do not go together, and UpdateService is refused
    (hashicorp/terraform-provider-aws#44117; ECS's message, as users quote it).
    """
    most = configuration["maximumPercent"]
    chosen = wanted or present or ("ENABLED" if most > 100 else "DISABLED")
    if chosen == "ENABLED" and most <= 100:
        begins = "" if present is None else "The service couldn't be updated because "
        raise invalid(
            f"{begins}Availability Zone Rebalancing does not support maximumPercent <= 100 % as deployment "
            "configuration."
        )
    return chosen


def check_traffic(world: World, configuration: Params, launch: Launch) -> None:
    """What CreateService and UpdateService refuse about the load balancers of a deployment that shifts traffic."""
    if configuration["strategy"] == "ROLLING":
        return
    for entry in launch.load_balancers:
        advanced = entry.get("advancedConfiguration")
        if not advanced:
            raise invalid(
                "advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment "
                "strategy"
            )
        production, test = advanced.get("productionListenerRule"), advanced.get("testListenerRule")
        for needed in ("alternateTargetGroupArn", "productionListenerRule", "roleArn"):
            if not advanced.get(needed):
                raise invalid(f"{needed} is required in advancedConfiguration.")
        for arn in filter(None, (production, test)):
            if not RULE_ARN.fullmatch(arn):
                raise invalid(f"The listener rule ARN {arn} is not valid.")
            if arn not in world.elb.rules:
                raise invalid(f"The listener rule {arn} does not exist.")
        if production == test:
            raise invalid("productionListenerRule and testListenerRule must be different.")
        pair = {entry["targetGroupArn"], advanced["alternateTargetGroupArn"]}
        named = set(groups_of(world.elb.rules[production].actions)) if production else set()
        if test is None and not pair <= named:
            raise invalid(
                "testListenerRule is required when productionListenerRule is not associated with both the "
                "targetGroupArn and the alternateTargetGroupArn"
            )
