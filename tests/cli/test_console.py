"""The console: what its snapshot is made of, what its requests do, and who may see it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest

from reconciler import errors
from reconciler.cli.commands.console import console
from reconciler.cli.console.account_source import AccountSource
from reconciler.cli.console.acts import StackActs, acts_of, consequence, stack_acts
from reconciler.cli.console.controller_source import ControllerSource
from reconciler.cli.console.facts import StackFacts, snapshot_of
from reconciler.cli.console.questions import StackQuestions
from reconciler.cli.console.settings import LOAD_BALANCER, PROXY, TOKEN, ConsoleSettings
from reconciler.cli.http_endpoint import checked
from reconciler.cli.options import Where
from reconciler.cli.output.exits import Exit
from reconciler.cli.rollout_session import controller_of, open_rollouts
from reconciler.cli.session import Stack, open_stack
from reconciler.cli.stack_requests import open_carriers
from reconciler.console.access import ProxyAccess, Role, TokenAccess
from reconciler.console.load_balancer import LoadBalancerAccess
from reconciler.console.ports import Order
from reconciler.console.snapshot import Snapshot, Tone
from reconciler.model.observed_state import ObservedState
from reconciler.rollout import state_tags
from reconciler.rollout.requests import RequestVerb
from reconciler.store.holder_report import HolderReport
from tests.cli.cli_runner import _save, onstage
from tests.cli.test_status_views import GATE, GATED, NOBODY, NOW, RUNS, VIEWS, status_in
from tests.console.test_load_balancer import ARN
from tests.harness.cli import run
from tests.harness.emulated_stack import SERVICE, EmulatedStack, emulated_stack


def snapshot(name: str, **more: Any) -> Snapshot:
    return snapshot_of(StackFacts("my-app", "1", "r", NOW, VIEWS[name][0], services=(status_in(name),), **more))


# -- the snapshot


def test_a_rollout_is_a_line_of_phases_with_its_versions_beside_each_other() -> None:
    """What is over, where it is and until when, and which version gets what share."""
    service = snapshot("gate").services[0]
    states = [(stage.name, stage.state) for stage in service.stages]
    assert states[:4] == [
        ("scaled up", "done"),
        ("tested on :9000", "done"),
        ("promotion", "now"),
        ("10% → switch :80", "ahead"),
    ]
    assert service.stages[2].until == GATE.until
    blue, green = service.versions
    assert (blue.label, blue.production, blue.test, blue.zones) == ("blue", 100, 0, (("a", 2),))
    assert (green.label, green.production, green.test, green.release) == ("green", 0, 100, "41ab07")
    assert [act.verb for act in service.acts] == ["promote", "rollback", "abort", "hold", "extend"]
    assert (service.tone, service.commit) == (Tone.WAIT, "4f1c2ab")


@pytest.mark.parametrize(
    ("name", "tone", "status"),
    [
        ("at rest", Tone.OK, "stable"),
        ("shifting", Tone.BUSY, "shifting traffic"),
        ("failed", Tone.BAD, "failed"),
        ("suspended", Tone.WAIT, "waiting for promotion"),
        ("worker", Tone.OK, "stable"),
    ],
)
def test_every_state_has_its_tone(name: str, tone: Tone, status: str) -> None:
    """The words are those of `status`."""
    service = snapshot(name).services[0]
    assert (service.tone, service.status) == (tone, status)


def test_nothing_is_offered_that_would_be_refused() -> None:
    """While no controller answers, while the stack is suspended, and while it cannot be read."""
    assert VIEWS["nobody drives"][0] == NOBODY
    alone = snapshot("nobody drives")
    assert (alone.services[0].acts, alone.driver.tone) == ((), Tone.WAIT)
    assert [act.verb for act in alone.acts] == ["suspend"]
    suspended = snapshot("gate", suspended_by="ana: migration")
    assert suspended.services[0].acts == ()
    assert [act.verb for act in suspended.acts] == ["resume"]
    assert snapshot("gate", unreadable="a newer format").services[0].acts == ()


def test_the_number_is_of_what_is_shown() -> None:
    """Another look that sees the same has the same number, so that no page is drawn again."""
    first = snapshot("gate")
    later = snapshot_of(
        StackFacts(
            "my-app", "1", "r", NOW + timedelta(seconds=2),
            replace(RUNS, report=replace(RUNS.report, passed_at=NOW)), services=(status_in("gate"),),
        )
    )  # fmt: skip
    assert later.number == first.number
    assert snapshot("shifting").number != first.number


@pytest.mark.parametrize("verb", [verb for verb in RequestVerb if verb is not RequestVerb.RESTART])
@pytest.mark.parametrize("name", ["gate", "at rest", "failed", "shifting"])
def test_every_request_says_what_it_does(verb: RequestVerb, name: str) -> None:
    """In whole sentences, before it is asked for."""
    text = consequence(verb, status_in(name))
    assert text[0].isupper()
    assert text.endswith(".")


def test_consequences_name_the_releases() -> None:
    """Which one comes, which one stays, and for how long."""
    assert consequence(RequestVerb.PROMOTE, status_in("gate")) == (
        "Production :80 moves to 41ab07 in 2 steps. "
        "Afterwards, release 9f2c1e keeps running for 1h and is ready for a rollback."
    )
    assert RequestVerb.RESTART not in {act.verb for act in acts_of(status_in("gate"), paused=False)}
    assert [act.verb for act in stack_acts("", driven=True)] == ["reconcile", "suspend"]


# -- the account


@pytest.fixture(scope="module")
def serving() -> Iterator[EmulatedStack]:
    with emulated_stack() as found:
        found.serving()
        yield found


@pytest.fixture
def stack(serving: EmulatedStack, tmp_path: Path) -> Iterator[Stack]:
    _save(serving, tmp_path / "specs")
    with onstage(serving):
        yield open_stack(tmp_path / "specs", None, Where())


def acts(stack: Stack) -> StackActs:
    return StackActs(lambda: open_rollouts(stack), lambda: open_carriers(stack), lambda _: None)


def test_the_account_is_read_as_status_does(stack: Stack) -> None:
    """Service, plan, tasks, and who drives."""
    source = AccountSource(stack)
    source._look()
    found = source.snapshot()
    assert found is not None
    (service,) = found.services
    assert (service.name, service.status, service.running, service.desired) == (SERVICE, "stable", 1, 1)
    assert service.versions[0].production == 100
    assert found.plan.rows == ()
    assert found.drifts is None
    source._look()
    again = source.snapshot()
    assert again is not None
    assert again.number == found.number


def test_a_mistake_in_the_specs_is_a_notice_and_the_last_valid_ones_stay(stack: Stack) -> None:
    """And a change of them is seen without a restart."""
    source = AccountSource(stack)
    source._look()
    file = stack.folder / "services" / "frontend.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text}\nimgae: x\n", encoding="utf-8")
    source._look()
    found = source.snapshot()
    assert found is not None
    assert "imgae" in found.notices[0].text
    assert found.services[0].status == "stable"
    file.write_text(text.replace("tag: v1", "tag: v2"), encoding="utf-8")
    source._look()
    found = source.snapshot()
    assert found is not None
    assert found.notices == ()
    assert found.plan.rows


def test_what_cannot_be_read_is_said_over_the_last_state(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is open stays readable."""
    source = AccountSource(stack)
    source._look()

    def refused(*_: Any, **__: Any) -> None:
        raise errors.Throttled("slow down", call="ecs.DescribeServices", code="Throttling")

    monkeypatch.setattr("reconciler.cli.console.account_source.open_rollouts", refused)
    source._look()
    found = source.snapshot()
    assert found is not None
    assert "slow down" in found.problem
    assert found.services[0].name == SERVICE


def test_a_request_is_the_tag_of_the_command_in_the_person_s_name(stack: Stack, serving: EmulatedStack) -> None:
    """With the reason; IAM and CloudTrail see the same write."""
    acts(stack).perform(Order("suspend", SERVICE, "", "migration", "ana@x.org"))
    request = state_tags.of_tags(serving.tags()).request
    assert request is not None
    assert (request.verb, request.by, request.why) == (RequestVerb.SUSPEND, "ana@x.org", "migration")


REFUSALS = [("promote", "no-rollout"), ("retry", "not-quarantined"), ("extend", "no-deadline")]


@pytest.mark.parametrize(("verb", "code"), REFUSALS)
def test_a_refusal_is_that_of_the_command(stack: Stack, serving: EmulatedStack, verb: str, code: str) -> None:
    """By its code, and nothing is written."""
    serving.transport.sent.clear()
    with pytest.raises(errors.Refused) as refusal:
        acts(stack).perform(Order(verb, SERVICE, "", "now", "ana", timedelta(hours=1)))
    assert refusal.value.code == code
    assert serving.transport.sent["TagResource"] == 0


def test_a_reason_that_may_not_be_kept_is_refused(stack: Stack) -> None:
    """As `--reason` is."""
    assert acts(stack).fault("looks good") == ""
    for reason in ("a\u202eb", "x" * 200, "AKIAIOSFODNN7EXAMPLE"):
        assert acts(stack).fault(reason)


@pytest.mark.parametrize("kind", ["tree", "history", "events", "release", "logs", "charts", "simulation"])
def test_questions_are_answered(stack: Stack, kind: str) -> None:
    """Of what AWS has now."""
    world = open_rollouts(stack).world
    questions = StackQuestions(lambda: stack, lambda: world, local=True)
    rows = questions.ask(kind, SERVICE, {"of": "", "container": "", "fail": ""})
    assert rows or kind in ("release", "logs")
    with pytest.raises(errors.ReconcilerError, match="no service"):
        questions.ask("history", "other", {})


def test_a_simulation_may_fail_in_a_phase(stack: Stack) -> None:
    """One of those that it has; as `simulate --fail-at` does."""
    questions = StackQuestions(lambda: stack, ObservedState, local=True)
    found = questions.ask("simulation", SERVICE, {"fail": "testing"})
    assert "testing" in found.phases
    assert found.rows[-1][1].startswith("failed")
    with pytest.raises(errors.ReconcilerError, match="no phase"):
        questions.ask("simulation", SERVICE, {"fail": "lunch"})


def test_the_controller_s_memory_is_shown_without_a_call(stack: Stack, serving: EmulatedStack) -> None:
    """After a pass, what it saw; AWS is asked nothing for a page."""
    controller = controller_of(stack)
    lease: Any = SimpleNamespace(left=lambda: 60.0, holder="run by ops/1", seen=None)
    source = ControllerSource(lambda: controller, lease, HolderReport, stack.identity, "my-app", "1", "us-west-2")
    assert source.snapshot() is not None
    controller._start()
    controller.round()
    assert controller.last is not None
    source.on_pass(controller.last)
    source._built_at = float("-inf")
    calls = controller.aws.counts.total()
    found = source.snapshot()
    assert found is not None
    assert [service.name for service in found.services] == [SERVICE]
    assert (found.driver.tone, found.drifts) == (Tone.OK, ())
    assert controller.aws.counts.total() == calls
    lease.left = lambda: 0.0
    source._built_at = float("-inf")
    waiting = source.snapshot()
    assert waiting is not None
    assert (waiting.services, "waits for the lease" in waiting.notices[0].text) == ((), True)


# -- who may see it


@pytest.mark.parametrize(
    ("listen", "settings", "problem"),
    [
        ("0.0.0.0:9090", {"console": TOKEN}, "this machine only"),
        ("10.0.0.7:9090", {"console": TOKEN}, "this machine only"),
        ("[::]:9090", {"console": TOKEN}, "this machine only"),
        ("console.example:9090", {"console": TOKEN}, "this machine only"),
        (None, {"console": TOKEN}, "--listen"),
        ("0.0.0.0:1", {"console_operator": ("ana",)}, "needs --console"),
        ("0.0.0.0:1", {"console": LOAD_BALANCER}, "--console-load-balancer"),
        ("0.0.0.0:1", {"console": PROXY, "console_header": "X-User"}, "--console-proxy"),
        ("127.0.0.1:1", {"console": TOKEN, "console_operator": ("ana",)}, "is not for"),
    ],
)
def test_the_console_is_never_open_by_accident(listen: str | None, settings: dict[str, Any], problem: str) -> None:
    """Settings that would leave it open, or that contradict each other, are refused before anything starts."""
    with pytest.raises(click.UsageError, match=problem):
        checked(listen, ConsoleSettings(**settings))


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:9090", "[::1]:9090", ":9090"])
def test_a_token_is_for_this_machine(listen: str) -> None:
    """Under each of its names."""
    checked(listen, ConsoleSettings(console=TOKEN))
    checked("0.0.0.0:9090", ConsoleSettings())


def test_settings_become_the_access_that_they_name() -> None:
    """With who may act."""

    def access(**settings: Any) -> Any:
        return ConsoleSettings(**settings).access(person="ana", port=80, renewed=lambda _: None)

    assert isinstance(access(console=TOKEN), TokenAccess)
    proxy = access(console=PROXY, console_header="X-User", console_proxy=("10.0.0.1",), console_operator=("ana",))
    assert isinstance(proxy, ProxyAccess)
    assert proxy.operators.role("ana", {}) is Role.OPERATOR
    balanced = {"console": LOAD_BALANCER, "console_issuer": "https://id", "console_client": "c"}
    assert isinstance(access(**balanced, console_load_balancer=ARN), LoadBalancerAccess)
    for wrong in (
        {**balanced, "console_load_balancer": "arn:aws:iam::1:role/x"},
        {"console": PROXY, "console_header": "X User", "console_proxy": ("10.0.0.1",)},
        {"console": PROXY, "console_header": "X-User", "console_proxy": ("0.0.0.0/0",)},
        {"console": PROXY, "console_header": "X-User", "console_proxy": ("example.org",)},
    ):
        with pytest.raises(click.UsageError):
            access(**wrong)


def test_run_refuses_a_public_console() -> None:
    """With the code of a usage error."""
    ran = run("run", "specs", "--listen", "0.0.0.0:0", "--console", "token")
    assert ran.code == Exit.USAGE
    assert "this machine only" in ran.err


def test_the_command_prints_a_link_and_ends(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the address of this machine, and no other."""
    monkeypatch.setattr(AccountSource, "start", lambda _: None)
    monkeypatch.setattr(AccountSource, "close", lambda _: None)
    stopped = threading.Event()
    stopped.set()
    signals = contextlib.nullcontext(SimpleNamespace(stop=stopped))
    monkeypatch.setattr("reconciler.cli.commands.console.stopping", lambda *_: signals)
    ran = run("console", "--specs", stack.folder)
    assert ran.code == Exit.DONE
    assert "http://127.0.0.1:" in ran.out
    assert "/sign-in?token=" in ran.out
    assert console.name == "console"


def test_the_gate_is_that_of_the_view() -> None:
    """The states above are those whose text is held elsewhere."""
    assert VIEWS["gate"][1:] == (GATED, GATE)
