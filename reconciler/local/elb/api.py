"""Elastic Load Balancing v2: its operations by name."""

from __future__ import annotations

from reconciler.local.elb import attributes, listeners, load_balancers, rules, tags, target_groups, targets
from reconciler.local.elb.state import Params
from reconciler.local.world import Operation, World

LIMITS = {
    "application-load-balancers": 50,
    "listeners-per-application-load-balancer": 50,
    "rules-per-application-load-balancer": 100,
    "target-groups": 3000,
    "target-groups-per-action-on-application-load-balancer": 5,
    "target-groups-per-application-load-balancer": 100,
    "targets-per-application-load-balancer": 1000,
}


def describe_account_limits(world: World, params: Params) -> Params:  # noqa: ARG001 — every operation has this signature
    return {"Limits": [{"Name": name, "Max": str(most)} for name, most in LIMITS.items()]}


OPERATIONS: dict[str, Operation] = {
    "AddListenerCertificates": listeners.add_listener_certificates,
    "AddTags": tags.add_tags,
    "CreateListener": listeners.create_listener,
    "CreateLoadBalancer": load_balancers.create_load_balancer,
    "CreateRule": rules.create_rule,
    "CreateTargetGroup": target_groups.create_target_group,
    "DeleteListener": listeners.delete_listener,
    "DeleteLoadBalancer": load_balancers.delete_load_balancer,
    "DeleteRule": rules.delete_rule,
    "DeleteTargetGroup": target_groups.delete_target_group,
    "DeregisterTargets": targets.deregister_targets,
    "DescribeAccountLimits": describe_account_limits,
    "DescribeListenerAttributes": attributes.describe_listener_attributes,
    "DescribeListenerCertificates": listeners.describe_listener_certificates,
    "DescribeListeners": listeners.describe_listeners,
    "DescribeLoadBalancerAttributes": attributes.describe_load_balancer_attributes,
    "DescribeLoadBalancers": load_balancers.describe_load_balancers,
    "DescribeRules": rules.describe_rules,
    "DescribeSSLPolicies": listeners.describe_ssl_policies,
    "DescribeTags": tags.describe_tags,
    "DescribeTargetGroupAttributes": attributes.describe_target_group_attributes,
    "DescribeTargetGroups": target_groups.describe_target_groups,
    "DescribeTargetHealth": targets.describe_target_health,
    "ModifyListener": listeners.modify_listener,
    "ModifyListenerAttributes": attributes.modify_listener_attributes,
    "ModifyLoadBalancerAttributes": attributes.modify_load_balancer_attributes,
    "ModifyRule": rules.modify_rule,
    "ModifyTargetGroup": target_groups.modify_target_group,
    "ModifyTargetGroupAttributes": attributes.modify_target_group_attributes,
    "RegisterTargets": targets.register_targets,
    "RemoveListenerCertificates": listeners.remove_listener_certificates,
    "RemoveTags": tags.remove_tags,
    "SetIpAddressType": load_balancers.set_ip_address_type,
    "SetRulePriorities": rules.set_rule_priorities,
    "SetSecurityGroups": load_balancers.set_security_groups,
    "SetSubnets": load_balancers.set_subnets,
}
