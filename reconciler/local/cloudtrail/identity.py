"""Who calls: the IAM user or role session of an access key, as CloudTrail writes it.

Credentials that the emulator does not know belong to the user that GetCallerIdentity names.
Source: CloudTrail User Guide, "CloudTrail userIdentity element".
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from reconciler.local.cloudtrail.state import History, Params
from reconciler.local.rest import Rest
from reconciler.local.wire import Call

MARK = "Credential="


def access_key(call: Call) -> str:
    """The access key that a request is signed with; empty for one that is not signed."""
    signed = call.request.headers.get("authorization", "")
    start = signed.find(MARK)
    return "" if start < 0 else signed[start + len(MARK) :].partition("/")[0]


def of(call: Call, history: History, rest: Rest, at: datetime) -> Params:
    """Looked up when a key is used first: its user may have been deleted when somebody asks."""
    key = access_key(call)
    if key not in history.identities:
        history.identities[key] = _identity(key, rest, at)
    return history.identities[key]


def name(identity: Params) -> str:
    """What LookupEvents calls `Username`: a user's name, or that of a role's session."""
    if identity["type"] == "AssumedRole":
        return str(identity["arn"]).rpartition("/")[2]
    return str(identity.get("userName", ""))


def _identity(key: str, rest: Rest, at: datetime) -> Params:
    if not key:
        return {"type": "AWSAccount", "principalId": "", "accountId": "ANONYMOUS_PRINCIPAL"}
    sts = rest.state("sts")
    user_id, arn, account = sts.get_caller_identity(key, rest.region)
    found: Params = {"principalId": user_id, "arn": arn, "accountId": account, "accessKeyId": key}
    session = sts.get_assumed_role_from_access_key(key)
    if session is None:
        return {"type": "IAMUser", **found, "userName": str(arn).rpartition("/")[2]}
    return {"type": "AssumedRole", **found, "sessionContext": _session(session, user_id, account, at)}


def _session(session: Any, user_id: str, account: str, at: datetime) -> Params:
    issuer = {
        "type": "Role",
        "principalId": user_id.partition(":")[0],
        "arn": session.role_arn,
        "accountId": account,
        "userName": str(session.role_arn).rpartition("/")[2],
    }
    created = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"sessionIssuer": issuer, "attributes": {"creationDate": created, "mfaAuthenticated": "false"}}
