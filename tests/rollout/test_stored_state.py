"""What is remembered fits ECS's tags, comes back as it was, and is lost without harm."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model import formats
from reconciler.rollout import actions, state_tags, stored_state
from reconciler.rollout.actions import WriteState
from reconciler.rollout.attempts import Attempt, Rejection, Retry, TaskRun
from reconciler.rollout.release import Version
from reconciler.rollout.requests import (
    Pause,
    Request,
    RequestRefusal,
    RequestRefusalCode,
    RequestVerb,
    Response,
    handled_of,
    intent_of,
)
from reconciler.rollout.stored_state import (
    KEPT_RELEASES,
    KEYS,
    STOPPED,
    Actor,
    Deadline,
    DeadlineKind,
    EngineChange,
    Outcome,
    RolloutResult,
    StoredState,
    Verdict,
)
from tests.model.accepted_tags import TEXTS, assert_accepted
from tests.rollout.facts import NOW

MOMENTS = st.integers(1, 4_000_000_000).map(lambda at: datetime.fromtimestamp(at, UTC))
RELEASES = st.from_regex(r"[0-9a-f]{6,12}", fullmatch=True)
REVISIONS = st.from_regex(re.compile(r"[A-Za-z][\w-]{0,50}:[1-9]\d{0,5}", re.ASCII), fullmatch=True)
VERSIONS = st.builds(Version, RELEASES, REVISIONS)
DEADLINES = st.builds(
    Deadline,
    RELEASES,
    st.sampled_from([one for one in DeadlineKind if one is not DeadlineKind.GATE]),
    MOMENTS,
    st.integers(0, 100),
    st.just("") | RELEASES,
) | st.builds(Deadline, RELEASES, st.just(DeadlineKind.GATE), st.none() | MOMENTS)


@st.composite
def intents(draw: st.DrawFn) -> Request:
    verb = draw(st.sampled_from(RequestVerb))
    seconds = draw(st.integers(1, 9_999_999)) if verb is RequestVerb.EXTEND else 0
    who = draw(st.sampled_from(["ana@laptop", "arn:aws:sts::1:assumed-role/x/ana", "ana maria", "ünï", ""]))
    back = verb is RequestVerb.ROLLBACK and draw(st.booleans())
    to, revision = (draw(RELEASES), draw(st.integers(1, 999_999))) if back else ("", 0)
    return Request(verb, draw(RELEASES), draw(RELEASES), draw(MOMENTS), who, draw(TEXTS), seconds, to, revision)


def stored(**fields: Any) -> StoredState:
    """A state with these `fields`, written and read again."""
    put, _ = state_tags.written(StoredState(), StoredState(**fields))
    return state_tags.of_tags(put)


@given(TEXTS, TEXTS, TEXTS)
def test_every_tag_is_accepted_whatever_text_comes_in(release: str, who: str, why: str) -> None:
    """A reason that a person types, an error of AWS, the id that another tool gave its task set: one value that ECS
    refuses would keep every other from being written, and one that is not read again would make the service read-only.
    """
    version = Version(release, f"{release}:7")
    state = StoredState(
        deadline=Deadline(release, DeadlineKind.TO, NOW, 50),
        request=Request(RequestVerb.ROLLBACK, release, who, NOW, who, why, to=release, revision=7),
        response=Response(who, RequestRefusal(RequestRefusalCode.EXPIRED, why)),
        quarantine=(release,) * KEPT_RELEASES,
        ended=RolloutResult(release, Outcome.FAILED, "testing", NOW, Actor.ENGINE, why),
        rejected=Rejection(release, release),
        hold=Pause(who, release),
        suspended=Pause(who),
        previous=version,
        rollback_target=version,
        live=version,
        task_run=TaskRun(release, 7, NOW, who),
        started=version,
        attempt=Attempt(release, NOW),
        retry=Retry(release, 2, NOW),
        cleared=(release,) * KEPT_RELEASES,
        engine_change=EngineChange("task_sets", "ecs_native", NOW),
        verdicts=(Verdict(release, Outcome.FAILED, NOW, "5b1e08", why),) * KEPT_RELEASES,
    )
    put, _ = state_tags.written(StoredState(), state)
    assert put.keys() <= {*KEYS.values(), *stored_state.VERDICT_KEYS}
    assert not state_tags.of_tags(put).unreadable
    assert state_tags.of_tags(put).engine_change == state.engine_change
    for value in put.values():
        assert_accepted(value)


@pytest.mark.parametrize(("length", "read"), [(200, True), (238, False)])
def test_a_version_whose_number_may_be_cut_was_lost(length: int, read: bool) -> None:
    """A longer name of the family leaves no room for all of the revision's number; what is left is another revision."""
    version = Version("3f2a91c05d6e", f"{'f' * length}:12345")
    assert stored(previous=version).previous == (version if read else None)
    cut = state_tags.of_tags({KEYS["previous"]: f"3f2a91c05d6e:{'f' * length}:12345"[:256]})
    assert (cut.previous, cut.unreadable) == (version if read else None, "")


TASK_RUNS = st.builds(
    TaskRun,
    RELEASES,
    st.integers(1, 999_999),
    MOMENTS,
    st.just("") | st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
    st.booleans(),
    st.just("") | RELEASES,
)


@given(TASK_RUNS, st.lists(RELEASES, unique=True, max_size=KEPT_RELEASES))
def test_a_run_of_a_pre_deployment_task_is_read_as_it_was_written(run: TaskRun, cleared: list[str]) -> None:
    """Through tags and back, nothing changes."""
    state = StoredState(task_run=run, cleared=tuple(cleared))
    put, _ = state_tags.written(StoredState(), state)
    assert state_tags.of_tags(put) == state


@given(DEADLINES, st.lists(RELEASES, unique=True, max_size=KEPT_RELEASES), VERSIONS, VERSIONS, st.sampled_from(Actor))
def test_what_is_written_is_what_is_read(
    deadline: Deadline, quarantine: list[str], previous: Version, back: Version, by: Actor
) -> None:
    """Through tags and back, nothing changes."""
    full = StoredState(
        deadline, quarantine=tuple(quarantine), previous=previous, rollback_target=back, hold=Pause("ana", "b")
    )
    full = replace(
        full, suspended=Pause("bob"), ended=RolloutResult("b", Outcome.FAILED, "scaling_up", NOW, by, "why: not")
    )
    put, drop = state_tags.written(StoredState(), full)
    assert not drop
    assert state_tags.of_tags(put) == full


@given(st.sampled_from(Actor), TEXTS)
def test_who_ended_a_rollout_is_told_apart_from_the_reason(by: Actor, why: str) -> None:
    """Whatever the reason says and however long it is."""
    result = RolloutResult("b", Outcome.ROLLED_BACK, "rolling_back", NOW, by, f"somebody said rollback:person:{why}")
    found = stored(ended=result).ended
    assert found is not None
    assert (found.release, found.outcome, found.phase, found.at, found.by) == (
        "b",
        Outcome.ROLLED_BACK,
        "rolling_back",
        NOW,
        by,
    )


@pytest.mark.parametrize(
    "text", ["b:Failed:scaling_up:1:somebody:why", "b:Failed:scaling_up:1:why", "b:Failed:scaling_up:1"]
)
def test_an_ending_by_nobody_we_know_is_not_read(text: str) -> None:
    """There is no default for who it was."""
    found = state_tags.of_tags({KEYS["ended"]: text})
    assert found.ended is None
    assert found.unreadable


@given(intents())
def test_a_word_survives_the_tag(request: Request) -> None:
    """Verb, release, id, time and length exactly; names and reasons as far as a tag can say them."""
    found = stored(request=request).request
    assert found is not None
    assert (found.verb, found.release, found.id, found.at, found.seconds) == (
        request.verb,
        request.release,
        request.id,
        request.at,
        request.seconds,
    )
    assert found.by == (request.by or "unknown")


@pytest.mark.parametrize("why", ['3 tasks, "api" stopped: it\'s (502) {broken}; 10 % = 10%', "für 🚀", "a=27"])
def test_a_reason_comes_back_as_it_was_given(why: str) -> None:
    """With commas, quotes, brackets, percent signs and what looks like an escape."""
    by = "arn:aws:sts::1:assumed-role/x/ana"
    state = StoredState(
        request=Request(RequestVerb.PROMOTE, "b", "1", NOW, by, why),
        response=Response("1", RequestRefusal(RequestRefusalCode.UNHEALTHY, why)),
        ended=RolloutResult("b", Outcome.FAILED, "testing", NOW, Actor.ENGINE, why),
        hold=Pause(why, "b"),
        suspended=Pause(by),
    )
    put, _ = state_tags.written(StoredState(), state)
    assert state_tags.of_tags(put) == state


@given(RELEASES, st.none() | st.sampled_from(RequestRefusalCode), TEXTS)
def test_an_answer_survives_the_tag(identifier: str, code: RequestRefusalCode | None, why: str) -> None:
    """The caller finds its own id in it, and the code of the refusal whatever its reason says."""
    refusal = None if code is None else RequestRefusal(code, f"{why}:accepted")
    found = stored(response=Response(identifier, refusal)).response
    assert found is not None
    assert (found.id, found.accepted) == (identifier, code is None)
    assert (None if found.refusal is None else found.refusal.code) is code


@pytest.mark.parametrize("text", ["", "1", "1:refused", "1:refused:it is late", "1:yes"])
def test_an_answer_that_makes_no_sense_is_not_taken_for_none(text: str) -> None:
    """The request would be executed once more."""
    assert handled_of(text) is None
    assert state_tags.of_tags({KEYS["response"]: text}).unreadable


def test_an_answer_with_the_code_of_a_newer_version_is_an_answer() -> None:
    """The code is passed on as it is."""
    assert handled_of("1:refused:no-such-code:why") == Response("1", RequestRefusal("no-such-code", "why"))


def test_every_code_of_a_refusal_is_short_and_fits_a_tag() -> None:
    """Small letters and hyphens; however long the reason, it is the reason that is cut."""
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) and len(code) <= 20 for code in RequestRefusalCode)


@given(st.dictionaries(st.sampled_from(sorted(KEYS.values())), TEXTS))
def test_tags_that_make_no_sense_are_not_tags_that_are_missing(tags: dict[str, str]) -> None:
    """Whatever somebody wrote there, nothing breaks, and all of it is read or the service is read-only."""
    found = state_tags.of_tags(tags)
    read = {key for name, key in KEYS.items() if getattr(found, name) not in (None, ())}
    empty = {KEYS[name] for name in ("quarantine", "cleared") if not tags.get(KEYS[name], "x").strip()}
    assert found.unreadable or tags.keys() - empty - {KEYS["request"], KEYS["times"]} <= read


@pytest.mark.parametrize("key", sorted({*KEYS.values(), *stored_state.VERDICT_KEYS} - {KEYS["request"], KEYS["times"]}))
def test_a_value_of_a_newer_version_is_named(key: str) -> None:
    """Each tag by itself, beside others that can be read, which are read."""
    tags = {KEYS["suspended"]: "-:ana", key: "2|whatever comes"}
    found = state_tags.of_tags(tags)
    if key not in (KEYS["quarantine"], KEYS["cleared"]):  # any words are releases
        assert key in found.unreadable
    assert found.suspended == Pause("ana") or key == KEYS["suspended"]


@pytest.mark.parametrize("text", ["2", "0", "", "1.1", "one"])
def test_an_unknown_format_is_not_read(text: str) -> None:
    """Whatever the known keys say beside it. Without the tag, and with ours, all is read."""
    tags, _ = state_tags.written(StoredState(), StoredState(quarantine=("b",)))
    for known in ({}, formats.state_tags()):
        assert state_tags.of_tags(tags | known) == StoredState(quarantine=("b",))
    found = state_tags.of_tags({**tags, formats.KEY: text})
    assert formats.KEY in found.unreadable
    assert found.quarantine == ("b",)


@pytest.mark.parametrize(
    "text",
    ["", "promote", "promote:b", "promote:b:1:x:a"],
)
def test_what_is_not_a_request_asks_for_nothing(text: str) -> None:
    """Whoever may tag the service may write it, and it stops nothing either."""
    assert intent_of(text) is None
    assert not state_tags.of_tags({KEYS["request"]: text}).unreadable


@pytest.mark.parametrize("verb", ["destroy", "extend", "promote+5", "promote+b.7", "shift+50%"])
def test_a_verb_that_is_not_known_is_passed_on(verb: str) -> None:
    """A newer version may have sent it: it is refused, so its sender learns it, and it is never written differently."""
    found = intent_of(f"{verb}:b:1:1:ana")
    assert found is not None
    assert (found.verb, found.id, found.text()) == (verb, "1", f"{verb}:b:1:1:ana")


def test_a_long_identity_keeps_the_name_of_the_person() -> None:
    """Single sign-on makes roles of 51 characters, and the session behind them is who it was."""
    who = "assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/ana.lopez@example.com"
    found = intent_of(Request(RequestVerb.PROMOTE, "b", "1", NOW, who, "why").text())
    assert found is not None
    assert (found.by, found.why) == ("assumed-role/AWSReservedSSO_Administrat../ana.lopez@example.com", "why")


def test_a_clock_without_an_end_is_the_gates_alone() -> None:
    """Any other would never be over."""
    assert state_tags.of_tags({KEYS["deadline"]: "b:warm:-"}).unreadable
    assert state_tags.of_tags({KEYS["deadline"]: "b:gate:-"}).deadline == Deadline("b", DeadlineKind.GATE)


def test_a_deadline_is_rounded_up() -> None:
    """A tag says whole seconds; late is allowed, early is not."""
    odd = NOW + timedelta(milliseconds=1)
    found = stored_state.deadline("b", DeadlineKind.WARM, odd, timedelta(hours=1))
    assert found.at == NOW + timedelta(hours=1, seconds=1)
    assert not found.passed(NOW + timedelta(hours=1))


def test_only_what_differs_is_written() -> None:
    """What somebody else writes at the same time stays theirs."""
    before = StoredState(quarantine=("a",), hold=Pause("ana", "b"), suspended=Pause("bob"))
    after = replace(before, quarantine=("a", "b"), hold=None)
    assert state_tags.written(before, after) == ({KEYS["quarantine"]: "a b"}, (KEYS["hold"],))
    said = Request(RequestVerb.PROMOTE, "b", "1", NOW, "ana")
    assert WriteState(before, after).on(replace(before, request=said)) == replace(after, request=said)


def test_the_quarantine_keeps_the_newest() -> None:
    """As many as a tag holds."""
    full = StoredState(quarantine=tuple(f"{number:012x}" for number in range(KEPT_RELEASES)))
    after = replace(full, quarantine=full.with_quarantined("f" * 12))
    put, _ = state_tags.written(full, after)
    assert len(put[KEYS["quarantine"]]) <= 256
    assert after.quarantined("f" * 12)
    assert not after.quarantined(f"{0:012x}")


WHYS = st.text(st.sampled_from("ab, +:'=2C"), max_size=20).map(lambda text: " ".join(text.split()))
JUDGES = st.sampled_from(["", "r5b1e08.1a2b.3c4d", "-.1a2b.3c4d"])
VERDICTS = st.builds(
    Verdict,
    RELEASES,
    st.sampled_from(sorted(STOPPED)),
    MOMENTS,
    st.sampled_from(["", "r5b1e08.1a2b.3c4d", "-.1a2b.3c4d"]),
    WHYS,
)


@given(st.lists(VERDICTS, max_size=KEPT_RELEASES))
def test_why_releases_are_quarantined_is_read_as_it_was_written(verdicts: list[Verdict]) -> None:
    """Of as many as are kept, in their order; in full while there are few."""
    found = stored(verdicts=tuple(verdicts)).verdicts
    assert [replace(one, why="") for one in found] == [replace(one, why="") for one in verdicts]
    assert all(one.why.startswith(other.why.rstrip()) for one, other in zip(verdicts, found, strict=True))
    if len(verdicts) <= len(stored_state.VERDICT_KEYS):
        assert found == tuple(verdicts)


def test_a_reason_keeps_some_words_however_many_releases_are_quarantined() -> None:
    """They share four tags."""
    why = "3 tasks stopped unexpectedly, the last one of them with exit code 137"
    full = tuple(
        Verdict(f"{number:012x}", Outcome.ROLLED_BACK, NOW, "r5b1e08.1a2b.3c4d", why) for number in range(KEPT_RELEASES)
    )
    assert {one.why for one in stored(verdicts=full).verdicts} == {why[:10]}


def stopped(release: str, by: Actor = Actor.ENGINE, outcome: Outcome = Outcome.FAILED, why: str = "5xx") -> Any:
    """What a rollout stores as it stops."""
    return {"ended": RolloutResult(release, outcome, "verifying", NOW, by, why)}


def test_the_reason_of_a_quarantine_outlasts_the_next_rollout() -> None:
    """It goes when the quarantine is lifted."""
    (write,) = actions.stored(StoredState(), {"quarantine": ("b",), **stopped("b")}, "5b1e08")
    failed = write.after.verdict_of("b")
    assert failed == Verdict("b", Outcome.FAILED, NOW, "5b1e08", "5xx")
    (write,) = actions.stored(write.after, {"ended": RolloutResult("c", Outcome.PROMOTED, "baking", NOW, Actor.TIMER)})
    assert write.after.verdict_of("b") == failed
    (write,) = actions.stored(write.after, {"quarantine": ("b", "d"), **stopped("d", Actor.PERSON)}, "5b1e08")
    assert write.after.verdict_of("d") == Verdict("d", Outcome.FAILED, NOW, "", "5xx")
    (write,) = actions.stored(write.after, {"quarantine": ("d",)})
    assert [one.release for one in write.after.verdicts] == ["d"]


def test_what_a_person_rolls_back_has_a_new_reason() -> None:
    """It had failed before; what stopped it last is what its phase is read from."""
    (write,) = actions.stored(StoredState(), {"quarantine": ("c",), **stopped("c")}, "5b1e08")
    back = stopped("b", Actor.PERSON, Outcome.ROLLED_BACK, "rollback requested by ana")
    (write,) = actions.stored(write.after, {"quarantine": ("c",), **back}, "5b1e08")
    assert write.after.verdict_of("c") == Verdict("c", Outcome.ROLLED_BACK, NOW, "", "rollback requested by ana")


def test_tags_of_others_are_left_alone() -> None:
    """Only our own are read."""
    assert state_tags.of_tags({"team": "x", "reconciler:stack": "y"}) == StoredState()
