"""What a Network compiles to."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from reconciler.local.strict.endpoint_services import names
from reconciler.model.ownership import FIELDS
from reconciler.model.resource import Desired
from reconciler.spec.compile import compile_specs
from reconciler.spec.documents.network import Endpoint
from tests.spec.folder import lay, rules


def compiled(text: str) -> dict[str, Desired[Any]]:
    """By address, with `text` laid over the base."""
    specs = lay(text)
    assert specs.ok, specs.diagnostics
    return {str(want.address): want for want in compile_specs(specs, account="123456789012")}


def test_every_endpoint_is_one_that_aws_has() -> None:
    """AWS refuses an endpoint to a service name that it does not know."""
    found = compiled(f"kind: Network\nname: my-workspace\nendpoints: [{', '.join(get_args(Endpoint))}]\n")
    services = {want.spec.service for name, want in found.items() if name.startswith("vpc-endpoint/")}
    assert len(services) == len(get_args(Endpoint)) + 1 + 2, "ECR has two, and ECS three"
    assert services <= names("us-west-2")


@pytest.mark.parametrize("service", ["sqs", "sns", "events", "kinesis-firehose", "elasticfilesystem", "monitoring"])
def test_what_tasks_call_is_reached_without_the_internet(service: str) -> None:
    """A worker on a queue, a log router, a client of CloudWatch: not only what starts a task has an endpoint."""
    found = compiled(f"kind: Network\nname: my-workspace\nendpoints: [{service}]\n")
    spec = found[f"vpc-endpoint/my-workspace-{service}"].spec
    assert (spec.service, spec.type, spec.private_dns) == (f"com.amazonaws.us-west-2.{service}", "Interface", True)


def test_routes_to_other_networks_stand_beside_those_to_the_internet() -> None:
    """In every route table, or in those that are named."""
    found = compiled(
        """
kind: Network
name: my-workspace
routes:
  - {destination: 10.9.0.0/16, target: tgw-0123456789abcdef0}
  - {destination: 10.10.0.0/16, target: pcx-0123456789abcdef0, tables: [private1-a]}
"""
    )
    routes = {name: set(want.spec.routes) for name, want in found.items() if name.startswith("route-table/")}
    assert routes == {
        "route-table/private1-a": {"10.9.0.0/16", "10.10.0.0/16"},
        "route-table/public1-a": {"0.0.0.0/0", "10.9.0.0/16"},
        "route-table/public1-c": {"0.0.0.0/0", "10.9.0.0/16"},
    }
    assert found["route-table/private1-a"].spec.routes["10.10.0.0/16"] == "pcx-0123456789abcdef0"


def test_a_policy_of_an_endpoint_is_for_everybody_inside() -> None:
    """Both endpoints of ECR have it; without one, AWS's own stays."""
    found = compiled(
        """
kind: Network
name: my-workspace
endpoints: [s3, {service: ecr, policy: [{actions: "ecr:*", resources: "*"}]}]
"""
    )
    policies = {name: want.spec.policy for name, want in found.items() if name.startswith("vpc-endpoint/")}
    assert policies["vpc-endpoint/my-workspace-s3"] is None
    assert policies["vpc-endpoint/my-workspace-ecr.api"] == policies["vpc-endpoint/my-workspace-ecr.dkr"]
    (statement,) = policies["vpc-endpoint/my-workspace-ecr.api"]["Statement"]
    assert (statement["Principal"], statement["Action"]) == ({"AWS": ("*",)}, ("ecr:*",))


def test_a_second_range_holds_subnets_and_reaches_endpoints() -> None:
    """Its subnets use the endpoints like those of the first."""
    found = compiled(
        """
kind: Network
name: my-workspace
secondary_cidrs: [100.64.0.0/16]
endpoints: [logs]
subnets:
  - {name: app-private1-a, zone: us-west-2a, cidr: 100.64.0.0/24, access: private}
  - {name: app-public1-a, zone: us-west-2a, cidr: 10.0.1.0/24, access: public}
  - {name: app-public1-c, zone: us-west-2c, cidr: 10.0.2.0/24, access: public}
"""
    )
    assert found["vpc/my-workspace"].spec.secondary == ("100.64.0.0/16",)
    rules = found["security-group-rules/my-workspace-endpoints"].spec.ingress
    assert {rule.source for rule in rules} == {"10.0.0.0/20", "100.64.0.0/16"}


def test_a_prefix_list_is_the_other_side_of_a_rule() -> None:
    """By its id, such as that of CloudFront's addresses."""
    found = compiled(
        """
kind: Network
name: my-workspace
security_groups:
  - name: my-app-lb-sg
    ingress: [{port: 80, from: pl-82a045eb}, {port: 9000, from: 203.0.113.7/32}]
  - name: my-app-task-sg
    ingress: [{port: 80, from: my-app-lb-sg}]
"""
    )
    sources = {rule.source for rule in found["security-group-rules/my-app-lb-sg"].spec.ingress}
    assert sources == {"pl-82a045eb", "203.0.113.7/32"}


DUAL_STACK = """
kind: Network
name: other
cidr: 10.8.0.0/20
ipv6: true
{more}
subnets:
  - {{name: other-public9-a, zone: us-west-2a, cidr: 10.8.0.0/24, access: public, ipv6: 0}}
  - {{name: other-private9-a, zone: us-west-2a, cidr: 10.8.1.0/24, access: private, ipv6: 16}}
  - {{name: other-private8-a, zone: us-west-2a, cidr: 10.8.2.0/24, access: private}}
security_groups:
  - name: other-sg
    ingress:
      - {{port: 443, from: anywhere}}
      - {{protocol: icmp, from: anywhere}}
      - {{port: 80, from: 10.8.0.0/20}}
    egress: [{{protocol: all, to: anywhere}}]
"""
GATEWAY = "egress-only-internet-gateway/other"


def test_a_dual_stack_network_has_ranges_and_ways_out_for_both() -> None:
    """Public subnets by the internet gateway; private ones by an egress-only one, if they reach the internet at all."""
    found = compiled(DUAL_STACK.format(more="nat: single"))
    assert found["vpc/other"].spec.ipv6 is True
    numbers = {name: want.spec.ipv6 for name, want in found.items() if name.startswith("subnet/other")}
    assert numbers == {"subnet/other-public9-a": 0, "subnet/other-private9-a": 16, "subnet/other-private8-a": None}
    routes = {
        name: {to: str(by) for to, by in want.spec.routes.items()}
        for name, want in found.items()
        if want.address.kind == "route-table" and "::/0" in want.spec.routes
    }
    assert {name: by["::/0"] for name, by in routes.items()} == {
        "route-table/public9-a": "internet-gateway/other",
        "route-table/private9-a": GATEWAY,
    }
    assert str(found[GATEWAY].spec.vpc) == "vpc/other"
    assert found[GATEWAY].tags["Name"] == "other-eigw"


@pytest.mark.parametrize(
    ("more", "out"),
    [("", False), ("ipv6_egress: true", True), ("nat: single", True), ("{nat: single, ipv6_egress: false}", False)],
)
def test_private_subnets_reach_the_internet_over_ipv6_as_they_do_over_ipv4(more: str, out: bool) -> None:
    """Unless the network says otherwise: an egress-only gateway costs nothing, and so may stand alone."""
    found = compiled(DUAL_STACK.format(more=more.strip("{}").replace(", ", "\n")))
    assert (GATEWAY in found) is out
    assert ("::/0" in found["route-table/private9-a"].spec.routes) is out
    assert "::/0" in found["route-table/public9-a"].spec.routes


def test_anywhere_is_both_ipv4_and_ipv6_in_a_dual_stack_network() -> None:
    """ICMP has a protocol of its own in IPv6; ranges and groups stay as they are."""
    rules = compiled(DUAL_STACK.format(more=""))["security-group-rules/other-sg"].spec
    assert [str(rule) for rule in rules.ingress] == [
        "tcp 443 from 0.0.0.0/0",
        "tcp 443 from ::/0",
        "icmp from 0.0.0.0/0",
        "icmpv6 from ::/0",
        "tcp 80 from 10.8.0.0/20",
    ]
    assert [str(rule) for rule in rules.egress] == ["all from 0.0.0.0/0", "all from ::/0"]

    text = "kind: Network\nname: other\ncidr: 10.8.0.0/20\nsecurity_groups:\n  - {name: other-sg, ingress: [RULE]}\n"
    for rule, known in (
        ("{port: 443, from: anywhere}", ["tcp 443 from 0.0.0.0/0"]),
        ("{protocol: icmpv6, from: anywhere}", ["icmpv6 from ::/0"]),
        ("{port: 443, from: '2001:db8::/32'}", ["tcp 443 from 2001:db8::/32"]),
    ):
        rules = compiled(text.replace("RULE", rule))["security-group-rules/other-sg"].spec
        assert [str(one) for one in rules.ingress] == known


def test_a_route_may_lead_to_an_ipv6_range() -> None:
    """Of a peered network, for example."""
    found = compiled(
        "kind: Network\nname: my-workspace\n"
        "routes: [{destination: '2001:db8::/32', target: pcx-0123456789abcdef0, tables: [private1-a]}]\n"
    )
    assert found["route-table/private1-a"].spec.routes["2001:db8::/32"] == "pcx-0123456789abcdef0"


def test_what_has_no_ipv6_line_is_written_as_before() -> None:
    """An upgrade changes nothing of networks that do not state it."""
    found = compiled("kind: Network\nname: my-workspace\n")
    for name in ("vpc/my-workspace", "subnet/app-private1-a"):
        assert found[name].spec.ipv6 is None
        assert FIELDS not in found[name].tags
    assert FIELDS in compiled("kind: Network\nname: my-workspace\nipv6: true\n")["vpc/my-workspace"].tags


def test_an_endpoint_has_ipv6_addresses_of_its_subnets() -> None:
    """One subnet a zone that has a range, and HTTPS over IPv6 as well; other endpoints stay as they are."""
    found = compiled(
        "{kind: Network, name: net, cidr: 10.8.0.0/20, ipv6: true, subnets: ["
        "{name: net-a, zone: us-west-2a, cidr: 10.8.0.0/24, access: private}, "
        "{name: net-b, zone: us-west-2a, cidr: 10.8.1.0/24, access: private, ipv6: 1}], endpoints: [sqs, "
        "{service: logs, ip_address_type: dualstack, dns_records: service-defined}]}"
    )
    plain, dual = found["vpc-endpoint/net-sqs"], found["vpc-endpoint/net-logs"]
    assert [str(one) for one in plain.spec.subnets] == ["subnet/net-a"]
    assert [str(one) for one in dual.spec.subnets] == ["subnet/net-b"]
    assert plain.spec.aws == {}
    assert dual.spec.aws == {"IpAddressType": "dualstack", "DnsOptions": {"DnsRecordIpType": "service-defined"}}
    assert (FIELDS in plain.tags, FIELDS in dual.tags) == (False, True)
    (rules,) = (want.spec.ingress for name, want in found.items() if name.startswith("security-group-rules/net"))
    assert [(one.from_port, str(one.source)) for one in rules] == [(443, "10.8.0.0/20"), (443, "::/0")]


def test_the_records_of_an_endpoint_that_keeps_its_address_type_are_not_judged() -> None:
    """What an adopted endpoint has is known once it is read."""
    text = "kind: Network\nname: my-workspace\n{}endpoints: [{{service: logs, dns_records: dualstack}}]\n"
    assert rules(lay(text.format("adopt: true\n"))) == set()
    assert rules(lay(text.format(""))) == {"E3024"}
