"""Damage: what people and accidents do to resources of ours, each alone or several at once.

Deleting is done as the type itself would, and where AWS refuses because something stands in it, whatever stands in it
goes first. Changing is done field by field: every field that can be changed in place is, to something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from reconciler import errors
from reconciler.aws.client import AwsClient, Transport
from reconciler.aws.ownership_guard import OwnershipGuard
from reconciler.clock import ManualClock
from reconciler.model.diff import diff, fields
from reconciler.model.ordering import static_order
from reconciler.model.plan import PlanStep
from reconciler.model.resource import Address, Call, Desired, Observed
from reconciler.model.resource_type import FieldMark
from reconciler.reconcile.pass_ import look
from tests.harness.forked_runs import Stack


class Anybody(OwnershipGuard):
    """A person's rights: everything."""

    def covers(self, call: Call) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Damage:
    """`field` is empty where the thing is deleted."""

    address: Address
    field: str = ""

    def __str__(self) -> str:
        return f"{self.address}.{self.field} changed" if self.field else f"{self.address} deleted"


def possible(transport: Transport, wanted: Stack) -> list[Damage]:
    """Every single thing that can be done to what the stack owns."""
    found = []
    for one in _owned(transport, wanted):
        found.append(Damage(one.address))
        found += [Damage(one.address, name) for name, _ in _alterations(one, wanted)]
    return found


def inflict(transport: Transport, wanted: Stack, damages: Iterable[Damage]) -> int:
    """Do it; how much of it AWS allowed."""
    aws, done = _person(transport), 0
    for damage in damages:
        before = {one.address: one for one in _owned(transport, wanted)}
        one = before.get(damage.address)
        if one is None:
            continue  # went along with an earlier one
        if damage.field:
            done += _change(aws, wanted, one, damage.field)
        else:
            done += _delete(aws, wanted, one)
    return done


def _person(transport: Transport) -> AwsClient:
    return AwsClient(transport, clock=ManualClock(), mine=Anybody())


def _owned(transport: Transport, wanted: Stack) -> list[Observed[Any]]:
    world, _ = look(_person(transport), wanted.kinds, wanted.desired_state)
    wants = {want.address for want in wanted.desired_state.desired}
    return [one for one in world if one.address in wants and not wanted.kinds[one.address.kind].lookup]


def _delete(aws: AwsClient, wanted: Stack, one: Observed[Any]) -> bool:
    """It, and first whatever stands in its way. Of rules only those that the specs declare."""
    want = next(want for want in wanted.desired_state.desired if want.address == one.address)
    if one.address.kind == "security-group-rules" and want.spec.egress is None:
        one = replace(one, facts={"rules": [rule for rule in one.facts["rules"] if not rule["IsEgress"]]})
    _, plan = look(aws, wanted.kinds, wanted.leaving.desired_state)
    actions = {step: action for action in plan.actions for step in action.steps()}
    target = PlanStep(one.address, "drop", one.id)
    order = [step for step in static_order(plan.after) if step == target or step in _before(plan.after, target)]
    kind = wanted.kinds[one.address.kind]
    try:
        aws.run(kind.delete(one))
        return True
    except errors.AwsError:
        pass
    for step in order:
        found = actions[step].old
        assert found is not None
        if step.address.kind != "security-group-rules":
            with suppress(errors.AwsError):
                aws.run(wanted.kinds[step.address.kind].delete(found))
    return one.address not in {each.address for each in _owned(aws.transport, wanted)}


def _before(after: Any, target: PlanStep) -> set[PlanStep]:
    found: set[PlanStep] = set()
    todo = [target]
    while todo:
        for step in after[todo.pop()]:
            if step not in found:
                found.add(step)
                todo.append(step)
    return found


def _change(aws: AwsClient, wanted: Stack, one: Observed[Any], name: str) -> bool:
    kind = wanted.kinds[one.address.kind]
    value = dict(_alterations(one, wanted))[name]
    spec = one.spec.model_copy(update={name: value})
    other = Desired(one.address, spec, tags=one.tags)
    try:
        aws.run(kind.update(one, other, diff(one, spec)))
        return True
    except errors.ReconcilerError:
        return False


def _alterations(one: Observed[Any], wanted: Stack) -> Iterator[tuple[str, Any]]:
    """Only of what the specs declare: the rest is not ours to put right."""
    (want,) = (want for want in wanted.desired_state.desired if want.address == one.address)
    for item in fields(type(one.spec)):
        value, declared = getattr(one.spec, item.name), getattr(want.spec, item.name)
        if item.owner != "spec" or {FieldMark.IMMUTABLE, FieldMark.ROLLS} & item.marks or item.name in one.unread:
            continue
        if isinstance(value, dict) and isinstance(declared, dict):
            value = {key: each for key, each in value.items() if str(key) in set(map(str, declared))}
        other = altered(value, declared)
        if other is not None and other != value:
            yield item.name, other


def altered(value: Any, declared: Any) -> Any:
    """Something else of the same sort, or None where there is nothing to alter."""
    if declared is None:
        return None
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case dict() if value:
            return dict(list(value.items())[1:])
        case tuple() if value:
            return value[1:]
        case BaseModel():
            for name in type(value).model_fields:
                other = altered(getattr(value, name), getattr(declared, name, None))
                if other is not None:
                    return value.model_copy(update={name: other})
            return None
        case _:
            return None
