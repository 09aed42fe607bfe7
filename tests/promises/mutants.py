"""Breaks one guard of the product at a time, in a copy of it, and says which tests notice.

    python -m tests.promises.mutants            all
    python -m tests.promises.mutants WORD …     those whose description has the word

Exit 1 where a mutant survives. The copy is made anew in a temporary folder; what is here is never edited.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.harness.figures import FIGURES

ROOT = Path(__file__).parents[2]
COPIED = ("reconciler", "tests", "specs", "docs", "pyproject.toml")


LONGEST_SECONDS = 900
"""A mutant that never ends is noticed too. All the tests together take about three minutes of an idle core."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """`old` stands once in `file`; `tests` are quick, and some of them should fail once it is `new`.

    `slow`: they are left out of `make test`, and run beside the version before, which is what is here unbroken.
    """

    what: str
    file: str
    old: str
    new: str
    tests: str
    slow: bool = False


MUTANTS = (
    Mutant(
        "a value that cannot be read is taken for a missing one",
        "reconciler/rollout/state_tags.py",
        "formats.unknown_state(tags) or _unreadable(tags, lost)",
        "formats.unknown_state(tags)",
        "tests/rollout/test_stored_state.py",
    ),
    Mutant(
        "a rollout goes on from a state in an unknown format",
        "reconciler/rollout_driver/driver.py",
        "if seen.marks.unreadable:",
        "if not seen:",
        "tests/promises/test_unknown_format.py",
    ),
    Mutant(
        "a plan changes a service whose state is in an unknown format",
        "reconciler/reconcile/read_only.py",
        "    if not found:",
        "    if not found or not leaving:",
        "tests/promises/test_unknown_format.py",
    ),
    Mutant(
        "a deadline is stored where the version before does not look for it",
        "reconciler/rollout/stored_state.py",
        "name.replace('_', '-')}",
        "name.replace('deadline', 'due').replace('_', '-')}",
        "tests/promises/test_upgrade.py::test_the_versions_take_turns_in_every_phase[rolling]",
        slow=True,
    ),
    Mutant(
        "a lease in an unknown format is acquired",
        "reconciler/store/base.py",
        "if found != FORMAT:",
        "if not what:",
        "tests/store/test_formats.py",
    ),
    Mutant(
        "a write without a token is sent again after a lost answer",
        "reconciler/aws/retry.py",
        "(is_read(call) or has_token(call))",
        "bool(call.operation)",
        "tests/aws/test_client.py",
    ),
    Mutant(
        "a throttle is not retried",
        "reconciler/aws/retry.py",
        "if isinstance(error, errors.Throttled) or (",
        "if (",
        "tests/aws/test_client.py",
    ),
    Mutant(
        "what has long been there is taken for something that AWS does not know yet",
        "reconciler/aws/propagation.py",
        "if not always and not self._names_recent(call, refusal, now):",
        "if False:",
        "tests/aws/test_propagation.py",
    ),
    Mutant(
        "a creation leaves half done what it does not find",
        "reconciler/aws/retry.py",
        "return self.begun and isinstance(error, errors.Gone)",
        "return False",
        "tests/aws/test_propagation.py",
    ),
    Mutant(
        "botocore's own retries are on",
        "reconciler/aws/session.py",
        '"total_max_attempts": 1',
        '"total_max_attempts": 3',
        "tests/promises/test_faults.py::test_a_creation_whose_answer_is_lost_leaves_once[CreateVpc]",
    ),
    Mutant(
        "a server error was surely not executed",
        "reconciler/aws/errors.py",
        "return Meaning(errors.Ambiguous if status >= 500 else errors.Invalid)",
        "return Meaning(errors.Invalid)",
        "tests/aws/test_errors.py",
    ),
    Mutant(
        "a body that makes no sense is an answer",
        "reconciler/aws/response_check.py",
        "raise ResponseParserError(problem)",
        "return",
        "tests/promises/test_unknown.py::test_half_of_a_listing_is_no_listing",
    ),
    Mutant(
        "an answer that lacks what is read breaks the process",
        "reconciler/aws/client.py",
        "except MISREAD as error:",
        "except ZeroDivisionError as error:",
        "tests/promises/test_catalogue.py::test_survived",
    ),
    Mutant(
        "the ownership assertion on the way out",
        "reconciler/aws/client.py",
        "if self.mine.covers(call) or (creating is not None and call.operation in creating):",
        "if call:",
        "tests/aws/test_client.py",
    ),
    Mutant(
        "a creation may write to anything",
        "reconciler/aws/client.py",
        "(creating is not None and call.operation in creating)",
        "creating",
        "tests/aws/test_client.py",
    ),
    Mutant(
        "what was written is not expected to show",
        "reconciler/reconcile/expectations.py",
        "        shown = {kind:",
        "        return world\n        shown = {kind:",
        "tests/reconcile/test_expectations.py",
    ),
    Mutant(
        "a creation whose answer was lost is forgotten",
        "reconciler/reconcile/executor.py",
        "self.expectations.uncertain(new)",
        "pass",
        "tests/promises/test_breadth.py",
    ),
    Mutant(
        "nothing is looked for before it is made",
        "reconciler/reconcile/executor.py",
        "if self.made_meanwhile is not None and _may_double",
        "if self.made_meanwhile is None and _may_double",
        "tests/promises/test_stale.py::test_what_would_double_is_looked_for_right_before_it_is_made",
    ),
    Mutant(
        "of two of ours both stay",
        "reconciler/model/planner.py",
        "for found in self.extra:",
        "for found in self.extra[:0]:",
        "tests/model/test_planner.py",
    ),
    Mutant(
        "a VPC is made without its tags",
        "reconciler/resources/vpc.py",
        '            TagSpecifications=_ec2.specification("vpc", new.tags),\n',
        "",
        "tests/laws/test_laws.py::test_what_was_created_is_observed_as_the_spec_says[vpc]",
    ),
    Mutant(
        "a client token is another one each time",
        "reconciler/model/resource.py",
        "return hashlib.sha256(text.encode())",
        "text += str(id(object()))\n        import uuid\n        text += str(uuid.uuid4())\n"
        "        return hashlib.sha256(text.encode())",
        "tests/promises/test_stale.py::test_the_same_wish_has_the_same_token_whoever_asks",
    ),
    Mutant(
        "what cannot be read is absent",
        "reconciler/reconcile/observe.py",
        "self.unreadable[name] = error\n        else:",
        "self.found[name] = ()\n        else:",
        "tests/promises/test_unknown.py::test_no_failing_read_makes_or_deletes_anything",
    ),
    Mutant(
        "a plan over something unreadable is not refused",
        "reconciler/model/planner.py",
        "for kind, error in sorted(self.world.unreadable.items()):",
        "for kind, error in ():",
        "tests/model/test_planner.py",
    ),
    Mutant(
        "things are deleted in the order in which they are made",
        "reconciler/model/ordering.py",
        "needs[target.drop].add(action.drop)",
        "needs[action.drop].add(target.drop)",
        "tests/model/test_planner.py",
    ),
    Mutant(
        "the guard is not asked",
        "reconciler/reconcile/filters.py",
        "guard.check(plan, context.guard) if context.agreed is None else",
        "() if context.agreed is None else",
        "tests/reconcile/test_executor.py",
    ),
    Mutant(
        "the guard is not asked again in later passes",
        "reconciler/reconcile/filters.py",
        "if context.agreed is None else _beyond(plan, context)",
        "if context.agreed is None else ()",
        "tests/promises/test_guard.py::test_what_appears_meanwhile_is_held_against_the_guard_too",
    ),
    Mutant(
        "drift rules are not heeded",
        "reconciler/reconcile/filters.py",
        "plan, drifts = context.policy.judge(plan, context.desired, context.rules, context.now)",
        "pass",
        "tests/promises/test_agreement.py",
    ),
    Mutant(
        "only a running controller heeds `ignore`",
        "reconciler/reconcile/drift.py",
        "if mode is DriftMode.IGNORE}",
        "if mode is DriftMode.IGNORE and drifted}",
        "tests/promises/test_agreement.py",
    ),
    Mutant(
        "a read that does not show a write any more is believed",
        "reconciler/rollout/tracker.py",
        "if now - at < LATEST))",
        "if now < at))",
        "tests/promises/test_late_reads.py",
    ),
    Mutant(
        "a rollout writes back what is undone without end",
        "reconciler/rollout_driver/driver.py",
        "if contested := contest.of(step.decisions):",
        "if contested := contest.of(()):",
        "tests/promises/test_neighbours.py",
    ),
    Mutant(
        "what is contested is corrected again after an hour",
        "reconciler/reconcile/drift.py",
        "return key in self.flapping",
        "return key in self.flapping and now - self.times[key][0] <= WINDOW_SECONDS",
        "tests/reconcile/test_drift.py",
    ),
    Mutant(
        "a safety check that fails stops one step and not the process",
        "reconciler/aws/client.py",
        "        if self.halted:\n            raise errors.SafetyBreach",
        "        if not self.halted and self.halted:\n            raise errors.SafetyBreach",
        "tests/promises/test_safety.py",
    ),
    Mutant(
        "no step is checked before it is carried out",
        "reconciler/rollout_driver/driver.py",
        "safety.breach(rollout.policy(seen), seen, step.decisions, now)",
        "safety.breach(rollout.policy(seen), seen, (), now)",
        "tests/promises/test_safety.py",
    ),
    Mutant(
        "what tasks use is deleted at once",
        "reconciler/reconcile/deferral.py",
        "            if id in self.usage.used:\n",
        "            if not id:\n",
        "tests/reconcile/test_deferral.py",
    ),
    Mutant(
        "what tasks use is replaced at once",
        "reconciler/reconcile/deferral.py",
        "action.create_first and needed:",
        "action.create_first and not old.id:",
        "tests/promises/test_agreement.py",
    ),
    Mutant(
        "a log group goes while two versions run",
        "reconciler/reconcile/deferral.py",
        "elif self.several and",
        "elif not self.several and",
        "tests/promises/test_agreement.py",
    ),
    Mutant(
        "scaling changes before its release",
        "reconciler/reconcile/deferral.py",
        "self._grown(action) if follows else",
        "self._grown(action) if action.address not in self.desired else",
        "tests/promises/test_agreement.py",
    ),
    Mutant(
        "only a running controller heeds a suspension",
        "reconciler/reconcile/filters.py",
        "    if context.suspended_by:\n",
        "    if context.suspended_by and context.policy.settled:\n",
        "tests/promises/test_agreement.py",
    ),
    Mutant(
        "what was not agreed is done",
        "reconciler/reconcile/filters.py",
        "elif (action.address not in addresses and not _names(action, awaited, context)) or replaces:",
        "elif replaces:",
        "tests/controller/test_until.py",
    ),
    Mutant(
        "a replacement that nobody agreed to is done",
        "reconciler/reconcile/filters.py",
        "elif (action.address not in addresses and not _names(action, awaited, context)) or replaces:",
        "elif action.address not in addresses and not _names(action, awaited, context):",
        "tests/controller/test_until.py",
    ),
    Mutant(
        "what AWS spells differently is written again and again",
        "reconciler/reconcile/filters.py",
        "action.signature in context.written:",
        "action.signature == context.suspended_by:",
        "tests/controller/test_until.py",
    ),
    Mutant(
        "a look is acted on however old it is",
        "reconciler/controller/controller.py",
        "self._looked if fresh else None",
        "self._looked",
        "tests/controller/test_apply_blue_green.py",
    ),
    Mutant(
        "what is protected is deleted",
        "reconciler/model/planner.py",
        '        elif ownership.protected(found.tags):\n            hint = "set `protect: false`',
        '        elif False:\n            hint = "set `protect: false`',
        "tests/model/test_planner.py",
    ),
    Mutant(
        "a failed step does not stop what needs it",
        "reconciler/reconcile/executor.py",
        "if before.result not in (Result.DONE, Result.WAITING):",
        "if before.result is None:",
        "tests/reconcile/test_executor.py",
    ),
    Mutant(
        "what is never answered is tried for ever",
        "reconciler/reconcile/expectations.py",
        "return before.tries >= TRIES and",
        "return before.tries < 0 and",
        "tests/reconcile/test_expectations.py",
    ),
    Mutant(
        "secrets that people put into the account are shown",
        "reconciler/model/diff.py",
        " or sensitive(path, before, after)",
        "",
        "tests/promises/test_secrets.py::test_what_people_put_into_the_account_is_marked",
    ),
    Mutant(
        "a plan file is not held against the account",
        "reconciler/cli/plan_file.py",
        "if approved.digest != plan.digest:",
        "if not approved.digest:",
        "tests/promises/test_plan_file.py::test_apply_does_that_plan_or_refuses",
    ),
    Mutant(
        "the owner of what is there does not matter",
        "reconciler/model/planner.py",
        "return ownership.owner(found.tags) == self.stack",
        "return ownership.owner(found.tags) is not None",
        "tests/model/test_planner.py",
    ),
    Mutant(
        "ECS is told that the tests have passed before they have",
        "reconciler/rollout/engines/ecs_native/decisions.py",
        "due is None or due.stage is not DeadlineKind.GATE:",
        "due is None:",
        "tests/rollout/test_ecs_native.py",
    ),
    Mutant(
        "the gate of a timed promotion rolls back",
        "reconciler/rollout/engines/ecs_native/hooks.py",
        "PauseHook(_minutes(policy.promote_after), HookAction.CONTINUE)",
        "PauseHook(_minutes(policy.promote_after), HookAction.ROLLBACK)",
        "tests/rollout/test_ecs_native.py",
    ),
    Mutant(
        "the tests' hook expires and the deployment goes on",
        "reconciler/rollout/engines/ecs_native/hooks.py",
        "TEST_SLACK + FIRST_LOOKS\n        hooks.append(PauseHook(_minutes(time), HookAction.ROLLBACK))",
        "TEST_SLACK + FIRST_LOOKS\n        hooks.append(PauseHook(_minutes(time), HookAction.CONTINUE))",
        "tests/rollout/test_ecs_native.py",
    ),
    Mutant(
        "the tests' hook is taken for the gate of a manual promotion",
        "reconciler/rollout/engines/ecs_native/hooks.py",
        "return GATE in deployment.declared and hook.expires - deployment.born >= PAUSED_FOR",
        "return GATE in deployment.declared",
        "tests/rollout/test_ecs_native.py",
    ),
    Mutant(
        "a promotion stops the deployment of ECS",
        "reconciler/rollout/engines/ecs_native/decisions.py",
        "if seen.production is not None and not weights[green.slot] and seen.production[green.slot]:",
        "if seen.production is not None:",
        "tests/rollout/test_ecs_native.py",
    ),
    Mutant(
        "a service that ECS deploys gets its target groups again",
        "reconciler/rollout/engines/ecs_native/calls.py",
        "        **sent,\n",
        "        **sent,\n        loadBalancers=item[LOAD_BALANCERS],\n",
        "tests/rollout_driver/test_ecs_native.py::test_target_groups_are_not_sent_again",
    ),
    Mutant(
        "ECS's timer promotes a version that is not healthy any more",
        "reconciler/rollout/engines/ecs_native/endings.py",
        "if active is None or green is None or due is None or due.release != green.release or seen.looks > 0:",
        "if active is None or green is None or due is None or due.release != green.release or not seen.deleting:",
        "tests/rollout/test_ecs_native.py",
    ),
    Mutant(
        "a deployment that somebody else has started is taken for none",
        "reconciler/rollout/engines/ecs_native/endings.py",
        "return found if found.release == UNNAMED or again else None",
        "return None",
        "tests/rollout/test_ecs_native.py",
    ),
    Mutant(
        "ECS removes blue although production was taken back to it",
        "reconciler/rollout/engines/ecs_native/facts.py",
        "return baking and self.updated is not None and now - self.updated >= LATEST",
        "return False",
        "tests/rollout/test_ecs_native_outside.py",
    ),
    Mutant(
        "a listener is believed that was read before ECS had shifted it",
        "reconciler/rollout/engines/ecs_native/facts.py",
        "return baking and self.updated is not None and now - self.updated >= LATEST",
        "return baking",
        "tests/rollout/test_ecs_native_outside.py",
    ),
    Mutant(
        "a version whose tasks ECS has interrupted is said to have failed",
        "reconciler/rollout/engines/ecs_native/endings.py",
        "if seen.marks.suspended is not None or _gives_way(policy, ours, due):",
        "if seen.marks.suspended is not None:",
        "tests/rollout/test_ecs_native_outside.py",
    ),
    Mutant(
        "a rollback is accepted by a deployment of ECS that has succeeded",
        "reconciler/rollout/engines/ecs_native/endings.py",
        "return asked if asked.release == ours.release and ours.status is not Status.SUCCESSFUL else None",
        "return asked if asked.release == ours.release else None",
        "tests/rollout/test_ecs_native_outside.py",
    ),
    Mutant(
        "what ECS was asked to start is not stored",
        "reconciler/rollout/engines/ecs_native/decisions.py",
        "    if s.marks.started == version and not begins:\n",
        "    if start is not None:\n",
        "tests/rollout/test_ecs_native.py",
    ),
)


def main(words: list[str]) -> int:
    chosen = [one for one in MUTANTS if not words or any(word in one.what for word in words)]
    survived = 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        copy = Path(place)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.exists():
                shutil.copy(source, copy / name)
        _remember(copy)
        _healthy(copy, chosen)
        for mutant in chosen:
            end, by = tried(copy, mutant)
            survived += end != "killed"
            print(f"{end:9} {mutant.what}: {by}", flush=True)
            _record(mutant, end, by)
    print(f"{len(chosen) - survived} of {len(chosen)} killed")
    return 1 if survived else 0


def _remember(copy: Path) -> None:
    """The history, if there is one, for tests that run the version before."""
    place = copy / "history"
    subprocess.run(["git", "clone", "--quiet", "--shared", "--no-checkout", str(ROOT), str(place)], check=False)
    if place.exists():
        (place / ".git").rename(copy / ".git")


def _healthy(copy: Path, mutants: Iterable[Mutant]) -> None:
    """A test that fails anyway, or is skipped, proves nothing."""
    for slow in (False, True):
        tests = sorted({test for mutant in mutants if mutant.slow is slow for test in mutant.tests.split()})
        code, text = _pytest(copy, tests, slow=slow) if tests else (0, "")
        if code != 0 or (slow and " skipped" in text):
            raise SystemExit(f"the tests fail without any mutant:\n{text[-3000:]}")


def tried(copy: Path, mutant: Mutant) -> tuple[str, str]:
    """What became of a mutant, and of which test, in the copy; the copy is whole again after."""
    file = copy / mutant.file
    text = file.read_text(encoding="utf-8")
    if text.count(mutant.old) != 1:
        return "obsolete", f"its text stands {text.count(mutant.old)} times in {mutant.file}"
    file.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        code, said = _pytest(copy, mutant.tests.split(), slow=mutant.slow)
    finally:
        file.write_text(text, encoding="utf-8")
    failed = re.search(r"^(?:FAILED|ERROR) (\S+?)(?:\[.*)?(?: - .*)?$", said, re.MULTILINE)
    if code == 1 and failed:
        return "killed", failed[1]
    return ("survived", mutant.tests) if code == 0 else ("broken", said.strip().splitlines()[-1])


def _pytest(copy: Path, tests: list[str], *, slow: bool) -> tuple[int, str]:
    environment = {key: value for key, value in os.environ.items() if key != FIGURES}
    environment |= {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-m", "slow" if slow else "not slow", "--tb=no", *tests]
    try:
        said = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS
        )
    except subprocess.TimeoutExpired:
        return 1, f"FAILED {tests[0]} - it never ended"
    return said.returncode, said.stdout + said.stderr


def _record(mutant: Mutant, end: str, by: str) -> None:
    path = os.environ.get(FIGURES)
    if path is not None:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"promise": "mutant", "what": mutant.what, "end": end, "by": by}) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
