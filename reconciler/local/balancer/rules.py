"""Which rule a request falls under: pure matching, as ELB documents it for each kind of condition.

Path patterns compare with case and without the query; hosts, header values and query strings without case; methods and
their case exactly. `*` is any text, `?` one character, `\\` before one of them means the character itself.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import unquote_plus

from reconciler.local.ports import Condition


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, as far as rules look at it. Header names are lower case; `host` has no port."""

    method: str
    path: str
    query: str
    host: str
    headers: Sequence[tuple[str, str]]
    source: str


Predicate = Callable[[Asked], bool]


def predicate(conditions: Iterable[Condition]) -> Predicate | None:
    """All of the conditions as one question; None when there are none, so that the default rule costs nothing."""
    compiled = [_compile(condition) for condition in conditions]
    if not compiled:
        return None
    return lambda asked: all(holds(asked) for holds in compiled)


def wildcard(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    parts = re.findall(r"\\[*?\\]|.", pattern, flags=re.DOTALL)
    symbols = {"*": ".*", "?": "."}
    text = "".join(symbols.get(part) or re.escape(part[-1]) for part in parts)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def _compile(condition: Condition) -> Predicate:
    match condition.field:
        case "path-pattern":
            paths = _texts(condition, ignore_case=False)
            return lambda asked: any(matches(asked.path) for matches in paths)
        case "host-header":
            hosts = _texts(condition, ignore_case=True)
            return lambda asked: any(matches(asked.host) for matches in hosts)
        case "http-header":
            wanted = condition.name.lower()
            texts = _texts(condition, ignore_case=True)
            return lambda asked: any(
                matches(value) for name, value in asked.headers if name == wanted for matches in texts
            )
        case "http-request-method":
            methods = frozenset(condition.values)
            return lambda asked: asked.method in methods
        case "query-string":
            pairs = [_pair(value) for value in condition.values]
            return lambda asked: any(holds(asked.query) for holds in pairs)
        case "source-ip":
            networks = [ipaddress.ip_network(value, strict=False) for value in condition.values]
            return lambda asked: _within(asked.source, networks)


def _texts(condition: Condition, *, ignore_case: bool) -> list[Callable[[str], object]]:
    """Patterns are of the whole text; a regular expression is looked for in it."""
    if not condition.regex:
        return [wildcard(value, ignore_case=ignore_case).fullmatch for value in condition.values]
    return [re.compile(value, re.IGNORECASE if ignore_case else 0).search for value in condition.values]


def _pair(wanted: str) -> Callable[[str], bool]:
    """ "key=value" asks for the key too; "value" alone is the value of any key, or a key that has none."""
    key, equals, value = wanted.partition("=")
    key_pattern = wildcard(key, ignore_case=True) if equals else None
    value_pattern = wildcard(value if equals else wanted, ignore_case=True)

    def holds(query: str) -> bool:
        for part in query.split("&"):
            name, has_value, text = part.partition("=")
            name, text = unquote_plus(name), unquote_plus(text)
            if key_pattern is None:
                if value_pattern.fullmatch(text if has_value else name):
                    return True
            elif key_pattern.fullmatch(name) and value_pattern.fullmatch(text):
                return True
        return False

    return holds


def _within(source: str, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    address = ipaddress.ip_address(source)
    return any(address.version == network.version and address in network for network in networks)
