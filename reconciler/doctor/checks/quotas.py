"""Quotas: whether the account has room for what the plan creates, before the old is gone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from reconciler import errors
from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity, not_checked
from reconciler.doctor.service_quotas import quotas_of, request_of, value_of
from reconciler.model.quota import Quota
from reconciler.model.resource import Address, Calls, Desired, Link, Ref


class Quotas(Check):
    title: ClassVar[str] = "quotas"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        added = _added(case)
        if not added:
            return []
        known = yield from quotas_of({quota.service for quota, _ in added})
        found = [
            not_checked(f"quotas of {name}", answer)
            for name, answer in known.items()
            if isinstance(answer, errors.AwsError) and not isinstance(answer, errors.Unserved)
        ]
        for (quota, place), wanted in added.items():
            there = 0
            if quota.count is not None:
                there = yield from _counted(quota, place)
            limit = value_of(quota, known[quota.service])
            adds = [quota.amount(want.spec) for want in wanted]
            most = max(adds) if quota.count is None else there + sum(adds)
            if most > limit:
                found.append(_exceeded(quota, wanted, there, most, limit))
        return found


def _added(case: Case) -> dict[tuple[Quota, Link | None], list[Desired[Any]]]:
    """What the plan adds by quota, and by the place that it counts in there."""
    added: dict[tuple[Quota, Link | None], list[Desired[Any]]] = defaultdict(list)
    for name, kind in case.kinds.items():
        for quota in kind.quotas:
            wanted = case.created(name) if quota.count is not None else list(_written(case, name))
            for want in wanted:
                if quota.applies(want.spec):
                    added[quota, None if quota.within is None else quota.within(want.spec)].append(want)
    return added


def _written(case: Case, name: str) -> Iterator[Desired[Any]]:
    """Of what is limited in each single resource, a change counts as well."""
    return (action.new for action in case.actions if action.new is not None and action.address.kind == name)


def _counted(quota: Quota, place: Link | None) -> Calls[int]:
    assert quota.count is not None
    if isinstance(place, Ref):
        return 0  # it is created by the same plan, and empty
    count: int = yield from quota.count(place or "")
    return count


def _exceeded(quota: Quota, wanted: Sequence[Desired[Any]], there: int, most: int, limit: float) -> Finding:
    addresses = ", ".join(str(want.address) for want in wanted[:3]) + (" …" if len(wanted) > 3 else "")
    cause = f"the quota {quota.name!r} is {limit:g}: there are {there}, and {addresses} makes {most}"
    if quota.count is None:
        cause = f"the quota {quota.name!r} is {limit:g}, and {addresses} takes {most}"
    return Finding(Severity.ERROR, "quota-exceeded", str(_worst(quota, wanted)), cause, request_of(quota, most),
                   wanted[0].where)  # fmt: skip


def _worst(quota: Quota, wanted: Sequence[Desired[Any]]) -> Address:
    return max(wanted, key=lambda want: quota.amount(want.spec)).address
