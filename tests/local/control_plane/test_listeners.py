"""Listeners and rules. Source: Elastic Load Balancing API reference; ALB guide, "Listener rules"."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.local.ports import (
    FixedResponse,
    Forward,
    ListenerRoutes,
    Redirect,
    ServerCertificate,
    WeightedGroup,
)
from tests.harness.tls import self_signed
from tests.local.control_plane.stage import Stage, forward, refused

PATH = {"Field": "path-pattern", "PathPatternConfig": {"Values": ["/b", "/a"]}}


def test_a_port_has_one_listener(stage: Stage) -> None:
    """CreateListener: DuplicateListener; the same settings again are the same listener."""
    weights = {stage.blue: 100, stage.green: 0}
    assert stage.listener(80, weights) == stage.production
    with refused("DuplicateListener"):
        stage.listener(80, {stage.green: 1})
    with refused("DuplicateListener"):
        stage.elb.modify_listener(ListenerArn=stage.test, Port=80)
    assert len(stage.elb.describe_listeners(LoadBalancerArn=stage.alb)["Listeners"]) == 2


def test_a_forward_to_one_group_is_shown_both_ways(stage: Stage) -> None:
    """Action: `TargetGroupArn` for a single group, and `ForwardConfig` with its weight and stickiness."""
    for sent in ({"Type": "forward", "TargetGroupArn": stage.blue}, forward({stage.blue: 1})):
        stage.elb.modify_listener(ListenerArn=stage.production, DefaultActions=[sent])
        shown = stage.elb.describe_listeners(ListenerArns=[stage.production])["Listeners"][0]["DefaultActions"]
        assert shown == [
            {
                "Type": "forward",
                "TargetGroupArn": stage.blue,
                "ForwardConfig": {
                    "TargetGroups": [{"TargetGroupArn": stage.blue, "Weight": 1}],
                    "TargetGroupStickinessConfig": {"Enabled": False},
                },
            }
        ]


OIDC = {
    "Issuer": "https://a.example",
    "AuthorizationEndpoint": "https://a.example/a",
    "TokenEndpoint": "https://a.example/t",
    "UserInfoEndpoint": "https://a.example/u",
    "ClientId": "shop",
}


def test_a_sign_in_is_shown_without_its_secret_and_with_the_defaults(stage: Stage) -> None:
    """AuthenticateOidcActionConfig: the secret is required at first, and may stay afterwards; HTTPS only."""

    def actions(**config: Any) -> list[dict[str, Any]]:
        sign_in = {"Type": "authenticate-oidc", "AuthenticateOidcConfig": {**OIDC, **config}}
        return [{**sign_in, "Order": 1}, {**forward({stage.blue: 1}), "Order": 2}]

    with refused("InvalidLoadBalancerAction"):
        stage.elb.modify_listener(ListenerArn=stage.production, DefaultActions=actions(ClientSecret="hidden"))
    certificate = {"CertificateArn": "arn:aws:acm:us-west-2:210987654321:certificate/1"}
    where: dict[str, Any] = {"LoadBalancerArn": stage.alb, "Port": 443, "Protocol": "HTTPS"}
    for config in ({}, {"UseExistingClientSecret": True}):
        with refused("ValidationError"):
            stage.elb.create_listener(**where, Certificates=[certificate], DefaultActions=actions(**config))
    made = stage.elb.create_listener(**where, Certificates=[certificate], DefaultActions=actions(ClientSecret="hidden"))
    arn = made["Listeners"][0]["ListenerArn"]
    stage.elb.modify_listener(ListenerArn=arn, DefaultActions=actions(UseExistingClientSecret=True, Scope="openid a"))
    (first, last) = stage.elb.describe_listeners(ListenerArns=[arn])["Listeners"][0]["DefaultActions"]
    assert first["AuthenticateOidcConfig"] == {
        **OIDC,
        "Scope": "openid a",
        "SessionCookieName": "AWSELBAuthSessionCookie",
        "SessionTimeout": 604800,
        "OnUnauthenticatedRequest": "authenticate",
    }
    assert (first["Order"], last["Order"], last["Type"]) == (1, 2, "forward")


def test_a_weighted_forward_is_shown_as_forward_config_only(stage: Stage) -> None:
    """Action: with several groups `TargetGroupArn` is absent."""
    action = stage.elb.describe_listeners(ListenerArns=[stage.production])["Listeners"][0]["DefaultActions"][0]
    assert "TargetGroupArn" not in action
    assert stage.weights(stage.production) == {stage.blue: 100, stage.green: 0}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Weight": 1000}, "ValidationError"),
        ({"Weight": -1}, "ValidationError"),
        (
            {"TargetGroupArn": "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/x/0"},
            "TargetGroupNotFound",
        ),
    ],
)
def test_weights_and_groups_are_checked(stage: Stage, change: dict[str, Any], code: str) -> None:
    """TargetGroupTuple, "Weight": 0 to 999; TargetGroupNotFound."""
    config = {"TargetGroups": [{"TargetGroupArn": stage.blue, "Weight": 1, **change}]}
    with refused(code):
        stage.elb.modify_listener(
            ListenerArn=stage.production, DefaultActions=[{"Type": "forward", "ForwardConfig": config}]
        )


def test_https_wants_a_certificate(stage: Stage) -> None:
    """CreateListener, "Certificates": required for HTTPS; a default policy is filled in."""
    arguments = {"LoadBalancerArn": stage.alb, "Port": 443, "DefaultActions": [forward({stage.blue: 1})]}
    with refused("ValidationError"):
        stage.elb.create_listener(Protocol="HTTPS", **arguments)
    certificate = {"CertificateArn": "arn:aws:acm:us-west-2:210987654321:certificate/1"}
    made = stage.elb.create_listener(Protocol="HTTPS", Certificates=[certificate], **arguments)["Listeners"][0]
    assert made["SslPolicy"] == "ELBSecurityPolicy-2016-08"
    with refused("UnsupportedProtocol"):
        stage.elb.create_listener(**{**arguments, "Protocol": "TCP", "Port": 444})


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:acm:us-west-2:123456789012:certificate/1",
        "arn:aws:acm:eu-west-1:123456789012:certificate/1",
        "arn:aws:iam::123456789012:server-certificate/1",
        "arn:aws:s3:::certificate",
        "certificate",
    ],
)
def test_a_certificate_of_the_account_has_to_exist(stage: Stage, arn: str) -> None:
    """CreateListener: CertificateNotFound. What is in another account, the emulator cannot know."""
    arguments = {"LoadBalancerArn": stage.alb, "Port": 443, "DefaultActions": [forward({stage.blue: 1})]}
    with refused("CertificateNotFound"):
        stage.elb.create_listener(Protocol="HTTPS", Certificates=[{"CertificateArn": arn}], **arguments)


def test_a_certificate_needs_its_own_key(stage: Stage, tmp_path: Path) -> None:
    """UnsupportedCertificate: what was imported with another's, or is no certificate at all."""
    pem = self_signed(tmp_path)[1].read_text()
    key = self_signed(tmp_path)[1].read_text().partition("-----BEGIN CERTIFICATE-----")[0]
    body = f"-----BEGIN CERTIFICATE-----{pem.partition('-----BEGIN CERTIFICATE-----')[2]}"
    acm, iam = stage.laptop.client("acm"), stage.laptop.client("iam")
    uploaded = iam.upload_server_certificate(ServerCertificateName="x", CertificateBody="none", PrivateKey=key)
    arguments = {"LoadBalancerArn": stage.alb, "Port": 443, "DefaultActions": [forward({stage.blue: 1})]}
    for arn in (
        acm.import_certificate(Certificate=body, PrivateKey=key)["CertificateArn"],
        uploaded["ServerCertificateMetadata"]["Arn"],
    ):
        with refused("UnsupportedCertificate"):
            stage.elb.create_listener(Protocol="HTTPS", Certificates=[{"CertificateArn": arn}], **arguments)


def test_the_balancer_is_told_what_each_certificate_is_for(stage: Stage, tmp_path: Path) -> None:
    """Of one that ACM has issued its names; one that was imported itself, also when it is imported again; of one of
    another account the hosts of the listener's rules."""
    pem = self_signed(tmp_path)[1].read_text()
    key, _, rest = pem.partition("-----BEGIN CERTIFICATE-----")
    body = f"-----BEGIN CERTIFICATE-----{rest}"
    acm, iam = stage.laptop.client("acm"), stage.laptop.client("iam")
    imported = acm.import_certificate(Certificate=body, PrivateKey=key, CertificateChain=body)["CertificateArn"]
    uploaded = iam.upload_server_certificate(ServerCertificateName="own", CertificateBody=body, PrivateKey=key)
    issued = acm.request_certificate(DomainName="a.example.com", SubjectAlternativeNames=["*.example.com"])
    stage.laptop.aws.world.rest.state("acm")._certificates[issued["CertificateArn"]].status = "ISSUED"
    arns = [
        issued["CertificateArn"],
        imported,
        uploaded["ServerCertificateMetadata"]["Arn"],
        "arn:aws:acm:us-west-2:210987654321:certificate/1",
    ]
    made = stage.elb.create_listener(
        LoadBalancerArn=stage.alb,
        Port=443,
        Protocol="HTTPS",
        SslPolicy="ELBSecurityPolicy-TLS13-1-3-2021-06",
        Certificates=[{"CertificateArn": arns[0]}],
        DefaultActions=[forward({stage.blue: 1})],
    )["Listeners"][0]["ListenerArn"]
    stage.elb.add_listener_certificates(ListenerArn=made, Certificates=[{"CertificateArn": arn} for arn in arns[1:]])
    host = {"Field": "host-header", "Values": ["www.example.com", "shop-*.example.com"]}
    stage.elb.create_rule(ListenerArn=made, Priority=1, Conditions=[host], Actions=[forward({stage.blue: 1})])

    def told() -> ListenerRoutes:
        return next(item for item in stage.laptop.listeners.table if item.listener_arn == made)

    own, another, third, elsewhere = told().certificates
    assert (set(own.names), own.chain) == ({"a.example.com", "*.example.com"}, "")
    assert (another.names, another.chain, another.key.strip()) == (("localhost",), f"{body.strip()}\n" * 2, key.strip())
    assert (third.names, third.chain) == (("localhost",), body)
    assert elsewhere == ServerCertificate(("www.example.com",))
    assert told().oldest_tls == "TLSv1.3"
    acm.import_certificate(CertificateArn=imported, Certificate=body, PrivateKey=key)
    assert told().certificates[1].chain == body
    stage.elb.remove_listener_certificates(ListenerArn=made, Certificates=[{"CertificateArn": arn} for arn in arns[1:]])
    assert len(told().certificates) == 1


def test_a_default_rule_goes_with_its_listener(stage: Stage) -> None:
    """DescribeRules shows it as "default"; ModifyRule and DeleteRule on it: OperationNotPermitted."""
    rule = stage.default_rule(stage.production)
    with refused("OperationNotPermitted"):
        stage.elb.delete_rule(RuleArn=rule)
    with refused("OperationNotPermitted"):
        stage.elb.modify_rule(RuleArn=rule, Actions=[forward({stage.green: 1})])
    stage.elb.modify_listener(ListenerArn=stage.production, DefaultActions=[forward({stage.green: 1})])
    shown = stage.elb.describe_rules(RuleArns=[rule])["Rules"][0]
    assert shown["Priority"] == "default"
    assert shown["Actions"][0]["TargetGroupArn"] == stage.green


def test_priorities_are_unique_and_swapped_at_once(stage: Stage) -> None:
    """CreateRule: PriorityInUse; SetRulePriorities: all or nothing, swaps included."""
    rules = {
        priority: stage.elb.create_rule(
            ListenerArn=stage.production, Priority=priority, Conditions=[PATH], Actions=[forward({stage.blue: 1})]
        )["Rules"][0]["RuleArn"]
        for priority in (10, 20)
    }
    with refused("PriorityInUse"):
        stage.elb.create_rule(
            ListenerArn=stage.production, Priority=10, Conditions=[PATH], Actions=[forward({stage.blue: 1})]
        )
    with refused("PriorityInUse"):
        stage.elb.set_rule_priorities(RulePriorities=[{"RuleArn": rules[10], "Priority": 20}])
    stage.elb.set_rule_priorities(
        RulePriorities=[{"RuleArn": rules[10], "Priority": 20}, {"RuleArn": rules[20], "Priority": 10}]
    )
    shown = stage.elb.describe_rules(ListenerArn=stage.production)["Rules"]
    assert [(rule["Priority"], rule["RuleArn"]) for rule in shown[:2]] == [("10", rules[20]), ("20", rules[10])]


def test_conditions_come_back_in_both_forms_and_in_order(stage: Stage) -> None:
    """RuleCondition: `Values` mirrors host-header and path-pattern; hosts are case-insensitive."""
    host = {"Field": "host-header", "Values": ["WWW.Example.com"]}
    made = stage.elb.create_rule(
        ListenerArn=stage.production, Priority=1, Conditions=[PATH, host], Actions=[forward({stage.blue: 1})]
    )["Rules"][0]
    assert made["Conditions"] == [
        {"Field": "host-header", "Values": ["www.example.com"], "HostHeaderConfig": {"Values": ["www.example.com"]}},
        {"Field": "path-pattern", "Values": ["/a", "/b"], "PathPatternConfig": {"Values": ["/a", "/b"]}},
    ]


@pytest.mark.parametrize(
    "conditions",
    [
        [],
        [{"Field": "bogus", "Values": ["x"]}],
        [{"Field": "path-pattern", "Values": []}],
        [{"Field": "path-pattern", "Values": list("abcdef")}],
        [PATH, PATH],
    ],
)
def test_conditions_are_checked(stage: Stage, conditions: list[dict[str, Any]]) -> None:
    """RuleCondition: at least one, known fields, values, five values a rule, one path-pattern."""
    with refused("ValidationError"):
        stage.elb.create_rule(
            ListenerArn=stage.production, Priority=1, Conditions=conditions, Actions=[forward({stage.blue: 1})]
        )


def test_the_balancer_is_told_everything_at_once(stage: Stage) -> None:
    """Each change of listener or rule gives the data plane one whole table: rules in order, the default last."""
    stage.elb.create_rule(
        ListenerArn=stage.production,
        Priority=5,
        Conditions=[{"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Canary", "Values": ["yes"]}}],
        Actions=[{"Type": "redirect", "RedirectConfig": {"StatusCode": "HTTP_301", "Host": "new.example.com"}}],
    )
    stage.elb.create_rule(
        ListenerArn=stage.production,
        Priority=4,
        Conditions=[{"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "1"}]}}],
        Actions=[{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "MessageBody": "no"}}],
    )
    before = len(stage.laptop.listeners.history)
    stage.elb.modify_listener(ListenerArn=stage.production, DefaultActions=[forward({stage.blue: 0, stage.green: 100})])
    assert len(stage.laptop.listeners.history) == before + 1
    table = {item.port: item for item in stage.laptop.listeners.table}
    fixed, redirect, default = table[80].routes
    assert fixed.action == FixedResponse(404, "text/plain", "no")
    assert fixed.conditions[0].values == ("v=1",)
    assert redirect.action == Redirect(301, host="new.example.com")
    assert redirect.conditions[0].name == "X-Canary"
    assert default.action == Forward((WeightedGroup(stage.blue, 0), WeightedGroup(stage.green, 100)))
    assert default.priority is None


def test_additional_certificates_stay_when_the_default_one_is_replaced(stage: Stage) -> None:
    """DescribeListenerCertificates: a default certificate that was added as well is listed twice; only the one that
    was added can be removed.
    """
    one, two = ({"CertificateArn": f"arn:aws:acm:us-west-2:210987654321:certificate/{name}"} for name in (1, 2))
    arguments = {"LoadBalancerArn": stage.alb, "Port": 443, "DefaultActions": [forward({stage.blue: 1})]}
    made = stage.elb.create_listener(Protocol="HTTPS", Certificates=[one], **arguments)["Listeners"][0]["ListenerArn"]

    def listed() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = stage.elb.describe_listener_certificates(ListenerArn=made)["Certificates"]
        return found

    stage.elb.add_listener_certificates(ListenerArn=made, Certificates=[two])
    stage.elb.modify_listener(ListenerArn=made, Certificates=[two])
    assert listed() == [{**two, "IsDefault": True}, {**two, "IsDefault": False}]
    stage.elb.modify_listener(ListenerArn=made, SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06")
    assert listed() == [{**two, "IsDefault": True}, {**two, "IsDefault": False}]
    stage.elb.remove_listener_certificates(ListenerArn=made, Certificates=[two])
    assert listed() == [{**two, "IsDefault": True}]
    with refused("OperationNotPermitted"):
        stage.elb.remove_listener_certificates(ListenerArn=made, Certificates=[two])
