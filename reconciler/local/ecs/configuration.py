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
from reconciler.local.scheduler.strategy import NO_PAUSE
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
HOOK_TIMEOUT_MOST = {"PAUSE": 20160, "AWS_LAMBDA": 1440}
HOOKS_MOST = 10
BAKE_MOST = 1440
RULE_ARN = re.compile(r"arn:aws[\w-]*:elasticloadbalancing:[^:]+:\d{12}:(?:listener-rule/app|listener/net)/.+")


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
    """Developer guide, "Pause hooks" and "Lambda hooks for Amazon ECS service deployments"."""
    kind = hook.get("targetType") or "AWS_LAMBDA"
    if kind not in HOOK_TIMEOUT_MOST:
        raise invalid("Invalid targetType. Valid values are: AWS_LAMBDA, PAUSE")
    stages = hook.get("lifecycleStages")
    if not stages:
        raise invalid("lifecycleStages must be specified for every lifecycle hook.")
    timeout = {**HOOK_TIMEOUT_DEFAULTS, **(hook.get("timeoutConfiguration") or {})}
    if timeout["timeoutInMinutes"] > HOOK_TIMEOUT_MOST[kind]:
        raise invalid(f"timeoutInMinutes must be between 1 and {HOOK_TIMEOUT_MOST[kind]}.")
    if kind == "PAUSE" and set(stages) & set(NO_PAUSE):
        raise invalid("Invalid lifecycle stage provided for Pause Hook")
    if kind == "AWS_LAMBDA" and not (hook.get("hookTargetArn") and hook.get("roleArn")):
        raise invalid("hookTargetArn and roleArn must be specified for an AWS_LAMBDA lifecycle hook.")
    return {**hook, "targetType": kind, "timeoutConfiguration": timeout}


def _check(configuration: Params, sent: Params) -> None:
    low, high = configuration["minimumHealthyPercent"], configuration["maximumPercent"]
    if not 0 <= low <= 100 or high < 100:
        raise invalid("minimumHealthyPercent must be between 0 and 100, maximumPercent at least 100.")
    if low == 100 and high == 100:
        raise invalid("Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments.")
    if not 0 <= configuration["bakeTimeInMinutes"] <= BAKE_MOST:
        raise invalid(f"bakeTimeInMinutes must be between 0 and {BAKE_MOST}.")
    for strategy, member in (("LINEAR", "linearConfiguration"), ("CANARY", "canaryConfiguration")):
        if member in sent and configuration["strategy"] != strategy:
            raise invalid(f"{strategy.title()} configuration can only be present with {strategy} deployment strategy")
    match configuration["strategy"]:
        case "LINEAR":
            linear = configuration["linearConfiguration"]
            _check_steps("step", 3.0, linear["stepPercent"], linear["stepBakeTimeInMinutes"])
        case "CANARY":
            canary = configuration["canaryConfiguration"]
            _check_steps("canary", 0.1, canary["canaryPercent"], canary["canaryBakeTimeInMinutes"])
    for kind in ("PAUSE", "AWS_LAMBDA"):
        if sum(hook["targetType"] == kind for hook in configuration["lifecycleHooks"]) > HOOKS_MOST:
            raise invalid(f"There can be at most {HOOKS_MOST} lifecycle hooks of type {kind}.")


def _check_steps(name: str, least: float, percent: float, bake: int) -> None:
    """API reference, LinearConfiguration and CanaryConfiguration: multiples of 0.1 up to 100.0."""
    if not least <= percent <= 100 or round(percent * 10, 6) % 1:
        raise invalid(f"{name}Percent must be a multiple of 0.1 between {least} and 100.0.")
    if not 0 <= bake <= BAKE_MOST:
        raise invalid(f"{name}BakeTimeInMinutes must be between 0 and {BAKE_MOST}.")


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
    """What CreateService and UpdateService refuse about pairs of target groups, whatever the strategy, and about their
    absence where traffic is to be shifted (developer guide, "Troubleshooting Amazon ECS blue/green deployments").
    """
    pairs = [entry.get("advancedConfiguration") for entry in launch.load_balancers]
    if any(pairs) and not all(pairs):
        raise invalid("Either all or none of the provided loadBalancers must have advancedConfiguration defined")
    if configuration["strategy"] != "ROLLING" and not all(pairs):
        raise invalid(
            "advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment strategy"
        )
    seen: set[str] = set()
    for entry, advanced in zip(launch.load_balancers, pairs, strict=True):
        if advanced:
            _check_pair(world, entry, advanced)
            for arn in (entry["targetGroupArn"], advanced["alternateTargetGroupArn"]):
                if arn in seen:
                    raise invalid(f"Duplicate targetGroupArn found: {arn}")
                seen.add(arn)


def _check_pair(world: World, entry: Params, advanced: Params) -> None:
    for needed in ("alternateTargetGroupArn", "productionListenerRule", "roleArn"):
        if not advanced.get(needed):
            raise invalid(f"{needed} is required in advancedConfiguration.")
    production, test = advanced["productionListenerRule"], advanced.get("testListenerRule")
    for name in ("productionListenerRule", "testListenerRule"):
        if advanced.get(name) and not RULE_ARN.fullmatch(advanced[name]):
            raise invalid(
                f"{name} has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: "
                f"{advanced[name]}"
            )
    if production == test:
        raise invalid(f"The following rules cannot be used as both production and test listener rules: {production}")
    rule = world.elb.rule_at(production)
    pair = {entry["targetGroupArn"], advanced["alternateTargetGroupArn"]}
    if rule and not test and not pair <= set(groups_of(rule.actions)):
        raise invalid(
            "For Application LoadBalancer, testListenerRule is required when productionListenerRule is not associated "
            "with both targetGroup and alternateTargetGroup"
        )
