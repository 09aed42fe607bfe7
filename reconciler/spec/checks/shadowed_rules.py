"""Listener rules that never match, because a rule that is evaluated before takes every request that they would take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias, TypeVar

from reconciler.spec import queries
from reconciler.spec.diagnostics import Diagnostic, Note
from reconciler.spec.documents.listener_rule import Match
from reconciler.spec.messages import shown
from reconciler.spec.node import Position
from reconciler.spec.specs import Specs

T = TypeVar("T")
Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class _Rule:
    match: Match
    whose: str
    place: Position

    @property
    def priority(self) -> int:
        return self.match.priority or 0


def check(specs: Specs) -> Iterator[Diagnostic]:
    reported: set[Position] = set()
    for rules in _by_listener(specs).values():
        ordered = sorted(rules, key=lambda rule: rule.priority)
        for index, rule in enumerate(ordered):
            before = next((one for one in ordered[:index] if one.priority < rule.priority and _takes(one, rule)), None)
            if before is None or rule.place in reported:
                continue
            reported.add(rule.place)
            message = f"the rule of {shown(rule.whose)} never matches: {shown(before.whose)} takes all of its requests"
            hint = f"give it a priority below {before.priority}, or conditions that the other one does not have"
            note = Note("the rule before it", before.place)
            yield Diagnostic("W4049", message, rule.place, hint=hint, notes=(note,))


def _by_listener(specs: Specs) -> dict[tuple[str, str], list[_Rule]]:
    found: dict[tuple[str, str], list[_Rule]] = defaultdict(list)
    for balancer in specs.load_balancers:
        for name, rule in balancer.rules.items():
            place = specs.where(balancer, "rules", name, "match", key=True)
            found[balancer.name, rule.listener].append(_Rule(rule.match, f"rules.{name}", place))
    for service in specs.services:
        for path, traffic in service.forwardings:
            if not traffic.match.given:
                continue
            place = specs.where(service, *path, "match", key=True)
            listeners = queries.entries(specs, traffic).values() if traffic.outside else ()
            for listener in listeners or queries.listeners(specs, service, traffic):
                found[str(traffic.load_balancer), listener].append(_Rule(traffic.match, service.name, place))
    return found


def _takes(before: _Rule, rule: _Rule) -> bool:
    """Whether all requests of `rule` fulfil every condition of `before`. What is not understood is taken to differ."""
    one, other = before.match, rule.match
    if one.aws.get("Conditions"):
        return False
    return (
        _all(one.path, other.path, _covers)
        and _all(one.host, other.host, lambda wide, narrow: _covers(wide.lower(), narrow.lower()))
        and _all(one.method, other.method, lambda wide, narrow: wide == narrow)
        and _all(one.query, other.query, _parameter)
        and _all(one.source_ip, other.source_ip, _inside)
        and _all(one.path_regex, other.path_regex, lambda wide, narrow: wide == narrow)
        and _all(one.host_regex, other.host_regex, lambda wide, narrow: wide == narrow)
        and _headers(one.header, other.header, lambda wide, narrow: _covers(wide.lower(), narrow.lower()))
        and _headers(one.header_regex, other.header_regex, lambda wide, narrow: wide == narrow)
    )


def _all(wide: Collection[T], narrow: Collection[T], covers: Callable[[T, T], bool]) -> bool:
    """Whether each of the narrower values is covered; a rule without the condition takes any value."""
    if not wide:
        return True
    return bool(narrow) and all(any(covers(one, other) for one in wide) for other in narrow)


def _headers(
    wide: Mapping[str, Collection[str]], narrow: Mapping[str, Collection[str]], covers: Callable[[str, str], bool]
) -> bool:
    values = {name.lower(): several for name, several in narrow.items()}
    return all(_all(several, values.get(name.lower(), ()), covers) for name, several in wide.items())


def _parameter(wide: str, narrow: str) -> bool:
    """One that names no parameter is of the value of any."""
    (named, value), (name, narrower) = _split(wide), _split(narrow)
    return (not named or (bool(name) and _covers(named, name))) and _covers(value, narrower)


def _split(parameter: str) -> tuple[str, str]:
    name, equals, value = parameter.partition("=")
    return (name, value) if equals else ("", parameter)


def _inside(wide: Network, narrow: Network) -> bool:
    if isinstance(wide, IPv4Network):
        return isinstance(narrow, IPv4Network) and narrow.subnet_of(wide)
    return isinstance(narrow, IPv6Network) and narrow.subnet_of(wide)


def _covers(wide: str, narrow: str) -> bool:
    """Whether everything that the pattern `narrow` matches is matched by `wide`, as far as they show it: `*` of the
    narrower one has to fall on a `*` of the wider one.
    """
    places = _with_stars(wide, {0})
    for character in narrow:
        stay = {at for at in places if wide[at : at + 1] == "*"}
        go = {at + 1 for at in places if character != "*" and wide[at : at + 1] in ("?", character)}
        places = _with_stars(wide, stay | go)
    return len(wide) in places


def _with_stars(pattern: str, places: set[int]) -> set[int]:
    """Also those after stars, which may match nothing."""
    found = set(places)
    for at in sorted(places):
        while pattern[at : at + 1] == "*":
            at += 1
            found.add(at)
    return found
