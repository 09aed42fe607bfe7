"""Commit statuses and deployments: what GitHub and GitLab are told, once each, and within their limits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from reconciler import errors, events
from reconciler.clock import ManualClock
from reconciler.model.resource import Call
from reconciler.notifications.commit_notifier import ATTEMPTS, CommitNotifier, forge_of
from reconciler.notifications.commit_status import CommitState, CommitStatus, Link, StackName
from reconciler.notifications.forge import Forge
from reconciler.notifications.github import github
from reconciler.notifications.gitlab import gitlab
from reconciler.notifications.targets import opened
from reconciler.notifications.webhook_client import Unreachable
from tests.harness.forges import TOKEN, StandIn, answer, github_stand_in, gitlab_stand_in, serving

A, B, C = ("a" * 40, "b" * 40, "c" * 40)
SOON = 5.0
STACK = "shop@staging"
WHOLE, API = "reconciler/shop/staging", "reconciler/shop/staging/api"
P, S, F, E, X = CommitState


def of_github(*commits: str) -> tuple[StandIn, Forge]:
    stand_in = github_stand_in(*commits)
    return stand_in, github("ana/shop", {"RECONCILER_GITHUB_TOKEN": TOKEN}, stand_in.ask)


def of_gitlab(*commits: str) -> tuple[StandIn, Forge]:
    stand_in = gitlab_stand_in(*commits)
    return stand_in, gitlab("ana/shop", {"RECONCILER_GITLAB_TOKEN": TOKEN}, stand_in.ask)


FORGES = pytest.mark.parametrize("made", [of_github, of_gitlab])


def sent(forge: Forge, *statuses: CommitStatus) -> None:
    """One after the other, without a thread."""
    for one in statuses:
        forge.send(one, StackName(STACK), "")


def told(forge: Forge, *statuses: CommitStatus, clock: ManualClock | None = None) -> CommitNotifier:
    """A notifier that was told everything, and is closed. Of one commit and service it sends the newest only."""
    notifier = CommitNotifier(forge, stack=STACK, clock=clock or ManualClock())
    for one in statuses:
        notifier(one)
    notifier.close(SOON)
    return notifier


def status(commit: str, service: str, state: CommitState, text: str = "", **more: Any) -> CommitStatus:
    return CommitStatus(commit, service, state, text or str(state), **more)


@FORGES
def test_a_commit_has_a_status_for_each_service_and_one_for_the_stack(made: Callable[..., Any]) -> None:
    """And one deployment, which is the stack's."""
    stand_in, forge = made(A)
    sent(forge, status(A, "", P), status(A, "api", P), status(A, "api", S), status(A, "", S, "applied"))
    states = {context: state for context, (state, _) in stand_in.states(A).items()}
    assert states == {WHOLE: "success", API: "success"}
    assert stand_in.states(A)[WHOLE][1] == "applied"
    assert stand_in.deployed() == [(A, "success")]
    assert stand_in.deployments[0]["environment"] == "shop/staging"


@FORGES
def test_a_process_that_has_just_started_repeats_nothing(made: Callable[..., Any]) -> None:
    """It reads what is there: no second deployment, and no write where nothing has changed."""
    stand_in, forge = made(A)
    sent(forge, status(A, "", P, "applying"), status(A, "api", P))
    before = len(stand_in.writes)
    again = type(forge)(forge.api)
    sent(again, status(A, "", P, "applying"), status(A, "api", P))
    assert (len(stand_in.writes), stand_in.deployed()[0][0], len(stand_in.deployments)) == (before, A, 1)
    sent(type(forge)(forge.api), status(A, "", S), status(A, "api", S))
    assert stand_in.deployed() == [(A, "success")]


@FORGES
def test_an_end_is_sent_only_where_an_earlier_process_left_it_open(made: Callable[..., Any]) -> None:
    """The status that a process did not live to send; commits of which nothing was said stay without one."""
    stand_in, forge = made(A, B)
    sent(forge, status(A, "api", P))
    sent(type(forge)(forge.api), status(A, "api", S, only_ends=True), status(B, "api", S, only_ends=True))
    assert (stand_in.states(A)[API][0], stand_in.states(B)) == ("success", {})


@FORGES
def test_a_deployment_that_was_left_open_ends_with_the_next_commit(made: Callable[..., Any]) -> None:
    """Nobody else would: the process that made it is gone."""
    stand_in, forge = made(A, B)
    sent(forge, status(A, "", P))
    sent(type(forge)(forge.api), status(B, "", P))
    ended = stand_in.deployed()[0][1]
    assert ended in ("inactive", "canceled")
    assert stand_in.deployed()[1][0] == B
    assert stand_in.states(A)[WHOLE] == ("error" if ended == "inactive" else "canceled", "superseded by bbbbbbb")


@FORGES
def test_a_rollback_fails_the_commit_that_failed_and_leaves_the_other(made: Callable[..., Any]) -> None:
    """The deployment before stays as it was."""
    stand_in, forge = made(A, B)
    sent(forge, status(A, "", S), status(B, "", P), status(B, "api", F, "rolled back: 5xx"), status(B, "", F))
    assert stand_in.states(A)[WHOLE][0] == "success"
    assert {state for state, _ in stand_in.states(B).values()} <= {"failure", "failed"}
    assert [state for _, state in stand_in.deployed()] in (["success", "failure"], ["success", "failed"])


@FORGES
def test_a_commit_that_is_gone_is_reported_once(made: Callable[..., Any]) -> None:
    """After a force push: no further request for it, and the next commit is told as ever."""
    stand_in, forge = made(B)
    with capture_logs() as logs:
        notifier = told(forge, status(A, "", P), status(A, "api", P), status(A, "web", S), status(B, "api", P))
    assert [path for _, path in stand_in.requests if A in path] == [stand_in.requests[0][1]]
    assert [line["event"] for line in logs] == [events.NOTIFY_FAILED]
    assert "aaaaaaa" in logs[0]["because"]
    assert (notifier.tally.failed, notifier.tally.sent) == (1, 1)


def test_a_missing_commit_is_told_from_a_repository_that_may_not_be_seen() -> None:
    """GitHub answers 404 to both; only the first is the commit's."""
    for prefix, because in (("/repos/ana/shop", "does not have the commit"), ("/repos/bo/shop", "no access")):
        stand_in, forge = of_github(B)
        stand_in.missing = 404  # type: ignore[attr-defined]
        stand_in.prefix = prefix
        with capture_logs() as logs:
            told(forge, status(A, "api", P))
        assert [because in line["because"] for line in logs] == [True]


@FORGES
def test_what_was_superseded_before_it_began_is_no_deployment(made: Callable[..., Any]) -> None:
    """Its status ends; a deployment that never was is not made to end it."""
    stand_in, forge = made(A)
    sent(forge, status(A, "", X))
    assert (stand_in.deployments, list(stand_in.states(A))) == ([], [WHOLE])


@FORGES
def test_what_is_no_whole_id_is_never_asked_for(made: Callable[..., Any]) -> None:
    """A shortened id may name another commit, and an empty one none."""
    stand_in, forge = made(A)
    with capture_logs() as logs:
        told(forge, status(A[:7], "", P), status(A[:7], "", S), status("", "", P))
    assert (stand_in.requests, len(logs)) == ([], 2)


LIMITS = [
    (answer(403, {"message": "You have exceeded a secondary rate limit."}, retry_after="90"), 90.0),
    (answer(403, {"message": "You have exceeded a secondary rate limit."}), 60.0),
    (answer(429, {"message": "slow down"}), 60.0),
    (answer(403, {"message": "API rate limit exceeded"}, x_ratelimit_remaining="0", x_ratelimit_reset="40"), 1.0),
    (answer(429, {}, ratelimit_remaining="0", ratelimit_reset="99999999999"), 3600.0),
    (answer(502, {}), 1.0),
    (Unreachable("timed out"), 1.0),
]


@pytest.mark.parametrize(("fault", "pause"), LIMITS)
@FORGES
def test_a_limit_or_an_outage_is_waited_for(made: Callable[..., Any], fault: Any, pause: float) -> None:
    """As long as the answer says; then the status is sent."""
    stand_in, forge = made(A)
    stand_in.faults.append(fault)
    clock = ManualClock()
    notifier = told(forge, status(A, "api", P), clock=clock)
    assert (notifier.tally.sent, API in stand_in.states(A)) == (1, True)
    assert pause <= clock.monotonic() <= pause + 1.0


@pytest.mark.parametrize(("code", "hint"), [(401, "not valid"), (403, "permission"), (404, "no access")])
@FORGES
def test_a_refusal_is_logged_once_with_what_to_look_at(made: Callable[..., Any], code: int, hint: str) -> None:
    """It is not tried again, but the next status is: the token may have been given more by then."""
    stand_in, forge = made(A)
    asks = 2 if (code, forge.label) == (404, "github") else 1  # whether it is the commit that is missing
    stand_in.faults += [answer(code, {"message": "no"})] * 2 * asks
    with capture_logs() as logs:
        notifier = told(forge, status(A, "api", P), status(A, "web", P), status(A, "job", S))
    assert [hint in line["because"] for line in logs] == [True]
    assert (notifier.tally.failed, notifier.tally.sent) == (2, 1)


def test_an_outage_without_an_end_is_given_up() -> None:
    """After more than an hour; what comes later is sent."""
    stand_in, forge = of_github(A)
    stand_in.faults += [answer(503, {})] * ATTEMPTS
    clock = ManualClock()
    notifier = told(forge, status(A, "api", P), clock=clock)
    assert (notifier.tally.failed, len(stand_in.requests), clock.monotonic() > 3600) == (1, ATTEMPTS, True)


def test_what_waits_is_replaced_by_what_is_newer() -> None:
    """A forge that hangs holds up nobody, and gets the last state only."""
    stand_in, forge = of_github(A)
    open_, entered = threading.Event(), threading.Event()
    ask = forge.api.ask

    def slow(*request: Any) -> Any:
        entered.set()
        assert open_.wait(SOON)
        return ask(*request)

    object.__setattr__(forge.api, "ask", slow)
    notifier = CommitNotifier(forge, stack=STACK, clock=ManualClock())
    notifier(status(A, "api", P, "scaling up"))
    assert entered.wait(SOON)
    for text in ("testing", "shifting traffic", "monitoring"):
        notifier(status(A, "web", P, text))
    notifier(status(A, "web", S, "in production", only_ends=True))
    assert notifier.tally.waiting == 1
    open_.set()
    notifier.close(SOON)
    assert [one["description"] for one in stand_in.statuses[A]] == ["scaling up", "in production"]


class Waited(ManualClock):
    """Acts when somebody waits for the `nth` time."""

    def __init__(self, nth: int, act: Callable[[], object]) -> None:
        super().__init__()
        self.nth, self.act = nth, act

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.nth -= 1
        if self.nth == 0:
            self.act()
        return super().wait(event, seconds)


def test_writes_are_a_second_apart() -> None:
    """As GitHub asks for: a release of many services is no burst."""
    _, forge = of_github(A)
    reached = threading.Event()
    clock = Waited(18, reached.set)
    notifier = CommitNotifier(forge, stack=STACK, clock=clock)
    for number in range(20):
        notifier(status(A, f"s{number}", P))
    assert reached.wait(SOON)
    assert clock.monotonic() >= 17.0
    notifier.close(SOON)


def test_a_text_is_cut_cleaned_and_masked() -> None:
    """GitHub takes 140 characters, and a commit's status is read by many."""
    stand_in, forge = of_github(A)
    told(forge, status(A, "api", F, "failed\n\x1b[31m postgres://app:hunter2-canary@db/app " + "x" * 500))
    ((_, text),) = stand_in.states(A).values()
    assert (len(text), text[-1], "hunter2" in text, "\x1b" in text) == (140, "…", False, False)


# -- where it is sent, with what


@pytest.mark.parametrize(
    ("text", "host", "target"),
    [
        ("github:ana/shop", "api.github.com", "/repos/ana/shop"),
        ("github:https://github.com/ana/shop.git", "api.github.com", "/repos/ana/shop"),
        ("github:https://acme.ghe.com/ana/shop", "api.acme.ghe.com", "/repos/ana/shop"),
        ("github:https://git.example.com/ana/shop", "git.example.com", "/api/v3/repos/ana/shop"),
        ("gitlab:ana/team/shop", "gitlab.com", "/api/v4/projects/ana%2Fteam%2Fshop"),
        ("gitlab:https://git.example.com:8443/ana/shop/", "git.example.com", "/api/v4/projects/ana%2Fshop"),
    ],
)
def test_the_place_of_a_repository(text: str, host: str, target: str) -> None:
    """Also of GitHub Enterprise, with and without a server of one's own, and of a GitLab of one's own."""
    forge = forge_of(text, {"RECONCILER_GITHUB_TOKEN": TOKEN, "RECONCILER_GITLAB_TOKEN": TOKEN})
    assert forge is not None
    assert (forge.api.base.host, forge.api.base.target) == (host, target)
    assert TOKEN not in repr(forge)


@pytest.mark.parametrize(
    "text",
    ["github:", "github:shop", "github:ana//shop", "github:ana/../shop", "gitlab:ana/sh op", "github:ana/shop?x=1", "github:https://github.com/ana/shop/tree/main",
     f"github:https://ana:{TOKEN}@github.com/ana/shop", "github:http://git.example.com/ana/shop",
     "gitlab:https://169.254.169.254/ana/shop"],
)  # fmt: skip
def test_what_is_no_repository_is_refused(text: str) -> None:
    """Before anything is sent, and without repeating a password."""
    with pytest.raises(errors.SpecInvalid) as caught:
        forge_of(text, {"RECONCILER_GITHUB_TOKEN": TOKEN, "RECONCILER_GITLAB_TOKEN": TOKEN})
    assert TOKEN not in str(caught.value)


def test_a_target_without_its_token_is_refused() -> None:
    """The message names the variables; other targets are none of forges."""
    with pytest.raises(errors.SpecInvalid, match="RECONCILER_GITLAB_TOKEN"):
        forge_of("gitlab:ana/shop", {"RECONCILER_GITHUB_TOKEN": TOKEN})
    assert forge_of("sns:arn:aws:sns:eu-west-1:123456789012:deployments", {}) is None


def test_a_token_in_a_file_may_be_replaced(tmp_path: Path) -> None:
    """As an app's is, each hour; a file that is not there yet is waited for."""
    file = tmp_path / "token"
    stand_in = github_stand_in(A)
    forge = github("ana/shop", {"RECONCILER_GITHUB_TOKEN_FILE": str(file)}, stand_in.ask)
    told(forge, status(A, "api", P), clock=Waited(1, lambda: file.write_text(f"{TOKEN}\n")))
    assert stand_in.states(A)[API][0] == "pending"


@FORGES
def test_over_http(made: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on a socket, with the headers that the API asks for."""
    stand_in, forge = made(A)
    stand_in.faults.append(answer(503, {}, retry_after="3"))
    kind = forge.label
    root = "/api/v3/repos/ana/shop" if kind == "github" else "/api/v4/projects/ana%2Fshop"
    stand_in.prefix = root
    clock = ManualClock()
    with serving(stand_in) as url:
        real = forge_of(f"{kind}:{url}/ana/shop", {f"RECONCILER_{kind.upper()}_TOKEN": TOKEN})
        assert real is not None
        told(real, status(A, "", S), clock=clock)
    assert stand_in.deployed() == [(A, "success")]
    assert clock.monotonic() >= 3.0


def test_a_link_leads_where_it_was_told_to_or_to_the_console() -> None:
    """With its fields filled in, as a URL takes them."""
    arn = "arn:aws:ecs:eu-west-1:123456789012:service/apps/api"
    one, stack = status(A, "api", P, arn=arn), StackName(STACK)
    console = "https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/apps/services/api/health?region=eu-west-1"
    assert Link().of(one, stack) == console
    assert Link().of(status(A, "", P), stack) == ""
    link = Link("https://grafana.example.com/d?s={stack}&e={environment}&v={service}&c={commit}")
    assert link.of(one, stack) == f"https://grafana.example.com/d?s=shop&e=staging&v=api&c={A}"
    for wrong in ("grafana", "https://a b", "https://x/{who}", "javascript:alert(1)"):
        with pytest.raises(errors.SpecInvalid):
            Link(wrong)


def test_specs_in_a_folder_have_no_commits_to_report() -> None:
    """It is refused at the start, and not silent for ever."""
    with pytest.raises(errors.SpecInvalid, match="--source"):
        opened(["github:ana/shop"], NoAws(), "shop", "", in_git=False, environ={"RECONCILER_GITHUB_TOKEN": TOKEN})


class NoAws:
    def perform(self, call: Call) -> dict[str, Any]:
        raise AssertionError(call)
