"""The product, measured from inside: one process that does passes over a stack and prints a line of JSON for each.

    python -m benchmarks.client URL FOLDER STEP…

A step is `create` (apply until nothing waits), `deploy` (bring it into production), `gate` (bring it to where it waits
for its promotion), `watch`, `round` and `wait:SECONDS` (read what is there, look at each rollout once, and then as
often as they are due), or a pass: `full`, `medium`, `fast`. Wall is the step's own, without the process's start.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

BEGAN = time.perf_counter()

from reconciler.aws.rate_limiter import RateLimiter  # noqa: E402 - the clock above counts the imports too
from reconciler.clock import SystemClock  # noqa: E402
from reconciler.model.resource import Call  # noqa: E402


def specs_of(folder: Path) -> Any:
    from reconciler.spec.load import load

    found = load(folder, None)
    if not found.ok:
        raise SystemExit(str(found.diagnostics[0]))
    return found


def _desired(folder: Path) -> Any:
    from reconciler.spec.compile import compile_specs

    return compile_specs(specs_of(folder), account="123456789012", partition="aws")


def main(url: str, folder: str, *steps: str) -> None:
    from reconciler.aws.client import AwsClient
    from reconciler.aws.response_cache import ResponseCache
    from reconciler.aws.session import Boto
    from reconciler.cli import logs
    from reconciler.controller.until import has_ended
    from reconciler.model.guard import Guard
    from reconciler.model.observed_state import ObservedState
    from reconciler.model.resource_type import Depth
    from reconciler.model.type_registry import discover
    from reconciler.reconcile.executor import Result
    from reconciler.reconcile.expectations import Expectations
    from reconciler.reconcile.observe import StackId, observe
    from reconciler.reconcile.pass_ import DesiredState, act, look
    from reconciler.spec.compile import compile_specs
    from reconciler.spec.compile.delivery import compile_deliveries
    from tests.harness.driving import converge, follow
    from tests.model.ordered_plan import plan

    logs.configure(0, stack="bench", region="us-west-2")
    specs = specs_of(Path(folder))
    memory = ResponseCache(Path(folder).with_suffix(".memory"))
    pace = Unpaced(SystemClock()) if "unpaced" in steps else None
    aws = AwsClient(Boto("us-west-2", endpoint=url, anonymous=True), memory=memory, pace=pace)
    account = "123456789012"
    desired_state = DesiredState(
        StackId("bench", account, "us-west-2"),
        compile_specs(specs, account=account, partition="aws"),
        guard=Guard(None, None),
    )
    kinds, expectations = discover(), Expectations(aws.clock)
    print(json.dumps({"step": "start", "wall": time.perf_counter() - BEGAN, "cpu": _cpu()}), flush=True)
    world: ObservedState | None = None
    for step in (each for each in steps if each != "unpaced"):
        if step == "warm":
            _bench(url, "reset", {"delay": 0, "buckets": False})
            quick = AwsClient(aws.transport, memory=memory, pace=Unpaced(SystemClock()))
            world = observe(quick, kinds, desired_state.place, desired_state.desired)
            quick.close()
            _bench(url, "reset", {"delay": 0.02, "buckets": True})
            print(json.dumps({"step": "warm", "wall": 0, "cpu": 0}), flush=True)
            continue
        before = _tally(url)
        wall, cpu = time.perf_counter(), _cpu()
        if step == "create":
            report = converge(
                aws,
                kinds,
                desired_state,
                look(aws, kinds, desired_state),
                patience_seconds=600,
                stop=threading.Event(),
                expectations=expectations,
            )
            failed = [str(one) for each in report.passes for one in each.failed]
            if failed:
                raise SystemExit(failed[0])
            world, actions = None, sum(len(each.outcomes) for each in report.passes)
        elif step.startswith("change:"):
            changed = replace(desired_state, desired=_desired(Path(step.partition(":")[2])))
            assert world is not None
            world = observe(aws, kinds, desired_state.place, changed.desired, depth=Depth.FAST, before=world)
            todo = plan("bench", changed.desired, world, kinds, consent=desired_state.consent)
            done = act(aws, kinds, changed, world, todo, expectations=expectations)
            if wrong := [one for one in done if one.result is Result.FAILED]:
                raise SystemExit(str(wrong[0]))
            actions = len(todo.actions)
        elif step in ("deploy", "gate"):
            world, actions = None, _deploy(aws, kinds, desired_state, compile_deliveries(specs), gate=step == "gate")
        elif step == "watch":
            rollouts, driver = _rollouts(aws, kinds, desired_state, compile_deliveries(specs))
            actions = len(rollouts)
        elif step == "round":
            actions = len(driver.advance(rollouts))
        elif step.startswith("wait:"):
            results: list[Any] = []
            follow(
                driver, rollouts, has_ended, patience_seconds=float(step.partition(":")[2]), on_result=results.append
            )
            actions = len(results)
        else:
            depth = Depth[step.upper()]
            world = observe(aws, kinds, desired_state.place, desired_state.desired, depth=depth, before=world)
            if world.unreadable:
                raise SystemExit(str(world.unreadable))
            found = plan("bench", desired_state.desired, world, kinds, consent=desired_state.consent)
            actions = len(found.actions)
            if found.actions and "-v" in sys.argv:
                print([(str(a.address), a.because, [str(c) for c in a.changes]) for a in found.actions[:5]])
        told = {"step": step, "wall": time.perf_counter() - wall, "cpu": _cpu() - cpu, "actions": actions}
        after = _tally(url)
        calls = {name: count - before["calls"].get(name, 0) for name, count in after["calls"].items()}
        throttled = sum(after["throttled"].values()) - sum(before["throttled"].values())
        told |= {"calls": {name: count for name, count in sorted(calls.items()) if count}, "throttled": throttled}
        told["memory"] = peak()
        print(json.dumps(told), flush=True)
    aws.close()


class Unpaced(RateLimiter):
    """For the time when nothing is measured."""

    def wait(self, call: Call, stop: threading.Event, *, urgent: bool = False) -> float:
        return 0.0


def _rollouts(aws: Any, kinds: Any, desired_state: Any, deliveries: Any) -> tuple[Any, Any]:
    """What is to be looked after, and by whom; what tests would ask is answered for them."""
    from reconciler.reconcile.observe import observe, owned_ids
    from reconciler.rollout_driver.driver import RolloutDriver
    from reconciler.rollout_driver.smoke_tests import SmokeTests
    from reconciler.rollout_driver.targets import rollouts_of

    world = observe(aws, kinds, desired_state.place, desired_state.desired)
    aws.mine.add(*owned_ids(world, desired_state.place.stack, {}))
    rollouts, missing = rollouts_of(deliveries, desired_state.desired, world, desired_state.place.stack)
    if missing:
        raise SystemExit(str(missing))
    smoke = SmokeTests(lambda *_: "http://nowhere", lambda *_: (200, ""))
    return rollouts, RolloutDriver(aws, smoke, fresh=frozenset(rollout.address for rollout in rollouts))


def _deploy(aws: Any, kinds: Any, desired_state: Any, deliveries: Any, *, gate: bool = False) -> int:
    """Bring out what is wanted, and see it in production, or at the gate."""
    from reconciler.controller.until import has_ended
    from reconciler.rollout.engine import Phase
    from tests.harness.driving import follow

    rollouts, driver = _rollouts(aws, kinds, desired_state, deliveries)
    in_production = (Phase.BAKING, Phase.TEARDOWN)

    def promoted(turn: Any) -> bool:
        return has_ended(turn) or bool(turn.step and turn.step.phase in in_production and not turn.busy)

    goal = (lambda turn: turn.waits or turn.stuck) if gate else promoted
    followed = follow(driver, rollouts, goal, patience_seconds=600)
    if followed.timed_out or followed.went_wrong or followed.refused:
        raise SystemExit(str([(one.step, one.error) for one in followed.results[:2]]))
    return len(rollouts)


def peak(pid: int | str = "self") -> int:
    """The most memory that a process has had since it began, in MB; what getrusage says counts its parent's."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _bench(url: str, name: str, said: dict[str, Any]) -> None:
    with urllib.request.urlopen(f"{url}/_bench/{name}", json.dumps(said).encode()) as answer:
        answer.read()


def _tally(url: str) -> Any:
    with urllib.request.urlopen(f"{url}/_bench/counts") as answer:
        return json.load(answer)


if __name__ == "__main__":
    main(*(word for word in sys.argv[1:] if word != "-v"))
