"""What has to come after what: the edges between the steps of a plan.

Making goes along references: first what is referred to. Dropping goes against them, as they are in AWS and not as the
specs have them: something goes only after whatever still refers to it has gone, or refers to something else.
"""

from __future__ import annotations

import graphlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, cast, get_args

from pydantic import BaseModel

from reconciler.errors import SpecInvalid
from reconciler.model.kind import Kinds
from reconciler.model.plan import Action, Step, Verb
from reconciler.model.resource import Address, Desired, Observed, Ref


def edges(
    actions: Sequence[Action], desired: Mapping[Address, Desired[Any]], kinds: Kinds
) -> dict[Step, frozenset[Step]]:
    """For every step of `actions`, the steps that come before it."""
    needs: dict[Step, set[Step]] = {step: set() for action in actions for step in action.steps()}
    makes = {action.address: Step(action.address, "make") for action in actions if action.verb is not Verb.DELETE}
    of_kind: dict[str, list[Action]] = defaultdict(list)
    for action in actions:
        of_kind[action.address.kind].append(action)
        if action.verb is Verb.REPLACE:
            first, second = action.steps()
            needs[second].add(first)
    for address, make in makes.items():
        want = desired[address]
        needs[make] |= {makes[need] for need in want.refs() | want.after if need in makes}
        for kind in kinds[address.kind].follows:
            needs[make] |= {makes[other.address] for other in of_kind[kind] if other.address in makes}
    _drops(actions, makes, of_kind, needs, kinds)
    return {step: frozenset(before - {step}) for step, before in needs.items()}


def _drops(
    actions: Sequence[Action],
    makes: Mapping[Address, Step],
    of_kind: Mapping[str, Sequence[Action]],
    needs: dict[Step, set[Step]],
    kinds: Kinds,
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
        if action.verb is Verb.DELETE:
            for kind in kinds[action.address.kind].follows:
                for other in of_kind.get(kind, ()):
                    if other.verb is Verb.DELETE:
                        needs[other.drop].add(action.drop)


def links(found: Observed[Any]) -> set[str]:
    """The ids that an observed resource refers to, its parent's included."""
    ids = set(_linked(found.spec))
    if found.parent is not None:
        ids.add(found.parent)
    return ids - {found.id}


def static_order(needs: Mapping[Any, Iterable[Any]]) -> list[Any]:
    """Nodes, each after those it needs, the same every time.

    Raises `errors.SpecInvalid` naming the circle where there is one."""
    steady = {node: sorted(needs[node], key=str) for node in sorted(needs, key=str)}
    try:
        return list(graphlib.TopologicalSorter(steady).static_order())
    except graphlib.CycleError as error:
        raise SpecInvalid("a circle of references: " + " → ".join(str(node) for node in error.args[1])) from error


def _linked(spec: BaseModel) -> Iterator[str]:
    for name, info in type(spec).model_fields.items():
        value = getattr(spec, name)
        if value is not None:
            yield from _texts(value, linked=_mentions_ref(cast(Hashable, info.annotation)))


def _texts(value: Any, *, linked: bool) -> Iterator[str]:
    match value:
        case str() if linked:
            yield value
        case BaseModel():
            yield from _linked(value)
        case Mapping():
            for item in value.values():
                yield from _texts(item, linked=linked)
        case tuple() | list():
            for item in value:
                yield from _texts(item, linked=linked)
        case _:
            return


@cache
def _mentions_ref(annotation: Hashable) -> bool:
    return annotation is Ref or any(_mentions_ref(part) for part in get_args(annotation))
