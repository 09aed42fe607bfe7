"""Settings of the console in `run`: who may see it, and who may act."""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from reconciler import errors

if TYPE_CHECKING:
    from reconciler.console.access import Access

F = TypeVar("F", bound=Callable[..., Any])

TOKEN, LOAD_BALANCER, PROXY = "token", "load-balancer", "proxy"
KEY_SECONDS: Final = 5.0
LARGEST_KEY: Final = 4096


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """The options by their names. Without `console` there is none."""

    console: str | None = None
    console_load_balancer: str | None = None
    console_issuer: str | None = None
    console_client: str | None = None
    console_header: str | None = None
    console_proxy: tuple[str, ...] = ()
    console_operator: tuple[str, ...] = ()

    def check(self, listen: str | None, *, loopback: bool) -> None:
        """Raises `click.UsageError` for settings that contradict each other, or would leave the console open."""
        given = {name.name: getattr(self, name.name) for name in fields(self) if getattr(self, name.name)}
        needed = {
            LOAD_BALANCER: ("console_load_balancer", "console_issuer", "console_client"),
            PROXY: ("console_header", "console_proxy"),
        }
        if self.console is None:
            if given:
                raise click.UsageError(f"{_option(next(iter(given)))} needs --console")
            return
        if listen is None:
            raise click.UsageError("--console needs --listen, the address on which it is served")
        own = needed.get(self.console, ())
        for name in own:
            if name not in given:
                raise click.UsageError(f"--console {self.console} needs {_option(name)}")
        if self.console != TOKEN:
            own = (*own, "console_operator")
        for name in given:
            if name not in ("console", *own):
                raise click.UsageError(f"{_option(name)} is not for --console {self.console}")
        if self.console == TOKEN and not loopback:
            raise click.UsageError(
                f"--console {TOKEN} is for this machine only, and {listen} can be reached from others: listen on "
                f"127.0.0.1, or sign people in with --console {LOAD_BALANCER} or --console {PROXY}"
            )

    def access(self, *, person: str, port: int, renewed: Callable[[str], None]) -> Access:
        """How viewers are recognised. `renewed` is given the token of each link. Raises `click.UsageError`."""
        from reconciler.console.access import Operators, ProxyAccess, TokenAccess
        from reconciler.console.load_balancer import LoadBalancerAccess

        operators = Operators.of(self.console_operator)
        if self.console == TOKEN:
            return TokenAccess(person, renewed, cookie=f"reconciler-console-{port}")
        if self.console == PROXY:
            header = self.console_header or ""
            if re.fullmatch(r"[A-Za-z0-9-]+", header) is None:
                raise click.UsageError(f"--console-header: {header!r} is not the name of a header")
            return ProxyAccess(header, tuple(map(_network, self.console_proxy)), operators)
        assert self.console_load_balancer is not None
        assert self.console_issuer is not None
        assert self.console_client is not None
        try:
            return LoadBalancerAccess(
                self.console_load_balancer, self.console_issuer, self.console_client, fetched, operators
            )
        except ValueError as error:
            raise click.UsageError(f"--console-load-balancer: {error}") from error

    @property
    def scheme(self) -> str:
        """Of the console's URLs in browsers: a load balancer and a proxy that sign people in serve HTTPS."""
        return "http" if self.console in (None, TOKEN) else "https"


def console_options(function: F) -> F:
    """The options of `ConsoleSettings`, as one argument, `settings`."""

    @click.option(
        "--console",
        type=click.Choice([TOKEN, LOAD_BALANCER, PROXY]),
        help="Serve the console as well, on the address of --listen, and recognise people by this.",
    )
    @click.option("--console-load-balancer", metavar="ARN", help="The Application Load Balancer that signs people in.")
    @click.option("--console-issuer", metavar="URL", help="The issuer of its OIDC action.")
    @click.option("--console-client", metavar="ID", help="The client id of its OIDC action.")
    @click.option("--console-header", metavar="NAME", help="The header in which the proxy names the person.")
    @click.option("--console-proxy", multiple=True, metavar="CIDR", help="The address of the proxy, or its network.")
    @click.option("--console-operator", multiple=True, metavar="WHO", help="Who may act: an e-mail, or CLAIM=VALUE. "
                  "All others may look.")  # fmt: skip
    @functools.wraps(function)
    def command(**keywords: Any) -> Any:
        names = [one.name for one in fields(ConsoleSettings)]
        return function(settings=ConsoleSettings(**{name: keywords.pop(name) for name in names}), **keywords)

    return command  # type: ignore[return-value]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise click.UsageError(f"--console-proxy: {text!r} is no address and no network such as 10.0.1.0/24") from None
    if network.prefixlen == 0:
        raise click.UsageError(f"--console-proxy: {text} is everybody; name the addresses of the proxy")
    return network


def fetched(url: str) -> bytes:
    """A key of a load balancer, over HTTPS. Raises `errors.ReconcilerError`."""
    import urllib3

    from reconciler.exchange import Exceeded, Exchange

    try:
        with Exchange(KEY_SECONDS, LARGEST_KEY * 4), urllib3.PoolManager(num_pools=1) as pool:
            answer = pool.request("GET", url, timeout=KEY_SECONDS, retries=False, redirect=False, preload_content=False)
            content: bytes = answer.read(LARGEST_KEY + 1)
            status = answer.status
            answer.close()
    except (urllib3.exceptions.HTTPError, OSError, Exceeded) as error:
        raise errors.ReconcilerError(f"{url}: {error}") from error
    if status != 200 or len(content) > LARGEST_KEY:
        raise errors.ReconcilerError(f"{url}: no key, but status {status}")
    return content
