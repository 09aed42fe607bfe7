"""Listener weights: the share of requests that each of a service's two target groups receives, read and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reconciler import errors
from reconciler.model import elb_actions
from reconciler.model.resource import Call, Calls, ServiceApi
from reconciler.rollout.release import RolloutTarget, TrafficEntry
from reconciler.rollout.state import WHOLE, Weights

elbv2 = ServiceApi("elbv2")


def reads(entries: Iterable[TrafficEntry]) -> list[Call]:
    """The fewest calls that read the actions of `entries`."""
    wanted = list(entries)
    listeners = sorted({entry.listener for entry in wanted if entry.rule is None})
    rules = sorted({entry.rule for entry in wanted if entry.rule is not None})
    calls = [elbv2.describe_listeners(ListenerArns=listeners)] if listeners else []
    return [*calls, elbv2.describe_rules(RuleArns=rules)] if rules else calls


def actions_in(answers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The actions in the responses to `reads`, by ARN."""
    found: dict[str, Any] = {}
    for answer in answers:
        found |= {item["ListenerArn"]: item["DefaultActions"] for item in answer.get("Listeners", ())}
        found |= {item["RuleArn"]: item["Actions"] for item in answer.get("Rules", ())}
    return found


def weights_of(
    actions: Sequence[Mapping[str, Any]], groups: tuple[str, ...], former: frozenset[str] = frozenset()
) -> tuple[Weights | None, bool]:
    """The shares in percent, and whether exactly the two groups are named; None if it forwards to unmanaged targets.

    `former` are groups of the stack that may be named, too, and go with the next write. If they have all the traffic,
    it counts as that of the first group, in which the first version starts: it receives it once it is healthy.
    """
    only = elb_actions.last(actions)
    if only is None or only["Type"] != "forward":
        return None, False
    items = (only.get("ForwardConfig") or {}).get("TargetGroups") or [{"TargetGroupArn": only.get("TargetGroupArn")}]
    given = {item["TargetGroupArn"]: item.get("Weight", 1) for item in items}
    others = {group: weight for group, weight in given.items() if group not in groups}
    first, second = (given.get(group, 0) for group in groups)
    total, both = first + second, given.keys() == set(groups)
    if not others.keys() <= former or (total and any(others.values())):
        return None, False
    if not total and any(others.values()):
        return (WHOLE, 0), False
    if not total:
        return (0, 0), both
    share = min(WHOLE - 1, max(1, round(first * WHOLE / total))) if first and second else WHOLE * bool(first)
    return (share, WHOLE - share), both


def point(subject: RolloutTarget, entry: TrafficEntry, weights: Weights, was: Weights | None) -> Calls[None]:
    """One read, one write. Both groups stay named: ECS refuses a target group that no listener names.

    Raises `errors.StalePlan` where the listener is not as it was seen.
    """
    (call,) = reads([entry])
    now = actions_in([(yield call)])[entry.arn]
    if weights_of(now, subject.groups, subject.former)[0] != was:
        raise errors.StalePlan(f"{entry.arn} has changed since it was read; nothing was written")
    targets = [
        {"TargetGroupArn": group, "Weight": weight} for group, weight in zip(subject.groups, weights, strict=True)
    ]
    others = (elb_actions.last(now) or {}).get("ForwardConfig") or {}  # whether clients stay with a group
    forward = {"Type": "forward", "ForwardConfig": {**others, **_stickiness(subject, weights), "TargetGroups": targets}}
    actions = elb_actions.joined(elb_actions.before(now), forward)
    if entry.rule is None:
        yield elbv2.modify_listener(ListenerArn=entry.listener, DefaultActions=actions)
    else:
        yield elbv2.modify_rule(RuleArn=entry.rule, Actions=actions)


def _stickiness(subject: RolloutTarget, weights: Weights) -> dict[str, Any]:
    """Off as soon as one version has all traffic: a client that stayed with the other one would go to no task."""
    if subject.stickiness is None:
        return {}
    config = {"Enabled": True, "DurationSeconds": subject.stickiness} if all(weights) else {"Enabled": False}
    return {elb_actions.STICKINESS: config}


def now_at(subject: RolloutTarget, entry: TrafficEntry) -> Calls[Weights | None]:
    (call,) = reads([entry])
    answer = yield call
    return weights_of(actions_in([answer])[entry.arn], subject.groups, subject.former)[0]
