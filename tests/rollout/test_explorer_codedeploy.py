"""The proof that the walk sees bugs of the CodeDeploy engine: each guard that is taken away is missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from reconciler.rollout.blue_green import gates
from reconciler.rollout.engine import Phase
from reconciler.rollout.engines.codedeploy import decisions, observation, outside
from reconciler.rollout.engines.codedeploy.actions import ShiftTraffic, StopDeployment
from reconciler.rollout.state import Scaling
from tests.rollout.explorer import explore, reached
from tests.rollout.test_explorer import POLICIES, starts

POLICY = POLICIES["codedeploy: timed, tested"]
MOST = 4_000

Patch = Callable[[pytest.MonkeyPatch], None]
BUGS: dict[str, tuple[Phase | None, Patch]] = {}


def bug(phase: Phase | None) -> Callable[[Patch], Patch]:
    """`phase` is where a rollout is when it can show; None: in one in which nothing goes wrong but the version."""

    def add(patch: Patch) -> Patch:
        BUGS[patch.__name__] = (phase, patch)
        return patch

    return add


@bug(Phase.SCALING_UP)
def a_deployment_of_somebody_else_is_taken_for_none(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outside, "foreign_deployment", lambda seen: None)


@bug(None)
def scaling_in_stays_suspended_beside_a_first_version_that_failed(patch: pytest.MonkeyPatch) -> None:
    original = decisions._left_running

    def left_running(s: Any, decided: Any) -> Any:
        return original(replace(s, seen=replace(s.seen, scaling=Scaling.NONE)), decided)

    patch.setattr(decisions, "_left_running", left_running)


@bug(Phase.AWAITING_PROMOTION)
def the_end_of_a_deployment_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outside, "ended", lambda seen, now: None)


@bug(Phase.AWAITING_PROMOTION)
def it_continues_without_looking_at_health(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gates, "not_ready", lambda s: None)


@bug(Phase.AWAITING_PROMOTION)
def it_continues_whatever_is_decided(patch: pytest.MonkeyPatch) -> None:
    original = decisions._translated

    def translated(policy: Any, seen: Any, decided: Any, now: Any) -> Any:
        step = original(policy, seen, decided, now)
        if step.decisions or seen.active is None or not seen.active.ready:
            return step
        return replace(step, decisions=(ShiftTraffic(seen.active.id),), wake_at=now)

    patch.setattr(decisions, "_translated", translated)


@bug(Phase.SHIFTING)
def a_share_that_was_taken_back_is_waited_for(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outside, "gave_all", lambda active, now: False)


@bug(Phase.BAKING)
def what_was_taken_back_by_hand_stays_half_done(patch: pytest.MonkeyPatch) -> None:
    original = decisions._primary

    def primary(s: Any, action: Any) -> Any:
        return tuple(one for one in original(s, action) if not isinstance(one, StopDeployment))

    patch.setattr(decisions, "_primary", primary)


@bug(Phase.BAKING)
def blue_is_let_go_whenever_it_is_kept(patch: pytest.MonkeyPatch) -> None:
    original = decisions._calls

    def calls(s: Any, seen: Any, action: Any) -> Iterator[Any]:
        found = list(original(s, seen, action))
        stops = [one for one in found if isinstance(one, StopDeployment)]
        keeps = seen.active is not None and seen.active.keeps
        yield from decisions._terminated(seen, seen.active) if stops and keeps else found

    patch.setattr(decisions, "_calls", calls)


@bug(Phase.VERIFYING)
def a_deployment_of_ours_is_not_found_again(patch: pytest.MonkeyPatch) -> None:
    original = observation._with_deployments

    def with_deployments(seen: Any, deployments: Any) -> Any:
        found = original(seen, deployments)
        return found if found.active is None else replace(found, active=replace(found.active, release=""))

    patch.setattr(observation, "_with_deployments", with_deployments)


QUICK = ("the_end_of_a_deployment_is_not_noticed", "what_was_taken_back_by_hand_stays_half_done")


@pytest.mark.parametrize("name", [pytest.param(one, marks=[] if one in QUICK else [pytest.mark.slow]) for one in BUGS])
def test_a_seeded_bug_of_the_translation_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the first few thousand states from where it can show."""
    phase, patch = BUGS[name]
    begins = starts(0, POLICY) if phase is None else [reached(POLICY, phase, 1)]
    patch(monkeypatch)
    report = explore(POLICY, begins, most=MOST)
    print(f"{name}: {report.broken[-1:]} after {report}")
    assert report.broken, f"{name} broke nothing in {report}"
