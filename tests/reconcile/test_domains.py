"""A domain in one line: certificate, records, HTTPS and the redirect come in order, and no request is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from reconciler.controller.until import has_begun, has_ended
from reconciler.local.timings import Timings
from reconciler.model.guard import Guard
from reconciler.model.plan import DeferralCode, Plan, RefusalCode, Verb
from reconciler.model.planner import Consent
from reconciler.model.resource import Address, Call
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.rollout.engine import Phase
from tests.harness.emulated_stack import SHORT, EmulatedStack, InProcess, emulated_stack
from tests.harness.hosted_zones import ZONE, hosted_zone
from tests.harness.listener_watch import answers
from tests.promises.conftest import mostly_slow

TRAFFIC = "  load_balancer: my-app-alb\n  container"
OPEN = "- {port: 80, from: anywhere}"
WITH_HTTPS = {OPEN: f"{OPEN}\n      - {{port: 443, from: anywhere}}"}
HTTP, HTTPS = (Address("listener", f"my-app-alb-production{end}") for end in ("", "-https"))
CERTIFICATE, RECORD = (Address(kind, "app.example.com") for kind in ("domain-certificate", "dns-record"))
ROLLING = {
    "deployment: careful": "",
    "target_groups: [my-app-frontend-tg-1, my-app-frontend-tg-2]": "target_groups: [my-app-frontend-tg-1]",
}
ENGINES: dict[str, dict[str, str]] = {
    "task_sets": {},
    "rolling": ROLLING,
    "codedeploy": {"type: blue_green": "type: blue_green\nengine: codedeploy"},
}


def domain(text: str = "app.example.com") -> dict[str, str]:
    return {**WITH_HTTPS, TRAFFIC: TRAFFIC.replace("  container", f"  domain: {text}\n  container")}


@dataclass
class Watched(InProcess):
    """Looks at the listeners with each call, as a client that follows redirects, and writes down what is written."""

    laptop: Any
    before: Any = None
    lost: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        InProcess.__init__(self, self.laptop)

    def perform(self, call: Call) -> dict[str, Any]:
        answer = super().perform(call)
        if not call.operation.startswith(("Describe", "List", "Get")):
            self.written.append(call.operation)
        secure = answers(self.laptop, port=443)
        for name, http in answers(self.laptop).items():
            if "Redirect" in http.why:
                http = secure.get(name, replace(http, why="nothing listens on 443"))
            if http.why:
                self.lost.append(f"{call}: {http.why}")
        return answer


@contextmanager
def served(texts: dict[str, str] | None = None, **fields: Any) -> Iterator[tuple[EmulatedStack, Watched]]:
    """A stack that serves requests, and whose certificates take some minutes."""
    with emulated_stack(texts, SHORT, timings=Timings(certificate_validation=20), **fields) as stage:
        hosted_zone()
        stage.serving()
        yield stage, watched(stage)


def watched(stage: EmulatedStack) -> Watched:
    transport = Watched(stage.laptop)
    stage.restart(transport)
    return transport


def planned(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def one_pass(stage: EmulatedStack) -> Plan:
    world, plan = pass_.look(stage.aws, discover(), stage.desired_state)
    pass_.act(stage.aws, discover(), stage.desired_state, world, plan)
    return plan


def records(stage: EmulatedStack) -> dict[tuple[str, str], dict[str, Any]]:
    """What there is beside the zone's own, by name and type."""
    listed = stage.laptop.client("route53").list_resource_record_sets(HostedZoneId=ZONE)["ResourceRecordSets"]
    return {(one["Name"].rstrip("."), one["Type"]): one for one in listed if one["Type"] not in ("NS", "SOA")}


def listeners(stage: EmulatedStack) -> dict[int, str]:
    """Port → type of the last action."""
    elb = stage.laptop.client("elbv2")
    balancer = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    every = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
    return {one["Port"]: one["DefaultActions"][-1]["Type"] for one in every}


def issue(stage: EmulatedStack) -> None:
    stage.laptop.advance(21)


@pytest.mark.parametrize("engine", mostly_slow([*ENGINES], 1))
def test_a_living_service_gets_a_domain_and_loses_no_request(engine: str) -> None:
    """Production on port 80 answers until HTTPS does, and sends its requests there then; the next release shifts the
    traffic there; and when the line goes, port 80 serves again first.
    """
    with served(ENGINES[engine]) as (stage, transport):
        stage.change(domain())
        stage.infrastructure()
        assert listeners(stage) == {80: "redirect", 443: "forward", 9000: "forward"}
        assert ("app.example.com", "A") in records(stage)
        assert planned(stage).actions == ()
        stage.spec(v1="v2")
        assert not stage.apply(has_ended).went_wrong
        stage.texts.pop(TRAFFIC)
        stage.change({})
        stage.infrastructure()
        assert listeners(stage) == {80: "forward", 9000: "forward"}
        assert records(stage) == {}
        assert stage.laptop.client("acm").list_certificates()["CertificateSummaryList"] == []
        assert planned(stage).actions == ()
        assert transport.lost == []
        gone = ("ChangeResourceRecordSets", "DeleteListener", "DeleteCertificate")
        last = [name for name in transport.written if name in gone]
        assert last[-4:] == ["ChangeResourceRecordSets", "DeleteListener", "ChangeResourceRecordSets", gone[2]]


def test_everything_is_in_place_and_served_while_the_certificate_is_pending() -> None:
    """The listener for HTTPS and the record wait with a reason; port 80 serves, also a release that comes meanwhile."""
    with served() as (stage, transport):
        stage.change(domain())
        one_pass(stage)
        one_pass(stage)
        plan = planned(stage)
        assert {note.address for note in plan.waiting} == {HTTP, HTTPS, RECORD}
        assert [note.address for note in plan.unsettled if note.address == CERTIFICATE] == [CERTIFICATE]
        assert listeners(stage) == {80: "forward", 9000: "forward"}
        stage.spec(v1="v2")
        world, plan = pass_.look(stage.aws, discover(), stage.desired_state)
        pass_.act(stage.aws, discover(), stage.desired_state, world, plan)
        stage.follow(has_begun)
        stage.follow(has_ended)
        assert stage.weights(80)["my-app-frontend-tg-2"] == 100
        stage.infrastructure()
        assert stage.weights(443)["my-app-frontend-tg-2"] == 100
        assert transport.lost == []


@pytest.mark.slow
def test_a_listener_does_not_begin_while_a_rollout_shifts_traffic() -> None:
    """It would begin with weights that change at the other one."""
    with served() as (stage, transport):
        stage.change(domain())
        one_pass(stage)
        one_pass(stage)
        stage.spec(v1="v2")
        one_pass(stage)
        stage.follow(lambda result: result.step is not None and result.step.phase is Phase.AWAITING_PROMOTION)
        issue(stage)
        held = [one for one in planned(stage).deferred if one.action.address == HTTPS]
        assert [(one.code, str(one.waits_for)) for one in held] == [(DeferralCode.ROLLOUT, "service/my-app-frontend")]
        stage.follow(has_ended)
        stage.infrastructure()
        assert stage.weights(443)["my-app-frontend-tg-2"] == 100
        assert transport.lost == []


@pytest.mark.parametrize("engine", mostly_slow(["ecs_native", *ENGINES], 1))
def test_a_new_stack_is_served_at_once_and_by_https_later(engine: str) -> None:
    """Nothing waits for the certificate but what shows it; a service whose traffic ECS shifts is made after it."""
    texts = ENGINES.get(engine, {"type: blue_green": f"type: blue_green\nengine: {engine}"})
    with emulated_stack({**texts, **domain()}, SHORT, timings=Timings(certificate_validation=20)) as stage:
        hosted_zone()
        stage.serving()
        assert listeners(stage) == {80: "redirect", 443: "forward", 9000: "forward"}
        assert ("app.example.com", "A") in records(stage)
        stage.desired_state = replace(stage.desired_state, leaving=True, consent=Consent(delete_images=True))
        stage.infrastructure()
        assert records(stage) == {}


def test_ecs_cannot_be_given_another_listener_for_a_living_service() -> None:
    """It is refused before anything is written, with the way."""
    with served({"type: blue_green": "type: blue_green\nengine: ecs_native"}) as (stage, transport):
        stage.change(domain())
        (refusal,) = planned(stage).refusals
        assert (refusal.code, refusal.address) == (RefusalCode.IMMUTABLE, Address("service", "my-app-frontend"))
        assert "rolling" in refusal.hint
        assert transport.written == []


@pytest.mark.parametrize("zones", [[], [("example.com", True)], [("example.org", False)]])
def test_a_domain_without_a_public_zone_is_an_error_of_the_plan(zones: list[tuple[str, bool]]) -> None:
    """With the place of the line; nothing is written."""
    with emulated_stack(domain(), SHORT) as stage:
        for number, (name, private) in enumerate(zones):
            hosted_zone(name, f"Z{number}", private=private)
        (refusal,) = planned(stage).refusals
        assert (refusal.code, refusal.address) == (RefusalCode.MISSING, CERTIFICATE)
        assert refusal.where.startswith("specs/services/frontend.yaml:21")


def test_a_record_of_others_is_refused_until_it_is_adopted() -> None:
    """Whatever it leads to: nothing says whose it is. What is adopted leads to the load balancer from then on."""
    with served() as (stage, _):
        other = {
            "Name": "app.example.com",
            "Type": "CNAME",
            "TTL": 60,
            "ResourceRecords": [{"Value": "old.example.org"}],
        }
        batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": other}]}
        stage.laptop.client("route53").change_resource_record_sets(HostedZoneId=ZONE, ChangeBatch=batch)
        stage.change(domain())
        (refusal,) = planned(stage).refusals
        assert (refusal.code, refusal.address) == (RefusalCode.CONFLICT, RECORD)
        assert "adopt: true" in refusal.hint
        assert set(records(stage)) >= {("app.example.com", "CNAME")}
        stage.change(domain("{name: app.example.com, adopt: true}"))
        stage.infrastructure()
        assert ("app.example.com", "CNAME") not in records(stage)
        assert records(stage)["app.example.com", "A"]["AliasTarget"]["DNSName"].startswith("my-app-alb-")


@pytest.mark.slow
def test_another_domain_is_added_once_its_certificate_is_issued() -> None:
    """The listener that is there keeps the first one, and nothing that refers to it waits."""
    with served() as (stage, transport):
        stage.change(domain())
        stage.infrastructure()
        stage.change(domain('[app.example.com, "*.example.com"]'))
        one_pass(stage)
        plan = one_pass(stage)
        assert {note.address.name for note in plan.waiting} == {"my-app-alb-production-https", "_any.example.com"}
        stage.spec(v1="v2")
        assert Address("service", "my-app-frontend") not in {note.address for note in planned(stage).waiting}
        stage.infrastructure()
        assert set(records(stage)) >= {("app.example.com", "A"), ("*.example.com", "A")}
        elb = stage.laptop.client("elbv2")
        balancer = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
        every = elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]
        arn = next(one["ListenerArn"] for one in every if one["Port"] == 443)
        assert len(elb.describe_listener_certificates(ListenerArn=arn)["Certificates"]) == 2
        assert transport.lost == []


@pytest.mark.slow
def test_a_certificate_that_times_out_is_told_and_replaced_on_request() -> None:
    """After 72 hours; nothing else waits for it, and it is replaced by consent."""
    with served() as (stage, transport):
        stage.change(domain())
        one_pass(stage)
        for item in [one for one in records(stage).values() if one["Type"] == "CNAME"]:
            batch = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": item}]}
            stage.laptop.client("route53").change_resource_record_sets(HostedZoneId=ZONE, ChangeBatch=batch)
        stage.laptop.advance(73 * 3600)
        plan = planned(stage)
        assert (plan.actions, plan.refusals) == ((), ())
        (note,) = [one for one in plan.unsettled if one.address == CERTIFICATE]
        assert "--allow-replace" in note.because
        stage.desired_state = replace(stage.desired_state, consent=Consent(frozenset({CERTIFICATE})), guard=Guard(10))
        assert [(one.verb, one.address) for one in planned(stage).actions] == [(Verb.REPLACE, CERTIFICATE)]
        stage.infrastructure()
        assert listeners(stage)[443] == "forward"
        assert transport.lost == []


@pytest.mark.slow
def test_a_listener_for_https_gets_the_certificate_and_port_80_the_redirect() -> None:
    """Where the load balancer declares both, no listener is added."""
    texts = {
        **domain(),
        "production: {port: 80, protocol: HTTP}": "production: {port: 443, protocol: HTTPS}\n  http: {port: 80}",
    }
    with emulated_stack(texts, SHORT, timings=Timings(certificate_validation=20)) as stage:
        hosted_zone()
        one_pass(stage)
        assert listeners(stage) == {80: "fixed-response", 9000: "forward"}
        stage.serving()
        assert listeners(stage) == {80: "redirect", 443: "forward", 9000: "forward"}


@pytest.mark.slow
def test_a_rule_of_a_service_that_shares_the_listener_follows() -> None:
    """Requests that its match takes are sent to HTTPS, once there is a rule for them; others are not."""
    own = {"  deregistration_delay: 30s": "  deregistration_delay: 30s\n  match: {path: /*, priority: 5}"}
    with served({**ENGINES["rolling"], **own}) as (stage, transport):
        stage.change(domain())
        stage.infrastructure()
        assert listeners(stage)[80] == "fixed-response"
        elb = stage.laptop.client("elbv2")
        rules = [one for arn in _arns(stage) for one in elb.describe_rules(ListenerArn=arn)["Rules"]]
        types = sorted(one["Actions"][-1]["Type"] for one in rules if not one["IsDefault"])
        assert types == ["forward", "forward", "redirect"]
        assert transport.lost == []


def _arns(stage: EmulatedStack) -> list[str]:
    elb = stage.laptop.client("elbv2")
    balancer = elb.describe_load_balancers()["LoadBalancers"][0]["LoadBalancerArn"]
    return [one["ListenerArn"] for one in elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]]
