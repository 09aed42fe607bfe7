"""IAM's policy simulator, which moto lacks: the policies of a user or a role, evaluated for each action and resource.

Policies of groups and session policies are not evaluated. The emulator lets credentials that it does not know do
everything, so that their user is allowed everything here as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import orjson

from reconciler.errors import Undecidable
from reconciler.local.refusal import Refusal
from reconciler.local.world import Operation, Params, World
from reconciler.model.policy_evaluation import Document, Request, is_allowed

ANYBODY: Final = "user/moto"
"""Who GetCallerIdentity says that unknown credentials belong to."""


def simulate_principal_policy(world: World, params: Params) -> Params:
    principal = str(params["PolicySourceArn"])
    holder = None if principal.endswith(f":{ANYBODY}") else _holder(world, principal)
    documents = [] if holder is None else _policies(holder)
    boundary = None if holder is None else _boundary(world, holder)
    context = {
        str(one["ContextKeyName"]): [str(value) for value in one.get("ContextKeyValues") or ()]
        for one in params.get("ContextEntries") or ()
    }
    results = [
        _result(Request(action, resource, context), documents, boundary, everything=holder is None)
        for action in params["ActionNames"]
        for resource in params.get("ResourceArns") or ("*",)
    ]
    return {"EvaluationResults": results, "IsTruncated": False}


def _holder(world: World, arn: str) -> Any:
    """SimulatePrincipalPolicy, "NoSuchEntity": a user, group or role by its ARN."""
    iam = world.rest.iam
    for one in (*iam.roles.values(), *iam.users.values()):
        if one.arn == arn:
            return one
    raise Refusal("NoSuchEntity", f"The entity {arn} cannot be found.", status=404)


def _policies(holder: Any) -> list[Document]:
    inline = holder.policies
    texts = list(inline.values()) if isinstance(inline, dict) else [one.get("policy_document", one) for one in inline]
    attached = (version for policy in holder.managed_policies.values() for version in policy.versions)
    texts += [version.document for version in attached if version.is_default]
    return [_read(text) for text in texts]


def _boundary(world: World, holder: Any) -> Document | None:
    arn = (getattr(holder, "permissions_boundary_arn", None) or "").strip()
    policy = world.rest.iam.managed_policies.get(arn) if arn else None
    return None if policy is None else next(_read(one.document) for one in policy.versions if one.is_default)


def _read(text: Any) -> Document:
    found: Document = text if isinstance(text, Mapping) else orjson.loads(text)
    return found


def _result(request: Request, documents: Iterable[Document], boundary: Document | None, *, everything: bool) -> Params:
    decision, within = ("allowed", True) if everything else _decision(request, list(documents), boundary)
    result: Params = {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "EvalDecision": decision,
        "MatchedStatements": [],
        "MissingContextValues": [],
    }
    return result | (
        {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": within}} if boundary else {}
    )


def _decision(request: Request, documents: list[Document], boundary: Document | None) -> tuple[str, bool]:
    try:
        within = boundary is None or is_allowed(request, [boundary])
        if within and is_allowed(request, documents):
            return "allowed", within
        permissive = {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
        return ("implicitDeny" if is_allowed(request, [*documents, permissive]) else "explicitDeny"), within
    except Undecidable as error:
        raise Refusal("PolicyEvaluationException", f"The local AWS emulator: {error}", status=500) from error


OPERATIONS: Final[Mapping[str, Operation]] = {"SimulatePrincipalPolicy": simulate_principal_policy}
