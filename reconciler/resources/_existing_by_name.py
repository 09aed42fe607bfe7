"""Looking up what others own by its name or ARN, of which nothing but whether it exists matters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reconciler.model import resource
from reconciler.model.resource import Call, Calls, Desired, Observed, ResourceHealth
from reconciler.model.resource_type import Scope
from reconciler.resources import _gone


class ExistingByNameSpec(resource.Spec):
    name: str


def observe(
    scope: Scope,
    call: Callable[[str], Call],
    noun: str,
    there: Callable[[str, Mapping[str, Any]], bool] = lambda _name, _answer: True,
) -> Calls[list[Observed[ExistingByNameSpec]]]:
    """One call for each name. `there` says whether an answer has it, of a listing that may not."""
    names = sorted({want.spec.name for want in scope.wanted})
    answers = yield from _gone.answers([call(name) for name in names])
    found = {name for name, answer in zip(names, answers, strict=True) if answer is not None and there(name, answer)}
    return [_look_up(want, noun, exists=want.spec.name in found) for want in scope.wanted]


def _look_up(want: Desired[ExistingByNameSpec], noun: str, *, exists: bool) -> Observed[ExistingByNameSpec]:
    name = want.spec.name
    if exists:
        return Observed(want.address, name, want.spec)
    reason = f"the {noun} {name} does not exist in this account and region"
    return Observed(want.address, name, want.spec, health=ResourceHealth.DEGRADED, reason=reason)
