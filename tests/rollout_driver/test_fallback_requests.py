"""Requests to a service that runs on demand what another one lacks: those about a version belong to that one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.resource import Address
from reconciler.rollout.actions import WriteState
from reconciler.rollout.engine import engines
from reconciler.rollout.fallback_state import FallbackTerms, MainService
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Request, RequestRefusalCode, RequestVerb, Response
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.stored_state import Deadline, DeadlineKind, StoredState
from reconciler.rollout.strategy import Strategy
from reconciler.rollout_driver.fallback import OF_ITS_OWN, FallbackTarget
from tests.rollout.facts import MINUTE, NOW

TARGET = FallbackTarget(FallbackTerms(Address("service", "web"), 5 * MINUTE, 5 * MINUTE), "arn:web")
ROLLING = engines()["rolling"]


def on_demand(*, deploying: bool) -> ObservedService:
    """Two tasks of B run on demand, and A ran before; `deploying`: B is still being deployed."""
    old = TaskSet("1", "A", 0, NOW - 2 * MINUTE, running=2, task_definition="web:1")
    new = TaskSet("2", "B", 0, NOW - MINUTE, primary=True, running=2, steady=not deploying, task_definition="web:2",
                  state="IN_PROGRESS" if deploying else "COMPLETED")  # fmt: skip
    due = Deadline("B", DeadlineKind.ROLL, NOW + 30 * MINUTE) if deploying else None
    live = Version("A", "web:1") if deploying else Version("B", "web:2")
    marks = StoredState(live=live, previous=Version("A", "web:1"), deadline=due)
    main = MainService("web", desired=4, running=2, lack="no capacity")
    sets = (old, new) if deploying else (new,)
    return ObservedService("B", 2, sets, None, None, has_test=False, marks=marks, definition="web:2", main=main)


@pytest.mark.parametrize("deploying", [False, True])
@pytest.mark.parametrize("verb", RequestVerb)
def test_requests_about_a_version_name_the_service_to_use(verb: RequestVerb, deploying: bool) -> None:
    """Also those that a rolling deployment has no use for; nothing of them is carried out."""
    seen = on_demand(deploying=deploying)
    request = Request(verb, "B", "i1", NOW, "ana", seconds=60)
    seen = replace(seen, marks=replace(seen.marks, request=request))
    step = TARGET.step(ROLLING.decide(Strategy(engine="rolling"), seen, NOW), seen, NOW)
    responses = [one.after.response for one in step.decisions if isinstance(one, WriteState)]
    refused = [one for one in responses if isinstance(one, Response) and one.refusal is not None]
    if verb in OF_ITS_OWN:
        assert all(one.refusal.code is not RequestRefusalCode.UNSUPPORTED for one in refused if one.refusal)
        return
    (response,) = refused
    assert response.refusal is not None
    assert response.refusal.code is RequestRefusalCode.UNSUPPORTED
    assert f"{verb} that instead" in response.refusal.why
    assert "service/web" in response.refusal.why
    assert step.ended is None
    assert all({*one.fields} <= {"response", "request"} for one in step.decisions if isinstance(one, WriteState))
