"""Records of domains: the law example, and who owns a record."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.resource import Desired, Observed
from reconciler.resources import _dns
from reconciler.resources.dns_record import DnsRecord, DnsRecordSpec
from tests.harness.hosted_zones import ZONE
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import STACK, Talk, scope, tagged
from tests.resources.test_domain_certificate import certificate, changes
from tests.resources.test_load_balancer import balancer, network

NAME = "app.example.com"
OWNER = f"_reconciler.{NAME}"
BALANCER = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/web/0123456789abcdef"
DNS_NAME = "web-1.us-west-2.elb.amazonaws.com"


def record(name: str = NAME, at: str = "web") -> Desired[Any]:
    spec = DnsRecordSpec(name=name, zone=ZONE, load_balancer=ref(f"load-balancer/{at}"))
    return wish(f"dns-record/{name}", spec)


EXAMPLE = Example(
    record(),
    needs=(*network("web"), balancer("web"), certificate()),
    edits=(
        Edit({"types": ("A", "AAAA")}, "types"),
        Edit({"name": "www.example.com"}, "name"),
    ),
    unique=True,
    taggable=False,
    decoys=(*network("decoy", "10.1"), balancer("decoy"), record("decoy.example.com", "decoy")),
)

WANT = wish(f"dns-record/{NAME}", DnsRecordSpec(name=NAME, zone=ZONE, load_balancer=BALANCER))


def alias(kind: str = "A", target: str = DNS_NAME, **more: Any) -> dict[str, Any]:
    found = {"HostedZoneId": "Z1H1FL5HABSF5", "DNSName": f"{target}.", "EvaluateTargetHealth": True}
    return {"Name": f"{NAME}.", "Type": kind, "AliasTarget": found, **more}


def owner(stack: str = STACK, **tags: str) -> dict[str, Any]:
    given = {**tagged(WANT, stack), **{f"reconciler:{key}": value for key, value in tags.items()}}
    return {"Name": f"{OWNER}.", "Type": "TXT", "TTL": 300, "ResourceRecords": [{"Value": _dns._text(given)}]}


def talk(*records: dict[str, Any], **more: Any) -> Talk:
    def listed(call: Any) -> dict[str, Any]:
        assert call.params["MaxItems"]
        return {"ResourceRecordSets": [one for one in records if one["Name"] >= call.params["StartRecordName"]]}

    found = {"LoadBalancerArn": BALANCER, "DNSName": DNS_NAME, "CanonicalHostedZoneId": "Z1H1FL5HABSF5"}
    answers = {"ListResourceRecordSets": listed, "DescribeLoadBalancers": {"LoadBalancers": [found]}}
    return Talk(**(answers | more))


def observe(*records: dict[str, Any], want: Desired[Any] | None = WANT, **more: Any) -> list[Observed[Any]]:
    balancers = (
        Observed(ref("load-balancer/web").address, BALANCER, balancer("web").spec, facts={"dns_name": DNS_NAME}),
    )
    wanted = [] if want is None else [want]
    seen = {"load-balancer": balancers, **more.pop("seen", {})}
    return talk(*records).hold(DnsRecord().observe(scope(*wanted, seen=seen)))


def new(**fields: Any) -> Desired[Any]:
    return Desired(WANT.address, WANT.spec.model_copy(update=fields), tags=tagged(WANT))


def test_a_record_leads_to_its_load_balancer() -> None:
    """However the console writes its name."""
    (found,) = observe(alias(target=f"dualstack.{DNS_NAME.upper()}"), owner())
    assert not diff(found, WANT.spec)
    assert ownership.owner(found.tags) == STACK


@pytest.mark.parametrize(
    ("there", "whose"),
    [
        ([], None),
        ([owner("theirs")], "theirs"),
        ([owner(region="eu-west-1")], "ours in eu-west-1"),
        ([owner(account="210987654321")], "ours in 210987654321"),
        ([{**owner(), "ResourceRecords": [{"Value": '"v=spf1 -all"'}]}], None),
    ],
)
def test_a_record_that_is_not_ours_is_shown_as_what_it_is(there: list[dict[str, Any]], whose: str | None) -> None:
    """Another stack's, that of a stack of our name elsewhere, or nobody's that we know."""
    (found,) = observe(alias(), *there)
    assert ownership.owner(found.tags) == whose


def test_a_creation_takes_no_name_that_is_taken() -> None:
    """It would fail in Route 53 besides: everything is created, or nothing."""
    told = talk(alias())
    with pytest.raises(errors.Exists):
        told.hold(DnsRecord().create(new()))
    told = talk()
    told.hold(DnsRecord().create(new()))
    assert changes(told) == [("CREATE", "A", NAME), ("CREATE", "TXT", OWNER)]


def test_what_is_adopted_is_replaced_as_a_whole() -> None:
    """First it gets its owner; then what led elsewhere is deleted as it was read, in the call that creates ours."""
    cname = {"Name": f"{NAME}.", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "old.example.org."}]}
    (old,) = observe(cname)
    told = talk(cname)
    told.hold(DnsRecord().update_tags(old, tagged(WANT), ()))
    assert changes(told) == [("CREATE", "TXT", OWNER)]
    (old,) = observe(cname, owner())
    told = talk(cname, owner())
    told.hold(DnsRecord().update(old, new(), diff(old, WANT.spec)))
    assert changes(told) == [("DELETE", "CNAME", NAME), ("UPSERT", "A", NAME)]


def test_records_of_a_policy_are_not_replaced() -> None:
    """They share a name, with others that may be somebody else's."""
    (found,) = observe(alias(SetIdentifier="blue", Weight=1))
    assert [change.field for change in diff(found, WANT.spec) if change.immutable] == ["routing"]


def test_what_has_another_owner_by_now_is_not_touched() -> None:
    """Between the reading and the writing."""
    (old,) = observe(alias(), owner())
    told = talk(alias(), owner("theirs"))
    told.hold(DnsRecord().delete(old))
    for write in (DnsRecord().update(old, new(types=("A", "AAAA")), ()), DnsRecord().update_tags(old, {}, ())):
        with pytest.raises(errors.StalePlan):
            told.hold(write)
    assert changes(told) == []


def test_the_record_of_a_domain_that_left_is_found_by_its_certificate() -> None:
    """Route 53 has no index of what a stack owns."""
    one = certificate()
    found = Observed(one.address, "arn", one.spec, tags=tagged(one))
    (left,) = observe(alias(), owner(), want=None, seen={"domain-certificate": (found,)})
    assert (left.address, left.id) == (WANT.address, f"{ZONE}/{NAME}")
    assert observe(alias(), owner("theirs"), want=None, seen={"domain-certificate": (found,)}) == []


def test_a_wildcard_is_one_name() -> None:
    """Route 53 answers its star escaped; its owner stands at a name that no host has."""
    name = "*.example.com"
    want = wish("dns-record/_any.example.com", DnsRecordSpec(name=name, zone=ZONE, load_balancer=BALANCER))
    (found,) = observe({**alias(), "Name": "\\052.example.com."}, want=want)
    assert found.facts["ids"] == (name, "_reconciler._any.example.com")


def test_a_long_owner_has_several_strings() -> None:
    """A string of a TXT record has at most 255 characters; what is unusual in it is escaped."""
    tags = {ownership.STACK: 'a "stack", ü' * 30, ownership.ADDRESS: str(WANT.address)}
    text = _dns._text(tags)
    assert max(map(len, text.split('" "'))) <= 256
    assert _dns._parsed(text) == tags
