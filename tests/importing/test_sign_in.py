"""Sign-ins in documents: those that the specs can say, as they are in AWS."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.importing.sign_in import sign_in
from reconciler.model.resource import Address
from reconciler.resources import _sign_in
from reconciler.spec.compile.sign_in import compile_sign_in
from reconciler.spec.documents.sign_in import SignIn

POOL = "arn:aws:cognito-idp:us-west-2:123456789012:userpool/us-west-2_0a1B2c3D4"
DEFAULTS = {
    "Scope": "openid",
    "SessionCookieName": "AWSELBAuthSessionCookie",
    "SessionTimeout": 604800,
    "OnUnauthenticatedRequest": "authenticate",
}
LAST = {"Type": "fixed-response", "Order": 2}


def cognito(**config: Any) -> dict[str, Any]:
    names = {"UserPoolArn": POOL, "UserPoolClientId": "client", "UserPoolDomain": "shop"}
    return {"Type": "authenticate-cognito", "Order": 1, "AuthenticateCognitoConfig": {**names, **DEFAULTS, **config}}


@pytest.mark.parametrize(
    ("config", "stated"),
    [
        ({}, {}),
        (
            {"SessionTimeout": 5400, "Scope": "openid email", "AuthenticationRequestExtraParams": {"prompt": "login"}},
            {"session_timeout": "1h30m", "scope": "openid email", "extra_params": {"prompt": "login"}},
        ),
        ({"OnUnauthenticatedRequest": "deny"}, {"on_unauthenticated_request": "deny"}),
    ],
)
def test_a_user_pool_is_stated_as_it_is(config: dict[str, Any], stated: dict[str, Any]) -> None:
    """Without what is the default, and so that nothing of it changes."""
    actions = [cognito(**config), LAST]
    found = sign_in(actions)
    assert found is not None
    pool = {"user_pool_arn": POOL, "client_id": "client", "domain": "shop"}
    assert found == {"sign_in": {"cognito": pool, **stated}}
    compiled = compile_sign_in(SignIn.model_validate(found["sign_in"]))
    assert compiled == _sign_in.read(actions, None, {}, Address("listener", "a"))


@pytest.mark.parametrize(
    ("actions", "found"),
    [
        ([LAST], {}),
        ([{"Type": "authenticate-oidc", "AuthenticateOidcConfig": {"Issuer": "https://a.example"}}, LAST], None),
        ([{"Type": "jwt-validation"}, LAST], None),
        ([cognito(), {"Type": "jwt-validation"}, LAST], None),
    ],
)
def test_what_the_specs_cannot_say_stays_as_it_is(actions: list[dict[str, Any]], found: dict[str, Any] | None) -> None:
    """Of a provider of OpenID Connect nobody knows where the client secret is kept."""
    assert sign_in(actions) == found
