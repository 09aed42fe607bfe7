"""Digests of what the specs judge a release by: if it changes, a release that failed by it is tried again.

What a release consists of does not count, because with it the release is another one: its task definition, network and
capacity, and under an engine that shifts traffic the health check.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from reconciler.model.resource import Address, Desired
from reconciler.model.stable_digest import digest, stable
from reconciler.model.type_registry import discover
from reconciler.reconcile.followers import digests
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout_driver.resolution import ResolutionContext

LENGTH: Final = 6
OF_THE_STRATEGY: Final = (
    "healthy_within",
    "scale",
    "max_failed_tasks",
    "tests",
    "verify_for",
    "alarms",
    "max_5xx",
    "looks",
)
OF_THE_SERVICE: Final = ("grace_period", "deployment")

RELEASE, TASK = "r", "t"
"""Sorts of digests: they begin with it, and are compared with their own sort only."""


def judges_of(delivery: RolloutSpec, context: ResolutionContext) -> str:
    """Of the releases of a service, with the digests of what a release is and of what follows it."""
    wanted, policy = context.wanted, delivery.policy
    service = wanted[delivery.service]
    strategy = {name: value for name, value in stable(policy).items() if name in OF_THE_STRATEGY}
    settings = {name: value for name, value in stable(service.spec).items() if name in OF_THE_SERVICE}
    used = service.refs() | wanted[delivery.task_definition].refs() | set(delivery.groups)
    judges = digest([strategy, settings, _specs(used, context)], LENGTH)
    return f"{RELEASE}{judges}.{digests(delivery, wanted, context.ids)}"


def judges_of_task(want: Desired[Any], context: ResolutionContext) -> str:
    """Of the runs of a pre-deployment task: its network and capacity, and the permissions of its roles."""
    used = want.refs() | context.wanted[want.spec.task_definition.address].refs()
    return TASK + digest([want.spec, _specs(used, context)], LENGTH)


def _specs(used: Iterable[Address], context: ResolutionContext) -> dict[str, Any]:
    """What may judge a release among them, and what names one of them: the rules of a security group."""
    several, kinds = frozenset(used), discover()
    counted = {one for one in several & context.wanted.keys() if kinds[one.kind].judges}
    counted |= {judge for one in several for judge in context.judges.get(one, ())}
    return {str(one): context.wanted[one].spec for one in counted}
