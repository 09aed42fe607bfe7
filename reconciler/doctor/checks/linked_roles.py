"""Service-linked roles: AWS creates them in the caller's name when an account first uses a service."""

from __future__ import annotations

from typing import ClassVar, Final

from reconciler import errors
from reconciler.doctor.case import Case
from reconciler.doctor.check import Check, Finding, Severity
from reconciler.doctor.simulation import principal_of, simulated
from reconciler.iam import Statement
from reconciler.model.resource import Calls, ServiceApi

iam = ServiceApi("iam")

PATH: Final = "/aws-service-role/"


class LinkedRoles(Check):
    title: ClassVar[str] = "service-linked roles"

    def findings(self, case: Case) -> Calls[list[Finding]]:
        needed = {role: name for name, kind in case.kinds.items() if (role := kind.permissions.linked_role)
                  and case.created(name)}  # fmt: skip
        if not needed:
            return []
        answer = yield iam.list_roles(PathPrefix=PATH)
        there = {role["Path"].removeprefix(PATH).strip("/") for role in answer["Roles"]}
        found = []
        for service, kind in sorted(needed.items()):
            if service not in there and (finding := (yield from _missing(case, service, kind))):
                found.append(finding)
        return found


def _missing(case: Case, service: str, kind: str) -> Calls[Finding | None]:
    arn = f"arn:{case.place.partition}:iam::{case.place.account}:role{PATH}{service}/*"
    statement = Statement(
        "Link", "", ("iam:CreateServiceLinkedRole",), (arn,), {"StringEquals": {"iam:AWSServiceName": service}}
    )
    cause = f"the account has no service-linked role of {service} yet, which the first {kind} takes"
    fix = f"have it created once: aws iam create-service-linked-role --aws-service-name {service}"
    about, where = case.caller, case.created(kind)[0].where
    try:
        principal = yield from principal_of(case.caller)
        denied = (yield from simulated(principal, statement, case.place.region)) if principal else []
    except (errors.Denied, errors.Gone, errors.Invalid) as error:
        unknown = f"{cause}; whether the caller may create it could not be simulated: {error}"
        return Finding(Severity.WARNING, "linked-role-unknown", about, unknown, fix, where)
    if not denied:
        return None
    cause += f", and iam:CreateServiceLinkedRole is not allowed: {denied[0].by}"
    return Finding(Severity.ERROR, "linked-role-missing", about, cause, fix, where)
