"""Commands show who made drift: from the store without a call, and from CloudTrail only where that is asked for."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.cli.event_history import event_history
from reconciler.cli.journals import Kept
from reconciler.cli.lease import open_store
from reconciler.cli.output.drift_text import drift_text, entry_document
from reconciler.cli.output.plan_text import plan_text
from reconciler.cli.output.terminal import Look
from reconciler.cli.plan_authors import plan_authors
from reconciler.clock import ManualClock
from reconciler.model.author import Author
from reconciler.model.diff import Change
from reconciler.model.plan import Action, Plan, Verb
from reconciler.model.resource import Address, Desired, Observed, Ref
from reconciler.model.type_registry import discover
from reconciler.queries.events import of_drift
from reconciler.resources.security_group_rules import SecurityGroupRulesSpec
from reconciler.store.drift_journal import DriftEntry, Finding, drift_journal
from tests.harness.cloudtrail_records import BOB, EventHistory, record

CLOCK = ManualClock()
NOW = CLOCK.now()
RULES = Address("security-group-rules", "web")
PATH = "ingress.tcp 22 from 0.0.0.0/0"
ANA = Author(
    "ana@example.com", NOW, "AuthorizeSecurityGroupIngress", "event-1", "Admin", "123456789012", "203.0.113.7",
    "AWS console",
)  # fmt: skip
CI = Author("run-7", NOW, "ModifySecurityGroupRules", "event-2", "ci", "123456789012", "198.51.100.1", "Terraform")
ENTRY = DriftEntry("1", NOW, str(RULES), (PATH,), "detected", Finding.FOUND, (ANA,))

SPEC = SecurityGroupRulesSpec(group="sg-1", ingress=())
OLD = Observed(RULES, "sg-1/rules", SPEC, parent="sg-1")
OPENED = Action(Verb.UPDATE, RULES, "", (Change(("ingress", PATH.removeprefix("ingress.")), "22", None),), old=OLD)
PLAN = Plan("my-app", (OPENED,))


@dataclass(slots=True)
class Opened:
    """A stack as `diff` opens it, with a store of its own."""

    path: Path
    history: EventHistory = field(default_factory=EventHistory)
    stack: Any = field(init=False)

    def __post_init__(self) -> None:
        place = SimpleNamespace(stack="my-app", account="123456789012", region="us-east-1")
        identity = SimpleNamespace(partition="aws", region="us-east-1", arn="arn:aws:iam::123456789012:user/dev",
                                   endpoint=None)  # fmt: skip
        aws = AwsClient(self.history, clock=CLOCK)
        signed_in = SimpleNamespace(aws=aws, identity=identity, transport=self.history)
        self.stack = SimpleNamespace(
            store=f"sqlite:{self.path}", target=SimpleNamespace(place=place), identity=identity, signed_in=signed_in,
            aws=aws, kinds=discover(),
        )  # fmt: skip

    def keep(self, *entries: DriftEntry) -> None:
        place = "my-app", "123456789012", "us-east-1", None
        with closing(open_store(self.stack.store, self.stack.signed_in.transport, *place)) as store:
            drift_journal(store).add(entries)

    def authors(self, *, ask: bool = False) -> dict[Address, str]:
        return plan_authors(self.stack, PLAN, ask=ask)


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    return Opened(tmp_path / "store.db")


def test_diff_names_whom_the_controller_has_found(opened: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    """From the journal, without a call; and nothing where there is no store, or where it cannot be read."""
    assert opened.authors() == {}
    opened.keep(ENTRY)
    assert opened.authors() == {RULES: ENTRY.by}
    assert ENTRY.by == (
        "by ana@example.com (role Admin) with the AWS console from 203.0.113.7 at 00:00 UTC on 2026-01-01"
    )
    opened.path.write_bytes(b"no database" * 1000)
    assert opened.authors() == {}
    assert (opened.history.sent, capsys.readouterr().err) == ([], "")


@pytest.mark.parametrize(
    "other",
    [
        DriftEntry("2", NOW, str(RULES), (PATH,), "corrected", Finding.FOUND, (ANA,)),
        DriftEntry("2", NOW, str(RULES), ("egress.all from 0.0.0.0/0",), "detected", Finding.FOUND, (ANA,)),
        DriftEntry("2", NOW, "security-group-rules/other", (PATH,), "detected", Finding.FOUND, (ANA,)),
        DriftEntry("2", NOW, str(RULES), (PATH,), "detected", Finding.PENDING),
        DriftEntry("2", NOW, str(RULES), (), "detected", Finding.FOUND, (ANA,)),
    ],
)
def test_an_entry_about_something_else_names_nobody(opened: Opened, other: DriftEntry) -> None:
    """What was corrected since, other fields, other resources, and a deletion."""
    opened.keep(other)
    assert opened.authors() == {}


def test_diff_asks_on_request(opened: Opened) -> None:
    """`--who` asks about what the journal does not have: one call for a security group."""
    rules = {"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]}}
    params = {"groupId": "sg-1", "ipPermissions": {"items": [rules]}}
    one = record("AuthorizeSecurityGroupIngress", NOW - timedelta(minutes=3), params, source="ec2", who=BOB)
    opened.history.records, opened.history.indexed = [one], {one["eventID"]: ("sg-1",)}
    assert opened.authors() == {}
    assert opened.authors(ask=True) == {
        RULES: "by bob with the AWS console from 203.0.113.7 at 23:57 UTC on 2025-12-31"
    }
    assert len(opened.history.sent) == 1
    opened.keep(ENTRY)
    assert opened.authors(ask=True) == {RULES: ENTRY.by}
    assert len(opened.history.sent) == 1


def test_what_keeps_diff_from_asking_is_a_warning(opened: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever asks for it learns which permission is missing; the plan is shown all the same."""
    opened.history.refusal = errors.Denied("not authorized", call="cloudtrail.LookupEvents", code="AccessDenied")
    assert opened.authors(ask=True) == {}
    assert "cloudtrail.LookupEvents" in capsys.readouterr().err
    assert len(opened.history.sent) == 1


def test_a_plan_names_the_author_below_the_change() -> None:
    """As one more line, of which nothing steers a terminal."""
    text = plan_text(PLAN, Look(), authors={RULES: "by \x1b[2Jana\u202e"})
    assert "    changed outside the specs by ana" in text.splitlines()
    assert "changed outside" not in plan_text(PLAN, Look())


def test_history_shows_drift_of_what_a_service_uses() -> None:
    """At any distance, and what is for it alone; not what other services use."""
    service, group, other = Address("service", "web"), Address("security-group", "web"), Address("service", "api")
    scaling = Address("scaling", "web")

    def desired(address: Address, *refs: Address) -> Desired[Any]:
        found = Desired(address, None)  # type: ignore[type-var]
        found._refs.append(frozenset(refs))
        return found

    wanted = [desired(service, RULES), desired(RULES, group), desired(group), desired(other), desired(scaling, service)]
    about = [DriftEntry(str(one), NOW, str(one)) for one in (service, group, other, scaling)]
    kept = Kept(drift=(ENTRY, *about))
    assert [one.address for one in kept.drift_of(service, wanted)] == [
        str(RULES), str(service), str(group), str(scaling)
    ]  # fmt: skip
    assert kept.drift_of(service, ()) == (about[0],)
    assert str(Ref(group)) == str(group)


def test_entries_are_shown_with_what_is_known() -> None:
    """Who made it, several of them, or why it is not known; a line each, the newest first."""
    several = DriftEntry("2", NOW, str(RULES), (PATH,), "corrected", Finding.FOUND, (CI, ANA), certain=False)
    pending = DriftEntry("3", NOW, str(RULES), (), "recurring")
    denied = DriftEntry("4", NOW, str(RULES), (PATH,), "corrected", Finding.UNREADABLE, because="not allowed")
    none = DriftEntry("5", NOW, str(RULES), (PATH,), "corrected", Finding.NONE)
    text = drift_text([ENTRY, several, pending, denied, none], Look(), most=4)
    lines = text.splitlines()
    assert lines[1:3] == [
        "drift",
        f"2026-01-01 00:00 UTC  corrected: {RULES} {PATH}, who changed it is not known: CloudTrail has no such call",
    ]
    assert lines[3].endswith("who changed it is not known: not allowed")
    assert lines[4].endswith("recurring: security-group-rules/web deleted, who changed it is not known yet")
    assert "by one of: run-7 (role ci) with Terraform from 198.51.100.1" in lines[5]
    assert lines[6].startswith("(1 older")
    document = entry_document(several)
    assert (document["certain"], document["authors"][0]["name"], document["finding"]) == (False, "run-7", "found")
    assert of_drift(several).details["authors"][1]["event"] == "event-1"


def test_events_of_services_in_no_region_are_asked_for_in_their_region() -> None:
    """Of a stack in that region, the same client serves."""
    made = []

    def in_region(region: str) -> Any:
        made.append(region)
        return EventHistory()

    def client(partition: str, region: str, everywhere: bool) -> Any:
        identity = SimpleNamespace(partition=partition, region=region)
        aws = AwsClient(EventHistory(), clock=CLOCK)
        signed_in: Any = SimpleNamespace(identity=identity, aws=aws, transport=SimpleNamespace(in_region=in_region))
        found = event_history(signed_in)
        assert found(everywhere) is found(everywhere)
        return found(everywhere) is aws

    assert client("aws", "eu-west-1", False)
    assert client("aws", "us-east-1", True)
    assert not client("aws", "eu-west-1", True)
    assert not client("aws-us-gov", "us-gov-east-1", True)
    assert client("aws-iso", "us-iso-east-1", True)
    assert made == ["us-east-1", "us-gov-west-1"]
