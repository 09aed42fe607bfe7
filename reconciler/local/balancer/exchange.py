"""One request and its answer, through the balancer.

    rule ─► fixed response, redirect
      └───► group by weight ─► target by turn ─► connection ─► request out ─► answer back
                    │                  │                             │
                    503 no group,      502 refused, reset, not HTTP  504 no answer in time
                        no target

A request that left on a kept connection and came back without a byte of an answer is sent once more, on a new
connection, if sending it twice does no harm and its body is still at hand.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from aiohttp.http_parser import RawRequestMessage

from reconciler.local.balancer import answers
from reconciler.local.balancer.board import Board, Count, Rule, Served
from reconciler.local.balancer.choice import GROUP_COOKIE, sticky_endpoint
from reconciler.local.balancer.relay import Cut, Relay, origin
from reconciler.local.balancer.rules import Asked
from reconciler.local.balancer.table import Endpoint, Group
from reconciler.local.balancer.upstream import Lost
from reconciler.local.balancer.wire import Body, Client
from reconciler.local.ports import FixedResponse, Forward, Redirect
from reconciler.local.sign_in import SignIn

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})


def refuse(client: Client) -> None:
    """What came is not HTTP."""
    headers, body = answers.error(400)
    client.send(answers.head(400, headers, len(body), keep_alive=False) + body)


async def answer(board: Board, client: Client, request: RawRequestMessage, body: Body) -> bool:
    """True when the client's connection can carry another request."""
    served = board.served.get(client.listener_arn)
    if served is None:
        return False
    rule = served.rule(lambda: asked(client, request))
    if rule is None:
        return _own(board, client, request, served, 503)
    if rule.sign_in is not None and not _signed_in(rule.sign_in, request):
        return _send_to_sign_in(board, client, request, served, rule.sign_in) and body.is_eof()
    match rule.action:
        case Forward():
            return await _forward(board, client, request, body, served, rule)
        case FixedResponse() as action:
            headers, content = answers.fixed(action)
            status = action.status
        case Redirect() as action:
            port = _client_port(request, served.listener.port)
            headers, content = answers.redirect(
                _here(board, served, action), asked(client, request), protocol=served.listener.protocol, port=port
            )
            status = action.status
    return _own(board, client, request, served, status, headers=headers, content=content) and body.is_eof()


def asked(client: Client, request: RawRequestMessage) -> Asked:
    """The request as rules see it."""
    path, _, query = origin(request).partition("#")[0].partition("?")
    host = request.headers.get("Host", "")
    host = host if host.endswith("]") else host.rpartition(":")[0] or host
    headers = [(name.lower(), value) for name, value in request.headers.items()]
    return Asked(request.method, path, query, host.lower(), headers, client.peer)


async def _forward(
    board: Board, client: Client, request: RawRequestMessage, body: Body, served: Served, rule: Rule
) -> bool:
    assert isinstance(rule.action, Forward)
    complete = body.read_nowait() if body.is_eof() else None
    again = complete is not None and request.method in IDEMPOTENT
    fresh = False
    while True:
        group, endpoint = _choose(board, rule, rule.action, request)
        if group is None or endpoint is None:
            return _own(board, client, request, served, 503, group=group)
        seconds = served.listener.idle_timeout
        relay = Relay(board, client, request, body, complete, served, rule.action, group)
        try:
            upstream = await board.pool.take(endpoint, fresh=fresh)
        except TimeoutError:
            return _own(board, client, request, served, 504, group=group)
        except OSError:
            return _own(board, client, request, served, 502, group=group)
        try:
            async with asyncio.timeout(seconds) as deadline:
                return await relay.run(upstream, deadline, seconds)
        except Lost:
            if upstream.used and not upstream.heard and again and not fresh:
                fresh = True
                continue
            return _own(board, client, request, served, 502, group=group)
        except TimeoutError:
            if not relay.begun:
                return _own(board, client, request, served, 504, group=group)
            client.abort()
            return False
        except Cut:
            client.abort()
            return False
        finally:
            board.pool.give_back(upstream)


def _choose(
    board: Board, rule: Rule, action: Forward, request: RawRequestMessage
) -> tuple[Group | None, Endpoint | None]:
    assert rule.weights is not None
    marks = _cookies(request) if action.stickiness or board.sticky else {}
    arn = (action.stickiness and rule.weights.named(marks.get(GROUP_COOKIE, ""))) or rule.weights.next()
    group = board.table.groups.get(arn) if arn else None
    if group is None:
        return None, None
    return group, sticky_endpoint(group, marks) or board.turns.next(group, board.pool.outstanding.__getitem__)


def _send_to_sign_in(board: Board, client: Client, request: RawRequestMessage, served: Served, sign_in: SignIn) -> bool:
    if sign_in.unauthenticated == "deny":
        return _own(board, client, request, served, 401)
    listener = served.listener
    headers, content = answers.authenticate(
        sign_in, asked(client, request), protocol=listener.protocol, port=_client_port(request, listener.port)
    )
    return _own(board, client, request, served, 302, headers=headers, content=content)


def _signed_in(sign_in: SignIn, request: RawRequestMessage) -> bool:
    """The session is in cookies with this name and a number."""
    if sign_in.unauthenticated == "allow":
        return True
    return any(name.rpartition("-")[0] == sign_in.cookie for name in _cookies(request))


def _cookies(request: RawRequestMessage) -> dict[str, str]:
    pairs = (part.strip().partition("=") for part in request.headers.get("Cookie", "").split(";"))
    return {name: value for name, _, value in pairs}


def _here(board: Board, served: Served, action: Redirect) -> Redirect:
    """A redirect to another listener of the same load balancer leads to where that one is on this machine."""
    if action.host != "#{host}" or not action.port.isdigit():
        return action
    port = board.table.ports.get((served.listener.load_balancer_arn, int(action.port)))
    return action if port is None else replace(action, port=str(port))


def _client_port(request: RawRequestMessage, default: int) -> int:
    port = request.headers.get("Host", "").rpartition(":")[2]
    return int(port) if port.isascii() and port.isdigit() else default


def _own(
    board: Board,
    client: Client,
    request: RawRequestMessage,
    served: Served,
    status: int,
    *,
    group: Group | None = None,
    headers: list[tuple[str, str]] | None = None,
    content: bytes | None = None,
) -> bool:
    """The balancer's own answer."""
    if headers is None or content is None:
        headers, content = answers.error(status)
    keep = not request.should_close and not request.chunked and not request.upgrade
    keep = keep and request.headers.get("Content-Length", "0") == "0"
    board.counts[Count(served.listener.listener_arn, group.arn if group else "", status, "elb")] += 1
    head = answers.head(status, headers, len(content), keep_alive=keep)
    client.send(head if request.method == "HEAD" else head + content)
    return keep
