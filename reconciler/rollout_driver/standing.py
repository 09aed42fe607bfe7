"""Where a service is reached now: its listeners or rules, and its target groups, as AWS has them.

The specs may name others that are not there: their plan was refused or could not be carried out yet, or somebody has
deleted one. What is under way goes on by what is there. Nothing new is started before the declared ones exist.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from reconciler.model.resource import Address, Observed, Ref
from reconciler.model.type_registry import discover
from reconciler.rollout.engine import TrafficShifter
from reconciler.rollout.spec import RolloutSpec, fitting, fitting_headers
from reconciler.rollout_driver.resolution import ResolutionContext
from reconciler.rollout_driver.target_groups import entry_of

PRODUCTION, TEST = "production", "test"
PAIR: Final = {PRODUCTION: "productionListenerRule", TEST: "testListenerRule"}
"""What ECS calls the rules of a service whose traffic it shifts."""
TEST_SUFFIX: Final = f"-{TEST}"
"""End of the name of a test listener, or of a rule of it, unless the specs call it something else."""
DEPLOYMENT_GROUP: Final = "codedeploy-deployment-group"


@dataclass(frozen=True, slots=True)
class Standing:
    """`delivery` names what is there. `absent` is the first of what it should name and that is not there, or not the
    service's yet. `gone` says which listeners or rules ECS was given for it (production, test) and that are not there
    any more.
    """

    delivery: RolloutSpec
    context: ResolutionContext
    absent: Address | None = None
    gone: tuple[str, ...] = ()


def standing(delivery: RolloutSpec, context: ResolutionContext, *, refused: bool = False) -> Standing:
    """What the rollout of a service goes by. `refused`: rules of listeners are not as the specs declare them."""
    service = context.found.get(delivery.service)
    absent = [part for part in parts_of(delivery) if part not in context.found]
    if service is None:
        return Standing(delivery, context, delivery.service)
    if delivery.engine.shifts_traffic is TrafficShifter.ECS and not service.facts["item"].get("loadBalancers"):
        there = replace(delivery, groups=(), production=None, test=None, health=None, connected=True)
        return Standing(there, context, next(iter(absent), None))
    delivery, former = _with_former_pair(delivery, service, context)
    if former:
        return Standing(delivery, context)
    used = _groups_of(service)
    absent += _not_yet(delivery, used, context) if refused else []
    if not absent:
        return Standing(_asked_as(delivery, context) if refused else delivery, context)
    context = _with_former(context, absent, used)
    entries = dict(_entries(context, used))
    found = dict[str, Address | None]()
    for name in (PRODUCTION, TEST):
        found[name] = _entry(name, delivery, service, context, entries, absent)
    for name, other in ((PRODUCTION, TEST), (TEST, PRODUCTION)):
        left = entries.keys() - {found[other]}
        if (
            found[name] is None
            and not _given(name, service)
            and getattr(delivery, name) is not None
            and (found[other] is not None or getattr(delivery, other) is None)
            and len(left) == 1
        ):
            (found[name],) = left
    groups = tuple(group for group in delivery.groups if group in context.found)
    there = replace(delivery, groups=groups, production=found[PRODUCTION], test=found[TEST])
    gone = tuple(name for name, entry in found.items() if entry is None and _given(name, service))
    return Standing(_asked_as(there, context), context, absent[0], gone)


def _with_former_pair(
    delivery: RolloutSpec, service: Observed[Any], context: ResolutionContext
) -> tuple[RolloutSpec, bool]:
    """With the listeners or rules that ECS was given for a service that the specs leave no load balancer: their plan is
    refused, and what is under way goes on by them."""
    if delivery.engine.shifts_traffic is not TrafficShifter.ECS or parts_of(delivery):
        return delivery, False
    found = _pair(service, dict(_entries(context, _groups_of(service))))
    return replace(delivery, production=found[PRODUCTION], test=found[TEST]), True


def _pair(service: Observed[Any], entries: Mapping[Address, Observed[Any]]) -> dict[str, Address | None]:
    """The listeners or rules that ECS was given for a service."""
    return {
        name: next((at for at in entries if _is_rule(at, entries, _given(name, service))), None)
        for name in (PRODUCTION, TEST)
    }


def entries_of(service: Observed[Any], context: ResolutionContext) -> dict[str, Address | None]:
    """The listeners or rules of a service that no specs declare, as far as AWS shows which is for what: ECS or
    CodeDeploy was given them, or there is one only, or one of two is called `test`.
    """
    entries = dict(_entries(context, _groups_of(service)))
    found = _pair(service, entries)
    if found[PRODUCTION] is not None:
        return found
    group = context.found.get(Address(DEPLOYMENT_GROUP, service.address.name))
    if group is not None:
        routes = {PRODUCTION: group.spec.production, TEST: group.spec.test}
        return {
            name: next((at for at, one in sorted(entries.items()) if _listener(one) == route), None)
            for name, route in routes.items()
        }
    tests = [at for at in entries if at.name.endswith(TEST_SUFFIX)]
    others = [at for at in entries if at not in tests]
    if len(others) == 1 and len(tests) <= 1:
        return {PRODUCTION: others[0], TEST: next(iter(tests), None)}
    return found


def ports_of(entries: Mapping[str, Address | None], context: ResolutionContext) -> tuple[int | str, int | str]:
    """The ports of the listeners, for people."""
    production, test = (
        None if at is None else _port(context.found[at], context) for at in (entries[PRODUCTION], entries[TEST])
    )
    return production or "?", test or "?"


def parts_of(delivery: RolloutSpec) -> tuple[Address, ...]:
    """What routes requests to a service, as it is declared."""
    return tuple(part for part in (*delivery.groups, delivery.production, delivery.test) if part is not None)


def _not_yet(delivery: RolloutSpec, used: frozenset[str], context: ResolutionContext) -> list[Address]:
    """The declared listeners and rules that are there and do not name the service's target groups, as others do: a
    refused plan would have moved the service there."""
    entries = dict(_entries(context, used))
    declared = [one for one in (delivery.production, delivery.test) if one in context.found]
    return [one for one in declared if one is not None and one not in entries] if entries else []


def _groups_of(service: Observed[Any]) -> frozenset[str]:
    """The target groups of its versions, and of the pair between which ECS shifts its traffic."""
    item = service.facts["item"]
    several = [*(item.get("taskSets") or ()), item]
    balancers = [balancer for one in several for balancer in one.get("loadBalancers") or ()]
    named = {balancer.get("targetGroupArn") for balancer in balancers}
    named |= {(one.get("advancedConfiguration") or {}).get("alternateTargetGroupArn") for one in balancers}
    return frozenset(one for one in named if one) | discover()["service"].in_use(service)


def _with_former(context: ResolutionContext, absent: list[Address], used: frozenset[str]) -> ResolutionContext:
    """With what the service goes on using although it is not the stack's any more: somebody has removed its tags."""
    kinds = discover()
    former = {
        address: one
        for address, one in context.others.items()
        if address in absent and (one.id in used or used & kinds[one.address.kind].forwards(one.spec).keys())
    }
    ids = {address: one.id for address, one in former.items()}
    return replace(context, found={**context.found, **former}, ids={**context.ids, **ids})


def _entries(context: ResolutionContext, used: frozenset[str]) -> Iterator[tuple[Address, Observed[Any]]]:
    """The listeners and rules that name one of these target groups."""
    kinds = discover()
    for address, one in context.found.items():
        if used & kinds[address.kind].forwards(one.spec).keys():
            yield address, one


def _entry(
    name: str,
    delivery: RolloutSpec,
    service: Observed[Any],
    context: ResolutionContext,
    entries: Mapping[Address, Observed[Any]],
    absent: Collection[Address],
) -> Address | None:
    """The listener or rule by which requests of that kind come in: the declared one if it is there, or else the one
    that ECS was given, or the only one of the same listener, or of the same port.
    """
    declared: Address | None = getattr(delivery, name)
    if declared is None or declared not in absent or declared in entries:
        return declared
    if rule := _given(name, service):
        return next((at for at in entries if _is_rule(at, entries, rule)), None)
    listener = _listener_of(declared, context)
    port = delivery.ports[0 if name == PRODUCTION else 1]
    same = [at for at, one in entries.items() if listener is not None and _listener(one) == listener.id]
    same = same or [at for at, one in entries.items() if _port(one, context) == port]
    return same[0] if len(same) == 1 else None


def _given(name: str, service: Observed[Any]) -> str:
    """The ARN of the rule that ECS was given for it, or ""."""
    balancers = service.facts["item"].get("loadBalancers") or ()
    return next(((one.get("advancedConfiguration") or {}).get(PAIR[name]) or "" for one in balancers), "")


def _is_rule(address: Address, entries: Mapping[Address, Observed[Any]], rule: str) -> bool:
    entry = entry_of(address, entries)
    return entry is not None and entry.is_rule(rule)


def _listener(one: Observed[Any]) -> str:
    return one.id if one.address.kind == "listener" else str(one.spec.listener)


def _listener_of(declared: Address, context: ResolutionContext) -> Observed[Any] | None:
    """The listener to which it belongs, if that is there."""
    want = context.wanted.get(declared)
    if declared.kind == "listener" or want is None or not isinstance(want.spec.listener, Ref):
        return context.found.get(declared)
    return context.found.get(want.spec.listener.address)


def _port(one: Observed[Any], context: ResolutionContext) -> int | None:
    listener = _listener(one)
    return next((other.spec.port for other in context.found.values() if other.id == listener), None)


def _asked_as(delivery: RolloutSpec, context: ResolutionContext) -> RolloutSpec:
    """With requests of the tests that the rule takes as it is."""
    rule = None if delivery.test is None else context.found.get(delivery.test)
    if rule is None:
        return delivery
    if rule.address.kind == "listener":
        return replace(delivery, headers={}, query="")
    spec = rule.spec
    return replace(
        delivery, headers=fitting_headers(spec.hosts or (), spec.headers or {}), query=fitting(spec.queries or ())
    )
