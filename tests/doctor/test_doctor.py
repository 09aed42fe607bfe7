"""`doctor`, and what `diff` and `apply` show of it: a healthy stack has no finding, and rest takes no call."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.aws.retry import is_read
from reconciler.cli.lease import open_store
from reconciler.cli.output.exits import Exit
from reconciler.clock import SystemClock
from reconciler.doctor.case import Case
from reconciler.doctor.check import Severity, checks
from reconciler.doctor.checks.certificates import covers
from reconciler.doctor.reads import operations
from reconciler.local.faults import Fault as CallFault
from reconciler.local.timings import Timings
from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import Plan
from reconciler.model.type_registry import discover
from reconciler.reconcile.observe import StackId
from reconciler.store.lease import Lease
from tests.cli.cli_runner import onstage
from tests.doctor.accounts import doctor, foreign_stack, index_of, logging_trail, own_folder, own_stack, push
from tests.doctor.test_faults import FAULTS, lead_in, secrets
from tests.harness.cli import recorded, run
from tests.harness.emulated_stack import SHORT, EmulatedStack, emulated_stack
from tests.harness.hosted_zones import hosted_zone
from tests.harness.seed import SEED
from tests.reconcile.test_domains import domain

GUIDE = (Path(__file__).parents[2] / "docs" / "guides" / "doctor.md").read_text(encoding="utf-8")


def serve(stage: EmulatedStack, repository: str) -> None:
    stage.infrastructure()
    push(stage, repository, "v1")
    stage.apply()
    stage.follow()


@pytest.fixture
def serving() -> Iterator[EmulatedStack]:
    with own_stack() as stage:
        serve(stage, "my-app-frontend")
        yield stage


def findings(stage: EmulatedStack, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(doctor(stage, "-o", "json", *arguments).out)["findings"]
    return found


def test_a_healthy_stack_has_no_finding(serving: EmulatedStack) -> None:
    """Neither an error nor a warning nor a note."""
    ran = doctor(serving, "-o", "json")
    assert (ran.code, json.loads(ran.out)["findings"]) == (Exit.DONE, [])
    text = doctor(serving)
    assert text.code == Exit.DONE
    assert text.out.endswith("Nothing was found that would make an apply or a rollout fail.\n")


def test_a_healthy_stack_that_does_not_exist_yet_only_waits_for_its_image() -> None:
    """Every quota, permission and address that its creation takes is there."""
    with own_stack() as stage:
        assert [(one["severity"], one["code"]) for one in findings(stage)] == [("note", "image-not-pushed")]


def test_a_healthy_service_in_the_network_of_others_has_no_finding() -> None:
    """With a secret, an image for several platforms, and endpoints instead of a way to the internet."""
    texts = secrets('DB: "secretsmanager:db:password"')
    with foreign_stack({**texts, "tag: v1": "tag: v2"}) as stage:
        stage.laptop.client("secretsmanager").create_secret(Name="db", SecretString='{"password": "hunter2"}')
        stage.infrastructure()
        push(stage, "shop", "v2", index_of("amd64", "arm64"))
        lead_in(stage)
        ran = doctor(stage, "-o", "json", "--read-secrets")
        assert json.loads(ran.out)["findings"] == []
        assert "hunter2" not in ran.out
        assert [one["code"] for one in findings(stage)] == ["secret-key-not-checked"]


@pytest.mark.parametrize("scene", ["rest", "release"])
def test_a_plan_at_rest_takes_no_call_more(serving: EmulatedStack, scene: str) -> None:
    """Only what a plan starts is looked into by `diff`: its subnets, and nothing twice."""
    if scene == "release":
        push(serving, "my-app-frontend", "v2")
        serving.spec(v1="v2")
    with onstage(serving) as typed:
        with_checks = _calls(serving, typed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("reconciler.cli.examination.examine_cheaply", lambda *_: ())
            without = _calls(serving, typed)
    more = Counter({"DescribeSubnets": 1, "BatchGetImage": 1}) if scene == "release" else Counter()
    assert with_checks - without == more


def _calls(stage: EmulatedStack, typed: Any) -> Counter[str]:
    stage.transport.sent.clear()
    typed("diff")
    return Counter(stage.transport.sent)


def test_diff_and_apply_show_what_would_fail_below_the_plan() -> None:
    """In every format, with its place; the exit code stays that of the plan."""
    with foreign_stack(secrets('DB: "secretsmanager:db"')) as stage, onstage(stage) as typed:
        text = typed("diff")
        assert text.code == Exit.PENDING
        plan, _, below = text.out.partition("Plan: ")
        assert "secret-missing" not in plan
        assert "the secret db does not exist" in below
        document = json.loads(typed("diff", "-o", "json").out)
        assert [(one["code"], one["about"]) for one in document["findings"]] == [("secret-missing", "service/web")]
        assert "the secret db does not exist" in typed("diff", "-o", "markdown").out
        assert "title=service/web (secret-missing)" in typed("diff", "-o", "github").out.replace("%2F", "/")
        applied = typed("apply", "-y", "--timeout", "0")
        assert "the secret db does not exist" in applied.err.partition("Plan: ")[2]


@pytest.mark.parametrize("command", ["doctor", "diff"])
def test_a_subnet_whose_id_cannot_be_looked_up_is_left_to_the_plan(command: str) -> None:
    """What is not known is neither too small nor out of reach."""
    with foreign_stack() as stage, onstage(stage) as typed:
        stage.texts = {"[SUBNET]": '[{lookup: "ssm:/subnet"}]', "GROUP": stage.texts["GROUP"]}
        stage.restart()
        stage.laptop.aws.inject(CallFault("error", "ssm", "GetParameters"))
        found = json.loads(typed(command, "-o", "json").out)["findings"]
    assert {one["code"] for one in found} <= {"plan-read-failed", "image-not-pushed"}


@pytest.mark.parametrize("status", ["PENDING_VALIDATION", "VALIDATION_TIMED_OUT"])
def test_a_certificate_of_the_stack_is_not_missing_while_acm_validates_it(status: str) -> None:
    """Its listener waits for it, and nobody has to create its record; one that ACM has given up is replaced."""
    timings = Timings(certificate_validation=3000)
    with emulated_stack(domain(), SHORT, timings=timings, folder=own_folder()) as stage, onstage(stage) as typed:
        logging_trail(stage)
        hosted_zone()
        typed("apply", "-y", "--timeout", "1")
        push(stage, "my-app-frontend", "v1")
        (known,) = stage.laptop.aws.regions.world("us-west-2").rest.state("acm")._certificates.values()
        assert known.status == "PENDING_VALIDATION"
        known.status = status
        found = json.loads(typed("doctor", "-o", "json").out)["findings"]
    issued = [one for one in found if one["code"] == "certificate-not-issued"]
    if status == "PENDING_VALIDATION":
        assert issued == []
    else:
        assert ["--allow-replace domain-certificate/app.example.com" in one["fix"] for one in issued] == [True]


def test_a_network_that_does_not_exist_is_left_to_the_plan() -> None:
    with foreign_stack() as stage:
        stage.texts = {"SUBNET": "subnet-0123456789abcdef0", "GROUP": "sg-0123456789abcdef0"}
        stage.restart()
        found = findings(stage)
    assert {one["code"] for one in found} == {"plan-missing", "image-not-pushed"}


def test_what_diff_may_not_read_is_no_finding_of_it(serving: EmulatedStack) -> None:
    """The caller of a diff need not be allowed what the doctor reads; the doctor says so."""
    push(serving, "my-app-frontend", "v2")
    serving.spec(v1="v2")
    serving.laptop.aws.inject(CallFault("denied", "ecr", "BatchGetImage"))
    with onstage(serving) as typed:
        assert json.loads(typed("diff", "-o", "json").out)["findings"] == []
        (found,) = json.loads(typed("doctor", "-o", "json").out)["findings"]
    assert (found["code"], found["severity"]) == ("not-checked", "warning")
    assert "ecr:BatchGetImage" in found["fix"]


def test_who_holds_the_lease_is_shown(serving: EmulatedStack) -> None:
    """As a warning: it may have ended by the time of the apply."""
    place = serving.desired_state.place
    store = open_store(None, serving.transport, place.stack, place.account, place.region, None)
    lease = Lease(store.records, "run by ana@box (7)", SystemClock())
    assert lease.acquire()
    try:
        (found,) = findings(serving)
    finally:
        lease.release()
        store.close()
    assert (found["code"], found["severity"]) == ("lease-held", "warning")
    assert "run by ana@box (7)" in found["cause"]


@pytest.mark.parametrize(
    ("ahead", "severity"), [(0, None), (90, Severity.WARNING), (-90, Severity.WARNING), (400, Severity.ERROR)]
)
def test_a_clock_that_is_wrong_is_found(ahead: int, severity: Severity | None) -> None:
    """Ahead or behind; from five minutes on AWS refuses everything."""
    case = replace_case(ahead=timedelta(seconds=ahead))
    asking = checks()["clock"].findings(case)
    next(asking)
    with pytest.raises(StopIteration) as end:
        asking.send([])
    assert [one.severity for one in end.value.value] == ([] if severity is None else [severity])


def test_a_store_that_cannot_be_read_fails() -> None:
    """An apply could not take its lease."""
    asking = checks()["lease"].findings(replace_case(store_error="the store's folder /x: Permission denied"))
    next(asking)
    with pytest.raises(StopIteration) as end:
        asking.send([])
    assert [(one.code, one.severity) for one in end.value.value] == [("store-unreadable", Severity.ERROR)]


def replace_case(**about: Any) -> Case:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    place = StackId("shop", "123456789012", "us-west-2")
    case = Case(discover(), place, "arn:aws:iam::123456789012:user/ana", Plan("shop"), ObservedState(), (), (), now)
    return replace(case, **about)


@pytest.mark.parametrize(
    ("domain", "host", "covered"),
    [
        ("a.example.com", "A.example.com", True),
        ("*.example.com", "a.example.com", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.b.example.com", False),
        ("*.example.com", "*.example.com", True),
        ("a.example.com", "*.example.com", False),
    ],
)
def test_a_wildcard_stands_for_one_label(domain: str, host: str, covered: bool) -> None:
    """RFC 6125."""
    assert covers(domain, host) is covered


def test_the_policy_has_all_that_the_doctor_asks(serving: EmulatedStack) -> None:
    """And no value of a secret. Without `--doctor` it is the controller's alone."""
    with recorded() as calls:
        doctor(serving)
    asked = {(call.service, call.operation) for call in calls}
    policy = json.loads(run("iam-policy", SEED, "--doctor", "-o", "json").out)["Statement"]
    allowed = {action for statement in policy for action in statement["Action"]}
    assert {"iam:SimulatePrincipalPolicy", "servicequotas:ListServiceQuotas", "ssm:DescribeParameters"} <= allowed
    assert "secretsmanager:GetSecretValue" not in allowed
    assert {operation for _, operation in operations()} <= {action.partition(":")[2] for action in allowed}
    assert {one for _, one in asked} - {"GetCallerIdentity"} <= {action.partition(":")[2] for action in allowed}
    without = json.loads(run("iam-policy", SEED, "-o", "json").out)["Statement"]
    assert [one["Sid"] for one in policy if one not in without] == ["Examine", "ExamineRoles"]


def test_every_operation_of_a_check_is_a_read() -> None:
    """It never writes."""
    from reconciler.model.resource import Call

    assert all(is_read(Call(*operation)) for operation in operations())


def test_the_guide_names_every_check_and_every_code() -> None:
    """A row for each check by its title, and the codes of all faults."""
    for check in checks().values():
        assert f"| {check.title} |" in GUIDE
    for fault in FAULTS:
        assert f"`{fault.code}`" in GUIDE or fault.code.startswith("plan-")
