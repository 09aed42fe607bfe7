"""Who made a difference follows from what the writes to the resource say; the names of operations are derived."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.aws.cloudtrail import write_of
from reconciler.aws.ownership_guard import aliases
from reconciler.iam import calls
from reconciler.model.resource import Address, Observed
from reconciler.model.type_registry import discover
from reconciler.reconcile.attribution import Question, attributed, question
from reconciler.reconcile.event_lookups import AT_ONCE, Lookup, lookup, lookups, read
from reconciler.resources.dns_record import DnsRecordSpec
from reconciler.resources.role import RoleSpec
from reconciler.resources.security_group_rules import SecurityGroupRulesSpec
from reconciler.resources.service import ServiceSpec
from reconciler.service_models import takes
from tests.harness.cloudtrail_records import BOB, CLI_AGENT, OPERATOR, OPERATOR_AGENT, OPERATOR_ARN, record, session

KINDS = discover()
NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
ARN = "arn:aws:ecs:us-west-2:123456789012:service/apps/web"
CLUSTER = "arn:aws:ecs:us-west-2:123456789012:cluster/apps"
GROUP = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/web-a/0123456789abcdef"
SSH = "ingress.tcp 22 from 0.0.0.0/0"


def observed(kind: str, id: str, spec: Any, parent: str | None = None) -> Observed[Any]:
    return Observed(Address(kind, "web"), id, spec, parent=parent)


SERVICE = observed("service", ARN, ServiceSpec.model_construct(name="web", cluster=CLUSTER))
RULES = observed("security-group-rules", "sg-1/rules", SecurityGroupRulesSpec(group="sg-1", ingress=()), parent="sg-1")
ROLE = observed("role", "my-app-task", RoleSpec.model_construct(name="my-app-task"))
RECORD = observed("dns-record", "Z1/www.example.com", DnsRecordSpec.model_construct(name="www.example.com", zone="Z1"))
TARGETS = observed("target-group", GROUP, KINDS["target-group"].Spec.model_construct(name="web-a"))


def of(seen: Observed[Any], *paths: str, at: datetime = NOW) -> Question:
    kind = KINDS[seen.address.kind]
    return question(kind, seen.address, paths, at, [seen]).by(calls.of_kind(kind))


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def names(asked_for: Question, *records: dict[str, Any]) -> tuple[list[str], bool] | None:
    writes = [write for one in records if (write := write_of(one)) is not None]
    found = attributed(asked_for, writes, stack="my-app", own=OPERATOR_ARN)
    return None if found is None else ([one.name for one in found.authors], found.certain)


def updated(
    minutes: float, who: Any = BOB, service: str = "web", cluster: str = "apps", **params: Any
) -> dict[str, Any]:
    return record("UpdateService", ago(minutes), {"cluster": cluster, "service": service, **params}, who=who)


def rules(operation: str, minutes: float, who: Any, port: int = 22, group: str = "sg-1", **more: Any) -> dict[str, Any]:
    item = {"ipProtocol": "tcp", "fromPort": port, "toPort": port, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}
    params = {"groupId": group, "ipPermissions": {"items": [item]}} | more
    return record(operation, ago(minutes), params, source="ec2", who=who)


OURS: dict[str, Any] = {"who": OPERATOR, "agent": OPERATOR_AGENT}
ANA = session("Admin", "ana")


def test_the_newest_write_that_sets_the_field_made_the_difference() -> None:
    """Later writes of other fields, and writes to other services, have not."""
    written = (
        updated(1, ANA, desiredCount=7, service="api"),
        updated(2, ANA, enableExecuteCommand=True),
        updated(3, BOB, desiredCount=0),
        updated(5, ANA, desiredCount=4),
    )
    assert names(of(SERVICE, "desired_count"), *written) == (["bob"], True)


def test_a_service_of_the_same_name_in_another_cluster_is_another_service() -> None:
    """ECS's calls name a service by its name within a cluster, or by its ARN."""
    drift = of(SERVICE, "desired_count")
    assert names(drift, updated(1, desiredCount=0, cluster="test")) is None
    assert names(drift, updated(1, desiredCount=0, cluster=CLUSTER)) == (["bob"], True)
    assert names(drift, updated(1, desiredCount=0, service=ARN)) == (["bob"], True)


def test_a_write_of_our_own_ends_what_others_wrote_before() -> None:
    """A change that was corrected since did not make the difference that is found now."""
    own = record("UpdateService", ago(2), {"cluster": "apps", "service": "web", "desiredCount": 2}, **OURS)
    assert names(of(SERVICE, "desired_count"), updated(3, desiredCount=0), own) is None
    assert names(of(SERVICE, "desired_count"), updated(1, desiredCount=0), own) == (["bob"], True)


def test_our_correction_in_the_same_second_is_not_an_earlier_one() -> None:
    """CloudTrail's times have no fractions, and drift is corrected in the moment in which it is found."""
    found = NOW + timedelta(seconds=0.9)
    own = record("UpdateService", NOW, {"cluster": "apps", "service": "web", "desiredCount": 2}, **OURS)
    assert names(of(SERVICE, "desired_count", at=found), updated(1, desiredCount=0), own) == (["bob"], True)


def test_our_user_agent_alone_is_not_ours() -> None:
    """Whoever sends our user agent in another role is named; so is our own role with another tool."""
    forged = record("UpdateService", ago(1), {"service": "web", "desiredCount": 0}, who=BOB, agent=OPERATOR_AGENT)
    by_hand = record("UpdateService", ago(1), {"service": "web", "desiredCount": 0}, who=OPERATOR, agent=CLI_AGENT)
    assert names(of(SERVICE, "desired_count"), forged) == (["bob"], True)
    assert names(of(SERVICE, "desired_count"), by_hand) == ([OPERATOR["principalId"].partition(":")[2]], True)


def test_what_was_written_after_the_difference_was_found_did_not_make_it() -> None:
    """Nor what is older than a day."""
    assert names(of(SERVICE, "desired_count"), updated(-1, desiredCount=0)) is None
    assert names(of(SERVICE, "desired_count"), updated(25 * 60, desiredCount=0)) is None


def test_a_rule_that_was_added_is_told_by_its_ports_and_source() -> None:
    """Of several rules that were added by hand, it is the one with the same protocol, port and range."""
    written = rules("AuthorizeSecurityGroupIngress", 1, ANA, 443), rules("AuthorizeSecurityGroupIngress", 2, BOB, 22)
    assert names(of(RULES, SSH), *written) == (["bob"], True)


def test_a_rule_of_another_group_that_refers_to_this_one_is_not_this_one() -> None:
    """A group that is only a source stands deeper than the group that is written to."""
    item = {"ipProtocol": "tcp", "groups": {"items": [{"groupId": "sg-1"}]}}
    params = {"groupId": "sg-2", "ipPermissions": {"items": [item]}}
    other = record("AuthorizeSecurityGroupIngress", ago(1), params, source="ec2")
    assert names(of(RULES, SSH), other) is None


def test_the_console_modifies_rules_by_a_call_that_we_never_make() -> None:
    """The type says by which operations others change one."""
    rule = {"SecurityGroupRuleId": "sgr-1", "SecurityGroupRule": {"IpProtocol": "tcp", "FromPort": 22}}
    params = {"ModifySecurityGroupRulesRequest": {"GroupId": "sg-1", "SecurityGroupRule": rule}}
    assert names(of(RULES, SSH), record("ModifySecurityGroupRules", ago(1), params, source="ec2", who=BOB)) == (
        ["bob"],
        True,
    )


def test_where_several_may_have_made_it_that_is_said() -> None:
    """A rule that is removed by its id could be any: each caller that wrote such rules may have been the one."""
    removed = {"groupId": "sg-1", "securityGroupRuleIds": {"items": [{"securityGroupRuleId": "sgr-1"}]}}
    written = (
        record("RevokeSecurityGroupIngress", ago(1), removed, source="ec2", who=BOB),
        rules("AuthorizeSecurityGroupIngress", 2, ANA, 443),
        rules("AuthorizeSecurityGroupEgress", 3, session("ci", "run-7"), 443),
    )
    assert names(of(RULES, SSH), *written) == (["bob", "ana"], False)
    assert names(of(RULES, SSH), written[0], rules("AuthorizeSecurityGroupIngress", 2, BOB, 443)) == (["bob"], True)


def test_several_fields_may_have_several_authors() -> None:
    """Each field has its own; both are named, and it is certain."""
    tag = record("TagResource", ago(1), {"resourceArn": ARN, "tags": [{"key": "Team", "value": "x"}]}, who=ANA)
    drift = of(SERVICE, "desired_count", "tags.Team")
    assert names(drift, tag, updated(3, desiredCount=0)) == (["ana", "bob"], True)
    assert names(of(SERVICE, "tags.Owner"), tag) == (["ana"], True)
    assert names(of(SERVICE, "tags.Team"), updated(1, desiredCount=0)) is None


def test_a_deletion_is_made_by_what_deletes() -> None:
    """What changed the resource before it was deleted did not delete it."""
    deleted = record("DeleteService", ago(2), {"cluster": "apps", "service": "web"}, who=BOB)
    assert names(of(SERVICE), updated(1, ANA, desiredCount=0), deleted) == (["bob"], True)


@pytest.mark.parametrize(
    ("seen", "path", "source", "operation", "params"),
    [
        (ROLE, "trust", "iam", "UpdateAssumeRolePolicy", {"roleName": "my-app-task", "policyDocument": "{}"}),
        (
            TARGETS,
            "deregistration_delay",
            "elasticloadbalancing",
            "ModifyTargetGroupAttributes",
            {"targetGroupArn": GROUP, "attributes": [{"key": "deregistration_delay.timeout_seconds", "value": "5"}]},
        ),
        (
            RECORD,
            "load_balancer",
            "route53",
            "ChangeResourceRecordSets",
            {"hostedZoneId": "Z1", "changeBatch": {"changes": [{"resourceRecordSet": {"name": "www.example.com"}}]}},
        ),
        (RULES, "tags.Team", "ec2", "CreateTags", {
            "resourcesSet": {"items": [{"resourceId": "sg-1"}]}, "tagSet": {"items": [{"key": "Team", "value": "x"}]}
        }),
    ],
)  # fmt: skip
def test_each_service_names_its_resources_in_its_own_way(
    seen: Observed[Any], path: str, source: str, operation: str, params: dict[str, Any]
) -> None:
    """By name, by ARN, by id in a list, or in a batch of changes."""
    drift = of(seen, path)
    if seen is RECORD:
        drift = Question(drift.address, drift.paths, NOW, frozenset({"www.example.com"}), drift.operations, depth=4)
    assert names(drift, record(operation, ago(1), params, source=source, who=BOB)) == (["bob"], True)


def test_names_of_a_resource_are_those_that_the_ownership_check_knows() -> None:
    """An ARN's resource part counts for its own service only."""
    assert aliases(ARN) <= of(SERVICE, "desired_count").names
    other = record("UpdateService", ago(1), {"service": "web", "desiredCount": 0}, source="ecr")
    drift = of(SERVICE, "desired_count")
    unnamed = Question(drift.address, drift.paths, NOW, frozenset(aliases(ARN)), drift.operations)
    assert names(unnamed, other) is None


def sent(asked_for: Question, look: int) -> list[tuple[str, str]]:
    return [(one.key, one.value) for one in lookups(asked_for, look)]


def test_events_are_looked_up_by_resource_where_they_are_indexed() -> None:
    """One call; a later look asks by operation as well, the likeliest first, and never more than a few."""
    assert sent(of(RULES, SSH), 0) == [("ResourceName", "sg-1")]
    later = sent(of(RULES, SSH), 1)
    assert later[0] == ("ResourceName", "sg-1")
    assert ("EventName", "AuthorizeSecurityGroupIngress") in later
    assert sent(of(SERVICE, "desired_count"), 0)[0] == ("EventName", "UpdateService")
    assert sent(of(SERVICE), 0)[0] == ("EventName", "DeleteService")
    assert sent(of(SERVICE, "tags.Team"), 0) == [("EventName", "TagResource"), ("EventName", "UntagResource")]
    for look in range(4):
        assert len(sent(of(RULES, SSH), look)) <= AT_ONCE
        assert len(sent(of(SERVICE, "desired_count"), look)) <= AT_ONCE


@pytest.mark.parametrize("name", sorted(name for name, kind in KINDS.items() if not kind.lookup))
def test_every_type_has_operations_that_make_each_sort_of_difference(name: str) -> None:
    """They are derived from its methods: a type that yields no such call says by which others change one."""
    kind = KINDS[name]
    for paths in ((), ("field",)):
        assert sent(question(kind, Address(name, "x"), paths, NOW, ()).by(calls.of_kind(kind)), 0)


def test_services_in_no_region_have_their_events_in_one() -> None:
    """Those of IAM and Route 53; of a type that writes to both sorts, each operation has its own."""
    assert lookups(of(ROLE, "trust"), 0) == (Lookup("ResourceName", "my-app-task", everywhere=True),)
    assert lookups(of(RECORD, "zone"), 0)[0] == Lookup("EventName", "ChangeResourceRecordSets", everywhere=True)
    assert not any(one.everywhere for one in lookups(of(RULES, SSH), 1))


def test_one_page_is_read_after_another_up_to_a_limit() -> None:
    """Whatever AWS says there is more."""
    drift, what = of(RULES, SSH), Lookup("ResourceName", "sg-1")
    conversation = read(what, drift)
    assert next(conversation) == lookup(what, drift.start, drift.at)
    assert conversation.send({"Events": [], "NextToken": "more"}) == lookup(what, drift.start, drift.at, "more")
    with pytest.raises(StopIteration):
        conversation.send({"Events": [], "NextToken": "and more"})


@pytest.mark.parametrize("name", sorted(name for name, kind in KINDS.items() if kind.changed_by))
def test_what_a_type_says_of_others_is_an_operation_that_is_not_derived(name: str) -> None:
    """Of a service that its own methods write to; what they yield themselves need not be said."""
    own = calls.of_kind(KINDS[name])
    for service, operation in KINDS[name].changed_by:
        assert service in {of for of, _ in own}
        assert (service, operation) not in own
        assert takes(service, operation)
