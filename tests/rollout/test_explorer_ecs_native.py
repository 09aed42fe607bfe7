"""The proof that the walk sees bugs of the engine `ecs_native`: each guard that is taken away is missed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.rollout.blue_green import gates
from reconciler.rollout.engine import Phase
from reconciler.rollout.engines.ecs_native import decisions, endings, hooks
from reconciler.rollout.engines.ecs_native.actions import ContinueDeployment, StopDeployment
from reconciler.rollout.engines.ecs_native.facts import Deployment, HookAction, PauseHook
from reconciler.rollout.strategy import Promotion
from tests.rollout import world
from tests.rollout.explorer import explore, reached
from tests.rollout.test_explorer import POLICIES, starts

POLICY = POLICIES["ecs_native: timed, tested"]
MOST = 4_000

Patch = Callable[[pytest.MonkeyPatch], None]
BUGS: dict[str, tuple[Phase | None, str, Patch]] = {}


def bug(phase: Phase | None, when: str = "") -> Callable[[Patch], Patch]:
    """`phase` is where a rollout is when it can show; None: in one in which nothing goes wrong but the version. `when`
    is in the names of the mishaps that are looked at.
    """

    def add(patch: Patch) -> Patch:
        BUGS[patch.__name__] = (phase, when, patch)
        return patch

    return add


@bug(None)
def the_tests_hook_is_continued_before_they_have_passed(patch: pytest.MonkeyPatch) -> None:
    def tested(s: Any, seen: Any) -> Any:
        hook = None if seen.active is None else hooks.tests(seen.active)
        return () if hook is None else (ContinueDeployment(seen.active.id, hook.id, at_gate=False),)

    patch.setattr(decisions, "_tested", tested)


@bug(None)
def the_gate_is_taken_for_the_tests_hook(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(hooks, "_at_gate", lambda deployment, hook: hook.then is HookAction.ROLLBACK)


@bug(None)
def a_timed_gate_rolls_back(patch: pytest.MonkeyPatch) -> None:
    declared = hooks.declared

    def rolling_back(policy: Any, **more: bool) -> tuple[PauseHook, ...]:
        return tuple(replace(one, then=HookAction.ROLLBACK) for one in declared(policy, **more))

    patch.setattr(hooks, "declared", rolling_back)


@bug(Phase.AWAITING_PROMOTION)
def promotion_stops_the_deployment(patch: pytest.MonkeyPatch) -> None:
    def stopped(seen: Any, active: Deployment, weights: Any) -> Any:
        yield StopDeployment(active.id)

    patch.setattr(decisions, "_production", stopped)


@bug(Phase.AWAITING_PROMOTION, "falls ill")
def it_promotes_without_looking_at_health(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(gates, "not_ready", lambda s: None)


@bug(Phase.AWAITING_PROMOTION, "falls ill")
def ecs_timer_promotes_what_is_ill(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(endings, "ill_at_the_gate", lambda policy, seen, now: None)


@bug(Phase.AWAITING_PROMOTION, "stops")
def the_end_of_a_deployment_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(endings, "ended", lambda policy, seen, now: None)


@bug(Phase.AWAITING_PROMOTION, "production to")
def what_was_taken_back_in_the_bake_time_is_not_noticed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Deployment, "gave_all", lambda self, now: False)


@bug(Phase.BAKING, "scaling")
def scaling_in_goes_on_while_ecs_finishes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decisions, "_without_scaling_in", lambda policy, seen, decided, result, now: result)


@bug(Phase.BAKING, "rollback")
def a_request_is_accepted_by_a_deployment_that_has_succeeded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(endings, "_undoing", lambda seen, ours, now: seen.marks.pending_request)


@bug(Phase.SCALING_UP, "deploys")
def a_deployment_of_somebody_else_is_taken_for_none(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(endings, "foreign_deployment", lambda seen: None)


@bug(Phase.VERIFYING, "suspend")
def a_service_that_is_suspended_is_written_to(patch: pytest.MonkeyPatch) -> None:
    original = endings.ended

    def ended(policy: Any, seen: Any, now: Any) -> Any:
        return original(policy, replace(seen, marks=replace(seen.marks, suspended=None)), now)

    patch.setattr(endings, "ended", ended)


CONNECTED = {
    "timed": POLICIES["ecs_native: timed, tested"],
    "nobody asked": world.policy(engine="ecs_native", promotion=Promotion.AUTO),
}


@pytest.mark.parametrize("name", CONNECTED)
@pytest.mark.parametrize("most", [1_000, pytest.param(None, marks=pytest.mark.slow)])
def test_no_promise_is_broken_without_a_load_balancer(name: str, most: int | None) -> None:
    """ECS alone shifts what comes in by Service Connect: nobody else moves it, and no listener is written to."""
    policy = replace(CONNECTED[name], tests=())
    begins = [one._replace(seen=replace(one.seen, connected=True)) for one in starts(1, policy)]
    report = explore(policy, begins, most=most, only=lambda event: not event.startswith("production "))
    assert not report.broken, "\n".join(report.broken)
    assert report.states >= (most or 5_000)


QUICK = ("the_tests_hook_is_continued_before_they_have_passed", "a_timed_gate_rolls_back")


@pytest.mark.parametrize("name", [pytest.param(one, marks=[] if one in QUICK else [pytest.mark.slow]) for one in BUGS])
def test_a_seeded_bug_of_the_translation_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the first few thousand states from where it can show."""
    phase, when, patch = BUGS[name]
    begins = starts(0, POLICY) if phase is None else [reached(POLICY, phase, 1)]
    patch(monkeypatch)
    report = explore(POLICY, begins, most=MOST, only=lambda event: when in event)
    print(f"{name}: {report.broken[-1:]} after {report}")
    assert report.broken, f"{name} broke nothing in {report}"
