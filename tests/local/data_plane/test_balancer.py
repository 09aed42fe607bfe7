"""The balancer as a client and a target see it."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from reconciler.local.addresses import Place
from reconciler.local.ports import Condition, FixedResponse, Redirect, Route, TargetGroupSettings, Traffic
from reconciler.local.sign_in import SignIn
from tests.local.data_plane.stage import Connection, Scripted, Stage, default, echo, listener, to

Where = tuple[str, int]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.close()


def until(true: Callable[[], object], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not true():
        assert time.monotonic() < deadline, f"still not true after {seconds} s"
        pause.wait(0.005)


def get(place: Where, path: str = "/", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*place, timeout=5)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def raw(place: Where, data: bytes) -> bytes:
    """Everything that comes until the balancer closes."""
    with socket.create_connection(place, timeout=5) as connection:
        connection.sendall(data)
        return b"".join(iter(lambda: connection.recv(65536), b""))


# ---- heads ----------------------------------------------------------------------------------------------------------


def test_the_target_learns_who_asked_what_how(stage: Stage) -> None:
    """Host and own headers pass, X-Forwarded-* are appended or set, what concerns one hop only does not pass."""
    heads = []

    def script(connection: Connection) -> None:
        heads.append(connection.head())
        connection.answer(headers=b"X-Own: yes\r\nKeep-Alive: timeout=9\r\nConnection: X-Hop\r\nX-Hop: 1\r\n")

    with Scripted(script) as target:
        place = stage.forward(target.state())
        said = raw(
            place,
            b"GET /a%20b?x=%2F&y HTTP/1.1\r\nHost: shop.example.com\r\nX-Forwarded-For: 203.0.113.9\r\n"
            b"X-Forwarded-Proto: gopher\r\nX-Mine: 1\r\nX-Private: 2\r\nConnection: close, X-Private\r\n\r\n",
        )
    first, *lines = heads[0].split(b"\r\n")
    assert first == b"GET /a%20b?x=%2F&y HTTP/1.1"
    assert {b"Host: shop.example.com", b"X-Mine: 1", b"X-Forwarded-For: 203.0.113.9, 127.0.0.1"} <= set(lines)
    assert {b"X-Forwarded-Proto: http", b"X-Forwarded-Port: 8000"} <= set(lines)
    assert re.search(rb"X-Amzn-Trace-Id: Root=1-[0-9a-f]{8}-[0-9a-f]{24}\r\n", heads[0] + b"\r\n")
    assert not any(line.lower().startswith((b"x-private", b"connection")) for line in lines)
    assert b"X-Own: yes" in said
    assert b"X-Hop" not in said
    assert b"Keep-Alive: timeout" not in said


def test_connections_are_kept_on_both_sides(stage: Stage) -> None:
    """Ten requests on one connection are ten requests on one connection."""
    with Scripted(echo()) as target:
        connection = http.client.HTTPConnection(*stage.forward(target.state()), timeout=5)
        for _ in range(10):
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"ok"
        connection.close()
        assert target.connections == 1


def test_pipelined_requests_are_answered_in_order(stage: Stage) -> None:
    """Also when they arrive in one piece."""

    def script(connection: Connection) -> None:
        while head := connection.head():
            connection.answer(head.split()[1])

    with Scripted(script) as target:
        place = stage.forward(target.state())
        many = b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(40))
        said = raw(place, many + b"GET /end HTTP/1.0\r\n\r\n")
    assert re.findall(rb"\r\n\r\n/(\d+|end)", said) == [*(b"%d" % number for number in range(40)), b"end"]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01 hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_reaches_no_target(stage: Stage, garbage: bytes) -> None:
    """400, the connection is closed, and the target has seen nothing."""
    with Scripted(echo()) as target:
        assert raw(stage.forward(target.state()), garbage).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert target.connections == 0


# ---- bodies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [True, False])
def test_a_long_request_body_streams(stage: Stage, chunked: bool) -> None:
    """The target has its beginning before the client has sent its end, and in the end all of it."""
    begun, rest = threading.Event(), b"x" * 3_000_000
    bodies: list[bytes] = []

    def script(connection: Connection) -> None:
        connection.head()
        bodies.append(connection.body(10 if chunked else 5))
        begun.set()
        bodies.append(connection.all_of(b"\r\n0\r\n\r\n") if chunked else connection.body(len(rest)))
        connection.answer()

    with Scripted(script) as target, socket.create_connection(stage.forward(target.state()), timeout=5) as client:
        how = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (5 + len(rest))
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + how + b"\r\n\r\n")
        client.sendall(b"5\r\nbegin\r\n" if chunked else b"begin")
        assert begun.wait(5)
        client.sendall(b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest) if chunked else rest)
        assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert b"begin" in bodies[0]
    assert bodies[1].count(b"x") == len(rest)


def test_an_answer_streams(stage: Stage) -> None:
    """The client has its beginning before the target has sent its end: server-sent events work."""
    go_on = threading.Event()

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\ndata 1\r\n")
        go_on.wait(5)
        connection.send(b"6\r\ndata 2\r\n0\r\n\r\n")

    with Scripted(script) as target:
        connection = http.client.HTTPConnection(*stage.forward(target.state()), timeout=5)
        connection.request("GET", "/")
        answer = connection.getresponse()
        assert answer.read(6) == b"data 1"
        go_on.set()
        assert answer.read() == b"data 2"
        connection.close()


def test_a_client_that_reads_slowly_holds_up_the_target_and_loses_nothing(stage: Stage) -> None:
    """Sixty megabytes do not pile up in the balancer."""
    size, sent = 60_000_000, []

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(100):
            connection.send(b"x" * (size // 100))
            sent.append(1)

    with Scripted(script) as target, socket.create_connection(stage.forward(target.state()), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        client.recv(1000)
        before = -1
        while before < len(sent):  # until the target gets no further
            before = len(sent)
            threading.Event().wait(0.2)
        assert before < 100
        left = size
        while data := client.recv(1 << 20):
            left -= len(data)
        assert left < 1000


def test_an_answer_that_lasts_until_the_end_is_framed_for_the_client(stage: Stage) -> None:
    """No length, no chunks: the client's connection is kept all the same."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\n\r\n", b"until", b"the end")

    with Scripted(script) as target:
        connection = http.client.HTTPConnection(*stage.forward(target.state()), timeout=5)
        for _ in range(2):
            connection.request("GET", "/")
            answer = connection.getresponse()
            assert (answer.read(), answer.getheader("Transfer-Encoding")) == (b"untilthe end", "chunked")
        connection.close()


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", b"200 OK"), ("GET", b"304 Not Modified"), ("GET", b"204 No Content")]
)
def test_answers_without_a_body_end_with_their_head(stage: Stage, method: str, status: bytes) -> None:
    """Whatever length they announce; and the next answer is the next one's."""

    def script(connection: Connection) -> None:
        while head := connection.head():
            if head.startswith(b"GET /next"):
                connection.answer(b"next")
            else:
                connection.send(b"HTTP/1.1 ", status, b"\r\nContent-Length: 1000\r\n\r\n")

    with Scripted(script) as target:
        connection = http.client.HTTPConnection(*stage.forward(target.state()), timeout=5)
        connection.request(method, "/")
        answer = connection.getresponse()
        assert (answer.status, answer.read()) == (int(status[:3]), b"")
        connection.request("GET", "/next")
        assert connection.getresponse().read() == b"next"
        connection.close()


def test_a_client_that_asks_first_is_told_to_go_on(stage: Stage) -> None:
    """`Expect: 100-continue` is the target's to answer."""

    def script(connection: Connection) -> None:
        assert b"Expect: 100-continue" in connection.head()
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.answer(connection.body(4))

    with Scripted(script) as target, socket.create_connection(stage.forward(target.state()), timeout=5) as client:
        client.sendall(b"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"data")
        assert client.recv(65536).endswith(b"data")


def test_a_websocket_goes_through(stage: Stage) -> None:
    """After 101 bytes go both ways, those that came right behind it too, until one side closes."""

    def script(connection: Connection) -> None:
        head = connection.head()
        assert b"Connection: upgrade" in head
        assert b"Upgrade: websocket" in head
        connection.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
        while data := connection.body(4):
            connection.send(data.upper())

    with Scripted(script) as target, socket.create_connection(stage.forward(target.state()), timeout=5) as client:
        client.sendall(b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly...")
        said = b""
        while not said.endswith(b"EARLY..."):
            said += client.recv(100)
        assert said.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
        assert said.endswith(b"\r\n\r\nhelloEARLY...")
        client.sendall(b"ping")
        assert client.recv(100) == b"PING"
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""


# ---- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_target_that_refuses_is_502(stage: Stage) -> None:
    """As an ALB."""
    with Scripted(echo()) as target:
        gone = target.state()
    status, body = get(stage.forward(gone))
    assert status == 502
    assert b"<h1>502 Bad Gateway</h1>" in body


@pytest.mark.parametrize("nonsense", [b"", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Le"])
def test_a_target_that_does_not_speak_http_is_502(stage: Stage, nonsense: bytes) -> None:
    """It closes, or says something else, or stops in the middle of the head."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(nonsense)

    with Scripted(script) as target:
        assert get(stage.forward(target.state()))[0] == 502


def test_a_target_that_takes_too_long_is_504(stage: Stage) -> None:
    """After the load balancer's idle timeout."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.head()

    with Scripted(script) as target:
        status, body = get(stage.forward(target.state(), idle_timeout=0.1))
    assert status == 504
    assert b"504 Gateway Time-out" in body


def test_no_target_is_503(stage: Stage) -> None:
    """A group without targets, or with none that is known yet; or no group with a weight."""
    with Scripted(echo()) as target:
        assert get(stage.forward())[0] == 503
        assert get(stage.forward(target.state("initial"), target.state("draining")))[0] == 503
        stage.health.set("group", target.state())
        assert get(stage.serve(default(to(group=0))))[0] == 503
        assert target.connections == 0


def test_an_answer_that_breaks_off_breaks_off(stage: Stage) -> None:
    """The client cannot take half an answer for a whole one."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")

    with Scripted(script) as target, pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        get(stage.forward(target.state()))


def test_a_request_on_a_connection_that_was_just_closed_is_sent_again(stage: Stage) -> None:
    """The target closed the kept connection without a byte of an answer: a new one carries it, and nobody notices."""

    def script(connection: Connection) -> None:
        connection.head()
        connection.answer(b"%d" % connection.number)
        connection.head()  # read, and closed without an answer

    with Scripted(script) as target:
        connection = http.client.HTTPConnection(*stage.forward(target.state()), timeout=5)
        for number in (b"1", b"2", b"3"):
            connection.request("GET", "/")
            assert connection.getresponse().read() == number
        connection.close()


def test_a_request_that_may_have_been_acted_upon_is_not_sent_again(stage: Stage) -> None:
    """POST on the same connection is 502: only the client knows whether twice would do harm."""
    posted = []

    def script(connection: Connection) -> None:
        while head := connection.head():
            if head.startswith(b"POST"):
                posted.append(head)
                return
            connection.answer()

    with Scripted(script) as target:
        connection = http.client.HTTPConnection(*stage.forward(target.state()), timeout=5)
        connection.request("GET", "/")
        connection.getresponse().read()
        connection.request("POST", "/", body=b"")
        assert connection.getresponse().status == 502
        connection.close()
    assert len(posted) == 1


def test_an_answer_that_nobody_asked_for_is_nobodys(stage: Stage) -> None:
    """What a target says on an idle connection does not become the next request's answer."""
    spoken = threading.Event()

    def script(connection: Connection) -> None:
        connection.head()
        connection.answer(b"first")
        if connection.number == 1:
            connection.answer(b"not asked for", status=b"408 Request Timeout")
            spoken.set()
        while connection.head():
            connection.answer(b"second")

    with Scripted(script) as target:
        place = stage.forward(target.state())
        assert get(place)[1] == b"first"
        assert spoken.wait(5)
        assert get(place)[1] in {b"first", b"second"}


def test_a_client_that_goes_away_takes_its_request_with_it(stage: Stage) -> None:
    """The target's connection is closed, not used for somebody else."""
    asked, closed = threading.Event(), threading.Event()

    def script(connection: Connection) -> None:
        connection.head()
        asked.set()
        if connection.head() == b"":
            closed.set()

    with Scripted(script) as target:
        with socket.create_connection(stage.forward(target.state()), timeout=5) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert asked.wait(5)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, as of a crash
        assert closed.wait(5)


# ---- rules ----------------------------------------------------------------------------------------------------------


def test_the_first_rule_that_holds_decides(stage: Stage) -> None:
    """By path, host and header, in the order of the table; then the default."""
    with Scripted(echo(b"api")) as api, Scripted(echo(b"web")) as web:
        stage.health.set("api", api.state())
        stage.health.set("web", web.state())
        place = stage.serve(
            Route("r1", 1, (Condition("path-pattern", ("/api/*",)), Condition("host-header", ("a.test",))), to("api")),
            Route("r2", 2, (Condition("path-pattern", ("/api/*",)),), FixedResponse(418, "text/plain", "no")),
            Route("r3", 3, (Condition("http-header", ("beta",), "X-Ring"),), Redirect(302, path="/beta#{path}")),
            default(to("web")),
        )
        assert get(place, "/api/x", Host="A.test:8000") == (200, b"api")
        assert get(place, "/api/x") == (418, b"no")
        assert get(place, "/api") == (200, b"web")
        head = raw(place, b"GET /x?y=1 HTTP/1.1\r\nHost: h:99\r\nX-Ring: Beta\r\nConnection: close\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 302 Found\r\n")
        assert b"Location: http://h:99/betax?y=1\r\n" in head


@pytest.mark.parametrize(
    ("unauthenticated", "answer"), [("authenticate", b"302 Found"), ("deny", b"401 Unauthorized"), ("allow", b"200 OK")]
)
def test_a_request_without_a_session_is_sent_to_sign_in(unauthenticated: str, answer: bytes, stage: Stage) -> None:
    """With the parameters that the provider expects; one with a session cookie goes on."""
    login = SignIn("https://a.example/authorize", "shop", "openid email", "S", unauthenticated, (("prompt", "login"),))
    with Scripted(echo(b"web")) as web:
        stage.health.set("web", web.state())
        place = stage.serve(Route("default", None, (), to("web"), login))
        head = raw(place, b"GET /x HTTP/1.1\r\nHost: h:99\r\nCookie: Other-0=1\r\nConnection: close\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 " + answer)
        if unauthenticated == "authenticate":
            back = b"http%3A%2F%2Fh%3A99%2Foauth2%2Fidpresponse"
            there = b"prompt=login&client_id=shop&redirect_uri=" + back + b"&response_type=code&scope=openid+email"
            assert b"Location: https://a.example/authorize?" + there in head
        assert get(place, "/x", Cookie="S-0=1") == (200, b"web")


def test_stickiness_keeps_a_client_with_its_group_and_its_target(stage: Stage) -> None:
    """Cookies for both; a cookie for a group that has lost its weight is not honoured."""
    sticky = TargetGroupSettings("blue", "blue", stickiness=60)
    with Scripted(echo(b"b1")) as first, Scripted(echo(b"b2")) as second, Scripted(echo(b"green")) as green:
        stage.health.set("blue", first.state(), second.state(), settings=sticky)
        stage.health.set("green", green.state())
        place = stage.serve(default(to(blue=1, green=1, stickiness=60)))
        for _ in range(4):
            said = raw(place, b"GET / HTTP/1.0\r\n\r\n")
            if said.endswith((b"b1", b"b2")):
                break
        cookie = b"; ".join(re.findall(rb"Set-Cookie: (AWSALB(?:TG)?=\w+)", said))
        assert cookie.count(b"=") == 2
        asking = b"GET / HTTP/1.0\r\nCookie: theme=dark; " + cookie + b"\r\n\r\n"
        assert {raw(place, asking)[-2:] for _ in range(6)} == {said[-2:]}
        place = stage.serve(default(to(blue=0, green=1, stickiness=60)))
        assert raw(place, asking).endswith(b"green")


def test_a_cookie_of_the_application_keeps_a_client_with_its_target(stage: Stage) -> None:
    """From when the application sets it, and for as long as the client has it."""
    sticky = TargetGroupSettings("blue", "blue", stickiness=60, cookie="SESSION")

    def signed_in(name: bytes) -> Callable[[Connection], None]:
        def script(connection: Connection) -> None:
            while b"GET /" in (head := connection.head()):
                connection.answer(name, headers=b"Set-Cookie: SESSION=1\r\n" if b"/sign-in" in head else b"")

        return script

    with Scripted(signed_in(b"b1")) as first, Scripted(signed_in(b"b2")) as second:
        stage.health.set("blue", first.state(), second.state(), settings=sticky)
        place = stage.serve(default(to(blue=1)))
        assert b"AWSALB" not in raw(place, b"GET / HTTP/1.0\r\n\r\n")
        said = raw(place, b"GET /sign-in HTTP/1.0\r\n\r\n")
        (cookie,) = re.findall(rb"Set-Cookie: (AWSALBAPP-0=\w+)", said)
        both = b"GET / HTTP/1.0\r\nCookie: SESSION=1; " + cookie + b"\r\n\r\n"
        assert {raw(place, both)[-2:] for _ in range(4)} == {said[-2:]}
        alone = b"GET / HTTP/1.0\r\nCookie: " + cookie + b"\r\n\r\n"
        assert {raw(place, alone)[-2:] for _ in range(4)} == {b"b1", b"b2"}


def test_a_connection_stays_with_its_target_and_ends_with_either_side(stage: Stage) -> None:
    """Of a network load balancer: bytes that are not HTTP, both ways, and none to a group without targets."""

    def reversing(connection: Connection) -> None:
        while data := connection.socket.recv(65536):
            connection.send(data[::-1])
        connection.send(b"bye")

    with Scripted(reversing) as first, Scripted(reversing) as second:
        stage.health.set("group", first.state(), second.state())
        tcp = replace(listener(default(to("group")), name="tcp", port=8003), protocol="TCP")
        stage.balancer.configure((tcp,))
        assert stage.balancer.settled()
        place = stage.balancer.addresses()["tcp"]
        for _ in range(2):
            with socket.create_connection(place) as client:
                client.sendall(b"abc")
                assert client.recv(3) == b"cba"
                client.shutdown(socket.SHUT_WR)
                assert client.recv(3) == b"bye"
                assert client.recv(3) == b""
        assert (first.connections, second.connections) == (1, 1)
        stage.health.set("group")
        assert stage.balancer.settled()
        with socket.create_connection(place) as client:
            assert client.recv(3) == b""


def test_a_listener_that_is_gone_is_closed_and_may_come_back(stage: Stage) -> None:
    """Its idle connections too; the others go on."""
    both = [
        listener(default(FixedResponse(200, body=name)), name=name, port=port)
        for name, port in (("a", 8001), ("b", 8002))
    ]
    stage.balancer.configure(tuple(both))
    assert stage.balancer.settled()
    a, b = (stage.balancer.addresses()[name] for name in ("a", "b"))
    idle, other = (http.client.HTTPConnection(*place, timeout=5) for place in (a, b))
    for connection in (idle, other):
        connection.request("GET", "/")
        connection.getresponse().read()
    stage.balancer.configure((both[1],))
    assert stage.balancer.settled()
    with pytest.raises(ConnectionRefusedError):
        get(a)
    assert idle.sock.recv(1) == b""
    other.request("GET", "/")
    assert other.getresponse().read() == b"b"
    for connection in (idle, other):
        connection.close()
    stage.balancer.configure(tuple(both))
    assert stage.balancer.settled()
    assert get(stage.balancer.addresses()["a"]) == (200, b"a")


def test_requests_are_counted_by_listener_group_and_status(stage: Stage) -> None:
    """What a target answered is told apart from what the balancer did, and each request is told once."""
    with Scripted(echo()) as target:
        place = stage.forward(target.state())
        taken(stage)
        get(place)
        get(place)
        get(stage.forward())
    counted: Counter[Traffic] = Counter()
    for row in taken(stage):
        counted[replace(row, requests=0, seconds=None)] += row.requests
    assert counted == {
        Traffic("listener", "group", 200, "target", 0): 2,
        Traffic("listener", "group", 503, "elb", 0): 1,
    }
    assert taken(stage) == ()


def taken(stage: Stage) -> tuple[Traffic, ...]:
    """The requests since it was called before."""
    known = len(stage.control.traffic)
    stage.balancer.measure()
    stage.control.until(lambda: len(stage.control.traffic) > known)
    return stage.control.traffic[-1]


def test_the_time_until_a_target_answers_is_measured(stage: Stage) -> None:
    """From when the request has left until the head of the answer arrives, to within a few percent."""

    def slow(connection: Connection) -> None:
        connection.head()
        threading.Event().wait(0.3)
        connection.answer()

    with Scripted(slow) as target:
        place = stage.forward(target.state())
        taken(stage)
        get(place)
        (row,) = taken(stage)
    assert row.requests == 1
    assert row.seconds is not None
    assert 0.28 < row.seconds < 1.0


# ---- changes under load ---------------------------------------------------------------------------------------------


def test_weights_are_kept_exactly_over_real_requests(stage: Stage) -> None:
    """Of twenty requests at 90 to 10, two go to the canary."""
    with Scripted(echo(b"blue")) as blue, Scripted(echo(b"green")) as green:
        stage.health.set("blue", blue.state())
        stage.health.set("green", green.state())
        place = stage.serve(default(to(blue=90, green=10)))
        assert Counter(get(place)[1] for _ in range(20)) == {b"blue": 18, b"green": 2}


def test_a_draining_target_ends_what_it_has_begun_and_gets_nothing_new(stage: Stage) -> None:
    """Its kept connections are closed, so that it can end."""
    asked, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        while head := connection.head():
            if head.startswith(b"GET /slow"):
                asked.set()
                go_on.wait(5)
            connection.answer(b"old")

    with Scripted(slow) as old, Scripted(echo(b"new")) as new:
        place = stage.forward(old.state())
        begun = http.client.HTTPConnection(*place, timeout=5)
        begun.request("GET", "/slow")
        assert asked.wait(5)
        assert get(place)[1] == b"old"  # on a second connection, which is kept
        stage.health.set("group", old.state("draining"), new.state())
        assert stage.balancer.settled()
        assert {get(place)[1] for _ in range(5)} == {b"new"}
        go_on.set()
        assert begun.getresponse().read() == b"old"
        begun.close()
        until(lambda: not old._open, seconds=1)


def test_flips_and_a_replacement_lose_no_request(stage: Stage) -> None:
    """Thirty weight flips and one whole replacement of targets under load: every request is answered by a target."""
    answers: Counter[bytes] = Counter()
    wrong: list[object] = []
    stop = threading.Event()

    def load(place: Where) -> None:
        connection = http.client.HTTPConnection(*place, timeout=5)
        while not stop.is_set():
            try:
                connection.request("GET", "/")
                answer = connection.getresponse()
                body = answer.read()
                answers[body] += 1
                if answer.status != 200:
                    wrong.append(answer.status)
            except OSError as error:
                wrong.append(error)
        connection.close()

    def more_than(enough: int) -> bool:
        return sum(answers.values()) > enough

    with Scripted(echo(b"v1")) as blue, Scripted(echo(b"v2")) as green, Scripted(echo(b"v3")) as next_blue:
        stage.health.set("blue", blue.state())
        stage.health.set("green", green.state())
        place = stage.serve(default(to(blue=1, green=0)))
        clients = [threading.Thread(target=load, args=(place,)) for _ in range(4)]
        for client in clients:
            client.start()
        for flip in range(30):
            enough = sum(answers.values()) + 10
            stage.serve(default(to(blue=flip % 2, green=1 - flip % 2)))
            until(partial(more_than, enough))
        stage.health.set("blue", blue.state("draining"), next_blue.state())
        stage.serve(default(to(blue=1, green=0)))
        blue.stop_listening()
        until(lambda: answers[b"v3"] > 50)
        stop.set()
        for client in clients:
            client.join()
    assert wrong == []
    assert min(answers[version] for version in (b"v1", b"v2", b"v3")) > 0


def test_a_balancer_that_dies_is_replaced_and_refuses_nobody(stage: Stage) -> None:
    """The listening sockets outlive it: a client that comes meanwhile waits, and is answered."""
    with Scripted(echo()) as target:
        place = stage.forward(target.state())
        restarts = stage.balancer.restarts
        assert stage.balancer._process is not None
        os.kill(stage.balancer._process.pid, signal.SIGKILL)
        assert get(place) == (200, b"ok")
        until(lambda: stage.balancer.restarts == restarts + 1)


def test_a_balancer_that_does_not_answer_is_replaced(stage: Stage) -> None:
    """What it has counted is lost, the minute has its report all the same, and the next one counts again."""
    with Scripted(echo()) as target:
        place = stage.forward(target.state())
        process, restarts = stage.balancer._process, stage.balancer.restarts
        assert process is not None
        assert stage.balancer._channel is not None
        stage.balancer._channel.settimeout(0.2)
        os.kill(process.pid, signal.SIGSTOP)
        assert taken(stage) == ()
        os.kill(process.pid, signal.SIGCONT)
        until(lambda: stage.balancer.restarts == restarts + 1)
        assert get(place) == (200, b"ok")
        assert [row.requests for row in taken(stage)] == [1]


def test_a_listener_that_cannot_be_opened_is_absent_and_the_rest_works(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no address, and a reason."""
    real = Place.listen

    def listen(self: Place, wanted: int, *, backlog: int = 1024) -> socket.socket:
        if wanted == 8005:
            raise OSError(24, "Too many open files")
        return real(self, wanted, backlog=backlog)

    monkeypatch.setattr(Place, "listen", listen)
    good = listener(default(FixedResponse(200, body="good")), name="good", port=8004)
    bad = listener(default(FixedResponse(200, body="bad")), name="bad", port=8005)
    stage.balancer.configure((good, bad))
    assert stage.balancer.settled()
    addresses = stage.balancer.addresses()
    assert set(addresses) == {"good"}
    assert "Too many open files" in stage.balancer.unopened()["bad"]
    assert get(addresses["good"]) == (200, b"good")
