"""botocore's errors in our words, once, by AWS's error code.

The table is data: a code, or a code with a part of its message where AWS uses one code for many causes (ECS's
`InvalidParameterException` above all). Rows with a message come first. Sources: the services' API references, and for
the messages the retry tables of tools that have run against AWS for years.
"""

from __future__ import annotations

import re
from typing import Any, Final

from botocore import exceptions as boto

from reconciler import errors
from reconciler.errors import AwsError
from reconciler.model.resource import Call

BY_MESSAGE: Final[tuple[tuple[str, type[AwsError]], ...]] = (
    ("rate exceeded", errors.Throttled),
    # an IAM write has not spread yet
    ("cannot be assumed", errors.Propagating),
    ("is unable to assume", errors.Propagating),
    ("unable to assume the service linked role", errors.Propagating),
    ("unable to assume iam role", errors.Propagating),
    ("invalid principal in policy", errors.Propagating),
    ("permissions required to assume the role", errors.Propagating),
    ("caught serviceaccessdeniedexception", errors.Propagating),
    ("verify that the ecs service role being passed has the proper permissions", errors.Propagating),
    ("invalid repository policy provided", errors.Propagating),
    # a listener has not spread yet
    ("does not have an associated load balancer", errors.Propagating),
    ("ecs service doesn't exist", errors.Propagating),
    # something else has to end first
    ("while deployments are active", errors.Blocked),
    ("still draining", errors.Blocked),
    ("scaled above 0", errors.Blocked),
    ("has a dependent object", errors.Blocked),
    ("cluster was not active", errors.Blocked),
    ("not idempotent", errors.Exists),
    ("already has an internet gateway attached", errors.Exists),
    ("exceeds the maximum limit", errors.Quota),
    ("limit on the number of vcpus", errors.Quota),
    # ECS answers ClientException for a family that has no task definition
    ("unable to describe task definition", errors.Gone),
    ("no scalable target found", errors.Gone),
    ("referenced task was not found", errors.Gone),
)
"""Parts of messages, in lower case, of errors whose code alone does not tell the cause."""

AMBIGUOUS_CODES_OF_MESSAGE: Final = frozenset(
    {
        "InvalidParameterException",
        "ClientException",
        "InvalidParameterValue",
        "ValidationException",
        "ValidationError",
        "MalformedPolicyDocument",
        "FailedResourceAccessException",
        "InvalidRoleException",
        "AccessDeniedException",
        "DependencyViolation",
        "ServiceNotActiveException",
        "InvalidRequestException",
    }
)
"""Codes for which the message decides."""

BY_CODE: Final[dict[str, type[AwsError]]] = {
    **dict.fromkeys(
        (
            "Gateway.NotAttached",
            "InvalidGroupId.Malformed",
            "NatGatewayNotFound",
            "LoadBalancerNotFound",
            "TargetGroupNotFound",
            "ListenerNotFound",
            "RuleNotFound",
            "RepositoryNotFoundException",
            "LifecyclePolicyNotFoundException",
            "RepositoryPolicyNotFoundException",
            "ImageNotFoundException",
            "NoSuchEntity",
            "ResourceNotFoundException",
            "ResourceNotFound",
            "ClusterNotFoundException",
            "ServiceNotFoundException",
            "ServiceNotActiveException",
            "TaskSetNotFoundException",
            "ObjectNotFoundException",
            "NamespaceNotFound",
            "ServiceNotFound",
            "ApplicationDoesNotExistException",
            "DeploymentGroupDoesNotExistException",
        ),
        errors.Gone,
    ),
    **dict.fromkeys(
        (
            "RouteAlreadyExists",
            "Resource.AlreadyAssociated",
            "DuplicateLoadBalancerName",
            "DuplicateTargetGroupName",
            "DuplicateListener",
            "PriorityInUse",
            "RepositoryAlreadyExistsException",
            "EntityAlreadyExists",
            "ResourceAlreadyExistsException",
            "NamespaceAlreadyExists",
            "ServiceAlreadyExists",
            "DuplicateRequest",
            "ApplicationAlreadyExistsException",
            "DeploymentGroupAlreadyExistsException",
            "InvalidSubnet.Conflict",
            "ConflictException",
        ),
        errors.Exists,
    ),
    **dict.fromkeys(
        (
            "DependencyViolation",
            "InvalidGroup.InUse",
            "InvalidIPAddress.InUse",
            "ResourceInUse",
            "ResourceInUseException",
            "DeleteConflict",
            "UpdateInProgressException",
            "OperationAbortedException",
            "ConcurrentModification",
            "ConcurrentModificationException",
            "ConcurrentUpdateException",
            "DeploymentLimitExceededException",
        ),
        errors.Blocked,
    ),
    **dict.fromkeys(("CertificateNotFound", "SubnetNotFound", "InvalidRoleException"), errors.Propagating),
    **dict.fromkeys(
        (
            "Throttling",
            "ThrottlingException",
            "ThrottledException",
            "RequestThrottledException",
            "TooManyRequestsException",
            "ProvisionedThroughputExceededException",
            "RequestLimitExceeded",
            "BandwidthLimitExceeded",
            "RequestThrottled",
            "SlowDown",
            "EC2ThrottledException",
        ),
        errors.Throttled,
    ),
    **dict.fromkeys(
        (
            "ServerException",
            "InternalFailure",
            "InternalError",
            "InternalServerError",
            "ServiceUnavailable",
            "ServiceUnavailableException",
            "Unavailable",
            "ServiceFailure",
            "InternalServiceException",
            "InternalServiceErrorException",
            "PriorRequestNotComplete",
            "RequestTimeout",
            "RequestTimeoutException",
            "TransactionInProgressException",
        ),
        errors.Ambiguous,
    ),
    **dict.fromkeys(("ServiceQuotaExceededException", "LimitExceeded", "LimitExceededException"), errors.Quota),
    **dict.fromkeys(
        (
            "AccessDenied",
            "AccessDeniedException",
            "UnauthorizedOperation",
            "AuthFailure",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidClientTokenId",
            "UnrecognizedClientException",
            "SignatureDoesNotMatch",
            "OptInRequired",
        ),
        errors.Denied,
    ),
    **dict.fromkeys(
        ("OperationNotPermitted", "RepositoryNotEmptyException", "UnmodifiableEntity", "ManagedRuleException"),
        errors.Protected,
    ),
}

PATTERNS: Final[tuple[tuple[re.Pattern[str], type[AwsError]], ...]] = (
    (re.compile(r"^ClusterContains\w+Exception$"), errors.Blocked),
    (re.compile(r"(\.|Id)NotFound$|^Invalid\w+\.NotFound$"), errors.Gone),
    (re.compile(r"\.Duplicate$|Duplicate\w*Exception$"), errors.Exists),
    (re.compile(r"LimitExceeded(Exception)?$|^TooMany|AssociationLimit$"), errors.Quota),
)

_EXECUTED_OR_NOT = (
    boto.ReadTimeoutError,
    boto.ConnectionClosedError,
    boto.ResponseStreamingError,
    boto.HTTPClientError,
)
_NEVER_SENT = (boto.ConnectTimeoutError, boto.EndpointConnectionError, boto.ProxyConnectionError)


def translate(call: Call, error: Exception) -> AwsError:
    """The error of ours that `error`, raised by botocore for `call`, is."""
    name = str(call)
    match error:
        case boto.ClientError():
            return _of_answer(name, error.response)
        case boto.NoCredentialsError() | boto.PartialCredentialsError() | boto.CredentialRetrievalError():
            return errors.Denied(str(error), call=name, code="NoCredentials")
        case boto.TokenRetrievalError() | boto.SSOTokenLoadError() | boto.UnauthorizedSSOTokenError():
            return errors.Denied(str(error), call=name, code="ExpiredToken")
        case boto.ParamValidationError():
            return errors.Invalid(" ".join(str(error).split()), call=name, code="ParamValidation")
        case boto.SSLError():  # mostly of the handshake, but a broken record comes after the call has gone out
            return errors.Ambiguous(_short(error), call=name, code="ConnectionFailed")
        case _ if isinstance(error, _NEVER_SENT):
            return errors.Throttled(_short(error), call=name, code="ConnectionFailed")
        case _ if isinstance(error, _EXECUTED_OR_NOT):
            return errors.Ambiguous(_short(error), call=name, code="NoAnswer")
        case boto.PaginationError():
            return errors.Ambiguous(_short(error), call=name, code="RepeatedPage")
        case boto.BotoCoreError():
            return errors.Ambiguous(_short(error), call=name, code=type(error).__name__)
        case _:
            return garbled(name, error)


def garbled(name: str, error: Exception) -> AwsError:
    """AWS answered, and nobody knows what: its text may hold what must not be shown, so none of it is repeated."""
    return errors.Ambiguous(f"the answer could not be understood ({type(error).__name__})", call=name, code="Garbled")


def classify(code: str, message: str, status: int = 400) -> type[AwsError]:
    """The class of an error by its code, its message where the code is not enough, and its HTTP status last."""
    if code in AMBIGUOUS_CODES_OF_MESSAGE or code not in BY_CODE:
        lowered = message.lower()
        for part, found in BY_MESSAGE:
            if part in lowered:
                return found
    if code in BY_CODE:
        return BY_CODE[code]
    for pattern, found in PATTERNS:
        if pattern.search(code):
            return found
    return errors.Ambiguous if status >= 500 else errors.Invalid


def _of_answer(name: str, response: Any) -> AwsError:
    detail, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, message = str(detail.get("Code", "Unknown")), " ".join(str(detail.get("Message", "")).split())
    kind = classify(code, message, metadata.get("HTTPStatusCode", 400))
    return kind(message, call=name, code=code, request_id=metadata.get("RequestId", ""))


def _short(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
