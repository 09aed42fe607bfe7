"""The stored revision: written once for each that is accepted, and never over what a later leader has stored."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

import pytest

from reconciler import errors
from reconciler.controller.accepted_revision import LARGEST, AcceptedRevision
from reconciler.controller.former_specs import FormerSpecs
from reconciler.reconcile.observe import StackId
from reconciler.reconcile.pass_ import DesiredState
from reconciler.source import archive as archive_module
from reconciler.source.archive import Archive
from reconciler.source.base import Fetched, Revision
from reconciler.spec.load import Source as File
from reconciler.store.base import Copy
from tests.harness.copies import StoredCopy


def revision(name: str, text: str = "kind: Stack\n") -> Fetched:
    return Fetched(Revision(name), (File("stack.yaml", "stack.yaml", text.encode()),), (), ".")


def leader(copies: StoredCopy, epoch: int) -> AcceptedRevision:
    """In its term it has read what is stored."""
    found = AcceptedRevision(copies, epoch=lambda: epoch)
    found.read()
    return found


def stored(copies: StoredCopy) -> str:
    archive = AcceptedRevision(copies).read()
    return "" if archive is None else archive.revision.id


def test_what_is_stored_is_not_written_again() -> None:
    """Neither by the process that wrote it nor by one that has read it."""
    copies = StoredCopy()
    first = leader(copies, 1)
    for _ in range(3):
        first.write(revision("one"), follows="zero")
    leader(copies, 2).write(revision("one"), follows="zero")
    assert (copies.writes, stored(copies)) == (1, "one")
    first.write(revision("two"), follows="one")
    archive = leader(copies, 2).read()
    assert archive is not None
    assert (copies.writes, archive.revision.id, archive.follows) == (2, "two", "one")


def test_an_earlier_leader_does_not_overwrite_what_a_later_one_has_stored() -> None:
    """However late its write arrives."""
    copies = StoredCopy()
    old = leader(copies, 1)
    leader(copies, 2).write(revision("two"), follows="")
    with pytest.raises(errors.LeaseLost):
        old.write(revision("one"), follows="")
    assert stored(copies) == "two"


def test_nothing_is_written_without_the_lease() -> None:
    """The fence is asked right before."""

    def fence() -> None:
        raise errors.LeaseLost("not held")

    copies = StoredCopy()
    with pytest.raises(errors.LeaseLost):
        AcceptedRevision(copies, fence=fence).write(revision("one"), follows="")
    assert copies.copy is None


@dataclass(slots=True)
class Lossy(StoredCopy):
    """The answers to the next writes are lost, and what they wrote is there."""

    lost: int = 0
    seen: list[str] = field(default_factory=list)

    def swap(self, expected: str, copy: Copy) -> bool:
        done = StoredCopy.swap(self, expected, copy)
        if done and self.lost:
            self.lost -= 1
            raise errors.StoreUnreachable("no answer")
        return done


def test_a_write_whose_answer_was_lost_is_repeated() -> None:
    """It is found there, as one of ours."""
    copies = Lossy(lost=1)
    first = leader(copies, 1)
    with pytest.raises(errors.StoreUnreachable):
        first.write(revision("one"), follows="")
    first.write(revision("two"), follows="")
    assert stored(copies) == "two"


def test_a_revision_that_is_too_large_leaves_its_name_and_nothing_older() -> None:
    """What is being rolled out would otherwise be undone by the one before it."""
    noise = random.Random(1).randbytes(LARGEST).hex()
    copies = StoredCopy()
    first = leader(copies, 1)
    first.write(revision("one"), follows="")
    with pytest.raises(errors.CopyUnusable, match="two is too large"):
        first.write(revision("two", f"# {noise}{noise}\n"), follows="one")
    with pytest.raises(errors.CopyUnusable, match="two was too large"):
        leader(copies, 2)
    assert copies.copy is not None
    assert len(copies.copy.data) < 1000


def test_a_large_revision_that_compresses_well_is_stored() -> None:
    """The limit is DynamoDB's for an item."""
    copies = StoredCopy()
    leader(copies, 1).write(revision("one", "# the same line again\n" * 50_000), follows="")
    assert stored(copies) == "one"
    assert copies.copy is not None
    assert len(copies.copy.data) < LARGEST


def test_it_belongs_to_one_environment() -> None:
    """Under another one the specs say something else."""
    copies = StoredCopy()
    AcceptedRevision(copies, "staging").write(revision("one"), follows="")
    with pytest.raises(errors.CopyUnusable, match="environment staging"):
        AcceptedRevision(copies).read()


def test_a_damaged_copy_is_replaced() -> None:
    """By the next revision, also if its version is gone."""
    copies = StoredCopy(Copy("x", 1, "", b"edited"))
    first = AcceptedRevision(copies, epoch=lambda: 1)
    with pytest.raises(errors.CopyUnusable):
        first.read()
    first.write(revision("one"), follows="")
    assert stored(copies) == "one"
    assert copies.copy is not None
    copies.copy = replace(copies.copy, version="", data=b"")
    with pytest.raises(errors.CopyUnusable):
        first.read()
    first.write(revision("one"), follows="")
    assert stored(copies) == "one"


# -- with the revision that was carried out before


def archive(name: str, text: str = "kind: Stack\n") -> Archive:
    return Archive(revision(name, text))


def test_the_revision_carried_out_last_is_stored_beside_the_accepted_one() -> None:
    copies = StoredCopy()
    leader(copies, 1).write(revision("two"), follows="one", former=archive("one"))
    found = leader(copies, 1).read()
    assert found is not None
    assert found.former is not None
    assert (found.revision.id, found.former.revision.id) == ("two", "one")
    assert [one.data for one in found.former.fetched.sources] == [b"kind: Stack\n"]


def test_a_former_revision_for_which_there_is_no_room_is_left_out() -> None:
    """The accepted one is stored all the same."""
    noise = random.Random(1).randbytes(LARGEST // 2 + 1).hex()
    copies = StoredCopy()
    leader(copies, 1).write(revision("two"), follows="one", former=archive("one", noise * 2))
    found = leader(copies, 1).read()
    assert found is not None
    assert (found.revision.id, found.former) == ("two", None)


def test_a_former_revision_that_the_source_would_refuse_is_not_used() -> None:
    """Whoever can write the store decides by what nothing."""

    def verified(stored: Archive) -> Archive:
        if stored.revision.id == "one":
            raise errors.CopyUnusable("it was not signed")
        return stored

    copies = StoredCopy()
    leader(copies, 1).write(revision("two"), follows="one", former=archive("one"))
    found = AcceptedRevision(copies, verified=verified).read()
    assert found is not None
    assert (found.revision.id, found.former) == ("two", None)


@pytest.mark.parametrize(
    ("stored", "former", "applied", "kept"),
    [
        ("two", "one", "one", "one"),  # the accepted one was refused
        ("two", "one", "two", "two"),
        ("two", None, "one", "two"),
        (None, None, "one", None),
    ],
)
def test_what_a_new_process_stores_beside_the_next_revision(
    stored: str | None, former: str | None, applied: str, kept: str | None
) -> None:
    """What was carried out last, as far as the store and the stack's tag tell."""
    known = FormerSpecs(lambda fetched: pytest.fail("not asked for"), lambda error: None)
    copy = None if stored is None else archive(stored)
    known.begin(copy if copy is None or former is None else replace(copy, former=archive(former)))
    found = known.to_store(applied)
    assert (None if found is None else found.revision.id) == kept


def test_a_former_revision_that_makes_a_copy_too_large_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two folders may compress well, and be more than a reader unpacks, of this version or an earlier one."""
    monkeypatch.setattr(archive_module, "LARGEST", 6000)
    copies, text = StoredCopy(), "# the same again\n" * 200
    leader(copies, 1).write(revision("two", text), follows="one", former=Archive(revision("one", text)))
    archive = leader(copies, 2).read()
    assert archive is not None
    assert (archive.revision.id, archive.former) == ("two", None)


def test_the_specs_before_are_kept_for_what_newer_ones_delete_later() -> None:
    """The newest first, also where it is not known whether the stored one was carried out; and it is stored next."""
    specs = {name: DesiredState(StackId(name, "1", "eu-central-1"), ()) for name in ("one", "two", "three", "four")}
    former = FormerSpecs(lambda fetched: specs[fetched.revision.id], lambda error: None)
    former.begin(replace(Archive(revision("two")), former=Archive(revision("one"))))
    for _ in range(2):
        former.carried_out(Archive(revision("three")), specs["three"])
        assert [one.place.stack for one in former.states] == ["three", "two", "one"]
    stored = former.to_store("one")
    assert stored is not None
    assert stored.revision.id == "three"
    former.carried_out(Archive(revision("four")), specs["four"])
    assert [one.place.stack for one in former.states] == ["four", "three", "two"]
