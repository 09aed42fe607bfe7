"""Outputs: names and values of what is deployed, as a pure function of an observation."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.resource import Address, Observed, ResourceHealth
from reconciler.model.type_registry import discover
from reconciler.queries.outputs import listener_url, outputs
from reconciler.resources.certificate import CertificateSpec
from reconciler.resources.listener import ListenerSpec
from reconciler.resources.listener_rule import ListenerRuleSpec
from reconciler.resources.load_balancer import LoadBalancerSpec
from reconciler.rollout.spec import RolloutSpec

ARN = "arn:aws:elasticloadbalancing:us-west-2:123456789012:"
BALANCER, LISTENER, RULE = f"{ARN}loadbalancer/app/a/1", f"{ARN}listener/app/a/1/2", f"{ARN}listener-rule/app/a/1/2/3"
SERVICE = Address("service", "api")
SERVICE_ARN = "arn:aws:ecs:us-west-2:123456789012:service/main/api"
AT_RULE = RolloutSpec(SERVICE, Address("task-definition", "api"), production=Address("listener-rule", "api"))


def _balancer() -> LoadBalancerSpec:
    return LoadBalancerSpec(name="a", scheme="internal", type="application", subnets=(), security_groups=())


def found(*more: Observed[Any], port: int = 443, **rule: Any) -> dict[Address, Observed[Any]]:
    facts = {"dns_name": "a.elb.amazonaws.com", "zone_id": "Z1"}
    protocol = "HTTPS" if port == 443 else "HTTP"
    matches = {"hosts": (), "paths": ()} | rule
    resources: tuple[Observed[Any], ...] = (
        Observed(Address("load-balancer", "a"), BALANCER, _balancer(), facts=facts),
        Observed(
            Address("listener", "a-main"),
            LISTENER,
            ListenerSpec(load_balancer=BALANCER, port=port, protocol=protocol),
        ),
        Observed(Address("listener-rule", "api"), RULE, ListenerRuleSpec(listener=LISTENER, priority=1, **matches)),
        Observed(SERVICE, SERVICE_ARN, ListenerSpec(load_balancer="", port=0, protocol="")),
        *more,
    )
    return {one.address: one for one in resources}


def values(there: dict[Address, Observed[Any]], local: dict[str, str] | None = None) -> dict[str, str]:
    return outputs(discover(), there, (AT_RULE,), local or {})


def test_every_output_has_the_name_of_its_resource_and_attribute() -> None:
    """An id that is an ARN is called so; load balancers have their DNS name and zone; the names are sorted."""
    assert list(values(found()).items()) == [
        ("listener-rule/api.arn", RULE),
        ("listener/a-main.arn", LISTENER),
        ("listener/a-main.url", "https://a.elb.amazonaws.com"),
        ("load-balancer/a.arn", BALANCER),
        ("load-balancer/a.dns_name", "a.elb.amazonaws.com"),
        ("load-balancer/a.zone_id", "Z1"),
        ("service/api.arn", SERVICE_ARN),
        ("service/api.url", "https://a.elb.amazonaws.com"),
    ]


@pytest.mark.parametrize(
    ("rule", "url"),
    [
        ({"hosts": ("*.example.com", "api.example.com")}, "https://api.example.com"),
        ({"paths": ("/v1/*",)}, "https://a.elb.amazonaws.com/v1/"),
        ({"hosts": ("api.example.com",), "paths": ("/health",)}, "https://api.example.com/health"),
        ({"hosts": ("*.example.com",)}, None),
    ],
)
def test_the_url_of_a_service_is_one_that_its_rule_matches(rule: dict[str, Any], url: str | None) -> None:
    """Its first host without a wildcard, and its first path up to a wildcard; none if no single host matches."""
    assert values(found(**rule)).get("service/api.url") == url


def test_the_emulator_serves_its_listeners_at_its_own_urls() -> None:
    """Its DNS names lead nowhere, whatever host the rule matches."""
    there = values(found(hosts=("api.example.com",), paths=("/v1/*",)), {LISTENER: "http://127.0.0.1:8080"})
    assert there["listener/a-main.url"] == "http://127.0.0.1:8080"
    assert there["service/api.url"] == "http://127.0.0.1:8080/v1/"


def test_what_is_not_there_has_no_output() -> None:
    """A looked-up resource that AWS does not have, and the URL of a listener whose load balancer is not known."""
    looked_up = CertificateSpec(domain="example.com")
    absent: Observed[Any] = Observed(
        Address("certificate", "example.com"), "example.com", looked_up, health=ResourceHealth.DEGRADED
    )
    there = found(absent)
    assert "certificate/example.com.id" not in values(there)
    del there[Address("load-balancer", "a")]
    assert not [name for name in values(there) if name.endswith(".url")]
    del there[Address("listener", "a-main")]
    assert "service/api.url" not in values(there)


def test_a_url_leaves_out_the_default_port_only() -> None:
    """80 for HTTP, 443 for HTTPS."""
    assert listener_url("HTTP", "a", 80) == "http://a"
    assert listener_url("HTTPS", "a", 443) == "https://a"
    assert listener_url("HTTP", "a", 443) == "http://a:443"
    assert listener_url("HTTPS", "a", 9000) == "https://a:9000"
