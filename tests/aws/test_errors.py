"""AWS's error codes in our words."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, NoCredentialsError, ReadTimeoutError

from reconciler import errors
from reconciler.aws.errors import classify, translate
from reconciler.model.resource import Call

ROWS = [
    ("ec2", "InvalidVpcID.NotFound", "", errors.Gone),
    ("ec2", "InvalidSecurityGroupRuleId.NotFound", "", errors.Gone),
    ("ec2", "Gateway.NotAttached", "", errors.Gone),
    ("ec2", "InvalidGroup.NotFound", "The security group 'sg-1' does not exist", errors.Gone),
    ("ec2", "InvalidSubnetID.NotFound", "The subnet ID 'subnet-1' does not exist", errors.Gone),
    ("ec2", "InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist", errors.Gone),
    ("ecs", "InvalidParameterException", "The subnet ID 'subnet-1' does not exist", errors.Invalid),
    ("elbv2", "TargetGroupNotFound", "", errors.Gone),
    ("iam", "NoSuchEntity", "", errors.Gone),
    ("ecs", "ClientException", "Unable to describe task definition.", errors.Gone),
    ("ec2", "InvalidGroup.Duplicate", "", errors.Exists),
    ("ec2", "InvalidPermission.Duplicate", "", errors.Exists),
    ("elbv2", "DuplicateListener", "", errors.Exists),
    ("ecs", "InvalidParameterException", "Creation of service was not idempotent.", errors.Exists),
    ("ec2", "DependencyViolation", "", errors.Blocked),
    ("elbv2", "ResourceInUse", "", errors.Blocked),
    ("ecs", "ClusterContainsServicesException", "", errors.Blocked),
    ("ecs", "InvalidParameterException", "The service cannot be stopped while deployments are active.", errors.Blocked),
    ("ecs", "InvalidParameterException", "Unable to Start a service that is still Draining.", errors.Blocked),
    (
        "ecs",
        "InvalidParameterException",
        "The target group x does not have an associated load balancer.",
        errors.Propagating,
    ),
    ("ecs", "InvalidParameterException", "Unable to assume the service linked role.", errors.Propagating),
    ("iam", "MalformedPolicyDocument", "Syntax errors in policy.", errors.Invalid),
    ("ecs", "ThrottlingException", "Rate exceeded", errors.Throttled),
    ("ecs", "ClientException", "Rate exceeded", errors.Throttled),
    ("ecs", "LimitExceededException", "Rate exceeded", errors.Throttled),
    ("ecs", "LimitExceededException", "You have reached the limit of clusters.", errors.Quota),
    (
        "ecs",
        "ClientException",
        "Too many concurrent attempts to create a new revision of the specified family.",
        errors.Throttled,
    ),
    ("application-autoscaling", "FailedResourceAccessException", "… Rate exceeded …", errors.Throttled),
    ("ec2", "RequestLimitExceeded", "", errors.Throttled),
    ("route53", "PriorRequestNotComplete", "The request was rejected because …", errors.Throttled),
    ("sns", "NotFound", "Topic does not exist", errors.Gone),
    ("sns", "AuthorizationError", "User is not authorized to perform: SNS:GetTopicAttributes", errors.Denied),
    ("sqs", "AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist.", errors.Gone),
    ("ec2", "InternalError", "", errors.Ambiguous),
    ("ec2", "VpcLimitExceeded", "", errors.Quota),
    ("ec2", "AddressLimitExceeded", "", errors.Quota),
    ("elbv2", "TooManyListeners", "", errors.Quota),
    ("ecs", "InvalidParameterException", "5 deployments exist … exceeds the maximum limit.", errors.Quota),
    ("ecs", "AccessDeniedException", "not authorized to perform: iam:PassRole on resource: x", errors.Denied),
    ("ec2", "UnauthorizedOperation", "", errors.Denied),
    ("sts", "ExpiredToken", "", errors.Denied),
    ("elbv2", "OperationNotPermitted", "", errors.Protected),
    ("ecr", "RepositoryNotEmptyException", "", errors.Protected),
    ("elbv2", "ValidationError", "", errors.Invalid),
    ("ecs", "SomethingNew", "", errors.Invalid),
    ("scheduler", "UnknownOperationException", "", errors.Unserved),
    ("elbv2", "InvalidAction", "The action X is not valid for this web service.", errors.Unserved),
]


@pytest.mark.parametrize(("service", "code", "message", "kind"), ROWS)
def test_a_code_and_where_needed_its_message_tell_the_class(
    service: str, code: str, message: str, kind: type[errors.AwsError]
) -> None:
    """Each row of the table: AWS's code, and its message where one code has many causes."""
    assert classify(service, code, message).kind is kind


def test_an_unknown_code_of_the_server_may_have_been_executed() -> None:
    """A 5xx that nobody knows is ambiguous, never a refusal."""
    assert classify("ecs", "SomethingNew", "", 503).kind is errors.Ambiguous


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


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("404", 404, errors.Unserved),
        ("InternalFailure", 501, errors.Unserved),
        ("ResourceNotFoundException", 404, errors.Gone),
        ("InternalFailure", 500, errors.Ambiguous),
    ],
)
def test_what_an_endpoint_does_not_have_is_told_by_its_status(
    code: str, status: int, kind: type[errors.AwsError]
) -> None:
    """Of what no code says; 501 says it whatever the code."""
    assert classify("application-autoscaling", code, "", status).kind is kind
