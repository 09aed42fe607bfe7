"""Sign-ins of listeners: what is read, and which actions a call has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model import elb_actions, members, ownership
from reconciler.model.adoption import adopted, kept_notes
from reconciler.model.diff import diff
from reconciler.model.resource import Desired, Observed
from reconciler.resources._elb_actions import Action, Forward
from reconciler.resources._sign_in import PATH, SignIn
from reconciler.resources.listener import Listener
from tests.resources.talk import Talk, tagged
from tests.resources.test_listener import ARN, BLUE, GREEN, STICKY, WANT, guarded, item, observe, talk, weighted

SECRET = "arn:aws:secretsmanager:us-west-2:123456789012:secret:shop-AbCdEf"
V1, V2 = f"{SECRET}:::{'1' * 32}", f"{SECRET}:::{'2' * 32}"
OIDC = SignIn(
    provider="oidc",
    issuer="https://a.example",
    authorization_endpoint="https://a.example/a",
    token_endpoint="https://a.example/t",
    user_info_endpoint="https://a.example/u",
    client_id="shop",
    client_secret=V1,
    scope="openid",
    session_cookie_name="S",
    session_timeout=60,
    on_unauthenticated_request="deny",
    extra_params={},
)
CONFIG = {
    "Issuer": "https://a.example",
    "AuthorizationEndpoint": "https://a.example/a",
    "TokenEndpoint": "https://a.example/t",
    "UserInfoEndpoint": "https://a.example/u",
    "ClientId": "shop",
    "Scope": "openid",
    "SessionCookieName": "S",
    "SessionTimeout": 60,
    "OnUnauthenticatedRequest": "deny",
}


def want(sign_in: SignIn | None, **fields: Any) -> Desired[Any]:
    spec = WANT.spec.model_copy(update={"sign_in": sign_in, **fields})
    return replace(WANT, spec=spec, tags={**tagged(WANT), **spec.written_tags(WANT.address)})


def there(secret: str | None = V1, *, stated: bool = True) -> Talk:
    """A listener of which users sign in, and that sends requests to one group with stickiness."""
    tags = {**tagged(WANT), **(want(OIDC.model_copy(update={"client_secret": secret})).tags if secret else {})}
    if stated:
        tags[ownership.FIELDS] = members.code(PATH)
    forward = weighted(blue=1)
    forward["ForwardConfig"]["TargetGroupStickinessConfig"] = STICKY
    sign_in = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": CONFIG}
    found = item(actions=(sign_in, forward | {"Order": 2}))
    secret_value = {"SecretString": "hidden"}
    return talk(found, tags={ARN: tags}, ModifyListener={}, GetSecretValue=secret_value)


def sent(told: Talk, new: Desired[Any]) -> list[dict[str, Any]] | None:
    """The actions of the update to `new`; None if there is nothing to update."""
    (found,) = observe(told, new)
    new = adopted(new, found)
    changes = diff(found, new.spec)
    told.hold(Listener().update(found, new, changes))
    params = told.params("ModifyListener")
    return params[0]["DefaultActions"] if params else None


def test_what_was_written_is_observed_as_it_is_declared() -> None:
    """With the secret of which the tag has the hash; the call that creates it has the value."""
    told = there()
    assert sent(told, want(OIDC)) is None
    (found,) = observe(told, want(OIDC))
    assert (found.spec.sign_in, found.facts["unstated"]) == (OIDC, (("DefaultActions",),))
    made = Talk(CreateListener={"Listeners": [item()]}, GetSecretValue={"SecretString": "hidden"})
    made.hold(Listener().create(want(OIDC, default_action=Action(forward=(Forward(target_group=BLUE),)))))
    (params,) = made.params("CreateListener")
    first, last = params["DefaultActions"]
    assert first["AuthenticateOidcConfig"] == {
        **CONFIG,
        "AuthenticationRequestExtraParams": {},
        "ClientSecret": "hidden",
    }
    assert (first["Order"], last["Order"], last["Type"]) == (1, 2, "forward")
    tags = {one["Key"]: one["Value"] for one in params["Tags"]}
    assert tags[ownership.MEMBERS] == f"client_secret:{members.keyed_hash('client_secret', V1, WANT.address)}"


@pytest.mark.parametrize(
    "new",
    [
        OIDC.model_copy(update={"client_secret": V2}),
        OIDC.model_copy(update={"scope": "openid email"}),
        OIDC.model_copy(update={"extra_params": {"prompt": "login"}}),
    ],
)
def test_a_change_writes_all_of_it_with_the_secret(new: SignIn) -> None:
    """And the rest of the actions as it is, for which another owner's requests may be on the way."""
    actions = sent(there(), want(new))
    assert actions is not None
    assert actions[0]["AuthenticateOidcConfig"]["ClientSecret"] == "hidden"
    assert actions[0]["AuthenticateOidcConfig"]["Scope"] == new.scope
    assert actions[1]["ForwardConfig"]["TargetGroupStickinessConfig"] == STICKY
    assert len(actions) == 2


def test_another_change_keeps_the_secret_that_the_load_balancer_has() -> None:
    told = there()
    actions = sent(told, want(OIDC, default_action=Action(forward=(Forward(target_group=GREEN),))))
    assert actions is not None
    assert actions[0]["AuthenticateOidcConfig"] == {**CONFIG, "UseExistingClientSecret": True}
    assert told.params("GetSecretValue") == []


def test_a_secret_that_was_written_by_others_is_written_again() -> None:
    """No tag says which one it is."""
    actions = sent(there(secret=None), want(OIDC))
    assert actions is not None
    assert actions[0]["AuthenticateOidcConfig"]["ClientSecret"] == "hidden"


def test_what_is_not_stated_any_more_is_removed_and_what_never_was_is_kept() -> None:
    actions = sent(there(), want(None))
    assert actions is not None
    assert [one["Type"] for one in actions] == ["forward"]
    assert actions[0]["ForwardConfig"]["TargetGroupStickinessConfig"] == STICKY

    told = there(stated=False)
    assert sent(told, want(None)) is None
    (found,) = observe(told, want(None))
    assert [
        note.because.partition(": ")[2].partition(" (")[0] for note in kept_notes(want(None), want(None), found)
    ] == ["DefaultActions"]


def test_another_provider_takes_its_place() -> None:
    """What is before it of another kind stays."""
    cognito = SignIn(provider="cognito", user_pool_arn="arn:pool", client_id="client", domain="shop")
    told = talk(guarded(), ModifyListener={}, GetSecretValue={"SecretString": "hidden"})
    (found,) = observe(told, want(None))
    assert found.spec.sign_in is not None
    assert found.spec.sign_in.provider == "cognito"
    assert not [one for one in diff(found, want(cognito).spec) if one.field == "sign_in"]
    actions = sent(told, want(OIDC))
    assert actions is not None
    assert [one["Type"] for one in actions] == ["authenticate-oidc", "forward"]
    assert elb_actions.stickiness(actions) == STICKY


def test_a_listener_without_a_sign_in_is_observed_as_one() -> None:
    (found,) = observe(talk(item(actions=[weighted(blue=1)])))
    assert isinstance(found, Observed)
    assert found.spec.sign_in == SignIn()
