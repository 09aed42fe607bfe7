"""What may have vanished between two calls: reads that leave it out, and deletes that are content without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reconciler import errors
from reconciler.model.resource import Batch, Call, Calls


def answers(calls: Sequence[Call]) -> Calls[list[Any]]:
    """The answers to reads asked side by side, with None for each that named something which is not there."""
    found: list[Any] = (yield Batch.of(calls, missing_ok=True)) if calls else []
    return found


def answer(call: Call) -> Calls[Any]:
    """The answer to one read, or None where what it names is not there."""
    return (yield from answers([call]))[0]


def batches(call: Callable[[list[str]], Call], items: Sequence[str], size: int) -> Calls[list[Any]]:
    """The answers to a read of many things at once, `size` a call; what is gone is left out.

    AWS refuses the whole batch for one that is missing, so that the things in it are then asked about one by one.
    """
    groups = [list(items[start : start + size]) for start in range(0, len(items), size)]
    found = yield from answers([call(group) for group in groups])
    singly = [item for group, answer in zip(groups, found, strict=True) if answer is None for item in group]
    if len(singly) > 1 or (singly and [singly] not in ([group] for group in groups)):
        found += yield from answers([call([item]) for item in singly])
    return [answer for answer in found if answer is not None]


def let_go(call: Call) -> Calls[None]:
    """A delete; that there is nothing left to delete is just as good."""
    try:
        yield call
    except errors.Gone:
        return
