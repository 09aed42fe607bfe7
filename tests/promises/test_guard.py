"""S12: a plan that deletes more than the guard allows, or what is protected or holds data, waits for consent."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from reconciler import errors
from reconciler.clock import ManualClock
from reconciler.model import ownership
from reconciler.model.guard import Guard
from reconciler.model.plan import RefusalCode
from reconciler.reconcile.pass_ import DesiredState
from tests.harness import fake_types
from tests.harness.forked_runs import SEED, Account, run, serial, stack
from tests.promises.conftest import Record, sample_or_all
from tests.promises.scenarios import push


@dataclass(slots=True)
class Kept:
    """What one world did against its guard."""

    problems: list[str] = field(default_factory=list)
    refused: bool = False
    deleted: int = 0


def _owned(account: fake_types.Shared) -> int:
    return len(account.ours())


def world(seed: int) -> Kept:
    """A stack that exists, other specs, and a guard: either nothing is written, or no more goes than it allows."""
    dice, found = random.Random(seed), Kept()
    account, clock = fake_types.Shared(), ManualClock()
    fake_types.run(account, fake_types.wishing(*fake_types.random_wish(dice)), clock=clock)
    for item in account.things.values():
        if dice.random() < 0.1:
            item["tags"][ownership.PROTECT] = "true"
    protected = {key for key, item in account.things.items() if item["tags"].get(ownership.PROTECT)}
    before, there = account.dropped, _owned(account)
    guard = Guard(
        max_delete=dice.choice((None, 0, 1, 2, 5)), max_delete_percent=dice.choice((None, 0, 10, 30, 50, 100))
    )
    wanted: DesiredState = fake_types.wishing(*fake_types.random_wish(dice), guard=guard)
    calls = len(account.calls)
    try:
        fake_types.run(account, wanted, clock=clock)
    except errors.Refused:
        found.refused = True
    found.deleted = account.dropped - before
    written = [call for call in account.calls[calls:] if not call.operation.startswith(("List", "Get"))]
    if found.refused and written:
        found.problems.append(f"refused, and yet {len(written)} writes")
    if guard.max_delete is not None and found.deleted > guard.max_delete:
        found.problems.append(f"{found.deleted} deleted, {guard.max_delete} allowed")
    percent = guard.max_delete_percent
    if percent is not None and found.deleted > 1 and found.deleted * 100 > percent * there:
        found.problems.append(f"{found.deleted} of {there} deleted, {percent} % allowed")
    if not protected <= account.things.keys():
        found.problems.append("something protected is gone")
    return found


@pytest.mark.parametrize("worlds", sample_or_all(100, 20_000))
def test_no_more_goes_than_the_guard_allows(record: Record, worlds: int) -> None:
    """Any stack, any other specs, any guard: more than it allows is refused whole, with nothing written."""
    with serial():
        kept = {seed: world(seed) for seed in range(worlds)}
    wrong = [f"seed {seed}: {text}" for seed, one in kept.items() for text in one.problems]
    refused = sum(one.refused for one in kept.values())
    deleting = sum(one.deleted > 0 for one in kept.values())
    record(
        "S12",
        "toy worlds under a guard",
        worlds=worlds,
        violations=len(wrong),
        seeds=f"0–{worlds - 1}",
        refused=refused,
        deleting=deleting,
    )
    assert refused > worlds / 20
    assert deleting > worlds / 20, "a guard that refuses everything proves nothing"
    assert not wrong, "\n".join(wrong[:10])


def test_what_appears_meanwhile_is_held_against_the_guard_too(record: Record) -> None:
    """One deletion was agreed to and has to wait; by then three more things seem to be ours: nothing further goes."""

    class Growing(fake_types.Shared):
        grown = False

        def DeleteThing(self, id: str) -> dict[str, object]:
            if not self.grown:
                self.grown = True
                for name in ("x", "y", "z"):
                    self.put("shelf", name)
            return super().DeleteThing(id)

    account = Growing()
    account.put("box", "theirs", stack="others", shelf=account.put("shelf", "old"))
    with serial(), pytest.raises(errors.Refused) as caught:
        fake_types.run(account, fake_types.wishing(guard=Guard(max_delete=1)))
    assert caught.value.code == RefusalCode.GUARD
    assert [name for _, name, _ in account.ours()] == ["old", "x", "y", "z"]
    record("S12", "what appears between two passes", worlds=1, violations=0)


def test_images_are_not_deleted_without_being_asked(account: Account, record: Record) -> None:
    """A repository that holds images stays until it is said that they may go; the rest of the stack goes."""
    run(account, stack())
    push(account, "v1")
    report = run(account, stack(SEED).leaving)
    assert [str(one.step.address) for one in report.last.failed] == ["repository/my-app-frontend"]
    ecr = account.by_hand("ecr")
    assert len(ecr.describe_images(repositoryName="my-app-frontend")["imageDetails"]) == 1
    record("S12", "destroy: a repository that holds images", worlds=1, violations=0)


def test_the_seed_stacks_own_guard_holds(account: Account, record: Record) -> None:
    """Specs that have lost their network: refused whole, and not one thing is written."""
    run(account, stack())
    whole = stack()
    kept = tuple(each for each in whole.desired_state.desired if each.address.kind in {"cluster", "log-group", "role"})
    before = account.ledger.executed.copy()
    with pytest.raises(errors.Refused) as caught:
        run(account, type(whole)(DesiredState(whole.desired_state.place, kept, guard=Guard(5, 30)), whole.kinds))
    assert caught.value.code == RefusalCode.GUARD
    assert account.ledger.executed == before
    record("S12", "seed stack whose specs lost most of it", worlds=1, violations=0)
