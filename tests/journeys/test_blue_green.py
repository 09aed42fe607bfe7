"""Blue/green as a person meets it: commands typed against an AWS emulator, killed, interrupted, refused, under load.

Real processes all of them. Time goes faster on the laptop, and every command goes along with its clock.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.rollout import state_tags
from reconciler.rollout.engine import Phase
from reconciler.rollout.phase_text import WORDS
from reconciler.rollout.stored_state import Deadline, DeadlineKind
from tests.harness.emulator import PATIENCE, SERVICE, Desk, Going, Typed, load, local_session

SPEED = 40.0
EVERY = 0.05  # seconds between two looks from outside
TERMS = {
    r"healthy_within: \w+": "healthy_within: 20m",  # a machine that is busy is given time
    r"after: 2h": "after: 1m",
    r"\{for: \w+\}": "{for: 20s}",
    r"after: 1h": "after: 1m",
}
GATED = {r"promotion: \{.*?\}": "promotion: {mode: timed, after: 1m}"}
MANUAL = {r"promotion: \{.*?\}": "promotion: {mode: manual}"}
LONG = {r"teardown: \{.*?\}": "teardown: {after: 8h}"}
SHORT = {r"teardown: \{.*?\}": "teardown: {after: 1m}"}
BROKEN = """[python, -c, "raise SystemExit('no database')"]"""

WORKER = """\
kind: Service
name: my-app-worker
cluster: my-app-cluster
task:
  cpu: 256
  memory: 512
  containers:
    worker:
      image: {registry: my-app-frontend, tag: v1}
      environment: {PORT: "8080", NUMBER: "0"}
desired_count: 1
placement:
  subnets: [app-public1-a, app-public1-c]
  security_groups: [my-app-task-sg]
  public_ip: true
"""

_numbers = count(1)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """v1 serves, and v2 is pushed. Each test brings a version of its own into production, or fails to."""
    with local_session(tmp_path_factory.mktemp("desk"), speed=SPEED, terms=TERMS) as found:
        assert found.typed("apply", "-y").code == Exit.DONE
        for tag in ("v1", "v2"):
            found.push(tag)
        ended = found.typed("apply", "-y", "--wait")
        assert ended.code == Exit.DONE, ended.text
        yield found


def change(here: Desk, tag: str) -> None:
    """A version that there never was before."""
    here.version(tag)
    here.save({r"GREETING: [^,}]+": f"GREETING: Hello World {next(_numbers)}"})


@dataclass(slots=True)
class Watch:
    """What can be seen from outside while commands run, and each deadline held against it.

    A look takes some milliseconds, which are seconds on the laptop: what moves early by less than that is not seen.
    """

    here: Desk
    blue: str
    was: dict[str, int]
    deadlines: dict[DeadlineKind, Deadline] = field(default_factory=dict)
    switched: datetime | None = None
    gone: datetime | None = None

    def look(self) -> None:
        service, weights, now = self.here.service(), self.here.weights(80), self.here.now()
        found = state_tags.of_tags({tag["key"]: tag["value"] for tag in service["tags"]}).deadline
        if found is not None and found.at is not None:
            known = self.deadlines.get(found.stage)
            assert known is None or known.at is None or found.at >= known.at, f"{known} was shortened to {found}"
            self.deadlines[found.stage] = found
        if weights != self.was and self.switched is None:
            self.switched = now
            self.not_before(DeadlineKind.GATE, now)
        stays = any(one["id"] == self.blue and one["status"] != "DRAINING" for one in service["taskSets"])
        if not stays and self.gone is None:
            self.gone = now
            self.not_before(DeadlineKind.WARM, now)

    def not_before(self, stage: DeadlineKind, now: datetime) -> None:
        due = self.deadlines.get(stage)
        assert due is not None, f"no deadline of {stage} was ever stored"
        assert due.at is not None
        assert now >= due.at, f"{due.at - now} before the deadline of {stage}"

    def until_said(self, going: Going, words: str) -> None:
        self._look_until(lambda: going.said(words))
        assert words in going.text, going.text

    def until_ended(self, going: Going) -> Typed:
        self._look_until(lambda: going.process.poll() is not None)
        self.look()
        return going.ended()

    def _look_until(self, met: Callable[[], bool]) -> None:
        pause, end = threading.Event(), time.monotonic() + PATIENCE
        while not met():
            assert time.monotonic() < end, "it takes too long"
            self.look()
            pause.wait(EVERY)


def watch(here: Desk) -> Watch:
    (blue,) = here.service()["taskSets"]
    return Watch(here, blue["id"], here.weights(80))


PHASES = (
    Phase.SCALING_UP,
    Phase.TESTING,
    Phase.AWAITING_PROMOTION,
    Phase.SHIFTING,
    Phase.VERIFYING,
    Phase.BAKING,
    Phase.TEARDOWN,
)
"""Those with a process to kill in them, in their order."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "phase",
    PHASES,
)
def test_killed_in_any_phase_and_started_again_it_reaches_the_same_end(here: Desk, phase: Phase) -> None:
    """SIGKILL to `apply --wait`, then the same on a machine that knows nothing: promoted, exit 0, no deadline early."""
    here.save(GATED | SHORT, "deployment.yaml")
    change(here, "v2")
    seen = watch(here)
    first = here.begin("apply", "-y", "--wait", machine=f"first in {phase}")
    seen.until_said(first, f"{SERVICE}   {WORDS[phase]}")
    first.kill()
    ended = seen.until_ended(here.begin("apply", "-y", "--wait"))
    assert ended.code == Exit.DONE, ended.text
    (live,) = here.service()["taskSets"]
    assert (live["status"], live["scale"]["value"], live["runningCount"]) == ("PRIMARY", 100.0, 1)
    assert live["id"] != seen.blue
    assert sorted(here.weights(80).values()) == [0, 100]
    assert here.weights(9000) == here.weights(80) != seen.was
    tags = {tag["key"]: tag["value"] for tag in here.service()["tags"]}
    ending = state_tags.of_tags(tags)
    assert ending.ended is not None
    assert (ending.ended.outcome, ending.deadline, ending.quarantine) == ("Promoted", None, ending.quarantine)
    assert ending.ended.release == live["externalId"]
    assert seen.switched is not None
    assert seen.gone is not None
    assert seen.gone - seen.switched >= timedelta(seconds=60)


@pytest.mark.slow
def test_who_was_killed_keeps_the_next_out_for_no_longer_than_its_lease(here: Desk) -> None:
    """On the same machine the lease of a dead process is taken over by the very next command, which waits for it."""
    here.save(GATED | SHORT, "deployment.yaml")
    change(here, "v1")
    first = here.begin("apply", "-y", "--wait")
    first.until(f"{SERVICE}   {WORDS[Phase.SCALING_UP]}")
    first.kill()
    ended = here.typed("apply", "-y", "--wait")
    assert ended.code == Exit.DONE, ended.text
    assert "whether the lock holder is alive" in ended.text


@pytest.mark.slow
def test_exit_codes_of_a_rollout_that_waits_for_a_person(here: Desk) -> None:
    """130 interrupted, 6 at a manual gate, 0 said and heard, 5 what makes no sense, 4 on its way."""
    here.save(MANUAL | LONG, "deployment.yaml")
    change(here, "v2")
    going = here.begin("apply", "-y", "--wait")
    going.until(f"{SERVICE}   {WORDS[Phase.AWAITING_PROMOTION]}")
    going.signal(signal.SIGINT)
    assert going.ended().code == Exit.INTERRUPTED
    waiting = here.typed("apply", "-y", "--wait", "--timeout", "0.5")
    assert waiting.code == Exit.WAITING, waiting.text
    promoted = here.typed("promote", SERVICE, "--now")
    assert promoted.code == Exit.DONE, promoted.text
    again = here.typed("promote", SERVICE)  # whether it is still being watched there, or blue already waits
    assert again.code == Exit.BLOCKED, again.text
    assert "(already-promoted)" in again.text
    goes_on = here.typed("apply", "-y", "--wait", "--timeout", "0.5")
    assert goes_on.code == Exit.TIMED_OUT, goes_on.text
    assert here.typed("rollback", SERVICE, "--now").code == Exit.DONE


@pytest.mark.slow
def test_a_version_that_fails_is_exit_3_and_says_why(here: Desk) -> None:
    """Production is not touched; exit code and last words of its tasks are told, and the line that was changed."""
    here.save(GATED | SHORT, "deployment.yaml")
    change(here, "v2")
    before = here.weights(80)
    here.save({"port: 80": f"port: 80\n      command: {BROKEN}"})
    ended = here.typed("apply", "-y", "--wait")
    here.save({r"\n +command: .*": ""})
    assert ended.code == Exit.ROLLED_BACK, ended.text
    assert "exit 1" in ended.text
    assert "no database" in ended.text
    assert "containers.frontend.command" in ended.text
    assert here.weights(80) == before
    refused = here.typed("promote", SERVICE)
    assert refused.code == Exit.BLOCKED, refused.text


@pytest.mark.slow
def test_ecs_going_back_by_itself_is_exit_3(here: Desk) -> None:
    """A rolling service that its circuit breaker has made stable again is no success."""
    change(here, "v1")
    here.save(GATED | SHORT, "deployment.yaml")
    (here.place / "specs" / "services" / "worker.yaml").write_text(WORKER, encoding="utf-8")
    assert here.typed("apply", "-y", "--wait").code == Exit.DONE
    here.own("faults", "POST", {"kind": "crash", "service": "my-app-worker", "after": 1.0})
    here.save({r'NUMBER: "\d+"': 'NUMBER: "1"'}, "services/worker.yaml")
    ended = here.typed("apply", "-y", "--wait")
    here.own("faults", "DELETE")
    assert ended.code == Exit.ROLLED_BACK, ended.text
    assert "my-app-worker" in ended.text


@pytest.mark.promise("S3", "real requests during a rollout and a rollback")
def test_no_request_is_lost_to_a_rollout_and_a_rollback(here: Desk) -> None:
    """Steady load on :80 from a process of its own: both versions answer, and every request is answered."""
    here.save(GATED | LONG, "deployment.yaml")
    change(here, "v2" if here.version_live() == "v1" else "v1")
    with load(here, rate=200) as stop:
        going = here.begin("apply", "-y", "--wait")
        going.until(WORDS[Phase.BAKING])
        said = here.typed("rollback", SERVICE)
        ended = going.ended()
        found = stop()
    assert said.code == Exit.DONE, said.text
    assert ended.code == Exit.ROLLED_BACK, ended.text
    assert found["lost"] == 0, found["why"]
    assert set(found["versions"]) == {"v1", "v2"}
    assert found["requests"] > 500
