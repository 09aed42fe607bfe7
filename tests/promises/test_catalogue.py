"""The catalogue of bad input and bad days: each by its name, and that what is expected of it is what happens.

What a rollout has to survive stands with the rollouts.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from reconciler import errors
from reconciler.aws.client import Transport
from reconciler.aws.retry import is_read
from reconciler.aws.session import Boto
from reconciler.clock import ManualClock
from reconciler.model.plan import RefusalCode
from reconciler.model.resource import Call
from reconciler.model.type_registry import discover
from reconciler.spec.load import load
from reconciler.spec.rules import catalogue
from tests.conftest import REGION
from tests.harness import fake_types
from tests.harness.account_snapshot import census
from tests.harness.cli import recorded, run
from tests.harness.faults import THROTTLES, Fault, fault
from tests.harness.forked_runs import SEED, Account, serial, stack
from tests.harness.forked_runs import run as live
from tests.harness.strict import refusal
from tests.promises.conftest import Record, mostly_slow, sample_or_all
from tests.spec import folder

# -- refused at validation: exit 1, with the place, and AWS is not asked

RULES: Mapping[str, tuple[str, ...]] = {
    "duplicate keys": ("E1008",),
    "tags such as !!python": ("E1009",),
    "YAML 1.1 coercions": ("E1110", "E1111"),
    "unknown fields": ("E1101", "E1102"),
    "missing fields": ("E1103",),
    "null fields": ("E1104",),
    "wrong types": ("E1105",),
    "names that AWS would refuse": ("E1109", "E2004"),
    "two names deriving to one": ("E2003", "E2005"),
    "dangling references": ("E2001", "E2002"),
    "cyclic references": ("E5006",),
    "CIDR faults": ("E3001", "E3002", "E3003", "E3004", "E3005"),
    "one-zone load balancers": ("E4001",),
    "wrong Fargate pairs": ("E5001", "E5002"),
    "container and port mismatches": ("E5005",),
    "health-check bounds": ("E4013",),
    "equal production and test ports": ("E4005",),
    "scaling min above max": ("E5009",),
    "blue/green without a test listener": ("E6009",),
    "blue/green without a second target group": ("E6010",),
    "waits without a unit": ("E1108",),
    "figures over the limit": ("E1106",),
    "secrets in plain sight": ("E7001",),
    "stars in policies": ("E7004", "E7005"),
}
FILES: Mapping[str, tuple[str, bytes]] = {
    "not UTF-8": ("E1001", b"kind: Cluster\nname: \xff\xfe\n"),
    "NUL": ("E1002", b"kind: Cluster\nname: a\0b\n"),
    "control characters": ("E1002", b"kind: Cluster\nname: a\x07b\n"),
    "bidi characters": ("E1003", "kind: Cluster\nname: a\u202eb\n".encode()),
    "more than 1 MiB": ("E1004", b"# " + b"x" * (1 << 20)),
    "an alias bomb": (
        "E1006",
        b"a: &a [x,x,x,x,x,x,x,x,x]\n"
        + b"".join(b"%c: &%c [%s]\n" % (n + 1, n + 1, b",".join([b"*%c" % n] * 9)) for n in range(97, 106)),
    ),
    "nesting": ("E1005", b"[" * 60 + b"]" * 60),
    "not YAML": ("E1007", b"kind: [Cluster\n"),
}


@pytest.mark.parametrize(("rules", "what"), [pytest.param(rules, what, id=what) for what, rules in RULES.items()])
def test_refused_at_validation(record: Record, rules: tuple[str, ...], what: str) -> None:
    """What is wrong is an error under its rule, with a line and a column."""
    for rule in rules:
        text = catalogue()[rule].bad
        assert text, rule
        found = [one for one in folder.lay(text + "\n").diagnostics if one.rule == rule]
        assert found, rule
        assert all(one.severity == "error" and one.position.line for one in found)
    record("S11", f"refused at validation: {what}", worlds=len(rules), violations=0)


@pytest.mark.parametrize("what", FILES)
def test_files_refused_at_validation(record: Record, tmp_path: Path, what: str) -> None:
    """A file that is no text, or no tree, or too large, is an error, and nobody is called."""
    rule, data = FILES[what]
    (tmp_path / "stack.yaml").write_text("kind: Stack\nname: s\nregion: us-west-2\n", encoding="utf-8")
    (tmp_path / "wrong.yaml").write_bytes(data)
    with recorded() as calls:
        ran = run("apply", tmp_path, "-y")
    assert ran.code == 1
    assert calls == []
    assert rule in {one.rule for one in load(tmp_path, None).diagnostics}
    record("S11", f"refused at validation: {what}", worlds=1, violations=0)


def test_a_link_out_of_the_folder_is_refused(record: Record, tmp_path: Path) -> None:
    """What is outside of the specs is not read."""
    (tmp_path / "outside.yaml").write_text("kind: Cluster\nname: a\n", encoding="utf-8")
    specs = tmp_path / "specs"
    specs.mkdir()
    (specs / "stack.yaml").write_text("kind: Stack\nname: s\nregion: us-west-2\n", encoding="utf-8")
    (specs / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    assert "E1011" in {one.rule for one in load(specs, None).diagnostics}
    record("S11", "refused at validation: a link out of the folder", worlds=1, violations=0)


# -- refused at plan time: exit 5, reads only

SMALL = """\
kind: Stack
name: small
region: us-west-2
---
kind: Network
name: small-net
cidr: 10.0.0.0/20
subnets:
  - {name: small-a, zone: us-west-2a, cidr: 10.0.1.0/24, access: private}
---
kind: Cluster
name: small-cluster
"""


def _client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def _tagged(stack_name: str) -> list[dict[str, str]]:
    tags = {"reconciler:stack": stack_name, "reconciler:address": "cluster/small-cluster"}
    return [{"key": key, "value": value} for key, value in tags.items()]


def _taken(specs: Path) -> None:
    _client("ecs").create_cluster(clusterName="small-cluster")


def _others(specs: Path) -> None:
    _client("ecs").create_cluster(clusterName="small-cluster", tags=_tagged("another"))


def _edit(specs: Path, old: str, new: str) -> None:
    file = specs / "all.yaml"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def _pinned(specs: Path) -> None:
    _edit(specs, "name: small\n", 'name: small\naccount: "999999999999"\n')


def _immutable(specs: Path) -> None:
    assert run("apply", specs, "-y").code == 0
    _edit(specs, "10.0.", "10.8.")


def _deletes(specs: Path) -> None:
    assert run("apply", specs, "-y").code == 0
    _edit(specs, "name: small\n", "name: small\nguard: {max_delete: 0}\n")
    _edit(specs, "kind: Cluster\nname: small-cluster\n", "kind: Cluster\nname: another-cluster\n")


def _protected(specs: Path) -> None:
    _edit(specs, "name: small-cluster", "name: small-cluster\nprotect: true")
    assert run("apply", specs, "-y").code == 0
    _edit(specs, "kind: Cluster\nname: small-cluster\nprotect: true\n", "kind: Cluster\nname: another-cluster\n")


def _stripped(specs: Path) -> None:
    """Somebody took our tags off."""
    assert run("apply", specs, "-y").code == 0
    (arn,) = [arn for arn in _client("ecs").list_clusters()["clusterArns"] if arn.endswith("small-cluster")]
    _client("ecs").untag_resource(resourceArn=arn, tagKeys=["reconciler:stack", "reconciler:address"])


PLANS: Mapping[str, tuple[Callable[[Path], None], str]] = {
    "a wanted name exists and is not ours": (_taken, "conflict"),
    "a wanted name is another stack's": (_others, "conflict"),
    "another account": (_pinned, "wrong-account"),
    "an immutable change": (_immutable, "immutable"),
    "more deletions than the guard allows": (_deletes, "guard"),
    "a protected resource is no longer wanted": (_protected, "protected"),
    "somebody stripped our tags": (_stripped, "conflict"),
}


@pytest.mark.parametrize("what", mostly_slow(PLANS, "a wanted name is another stack's", "somebody stripped our tags"))
def test_refused_at_plan(record: Record, tmp_path: Path, what: str) -> None:
    """Exit 5 and reads only; the account is as it was, byte for byte."""
    (tmp_path / "all.yaml").write_text(SMALL, encoding="utf-8")
    with mock_aws():
        spoil, code = PLANS[what]
        spoil(tmp_path)
        before = census()
        with recorded() as calls:
            ran = run("apply", tmp_path, "-y", "-o", "json")
        assert ran.code == 5, ran.out + ran.err
        assert {refusal["code"] for refusal in json.loads(ran.out)["refusals"]} == {code}
        assert all(is_read(call) for call in calls)
        assert census() == before
    record("S11", f"refused at plan: {what}", worlds=1, violations=0)


def test_a_read_that_fails_refuses_the_plan(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One type that cannot be read: nothing is written of any."""
    perform = Boto.perform

    def denied(self: Boto, call: Call) -> dict[str, Any]:
        if call.operation == "DescribeClusters":
            raise refusal(call, "AccessDeniedException", "no", 403)
        return perform(self, call)

    monkeypatch.setattr(Boto, "perform", denied)
    (tmp_path / "all.yaml").write_text(SMALL, encoding="utf-8")
    with mock_aws():
        before = census()
        ran = run("apply", tmp_path, "-y", "-o", "json")
        assert ran.code == 5
        assert {refusal["code"] for refusal in json.loads(ran.out)["refusals"]} == {"read-failed"}
        assert census() == before
    record("S11", "refused at plan: a read failed", worlds=1, violations=0)


def test_an_image_that_is_missing_refuses_the_plan(record: Record, account: Account) -> None:
    """The registry is there, the tag is not, and something runs already: nothing is registered or rolled."""
    from tests.promises.scenarios import push

    live(account, stack())
    push(account, "v1")
    live(account, stack())
    executed = account.ledger.executed.copy()
    with pytest.raises(errors.Refused, match="v9") as caught:
        live(account, stack(SEED, {"tag: v1": "tag: v9"}))
    assert caught.value.code == RefusalCode.MISSING
    assert account.ledger.executed == executed
    record("S11", "refused at plan: an image is missing", worlds=1, violations=0)


# -- survived at run time: no wrong write, and in the end what is wanted


class BadTimes:
    """The first `times` sendings of each call meet `trouble`; after that all is well."""

    def __init__(self, inner: Transport, trouble: Callable[[Transport, Call], dict[str, Any]], times: int) -> None:
        self.inner, self.trouble, self.times = inner, trouble, times
        self.met = 0
        self._seen: dict[str, int] = {}

    def perform(self, call: Call) -> dict[str, Any]:
        key = f"{call} {sorted(call.params.items(), key=str)}"
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] <= self.times:
            self.met += 1
            return self.trouble(self.inner, call)
        return self.inner.perform(call)


def _fault(kind: Fault, *, executed: bool = True) -> Callable[[Transport, Call], dict[str, Any]]:
    return lambda inner, call: fault(kind, inner, call, executed=executed)


def _code(code: str, message: str = "", status: int = 400, *, reads: bool = False) -> Any:
    """Answered with `code`, without being executed; a read only where AWS would answer reads so too."""

    def trouble(inner: Transport, call: Call) -> dict[str, Any]:
        if is_read(call) and not reads:
            return inner.perform(call)
        raise refusal(call, code, message, status)

    return trouble


DAYS: Mapping[str, Callable[[Transport, Call], dict[str, Any]]] = {
    **{
        f"throttled with {code}": _code(code, "Rate exceeded", reads=True)
        for code in sorted({*THROTTLES.values(), "TooManyRequestsException", "SlowDown", "RequestThrottled"})
    },
    "500, executed": _fault(Fault.SERVER_ERROR),
    "500, not executed": _fault(Fault.SERVER_ERROR, executed=False),
    "503": _code("ServiceUnavailable", "", 503, reads=True),
    "a reset before the call": _fault(Fault.RESET),
    "a reset after the call": _fault(Fault.LOST),
    "an answer that takes too long": _fault(Fault.TIMEOUT),
    "a garbled body": _fault(Fault.GARBLED),
    "an empty body": _fault(Fault.EMPTY),
    "DNS gone": _fault(Fault.UNREACHABLE),
    "DependencyViolation": _code("DependencyViolation", "it has dependencies"),
    "AlreadyExists that is not so": _code("EntityAlreadyExists", "it exists"),
    "a write before it": _code("ConcurrentModificationException", "try again"),
    "IAM has not spread": _code("InvalidParameterException", "the role cannot be assumed"),
    "expired credentials": _code("ExpiredTokenException", "the token is expired", 403, reads=True),
    "denied": _code("AccessDeniedException", "not authorized", 403, reads=True),
    "a quota": _code("LimitExceededException", "you have reached the limit"),
}


@pytest.mark.parametrize("worlds", sample_or_all(4, 50))
@pytest.mark.parametrize("what", DAYS)
def test_survived(record: Record, what: str, worlds: int) -> None:
    """Worlds in which every call fails so once or twice: in the end what is wanted, once each, nobody else's
    things touched."""
    problems, met = [], 0
    with serial():
        for seed in range(worlds):
            dice = random.Random(seed)
            account, clock = fake_types.Shared(), ManualClock()
            account.put("shelf", "theirs", stack="others", height=9)
            others, wanted = account.others(), fake_types.random_wish(dice)
            times = BadTimes(account, DAYS[what], dice.choice((1, 2)))
            for _ in range(30):
                try:
                    report = fake_types.run(times, fake_types.wishing(*wanted), clock=clock)
                except (errors.AwsError, errors.Refused):
                    continue
                if not any(one.outcomes for one in report.passes):
                    break
            met += times.met
            if account.ours() != fake_types.as_wanted(wanted):
                problems.append(f"seed {seed}: {account.ours()} is there, {fake_types.as_wanted(wanted)} is wanted")
            if account.others() != others:
                problems.append(f"seed {seed}: somebody else's things were touched")
    record("L2", f"survived: {what}", worlds=worlds, violations=len(problems), seeds=f"0–{worlds - 1}")
    assert met
    assert not problems, "\n".join(problems)


STATES = frozenset({"State", "state", "Status", "status", "lifecycleStatus", "rolloutState", "Code"})


def _unheard_of(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "MYSTERY" if key in STATES and isinstance(item, str) else _unheard_of(item)
            for key, item in value.items()
        }
    return [_unheard_of(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("service", mostly_slow(["ec2", "ecs", "elbv2", "ecr", "scheduler"], "ecs"))
def test_survived_states_that_nobody_has_heard_of(account: Account, record: Record, service: str) -> None:
    """AWS adds a state: what is in it is not ready, and is neither made again nor deleted."""
    from tests.harness.forked_runs import EVERY_TYPE

    wanted = stack(EVERY_TYPE)
    live(account, wanted)
    before = account.lasting()

    class Newer:
        def perform(self, call: Call) -> dict[str, Any]:
            answer = account.perform(call)
            return _unheard_of(answer) if call.service == service and is_read(call) else answer  # type: ignore[no-any-return]

    said = ""
    try:
        report = live(Newer(), wanted, patience=120.0)
        said = str(report.last.failed)
    except errors.ReconcilerError as error:
        said = str(error)
    made = account.lasting() - before
    record("L2", f"survived: unknown states of {service}", worlds=1, violations=sum(made.values()))
    assert not made, f"{dict(made)} {said}"
    assert "KeyError" not in said


def test_every_code_that_is_known_has_a_class_that_says_who_can_fix_it() -> None:
    """The tables name classes of ours, and every type is in the catalogue of types."""
    from reconciler.aws.catalogue import COMMON, service_facts, services

    known = [service_facts(service).codes for service in (*services(), COMMON)]
    codes = {code: meaning.kind for each in known for code, meaning in each.items()}
    assert all(issubclass(kind, errors.AwsError) for kind in codes.values())
    assert len(discover()) > 15
    assert json.dumps(sorted(codes))
