"""Permissions of the caller: whether it is allowed what this plan takes, as IAM's policy simulator says.

The actions and resources are those of the policy that `iam-policy` derives, from what the plan touches alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, ClassVar, Final

from reconciler import errors
from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity
from reconciler.doctor.simulation import Denial, principal_of, simulated
from reconciler.iam import EVERYTHING, Extras, Statement, calls, document, fitted, statements
from reconciler.iam.rules import action
from reconciler.model.permissions import Operation
from reconciler.model.plan import Action, Verb
from reconciler.model.resource import Calls, Desired
from reconciler.rollout.spec import RolloutSpec

LINKED: Final = "iam:CreateServiceLinkedRole"  # of `linked_roles`, which knows whether it takes one
MAKING: Final = frozenset({Verb.CREATE, Verb.REPLACE, Verb.ADOPT})
DELETING: Final = ("Delete", "Deregister", "Release", "Detach", "Remove")


class Permissions(Check):
    title: ClassVar[str] = "the permissions of the caller"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        needed = tuple(_needed(case))
        if not needed:
            return []
        try:
            principal = yield from principal_of(case.caller)
            if not principal:
                return []
            denied: list[Denial] = []
            for statement in needed:
                denied += yield from simulated(principal, statement, case.place.region)
        except (errors.Denied, errors.Gone, errors.Invalid) as error:
            return [_unknown(case, needed, error)]
        return [
            Finding(
                Severity.ERROR,
                "not-allowed",
                case.caller,
                f"{denial.action} is not allowed on {_some(denial.resources)}: {denial.by}",
                "add the statement of `reconciler iam-policy` that has it",
                policy=document(one for one in needed if denial.action in one.actions),
            )
            for denial in _merged(denied)
        ]


def _needed(case: Case) -> Iterator[Statement]:
    """The policy of what the plan touches, without actions that it does not take."""
    touched = [new for one in case.actions if (new := _touched(one)) is not None]
    services = {want.address for want in touched if want.address.kind == "service"} | case.pending
    services |= {one.address for one in case.workloads if one.starts}
    deliveries = [one for one in case.deliveries if one.service in services]
    touched += [want for want in case.desired if want.address in services - {one.address for one in touched}]
    if not touched:
        return
    touched = [case.resolved(want) for want in touched]
    waiting = {address for want in touched for address in want.refs()} - {want.address for want in touched}
    touched += [case.wanted[address] for address in sorted(waiting & case.wanted.keys())]
    idle = _idle(case, deliveries)
    for statement in statements(
        case.kinds, touched, deliveries, case.place, Extras(table=case.table, boundary=case.boundary)
    ):
        actions = tuple(one for one in statement.actions if one not in idle)
        if actions:
            yield replace(statement, actions=actions)


def _touched(one: Action) -> Desired[Any] | None:
    if one.new is None and one.old is not None:
        return Desired(one.address, one.old.spec)
    return one.new


def _idle(case: Case, deliveries: Iterable[RolloutSpec]) -> frozenset[str]:
    """Actions that only another plan would take: what is only created deletes nothing, and the other way round."""
    verbs: dict[str, set[Verb]] = defaultdict(set)
    for one in case.actions:
        verbs[one.address.kind].add(one.verb)
    needed = set(calls.of_loop()).union(*(calls.of_engine(one.engine) for one in deliveries))
    idle: set[Operation] = set()
    for name, found in verbs.items():
        kind = case.kinds[name]
        for operation in calls.of_kind(kind):
            creates, deletes = operation[1] in kind.creates and not kind.revisions, operation[1].startswith(DELETING)
            unused = (creates and not found & MAKING) or (deletes and found == {Verb.CREATE})
            (idle if unused else needed).add(operation)
    return frozenset({action(one) for one in idle - needed} | {LINKED})


def _merged(denied: list[Denial]) -> list[Denial]:
    """One for each action, which may be of several statements."""
    found: dict[str, Denial] = {}
    for one in denied:
        before = found.get(one.action)
        resources = one.resources if before is None else tuple(dict.fromkeys((*before.resources, *one.resources)))
        found[one.action] = replace(one, resources=resources)
    return [found[action] for action in sorted(found)]


def _some(resources: tuple[str, ...]) -> str:
    if resources == EVERYTHING:
        return "all resources"
    return resources[0] if len(resources) == 1 else f"{resources[0]} and {len(resources) - 1} more"


def _unknown(case: Case, needed: tuple[Statement, ...], error: errors.AwsError) -> Finding:
    return Finding(
        Severity.WARNING,
        "not-simulated",
        case.caller,
        f"whether it is allowed what the plan takes could not be simulated: {error}",
        "allow iam:SimulatePrincipalPolicy, or compare its policies with this one, which the plan takes",
        policy=document(fitted(needed)[0]),
    )
