"""Reference of what a request does in each phase, by engine: every cell is what the engine decides.

The phases are those that a simulated rollout passes through, and the answers are given by the code that answers people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from typing import Final, NamedTuple

from reconciler.rollout.actions import WriteState
from reconciler.rollout.engine import Engine, Phase, RolloutStep, TrafficShifter, engines
from reconciler.rollout.pre_deployment import PreDeployment
from reconciler.rollout.requests import Pause, Request, RequestVerb, Response
from reconciler.rollout.simulation import Simulation
from reconciler.rollout.state import ObservedService
from reconciler.rollout.strategy import Promotion, Share, SmokeTest, Strategy

DESIRED: Final = 2

SUSPENDED: Final = "suspended"
"""A column of its own: it is no phase, but a state that a service can have in every phase."""

COLUMNS: Final = (*(phase for phase in Phase if phase is not Phase.CHANGING_ENGINE), SUSPENDED)


class Look(NamedTuple):
    """What an engine decided by, what it decided, and when."""

    facts: ObservedService
    step: RolloutStep
    now: datetime


def policy_of(engine: Engine) -> Strategy:
    """A strategy that has every phase the engine can have."""
    if engine.shifts_traffic is TrafficShifter.NOBODY:
        return Strategy(engine=engine.name)
    return Strategy(
        engine=engine.name,
        tests=(SmokeTest("/"),),
        promotion=Promotion.MANUAL,
        shares=(Share(10, timedelta(minutes=5)),),
    )


def simulations(engine: Engine) -> tuple[Simulation, ...]:
    """Rollouts that have every phase between them, the earlier ones in the usual way."""
    policy, task = policy_of(engine), PreDeployment("migrate", revision=1)
    return (
        Simulation(policy, DESIRED),
        Simulation(policy, DESIRED, first=True),
        Simulation(policy, DESIRED, Phase.PRE_DEPLOYMENT, task=task),
        Simulation(policy, DESIRED, Phase.SCALING_UP),
        Simulation(policy, DESIRED, Phase.VERIFYING),
    )


@cache
def looks(engine: Engine) -> Mapping[str, Look]:
    """Column → the first look of that phase at which nothing is to be done, or else the last of all."""
    policy, found = policy_of(engine), dict[str, Look]()
    for simulation in simulations(engine):
        met = dict[str, Look]()
        for step in simulation.steps():
            before = met.get(step.phase)
            if before is None or before.step.decisions:
                met[step.phase] = Look(simulation.facts, step, simulation.now)
        found = met | found
    if engine.shifts_traffic is not TrafficShifter.NOBODY and Phase.AWAITING_PROMOTION in found:
        found[Phase.BLOCKED] = _blocked(engine, policy, found[Phase.AWAITING_PROMOTION])
    idle = found[Phase.IDLE]
    paused = replace(idle.facts, marks=replace(idle.facts.marks, suspended=Pause("ana")))
    found[SUSPENDED] = idle._replace(facts=paused)
    return found


def _blocked(engine: Engine, policy: Strategy, look: Look) -> Look:
    """Somebody has given production to the new version by hand."""
    facts = replace(look.facts, production=None)
    return Look(facts, engine.decide(policy, facts, look.now), look.now)


def request_of(look: Look, verb: RequestVerb, to: str = "") -> Request:
    release = look.facts.wanted if verb is RequestVerb.RETRY else look.step.release or look.facts.wanted
    return Request(verb, release, "table", look.now, "ana", seconds=60, to=to, revision=EARLIER_REVISION if to else 0)


def answer(engine: Engine, look: Look, verb: RequestVerb, to: str = "") -> Response:
    """What the engine answers to a request that is made at that moment."""
    marks = replace(look.facts.marks, request=request_of(look, verb, to), response=None)
    asked = replace(look.facts, marks=marks)
    step = engine.decide(policy_of(engine), asked, look.now)
    written = [one.after.response for one in step.decisions if isinstance(one, WriteState) and one.after.response]
    (found,) = written
    return found


EARLIER: Final = "an-earlier-one"
EARLIER_REVISION: Final = 7
ROWS: Final = (*((verb, "") for verb in RequestVerb), (RequestVerb.ROLLBACK, EARLIER))


def table(engine: Engine) -> dict[tuple[RequestVerb, str], dict[str, Response]]:
    """Row → column → answer."""
    met = looks(engine)
    return {
        (verb, to): {column: answer(engine, met[column], verb, to) for column in COLUMNS if column in met}
        for verb, to in ROWS
    }


def page() -> str:
    parts = [
        "# Requests\n",
        "What `reconciler promote`, `rollback` and the other requests do in each phase of a rollout, by the engine of "
        "the strategy. **yes**: the request is accepted. Anything else is the code with which it is refused; a "
        "refused request changes nothing. The phases, the requests and the codes are explained in "
        "[Rollouts](../guides/rollouts.md).\n",
        f"`{SUSPENDED}` is a service at rest that is suspended.\n",
    ]
    for name, engine in sorted(engines().items()):
        answers = table(engine)
        verbs = [f"`{verb}{' --to' if to else ''}`" for verb, to in answers]
        parts += [f"## {name}\n", f"| phase | {' | '.join(verbs)} |", f"| --- |{' --- |' * len(verbs)}"]
        for column in COLUMNS:
            cells = [row[column] for row in answers.values() if column in row]
            if cells:
                told = ("**yes**" if one.refusal is None else f"{one.refusal.code}" for one in cells)
                parts.append(f"| `{column}` | {' | '.join(told)} |")
        parts.append("")
    return "\n".join(parts)
