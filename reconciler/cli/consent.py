"""Consent to a plan, and the lease: a plan is shown and agreed to first, and the lease is taken to carry it out.

    propose and show ──► ask ──► take the lease ──► is it still that plan? ──► carry out
                          ▲                              │ no
                          └───────── show again ◄────────┘

Nobody has to wait for another process to read a plan. Whether the plan is still the same is looked at again if another
process may have held the lease meanwhile, or if the person took a while to answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reconciler.cli.execute import confirm
from reconciler.cli.lease import existing_store, held, holder_of
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo

if TYPE_CHECKING:
    from reconciler.cli.session import Stack
    from reconciler.model.plan import Plan
    from reconciler.store.base import Record

CHANGED = "The plan has changed since it was shown:"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A plan as it was found. `show` prints it. `due`: there is something to carry out; `asks`: it needs consent."""

    plan: Plan
    show: Callable[[], None]
    due: bool
    asks: bool
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """What consent is asked with. `answer` is what has to be typed; `given`: nobody needs to be asked."""

    text: str
    answer: str
    output: str
    given: bool


def carry_out(
    stack: Stack,
    command: str,
    propose: Callable[[], Proposal],
    question: Question,
    execute: Callable[[Plan], Exit],
    unchanged: Callable[[Plan], Exit],
) -> Exit:
    """Propose, ask, take the lease, and `execute` the plan that was agreed to; or `unchanged`, if nothing is due.

    Raises `errors.NotApproved`, and what `held` raises.
    """
    before = _record(stack)
    agreed = _proposed(stack, propose)
    agreed.show()
    if not agreed.due:
        return unchanged(agreed.plan)
    if before is not None and before.holder:
        echo(f"The stack is locked by {holder_of(before)}; it has to be free before anything is written.", err=True)
    _ask(question, agreed, stack)
    with held(stack, command) as lease:
        idle, epoch = before is None or not before.holder, 0 if before is None else before.epoch
        only_ours = idle and lease.epoch == epoch + 1
        while not only_ours or _old(stack, agreed):
            found, only_ours = _proposed(stack, propose), True
            if found.plan.digest != agreed.plan.digest:
                echo(f"\n{CHANGED}\n", err=True)
                found.show()
                if not found.due:
                    return unchanged(found.plan)
                _ask(question, found, stack)
            agreed = found
        return execute(agreed.plan)


def _proposed(stack: Stack, propose: Callable[[], Proposal]) -> Proposal:
    return replace(propose(), at=stack.aws.clock.monotonic())


def _ask(question: Question, proposal: Proposal, stack: Stack) -> None:
    if proposal.asks and not question.given:
        confirm(question.text, question.answer, question.output, stack.err_look)


def _old(stack: Stack, proposal: Proposal) -> bool:
    from reconciler.controller.controller import LOOK_SECONDS

    clock = stack.aws.clock
    return clock.monotonic() - proposal.at > LOOK_SECONDS * clock.speed


def _record(stack: Stack) -> Record | None:
    """The lease as it is before the plan is made; None where nobody has held one in this store."""
    store = existing_store(stack)
    if store is None:
        return None
    try:
        return store.records.read()
    finally:
        store.close()
