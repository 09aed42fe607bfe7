"""The table of requests: each cell does what it says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from docs import requests
from docs.requests import EARLIER_REVISION, ROWS, SUSPENDED, Look
from reconciler.rollout.actions import WriteState
from reconciler.rollout.engine import Engine, Phase, engines
from reconciler.rollout.requests import RequestVerb, Response
from reconciler.rollout.state import ObservedService

LONGEST = 600  # looks: a version on hold waits for ever

PLAYED = tuple(phase for phase in Phase if phase is not Phase.BLOCKED)
"""What a simulation passes through."""


@dataclass(frozen=True)
class End:
    """`first`: the look at which the answer is there; `last`: the end of the rollout; `later`: all phases since."""

    first: Look
    last: Look
    later: tuple[Phase, ...]


@pytest.mark.parametrize("name", engines())
def test_what_is_offered_is_what_the_table_says(name: str) -> None:
    """`status` names the requests that an engine would accept: the same ones, but for a second suspension."""
    engine = engines()[name]
    table, policy = requests.table(engine), requests.policy_of(engine)
    for column, look in requests.looks(engine).items():
        accepted = {verb for (verb, to), row in table.items() if not to and row[column].accepted}
        assert set(engine.allowed_requests(policy, look.facts, look.now)) == accepted, column


@pytest.mark.parametrize(("verb", "to"), ROWS)
@pytest.mark.parametrize("name", engines())
def test_what_is_accepted_has_its_effect(name: str, verb: RequestVerb, to: str) -> None:
    """Asked for at that moment of a rollout, which then goes on to its end."""
    engine = engines()[name]
    row = requests.table(engine)[verb, to]
    for phase in (phase for phase in PLAYED if phase in row and row[phase].accepted):
        before, end = _played(engine, phase, verb, to)
        after, wanted = end.last.facts, before.facts.wanted
        marks, deadlines = after.marks, (before.facts.marks.deadline, end.first.facts.marks.deadline)
        match verb:
            case RequestVerb.PROMOTE:
                assert (end.last.step.phase, _in_production(after)) == (Phase.IDLE, f"{wanted}:1")
            case RequestVerb.ROLLBACK | RequestVerb.ABORT:
                left = _in_production(after)
                assert left != (f"{wanted}:1"), phase
                assert not to or left in (f"{wanted}:{EARLIER_REVISION}", f"{to}:1"), phase  # as the script names them
                assert marks.quarantined(wanted), phase
            case RequestVerb.FINISH:
                assert end.last.now - before.now < requests.policy_of(engine).teardown_after
                assert [one.release for one in after.alive] == [wanted]
            case RequestVerb.SUSPEND:
                assert marks.suspended is not None
                assert end.first.facts.sets == after.sets, phase
            case RequestVerb.HOLD:
                assert end.first.facts.marks.hold_of(before.step.release) is not None
            case RequestVerb.EXTEND:
                assert [one.at for one in deadlines if one is not None and one.at is not None][1:] == [
                    max(before.facts.marks.deadline.at, before.now) + timedelta(seconds=60)  # type: ignore[union-attr,type-var]
                ]
            case RequestVerb.RETRY:
                assert not end.first.facts.marks.quarantined(wanted)
            case RequestVerb.RESUME:
                raise AssertionError("nothing is suspended in a simulation")


def test_resume_lifts_a_suspension() -> None:
    for engine in engines().values():
        look = requests.looks(engine)[SUSPENDED]
        asked = replace(look.facts.marks, request=requests.request_of(look, RequestVerb.RESUME))
        step = engine.decide(requests.policy_of(engine), replace(look.facts, marks=asked), look.now)
        (written,) = (one.after for one in step.decisions if isinstance(one, WriteState))
        assert written.suspended is None
        assert written.response == Response("table")


def _played(engine: Engine, phase: Phase, verb: RequestVerb, to: str) -> tuple[Look, End]:
    """The look of that phase that the table shows, at which the request is made, and what follows."""
    shown = requests.looks(engine)[phase]
    for simulation in requests.simulations(engine):
        before: Look | None = None
        later = list[Look]()
        for step in simulation.steps():
            look = Look(simulation.facts, step, simulation.now)
            if before is not None:
                later.append(look)
                if len(later) == LONGEST:
                    break
            elif look == shown:
                before = look
                marks = replace(simulation.seen.marks, request=requests.request_of(look, verb, to))
                simulation.seen = replace(simulation.seen, marks=marks)
        if before is not None:
            answered = next((one for one in later if one.facts.marks.response == Response("table")), None)
            assert answered is not None, f"{phase}: not answered"
            return before, End(answered, later[-1], tuple(one.step.phase for one in later))
    raise AssertionError(f"no simulation has the phase {phase}")


def _in_production(facts: ObservedService) -> str:
    """The revision that has all of production, or most of it."""
    up = [one for one in facts.alive if one.scale]
    if not up or facts.production is None:
        return ""
    return max(up, key=lambda one: (facts.production[one.slot], one.primary)).task_definition  # type: ignore[index]
