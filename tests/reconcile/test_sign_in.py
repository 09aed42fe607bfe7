"""Sign-in at the load balancer: stated, changed, removed, and the client secret, which is written and never shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.iam.statements import document, statements
from reconciler.local.elb.state import Rule
from reconciler.model import ownership
from reconciler.model.plan import Plan, RefusalCode
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.emulated_stack import EmulatedStack, emulated_stack

DOCUMENTS = """
kind: Stack
name: shop
region: us-west-2
---
kind: Network
name: net
cidr: 10.0.0.0/16
subnets:
  - {name: public-a, zone: us-west-2a, cidr: 10.0.0.0/24, access: public}
  - {name: public-b, zone: us-west-2b, cidr: 10.0.1.0/24, access: public}
security_groups:
  - {name: front, ingress: [{port: 443, from: anywhere}]}
---
kind: LoadBalancer
name: front
subnets: [public-a, public-b]
security_groups: [front]
listeners:
  production:
    port: 443
    protocol: HTTPS
    certificates: [{domain: shop.example.com}]
    default_action:
      fixed_response: {status: 404}
      # the sign-in of the listener
rules:
  admin:
    match: {path: /admin, priority: 1}
    redirect: {host: admin.example.com}
    # the sign-in of the rule
"""
OIDC = """sign_in:
        oidc:
          issuer: https://login.example.com
          authorization_endpoint: https://login.example.com/authorize
          token_endpoint: https://login.example.com/token
          user_info_endpoint: https://login.example.com/userinfo
          client_id: shop
          client_secret: secretsmanager:shop/login:client_secret
        session_timeout: 12h"""
POOL = "arn:aws:cognito-idp:us-west-2:123456789012:userpool/us-west-2_0a1B2c3D4"
COGNITO = (
    f"sign_in: {{cognito: {{user_pool_arn: '{POOL}', client_id: pool-client, domain: shop}}, scope: openid email}}"
)
LISTENER, RULE = "# the sign-in of the listener", "# the sign-in of the rule"
FIRST, SECOND = "f1rst-cl1ent-secret", "s3cond-cl1ent-secret"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[EmulatedStack]:
    (tmp_path / "stack.yaml").write_text(DOCUMENTS)
    with emulated_stack(folder=tmp_path) as stage:
        arn = stage.laptop.client("acm").request_certificate(DomainName="shop.example.com")["CertificateArn"]
        stage.laptop.aws.world.rest.state("acm")._certificates[arn].status = "ISSUED"
        secret = json.dumps({"client_secret": FIRST})
        stage.laptop.client("secretsmanager").create_secret(Name="shop/login", SecretString=secret)
        yield stage


def planned(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def applied(stage: EmulatedStack) -> None:
    stage.infrastructure()
    assert (planned(stage).actions, planned(stage).warnings) == ((), ())


def rule(stage: EmulatedStack, priority: int | None = None) -> Rule:
    """As the emulator keeps it, with the client secret; None is the listener's default."""
    (found,) = (one for one in stage.laptop.aws.world.elb.rules.values() if one.priority == priority)
    return found


def changes(stage: EmulatedStack) -> dict[str, tuple[Any, Any]]:
    return {str(one): (one.old, one.new) for action in planned(stage).actions for one in action.changes}


@pytest.mark.slow
def test_users_sign_in_before_requests_go_on(stage: EmulatedStack) -> None:
    """At a listener and at a rule; what changes is written again, and what is not stated any more is removed."""
    stage.change({LISTENER: OIDC, RULE: COGNITO})
    applied(stage)
    assert [one["Type"] for one in rule(stage).actions] == ["authenticate-oidc", "fixed-response"]
    config = rule(stage).actions[0]["AuthenticateOidcConfig"]
    assert (config["ClientId"], config["SessionTimeout"], config["Scope"]) == ("shop", 43200, "openid")
    assert rule(stage).client_secret == FIRST
    assert [one["Type"] for one in rule(stage, 1).actions] == ["authenticate-cognito", "redirect"]
    assert rule(stage, 1).actions[0]["AuthenticateCognitoConfig"]["UserPoolArn"] == POOL

    stage.change({"session_timeout: 12h": "extra_params: {prompt: login}", "scope: openid email": "scope: openid"})
    assert changes(stage) == {
        "sign_in.session_timeout": (43200, 604800),
        "sign_in.extra_params.prompt": ("(absent)", "login"),
        "sign_in.scope": ("openid email", "openid"),
    }
    applied(stage)
    assert rule(stage).actions[0]["AuthenticateOidcConfig"]["AuthenticationRequestExtraParams"] == {"prompt": "login"}

    stage.change({OIDC.replace("session_timeout: 12h", "extra_params: {prompt: login}"): COGNITO})
    applied(stage)
    assert ([one["Type"] for one in rule(stage).actions], rule(stage).client_secret) == (
        ["authenticate-cognito", "fixed-response"],
        "",
    )

    stage.change({COGNITO: "", COGNITO.replace("openid email", "openid"): ""})
    applied(stage)
    assert [one["Type"] for one in rule(stage).actions] == ["fixed-response"]
    assert [one["Type"] for one in rule(stage, 1).actions] == ["redirect"]


def test_only_a_new_version_of_the_secret_is_written_and_no_value_is_ever_shown(
    stage: EmulatedStack, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plans and tags name the version; only the call that writes it has the value."""
    stage.change({LISTENER: OIDC})
    plan = planned(stage)
    applied(stage)
    sent = stage.aws.counts["secretsmanager.GetSecretValue"]
    stage.change({"status: 404": "status: 403"})
    applied(stage)
    assert (rule(stage).client_secret, rule(stage).actions[-1]["FixedResponseConfig"]["StatusCode"]) == (FIRST, "403")
    assert stage.aws.counts["secretsmanager.GetSecretValue"] == sent, "the load balancer keeps the one that it has"
    client = stage.laptop.client("secretsmanager")
    client.put_secret_value(SecretId="shop/login", SecretString=json.dumps({"client_secret": SECOND}))
    ((path, (old, new)),) = changes(stage).items()
    arn = client.describe_secret(SecretId="shop/login")["ARN"]
    assert (path, old) == ("sign_in.client_secret", "(absent)")
    assert new.startswith(f"{arn}:client_secret::")
    (action,) = planned(stage).actions
    assert set(action.tags.put) == {ownership.MEMBERS}
    applied(stage)
    assert rule(stage).client_secret == SECOND
    shown = f"{plan} {action} {planned(stage)} {capsys.readouterr()} {stage.laptop.aws.world.elb.listeners}"
    assert FIRST not in shown
    assert SECOND not in shown


def test_a_secret_that_does_not_exist_is_refused_at_its_place(stage: EmulatedStack) -> None:
    """Before anything is made."""
    stage.change({LISTENER: OIDC.replace("shop/login", "shop/other")})
    (refusal,) = planned(stage).refusals
    because = "the secret shop/other does not exist in this account and region"
    assert (refusal.code, refusal.because) == (RefusalCode.MISSING, because)
    assert refusal.where.endswith(":33:26")


def test_the_operator_may_read_these_secrets_and_look_at_these_user_pools(stage: EmulatedStack) -> None:
    def found() -> dict[str, Any]:
        target = stage.desired_state
        every = document(statements(discover(), target.desired, target.deliveries, target.place))["Statement"]
        return {one["Sid"]: (one["Action"], one["Resource"]) for one in every}

    assert not {"ReadSecrets", "CheckUserPools"} & found().keys()
    stage.change({LISTENER: OIDC.replace("secretsmanager:shop/login:client_secret", "ssm:/shop/login"), RULE: COGNITO})
    secret = "arn:aws:ssm:us-west-2:123456789012:parameter/shop/login"
    actions = ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "ssm:GetParameter"]
    assert found()["ReadSecrets"] == (actions, [secret])
    assert found()["CheckUserPools"] == (["cognito-idp:DescribeUserPoolClient"], [POOL])
