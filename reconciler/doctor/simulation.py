"""IAM's policy simulator: whether a principal is allowed a list of actions, by its policies as they are now."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconciler import errors
from reconciler.aws.catalogue import service_facts, services
from reconciler.iam import EVERYTHING, Statement
from reconciler.iam.rules import made_in_ec2
from reconciler.model.resource import Calls, ServiceApi

iam = ServiceApi("iam")

ACTIONS: Final = 50
RESOURCES: Final = 10
"""Of one call, which answers for each action on each resource."""


@dataclass(frozen=True, slots=True)
class Denial:
    """An action that is not allowed on `resources`. `by` says which kind of policy denies it."""

    action: str
    resources: tuple[str, ...]
    by: str


def principal_of(caller: str) -> Calls[str]:
    """The ARN whose policies the simulator reads; empty for the root user, who may do everything.

    A session's ARN lacks the path of its role. Raises `errors.AwsError` for a principal that cannot be simulated.
    """
    head, _, name = caller.partition(":assumed-role/")
    if name:
        role = name.partition("/")[0]
        try:
            answer = yield iam.get_role(RoleName=role)
        except errors.Denied:
            return f"{head.replace(':sts:', ':iam:')}:role/{role}"
        return str(answer["Role"]["Arn"])
    return "" if caller.endswith(":root") else caller


def simulated(principal: str, statement: Statement, region: str) -> Calls[list[Denial]]:
    """What of a statement's actions on its resources `principal` is not allowed, in requests that meet its conditions.

    Raises `errors.AwsError` if the simulator cannot be used.
    """
    keys = [*_context(statement.condition), _key("aws:RequestedRegion", [region])]
    denied: dict[str, list[Mapping[str, Any]]] = {}
    for actions, resources in _requests(statement):
        answer = yield iam.simulate_principal_policy(
            PolicySourceArn=principal,
            ActionNames=list(actions),
            ResourceArns=list(resources),
            ContextEntries=_once(keys),
        )
        for result in answer["EvaluationResults"]:
            if result["EvalDecision"] != "allowed":
                denied.setdefault(result["EvalActionName"], []).append(result)
    return [
        Denial(action, tuple(str(one.get("EvalResourceName", "*")) for one in results), _by(results[0]))
        for action, results in denied.items()
    ]


def _requests(statement: Statement) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Actions with the resources that they are about: a statement may have those of several types."""
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for action in sorted(set(statement.actions)):
        groups[_about(action, statement)].append(action)
    for resources, actions in groups.items():
        for several in _chunks(actions, ACTIONS):
            for chunk in _chunks(resources, RESOURCES):
                yield several, chunk


def _about(action: str, statement: Statement) -> tuple[str, ...]:
    if statement.resources == EVERYTHING:
        return EVERYTHING
    prefix, _, name = action.partition(":")
    namespaces = {facts.iam_prefix: facts.arn_namespace for facts in map(service_facts, services())}
    own = tuple(arn for arn in statement.resources if arn.split(":")[2] == namespaces.get(prefix, prefix))
    made, inside = made_in_ec2().get(name, ("", ())) if prefix == "ec2" else ("", ())
    types = inside if statement.sid.startswith("MakeInside") else (made,)
    typed = tuple(arn for arn in own if _type(arn) in types) or tuple(
        arn for arn in own if _type(arn).replace("-", "") in name.lower()
    )
    return typed or own or statement.resources


def _type(arn: str) -> str:
    """`role` of `arn:aws:iam::123456789012:role/web`"""
    return re.split("[:/]", arn.split(":", 5)[5])[0].lower()


def _by(result: Mapping[str, Any]) -> str:
    if (result.get("OrganizationsDecisionDetail") or {}).get("AllowedByOrganizations") is False:
        return "a policy of the organization denies it"
    if (result.get("PermissionsBoundaryDecisionDetail") or {}).get("AllowedByPermissionsBoundary") is False:
        return "the permissions boundary does not allow it"
    return "a policy denies it" if result["EvalDecision"] == "explicitDeny" else "no policy allows it"


def _context(condition: Mapping[str, Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    for keys in condition.values():
        for name, values in keys.items():
            yield _key(name, values if isinstance(values, list | tuple) else [values])


def _key(name: str, values: Sequence[Any]) -> dict[str, Any]:
    """The first value where several would do: a request has one."""
    return {"ContextKeyName": name, "ContextKeyValues": [str(values[0])], "ContextKeyType": "string"}


def _once(keys: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({key["ContextKeyName"]: key for key in keys}.values())


def _chunks(items: Sequence[str], most: int) -> list[Sequence[str]]:
    return [items[start : start + most] for start in range(0, len(items), most)]
