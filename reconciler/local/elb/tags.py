"""Tags of load balancers, target groups, listeners and rules."""

from __future__ import annotations

from reconciler.local.elb.checks import invalid, listener, load_balancer, rule, tags_of, target_group
from reconciler.local.elb.state import Params
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

ARNS_PER_CALL = 20
TAGS_PER_RESOURCE = 50


def of(world: World, arn: str) -> dict[str, str]:
    """The tags of one resource, as they are kept; a `Refusal` when it is not there."""
    kind = arn.partition(":elasticloadbalancing:")[2].partition("/")[0].rpartition(":")[2]
    match kind:
        case "loadbalancer":
            return load_balancer(world, arn).tags
        case "targetgroup":
            return target_group(world, arn).tags
        case "listener":
            return listener(world, arn).tags
        case "listener-rule":
            return rule(world, arn).tags
        case _:
            raise invalid(f"'{arn}' is not a valid load balancer, target group, listener or rule ARN")


def add_tags(world: World, params: Params) -> Params:
    wanted = tags_of(params)
    found = [of(world, arn) for arn in params["ResourceArns"]]
    for tags in found:
        if len({*tags, *wanted}) > TAGS_PER_RESOURCE:
            raise Refusal("TooManyTags", f"The maximum number of tags is {TAGS_PER_RESOURCE}")
    for tags in found:
        tags.update(wanted)
    return {}


def remove_tags(world: World, params: Params) -> Params:
    for tags in [of(world, arn) for arn in params["ResourceArns"]]:
        for key in params["TagKeys"]:
            tags.pop(key, None)
    return {}


def describe_tags(world: World, params: Params) -> Params:
    arns = params["ResourceArns"]
    if len(arns) > ARNS_PER_CALL:
        raise invalid(f"A maximum of {ARNS_PER_CALL} resource ARNs can be specified")
    rows = [
        {
            "ResourceArn": arn,
            "Tags": [{"Key": key, "Value": value} for key, value in of(world, arn).items()],
        }
        for arn in arns
    ]
    return {"TagDescriptions": rows}
