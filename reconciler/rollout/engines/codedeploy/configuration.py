"""The deployment configuration by which CodeDeploy shifts traffic as a strategy says."""

from __future__ import annotations

from reconciler.model import codedeploy_names
from reconciler.rollout.strategy import Strategy


def configuration(policy: Strategy) -> str:
    """The deployment configuration of the strategy's traffic steps: one canary step, or equal ones."""
    if not policy.shares:
        return codedeploy_names.ALL_AT_ONCE
    first = policy.shares[0]
    minutes = int(first.pause.total_seconds() // 60)
    if len(policy.shares) == 1:
        return codedeploy_names.canary(first.weight, minutes)
    return codedeploy_names.linear(first.weight, minutes)
