"""Sign-in actions: checked, and in the form in which AWS keeps and shows them, which is without the client secret.

The balancer sends requests without a session cookie to the authorization endpoint. It has no provider to ask, so that
any cookie of the name is a session.
"""

from __future__ import annotations

from typing import Any, Final

from reconciler.local.elb.checks import invalid
from reconciler.local.elb.state import Params, Rule
from reconciler.local.refusal import Refusal
from reconciler.local.sign_in import SignIn

CONFIGS: Final = {"authenticate-oidc": "AuthenticateOidcConfig", "authenticate-cognito": "AuthenticateCognitoConfig"}
DEFAULTS: Final = {
    "SessionCookieName": "AWSELBAuthSessionCookie",
    "Scope": "openid",
    "SessionTimeout": 604800,
    "OnUnauthenticatedRequest": "authenticate",
}
"""What AWS shows where a caller left it out (ELB API Reference, AuthenticateOidcActionConfig)."""
_SECRET: Final = "ClientSecret"
_EXISTING: Final = "UseExistingClientSecret"


def canonical(action: Params, protocol: str, before: Rule | None) -> tuple[Params, str]:
    """The action as AWS shows it, and the client secret, which it only keeps; a `Refusal` when it would not take it."""
    kind = action["Type"]
    if kind not in CONFIGS:
        raise Refusal("InvalidLoadBalancerAction", f"The local AWS emulator has no '{kind}' actions")
    if protocol != "HTTPS":
        raise Refusal("InvalidLoadBalancerAction", f"Actions of type '{kind}' are supported on HTTPS listeners only")
    config = dict(action.get(CONFIGS[kind]) or {})
    if not config:
        raise invalid(f"A {kind} action needs an {CONFIGS[kind]}")
    secret, existing = config.pop(_SECRET, ""), config.pop(_EXISTING, False)
    if kind == "authenticate-oidc" and existing:
        if secret or before is None or not before.client_secret:
            raise invalid(f"{_EXISTING} needs a rule that has a client secret, and no {_SECRET}")
        secret = before.client_secret
    elif kind == "authenticate-oidc" and not secret:
        raise invalid(f"A {_SECRET} must be specified for an authenticate-oidc action")
    if len(config.get("AuthenticationRequestExtraParams") or {}) > 10:
        raise invalid("An authentication request can have at most 10 extra parameters")
    return {"Type": kind, CONFIGS[kind]: {**DEFAULTS, **config}}, str(secret)


def of(actions: list[Params], region: str) -> SignIn | None:
    """What the balancer does with requests that have no session."""
    for action in actions:
        if (member := CONFIGS.get(action["Type"])) is not None:
            config: dict[str, Any] = action[member]
            return SignIn(
                endpoint=config.get("AuthorizationEndpoint") or _hosted(config["UserPoolDomain"], region),
                client_id=config.get("ClientId") or config["UserPoolClientId"],
                scope=config["Scope"],
                cookie=config["SessionCookieName"],
                unauthenticated=config["OnUnauthenticatedRequest"],
                params=tuple(sorted((config.get("AuthenticationRequestExtraParams") or {}).items())),
            )
    return None


def _hosted(domain: str, region: str) -> str:
    """The authorization endpoint of a user pool, by the prefix of its domain or its own domain."""
    host = domain if "." in domain else f"{domain}.auth.{region}.amazoncognito.com"
    return f"https://{host}/oauth2/authorize"
