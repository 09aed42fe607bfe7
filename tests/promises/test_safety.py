"""S4, S5, S7 in the product itself: what must not be done is not, nothing more is written, and somebody is told.

Each bug is put into an engine, and the check (reconciler/rollout/safety.py) has to stop it. That it stops nothing else
is for the walk through all states (tests/rollout/test_explorer.py), which asks it about each of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler import events
from reconciler.notifications.message import notice_of
from reconciler.rollout.actions import DeleteTaskSet, SetWeights
from reconciler.rollout.blue_green import cleanup, health, pre_promotion, traffic_shift
from reconciler.rollout.engine import Phase
from reconciler.rollout.state import all_on
from reconciler.rollout_driver.driver import StepResult
from tests.harness.transitions import LivingStack
from tests.promises.conftest import Record
from tests.promises.test_changes import AT_REST, World, documents_of, quiet, with_image, world

__all__ = ["quiet", "world"]

pytestmark = pytest.mark.apart


def _switches_without_looking(patch: pytest.MonkeyPatch) -> None:
    def bring(s: Any, green: Any) -> Any:
        return s.step(Phase.SHIFTING, "up", SetWeights("production", all_on(green.slot), s.seen.production))

    patch.setattr(pre_promotion, "_bring", bring)


def _asks_nobody(patch: pytest.MonkeyPatch) -> None:
    """The first share goes to green as soon as it is healthy."""
    to = pre_promotion._to

    def up(s: Any, green: Any, due: Any) -> Any:
        ready = health.confirmed_healthy(s.policy, s.seen)
        first = s.policy.weights[0]
        return (to if ready else original)(
            s, green, due if not ready else due.__class__(due.release, due.stage, due.at, first)
        )

    original = pre_promotion._up
    patch.setattr(pre_promotion, "_up", up)


def _keeps_nothing_warm(patch: pytest.MonkeyPatch) -> None:
    def warm(s: Any, live: Any, blue: Any, due: Any) -> Any:
        return s.step(Phase.TEARDOWN, "bake time elapsed", *traffic_shift._teardown(s, live, blue))

    patch.setattr(traffic_shift, "_warm", warm)


def _deletes_what_serves(patch: pytest.MonkeyPatch) -> None:
    def rest(s: Any) -> Any:
        return s.step(Phase.IDLE, "up to date", DeleteTaskSet(s.live.id, s.live.slot))

    patch.setattr(cleanup, "rest", rest)


BUGS: dict[str, tuple[str, str, Callable[[pytest.MonkeyPatch], None]]] = {
    "S4: production goes to a version that is not healthy": ("S4", "bad", _switches_without_looking),
    "S4: production goes to a version that nobody approved": ("S4", "v2", _asks_nobody),
    "S5: the previous version goes before its time": ("S5", "v2", _keeps_nothing_warm),
    "S7: the version in production goes": ("S7", "v1", _deletes_what_serves),
}


@pytest.mark.parametrize("what", BUGS)
@pytest.mark.parametrize("world", ["blue_green"], indirect=True)
def test_a_step_that_must_not_be_done_stops_everything(world: World, what: str, record: Record) -> None:
    """Production goes on, drift is not corrected any more, and an event with a code is sent; the process lives on."""
    promise, image, bug = BUGS[what]
    world.brought_to(AT_REST)
    stack = world.stack
    stack.commit(with_image(documents_of(world.strategy), image))
    with pytest.MonkeyPatch.context() as patch:
        bug(patch)
        stack.go(1800.0, lambda: bool(stack.controller.aws.halted))
        assert stack.controller.aws.halted
        stack.watched.writes.clear()
        _damage(stack)
        stack.go(1200.0)
    (told,) = [one for one in stack.events if one.name == events.SAFETY_BREACHED]
    notice = notice_of(told, "shop")
    (result,) = stack.results
    wrong = [*stack.breaches, *map(str, stack.watched.writes)]
    record(promise, f"in the product: {what[4:]}", worlds=1, violations=len(wrong))
    assert not wrong
    assert told.details["code"] == "safety-breach"
    assert "run `reconciler status " in told.message
    assert notice is not None
    assert _is_an_error(result)


def _damage(stack: LivingStack) -> None:
    """Drift that would be corrected at once."""
    ecs = stack.laptop.client("ecs")
    (cluster,) = ecs.list_clusters()["clusterArns"]
    (service,) = ecs.list_services(cluster=cluster)["serviceArns"]
    ecs.update_service(cluster=cluster, service=service, desiredCount=3)


def _is_an_error(result: StepResult) -> bool:
    """`apply` and `promote --now` exit with 1 for it."""
    return result.stuck and result.error is not None
