"""`diff`, `apply` and `run` do the same to the same account: over toys, with services that roll, and with a person's
hand in all of it.

What a controller that has seen the stack in place knows beyond the other two is what is drift: it leaves what `warn`
covers, what somebody keeps undoing, and what is gone although an `ignore` rule covers it. Then it does less, never
something else.
"""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Annotated, Any, ClassVar, TypeVar

import pytest

from reconciler.aws.client import AwsClient
from reconciler.clock import ManualClock
from reconciler.controller import rollout_queue
from reconciler.controller.controller import Controller
from reconciler.controller.events import EventRecorder
from reconciler.controller.goals import Applied
from reconciler.controller.revisions import ActiveRevision, FixedRevision
from reconciler.controller.schedule import COMMAND, Intervals
from reconciler.controller.until import Ending
from reconciler.errors import Refused
from reconciler.model import ownership, resource
from reconciler.model.guard import Guard
from reconciler.model.plan import Action, Plan, RefusalCode, Verb
from reconciler.model.resource import Address, Calls, Desired, Link, Observed
from reconciler.model.resource_type import FieldMark, Scope
from reconciler.model.type_registry import ResourceTypes
from reconciler.model.usage import Usage
from reconciler.reconcile import request_tags
from reconciler.reconcile.drift import REVERTS, Drift, DriftMode, DriftRule
from reconciler.reconcile.pass_ import DesiredState
from reconciler.reconcile.result import PassResult
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.stored_state import KEYS
from reconciler.rollout_driver.smoke_tests import SmokeTests
from reconciler.source.base import Revision
from tests.harness.driving import Recorded
from tests.harness.fake_types import PLACE, Shared
from tests.harness.forked_runs import serial
from tests.promises.conftest import Record, sample_or_all
from tests.toy import STACK, Box, Shelf, _Toy, shelf

T = TypeVar("T")

# -- a service that rolls, and what its tasks run on


class ServiceSpec(resource.Spec):
    count: int | None = None
    version: Annotated[str | None, FieldMark.ROLLS] = None
    boxes: Annotated[tuple[Link, ...] | None, FieldMark.UNORDERED, FieldMark.ROLLS] = None
    """What its tasks run on."""


class Service(_Toy):
    """`versions` of a thing are those that run: each a number, and the ids of its boxes."""

    kind: ClassVar[str] = "service"
    Spec = ServiceSpec
    observe_after: ClassVar[tuple[str, ...]] = ("box",)

    def observe(self, scope: Scope) -> Calls[list[Observed[Any]]]:
        found = yield from super().observe(scope)
        answer = yield from _things(self.kind)
        versions = {item["id"]: item.get("versions", ()) for item in answer}
        return [
            replace(one, facts={"arn": one.id, "versions": versions[one.id],
                                "item": {"deploymentController": {"type": "EXTERNAL"}},
                                "task_definitions": tuple(sorted({number for number, _ in versions[one.id]}))})
            for one in found
        ]  # fmt: skip

    def in_use(self, found: Observed[Any]) -> frozenset[str]:
        return frozenset(name for _, used in found.facts["versions"] for name in (*used, "spot"))


class LogSpec(resource.Spec):
    days: int | None = None


class Log(_Toy):
    kind: ClassVar[str] = "log"
    Spec = LogSpec
    serves_tasks: ClassVar[bool] = True


class ScalingSpec(resource.Spec):
    most: int | None = None


class Scaling(_Toy):
    kind: ClassVar[str] = "scaling"
    Spec = ScalingSpec


class PoolSpec(resource.Spec):
    members: Annotated[tuple[str, ...] | None, FieldMark.UNORDERED] = None


class Pool(_Toy):
    kind: ClassVar[str] = "pool"
    Spec = PoolSpec

    def retaining(self, old: Observed[Any], new: Desired[Any], usage: Usage) -> Desired[Any]:
        kept = [one for one in old.spec.members or () if one in usage.lost and one not in new.spec.members]
        return replace(new, spec=new.spec.model_copy(update={"members": (*new.spec.members, *kept)})) if kept else new


def _things(kind: str) -> Calls[list[dict[str, Any]]]:
    from tests.toy import toy

    answer = yield toy.list_things(kind=kind)
    return list(answer["things"])


KINDS = ResourceTypes([Shelf(), Box(), Service(), Log(), Scaling(), Pool()])


class Account(Shared):
    def TagResource(self, resourceArn: str, tags: list[dict[str, str]]) -> dict[str, Any]:  # noqa: N803 - AWS's
        self.things[resourceArn]["tags"] |= {one["key"]: one["value"] for one in tags}
        return {}

    def UntagResource(self, resourceArn: str, tagKeys: list[str]) -> dict[str, Any]:  # noqa: N803 - AWS's
        for key in tagKeys:
            self.things[resourceArn]["tags"].pop(key, None)
        return {}

    def CreateThing(self, kind: str, name: str, spec: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
        answer = super().CreateThing(kind, name, spec, tags)
        if kind == "service":
            self.things[answer["id"]]["versions"] = [(spec["version"], tuple(spec["boxes"] or ()))]
        return answer

    def copied(self) -> Account:
        found = Account()
        found.things = copy.deepcopy(self.things)
        found._numbers = copy.copy(self._numbers)
        return found

    def writes(self) -> int:
        return sum(not call.operation.startswith(("List", "Get")) for call in self.calls)


# -- what is wanted


def want(kind: str, name: str, **spec: Any) -> Desired[Any]:
    address = Address(kind, name)
    tags = ownership.tags_for(STACK, address, protect=False, declared={"team": "toys"})
    return Desired(address, KINDS[kind].Spec(**spec), tags=tags)


def some(dice: random.Random, names: Sequence[T], least: int) -> list[T]:
    return [one for one in names if dice.random() < 0.6] or list(names[:least])


def stack(dice: random.Random) -> tuple[Desired[Any], ...]:
    """Shelves, boxes on them, services that run on boxes, and what goes along."""
    shelves, boxes = some(dice, ("s0", "s1"), 1), some(dice, ("b0", "b1", "b2"), 1)
    found = [want("shelf", name, height=dice.randint(1, 2)) for name in shelves]
    for name in boxes:
        place, size, color = shelf(dice.choice(shelves)), dice.randint(1, 2), dice.choice(("red", "blue"))
        found.append(want("box", name, shelf=place, size=size, color=color))
    for name in some(dice, ("web", "api"), 0):
        used = tuple(resource.Ref(Address("box", one)) for one in some(dice, boxes, 1))
        found.append(want("service", name, count=dice.randint(1, 2), version=dice.choice("12"), boxes=used))
        if dice.random() < 0.5:
            found.append(want("scaling", name, most=dice.randint(1, 2)))
    if dice.random() < 0.5:
        found.append(want("log", "l0", days=dice.randint(1, 2)))
    return (*found, want("pool", "p", members=dice.choice((("spot",), ("plain",), ("spot", "plain")))))


def rule(dice: random.Random) -> DriftRule:
    match = dice.choice(("box/*", "box/b0", "shelf/*", "service/*", "scaling/*", "pool/*", "*"))
    path = dice.choice(("*", "*", "color", "height", "count", "size", "tags.team", "most", "members"))
    return DriftRule(match, dice.choice(tuple(DriftMode)), path)


Hand = tuple[str, int, int]
"""What somebody does to the account: what, to which thing, and how."""

HANDS = ("spec", "spec", "spec", "gone", "tag", "spare", "rolling", "suspend")


def touch(account: Account, hand: Hand) -> None:
    what, which, value = hand
    things = [account.things[key] for key in sorted(account.things)]
    if not things:
        return
    thing = things[which % len(things)]
    services = [one for one in things if one["kind"] == "service"]
    match what:
        case "spec":
            name = {"box": ("color", "size")[value % 2], "shelf": "height", "service": "count", "log": "days",
                    "scaling": "most", "pool": "members"}[thing["kind"]]  # fmt: skip
            texts = {"color": f"grey{value}", "members": ("plain", "spot", f"m{value}")}
            thing["spec"] = {**thing["spec"], name: texts.get(name, value)}
        case "gone" if not any(one["spec"].get("shelf") == thing["id"] for one in things):
            del account.things[thing["id"]]
        case "tag":
            thing["tags"] = {**thing["tags"], "team": f"other{value}"}
        case "spare":
            account.put("shelf", f"spare{value}", height=1)
        case "rolling" if services:
            service = services[which % len(services)]
            boxes = sorted(one["id"] for one in things if one["kind"] == "box")
            service["versions"] = [*service["versions"], (f"old{value}", tuple(boxes[value % 2 : value % 2 + 1]))]
            service["tags"] = {**service["tags"], KEYS["deadline"]: "x"}
        case "suspend" if services:
            service = services[which % len(services)]
            service["tags"] = {**service["tags"], request_tags.SUSPEND: "ana"}


# -- the three of them


def controller(account: Account, desired_state: DesiredState, rhythm: Intervals, *, recorded: bool) -> Controller:
    aws = AwsClient(account, clock=ManualClock())
    revisions = FixedRevision(ActiveRevision(Revision("r1"), desired_state), recorded=recorded)
    smoke = SmokeTests(lambda delivery, subject: "")
    return Controller(aws, KINDS, revisions, EventRecorder(aws.clock), smoke, rhythm=rhythm)


@dataclass(slots=True)
class Seen:
    """What one of them planned, and what it carried out of that in its first pass."""

    plan: Plan
    done: tuple[Action, ...] = ()
    drifts: tuple[Drift, ...] = ()


@dataclass(slots=True)
class Case:
    """An account in which `before` was in place; then the specs became `after`, and people did as they liked."""

    before: DesiredState
    after: DesiredState
    hands: tuple[Hand, ...]
    contested: bool = False
    account: Account = field(init=False, default_factory=Account)
    running: Controller = field(init=False)
    passes: list[PassResult] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        first = controller(self.account, self.before, COMMAND, recorded=False)
        assert first.run(Applied(), agreed=first.look().plan) is Ending.REACHED
        self.running = controller(self.account, self.before, Intervals(), recorded=True)
        self.running.reports = (self.passes.append,)
        self.running.round()
        assert self.passes[-1].in_place
        for hand in self.hands:
            touch(self.account, hand)

    def diff(self) -> Seen:
        account = self.account.copied()
        plan = controller(account, self.after, COMMAND, recorded=False).look().plan
        assert account.writes() == 0
        return Seen(plan)

    def apply(self) -> Seen:
        account = self.account.copied()
        command = controller(account, self.after, COMMAND, recorded=False)
        plan = command.look().plan
        goal = Recorded(patience=0.0)
        try:
            command.run(goal, agreed=plan)
        except Refused:
            if not plan.refusals:
                raise
            assert account.writes() == 0
            return Seen(plan)
        assert not plan.refusals
        return Seen(goal.passes[0].plan, tuple(one.action for one in goal.passes[0].outcomes))

    def run(self) -> Seen:
        active = self.running.revisions.active
        assert active is not None
        if self.after != self.before:
            self.running.revisions.active = replace(active, desired_state=self.after)
        if self.contested:
            for drift in self.running.look().drifts:
                for _ in range(REVERTS):
                    self.running.policy.flaps.record_fix(drift, self.running.aws.clock.monotonic())
            self.running._looked = None
        self.running.timer.reset()
        self.running.round()
        last = self.passes[-1]
        return Seen(last.plan, tuple(one.action for one in last.outcomes), last.drifts)


def case_of(seed: int) -> Case:
    dice = random.Random(seed)
    before, rules = stack(dice), tuple(rule(dice) for _ in range(dice.randint(0, 2)))
    after = before if dice.random() < 0.5 else stack(dice)
    guard = Guard(dice.choice((None, None, None, 0, 2)))
    hands = tuple((dice.choice(HANDS), dice.randrange(20), dice.randint(7, 9)) for _ in range(dice.randint(0, 4)))

    def desired_state(desired: tuple[Desired[Any], ...]) -> DesiredState:
        services = [one.address.name for one in desired if one.address.kind == "service"]
        deliveries = tuple(RolloutSpec(Address("service", name), Address("task_definition", name)) for name in services)
        return DesiredState(PLACE, desired, guard, rules=rules, deliveries=deliveries)

    return Case(desired_state(before), desired_state(after), hands, contested=dice.random() < 0.3)


def signatures(actions: tuple[Action, ...]) -> list[str]:
    return sorted(f"{one.signature} {one.old.id if one.old is not None else ''}" for one in actions)


def deferred(plan: Plan) -> list[tuple[str, str]]:
    return sorted((one.action.signature, one.because) for one in plan.deferred)


def codes(plan: Plan) -> list[RefusalCode]:
    return sorted(one.code for one in plan.refusals)


def parts(plan: Plan) -> set[tuple[Address, str]]:
    """Everything that is done in a plan, field for field; tags too."""
    found = set()
    for one in plan.actions:
        parts = [*map(str, one.changes), *(f"tags.{key}" for key in (*one.tags.put, *one.tags.drop))]
        found |= {(one.address, part) for part in parts or [one.verb.value]}
    return found


def mode(case: Case, address: Address, path: str) -> DriftMode:
    for rule in case.after.rules:
        below = fnmatchcase(path, rule.path) or fnmatchcase(path, f"{rule.path}.*")
        if below and fnmatchcase(str(address), rule.match):
            return rule.mode
    return DriftMode.ENFORCE


MET = ("left by the controller", "suspended", "following a rollout", "refused by the guard", "scaling written")


def agree(case: Case) -> set[str]:
    """What of `MET` the case had. Raises where the three do not agree."""
    people = [thing["tags"] for thing in case.account.things.values() if thing["kind"] == "service"]
    suspended = any(request_tags.SUSPEND in tags for tags in people)
    wanted = {str(address) for address in case.after.wanted}
    versions = [
        thing["versions"] for thing in case.account.things.values()
        if thing["kind"] == "service" and f"service/{thing['name']}" in wanted
    ]  # fmt: skip
    used = {name for each in versions for _, names in each for name in names}
    under_way = {thing["name"] for thing in case.account.things.values() if KEYS["deadline"] in thing["tags"]}
    diff, apply, run = case.diff(), case.apply(), case.run()

    assert signatures(diff.plan.actions) == signatures(apply.plan.actions)
    assert deferred(diff.plan) == deferred(apply.plan)
    assert codes(diff.plan) == codes(apply.plan)
    for each in (apply, run):
        done = () if each.plan.refusals else each.plan.actions
        assert sorted({str(one.address) for one in each.done}) == sorted({str(one.address) for one in done})

    held = {DriftMode.WARN} & {one.mode for one in run.drifts}
    if held:
        assert parts(run.plan) <= parts(apply.plan)
    else:
        assert signatures(run.plan.actions) == signatures(apply.plan.actions)
        assert deferred(run.plan) == deferred(apply.plan)
        assert codes(run.plan) == codes(apply.plan)

    for each in (diff, run):
        plan = each.plan
        assert (RefusalCode.SUSPENDED in codes(plan)) == suspended
        limit = case.after.guard.max_delete
        assert (RefusalCode.GUARD in codes(plan)) == (limit is not None and len(plan.deletions()) > limit)
        for action in plan.actions:
            going = action.old is not None and action.verb in (Verb.DELETE, Verb.REPLACE)
            assert not (going and action.drop.id in used), f"{action.address} is used"
            if action.verb in (Verb.UPDATE, Verb.ROLL, Verb.REPLACE):
                fields = [str(change) for change in action.changes if not change.rolls]
                assert all(mode(case, action.address, one) is not DriftMode.IGNORE for one in fields)
        rolling = under_way | {one.address.name for one in plan.actions if one.verb is Verb.ROLL}
        written = {one.address.name for one in plan.actions if one.address.kind == "scaling" and one.changes}
        assert not written & rolling & {one.name for one in case.after.deliveries}
        several = any(one.verb is Verb.ROLL for one in plan.actions) or any(
            len({number for number, _ in each}) > 1 for each in versions
        )
        assert not (several and any(one.address.kind == "log" and one.verb is Verb.DELETE for one in plan.actions))
    scaling = any(one.verb is Verb.UPDATE and one.address.kind == "scaling" for one in diff.plan.actions)
    guarded = RefusalCode.GUARD in codes(diff.plan)
    found = (bool(held), suspended, bool(diff.plan.deferred), guarded, scaling)
    return {name for name, here in zip(MET, found, strict=True) if here}


@contextmanager
def without_rollouts() -> Iterator[None]:
    """The toys have no engine: what a plan leaves to the rollouts stays as it is."""
    with serial(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollout_queue, "every_rollout", lambda *_, **__: ((), {}))
        yield


@pytest.mark.parametrize("worlds", sample_or_all(150, 5_000))
def test_diff_apply_and_run_agree(record: Record, worlds: int) -> None:
    """Action for action over enforce, ignore, suspension, guard and rollouts; beyond that the controller does less."""
    met: Counter[str] = Counter()
    with without_rollouts():
        for seed in range(worlds):
            try:
                met.update(agree(case_of(seed)))
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}") from error
    assert len(met) == len(MET), met
    record("C4", "diff, apply and run on the same account", worlds=worlds, violations=0, **met)
