"""What the console answers, and what it refuses."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from structlog.testing import capture_logs

from reconciler import errors, events
from reconciler.console import pages
from reconciler.console.access import Role, Viewer
from reconciler.console.routes import ACTS_A_MINUTE, KINDS, QUESTIONS_A_MINUTE, SIGN_INS_A_MINUTE, VIEWS
from reconciler.server.app import CONSOLE_POLICY, HEADERS
from tests.console.fixtures import SNAPSHOT, Client, Known, token_access

PAGES = [*VIEWS, "/tree", "/services/web", *(f"/services/web/{kind}" for kind in KINDS if kind != "tree"),
         "/services/web/promote", "/stack/reconcile"]  # fmt: skip


@pytest.fixture
def client() -> Client:
    return Client()


def form(client: Client, **fields: str) -> str:
    return urlencode({"csrf": client.csrf(), "reason": "looks good", "release": "41ab07", **fields})


@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_signing_in(path: str) -> None:
    """Not one of them, and nothing is asked for."""
    client = Client(Known(None))
    assert client.get(path).status == 401
    assert client.ports.asked == []
    assert client.post("/services/web/promote", "csrf=x&reason=y").status == 401


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_answered_with_its_policy(client: Client, path: str) -> None:
    """No script but ours, no frame, no sniffing, and kept by nobody."""
    answer = client.get(path)
    assert answer.status == 200
    assert answer.headers["content-security-policy"] == CONSOLE_POLICY
    assert "unsafe" not in CONSOLE_POLICY
    for name, value in HEADERS.items():
        assert answer.headers[name.lower()] == value


def test_a_fragment_is_sent_only_when_it_has_changed(client: Client) -> None:
    """304 costs neither side anything; a page that was opened anew is whole."""
    first = client.get("/", hx_request="true")
    assert "<html" not in first.body
    assert client.get("/", hx_request="true", if_none_match=first.headers["etag"]).status == 304
    client.ports.shown = replace(SNAPSHOT, number="2")
    assert client.get("/", hx_request="true", if_none_match=first.headers["etag"]).status == 200
    assert "<html" in client.get("/", if_none_match=first.headers["etag"]).body


def test_before_the_first_snapshot_a_page_waits(client: Client) -> None:
    """It asks again by itself."""
    client.ports.shown = None
    answer = client.get("/")
    assert (answer.status, 'http-equiv="refresh"' in answer.body) == (503, True)


@pytest.mark.parametrize(
    "path", ["/services/other", "/services/other/logs", "/services/other/promote", "/static/x", "/x"]
)
def test_what_there_is_not_is_not_found(client: Client, path: str) -> None:
    """Whoever asks."""
    assert client.get(path).status == 404


# -- acts


def test_an_act_is_written_in_the_name_of_the_person(client: Client) -> None:
    """With the reason, and about the release that the person saw."""
    with capture_logs() as logs:
        answer = client.post("/services/web/promote", form(client))
    assert (answer.status, answer.headers["location"]) == (303, "/services/web?requested")
    (order,) = client.ports.orders
    assert (order.verb, order.service, order.release, order.reason, order.person) == (
        "promote", "web", "41ab07", "looks good", "ana",
    )  # fmt: skip
    (line,) = logs
    assert (line["event"], line["by"], line["reason"], line["client"]) == (
        events.CONSOLE_ACT, "ana", "looks good", "127.0.0.1",
    )  # fmt: skip


def test_an_act_of_the_stack_is_written(client: Client) -> None:
    """About no service."""
    assert client.post("/stack/reconcile", form(client)).headers["location"] == "/?requested"
    assert client.ports.orders[0].service == ""


def test_a_deadline_is_extended_by_a_duration(client: Client) -> None:
    """Which is asked for, and has to be one."""
    assert client.post("/services/web/extend", form(client, by="90m")).status == 303
    assert client.ports.orders[0].by == timedelta(minutes=90)
    for by in ("", "soon", "0s", "-1h"):
        assert client.post("/services/web/extend", form(client, by=by)).status == 400


@pytest.mark.parametrize("reason", ["", "   ", "it is a secret"])
def test_a_reason_is_needed(client: Client, reason: str) -> None:
    """One that may be kept; what was typed is still there."""
    answer = client.post("/services/web/promote", form(client, reason=reason))
    assert (answer.status, client.ports.orders) == (400, [])
    assert 'role="alert"' in answer.body


def test_a_refusal_is_shown_and_logged(client: Client) -> None:
    """With its code, in the form."""
    client.ports.refusal = errors.Refused("promote web: an alarm is firing", code="alarm")
    with capture_logs() as logs:
        answer = client.post("/services/web/promote", form(client))
    assert answer.status == 409
    assert "an alarm is firing" in answer.body
    assert logs[0]["refused"] == "alarm"


def test_what_is_not_possible_now_is_not_asked_for(client: Client) -> None:
    """Neither a form nor a request, whatever the verb."""
    for verb in ("rollback", "restart", "delete"):
        assert client.get(f"/services/web/{verb}").status == 409
        assert client.post(f"/services/web/{verb}", form(client)).status == 409
    assert client.ports.orders == []


def test_a_viewer_may_not_act() -> None:
    """The page says so, and a request is refused all the same."""
    client = Client(Known(Viewer("bob", Role.VIEWER, "bob")))
    assert client.get("/services/web").status == 200
    assert client.get("/services/web/promote").status == 403
    assert client.post("/services/web/promote", form(client)).status == 403
    assert client.ports.orders == []


# -- attacks


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://127.0.0.1"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"host": "evil.example"},
        {"content_type": "text/plain"},
        {"content_type": "multipart/form-data"},
    ],
)
def test_a_request_of_another_page_is_refused(client: Client, headers: dict[str, str]) -> None:
    """Also with a token that is right."""
    assert client.post("/services/web/promote", form(client), **headers).status in (403, 415, 421)
    assert client.ports.orders == []


@pytest.mark.parametrize("fields", [{"csrf": ""}, {"csrf": "0" * 64}, {"csrf": "é"}])
def test_a_request_without_the_form_s_token_is_refused(client: Client, fields: dict[str, str]) -> None:
    """Its origin alone is not enough."""
    assert client.post("/services/web/promote", form(client, **fields)).status == 403
    assert client.ports.orders == []


@pytest.mark.parametrize("body", ["a" * 5000, "csrf=%ff", "&".join(f"f{number}=1" for number in range(9))])
def test_a_form_that_makes_no_sense_is_refused(client: Client, body: str) -> None:
    """Too long, not text, or with too many fields."""
    assert client.post("/services/web/promote", body).status in (400, 413)


def test_a_field_that_comes_twice_is_none(client: Client) -> None:
    """It is not known which one was checked."""
    assert client.post("/services/web/promote", f"{form(client)}&csrf=x").status == 403


def test_a_page_of_another_name_cannot_read(client: Client) -> None:
    """A name that was made to point to this machine is not this machine."""
    assert client.get("/", host="evil.example").status == 421
    assert (
        client.get("/", sec_fetch_site="cross-site", sec_fetch_mode="navigate", sec_fetch_dest="document").status == 403
    )


def test_behind_a_load_balancer_a_link_may_come_from_anywhere() -> None:
    """To read only; what is written has to come from the console's own pages."""
    client = Client(scheme="https", loopback_only=False)
    link = {"host": "ops.example", "sec_fetch_site": "cross-site"}
    opened = {"sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert client.get("/", **link, **opened).status == 200
    assert client.get("/", **link, sec_fetch_mode="navigate", sec_fetch_dest="iframe").status == 403
    assert client.get("/", **link).status == 403
    own = {"host": "ops.example", "origin": "https://ops.example"}
    assert client.post("/services/web/promote", form(client), **link, **opened).status == 403
    assert client.post("/services/web/promote", form(client), **own).status == 303


def test_acts_questions_and_sign_ins_are_limited() -> None:
    """So many a minute, and then a moment's pause."""
    client = Client()
    answers = [client.post("/services/web/promote", form(client)).status for _ in range(ACTS_A_MINUTE + 1)]
    assert answers[-1] == 429
    answers = [client.get("/services/web/logs").status for _ in range(QUESTIONS_A_MINUTE + 1)]
    assert answers[-1] == 429
    client = Client(token_access()[0])
    answers = [client.get("/sign-in?token=x").status for _ in range(SIGN_INS_A_MINUTE + 1)]
    assert answers == [401] * SIGN_INS_A_MINUTE + [429]


def test_a_question_is_asked_once_for_all(client: Client) -> None:
    """And an error is shared as well."""
    for _ in range(3):
        client.get("/services/web/logs?of=stopped")
    assert client.ports.asked == [("logs", "web", {"of": "stopped", "container": "", "fail": ""})]
    client.ports.refusal = errors.ReconcilerError("throttled")
    for _ in range(2):
        assert "throttled" in client.get("/services/web/events").body
    assert len(client.ports.asked) == 2


# -- sign-in


def test_the_token_leaves_the_address_bar_at_once() -> None:
    """For a cookie that no script can read and no other site can send; then the token is worth nothing."""
    access, renewed, _ = token_access()
    client, token = Client(access), access.token
    answer = client.get(f"/sign-in?token={token}")
    assert (answer.status, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert answer.headers["referrer-policy"] == "same-origin"
    assert client.get("/").status == 200
    assert Client(access).get(f"/sign-in?token={token}").status == 401
    assert len(renewed) == 1


def test_where_a_load_balancer_signs_in_there_are_no_links(client: Client) -> None:
    """The path does not exist."""
    assert client.get("/sign-in?token=x").status == 404


def test_a_fragment_is_drawn_once_for_all_and_compressed(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """For as many viewers as there are; a page with a form's token is sent as it is."""
    drawn: list[str] = []
    inner = pages.fragment

    def counted(*arguments: Any, **more: Any) -> str:
        drawn.append("")
        return inner(*arguments, **more)

    monkeypatch.setattr(pages, "fragment", counted)
    plain = client.get("/services/web", hx_request="true")
    small = client.get("/services/web", hx_request="true", accept_encoding="br, gzip")
    assert (len(drawn), small.headers["content-encoding"]) == (1, "gzip")
    assert gzip.decompress(small.body.encode("latin-1")).decode() == plain.body
    assert int(small.headers["content-length"]) < len(plain.body) / 2
    assert "content-encoding" not in client.get("/services/web/promote", accept_encoding="gzip").headers


def test_logs_are_followed(client: Client) -> None:
    """The page asks for the same lines again, and is sent them only when there are others."""
    page = client.get("/services/web/logs?of=stopped&container=app&x=1").body
    assert 'hx-get="/services/web/logs?of=stopped&amp;container=app"' in page
    assert 'hx-trigger="every 5s"' in page
    first = client.get("/services/web/logs?of=stopped&container=app", hx_request="true")
    assert "<html" not in first.body
    again = client.get(
        "/services/web/logs?of=stopped&container=app", hx_request="true", if_none_match=first.headers["etag"]
    )
    assert again.status == 304
    assert "hx-get" not in client.get("/services/web/history").body
