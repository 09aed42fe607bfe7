"""What AWS's services say when they throttle, fail or deny: each has its own words."""

from __future__ import annotations

from reconciler.local.faults import Fault
from reconciler.local.refusal import Refusal
from reconciler.local.wire import Call

THROTTLES = {
    "ec2": ("RequestLimitExceeded", "Request limit exceeded.", 503),
    "elbv2": ("Throttling", "Rate exceeded", 400),
    "iam": ("Throttling", "Rate exceeded", 400),
    "resourcegroupstaggingapi": ("ThrottledException", "Rate exceeded", 400),
}
SERVER_ERRORS = {
    "ec2": ("InternalError", "An internal error has occurred", 500),
    "elbv2": ("InternalFailure", "We encountered an internal error. Please try again.", 500),
    "ecs": ("ServerException", "Service Unavailable. Please try again later.", 500),
}
DENIALS = {"ec2": "UnauthorizedOperation", "elbv2": "AccessDenied", "iam": "AccessDenied", "cloudwatch": "AccessDenied"}


def refused_by(fault: Fault, call: Call, account: str) -> Refusal | None:
    """What a fault answers in place of the operation; None when the operation is carried out, or nothing answers."""
    match fault.kind:
        case "throttle":
            code, message, status = THROTTLES.get(call.service, ("ThrottlingException", "Rate exceeded", 400))
            return Refusal(code, message, status=status)
        case "error":
            return server_error(call.service)
        case "denied":
            return _denied(call, account)
        case _:
            return None


def server_error(service: str) -> Refusal:
    default = ("InternalFailure", "The request processing has failed because of an unknown error.", 500)
    code, message, status = SERVER_ERRORS.get(service, default)
    return Refusal(code, message, status=status)


def _denied(call: Call, account: str) -> Refusal:
    action = f"{call.signing_name}:{call.operation}"
    message = (
        f"User: arn:aws:iam::{account}:user/laptop is not authorized to perform: {action} because no identity-based "
        f"policy allows the {action} action"
    )
    return Refusal(DENIALS.get(call.service, "AccessDeniedException"), message, status=403)
