"""Reading of load balancing: target groups, and the whole of each load balancer that sends requests to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.importing.inventory import Thing, every_tag
from reconciler.model.resource import Call, Calls
from reconciler.resources import _gone
from reconciler.resources._elb import TAGS_AT_ONCE, elbv2

Items = Mapping[str, Any]


def read_balancing(groups: Iterable[str]) -> Calls[list[Thing]]:
    """`groups` are ARNs of target groups. Of what is deleted meanwhile there is nothing."""
    wanted = yield from _each(lambda arns: elbv2.describe_target_groups(TargetGroupArns=arns), groups, "TargetGroups")
    targets = {item["TargetGroupArn"]: item for item in wanted}
    arns = {arn for item in targets.values() for arn in item.get("LoadBalancerArns") or ()}
    wanted = yield from _each(lambda arns: elbv2.describe_load_balancers(LoadBalancerArns=arns), arns, "LoadBalancers")
    balancers = {item["LoadBalancerArn"]: item for item in wanted}
    answers = yield from _gone.answers([elbv2.describe_listeners(LoadBalancerArn=arn) for arn in balancers])
    listeners = {item["ListenerArn"]: item for answer in answers if answer for item in answer["Listeners"]}
    answers = yield from _gone.answers([elbv2.describe_rules(ListenerArn=arn) for arn in listeners])
    rules = {
        item["RuleArn"]: (listener, item)
        for listener, answer in zip(listeners, answers, strict=True)
        for item in (answer or {"Rules": ()})["Rules"]
        if not item.get("IsDefault")
    }
    defaults = {
        listener: item["RuleArn"]
        for listener, answer in zip(listeners, answers, strict=True)
        for item in (answer or {"Rules": ()})["Rules"]
        if item.get("IsDefault")
    }
    secure = [arn for arn in listeners if listeners[arn].get("Certificates")]
    details = yield from _gone.answers(
        [
            *(elbv2.describe_target_group_attributes(TargetGroupArn=arn) for arn in targets),
            *(elbv2.describe_load_balancer_attributes(LoadBalancerArn=arn) for arn in balancers),
            *(elbv2.describe_listener_certificates(ListenerArn=arn) for arn in secure),
        ]
    )
    more = dict(zip((*targets, *balancers, *secure), details, strict=True))
    tags = yield from _tags([*targets, *balancers, *listeners, *rules])
    return [
        *(
            Thing("target-group", arn, item["TargetGroupName"], tags.get(arn, {}), item, {"attributes": more[arn]})
            for arn, item in targets.items()
        ),
        *(
            Thing("load-balancer", arn, item["LoadBalancerName"], tags.get(arn, {}), item, {"attributes": more[arn]})
            for arn, item in balancers.items()
        ),
        *(
            Thing(
                "listener",
                arn,
                _named(item),
                tags.get(arn, {}),
                item,
                {"certificates": more.get(arn), "default_rule": defaults.get(arn)},
            )
            for arn, item in listeners.items()
        ),
        *(
            Thing("listener-rule", arn, item["Priority"], tags.get(arn, {}), item, {"listener": listener})
            for arn, (listener, item) in rules.items()
        ),
    ]


def _named(item: Items) -> str:
    return f"{item['LoadBalancerArn'].split('/')[-2]}:{item.get('Port', 0)}"


def _each(call: Any, arns: Iterable[str], answered: str) -> Calls[list[Items]]:
    answers = yield from _gone.batches(call, sorted(set(arns)), TAGS_AT_ONCE)
    return [item for answer in answers for item in answer[answered]]


def _tags(arns: list[str]) -> Calls[dict[str, dict[str, str]]]:
    rows = yield from _each(_describe_tags, arns, "TagDescriptions")
    return {row["ResourceArn"]: every_tag(row["Tags"]) for row in rows}


def _describe_tags(arns: list[str]) -> Call:
    return elbv2.describe_tags(ResourceArns=arns)
