"""Resources that may be deleted between two calls: reads leave them out, and deletions of them succeed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reconciler import errors
from reconciler.model.resource import Batch, Call, Calls


def answers(calls: Sequence[Call]) -> Calls[list[Any]]:
    """The responses to parallel reads; None for a call that names a missing resource."""
    found: list[Any] = (yield Batch.of(calls, missing_ok=True)) if calls else []
    return found


def answer(call: Call) -> Calls[Any]:
    """The response to one read; None if the resource is missing."""
    return (yield from answers([call]))[0]


def batches(call: Callable[[list[str]], Call], items: Sequence[str], size: int) -> Calls[list[Any]]:
    """The responses to reads of `items`, `size` in each call, without the missing ones.

    AWS rejects a whole batch for one missing item, so the items of a rejected batch are read one by one.
    """
    groups = [list(items[start : start + size]) for start in range(0, len(items), size)]
    found = yield from answers([call(group) for group in groups])
    singly = [item for group, answer in zip(groups, found, strict=True) if answer is None for item in group]
    if len(singly) > 1 or (singly and [singly] not in ([group] for group in groups)):
        found += yield from answers([call([item]) for item in singly])
    return [answer for answer in found if answer is not None]


def let_go(call: Call) -> Calls[None]:
    """Make a delete call; a missing resource is success."""
    try:
        yield call
    except errors.Gone:
        return
