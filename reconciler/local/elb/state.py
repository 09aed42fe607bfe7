"""What Elastic Load Balancing knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.local.ports import Target

NETWORK_PROTOCOLS = frozenset({"TCP", "TLS", "UDP", "TCP_UDP"})
"""Those of a network load balancer's listeners and target groups, as far as they are emulated."""

Params = dict[str, Any]
"""Parameters or an answer, spelt as AWS spells them."""


@dataclass(slots=True)
class LoadBalancer:
    arn: str
    name: str
    identifier: str
    dns_name: str
    scheme: str
    vpc_id: str
    subnets: list[str]
    security_groups: list[str]
    created_at: datetime
    type: str = "application"
    ip_address_type: str = "ipv4"
    state: str = "provisioning"
    attributes: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    interfaces: dict[str, str] = field(default_factory=dict)  # subnet → network interface

    @property
    def in_arns(self) -> str:
        return f"{'net' if self.type == 'network' else 'app'}/{self.name}/{self.identifier}"


@dataclass(slots=True)
class TargetGroup:
    arn: str
    name: str
    identifier: str
    settings: Params  # as DescribeTargetGroups has them
    attributes: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    targets: dict[tuple[str, int], Target] = field(default_factory=dict)


@dataclass(slots=True)
class Listener:
    arn: str
    load_balancer: str
    port: int
    protocol: str
    default_rule: str
    ssl_policy: str = ""
    certificates: list[str] = field(default_factory=list)
    """The default one, then those that were added to it, which may include it."""
    attributes: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Rule:
    arn: str
    listener: str
    priority: int | None  # None: the listener's default
    actions: list[Params]
    conditions: list[Params] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    client_secret: str = field(default="", repr=False)  # of its sign-in; never shown


@dataclass(slots=True)
class ElbState:
    load_balancers: dict[str, LoadBalancer] = field(default_factory=dict)
    target_groups: dict[str, TargetGroup] = field(default_factory=dict)
    listeners: dict[str, Listener] = field(default_factory=dict)
    rules: dict[str, Rule] = field(default_factory=dict)

    def rule_at(self, arn: str) -> Rule | None:
        """A rule, or the default one of a listener, by the ARN of either."""
        listener = self.listeners.get(arn)
        return self.rules.get(arn if listener is None else listener.default_rule)

    def rules_of(self, listener_arn: str) -> list[Rule]:
        """In the order in which they are tried: by priority, the default last."""
        found = [rule for rule in self.rules.values() if rule.listener == listener_arn]
        return sorted(found, key=lambda rule: (rule.priority is None, rule.priority or 0))

    def listeners_of(self, load_balancer_arn: str) -> list[Listener]:
        return [item for item in self.listeners.values() if item.load_balancer == load_balancer_arn]

    def load_balancers_of(self, target_group_arn: str) -> list[str]:
        """The load balancers of which a listener or a rule names the group, weight 0 included."""
        return self.users().get(target_group_arn, [])

    def users(self) -> dict[str, list[str]]:
        """`load_balancers_of` for every target group that any of them uses."""
        found: dict[str, set[str]] = {}
        for rule in self.rules.values():
            for arn in groups_of(rule.actions):
                found.setdefault(arn, set()).add(self.listeners[rule.listener].load_balancer)
        return {arn: sorted(balancers) for arn, balancers in found.items()}


def groups_of(actions: list[Params]) -> dict[str, int]:
    """Target groups and weights of the forward action, if there is one."""
    for action in actions:
        if action["Type"] == "forward":
            tuples = action.get("ForwardConfig", {}).get("TargetGroups", [])
            return {item["TargetGroupArn"]: item.get("Weight", 1) for item in tuples}
    return {}
