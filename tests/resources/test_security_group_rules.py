"""Security group rules: the law example, one spelling for every rule, and no gap in a change."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler import errors
from reconciler.model.diff import diff
from reconciler.model.resource import Address, Desired, Observed
from reconciler.resources.security_group import SecurityGroupSpec
from reconciler.resources.security_group_rules import Rule, SecurityGroupRules, SecurityGroupRulesSpec
from reconciler.resources.vpc import VpcSpec
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, scope, tagged


def tcp(port: int, source: Any = "0.0.0.0/0", description: str | None = None) -> Rule:
    return Rule(protocol="tcp", from_port=port, to_port=port, source=source, description=description)


ANY = Rule(protocol="-1", source="0.0.0.0/0")

EXAMPLE = Example(
    wish(
        "security-group-rules/web",
        SecurityGroupRulesSpec(
            group=ref("security-group/web"),
            ingress=(tcp(80, description="the internet"), tcp(8080, ref("security-group/lb"))),
            egress=(ANY,),
        ),
    ),
    needs=(
        wish("vpc/web", VpcSpec(cidr="10.0.0.0/20")),
        wish("security-group/lb", SecurityGroupSpec(vpc=ref("vpc/web"), group_name="lb", description="balancer")),
        wish("security-group/web", SecurityGroupSpec(vpc=ref("vpc/web"), group_name="web", description="the web")),
    ),
    edits=(
        Edit(
            {"ingress": (tcp(80, description="everybody"), tcp(8080, ref("security-group/lb")))},
            "ingress.tcp 80 from 0.0.0.0/0.description",
        ),
        Edit(
            {
                "ingress": (
                    tcp(80, description="the internet"),
                    tcp(8080, ref("security-group/lb")),
                    Rule(protocol="udp", from_port=5000, to_port=5010, source="2001:db8::/32"),
                )
            },
            "ingress.udp 5000-5010 from 2001:db8::/32",
        ),
        Edit(
            {"ingress": (tcp(443, description="the internet"), tcp(8080, ref("security-group/lb")))},
            "ingress.tcp 443 from 0.0.0.0/0",
            "ingress.tcp 80 from 0.0.0.0/0",
        ),
        Edit({"egress": ()}, "egress.all from 0.0.0.0/0"),
    ),
    taggable=False,
)

GROUP: Observed[SecurityGroupSpec] = Observed(
    Address("security-group", "web"),
    "sg-1",
    SecurityGroupSpec(vpc="vpc-1", group_name="web", description="the web"),
    tags=tagged(wish("security-group/web", VpcSpec(cidr="10.0.0.0/20"))),
)


def want(*ingress: Rule, egress: tuple[Rule, ...] | None = None) -> Desired[SecurityGroupRulesSpec]:
    return wish("security-group-rules/web", SecurityGroupRulesSpec(group="sg-1", ingress=ingress, egress=egress))


def item(number: int, *, egress: bool = False, group: str = "sg-1", **fields: Any) -> dict[str, Any]:
    shown = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "CidrIpv4": "0.0.0.0/0"} | fields
    return {"SecurityGroupRuleId": f"sgr-{number}", "GroupId": group, "IsEgress": egress, **shown}


DEFAULT = item(0, egress=True, IpProtocol="-1", FromPort=-1, ToPort=-1)


def observe(wanted: Desired[Any] | None, *items: dict[str, Any]) -> list[Observed[SecurityGroupRulesSpec]]:
    asked = scope(*((wanted,) if wanted else ()), seen={"security-group": (GROUP,)})
    return Talk(DescribeSecurityGroupRules={"SecurityGroupRules": list(items)}).hold(
        SecurityGroupRules().observe(asked)
    )


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"protocol": "TCP", "from_port": 22, "to_port": 22, "source": "10.0.0.7/24"}, "tcp 22 from 10.0.0.0/24"),
        ({"protocol": "6", "from_port": 22, "source": "sg-1"}, "tcp 22 from sg-1"),
        ({"protocol": "tcp", "source": "sg-1"}, "tcp 0-65535 from sg-1"),
        ({"protocol": "all", "source": "0.0.0.0/0"}, "all from 0.0.0.0/0"),
        ({"protocol": "-1", "from_port": -1, "to_port": -1, "source": "2001:DB8::/32"}, "all from 2001:db8::/32"),
        ({"protocol": "icmp", "from_port": -1, "to_port": -1, "source": "pl-1"}, "icmp from pl-1"),
    ],
)
def test_a_rule_has_one_spelling(given: dict[str, Any], text: str) -> None:
    """AWS and people write the same rule in many ways; it has one identity, without its description."""
    assert str(Rule(**given)) == text
    assert str(Rule(**given, description="why")) == text
    assert str(Rule(**given, description="")) == text


@pytest.mark.parametrize(
    ("rule", "permission"),
    [
        (tcp(80, "10.0.0.0/8", "why"), {"IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "why"}]}),
        (tcp(80, "2001:db8::/32"), {"Ipv6Ranges": [{"CidrIpv6": "2001:db8::/32"}]}),
        (tcp(80, "sg-2"), {"UserIdGroupPairs": [{"GroupId": "sg-2"}]}),
        (tcp(80, "pl-1"), {"PrefixListIds": [{"PrefixListId": "pl-1"}]}),
    ],
)
def test_every_sort_of_source_has_its_parameter(rule: Rule, permission: dict[str, Any]) -> None:
    """Address ranges, groups and prefix lists stand in different lists of a permission."""
    talk = Talk(DescribeSecurityGroupRules={"SecurityGroupRules": []})

    talk.hold(SecurityGroupRules().create(want(rule)))
    (params,) = talk.params("AuthorizeSecurityGroupIngress")
    assert params["IpPermissions"] == [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, **permission}]


def test_ports_are_left_away_where_the_protocol_has_none() -> None:
    """ICMP has types in their place, of which -1 is every one."""
    talk = Talk(DescribeSecurityGroupRules={"SecurityGroupRules": []})

    talk.hold(SecurityGroupRules().create(want(ANY, Rule(protocol="icmp", source="10.0.0.0/8"))))
    (params,) = talk.params("AuthorizeSecurityGroupIngress")
    assert params["IpPermissions"] == [
        {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]},
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
    ]


def test_new_rules_come_before_old_ones_go() -> None:
    """Between the two no traffic is refused that both states let in."""
    (old,) = observe(want(tcp(443)), item(1), DEFAULT)
    talk, new = Talk(), want(tcp(443), egress=(tcp(443),))

    talk.hold(SecurityGroupRules().update(old, new, diff(old, new.spec)))
    assert talk.operations() == [
        "AuthorizeSecurityGroupIngress",
        "RevokeSecurityGroupIngress",
        "AuthorizeSecurityGroupEgress",
        "RevokeSecurityGroupEgress",
    ]
    assert talk.params("RevokeSecurityGroupEgress") == [{"GroupId": "sg-1", "SecurityGroupRuleIds": ["sgr-0"]}]


def test_another_description_is_the_same_rule() -> None:
    """A rule is described anew in place; one that the specs do not describe keeps what it says."""
    (old,) = observe(want(tcp(80)), item(1, Description="old"), DEFAULT)
    assert not diff(old, want(tcp(80)).spec)

    talk, new = Talk(), want(tcp(80, description="new"))
    talk.hold(SecurityGroupRules().update(old, new, diff(old, new.spec)))
    assert talk.operations() == ["UpdateSecurityGroupRuleDescriptionsIngress"]


def test_a_description_that_is_empty_in_the_specs_is_removed() -> None:
    """EC2 removes the description of a rule that is sent without one."""
    (old,) = observe(want(tcp(80)), item(1, Description="old"), DEFAULT)
    talk, new = Talk(), want(tcp(80, description=""))
    talk.hold(SecurityGroupRules().update(old, new, diff(old, new.spec)))
    (sent,) = talk.params("UpdateSecurityGroupRuleDescriptionsIngress")
    assert sent["IpPermissions"][0]["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]

    (plain,) = observe(want(tcp(80)), item(1), DEFAULT)
    assert not diff(plain, new.spec)


def test_undeclared_egress_is_left_as_aws_made_it() -> None:
    """A new group lets everything out; `()` takes that away and leaving it out does not."""
    (old,) = observe(want(tcp(80)), item(1), DEFAULT)
    assert not diff(old, want(tcp(80)).spec)
    assert [str(change) for change in diff(old, want(tcp(80), egress=()).spec)] == ["egress.all from 0.0.0.0/0"]


def test_a_rule_that_is_there_already_does_not_stop_the_others() -> None:
    """One duplicate has AWS refuse the whole call: each rule is then sent alone, and a duplicate is as good as new."""
    refusals = [
        errors.Exists("", code="InvalidPermission.Duplicate"),
        errors.Exists("", code="InvalidPermission.Duplicate"),
        {},
    ]
    talk = Talk(DescribeSecurityGroupRules={"SecurityGroupRules": []}, AuthorizeSecurityGroupIngress=refusals)

    talk.hold(SecurityGroupRules().create(want(tcp(80), tcp(443))))
    assert [len(params["IpPermissions"]) for params in talk.params("AuthorizeSecurityGroupIngress")] == [2, 1, 1]


def test_a_rule_that_is_gone_already_does_not_stop_the_others() -> None:
    """The same for revoking: what is gone was to go."""
    (old,) = observe(want(), item(1), item(2, FromPort=443, ToPort=443))
    gone = errors.Gone("", code="InvalidSecurityGroupRuleId.NotFound")
    talk = Talk(RevokeSecurityGroupIngress=[gone, {}, gone])

    talk.hold(SecurityGroupRules().update(old, want(), diff(old, want().spec)))
    assert [params["SecurityGroupRuleIds"] for params in talk.params("RevokeSecurityGroupIngress")] == [
        ["sgr-1", "sgr-2"],
        ["sgr-1"],
        ["sgr-2"],
    ]


def test_no_rules_are_taken_from_a_group_in_use() -> None:
    """Tasks that still run in a group which the specs have dropped go on being reached until they are gone."""
    (old,) = observe(None, item(1), DEFAULT)
    attached = {"NetworkInterfaceId": "eni-1", "Attachment": {"Status": "attached"}}
    talk = Talk(DescribeNetworkInterfaces={"NetworkInterfaces": [attached, {"NetworkInterfaceId": "eni-2"}]})

    with pytest.raises(errors.Blocked, match="eni-1"):
        talk.hold(SecurityGroupRules().delete(old))
    assert talk.operations() == ["DescribeNetworkInterfaces"]


def test_a_group_without_rules_has_them_as_it_should_or_not_at_all() -> None:
    """No rule at all is what was asked for, or it is an absence: never a difference that cannot be made or ended."""
    assert [str(found.address) for found in observe(want(egress=()))] == ["security-group-rules/web"]
    assert observe(want(tcp(80))) == []
    assert observe(None) == []


def test_they_belong_to_whom_the_group_belongs() -> None:
    """Rules carry the group's tags and point at it; their id is not the group's."""
    (found,) = observe(None, item(1))

    assert (found.parent, found.tags, found.spec.group) == ("sg-1", GROUP.tags, "sg-1")
    assert found.id != "sg-1"


def test_all_groups_are_read_at_once() -> None:
    """Two hundred groups a call: one call in most accounts, however many groups."""
    groups = tuple(
        Observed(Address("security-group", str(number)), f"sg-{number:03}", GROUP.spec, tags=GROUP.tags)
        for number in range(201)
    )
    talk = Talk(DescribeSecurityGroupRules=lambda _: {"SecurityGroupRules": []})

    talk.hold(SecurityGroupRules().observe(scope(seen={"security-group": groups})))
    asked = [params["Filters"][0]["Values"] for params in talk.params("DescribeSecurityGroupRules")]
    assert [len(values) for values in asked] == [200, 1]
