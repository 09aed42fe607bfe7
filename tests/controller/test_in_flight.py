"""A rollout under way, while newer wishes arrive that cannot become a release: it is finished or undone from AWS."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.local.faults import Fault
from reconciler.local.scripted import Script
from reconciler.rollout.engine import Phase, Waiting
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.stored_state import KEYS, Outcome
from reconciler.rollout.strategy import OnNewRevision, Promotion, Share
from reconciler.rollout_driver.driver import StepResult
from tests.controller.test_controller import Files, Running
from tests.harness.emulated_stack import SEED, SERVICE, SHORT, emulated_stack
from tests.rollout_driver.test_driver import ONE, TWO, suspended

FRONTEND, STRATEGY = "services/frontend.yaml", "deployment.yaml"
WAITING = [Phase.AWAITING_PROMOTION, Phase.VERIFYING, Phase.BAKING]


pytestmark = pytest.mark.apart


@pytest.fixture(scope="module")
def serving(for_a_module: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """v1 serves, and v2 and v3 are pushed; the service scales by itself."""
    folder = Path(shutil.copytree(SEED, tmp_path_factory.mktemp("serving") / "specs"))
    text = (folder / FRONTEND).read_text(encoding="utf-8")
    scaling = "desired_count: 1\nscaling: {min: 1, max: 4, cpu: 60}"
    (folder / FRONTEND).write_text(text.replace("desired_count: 1", scaling), encoding="utf-8")
    with emulated_stack(terms=SHORT | {"verify_for": timedelta(minutes=2)}, folder=folder) as stage:
        stage.serving()
        found = Running(stage, Files(folder))
        found.go(60)
        found.quiet()
        yield found


@pytest.fixture
def running(serving: Running, tmp_path: Path) -> Running:
    """The same, with files that the test may edit."""
    serving.files.folder = Path(shutil.copytree(serving.stage.folder, tmp_path / "specs"))
    return serving


def turn(running: Running) -> StepResult:
    (found,) = running.loop.queue.results.values()
    running.stage.seen.append(found)
    return found


def phase(running: Running) -> Phase:
    step = turn(running).step
    assert step is not None
    return step.phase


def until(running: Running, wanted: Phase, *, seconds: int = 900) -> None:
    for _ in range(seconds):
        if running.loop.queue.results and phase(running) is wanted:
            return
        running.go(1)
    raise AssertionError(f"never {wanted}; it is {phase(running)}")


def deploy(running: Running, to: Phase, *, old: str = "v1", new: str = "v2") -> None:
    running.files.edit(FRONTEND, f"tag: {old}", f"tag: {new}")
    until(running, Phase.SCALING_UP)
    until(running, to)


def fall_ill(running: Running, tag: str) -> None:
    running.stage.laptop.script(Script(image=f"*{running.stage.digest(tag)}*", healthy=False))


# -- newer wishes that cannot become a release


def image_not_pushed(running: Running) -> None:
    running.files.edit(FRONTEND, "tag: v2", "tag: v9")


def sidecar_from_an_empty_repository(running: Running) -> None:
    registry = running.files.folder / "registry.yaml"
    registry.write_text(f"{registry.read_text()}---\nkind: Registry\nname: my-app-proxy\n", encoding="utf-8")
    text = (running.files.folder / FRONTEND).read_text(encoding="utf-8")
    head, _, tail = text.partition("  logs: {retention_days: 30}")
    proxy = "    proxy: {image: {registry: my-app-proxy, tag: p1}, essential: false}\n"
    assert tail
    (running.files.folder / FRONTEND).write_text(f"{head}{proxy}  logs: {{retention_days: 30}}{tail}", encoding="utf-8")
    running.files.number += 1


def role_denied(running: Running) -> None:
    running.stage.laptop.aws.faults.add(Fault(kind="denied", service="iam", operation="*Role*", reads=False))
    running.files.edit(FRONTEND, "  logs: {retention_days: 30}", "  logs: {retention_days: 30}\n  role: worker")
    role = "kind: Role\nname: worker\nassumed_by: [ecs-tasks.amazonaws.com]\n"
    (running.files.folder / "role.yaml").write_text(role, encoding="utf-8")


def invalid_spec(running: Running) -> None:
    running.files.edit("cluster.yaml", "kind: Cluster", "kind: Clutser")


def source_gone(running: Running) -> None:
    running.files.down = True


def history_rewritten(running: Running) -> None:
    running.files.rejected = "it does not descend from what was applied last"
    running.files.edit(FRONTEND, "tag: v2", "tag: v1")


NOT_READY: list[Callable[[Running], None]] = [image_not_pushed, sidecar_from_an_empty_repository, role_denied]
NOT_READABLE: list[Callable[[Running], None]] = [invalid_spec, source_gone, history_rewritten]
WISHES = [*NOT_READY, *NOT_READABLE]


def some(values: Iterable[tuple[Any, ...]], *sample: int) -> list[Any]:
    """All of them, those at the places in `sample` quickly and the rest with the slow tests."""
    return [
        pytest.param(*value, marks=[] if number in sample else [pytest.mark.slow], id=_name(value))
        for number, value in enumerate(values)
    ]


def _name(value: tuple[Any, ...]) -> str:
    return ", ".join(getattr(one, "__name__", None) or str(one) for one in value)


BACK = [
    (desired_state, restart, where)
    for desired_state in WISHES
    for restart in (False, True)
    for where in (Phase.VERIFYING, Phase.BAKING)
]
ENDS = [
    (desired_state, where)
    for desired_state in (*NOT_READY, invalid_spec, source_gone)
    for where in (Phase.SCALING_UP, Phase.AWAITING_PROMOTION, Phase.VERIFYING)
]
REQUESTS = [
    (Phase.AWAITING_PROMOTION, RequestVerb.PROMOTE, Phase.VERIFYING),
    (Phase.AWAITING_PROMOTION, RequestVerb.ROLLBACK, Phase.IDLE),
    (Phase.AWAITING_PROMOTION, RequestVerb.ABORT, Phase.IDLE),
    (Phase.AWAITING_PROMOTION, RequestVerb.HOLD, Phase.AWAITING_PROMOTION),
    (Phase.AWAITING_PROMOTION, RequestVerb.EXTEND, Phase.AWAITING_PROMOTION),
    (Phase.AWAITING_PROMOTION, RequestVerb.SUSPEND, Phase.AWAITING_PROMOTION),
    (Phase.VERIFYING, RequestVerb.ROLLBACK, Phase.IDLE),
    (Phase.BAKING, RequestVerb.ROLLBACK, Phase.IDLE),
    (Phase.BAKING, RequestVerb.FINISH, Phase.IDLE),
    (Phase.BAKING, RequestVerb.HOLD, Phase.BAKING),
]


@pytest.mark.parametrize(("desired_state", "restart", "where"), some(BACK, 0))
def test_production_goes_back_to_the_warm_blue_whatever_is_wanted_meanwhile(
    running: Running, desired_state: Callable[[Running], None], restart: bool, where: Phase
) -> None:
    """A newer revision that cannot become a release delays only itself, also after a restart."""
    deploy(running, where)
    assert running.stage.weights(80) == {ONE: 0, TWO: 100}
    desired_state(running)
    running.go(20)
    if restart:
        running.restart()
        running.go(10)
    assert phase(running) is where
    fall_ill(running, "v2")
    running.go(45)
    assert running.stage.weights(80) == {ONE: 100, TWO: 0}
    running.go(600)
    assert running.outcomes() == [Outcome.ROLLED_BACK]
    assert running.stage.sets() == [("PRIMARY", f"{SERVICE}:2")]
    assert not suspended(running.stage)


@pytest.mark.parametrize(("desired_state", "where"), some(ENDS, ENDS.index((role_denied, Phase.AWAITING_PROMOTION))))
def test_the_rollout_ends_in_its_time_and_the_new_version_waits(
    running: Running, desired_state: Callable[[Running], None], where: Phase
) -> None:
    """v2 is promoted by the clock; autoscaling is on again; what the newer version lacks is shown."""
    deploy(running, where)
    desired_state(running)
    running.go(600)
    assert running.outcomes() == [Outcome.PROMOTED]
    assert running.stage.weights(80) == {ONE: 0, TWO: 100}
    assert len(running.stage.sets()) == 1
    assert not suspended(running.stage)
    step = turn(running).step
    assert step is not None
    assert step.phase is Phase.IDLE
    if desired_state in NOT_READY:
        assert step.waits_for is Waiting.DEPENDENCY
        assert turn(running).seen.waits  # type: ignore[union-attr]  # a turn that decided has seen something


def test_the_new_version_starts_once_its_image_is_there(running: Running) -> None:
    """The rest waits for it, and no failure is made of that."""
    deploy(running, Phase.IDLE)
    running.quiet()
    image_not_pushed(running)
    running.go(120)
    assert "v9" in turn(running).seen.waits  # type: ignore[union-attr]
    running.stage.push("v9")
    running.go(400)
    until(running, Phase.IDLE)
    assert running.outcomes() == [Outcome.PROMOTED]


@pytest.mark.parametrize(
    ("where", "verb", "ends", "restart"),
    some([(*one, restart) for one in REQUESTS for restart in (False, True)], 1, 16),
)
def test_every_request_is_heard_while_a_version_waits(
    running: Running, where: Phase, verb: RequestVerb, ends: Phase, restart: bool
) -> None:
    """They concern what is being rolled out, which AWS shows."""
    deploy(running, where)
    image_not_pushed(running)
    running.go(15)
    if restart:
        running.restart()
        running.go(8)
    asked = turn(running)
    assert asked.step is not None
    running.stage.say(
        verb, "-" if verb is RequestVerb.SUSPEND else None, seconds=600 if verb is RequestVerb.EXTEND else 0
    )
    running.go(20)
    assert running.stage.tags()[KEYS["response"]].endswith(":accepted")
    until(running, ends)


@pytest.mark.slow
def test_a_rollback_after_teardown_needs_nothing_of_the_new_version(running: Running) -> None:
    """The previous version is started again while the newest one waits for its image."""
    deploy(running, Phase.IDLE)
    running.go(30)
    image_not_pushed(running)
    running.go(30)
    turn(running)
    running.stage.say(RequestVerb.ROLLBACK)
    running.go(300)
    assert running.stage.sets() == [("PRIMARY", f"{SERVICE}:2")]
    assert phase(running) is Phase.IDLE
    assert turn(running).seen.waits  # type: ignore[union-attr]


# -- withdrawn


@pytest.mark.slow
@pytest.mark.parametrize(
    ("restart", "promotion"),
    some(itertools.product((False, True), (Promotion.TIMED, Promotion.AUTO)), 1, 2),
)
def test_a_withdrawn_release_is_not_promoted_by_the_clock(
    running: Running, restart: bool, promotion: Promotion
) -> None:
    """A force push took its commit back: it waits for a person, who may still promote it."""
    running.stage.terms["promotion"] = promotion
    deploy(running, Phase.SCALING_UP)
    history_rewritten(running)
    running.go(10)
    if restart:
        running.restart()
    running.go(600)
    assert running.stage.weights(80) == {ONE: 100, TWO: 0}
    step = turn(running).step
    assert step is not None
    assert (step.phase, step.waits_for) == (Phase.AWAITING_PROMOTION, Waiting.PERSON)
    running.stage.say(RequestVerb.PROMOTE)
    running.go(30)
    assert running.stage.weights(80) == {ONE: 0, TWO: 100}
    running.go(600)
    assert phase(running) is Phase.BAKING
    turn(running)
    running.stage.say(RequestVerb.FINISH)
    running.go(120)
    assert phase(running) is Phase.IDLE


def test_a_withdrawn_canary_stays_where_it_is(running: Running) -> None:
    """Its pause ends, and it gets no larger share."""
    running.stage.terms |= {"promotion": Promotion.AUTO, "shares": (Share(10, timedelta(minutes=1)),)}
    deploy(running, Phase.SHIFTING)
    running.go(10)
    assert running.stage.weights(80) == {ONE: 90, TWO: 10}
    history_rewritten(running)
    running.go(600)
    assert running.stage.weights(80) == {ONE: 90, TWO: 10}
    assert turn(running).step.waits_for is Waiting.PERSON  # type: ignore[union-attr]
    running.stage.say(RequestVerb.ROLLBACK)
    running.go(20)
    assert running.stage.weights(80) == {ONE: 100, TWO: 0}


# -- reject


@pytest.mark.parametrize("where", some([(Phase.SHIFTING,), (Phase.AWAITING_PROMOTION,), (Phase.VERIFYING,)], 0))
def test_a_rejected_version_leaves_the_running_one_alone(running: Running, where: Phase) -> None:
    """At the gate and in mid-canary: the running rollout goes on to its end, and the newcomer is told why not."""
    running.stage.terms |= {"on_new_revision": OnNewRevision.REJECT, "shares": (Share(10, timedelta(minutes=1)),)}
    deploy(running, where)
    running.go(10)
    running.files.edit(FRONTEND, "tag: v2", "tag: v3")
    running.go(30)
    assert phase(running) in (where, Phase.BAKING)
    assert running.outcomes() == [Outcome.ABORTED]
    running.go(900)
    assert running.outcomes() == [Outcome.ABORTED, Outcome.PROMOTED]
    assert running.stage.sets() == [("PRIMARY", f"{SERVICE}:3")]
    step = turn(running).step
    assert step is not None
    assert (step.phase, step.waits_for) == (Phase.FAILED, Waiting.PERSON)
    assert "rejected" in step.because


# -- the first version


def test_a_version_that_comes_while_the_first_one_already_serves_has_its_gate(tmp_path: Path) -> None:
    """The first version answers, but was not found healthy three times yet: the next one is tested and promoted."""
    with emulated_stack(terms=SHORT | {"promotion": Promotion.MANUAL, "looks": 6}) as stage:
        stage.infrastructure()
        for tag in ("v1", "v2"):
            stage.push(tag)
        running = Running(stage, Files(Path(shutil.copytree(SEED, tmp_path / "specs"))))
        for _ in range(120):
            running.go(1)
            if running.loop.queue.results and (seen := turn(running).seen) is not None and 0 < seen.looks < 4:
                break
        assert phase(running) is Phase.INITIAL_DEPLOYMENT
        stage.answers = lambda path: (503, "not yet")
        running.files.edit(FRONTEND, "tag: v1", "tag: v2")
        running.go(900)
        assert stage.weights(80) == {ONE: 100, TWO: 0}
        assert running.outcomes() == [Outcome.FAILED]


@pytest.mark.slow
@pytest.mark.parametrize("where", some([(Phase.VERIFYING,), (Phase.BAKING,), (Phase.AWAITING_PROMOTION,)], 1))
def test_a_fix_starts_at_once_while_neither_version_is_healthy(running: Running, where: Phase) -> None:
    """Whatever both of them lack: the fix has tasks seconds after it was seen, and is promoted."""
    deploy(running, where)
    fall_ill(running, "v1")
    fall_ill(running, "v2")
    running.go(120)
    assert not [one for one in running.outcomes() if one == Outcome.PROMOTED]
    running.files.edit(FRONTEND, "tag: v2", "tag: v3")
    began = running.stage.laptop.clock.monotonic()
    while running.stage.transport.sent["CreateTaskSet"] < 2 and running.stage.laptop.clock.monotonic() < began + 60:
        running.go(1)
    assert running.stage.transport.sent["CreateTaskSet"] == 2
    assert running.stage.laptop.clock.monotonic() - began <= 15 + 5  # the interval of the controller, and its own time
    running.go(1800)
    assert running.outcomes()[-1] == Outcome.PROMOTED
    assert [revision for _, revision in running.stage.sets()] == [f"{SERVICE}:4"]
