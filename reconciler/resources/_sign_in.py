"""Sign-in of a listener or a rule: the action before the one that answers, which has users authenticate.

Elastic Load Balancing does not show the client secret again. The tag `reconciler:members` has a keyed hash of which
secret it was taken from, in which version, so that another one is written again; where nothing of the sign-in changes,
a call says that the load balancer is to use the secret that it has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from reconciler.model import elb_actions, members, resource
from reconciler.model.diff import Change
from reconciler.model.permissions import Binding, NamedArn, OnBehalf
from reconciler.model.resource import Address, Calls, Desired, Link, Observed, Path
from reconciler.resources import _secret_value

FIELD: Final = "sign_in"
PATH: Final[Path] = (FIELD,)
SECRET: Final = "client_secret"
TYPES: Final = {"oidc": "authenticate-oidc", "cognito": "authenticate-cognito"}
CONFIGS: Final = {"oidc": "AuthenticateOidcConfig", "cognito": "AuthenticateCognitoConfig"}
NAMES: Final = {
    "oidc": {
        "issuer": "Issuer",
        "authorization_endpoint": "AuthorizationEndpoint",
        "token_endpoint": "TokenEndpoint",
        "user_info_endpoint": "UserInfoEndpoint",
        "client_id": "ClientId",
    },
    "cognito": {"user_pool_arn": "UserPoolArn", "client_id": "UserPoolClientId", "domain": "UserPoolDomain"},
}
COMMON: Final = {
    "scope": "Scope",
    "session_cookie_name": "SessionCookieName",
    "session_timeout": "SessionTimeout",
    "on_unauthenticated_request": "OnUnauthenticatedRequest",
    "extra_params": "AuthenticationRequestExtraParams",
}

ON_BEHALF: Final = OnBehalf(
    "CheckUserPools",
    "the load balancer looks at the client of a user pool in the caller's name",
    ("cognito-idp:DescribeUserPoolClient",),
    named=Binding.USER_POOLS,
)
"""Source: ELB user guide, Authenticate users using an Application Load Balancer, prepare to use Amazon Cognito."""


class SignIn(resource.Spec):
    """How users authenticate; `provider` is oidc, cognito, or none."""

    provider: str = "none"
    issuer: str | None = None
    authorization_endpoint: str | None = None
    token_endpoint: str | None = None
    user_info_endpoint: str | None = None
    user_pool_arn: str | None = None
    domain: str | None = None
    client_id: str | None = None
    client_secret: Link | None = None
    """Which secret it is, in which version."""
    scope: str | None = None
    session_cookie_name: str | None = None
    session_timeout: int | None = None
    """Seconds."""
    on_unauthenticated_request: str | None = None
    extra_params: dict[str, str] | None = None


def words(member: str) -> dict[str, str]:
    """The members of an action that the field says."""
    return dict.fromkeys((f"{member}.{config}" for config in CONFIGS.values()), "sign_in")


def is_sign_in(action: Mapping[str, Any]) -> bool:
    return action.get("Type") in TYPES.values()


def without(actions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [dict(one) for one in actions if not is_sign_in(one)]


def stated(want: SignIn | None, tags: Mapping[str, str]) -> bool:
    """Whether a sign-in is the document's: it states one, or did when it was written last."""
    return want is not None or members.code(PATH) in members.stated_before(tags)


def hidden(want: SignIn | None) -> dict[str, str]:
    """What AWS does not show, and a tag has a keyed hash of."""
    return {} if want is None or want.client_secret is None else {SECRET: str(want.client_secret)}


def read(actions: Iterable[Mapping[str, Any]], want: SignIn | None, tags: Mapping[str, str], at: Address) -> SignIn:
    """The sign-in of a response. The client secret is the wanted one where the tag says that it was written."""
    for action in actions:
        for provider, kind in TYPES.items():
            if action.get("Type") == kind:
                config = action.get(CONFIGS[provider]) or {}
                found = {field: config.get(name) for field, name in {**NAMES[provider], **COMMON}.items()}
                found["extra_params"] = dict(found["extra_params"] or {})
                secret = None if want is None else want.client_secret
                written = members.written_hashes(tags).get(SECRET)
                known = secret is not None and written == members.keyed_hash(SECRET, str(secret), at)
                return SignIn(provider=provider, **found, client_secret=secret if known else None)
    return SignIn()


def placed(
    actions: Sequence[Mapping[str, Any]],
    old: Observed[Any] | None,
    new: Desired[Any],
    changes: Iterable[Change] = (),
) -> Calls[list[dict[str, Any]]]:
    """`actions` of a call with the sign-in that is declared; as they are where none is."""
    want: SignIn | None = new.spec.sign_in
    if want is None:
        return [dict(one) for one in actions]
    present = [] if old is None else [one for one in elb_actions.before(old.facts["actions"]) if is_sign_in(one)]
    if old is None or any(change.field == FIELD for change in changes):
        present = yield from _written(want)
    *others, last = without(actions)
    return elb_actions.joined([*present, *others], {name: value for name, value in last.items() if name != "Order"})


def _written(want: SignIn) -> Calls[list[dict[str, Any]]]:
    if want.provider not in TYPES:
        return []
    names = {**NAMES[want.provider], **COMMON}
    config = {name: value for field, name in names.items() if (value := getattr(want, field)) is not None}
    if want.client_secret is not None:
        config["ClientSecret"] = yield from _secret_value.read(str(want.client_secret))
    return [{"Type": TYPES[want.provider], CONFIGS[want.provider]: config}]


def user_pools(want: SignIn | None) -> dict[Binding, tuple[NamedArn, ...]]:
    """The user pools that are looked at in the caller's name."""
    if want is None or want.user_pool_arn is None:
        return {}
    _, _, service, _, account, pool = want.user_pool_arn.split(":", 5)
    return {Binding.USER_POOLS: ((service, pool, account),)}
