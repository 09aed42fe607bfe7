"""AWS's error codes in our words."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError, ReadTimeoutError

from reconciler import errors
from reconciler.aws.errors import classify, translate
from reconciler.model.resource import Call

ROWS = [
    ("InvalidVpcID.NotFound", "", errors.Gone),
    ("InvalidSecurityGroupRuleId.NotFound", "", errors.Gone),
    ("Gateway.NotAttached", "", errors.Gone),
    ("TargetGroupNotFound", "", errors.Gone),
    ("NoSuchEntity", "", errors.Gone),
    ("ClientException", "Unable to describe task definition.", errors.Gone),
    ("InvalidGroup.Duplicate", "", errors.Exists),
    ("InvalidPermission.Duplicate", "", errors.Exists),
    ("DuplicateListener", "", errors.Exists),
    ("InvalidParameterException", "Creation of service was not idempotent.", errors.Exists),
    ("DependencyViolation", "", errors.Blocked),
    ("ResourceInUse", "", errors.Blocked),
    ("ClusterContainsServicesException", "", errors.Blocked),
    ("InvalidParameterException", "The service cannot be stopped while deployments are active.", errors.Blocked),
    ("InvalidParameterException", "Unable to Start a service that is still Draining.", errors.Blocked),
    ("InvalidParameterException", "The target group x does not have an associated load balancer.", errors.Propagating),
    ("ClientException", "ECS was unable to assume the role; Role cannot be assumed", errors.Propagating),
    ("MalformedPolicyDocument", "Invalid principal in policy: x", errors.Propagating),
    ("MalformedPolicyDocument", "Syntax errors in policy.", errors.Invalid),
    ("ThrottlingException", "Rate exceeded", errors.Throttled),
    ("ClientException", "Rate exceeded", errors.Throttled),
    ("RequestLimitExceeded", "", errors.Throttled),
    ("InternalError", "", errors.Ambiguous),
    ("VpcLimitExceeded", "", errors.Quota),
    ("AddressLimitExceeded", "", errors.Quota),
    ("TooManyListeners", "", errors.Quota),
    ("InvalidParameterException", "5 deployments exist … exceeds the maximum limit.", errors.Quota),
    ("AccessDeniedException", "not authorized to perform: iam:PassRole on resource: x", errors.Denied),
    ("UnauthorizedOperation", "", errors.Denied),
    ("ExpiredToken", "", errors.Denied),
    ("OperationNotPermitted", "", errors.Protected),
    ("RepositoryNotEmptyException", "", errors.Protected),
    ("ValidationError", "", errors.Invalid),
    ("SomethingNew", "", errors.Invalid),
]


@pytest.mark.parametrize(("code", "message", "kind"), ROWS)
def test_a_code_and_where_needed_its_message_tell_the_class(
    code: str, message: str, kind: type[errors.AwsError]
) -> None:
    """Each row of the table: AWS's code, and its message where one code has many causes."""
    assert classify(code, message) is kind


def test_an_unknown_code_of_the_server_may_have_been_executed() -> None:
    """A 5xx that nobody knows is ambiguous, never a refusal."""
    assert classify("SomethingNew", "", 503) is errors.Ambiguous


def test_the_request_id_and_the_call_are_kept() -> None:
    """An error says which call it was and what CloudTrail knows it by, on one line."""
    error = ClientError(
        {"Error": {"Code": "DependencyViolation", "Message": "a\n  b"}, "ResponseMetadata": {"RequestId": "r-1"}}, "X"
    )
    found = translate(Call("ec2", "DeleteVpc"), error)
    assert isinstance(found, errors.Blocked)
    assert (found.request_id, str(found)) == ("r-1", "ec2.DeleteVpc: DependencyViolation: a b")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ReadTimeoutError(endpoint_url="x"), errors.Ambiguous),
        (ConnectTimeoutError(endpoint_url="x"), errors.Throttled),
        (NoCredentialsError(), errors.Denied),
        (ValueError("garbled"), errors.Ambiguous),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_connection_that_was_made_may_have_delivered_the_call(error: Exception, kind: type[errors.AwsError]) -> None:
    """A lost answer is ambiguous; a connection that never was is certainly not executed."""
    assert isinstance(translate(Call("ec2", "CreateVpc"), error), kind)
