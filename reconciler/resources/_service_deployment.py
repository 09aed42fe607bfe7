"""How ECS deploys a service: the limits of a rolling deployment, or how traffic is shifted between two target groups.

UpdateService keeps the members of `deploymentConfiguration` that are not sent, and takes each of them as a whole. The
lifecycle hooks that pause a deployment are sent by the rollout, with each deployment that it starts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Any, Final

from reconciler.model import elb_actions, resource
from reconciler.model.resource import Calls, Link
from reconciler.model.resource_type import FieldMark
from reconciler.resources import _gone, _service_hooks
from reconciler.resources._ecs import ecs
from reconciler.resources._elb import elbv2
from reconciler.resources._service_hooks import FunctionHook

ROLLING: Final = "ROLLING"
REVISIONS: Final = 20  # DescribeServiceRevisions


class Deployment(resource.Spec):
    """Limits of a rolling deployment, in percent of the desired count, and what is done when its tasks keep failing.

    `strategy` is ECS's; `bake` and `step_bake` are in minutes, `step_percent` is of production traffic. `alarms` roll a
    deployment back. `hooks` are the lifecycle hooks that call functions, of a strategy that shifts traffic.
    """

    min_percent: int | None = None
    max_percent: int | None = None
    circuit_breaker: bool | None = None
    rollback: bool | None = None
    strategy: str | None = None
    bake: int | None = None
    step_percent: float | None = None
    step_bake: int | None = None
    alarms: Annotated[tuple[str, ...] | None, FieldMark.UNORDERED] = None
    hooks: Annotated[tuple[FunctionHook, ...] | None, FieldMark.UNORDERED] = ()


class Pair(resource.Spec):
    """Two target groups between which ECS shifts traffic; production starts in the first one.

    `production` and `test` are listeners, for their default actions, or rules.
    """

    target_group: Link
    alternate: Link
    container: str
    port: int
    production: Link
    test: Link | None = None


_STEPS: Final[Mapping[str, tuple[str, str, str]]] = {
    "CANARY": ("canaryConfiguration", "canaryPercent", "canaryBakeTimeInMinutes"),
    "LINEAR": ("linearConfiguration", "stepPercent", "stepBakeTimeInMinutes"),
}
"""By strategy: the member that says its steps, and in it their size and the time between them."""

_WHOLE: Final = (("circuit_breaker", "rollback"), ("strategy", "step_percent", "step_bake"))
"""Fields that one member of a call says together."""


def written(spec: Deployment) -> dict[str, Any]:
    """`deploymentConfiguration`, with what is not None."""
    limits = {
        "minimumHealthyPercent": spec.min_percent,
        "maximumPercent": spec.max_percent,
        "strategy": spec.strategy,
        "bakeTimeInMinutes": spec.bake,
    }
    sent: dict[str, Any] = {key: value for key, value in limits.items() if value is not None}
    enable, rollback = spec.circuit_breaker, spec.rollback
    if enable is not None or rollback is not None:  # ECS takes both or neither
        sent["deploymentCircuitBreaker"] = {"enable": bool(enable), "rollback": bool(rollback)}
    if spec.strategy is not None and spec.strategy in _STEPS and spec.step_percent is not None:
        member, size, bake = _STEPS[spec.strategy]
        sent[member] = {size: spec.step_percent, bake: spec.step_bake or 0}
    if spec.alarms is not None:
        on = bool(spec.alarms)
        sent["alarms"] = {"alarmNames": list(spec.alarms), "enable": on, "rollback": on}
    if spec.hooks:
        sent["lifecycleHooks"] = _service_hooks.written(spec.hooks)
    return sent


def merged(was: Deployment, will: Deployment) -> Deployment:
    """Only what differs, and what one member says together as a whole."""
    update = {
        name: getattr(will, name) if getattr(will, name) != getattr(was, name) else None
        for name in Deployment.model_fields
    }
    for names in _WHOLE:
        if any(update[name] is not None for name in names):
            update |= {name: getattr(was if getattr(will, name) is None else will, name) for name in names}
    return Deployment(**update)


def read(item: Mapping[str, Any]) -> Deployment:
    breaker, alarms = item.get("deploymentCircuitBreaker") or {}, item.get("alarms") or {}
    strategy = item.get("strategy", ROLLING)
    member, size, bake = _STEPS.get(strategy, ("", "", ""))
    steps = item.get(member) or {}
    return Deployment(
        min_percent=item.get("minimumHealthyPercent", 100),
        max_percent=item.get("maximumPercent", 200),
        circuit_breaker=breaker.get("enable", False),
        rollback=breaker.get("rollback", False),
        strategy=strategy,
        bake=item.get("bakeTimeInMinutes", 0),
        step_percent=steps.get(size),
        step_bake=steps.get(bake),
        alarms=tuple(sorted(alarms.get("alarmNames") or ())) if alarms.get("enable") else (),
        hooks=_service_hooks.read(item) if strategy != ROLLING else (),
    )


def groups(items: Iterable[Mapping[str, Any]]) -> Calls[dict[str, str]]:
    """The target group of each deployment of services whose traffic ECS shifts, by the deployment's id. ECS chooses it,
    and says it in the service revision.
    """
    shifted = [
        item for item in items if any(one.get("advancedConfiguration") for one in item.get("loadBalancers") or ())
    ]
    arns = [one["arn"] for item in shifted for one in item.get("currentServiceRevisions") or ()]
    batches = [arns[start : start + REVISIONS] for start in range(0, len(arns), REVISIONS)]
    calls = [ecs.describe_service_revisions(serviceRevisionArns=batch) for batch in batches]
    found: dict[str, str] = {}
    for answer in (yield from _gone.answers(calls)):
        for one in () if answer is None else answer["serviceRevisions"]:
            balancers = (one.get("resolvedConfiguration") or {}).get("loadBalancers") or ()
            for balancer in balancers[:1]:
                found[f"ecs-svc/{one['serviceRevisionArn'].rpartition('/')[2]}"] = balancer["targetGroupArn"]
    return found


def load_balancers(pair: Pair, role: Link) -> Calls[list[dict[str, Any]]]:
    """`loadBalancers` of CreateService and UpdateService."""
    rules = yield from rule_arns(str(one) for one in (pair.production, pair.test) if one is not None)
    advanced = {
        "alternateTargetGroupArn": pair.alternate,
        "productionListenerRule": rules[str(pair.production)],
        "roleArn": role,
    }
    if pair.test is not None:
        advanced["testListenerRule"] = rules[str(pair.test)]
    return [
        {
            "targetGroupArn": pair.target_group,
            "containerName": pair.container,
            "containerPort": pair.port,
            "advancedConfiguration": advanced,
        }
    ]


def rule_arns(entries: Iterable[str]) -> Calls[dict[str, str]]:
    """What ECS calls each listener or rule. Of an application load balancer it takes no listener, whose default action
    is a rule with an ARN as well; a network load balancer has no rules, and its listeners are named (API reference,
    AdvancedConfiguration; DescribeRules).
    """
    found: dict[str, str] = {}
    for arn in entries:
        if ":listener-rule/" in arn or ":listener/net/" in arn:
            found[arn] = arn
            continue
        answer = yield elbv2.describe_rules(ListenerArn=arn)
        found[arn] = next(item["RuleArn"] for item in answer["Rules"] if item.get("IsDefault"))
    return found


PAIR_TYPES: Final = frozenset({"listener", "listener-rule", "target-group"})
"""The types of what ECS has by its ARN of a service whose traffic it shifts."""


def lost_parts(
    item: Mapping[str, Any], known: Collection[str], rules: Collection[str], answering: Collection[str]
) -> tuple[str, ...]:
    """What does not exist any more of the pair that the service from AWS has; the rest is as for `pair_changes`."""
    entry: Mapping[str, Any] = next(iter(item.get("loadBalancers") or ()), {})
    advanced = entry.get("advancedConfiguration") or {}
    if not advanced:
        return ()
    groups = (entry["targetGroupArn"], advanced["alternateTargetGroupArn"])
    found = [f"the target group {arn.split('/')[1]}" for arn in groups if arn not in known]
    for name in ("production", "test"):
        rule = advanced.get(f"{name}ListenerRule") or ""
        if rule and rule not in rules and elb_actions.listener_of(rule) not in answering:
            found.append(f"the {name} listener or its rule")
    return tuple(found)


def pair_changes(
    item: Mapping[str, Any],
    pair: Pair | None,
    role: Link | None,
    known: Collection[str],
    rules: Collection[str],
    answering: Collection[str],
) -> tuple[str, ...]:
    """What of `pair` and `role` the service from AWS does not have. `known` are the ids of what there is, of which
    `rules` are listener rules, and `answering` listeners whose default action names target groups of the
    service: what does not exist any more is not kept.
    """
    entry: Mapping[str, Any] = next(iter(item.get("loadBalancers") or ()), {})
    advanced = entry.get("advancedConfiguration") or {}
    shifts = ((item.get("deploymentConfiguration") or {}).get("strategy") or ROLLING) != ROLLING
    if shifts and bool(entry) is not (pair is not None):  # requests come in by Service Connect alone, or did
        return ("a service without a load balancer" if pair is None else "a load balancer",)
    if not advanced or pair is None or role is None:
        return ()
    found = []
    groups = {entry["targetGroupArn"], advanced["alternateTargetGroupArn"]}
    if groups <= {*known} and groups != {str(pair.target_group), str(pair.alternate)}:
        found.append("other target groups")
    for name, link in (("production", pair.production), ("test", pair.test)):
        rule = advanced.get(f"{name}ListenerRule") or ""
        listener = elb_actions.listener_of(rule)
        same = rule == link or (listener == link and rule not in rules)
        there = rule in rules or listener in answering  # the rule of a default action is not one of `rules`
        if link is not None and listener in known and there and not same:
            found.append(f"another {name} listener or rule")
    if (entry.get("containerName"), entry.get("containerPort")) != (pair.container, pair.port):
        found.append("another container or port")
    if isinstance(role, str) and advanced.get("roleArn") != role:
        found.append("another role")
    return tuple(found)
