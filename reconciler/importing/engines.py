"""Services whose traffic is shifted between two target groups, by ECS or by CodeDeploy: the strategy that keeps the
engine, and the two places at which their requests come in.

Both places belong to one load balancer that the documents own, because the rollouts of the service write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from reconciler.importing.balancing import Entry, not_referable, stateable
from reconciler.importing.decision import Choice
from reconciler.importing.inventory import Inventory, ServiceFound, Thing, sends_to
from reconciler.importing.tasks import seconds
from reconciler.model import codedeploy_names
from reconciler.resources import _codedeploy_fields
from reconciler.resources._rule_fields import ListenerRuleSpec, read
from reconciler.resources._service_deployment import ROLLING, Deployment
from reconciler.rollout.engine import Controller, TrafficShifter, engines
from reconciler.spec.documents.deployment_strategy import Verify

TYPES: Final[Mapping[str, str]] = {"BLUE_GREEN": "blue_green", "CANARY": "canary", "LINEAR": "linear"}
GROUP: Final = "codedeploy-deployment-group"


@dataclass(frozen=True, slots=True)
class Shifted:
    """`groups` are ARNs of the target groups, that of production first; `strategy` are fields of a DeploymentStrategy.
    `remark` is what a comment says of it."""

    production: Entry
    test: Entry
    groups: tuple[str, ...]
    strategy: Mapping[str, Any]
    remark: str = ""


def shifts(service: ServiceFound) -> bool:
    """Whether its traffic is shifted, by whomever."""
    strategy = (service.spec.deployment or Deployment()).strategy
    return service.spec.controller == "CODE_DEPLOY" or strategy not in (None, ROLLING)


def shifted(inventory: Inventory, service: ServiceFound, choices: Mapping[str, Choice]) -> Shifted | str:
    """How its traffic is shifted; or why the specs cannot say it."""
    found = (
        _by_codedeploy(inventory, service) if service.spec.controller == "CODE_DEPLOY" else _by_ecs(inventory, service)
    )
    if isinstance(found, str):
        return found
    return next(_obstacles(inventory, found, choices), "") or found


def _obstacles(inventory: Inventory, found: Shifted, choices: Mapping[str, Choice]) -> Iterator[str]:
    balancer = found.production.listener.item["LoadBalancerArn"]
    choice = choices.get(balancer)
    if choice is None or (not choice.own and _not_referable(inventory, found, choice)):
        why = f": {choice.because}" if choice is not None else ""
        yield f"its rollouts write the listeners of a load balancer that is not owned{why}"
    if found.test.listener.item["LoadBalancerArn"] != balancer:
        yield "its test listener belongs to another load balancer"
    rules = (found.production.rule, found.test.rule)
    if (rules[0] is None) != (rules[1] is None):
        yield "its requests come in at a rule of one listener, and at the default action of the other"
    if rules[0] is not None and rules[1] is not None:
        if not (stateable(rules[0]) and stateable(rules[1])):
            yield "the specs have no words for the conditions of its rules"
        elif _conditions(rules[0]) != _conditions(rules[1]):
            yield "its rules have other conditions or priorities on the test listener, and the specs state them once"


def _not_referable(inventory: Inventory, found: Shifted, choice: Choice) -> bool:
    groups = [inventory.things[group] for group in found.groups if group in inventory.things]
    return any(not_referable(inventory, choice, entry, *groups) for entry in (found.production, found.test))


def _conditions(rule: Thing) -> ListenerRuleSpec:
    return read("", rule.item).model_copy(update={"action": None})


# -- ECS


def _by_ecs(inventory: Inventory, service: ServiceFound) -> Shifted | str:
    deployment = service.spec.deployment or Deployment()
    balancers = list(service.thing.item.get("loadBalancers") or ())
    if len(balancers) != 1 or "advancedConfiguration" not in balancers[0]:
        return "ECS shifts its traffic without a pair of target groups"
    advanced = balancers[0]["advancedConfiguration"]
    if "testListenerRule" not in advanced:
        return "ECS shifts its traffic without a test listener; give it one first"
    production = _entry(inventory, advanced["productionListenerRule"])
    test = _entry(inventory, advanced["testListenerRule"])
    if production is None or test is None:
        return "its listener rules cannot be read"
    if deployment.step_percent is not None and deployment.step_percent % 1:
        return f"its traffic is shifted in steps of {deployment.step_percent:g} percent, and the specs have whole ones"
    strategy: dict[str, Any] = {
        "type": TYPES.get(deployment.strategy or "", ""),
        "engine": _engine(Controller.ECS),
        "role": advanced["roleArn"],
    }
    if deployment.step_percent is not None:
        size, pause = int(deployment.step_percent), seconds(60 * (deployment.step_bake or 0))
        weights = range(size, 100, size) if deployment.strategy == "LINEAR" else (size,)
        strategy["steps"] = [{"weight": weight, "pause": pause} for weight in weights]
    strategy |= _kept(timedelta(minutes=deployment.bake or 0), deployment.alarms or ())
    groups = (balancers[0]["targetGroupArn"], advanced["alternateTargetGroupArn"])
    return Shifted(production, test, groups, strategy)


def _engine(controller: Controller) -> str:
    """The engine that shifts traffic under a deployment controller."""
    return next(
        name
        for name, engine in engines().items()
        if engine.controller is controller and engine.shifts_traffic is not TrafficShifter.NOBODY
    )


def _kept(bake: timedelta, alarms: tuple[str, ...]) -> dict[str, Any]:
    """How long the old tasks stay: for the time of verification, and then for the teardown's."""
    verified = min(bake, Verify.model_fields["period"].default)
    verify: dict[str, Any] = {"for": seconds(int(verified.total_seconds()))}
    return {
        "verify": verify | ({"alarms": list(alarms)} if alarms else {}),
        "teardown": {"after": seconds(int((bake - verified).total_seconds()))},
    }


def _entry(inventory: Inventory, rule: str) -> Entry | None:
    """ECS names a rule, also where it is the default action of a listener."""
    found = inventory.things.get(rule)
    if found is not None and found.kind == "listener":
        return Entry(found, None)
    if found is not None:
        return Entry(inventory.things[found.more["listener"]], found)
    listeners = (one for one in inventory.of("listener") if one.more.get("default_rule") == rule)
    return next((Entry(listener, None) for listener in listeners), None)


# -- CodeDeploy


def group_id(service: ServiceFound) -> tuple[str, str]:
    """Application and deployment group, as the ECS console names them, which is how they are found."""
    cluster = service.cluster.rpartition("/")[2]
    names = codedeploy_names
    return names.application(cluster, service.name), names.deployment_group(cluster, service.name)


def _by_codedeploy(inventory: Inventory, service: ServiceFound) -> Shifted | str:
    application, name = group_id(service)
    thing = inventory.things.get(f"{application}/{name}")
    if thing is None:
        return f"CodeDeploy deploys it, and there is no deployment group {name} of the application {application}"
    group = _codedeploy_fields.read(application, thing.item, None, inventory.scope, {})
    arns = {one.name: one.id for one in inventory.of("target-group")}
    groups = tuple(arns.get(str(one), str(one)) for one in group.target_groups)
    if group.test is None:
        return "CodeDeploy shifts its traffic without a test listener; give its deployment group one first"
    production, test = (_of_listener(inventory, arn, {*groups}) for arn in (group.production, group.test))
    if production is None or test is None:
        return "its listeners cannot be read, or do not send requests to its target groups"
    steps = _steps(group.config)
    if steps is None:
        return f"the specs have no words for the deployment configuration {group.config}"
    strategy = {**steps, "engine": _engine(Controller.CODE_DEPLOY), "role": str(group.role)}
    strategy |= {"verify": {"alarms": list(group.alarms)}} if group.alarms else {}
    live = [arn for arn in groups if arn in service.target_groups]
    groups = tuple(dict.fromkeys((*live, *groups)))
    waits = _longest_waits()
    remark = (
        f"The deployment group waits {group.ready_wait} minutes for a promotion and {group.termination_wait} before it "
        f"terminates the old tasks. These become {waits[0]} and {waits[1]}, the longest that CodeDeploy has, because "
        "the rollout keeps the times of `promotion` and `teardown`."
    )
    remark = remark if (group.ready_wait, group.termination_wait) != waits else ""
    return Shifted(production, test, groups, strategy, remark)


def _longest_waits() -> tuple[int, int]:
    """Minutes, as the compiled deployment group has them."""
    limits = engines()[_engine(Controller.CODE_DEPLOY)].limits
    assert limits.stops_after is not None, "an engine of this controller has limits"
    assert limits.bake is not None, "an engine of this controller has limits"
    return int(limits.stops_after.total_seconds() // 60), int(limits.bake.total_seconds() // 60)


def _of_listener(inventory: Inventory, arn: Any, ours: set[str]) -> Entry | None:
    listener = inventory.things.get(str(arn))
    if listener is None:
        return None
    if ours & set(sends_to(listener.item["DefaultActions"])):
        return Entry(listener, None)
    rules = (rule for rule in inventory.rules(listener.id) if ours & set(sends_to(rule.item["Actions"])))
    return next((Entry(listener, rule) for rule in rules), None)


def _steps(config: str) -> dict[str, Any] | None:
    """Type and steps of a deployment configuration, from its name; None of one that a person has made."""
    if config == codedeploy_names.ALL_AT_ONCE:
        return {"type": "blue_green"}
    parsed = codedeploy_names.shape(config)
    if parsed is None:
        return None
    kind, percent, minutes = parsed
    weights = range(percent, 100, percent) if kind == "linear" else (percent,)
    return {"type": kind, "steps": [{"weight": weight, "pause": seconds(60 * minutes)} for weight in weights]}
