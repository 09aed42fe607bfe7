"""What every part of Elastic Load Balancing looks up, and refuses with."""

from __future__ import annotations

import re

from reconciler.local.elb.state import Listener, LoadBalancer, Params, Rule, TargetGroup
from reconciler.local.paging import page as any_page
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

NAME_LENGTH = 32
PAGE_SIZE = 400


def invalid(message: str) -> Refusal:
    return Refusal("ValidationError", message)


def check_name(name: str, what: str) -> None:
    """CreateLoadBalancer and CreateTargetGroup, "Name": 32 characters, alphanumerics and hyphens, not at either end."""
    if len(name) > NAME_LENGTH:
        raise invalid(f"{what} name '{name}' cannot be longer than '{NAME_LENGTH}' characters")
    if not re.fullmatch(r"[A-Za-z0-9-]+", name):
        raise invalid(
            f"{what} name '{name}' can only contain characters that are alphanumeric characters and hyphens(-)"
        )
    if name.startswith("-") or name.endswith("-"):
        raise invalid(f"{what} name '{name}' cannot begin or end with '-'")


def load_balancer(world: World, arn: str) -> LoadBalancer:
    found = world.elb.load_balancers.get(arn)
    if found is None:
        raise Refusal("LoadBalancerNotFound", f"Load balancer '{arn}' not found")
    return found


def target_group(world: World, arn: str) -> TargetGroup:
    found = world.elb.target_groups.get(arn)
    if found is None:
        raise Refusal("TargetGroupNotFound", f"Target groups '{arn}' not found")
    return found


def listener(world: World, arn: str) -> Listener:
    found = world.elb.listeners.get(arn)
    if found is None:
        raise Refusal("ListenerNotFound", "One or more listeners not found")
    return found


def rule(world: World, arn: str) -> Rule:
    found = world.elb.rules.get(arn)
    if found is None:
        raise Refusal("RuleNotFound", "One or more rules not found")
    return found


def tags_of(params: Params) -> dict[str, str]:
    """Tags of a create call: no key twice, none of AWS's own."""
    tags: dict[str, str] = {}
    for tag in params.get("Tags", []):
        if tag["Key"] in tags:
            raise Refusal("DuplicateTagKeys", f"Duplicate tag keys found: {tag['Key']}")
        if tag["Key"].lower().startswith("aws:"):
            raise invalid(f"The tag key '{tag['Key']}' is reserved for AWS use")
        tags[tag["Key"]] = tag.get("Value", "")
    if len(tags) > 50:
        raise Refusal("TooManyTags", "The maximum number of tags is 50")
    return tags


def paged(items: list[Params], params: Params, key: str, name: str) -> Params:
    """An answer `{name: page, NextMarker}`; `key` is the member that the items are sorted and continued by."""
    ordered = sorted(items, key=lambda item: str(item[key]))
    size = params.get("PageSize", PAGE_SIZE)
    if not 1 <= size <= PAGE_SIZE:
        raise invalid(f"PageSize must be between 1 and {PAGE_SIZE}")
    wrong = invalid("Marker is invalid")
    rows, following = any_page(ordered, params.get("Marker"), size, lambda item: str(item[key]), wrong)
    return {name: rows, "NextMarker": following}
