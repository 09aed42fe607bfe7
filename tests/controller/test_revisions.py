"""The last good revision is what is to be enforced; whatever is wrong with a newer one is said once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from reconciler import errors, events
from reconciler.clock import ManualClock
from reconciler.controller.accepted_revision import AcceptedRevision
from reconciler.controller.events import EventRecorder
from reconciler.controller.revisions import MOST_TOLD, RevisionTracker
from reconciler.model.event import Event
from reconciler.reconcile.drift import DriftRule
from reconciler.reconcile.observe import StackId
from reconciler.reconcile.pass_ import DesiredState
from reconciler.source.base import Fetched, Revision
from reconciler.spec.load import Source as File
from reconciler.spec.specs import Specs
from tests.harness.copies import StoredCopy

GOOD = "kind: Stack\nname: shop\nregion: us-west-2\n"


@dataclass(slots=True)
class Branch:
    """A source in this process. `before` are the revisions that its newest one follows."""

    text: str = GOOD
    revision: Revision = field(default_factory=lambda: Revision("one"))
    before: tuple[str, ...] = ()
    down: bool = False
    pending: bool = False
    waiting: bool = False
    fetched: list[str | None] = field(default_factory=list)
    name: str = "specs"
    interval: float = 1.0

    def push(self, name: str, text: str = GOOD, before: tuple[str, ...] = ()) -> None:
        self.revision, self.text, self.before = Revision(name), text, before

    def changed(self, since: str | None) -> bool:
        self._reach()
        return self.waiting or since != self.revision.id

    def fetch(self, after: str | None = None) -> Fetched:
        self._reach()
        self.fetched.append(after)
        if after is not None and after not in (self.revision.id, *self.before):
            raise errors.HistoryRewritten(f"it does not descend from {after}", revision=self.revision.id)
        return Fetched(self.revision, (File("stack.yaml", "stack.yaml", self.text.encode()),), (), "specs")

    def _reach(self) -> None:
        if self.down:
            raise errors.SourceUnreachable("the host does not answer")
        if self.pending:
            raise errors.SourcePending("it has not answered yet")


@dataclass(slots=True)
class Case:
    branch: Branch = field(default_factory=Branch)
    heard: list[Event] = field(default_factory=list)
    refusal: str = ""
    copies: StoredCopy | None = None
    revisions: RevisionTracker = field(init=False)

    def __post_init__(self) -> None:
        self.revisions = RevisionTracker(
            self.branch,
            self.compile,
            EventRecorder(ManualClock(), (self.heard.append,)),
            store=None if self.copies is None else AcceptedRevision(self.copies),
        )

    def compile(self, specs: Specs) -> tuple[DesiredState, tuple[DriftRule, ...]]:
        if self.refusal:
            raise errors.WrongAccount(self.refusal)
        return DesiredState(StackId("shop", "123456789012", "us-west-2"), ()), ()

    @property
    def enforced(self) -> str | None:
        return None if self.revisions.active is None else self.revisions.active.revision.id

    def said(self, name: str) -> list[str]:
        return [one.message for one in self.heard if one.name == name]


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_revision_is_taken_once(case: Case) -> None:
    """The look that takes it says so; after that only another one is news."""
    assert case.revisions.look(None)
    assert not case.revisions.look(None)
    case.branch.push("two", before=("one",))
    assert case.revisions.look("one")
    assert (case.enforced, case.revisions.handled) == ("two", "two")
    assert len(case.said(events.REVISION_TAKEN)) == 2
    assert [one.revision for one in case.heard] == ["one", "two"]


@pytest.mark.parametrize("text", ["kind: Stcak\nname: shop\n", "kind: [Stack\n"])
def test_a_bad_revision_is_said_once_and_the_last_good_one_stays(case: Case, text: str) -> None:
    """It is not asked for again; the next good one is taken, and nothing is wrong any more."""
    case.revisions.look(None)
    case.branch.push("bad", text, before=("one",))
    assert not any(case.revisions.look("one") for _ in range(3))
    assert (case.enforced, case.revisions.handled) == ("one", "bad")
    assert case.revisions.rejected
    (said,) = case.said(events.SPEC_REJECTED)
    assert said.endswith("; one remains active")
    assert case.branch.fetched == [None, "one"]
    case.branch.push("good", before=("one", "bad"))
    assert case.revisions.look("one")
    assert (case.enforced, case.revisions.rejected) == ("good", "")


def test_what_was_mended_and_is_wrong_again_is_said_again(case: Case) -> None:
    """A good revision in between ends what was said."""
    for name, text in 2 * (("one", GOOD), ("bad", "kind: Stcak\n")):
        case.branch.push(name, text)
        case.revisions.look(None)
    assert len(case.said(events.SPEC_REJECTED)) == 2


def test_a_revision_with_many_errors_is_said_in_one_line(case: Case) -> None:
    """The first of them, and how many more there are."""
    wrong = "".join(f"---\nkind: Thing{number}\nname: a\n" for number in range(MOST_TOLD + 3))
    case.branch.push("bad", GOOD + wrong)
    case.revisions.look(None)
    assert "and 3 more" in case.revisions.rejected
    assert case.revisions.rejected.count("Thing") >= MOST_TOLD
    (said,) = case.said(events.SPEC_REJECTED)
    assert said.endswith("; no revision is active")


def test_what_may_not_be_wanted_here_is_rejected(case: Case) -> None:
    """Good specs that compile to what this loop is not for change nothing."""
    case.revisions.look(None)
    case.refusal = "the stack is pinned to another account"
    case.branch.push("two", before=("one",))
    assert not case.revisions.look("one")
    assert (case.enforced, case.revisions.rejected) == ("one", case.refusal)
    assert len(case.said(events.SPEC_REJECTED)) == 1


def test_a_source_that_has_not_answered_yet_is_no_outage(case: Case) -> None:
    """The last good revision stays active, and there is no event."""
    case.revisions.look(None)
    case.branch.pending = True
    assert not case.revisions.look(None)
    assert (case.enforced, case.revisions.unreachable, case.said(events.SOURCE_UNREACHABLE)) == ("one", "", [])


def test_an_answer_that_came_late_is_not_asked_for_again(case: Case) -> None:
    """Whether the revision follows the applied one was found out by a look; asked twice, a slow host never says it."""
    case.branch.push("two", before=("one",))
    case.revisions.look(None)
    case.branch.pending = True
    with pytest.raises(errors.SourcePending):
        case.revisions.withheld("one")
    case.branch.pending, case.branch.waiting = False, True
    assert not case.revisions.look("one")
    case.branch.pending = True
    assert case.revisions.withheld("one") == ""


def test_a_source_that_goes_away_is_said_once_and_so_is_its_return(case: Case) -> None:
    """Meanwhile the last good revision stays."""
    case.revisions.look(None)
    case.branch.down = True
    assert not any(case.revisions.look("one") for _ in range(3))
    assert case.enforced == "one"
    case.branch.down = False
    assert not any(case.revisions.look("one") for _ in range(3))
    assert len(case.said(events.SOURCE_UNREACHABLE)) == 1
    assert len(case.said(events.SOURCE_REACHABLE)) == 1


def test_a_newer_revision_that_does_not_follow_is_not_taken(case: Case) -> None:
    """A branch that was rewritten is a person's business; it is said once."""
    case.revisions.look(None)
    case.branch.push("other")
    assert not any(case.revisions.look("one") for _ in range(3))
    assert (case.enforced, case.revisions.handled) == ("one", "other")
    assert len(case.said(events.SPEC_REJECTED)) == 1


def test_the_first_revision_is_asked_again_once_it_is_known_what_was_in_place(case: Case) -> None:
    """It follows, and that is asked once; a second process's word is not asked for at every pass."""
    case.branch.push("two", before=("one",))
    case.revisions.look(None)
    assert not case.revisions.withheld("one")
    assert not case.revisions.withheld("one")
    assert case.branch.fetched == [None, "one"]


@pytest.mark.parametrize("applied", [None, "one"])
def test_where_nothing_else_was_in_place_nobody_has_to_be_asked(case: Case, applied: str | None) -> None:
    """A first deployment, and a restart under the same revision, do without the source."""
    case.revisions.look(None)
    case.branch.down = True
    assert not case.revisions.withheld(applied)


def test_a_first_revision_that_does_not_follow_is_withheld(case: Case) -> None:
    """It only says what there is; what is rolled out was withdrawn, and nothing is said in its name."""
    case.revisions.look(None)
    assert case.revisions.withheld("older")
    assert case.revisions.withheld("older")
    assert case.branch.fetched == [None, "older"]
    assert (case.enforced, bool(case.revisions.withdrawn)) == ("one", True)
    (said,) = [one for one in case.heard if one.name == events.SPEC_REJECTED]
    assert "; no revision is active; " in said.message
    assert said.revision == ""
    case.branch.push("two", before=("one", "older"))
    assert case.revisions.look("older")
    assert not case.revisions.withheld("older")
    assert not case.revisions.withdrawn


def test_new_history_is_accepted_by_request(case: Case) -> None:
    """Exactly the commit that the request names, in a running process and in a new one; once it is in place, as any."""
    case.revisions.look(None)
    case.branch.push("fedcba9876", before=())
    assert not case.revisions.look("one")
    assert case.revisions.withdrawn
    assert not case.revisions.look("one", "0123456")
    assert case.enforced == "one"
    assert case.revisions.look("one", "fedcba9")
    assert not case.revisions.withheld("one", "fedcba9")
    assert (case.enforced, case.revisions.rejected, case.revisions.withdrawn) == ("fedcba9876", "", "")
    restarted = Case(case.branch)
    restarted.revisions.look(None)
    assert not restarted.revisions.withheld("one", "fedcba9")


def test_an_accepted_commit_with_a_mistake_is_fetched_once(case: Case) -> None:
    """The request stays until it is in place, and a mistake in the specs is not judged again with every look."""
    case.revisions.look(None)
    case.branch.push("fedcba9876", "kind: Stcak\n", before=())
    case.revisions.look("one")
    assert not case.revisions.look("one", "fedcba9")
    fetched = len(case.branch.fetched)
    assert not any(case.revisions.look("one", "fedcba9") for _ in range(3))
    assert len(case.branch.fetched) == fetched
    case.branch.push("edcba98765", before=())
    assert case.revisions.look("one", "edcba98")


def test_what_follows_the_accepted_commit_is_taken_once_that_is_in_place(case: Case) -> None:
    """A commit that came in between is looked at again."""
    case.revisions.look(None)
    case.branch.push("fedcba9876", before=())
    case.revisions.look("one")
    assert case.revisions.look("one", "fedcba9")
    case.branch.push("three", before=("fedcba9876",))
    assert not case.revisions.look("one", "fedcba9")
    assert case.revisions.look("fedcba9876")
    assert case.enforced == "three"


def test_a_branch_that_returns_takes_its_withdrawal_back(case: Case) -> None:
    """What was withdrawn is in the history again."""
    case.revisions.look(None)
    case.branch.push("other", before=())
    case.revisions.look("one")
    assert case.revisions.withdrawn
    case.branch.push("one")
    case.revisions.look("one")
    assert (case.revisions.withdrawn, case.revisions.rejected) == ("", "")


def test_a_revision_whose_descent_cannot_be_asked_is_not_followed(case: Case) -> None:
    """It is asked again until somebody knows."""
    case.revisions.look(None)
    case.branch.before, case.branch.down = ("older",), True
    for _ in range(2):
        with pytest.raises(errors.SourceUnreachable):
            case.revisions.withheld("older")
    assert case.enforced == "one"
    case.branch.down = False
    assert not case.revisions.withheld("older")


def test_what_a_newer_revision_follows_says_nothing_about_this_one(case: Case) -> None:
    """The branch has moved on between the two questions: the newer one is to be taken first."""
    case.revisions.look(None)
    case.branch.push("two", before=("older",))
    with pytest.raises(errors.SourceUnreachable):
        case.revisions.withheld("older")
    assert case.revisions.look("older")
    assert not case.revisions.withheld("older")


def test_who_was_not_in_charge_for_a_while_asks_again(case: Case) -> None:
    """Another process may have put a newer revision in place."""
    case.revisions.look(None)
    assert not case.revisions.withheld("one")
    case.revisions.doubt()
    assert case.revisions.withheld("two")


# -- the stored revision


def restarted(before: Case) -> Case:
    """A new process with the same source and the same store."""
    return Case(before.branch, copies=before.copies)


@pytest.fixture
def stored() -> Case:
    """`two` is accepted and stored, and follows `one`, which was applied last."""
    case = Case(Branch(revision=Revision("two"), before=("one",)), copies=StoredCopy())
    case.revisions.look(None)
    assert not case.revisions.withheld("one")
    return case


def rewrite(branch: Branch) -> None:
    branch.push("other")


def spoil(branch: Branch) -> None:
    branch.push("bad", "kind: Stcak\n", before=("one", "two"))


def take_down(branch: Branch) -> None:
    branch.down = True


@pytest.mark.parametrize("applied", ["one", "two"])
@pytest.mark.parametrize("wrong", [take_down, spoil, rewrite])
def test_a_new_process_restores_the_stored_revision(
    stored: Case, wrong: Callable[[Branch], None], applied: str
) -> None:
    """Once, with the reason; it is known to follow what was applied when it was accepted."""
    wrong(stored.branch)
    case = restarted(stored)
    assert case.revisions.look(None)
    assert not case.revisions.withheld(applied)
    assert not any(case.revisions.look(applied) for _ in range(3))
    assert case.enforced == "two"
    (told,) = case.said(events.REVISION_RESTORED)
    assert case.revisions.restored in told
    assert bool(case.revisions.withdrawn) is (wrong is rewrite)
    assert bool(case.revisions.unreachable) is (wrong is take_down)
    rejected = case.said(events.SPEC_REJECTED)
    judged = {"two", applied} if wrong is rewrite else {""} if wrong is spoil else set()  # by what it has to follow
    assert len(rejected) == len(judged)
    assert all("; two remains active" in one for one in rejected)


def test_a_restored_revision_gives_way_to_one_that_follows(stored: Case) -> None:
    """And then it is not restored any more."""
    take_down(stored.branch)
    case = restarted(stored)
    case.revisions.look(None)
    case.branch.down = False
    case.branch.push("three", before=("one", "two"))
    assert case.revisions.look("one")
    assert (case.enforced, case.revisions.restored) == ("three", "")
    assert not case.revisions.withheld("one")
    assert case.copies is not None
    assert case.copies.writes == 2


def test_while_the_source_is_well_the_stored_revision_only_says_what_has_to_follow(stored: Case) -> None:
    """The newest one is accepted at once, and the source is not asked a second time."""
    stored.branch.push("three", before=("one", "two"))
    stored.branch.fetched.clear()
    case = restarted(stored)
    assert case.revisions.look(None)
    assert not case.revisions.withheld("one")
    assert (case.enforced, case.branch.fetched) == ("three", ["two"])
    assert not case.said(events.REVISION_RESTORED)


def test_a_copy_of_before_the_applied_revision_is_withheld(stored: Case) -> None:
    """Somebody has applied another one since, and stored nothing."""
    take_down(stored.branch)
    case = restarted(stored)
    case.revisions.look(None)
    with pytest.raises(errors.SourceUnreachable):
        case.revisions.withheld("nine")
    again = restarted(stored)
    assert not again.revisions.look("nine")
    assert again.enforced is None
    assert "applied since" in again.said(events.COPY_UNUSABLE)[0]


def test_new_history_is_accepted_after_a_restart_too(stored: Case) -> None:
    """The request is read with the account, after the first look."""
    stored.branch.push("fedcba9876")
    case = restarted(stored)
    case.revisions.look(None)
    assert not case.revisions.withheld("two", "fedcba9")
    assert case.revisions.look("two", "fedcba9")
    assert not case.revisions.withheld("two", "fedcba9")
    assert (case.enforced, case.revisions.withdrawn) == ("fedcba9876", "")


def test_a_stack_without_services_follows_a_rewritten_history_as_before(stored: Case) -> None:
    """Nothing says what was applied, and there is nowhere to put a request: nothing is under way either."""
    rewrite(stored.branch)
    case = restarted(stored)
    case.revisions.look(None)
    assert not case.revisions.withheld(None)
    assert case.revisions.look(None)
    assert (case.enforced, case.revisions.withdrawn) == ("other", "")


def test_who_leads_again_continues_from_what_another_has_stored(stored: Case) -> None:
    """Also where its own memory is of an earlier revision, and the source is gone meanwhile."""
    stored.branch.push("three", before=("one", "two"))
    other = restarted(stored)
    other.revisions.look("one")
    assert not other.revisions.withheld("one")
    take_down(stored.branch)
    stored.revisions.doubt()
    assert stored.revisions.look("one")
    assert stored.enforced == "three"
    assert not stored.revisions.withheld("one")


def test_who_leads_again_does_so_while_the_newest_is_not_valid(stored: Case) -> None:
    """Although it has judged that revision itself, before another process had stored the one before."""
    stored.branch.push("bad", "kind: Stcak\n", before=("one", "two", "three"))
    assert not stored.revisions.look("one")
    other = Case(Branch(revision=Revision("three"), before=("one", "two")), copies=stored.copies)
    other.revisions.look("one")
    assert not other.revisions.withheld("one")
    stored.revisions.doubt()
    assert stored.revisions.look("one")
    assert stored.enforced == "three"


def test_a_stored_revision_that_is_not_valid_any_more_is_told(stored: Case) -> None:
    """Another version of the product has other rules: it waits for the source, and then goes on."""
    take_down(stored.branch)
    case = restarted(stored)
    case.refusal = "deployment: unknown field"
    assert not any(case.revisions.look(None) for _ in range(3))
    assert case.enforced is None
    (told,) = case.said(events.COPY_UNUSABLE)
    assert case.refusal in told
    case.refusal, case.branch.down = "", False
    assert case.revisions.look(None)
    assert case.enforced == "two"


def test_a_revision_is_not_applied_before_it_is_stored(stored: Case) -> None:
    """The store is asked again, and the revision remains the active one."""
    assert stored.copies is not None
    stored.branch.push("three", before=("one", "two"))
    stored.revisions.look("two")
    stored.copies.down = True
    for _ in range(2):
        with pytest.raises(errors.StoreUnreachable):
            stored.revisions.withheld("two")
    stored.copies.down = False
    assert not stored.revisions.withheld("two")
    assert stored.copies.copy is not None
    assert stored.copies.copy.revision == "three"


def test_a_revision_that_is_withheld_is_not_stored(stored: Case) -> None:
    """It was not accepted: what a later process restores is the one before."""
    assert stored.copies is not None
    stored.copies.copy = None
    rewrite(stored.branch)
    case = restarted(stored)
    case.revisions.look(None)
    assert case.revisions.withheld("two")
    assert stored.copies.copy is None
