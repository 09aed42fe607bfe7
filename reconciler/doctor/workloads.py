"""Workloads of a stack: what starts tasks, from which definition, in which network, and how many at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from reconciler.model.plan import Plan, Verb
from reconciler.model.resource import Address, Desired, Observed, Ref
from reconciler.resources.secret_version import SecretVersion
from reconciler.rollout.spec import RolloutSpec

FARGATE: Final = frozenset({"FARGATE", "FARGATE_SPOT"})
MOST_PERCENT: Final = 200
"""`maximumPercent` of a rolling deployment that states none (ECS API Reference, DeploymentConfiguration)."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A service, a one-off or a scheduled task. `spec` and `definition` have ids where these are known, and
    secrets as the specs name them.

    `starts`: the plan starts tasks of it. `count` is how many it is to run, `running` how many it runs now, and `surge`
    how many a rollout runs beside them.
    """

    address: Address
    want: Desired[Any]
    definition: Desired[Any]
    starts: bool
    count: int
    running: int
    surge: int

    @property
    def more(self) -> int:
        """Tasks that run beside those of now: the first ones, or those of the next version."""
        return max(0, self.count - self.running) + (self.surge if self.running else 0)

    @property
    def fargate(self) -> bool:
        providers = {share.provider for share in self.want.spec.capacity_provider_strategy or ()}
        return self.want.spec.launch_type in (None, "FARGATE") and providers <= FARGATE

    @property
    def spot(self) -> bool:
        """Whether all of its tasks are of Fargate Spot."""
        providers = {share.provider for share in self.want.spec.capacity_provider_strategy or () if share.weight}
        return providers == {"FARGATE_SPOT"}

    def place(self, field: str) -> str:
        """Where a field of its task definition stands in the specs."""
        return self.definition.origins.get(field, self.definition.where)


def workloads_of(
    plan: Plan,
    desired: Iterable[Desired[Any]],
    found: Mapping[Address, Observed[Any]],
    deliveries: Iterable[RolloutSpec],
    pending: frozenset[Address],
) -> Iterator[Workload]:
    """Each workload. `pending` are the services whose wanted version is not in production yet."""
    ids = {address: one.id for address, one in found.items() if address.kind != SecretVersion.kind}
    rollouts = {delivery.service: delivery for delivery in deliveries}
    tasks = [one.pre_deployment for one in rollouts.values() if one.pre_deployment is not None]
    wanted = tuple(desired)
    definitions = {want.address: want for want in wanted if want.address.kind == "task-definition"}
    begun = {action.address for action in plan.actions if action.verb is not Verb.DELETE and not action.only_notes}
    begun |= {entry.action.address for entry in plan.deferred} | pending
    for want in (*wanted, *tasks):
        link = getattr(want.spec, "task_definition", None)
        definition = definitions.get(link.address) if isinstance(link, Ref) else None
        if definition is None:
            continue
        before, delivery = found.get(want.address), rollouts.get(want.address)
        running = _count(before.spec) if before is not None and hasattr(before.spec, "desired_count") else 0
        count = _count(want.spec, running)
        yield Workload(
            want.address,
            want.resolved(ids),
            definition.resolved(ids),
            starts=bool({want.address, definition.address} & begun),
            count=count,
            running=running,
            surge=0 if delivery is None else _surge(delivery, want.spec, max(count, running)),
        )


def _count(spec: Any, otherwise: int = 0) -> int:
    if hasattr(spec, "desired_count"):
        stated = spec.desired_count if spec.desired_count is not None else otherwise or spec.initial_count
        return int(stated or 0)
    return int(1 if spec.count is None else spec.count)


def _surge(delivery: RolloutSpec, spec: Any, count: int) -> int:
    if delivery.moves_traffic:
        return ceil(count * delivery.policy.scale / 100) if delivery.created_with_tasks is False else count
    most = spec.deployment.max_percent if spec.deployment is not None else None
    return max(0, ceil(count * (MOST_PERCENT if most is None else most) / 100) - count)
