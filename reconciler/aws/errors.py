"""Translation of botocore's errors into ours, once, by AWS's error code.

What a code means stands in `catalogue/SERVICE.yaml`: a code, or a part of the message where AWS uses one code for many
causes (ECS's `InvalidParameterException` above all).
"""

from __future__ import annotations

from typing import Any

from botocore import exceptions as boto

from reconciler import errors
from reconciler.aws.catalogue import COMMON, Meaning, service_facts
from reconciler.errors import AwsError
from reconciler.model.resource import Call

NOT_FOUND, NOT_IMPLEMENTED = 404, 501

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
            return _of_answer(call, error.response)
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


def classify(service: str, code: str, message: str, status: int = 400) -> Meaning:
    """What an error means by its code, its message where the code is not enough, and its HTTP status last.

    501 is what LocalStack answers for what it has not, under a code that says the opposite.
    """
    if status == NOT_IMPLEMENTED:
        return Meaning(errors.Unserved)
    known = (service_facts(service), service_facts(COMMON))
    meaning = next((facts.codes[code] for facts in known if code in facts.codes), None)
    if meaning is None or any(code in facts.message_first for facts in known):
        lowered = message.lower()
        meaning = next((found for facts in known for part, found in facts.messages if part in lowered), meaning)
    if meaning is not None:
        return meaning
    for pattern, found in service_facts(COMMON).patterns:
        if pattern.search(code):
            return found
    if status == NOT_FOUND:
        return Meaning(errors.Unserved)
    return Meaning(errors.Ambiguous if status >= 500 else errors.Invalid)


def _of_answer(call: Call, response: Any) -> AwsError:
    detail, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    code, message = str(detail.get("Code", "Unknown")), " ".join(str(detail.get("Message", "")).split())
    kind, propagates = classify(call.service, code, message, metadata.get("HTTPStatusCode", 400))
    return kind(message, call=str(call), code=code, request_id=metadata.get("RequestId", ""), propagates=propagates)


def _short(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
