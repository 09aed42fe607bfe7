"""Error message of a denied AWS call: the action, the resource, and the policy statement to add."""

from __future__ import annotations

import json
import re

from reconciler.errors import Denied

_ACTION = re.compile(r"not authorized to perform: ([\w-]+:\w+)")
_RESOURCE = re.compile(r"on resource: (\S+)")


def explain(error: Denied) -> str:
    if error.code in {"ExpiredToken", "ExpiredTokenException"}:
        return (
            f"error: the AWS credentials have expired ({error.call}); sign in again, for example with `aws sso login`"
        )
    if error.code == "NoCredentials":
        return f"error: no AWS credentials ({error.message}); set AWS_PROFILE or sign in with `aws sso login`"
    action = _ACTION.search(error.message)
    resource = _RESOURCE.search(error.message)
    service, _, operation = error.call.partition(".")
    statement = {
        "Effect": "Allow",
        "Action": action.group(1) if action else f"{_PREFIX.get(service, service)}:{operation}",
        "Resource": resource.group(1).rstrip(".,") if resource else "*",
    }
    return f"error: access denied to {error.call}: {error.message}\nmissing policy statement: {json.dumps(statement)}"


_PREFIX = {"elbv2": "elasticloadbalancing", "resourcegroupstaggingapi": "tag"}
