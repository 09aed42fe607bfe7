"""Which engine runs a service now, and the facts that a change of it depends on, from what AWS answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reconciler.model.resource import Observed
from reconciler.rollout import listener_weights
from reconciler.rollout.change_facts import ChangeFacts
from reconciler.rollout.engine import Controller, Engine, Prefetched, engines
from reconciler.rollout.engine_change import style
from reconciler.rollout.release import RolloutTarget
from reconciler.rollout.state import all_on
from reconciler.rollout.stored_state import KEYS

ROLLING = "ROLLING"


def style_of(item: Mapping[str, Any]) -> tuple[str, bool]:
    """The controller of a service as DescribeServices has it, and whether ECS shifts its traffic."""
    controller = (item.get("deploymentController") or {}).get("type") or str(Controller.ECS)
    strategy = (item.get("deploymentConfiguration") or {}).get("strategy") or ROLLING
    return controller, controller == Controller.ECS and strategy != ROLLING


def engine_of(item: Mapping[str, Any]) -> Engine | None:
    """The engine that runs a service as it is; None if none does."""
    able = (one for one in engines().values() if style(one) == style_of(item))
    return min(able, key=lambda one: not one.default, default=None)


def lives(service: Observed[Any]) -> bool:
    """Whether it is there, and a version was in place: ECS does not show that after a rollback that it gave up."""
    established = service.facts.get("established", True) or KEYS["live"] in service.tags
    return established and not service.facts.get("deleting")


def runs(engine: Engine, found: Prefetched) -> bool:
    """Whether it is the engine that runs a service as it was read."""
    return found.service is None or style(engine) == style_of(found.service)


def differs(declared: Engine, item: Mapping[str, Any]) -> bool:
    """Whether a service is not yet, or not altogether, what the declared engine needs it to be."""
    left = declared.controller is Controller.ECS and paired(item) and not style(declared)[1]
    return style(declared) != style_of(item) or left


def paired(item: Mapping[str, Any]) -> bool:
    return any((one.get("advancedConfiguration") or {}).get("alternateTargetGroupArn") for one in _attached(item))


def facts_of(subject: RolloutTarget, found: Prefetched) -> ChangeFacts:
    """`subject` names the two target groups, whichever engine runs the service."""
    item = found.service
    assert item is not None
    controller, shifted = style_of(item)
    production, bare, live = None, [], None
    for name, entry in (("production", subject.production), ("test", subject.test)):
        if entry is None or len(subject.groups) != 2:
            continue
        weights, whole = listener_weights.weights_of(found.actions[entry.arn], subject.groups, subject.former)
        bare += [(name, weights)] if weights is not None and not whole else []
        production = weights if name == "production" else production
    for slot in (0, 1):
        live = slot if production == all_on(slot) else live
    versions = [item] if controller == Controller.ECS else _sets(item)
    groups = {arn: slot for slot, arn in enumerate(subject.groups)}
    return ChangeFacts(
        controller=controller,
        shifted=shifted,
        paired=controller == Controller.ECS and paired(item),
        guarded=_guarded(item.get("deploymentConfiguration") or {}),
        attached=tuple(groups.get(one.get("targetGroupArn", "")) for each in versions for one in _attached(each)),
        live=live,
        bare=tuple(bare),
        routed=subject.production is not None,
        busy=_busy_deployments(item) if controller == Controller.ECS else _busy_sets(item),
    )


def _attached(version: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return version.get("loadBalancers") or ()


def _sets(item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    return item.get("taskSets") or ()


def _guarded(configuration: Mapping[str, Any]) -> bool:
    members = (configuration.get(name) or {} for name in ("alarms", "deploymentCircuitBreaker"))
    return any(one.get("enable") for one in members)


def _busy_deployments(item: Mapping[str, Any]) -> str:
    """Why UpdateService would change a service in the middle of something, or "". ECS deploys it."""
    if item["status"] != "ACTIVE":
        return f"the service is {item['status']}"
    alive = [one for one in item.get("deployments") or () if one["status"] != "INACTIVE"]
    primary = next((one for one in alive if one["status"] == "PRIMARY"), None)
    if primary is None:
        return "no deployment has begun"
    counts = f"{primary.get('runningCount', 0)} of {item['desiredCount']} tasks running"
    counts_are_whole = primary.get("runningCount", 0) == item["desiredCount"] and not primary.get("pendingCount", 0)
    given_up = counts_are_whole and not item.get("currentServiceDeployment")  # ECS does not say so in `rolloutState`
    if primary.get("rolloutState") != "COMPLETED" and not given_up:
        failed = primary.get("failedTasks", 0)
        return f"its deployment is {primary.get('rolloutState')}, {counts}{f', {failed} failed' if failed else ''}"
    if len(alive) > 1:
        return f"{len(alive)} deployments are under way, {counts}"
    if primary.get("runningCount", 0) != item["desiredCount"] or primary.get("pendingCount", 0):
        return counts
    return ""


def _busy_sets(item: Mapping[str, Any]) -> str:
    """The same of a service with task sets: there has to be one, and it has to be primary."""
    if item["status"] != "ACTIVE":
        return f"the service is {item['status']}"
    sets = _sets(item)
    if len(sets) != 1:
        return f"it has {len(sets)} task sets" if sets else "it has no task set"
    (only,) = sets
    if only["status"] != "PRIMARY":
        return f"its task set is {only['status']}, and not primary"
    running, wanted = only.get("runningCount", 0), only.get("computedDesiredCount", 0)
    if running != wanted or only.get("pendingCount", 0) or only.get("stabilityStatus") != "STEADY_STATE":
        return f"its task set is not steady, {running} of {wanted} tasks running"
    return ""
