"""Certificates of an HTTPS listener, by ARN and by domain: whatever order AWS lists them in, they are in place."""

from __future__ import annotations

import random
from typing import Any

import pytest

from reconciler.model.plan import Plan
from reconciler.model.resource import Address, Call
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.emulated_stack import EmulatedStack, InProcess, emulated_stack
from tests.promises.conftest import mostly_slow

PRODUCTION = "production: {port: 80, protocol: HTTP}"
OPEN = "{port: 80, from: anywhere}"
LISTENER = Address("listener", "my-app-alb-production")


class Shuffled(InProcess):
    """Lists the certificates of a listener in another order each time, and ACM's as issued."""

    order = random.Random(7)
    status = "ISSUED"

    def perform(self, call: Call) -> dict[str, Any]:
        answer = super().perform(call)
        if call.operation == "DescribeListenerCertificates":
            self.order.shuffle(answer["Certificates"])
        for certificate in answer.get("CertificateSummaryList", ()):
            certificate["Status"] = self.status
        return answer


def listener(certificates: list[str]) -> dict[str, str]:
    return {
        PRODUCTION: f"production: {{port: 443, protocol: HTTPS, certificates: [{', '.join(certificates)}]}}",
        OPEN: "{port: 443, from: anywhere}",
    }


def requested(stage: EmulatedStack, *domains: str) -> dict[str, str]:
    acm = stage.laptop.client("acm")
    arns = {domain: acm.request_certificate(DomainName=domain)["CertificateArn"] for domain in domains}
    for arn in arns.values():
        stage.laptop.aws.world.rest.state("acm")._certificates[arn].status = "ISSUED"
    return arns


def planned(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def kept(stage: EmulatedStack) -> tuple[str, ...]:
    """The listener's certificates in AWS, the default one first, the others sorted."""
    elb = stage.laptop.client("elbv2")
    balancer = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    listeners = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    secure = next(one for one in listeners if one["Port"] == 443)
    listed = elb.describe_listener_certificates(ListenerArn=secure["ListenerArn"])["Certificates"]
    default = [one["CertificateArn"] for one in listed if one["IsDefault"]]
    assert default == [one["CertificateArn"] for one in secure["Certificates"]]
    return (*default, *sorted({one["CertificateArn"] for one in listed} - {*default}))


@pytest.mark.parametrize("seed", mostly_slow(range(3), 1))
@pytest.mark.parametrize("count", mostly_slow([1, 3, 5], 5))
def test_certificates_in_any_order_are_in_place_after_one_pass(count: int, seed: int) -> None:
    """By domain and by ARN in turn; the second pass plans nothing, nor does it when the specs list them in another
    order. Another default certificate is a change, and leaves all of them on the listener.
    """
    domains = [f"{name}.example.com" for name in "abcde"[:count]]
    random.Random(seed).shuffle(domains)
    with emulated_stack() as stage:
        arns = requested(stage, *domains)
        names = [arns[one] if index % 2 else f"{{domain: {one}}}" for index, one in enumerate(domains)]
        stage.change(listener(names))
        stage.restart(Shuffled(stage.laptop))
        stage.infrastructure()
        assert kept(stage) == (arns[domains[0]], *sorted(arns[one] for one in domains[1:]))
        for _ in range(3):
            assert planned(stage).actions == ()
        stage.change(listener([names[0], *reversed(names[1:])]))
        assert planned(stage).actions == ()
        if count > 1:
            stage.change(listener([*names[1:], names[0]]))
            assert [action.address for action in planned(stage).actions] == [LISTENER]
            stage.infrastructure()
            assert kept(stage) == (arns[domains[1]], *sorted(arns[one] for one in {*domains} - {domains[1]}))
            assert planned(stage).actions == ()


def test_a_default_certificate_that_was_also_an_additional_one_goes_at_once() -> None:
    """AWS keeps it among the additional certificates once another is the default; one pass removes it there, too."""
    with emulated_stack() as stage:
        arns = requested(stage, "a.example.com", "b.example.com")
        a, b = arns["a.example.com"], arns["b.example.com"]
        transport = Shuffled(stage.laptop)
        stage.change(listener([a, b]))
        stage.restart(transport)
        stage.infrastructure()
        stage.change(listener([b, a]))
        stage.infrastructure()
        stage.change(listener([a]))
        transport.sent.clear()
        stage.infrastructure()
        assert (transport.sent["ModifyListener"], transport.sent["RemoveListenerCertificates"]) == (1, 1)
        assert kept(stage) == (a,)
        assert planned(stage).actions == ()


def test_one_certificate_named_twice_is_one() -> None:
    """By its domain and by its ARN, or by two of its names."""
    with emulated_stack() as stage:
        arns = requested(stage, "a.example.com", "b.example.com")
        both = [arns["a.example.com"], "{domain: b.example.com}", "{domain: a.example.com}", arns["b.example.com"]]
        stage.change(listener(both))
        stage.restart(Shuffled(stage.laptop))
        stage.infrastructure()
        assert kept(stage) == (arns["a.example.com"], arns["b.example.com"])
        assert planned(stage).actions == ()


def test_a_listener_waits_for_its_certificate() -> None:
    """For one that does not exist it is refused, and for one that is not validated yet it waits; neither is an error
    of AWS.
    """
    with emulated_stack() as stage:
        stage.change(listener(["{domain: example.com}"]))
        assert [one.address for one in planned(stage).refusals] == [LISTENER]
        requested(stage, "example.com")
        transport = Shuffled(stage.laptop)
        transport.status = "PENDING_VALIDATION"
        stage.restart(transport)
        plan = planned(stage)
        assert plan.refusals == ()
        (waiting,) = [one.because for one in plan.waiting if one.address == LISTENER]
        assert "waiting" not in waiting  # the views say that it waits
        assert LISTENER not in [action.address for action in plan.actions]
        transport.status = "ISSUED"
        assert LISTENER in [action.address for action in planned(stage).actions]
