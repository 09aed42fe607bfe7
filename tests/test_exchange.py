"""An exchange has one deadline and a limit of bytes, whichever library reads, and over whichever connection."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import urllib3
from urllib3.connection import HTTPConnection

from reconciler import exchange
from reconciler.exchange import Bounded, Exceeded, Exchange, size
from tests.harness.peers import dripping, flooding, peer, request, silent
from tests.harness.tls import self_signed

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
LARGE = 10**9


class Plain(Bounded, http.client.HTTPConnection):
    pass


class Secure(Bounded, http.client.HTTPSConnection):
    pass


class Pooled(Bounded, HTTPConnection):
    pass


class Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = Pooled


def read(connection: http.client.HTTPConnection, path: str = "/") -> bytes:
    with closing(connection):
        connection.request("GET", path)
        return connection.getresponse().read()


def test_a_deadline_is_for_all_of_it_over_tls(tmp_path: Path) -> None:
    """TLS reads what it needs for a record, and still notices."""
    context, certificate = self_signed(tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate))
    trusting.check_hostname = False

    def behave(sock: socket.socket) -> None:
        with context.wrap_socket(sock, server_side=True) as secured:
            dripping(b"x", HEAD)(secured)

    began = time.monotonic()
    with peer(behave) as port, pytest.raises(Exceeded, match=r"0\.3 s"), Exchange(0.3, LARGE):
        read(Secure("127.0.0.1", port, context=trusting))
    assert time.monotonic() - began < 2


def test_a_handshake_that_trickles_is_given_up() -> None:
    """It is a part of connecting."""
    began = time.monotonic()
    with peer(silent) as port, pytest.raises(OSError), Exchange(0.3, LARGE):  # noqa: PT011 - which one, ssl says
        read(Secure("127.0.0.1", port))
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("kind", [Plain, Pooled])
def test_a_host_of_many_addresses_is_given_up(
    monkeypatch: pytest.MonkeyPatch, kind: type[http.client.HTTPConnection]
) -> None:
    """None of which answers: http.client and urllib3 give each of them the whole timeout."""
    began = time.monotonic()
    with closing(socket.create_server(("0.0.0.0", 0), backlog=0)) as server:
        port = server.getsockname()[1]
        full, waiting = socket.create_connection(("127.0.0.1", port)), socket.socket()
        waiting.setblocking(False)
        waiting.connect_ex(("127.0.0.1", port))  # the one that may wait to be accepted; no other is answered
        named(monkeypatch, *(f"127.0.0.{number}" for number in range(1, 21)))
        late = (TimeoutError, urllib3.exceptions.ConnectTimeoutError)
        with closing(full), closing(waiting), pytest.raises(late), Exchange(30, LARGE):
            read(kind("example.com", port, timeout=0.3))
    assert time.monotonic() - began < 2


def test_the_next_address_of_a_host_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first may be one of a network that loses what is sent there, or refuse."""
    named(monkeypatch, "127.0.0.2", "127.0.0.1")
    with peer(dripping(b"x", HEAD.replace(b"1000000", b"1"))) as port, Exchange(30, LARGE):
        for kind in (Plain, Pooled):
            with closing(kind("example.com", port, timeout=9)) as connection:
                connection.request("GET", "/")
                assert (connection.getresponse().status, connection.sock.gettimeout()) == (200, 9)


@pytest.mark.parametrize("kind", [Plain, Pooled])
def test_a_name_that_is_never_resolved_is_given_up(
    monkeypatch: pytest.MonkeyPatch, kind: type[http.client.HTTPConnection]
) -> None:
    """By the deadline, as soon as the exchange is stopped, and when name servers have had their time."""
    ended, stop, inner = threading.Event(), threading.Event(), socket.getaddrinfo

    def hang(*words: object, flags: int = 0, **how: object) -> object:
        return inner(*words, flags=flags, **how) if flags or ended.wait(30) else []  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    monkeypatch.setattr(exchange, "RESOLVE_SECONDS", 0.9)
    began = time.monotonic()
    try:
        with pytest.raises(Exceeded, match=r"0\.3 s"), Exchange(0.3, LARGE):
            read(kind("example.com", 80))
        threading.Timer(0.1, stop.set).start()
        with pytest.raises(Exceeded, match="stopped"), Exchange(30, LARGE, stop=stop):
            read(kind("example.com", 80))
        with pytest.raises((OSError, urllib3.exceptions.NameResolutionError)), Exchange(30, LARGE):
            read(kind("example.com", 80))
        assert time.monotonic() - began < 4
    finally:
        ended.set()


def named(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Have `example.com` be the name of these addresses."""
    inner = socket.getaddrinfo

    def found(host: str, *words: object, **how: object) -> list[object]:
        several = addresses if host == "example.com" and not how.get("flags") else (host,)
        return [row for one in several for row in inner(one, *words, **how)]  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_a_proxy_that_trickles_is_given_up() -> None:
    """What it answers to CONNECT is read before there is any TLS."""
    began = time.monotonic()
    with peer(dripping(b"HTTP/1.1 200 OK and so on")) as port:
        connection = Secure("127.0.0.1", port)
        connection.set_tunnel("example.com", 443)
        with pytest.raises(Exceeded), Exchange(0.3, LARGE):
            read(connection)
    assert time.monotonic() - began < 2


def test_bytes_are_counted_over_the_whole_exchange() -> None:
    """In the head as in the body."""
    with peer(flooding(b"x" * 1000, HEAD)) as port, pytest.raises(Exceeded, match="10 KiB"), Exchange(30, 10 * 1024):
        read(Plain("127.0.0.1", port))


def test_an_exchange_ends_when_it_is_stopped() -> None:
    """Whoever waits for a peer that says nothing notices soon."""
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    with peer(silent) as port, pytest.raises(Exceeded, match="stopped"), Exchange(30, LARGE, stop=stop):
        read(Plain("127.0.0.1", port))
    assert time.monotonic() - began < 2


def test_a_timeout_of_the_library_is_its_own() -> None:
    """A silence that it does not bear ends before the deadline, with its own error."""
    with peer(silent) as port, pytest.raises(urllib3.exceptions.ReadTimeoutError), Exchange(30, LARGE):
        Pool("127.0.0.1", port).request("GET", "/", retries=False, timeout=0.2)


def test_a_connection_that_is_kept_belongs_to_the_exchange_that_uses_it() -> None:
    """A pool hands it on: the deadline before does not end what comes after, and outside there is none."""
    sent: list[int] = []

    def behave(sock: socket.socket) -> None:
        while request(sock):
            sent.append(1)
            sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    with peer(behave) as port:
        pool = Pool("127.0.0.1", port, maxsize=1)
        with Exchange(0.2, 1000):
            assert pool.request("GET", "/").data == b"ok"
        time.sleep(0.3)
        with Exchange(5, 1000):
            assert pool.request("GET", "/").data == b"ok"
        assert pool.request("GET", "/").data == b"ok"
        assert (len(sent), pool.num_connections) == (3, 1)
        pool.close()


def test_each_thread_has_its_own() -> None:
    """An exchange elsewhere limits nobody here."""
    with peer(flooding(b"x" * 1000, b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")) as port:
        found: list[int] = []

        def free() -> None:
            found.append(len(read(Plain("127.0.0.1", port))))

        with Exchange(5, 1000):
            thread = threading.Thread(target=free)
            thread.start()
            thread.join(5)
    assert found == [5000]


@pytest.mark.parametrize(
    ("count", "shown"), [(17, "17 bytes"), (2048, "2 KiB"), (3 * 1024**2, "3 MiB"), (1 << 30, "1 GiB")]
)
def test_sizes_are_readable(count: int, shown: str) -> None:
    """In messages and in the reference."""
    assert size(count) == shown
