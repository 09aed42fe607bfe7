"""What the load balancer answers itself: its error pages, fixed responses and redirects, as an ALB words them."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import urlencode

from reconciler.local.balancer.rules import Asked
from reconciler.local.ports import FixedResponse, Redirect
from reconciler.local.sign_in import SignIn

SERVER = "awselb/2.0"
RESPONSES = "/oauth2/idpresponse"
"""Where a load balancer takes the answers of providers (ELB user guide, Authenticate users)."""
PAGE = "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n</body>\r\n</html>\r\n"


def error(status: int) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of an ALB's own 4xx or 5xx."""
    return [("Content-Type", "text/html")], PAGE.format(title(status)).encode()


def fixed(action: FixedResponse) -> tuple[list[tuple[str, str]], bytes]:
    headers = [("Content-Type", f"{action.content_type}; charset=utf-8")] if action.content_type else []
    return headers, action.body.encode()


def redirect(action: Redirect, asked: Asked, *, protocol: str, port: int) -> tuple[list[tuple[str, str]], bytes]:
    """`port` is the one the client used: on a laptop that need not be the listener's."""
    _, body = error(action.status)
    return [("Content-Type", "text/html"), ("Location", location(action, asked, protocol=protocol, port=port))], body


def location(action: Redirect, asked: Asked, *, protocol: str, port: int) -> str:
    """A port that the protocol has anyway is left out."""
    words = {
        "#{protocol}": protocol.lower(),
        "#{host}": asked.host,
        "#{port}": str(port),
        "#{path}": asked.path.removeprefix("/"),
        "#{query}": asked.query,
    }

    def filled(text: str) -> str:
        for word, value in words.items():
            text = text.replace(word, value)
        return text

    scheme = filled(action.protocol).lower()
    to_port = filled(action.port)
    where = filled(action.host) if (scheme, to_port) in {("http", "80"), ("https", "443")} else None
    query = filled(action.query)
    return f"{scheme}://{where or f'{filled(action.host)}:{to_port}'}{filled(action.path)}{'?' if query else ''}{query}"


def authenticate(sign_in: SignIn, asked: Asked, *, protocol: str, port: int) -> tuple[list[tuple[str, str]], bytes]:
    """To where users sign in. Nobody keeps the state: there is no provider that would send it back."""
    there = Redirect(302, path=RESPONSES, query="")
    query = urlencode(
        {
            **dict(sign_in.params),
            "client_id": sign_in.client_id,
            "redirect_uri": location(there, asked, protocol=protocol, port=port),
            "response_type": "code",
            "scope": sign_in.scope,
            "state": "local",
        }
    )
    _, body = error(302)
    mark = "&" if "?" in sign_in.endpoint else "?"
    return [("Content-Type", "text/html"), ("Location", f"{sign_in.endpoint}{mark}{query}")], body


def head(status: int, headers: list[tuple[str, str]], length: int, *, keep_alive: bool) -> bytes:
    lines = [
        f"HTTP/1.1 {title(status)}",
        f"Server: {SERVER}",
        f"Date: {formatdate(usegmt=True)}",
        *(f"{name}: {value}" for name, value in headers),
        f"Content-Length: {length}",
        f"Connection: {'keep-alive' if keep_alive else 'close'}",
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")


def title(status: int) -> str:
    return f"{status} {PHRASES.get(status, '')}".strip()


PHRASES = {status.value: status.phrase for status in HTTPStatus} | {504: "Gateway Time-out"}
