"""Order of a plan: the edges between its steps.

Creations follow references: the referenced resource first. Deletions go against references as they are in AWS, not as
they are in the specs: a resource is deleted after everything that refers to it was deleted or refers to something else.
"""

from __future__ import annotations

import graphlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar, cast, get_args

from pydantic import BaseModel

from reconciler.errors import SpecInvalid
from reconciler.model.plan import Action, Plan, PlanStep, Verb
from reconciler.model.resource import Address, Desired, Observed, Ref
from reconciler.model.type_registry import ResourceTypes

T = TypeVar("T")


class Before(Set[PlanStep]):
    """Predecessors of a step: single steps, and groups that many steps share.

    A thousand services each come after all of two thousand listener rules. As single edges these would be two million,
    and a plan would take minutes.
    """

    __slots__ = ("groups", "single")

    def __init__(self, single: Iterable[PlanStep], groups: Iterable[frozenset[PlanStep]] = ()) -> None:
        self.single = frozenset(single)
        self.groups = tuple(groups)

    @classmethod
    def _from_iterable(cls, it: Iterable[T]) -> Set[T]:
        return frozenset(it)

    def __contains__(self, step: object) -> bool:
        return step in self.single or any(step in group for group in self.groups)

    def __iter__(self) -> Iterator[PlanStep]:
        yield from self.single
        for place, group in enumerate(self.groups):
            for step in group:
                if step not in self.single and not any(step in earlier for earlier in self.groups[:place]):
                    yield step

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"Before({sorted(map(str, self))})"


def ordered(plan: Plan, desired: Iterable[Desired[Any]], kinds: ResourceTypes) -> Plan:
    """`plan` with its actions in an order that respects their edges."""
    after = edges(plan.actions, {want.address: want for want in desired}, kinds)
    rank = {step: number for number, step in enumerate(in_order(after))}
    actions = sorted(plan.actions, key=lambda action: min(rank[step] for step in action.steps()))
    return replace(plan, actions=tuple(actions), after=after)


def edges(
    actions: Sequence[Action], desired: Mapping[Address, Desired[Any]], kinds: ResourceTypes
) -> dict[PlanStep, Before]:
    """For every step of `actions`, its predecessors."""
    needs: dict[PlanStep, set[PlanStep]] = {step: set() for action in actions for step in action.steps()}
    makes = {action.address: PlanStep(action.address, "make") for action in actions if action.verb is not Verb.DELETE}
    of_kind: dict[str, list[Action]] = defaultdict(list)
    for action in actions:
        of_kind[action.address.kind].append(action)
        if action.verb is Verb.REPLACE:
            first, second = action.steps()
            needs[second].add(first)
    made = {kind: frozenset(makes[one.address] for one in of_kind[kind] if one.address in makes) for kind in of_kind}
    dropped = {
        kind: frozenset(one.drop for one in several if one.verb is Verb.DELETE) for kind, several in of_kind.items()
    }
    after_kinds: dict[PlanStep, list[frozenset[PlanStep]]] = defaultdict(list)
    for address, make in makes.items():
        want = desired[address]
        needs[make] |= {makes[need] for need in want.refs() | want.after if need in makes}
        after_kinds[make] = [made[kind] for kind in kinds[address.kind].depends_on if made.get(kind)]
    followers: dict[str, set[str]] = defaultdict(set)
    for kind, gone in dropped.items():
        for followed in kinds[kind].depends_on if gone else ():
            followers[followed].add(kind)
    for kind, gone in dropped.items():
        for drop in gone:
            after_kinds[drop] = [dropped[other] for other in sorted(followers[kind])]
    _drops(actions, makes, needs)
    return {step: Before(before - {step}, after_kinds.get(step, ())) for step, before in needs.items()}


def _drops(
    actions: Sequence[Action],
    makes: Mapping[Address, PlanStep],
    needs: dict[PlanStep, set[PlanStep]],
) -> None:
    dropped = {action.old.id: action for action in actions if action.old is not None and action.drop in needs}
    for action in actions if dropped else ():
        if action.old is None:
            continue
        for target in [dropped[link] for link in links(action.old) if link in dropped]:
            if target is action:
                continue
            if action.drop in needs:
                needs[target.drop].add(action.drop)
            if action.address in makes and target.create_first:
                needs[target.drop].add(makes[action.address])


def links(found: Observed[Any]) -> set[str]:
    """The ids that an observed resource refers to, including its parent's."""
    ids = set(_linked(found.spec))
    if found.parent is not None:
        ids.add(found.parent)
    return ids - {found.id}


def in_order(after: Mapping[PlanStep, Before]) -> list[PlanStep]:
    """Steps in a deterministic topological order. A group counts once, however many steps share it."""
    needs: dict[Any, list[Any]] = {}
    names: dict[frozenset[PlanStep], str] = {}
    for step in sorted(after, key=str):
        before = after[step]
        for group in before.groups:
            if group not in names:
                names[group] = f"~{len(names)}"
                needs[names[group]] = sorted(group, key=str)
        needs[step] = [*sorted(before.single, key=str), *(names[group] for group in before.groups)]
    return [node for node in _sorted(needs) if not isinstance(node, str)]


def static_order(needs: Mapping[Any, Iterable[Any]]) -> list[Any]:
    """Nodes in a deterministic topological order.

    Raises `errors.SpecInvalid` with the cycle, if there is one.
    """
    steady = {node: sorted(needs[node], key=str) for node in sorted(needs, key=str)}
    return _sorted(steady)


def _sorted(needs: Mapping[Any, Iterable[Any]]) -> list[Any]:
    try:
        return list(graphlib.TopologicalSorter(needs).static_order())
    except graphlib.CycleError as error:
        raise SpecInvalid("circular references: " + " → ".join(str(node) for node in error.args[1])) from error


def _linked(spec: BaseModel) -> Iterator[str]:
    for name, linked in _looked_at(type(spec)):
        value = getattr(spec, name)
        if value is not None:
            yield from _texts(value, linked)


def _texts(value: Any, linked: bool) -> Iterator[str]:
    if isinstance(value, str):
        if linked:
            yield value
    elif isinstance(value, BaseModel):
        yield from _linked(value)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item, linked)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _texts(item, linked)


@cache
def _looked_at(spec: type[BaseModel]) -> tuple[tuple[str, bool], ...]:
    """The fields that can hold an id, and whether a text in them is one: where a reference may stand."""
    found = []
    for name, info in spec.model_fields.items():
        linked = _mentions(cast(Hashable, info.annotation), Ref)
        if linked or _mentions(cast(Hashable, info.annotation), BaseModel):
            found.append((name, linked))
    return tuple(found)


@cache
def _mentions(annotation: Hashable, sort: type) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, sort):
        return True
    return any(_mentions(part, sort) for part in get_args(annotation))
