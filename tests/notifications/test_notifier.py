"""Notifications leave by themselves, within bounds, and say no secret; the loop never waits for one."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import ipaddress
import json
import re
import shlex
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import pytest
from structlog.testing import capture_logs

from reconciler import errors, events
from reconciler.cli.main import cli
from reconciler.clock import ManualClock
from reconciler.model.event import Event
from reconciler.model.resource import Call
from reconciler.notifications import message, webhook_client
from reconciler.notifications.delivery import Undelivered
from reconciler.notifications.message import Message, notice_of
from reconciler.notifications.notifier import (
    ATTEMPTS,
    QUIET_SECONDS,
    SECRET,
    SIGNATURE,
    TARGETS,
    Notifier,
    Slack,
    Webhook,
    from_environment,
    parse,
)
from reconciler.notifications.webhook_client import Answered, Unreachable, forbidden, place_of
from reconciler.rollout.engine import Phase
from tests.harness.tls import self_signed

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
HIDDEN = "T000-B000-xyzzyplugh"
URL = f"https://hooks.slack.com/services/{HIDDEN}"
SOON = 5.0


def entry(name: str = events.SPEC_REJECTED, address: str = "", message: str = "it is wrong", **details: Any) -> Event:
    return Event(NOW, name, address, message, "4f1c2ab", details)


def promotion(release: str = "r1") -> Event:
    return entry(events.ROLLOUT_PHASE, "service/api", "green is up", phase="awaiting_promotion", release=release)


# -- a target in this process


class Box:
    """Takes notices; `open` holds them up while it is not set, `faults` are raised first, one an attempt."""

    label = "box"

    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.got: list[Message] = []
        self.attempts = 0
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()

    def send(self, notice: Message) -> None:
        self.attempts += 1
        self.entered.set()
        assert self.open.wait(SOON)
        if self.faults:
            raise self.faults.pop(0)
        self.got.append(notice)


def told(target: Box, *entries: Event, clock: ManualClock | None = None) -> Notifier:
    """A notifier that has been told everything, and is closed."""
    found = Notifier(target, stack="shop", clock=clock or ManualClock())
    for one in entries:
        found(one)
    found.close(SOON)
    return found


# -- a target on loopback


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.got.append((self.path, self.headers, body))
        status, headers = server.answers.pop(0) if server.answers else (200, {})
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


class Hooks:
    def __init__(self) -> None:
        self.server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        self.server.got, self.server.answers = [], []
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook/{HIDDEN}?key={HIDDEN}"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def hooks() -> Iterator[Hooks]:
    found = Hooks()
    yield found
    found.close()


# -- what is told


@pytest.mark.parametrize("name", sorted(message.TITLES))
def test_what_is_told_has_a_headline(name: str) -> None:
    """Drift, revisions, plans, rollouts, the source and suspension, by their names."""
    notice = notice_of(entry(name, "service/api", phase="awaiting_promotion"), "shop")
    assert notice is not None
    assert notice.headline.startswith("[shop] service/api ")
    assert notice.text().splitlines()[1] == "it is wrong"


def test_most_of_what_happens_is_told_to_nobody() -> None:
    """Passes, changes and the phases that pass by themselves are in the log and the events."""
    quiet = {value for key, value in vars(events).items() if key.isupper()} - set(message.TITLES)
    assert {events.PASS_ENDED, events.CHANGED, events.AWS_WRITE} <= quiet
    assert [name for name in quiet if notice_of(entry(name), "shop")] == []
    phases = {phase for phase in Phase if notice_of(entry(events.ROLLOUT_PHASE, phase=phase.value), "shop")}
    assert phases == {Phase.AWAITING_PROMOTION, Phase.SHIFTING, Phase.ROLLING_BACK, Phase.BLOCKED}


def test_what_to_type_next_can_be_typed() -> None:
    """Every command that is suggested is one, with options that it has."""
    suggested = set()
    for name in message.TITLES:
        for phase in Phase:
            for outcome in ("Promoted", "Failed"):
                notice = notice_of(entry(name, "service/api", phase=phase.value, outcome=outcome), "shop")
                suggested |= set(notice.next) if notice is not None else set()
    assert "reconciler promote api" in suggested
    for line in suggested:
        program, verb, *arguments = shlex.split(line)
        assert program == "reconciler"
        command = cli.get_command(click.Context(cli), verb)
        assert command is not None
        command.make_context(verb, list(arguments), resilient_parsing=False).close()


def test_only_known_details_leave_and_no_secret_in_them() -> None:
    """What looks like a secret is starred out, wherever in the entry it stands; control characters are gone."""
    secret = "postgres://app:hunter2-canary@db/app"
    notice = notice_of(
        entry(
            events.ROLLOUT_ENDED, f"service/{secret}", f"it said\n{secret}\x1b[31m \u202eevil",
            cause=f"DB_PASSWORD=hunter2-canary {secret}", environment=secret, outcome="Failed",
        ),
        secret,
    )  # fmt: skip
    assert notice is not None
    text = json.dumps(notice.document(), ensure_ascii=False) + notice.text()
    assert "hunter2" not in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert set(notice.details) == {"cause", "outcome"}


def test_a_long_message_is_cut() -> None:
    """And says so."""
    notice = notice_of(entry(message="x" * 10_000), "")
    assert notice is not None
    assert (len(notice.message), notice.message[-1]) == (message.LONGEST, "…")


# -- the loop does not wait


def test_the_loop_never_waits_for_a_target_that_hangs() -> None:
    """Calling it returns while the target holds its thread; the queue is bounded, and the oldest goes."""
    box = Box()
    box.open.clear()
    notifier = Notifier(box, clock=ManualClock(), most=3)
    notifier(entry(message="first"))
    assert box.entered.wait(SOON)
    for number in range(10):
        notifier(entry(message=f"m{number}"))
    assert notifier.tally.waiting == 3
    assert notifier.tally.dropped == 7
    box.open.set()
    notifier.close(SOON)
    assert [one.message for one in box.got] == ["first", "m7", "m8", "m9"]
    assert notifier.tally.sent == 4


def test_closing_takes_bounded_time_and_counts_what_is_left() -> None:
    """A target that hangs keeps nobody from leaving."""
    box = Box()
    box.open.clear()
    notifier = Notifier(box, clock=ManualClock())
    for number in range(4):
        notifier(entry(message=f"m{number}"))
    assert box.entered.wait(SOON)
    with capture_logs() as logs:
        notifier.close(0.01)
    assert notifier.tally.dropped == 3
    assert [(line["event"], line["waiting"]) for line in logs] == [(events.NOTIFY_DROPPED, 3)]
    box.open.set()


def test_after_closing_nothing_is_taken() -> None:
    """An entry that comes late is nobody's."""
    box = Box()
    notifier = told(box, entry())
    notifier(entry(message="late"))
    assert [one.message for one in box.got] == ["it is wrong"]
    assert notifier.tally.waiting == 0


def test_drift_over_and_over_is_told_once_an_hour() -> None:
    """The same drift of the same field; another field, or an hour later, is told."""
    box, clock = Box(), ManualClock()
    notifier = Notifier(box, clock=clock)
    for _ in range(5):
        notifier(entry(events.DRIFT_REPAIRED, "service/api", "desired_count"))
    notifier(entry(events.DRIFT_REPAIRED, "service/api", "tags.a"))
    clock.advance(QUIET_SECONDS)
    notifier(entry(events.DRIFT_REPAIRED, "service/api", "desired_count"))
    notifier.close(SOON)
    assert [one.message for one in box.got] == ["desired_count", "tags.a", "desired_count"]


def test_what_comes_and_goes_is_told_each_time() -> None:
    """Blocked, free, blocked: the last word is the true one."""
    box = Box()
    told(box, entry(events.PLAN_BLOCKED), entry(events.PLAN_FREE), entry(events.PLAN_BLOCKED))
    assert [one.event for one in box.got] == [events.PLAN_BLOCKED, events.PLAN_FREE, events.PLAN_BLOCKED]


# -- attempts


def test_an_attempt_that_fails_for_now_is_made_again_later_each_time() -> None:
    """One, two and four seconds apart; what they ask for instead is heeded."""
    box, clock = Box(*[Undelivered("busy", again=True)] * 3), ManualClock()
    assert told(box, entry(), clock=clock).tally.sent == 1
    assert (box.attempts, clock.monotonic()) == (4, 7.0)
    box, clock = Box(Undelivered("busy", again=True, pause=30.0)), ManualClock()
    assert told(box, entry(), clock=clock).tally.sent == 1
    assert clock.monotonic() == 30.0


def test_after_so_many_attempts_it_is_given_up_and_the_next_one_is_told() -> None:
    """Counted and logged, and no more than that."""
    box = Box(*[Undelivered("busy", again=True)] * ATTEMPTS)
    with capture_logs() as logs:
        notifier = told(box, entry(), entry(message="next"))
    assert (notifier.tally.failed, notifier.tally.sent) == (1, 1)
    assert [one.message for one in box.got] == ["next"]
    assert [(line["event"], line["attempts"]) for line in logs] == [(events.NOTIFY_FAILED, ATTEMPTS)]


def test_what_will_never_be_taken_is_tried_once() -> None:
    """A URL that is gone is not asked again."""
    box = Box(Undelivered("answered 404", again=False))
    assert told(box, entry()).tally.failed == 1
    assert box.attempts == 1


def test_a_fault_of_ours_silences_nothing_and_is_not_repeated() -> None:
    """Whatever a target raises, the next notice goes out, and the log holds no word of what was raised."""
    box = Box(RuntimeError(URL))
    with capture_logs() as logs:
        notifier = told(box, entry(), entry(message="next"))
    assert [one.message for one in box.got] == ["next"]
    assert notifier.tally.failed == 1
    assert HIDDEN not in repr(logs)


# -- targets


def test_a_webhook_gets_the_whole_notice_signed(hooks: Hooks) -> None:
    """JSON with a format version; the signature is that of the very bytes that came."""
    target = parse(f"webhook:{hooks.url}", environ={SECRET: "key"})
    notifier = Notifier(target, stack="shop")
    notifier(promotion())
    notifier.close(SOON)
    ((path, headers, body),) = hooks.server.got
    assert path == f"/hook/{HIDDEN}?key={HIDDEN}"
    assert headers[SIGNATURE] == f"sha256={hmac.new(b'key', body, hashlib.sha256).hexdigest()}"
    said = json.loads(body)
    assert re.fullmatch(r"[0-9a-f]{32}", said.pop("id"))
    assert said == {
        "format_version": 1,
        "at": "2026-01-01T12:00:00+00:00",
        "stack": "shop",
        "event": events.ROLLOUT_PHASE,
        "title": "waiting for promotion",
        "address": "service/api",
        "message": "green is up",
        "revision": "4f1c2ab",
        "details": {"phase": "awaiting_promotion", "release": "r1"},
        "next": ["reconciler promote api", "reconciler abort api", "reconciler status api"],
    }


def test_without_a_secret_nothing_is_signed(hooks: Hooks) -> None:
    """An empty one is none."""
    notifier = Notifier(parse(f"webhook:{hooks.url}", environ={SECRET: ""}))
    notifier(entry())
    notifier.close(SOON)
    assert SIGNATURE not in hooks.server.got[0][1]


def test_slack_gets_a_text_with_what_to_type_and_no_mark_up_of_others(hooks: Hooks) -> None:
    """A commit's subject can neither call the channel nor write a link."""
    notifier = Notifier(parse(f"slack:{hooks.url}", environ={}), stack="shop")
    notifier(promotion())
    notifier(entry(message="<!channel> <https://evil.example|click> `x` & more *bold* _it_ ~no~ @everyone"))
    notifier.close(SOON)
    first, second = (json.loads(body) for _, _, body in hooks.server.got)
    assert first["text"].splitlines()[0] == "[shop] service/api waiting for promotion"
    assert "Next: reconciler promote api" in first["text"]
    for sent in (first, second):
        assert (sent["mrkdwn"], [block["text"]["text"] for block in sent["blocks"]]) == (
            False,
            sent["text"].splitlines(),
        )
        assert {block["text"]["type"] for block in sent["blocks"]} == {"plain_text"}
    assert "<" not in second["text"]
    assert "&lt;!channel&gt;" in second["text"]
    assert "@everyone" not in second["text"]


def test_slack_takes_every_message(hooks: Hooks) -> None:
    """A block has at most 3,000 characters, after the escapes."""
    notifier = Notifier(parse(f"slack:{hooks.url}", environ={}), stack="shop")
    notifier(entry(message="&" * 10_000))
    notifier.close(SOON)
    (sent,) = (json.loads(body) for _, _, body in hooks.server.got)
    assert {len(block["text"]["text"]) <= 3000 for block in sent["blocks"]} == {True}
    assert sent["blocks"][1]["text"]["text"].endswith("&amp;…")


def test_a_server_that_is_busy_is_asked_again_and_a_redirect_is_not_followed(hooks: Hooks) -> None:
    """429 and 5xx pass, and Retry-After is heeded; anything else is an answer."""
    hooks.server.answers += [(429, {"Retry-After": "7"}), (503, {}), (200, {})]
    clock = ManualClock()
    notifier = Notifier(parse(f"webhook:{hooks.url}", environ={}), clock=clock)
    notifier(entry())
    notifier.close(SOON)
    assert (len(hooks.server.got), clock.monotonic(), notifier.tally.sent) == (3, 9.0, 1)
    hooks.server.answers += [(302, {"Location": hooks.url})]
    again = Notifier(parse(f"webhook:{hooks.url}", environ={}), clock=clock)
    again(entry())
    again.close(SOON)
    assert (len(hooks.server.got), again.tally.failed) == (4, 1)


class Aws:
    """SNS, and nothing else."""

    def __init__(self, *faults: errors.AwsError) -> None:
        self.faults = list(faults)
        self.calls: list[Call] = []

    def perform(self, call: Call) -> dict[str, Any]:
        self.calls.append(call)
        if self.faults:
            raise self.faults.pop(0)
        return {"MessageId": "1"}


TOPIC = "arn:aws:sns:eu-west-1:123456789012:deployments"


def test_sns_gets_plain_text_and_attributes_to_filter_by() -> None:
    """Publish, as botocore would take it; a throttle is tried again, a refusal is not."""
    import botocore.session
    from botocore.validate import ParamValidator

    aws = Aws(errors.Throttled("slow down"))
    notifier = Notifier(parse(f"sns:{TOPIC}", aws), stack="shop", clock=ManualClock())
    notifier(promotion())
    notifier.close(SOON)
    assert (len(aws.calls), notifier.tally.sent) == (2, 1)
    (call,) = {str(one): one for one in aws.calls}.values()
    assert str(call) == "sns.Publish"
    assert call.params["TopicArn"] == TOPIC
    assert call.params["MessageAttributes"]["event"]["StringValue"] == events.ROLLOUT_PHASE
    assert "reconciler promote api" in call.params["Message"]
    shape = botocore.session.Session().get_service_model("sns").operation_model("Publish").input_shape
    assert ParamValidator().validate(call.params, shape).generate_report() == ""
    denied = Aws(errors.Denied("no"))
    again = Notifier(parse(f"sns:{TOPIC}", denied), clock=ManualClock())
    again(entry())
    again.close(SOON)
    assert (len(denied.calls), again.tally.failed) == (1, 1)


def test_a_fifo_topic_gets_its_group_and_a_subject_is_ascii() -> None:
    """A second attempt at one notice carries the id of the first, so that AWS drops it."""
    aws = Aws(errors.Ambiguous("no answer"))
    notifier = Notifier(parse(f"sns:{TOPIC}.fifo", aws), stack="café" * 50, clock=ManualClock())
    notifier(entry())
    notifier.close(SOON)
    first, second = (call.params for call in aws.calls)
    assert first["MessageDeduplicationId"] == second["MessageDeduplicationId"]
    assert first["Subject"].isascii()
    assert len(first["Subject"]) == 100


# -- where nothing is sent


@pytest.mark.parametrize(
    "text",
    [
        f"slack:http://hooks.slack.com/{HIDDEN}",
        f"webhook:ftp://example.com/{HIDDEN}",
        f"webhook:https://user:{HIDDEN}@example.com/",
        f"webhook:https:///{HIDDEN}",
        f"webhook:https://example.com:99999/{HIDDEN}",
        f"webhook:https://example.com/{HIDDEN}\r\nX-Evil: 1",
        f"webhook:https://example.com/ {HIDDEN}",
        f"webhook:https://exa mple.com/{HIDDEN}",
        f"webhook:https://[::1/{HIDDEN}",
        f"webhook:https://169.254.169.254/{HIDDEN}",
        f"webhook:http://169.254.170.2/{HIDDEN}",
        f"webhook:https://[fd00:ec2::254]/{HIDDEN}",
        f"webhook:https://[::ffff:169.254.169.254]/{HIDDEN}",
        f"webhook:https://0.0.0.0/{HIDDEN}",
        f"mail:{HIDDEN}",
        HIDDEN,
        f"sns:{HIDDEN}",
        f"sns:{TOPIC}",
    ],
)
def test_what_must_not_be_notified_is_refused_without_repeating_it(text: str) -> None:
    """Only https, only real addresses, no passwords in URLs; the error holds nothing but a host."""
    with pytest.raises(errors.SpecInvalid) as caught:
        parse(text)
    assert HIDDEN not in str(caught.value)
    assert HIDDEN not in repr(caught.value.__cause__)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fd00:ec2::23", "fe80::1", "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "255.255.255.255",
    ],
)  # fmt: skip
def test_metadata_services_are_never_spoken_to(address: str) -> None:
    """However their address is written: as itself, or inside one that only stands for it."""
    assert forbidden(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "52.1.2.3", "2600:1f00::1"])
def test_everything_else_may_be_the_operator_s(address: str) -> None:
    """Chat servers stand in private networks, too."""
    assert forbidden(ipaddress.ip_address(address)) == ""


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (f"https://metadata.example/{HIDDEN}", "169.254.169.254"),
        (f"https://metadata.example/{HIDDEN}", "fd00:ec2::254"),
        (f"http://localhost/{HIDDEN}", "10.0.0.1"),
    ],
)
def test_a_name_is_held_to_what_it_means_when_it_is_used(
    url: str, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means a metadata service, or `localhost` that is not, is not connected to."""

    def lookup(host: str, port: int, *more: Any, **named: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34" if ":" in url[6:] else address, port)),
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]  # fmt: skip

    def connect(*arguments: Any) -> None:
        raise AssertionError("it was connected to")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(Unreachable) as caught:
        webhook_client.post(place_of(url), b"{}", {})
    assert HIDDEN not in str(caught.value)


def test_the_connection_goes_to_the_address_that_was_looked_at(monkeypatch: pytest.MonkeyPatch, hooks: Hooks) -> None:
    """The name is looked up once: a second answer, for another address, is never asked for."""
    real, asked = socket.getaddrinfo, []

    def lookup(host: str, port: int, *more: Any, **named: Any) -> Any:
        if host == "127.0.0.1":  # an address is not looked up
            return real(host, port, *more, **named)
        asked.append(host)
        return real("127.0.0.1", port, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    connected: list[str] = []
    plain = socket.socket.connect

    def connect(sock: socket.socket, address: tuple[str, int]) -> None:
        connected.append(address[0])
        plain(sock, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    place = place_of(hooks.url.replace("127.0.0.1", "localhost"))
    assert webhook_client.post(place, b"{}", {}) == Answered(200)
    assert (asked, connected) == (["localhost"], ["127.0.0.1"])


def test_the_next_address_is_tried_when_one_does_not_answer(monkeypatch: pytest.MonkeyPatch, hooks: Hooks) -> None:
    """A host may have several addresses, and the first may be down."""
    real = socket.getaddrinfo

    def lookup(host: str, port: int, *more: Any, **named: Any) -> Any:
        if host != "localhost":
            return real(host, port, *more, **named)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in ("127.0.0.9", "127.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    place = place_of(hooks.url.replace("127.0.0.1", "localhost"))
    assert webhook_client.post(place, b"{}", {}) == Answered(200)
    assert hooks.server.got[0][1]["Host"] == f"localhost:{hooks.server.server_port}"


@pytest.fixture
def tls_hooks(hooks: Hooks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """The URL of a target that speaks TLS, and the certificate that it shows, which is for `localhost`."""
    context, certificate = self_signed(tmp_path)
    hooks.server.socket = context.wrap_socket(hooks.server.socket, server_side=True)
    hooks.server.handle_error = lambda *_: None  # it is left in the middle of a handshake
    webhook_client._trust.cache_clear()
    yield hooks.url.replace("http://127.0.0.1", "https://localhost"), certificate
    webhook_client._trust.cache_clear()


def test_a_certificate_that_nobody_has_signed_ends_the_attempt(tls_hooks: tuple[str, Path], hooks: Hooks) -> None:
    """Nothing is sent to it."""
    with pytest.raises(Unreachable, match="certificate is not trusted") as caught:
        webhook_client.post(place_of(tls_hooks[0]), b"{}", {})
    assert HIDDEN not in str(caught.value)
    assert hooks.server.got == []


def test_a_certificate_is_held_to_the_name_and_not_to_the_address(
    tls_hooks: tuple[str, Path], hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection goes to an address; the certificate has to be for the host in the URL."""
    url, certificate = tls_hooks
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert webhook_client.post(place_of(url), b"{}", {}) == Answered(200)
    assert hooks.server.got[0][1]["Host"] == f"localhost:{hooks.server.server_port}"
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        webhook_client.post(place_of(url.replace("localhost", "127.0.0.1")), b"{}", {})
    assert len(hooks.server.got) == 1


def test_malformed_headers_do_not_bring_the_url_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """urllib3 would log where such an answer came from."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        place = place_of(f"http://127.0.0.1:{listening.getsockname()[1]}/{HIDDEN}")
        assert webhook_client.post(place, b"{}", {}) == Answered(200)
        thread.join()
    assert HIDDEN not in caplog.text


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"\xff" * 20_000])
def test_what_is_not_http_is_an_attempt_that_failed(answer: bytes) -> None:
    """Whatever stands at the other end, it is one line without the URL, and its words are not repeated."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        place = place_of(f"http://127.0.0.1:{listening.getsockname()[1]}/{HIDDEN}")
        with pytest.raises(Unreachable) as caught:
            webhook_client.post(place, b"{}", {})
        thread.join()
    assert HIDDEN not in str(caught.value)
    assert "SSH" not in str(caught.value)


def test_an_answer_that_drips_does_not_hold_the_thread_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is for all of it, and not for each byte."""
    monkeypatch.setattr(webhook_client, "SECONDS", 0.2)
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                try:
                    while not over.wait(0.01):
                        connection.sendall(b"H")
                except OSError:
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Unreachable):
            webhook_client.post(place_of(f"http://127.0.0.1:{listening.getsockname()[1]}/"), b"{}", {})
        over.set()
        thread.join()


def test_a_handshake_that_hangs_does_not_hold_the_thread_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that accepts the connection and says nothing of TLS."""
    monkeypatch.setattr(webhook_client, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        place = place_of(f"https://127.0.0.1:{listening.getsockname()[1]}/")
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"^TimeoutError$"):
            webhook_client.post(place, b"{}", {})
        assert time.monotonic() - began < SOON


def test_targets_whose_url_is_a_secret_come_from_the_environment() -> None:
    """Separated by any white space, as a file or a secret may end in a line break."""
    assert from_environment({TARGETS: f"slack:{URL} webhook:{URL}\n"}) == (f"slack:{URL}", f"webhook:{URL}")
    assert from_environment({}) == ()


def test_a_url_is_in_no_representation() -> None:
    """Printed, logged or in a traceback's last line: a target shows its host and nothing more."""
    targets = [parse(f"slack:{URL}"), parse(f"webhook:{URL}", environ={SECRET: HIDDEN})]
    for target in targets:
        assert isinstance(target, Slack | Webhook)
        assert "hooks.slack.com" in repr(target)
        assert HIDDEN not in repr(target) + target.label


def test_a_target_that_is_down_is_logged_without_its_url() -> None:
    """The host and why; the path is the secret."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with capture_logs() as logs:
        notifier = Notifier(parse(f"webhook:http://127.0.0.1:{port}/{HIDDEN}"), clock=ManualClock())
        notifier(entry())
        notifier.close(SOON)
    assert [line["because"] for line in logs] == ["127.0.0.1: ConnectionRefusedError"]
    assert HIDDEN not in repr(logs)


def test_who_asked_for_what_and_why_is_sent() -> None:
    """An accepted request, with the commit; a refused one is in the log and in `events` only."""
    details = {"verb": "promote", "requested_by": "ana", "reason": "looks good", "commit": "4f1c2ab", "release": "9f2c"}
    said = "promote requested by ana: looks good"
    notice = notice_of(entry(events.REQUEST_ACCEPTED, "service/web", said, **details), "shop")
    assert notice is not None
    assert (notice.title, dict(notice.details)) == ("request accepted", details)
    assert notice.next == ("reconciler status web", "reconciler history web")
    assert notice_of(entry(events.REQUEST_REFUSED, "service/web", said, **details), "shop") is None


def test_who_made_drift_is_one_more_message() -> None:
    """With its fields, once: the same author again within the hour is no news."""
    box, known = Box(), {"changed_by": "ana", "source_address": "203.0.113.7", "tool": "AWS console", "event_id": "e1"}
    found = Event(NOW, events.DRIFT_ATTRIBUTED, "security-group-rules/web", "ingress: by ana", "4f1c2ab", known)
    told(box, Event(NOW, events.DRIFT_REPAIRED, "security-group-rules/web", "ingress", "4f1c2ab"), found, found)
    assert [one.event for one in box.got] == [events.DRIFT_REPAIRED, events.DRIFT_ATTRIBUTED]
    assert box.got[1].details == known
