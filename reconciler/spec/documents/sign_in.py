"""Sign-in at an application load balancer: users authenticate before their requests go on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from reconciler.model import duration
from reconciler.spec.documents.base import Block
from reconciler.spec.documents.secret import Secret
from reconciler.spec.documents.values import Duration, Line, Words, lasting, matching, problem

Url = Annotated[
    str, *matching(r"https://[^\s/?#@]+(?:[/?][^\s#]*)?", 1024, "a whole URL that begins with https://, without a '#'")
]
UserPool = Annotated[
    str,
    *matching(
        r"arn:aws[a-z-]*:cognito-idp:[a-z0-9-]+:\d{12}:userpool/[a-z0-9-]+_[0-9A-Za-z]+",
        2048,
        "the ARN of a Cognito user pool",
    ),
]
ClientId = Annotated[str, *matching(r"[\x21-\x7e]+", 1024, "printable characters without spaces")]
ParameterName = Annotated[str, *matching(r"[A-Za-z0-9_.-]+", 128, "letters, digits, '_', '.' and '-' only")]
CookieName = Annotated[str, *matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", 128, "the characters of a cookie's name only")]

SCOPE = "openid"
"""What AWS asks for by default."""


class Oidc(Block):
    """A provider of OpenID Connect. Its addresses are in its `/.well-known/openid-configuration`."""

    issuer: Url
    """The issuer, as the provider's configuration has it."""
    authorization_endpoint: Url
    """Where browsers are sent to sign in."""
    token_endpoint: Url
    """Where the load balancer exchanges the code for tokens."""
    user_info_endpoint: Url
    """Where the load balancer asks for the claims of the user."""
    client_id: ClientId
    """The client that the provider knows the application by."""
    client_secret: Secret
    """Its secret, as a reference: `ssm:/path`, `secretsmanager:name` or an ARN. The value is read when it is written to
    the load balancer; a new version of the secret is a change."""


class Cognito(Block):
    """A user pool of Amazon Cognito."""

    user_pool_arn: UserPool
    """ARN of the user pool."""
    client_id: ClientId
    """Id of the pool's app client, which needs a client secret and the code grant."""
    domain: Annotated[
        str, *matching(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?", 253, "lower-case letters, digits, '-' and '.'")
    ]
    """The prefix of the pool's domain, or its own domain."""


class SignIn(Block):
    """Who may send requests: exactly one of `oidc` and `cognito`. Needs a listener for HTTPS."""

    oidc: Oidc | None = None
    """Users of a provider of OpenID Connect."""
    cognito: Cognito | None = None
    """Users of a user pool of Amazon Cognito."""
    scope: Words = SCOPE
    """The claims that are asked for, separated by spaces."""
    session_cookie_name: CookieName = "AWSELBAuthSessionCookie"
    """The cookie of the session."""
    session_timeout: Annotated[Duration, lasting("1s", "7d")] = duration.parse("7d")
    """Time after which users sign in again."""
    on_unauthenticated_request: Literal["authenticate", "allow", "deny"] = "authenticate"
    """What happens to requests without a session: the user is sent to the provider, or the request goes on all the
    same, or it is answered with the status 401."""
    extra_params: Annotated[dict[ParameterName, Line], Field(max_length=10)] = Field(default_factory=dict)
    """Further parameters for the authorization endpoint, such as `prompt: login`."""

    @model_validator(mode="after")
    def _one_of_both(self) -> SignIn:
        if (self.oidc is None) == (self.cognito is None):
            rule = "E1103" if self.oidc is None else "E1112"
            raise problem(rule, "a sign-in is either by 'oidc' or by 'cognito'")
        return self

    @model_validator(mode="after")
    def _openid(self) -> SignIn:
        if SCOPE not in self.scope.split():
            raise problem("E1109", "the scope has to contain openid", at=("scope",), hint=f"write {SCOPE} {self.scope}")
        return self
