"""The promises, held against every single thing that the machine does. They know what is true, not what was read.

Nothing here asks the machine's own code what it thinks: health, age and approval are told from the world again.
"""

from __future__ import annotations

from reconciler.rollout import safety
from reconciler.rollout.actions import CreateTaskSet, DeleteTaskSet, RolloutAction, ScaleTaskSet, SetWeights, WriteState
from reconciler.rollout.engine import Phase, RolloutHealth, RolloutStep, Waiting
from reconciler.rollout.requests import RequestVerb
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.stored_state import Actor, Deadline, DeadlineKind, Outcome
from reconciler.rollout.strategy import Promotion, Strategy
from tests.rollout.world import GOOD, NOW, State


class Broken(Exception):
    """A promise is broken. The first word is which one."""


def looked(policy: Strategy, state: State, seen: ObservedService, step: RolloutStep) -> None:
    """What was concluded from a look at a state."""
    _hold("guard", not (because := safety.breach(policy, seen, step.decisions, NOW)), because)
    rests = not step.decisions
    if step.phase is not Phase.IDLE or step.health is not RolloutHealth.HEALTHY:
        _hold("L4", bool(step.because), f"{step.phase} without a because")
    if rests and step.wake_at is None:
        _hold("L4", step.waits_for is not Waiting.NOBODY, f"{step.phase} waits for nothing: {step.because}")
    if not rests:
        _hold("L4", step.wake_at == NOW, "there is work, and nobody looks again")
    if step.ended is not None and step.ended.by in (Actor.ENGINE, Actor.TIMER):
        guilty = state.ghosts.blamed or step.ended.release not in GOOD
        failed = step.ended.outcome in (Outcome.FAILED, Outcome.ROLLED_BACK)
        _hold("V", guilty or not failed, f"{step.ended.release} ends as {step.ended.outcome}: {step.because}")
    asleep = seen.marks.suspended is not None
    if asleep and seen.marks.pending_request is None:
        _hold("pause", rests, f"something is done to a service that is paused: {step.because}")
    if step.ended is not None and step.ended.outcome in (Outcome.FAILED, Outcome.ABORTED, Outcome.ROLLED_BACK):
        noted = [
            one for one in step.decisions if isinstance(one, WriteState) and step.ended.release in one.after.quarantine
        ]
        _hold("Q", bool(noted), f"{step.ended.release} ended as {step.ended.outcome} and is not put in quarantine")
    if rests and step.phase in _IN_FLIGHT and not asleep and step.release and not _sleeping(seen):
        _hold("S-autoscaling", seen.scaling is not seen.scaling.ACTIVE, f"{step.phase} while autoscaling goes on")
    if rests and step.wake_at is None and step.phase in _AT_REST and not asleep and not _sleeping(seen):
        _hold("S-autoscaling", seen.scaling is not seen.scaling.SUSPENDED, f"{step.phase} with autoscaling held still")


_IN_FLIGHT = {Phase.TESTING, Phase.AWAITING_PROMOTION, Phase.VERIFYING, Phase.BAKING}
_AT_REST = {Phase.IDLE, Phase.FAILED, Phase.ROLLED_BACK}


def _sleeping(seen: ObservedService) -> bool:
    return not seen.desired


def before(policy: Strategy, state: State, decision: RolloutAction) -> None:
    """What is about to be carried out, and is not going to be refused."""
    match decision:
        case SetWeights(listener="production"):
            _production(policy, state, decision)
        case DeleteTaskSet():
            _delete(state, decision)
        case ScaleTaskSet(scale=0):
            _resize(state, decision)
        case CreateTaskSet():
            _create(state, decision)
        case WriteState():
            _mark(policy, state, decision)


def _production(policy: Strategy, state: State, decision: SetWeights) -> None:
    truth = state.seen
    assert truth.production is not None, "a listener in foreign hands was written to"
    served = _well(truth, truth.production)
    serves = _well(truth, decision.weights)
    _hold("S3", bool(serves) or not served, f"production goes to {decision.weights}, where nobody is healthy")
    for slot in (0, 1):
        if decision.weights[slot] <= truth.production[slot] or not served:
            continue
        gains = _preferred_task_set(truth, slot)
        _hold("S3", gains is not None, f"slot {slot} gets production and has no tasks")
        assert gains is not None
        others = [one for one in truth.alive if one.slot != slot and one.scale]
        if any(one.born < gains.born for one in others):
            _forward(policy, state, gains)
        else:
            _hold("S3", gains.well >= 1, "production goes back to a side that is not healthy")


def _forward(policy: Strategy, state: State, gains: TaskSet) -> None:
    """To the younger side: the whole precondition of the switch."""
    truth, marks = state.seen, state.seen.marks
    _hold("S4", gains.release in GOOD, f"{gains.release} gets production and never was healthy")
    _hold("S4", gains.well >= truth.desired and gains.running >= truth.desired, "green is not wholly healthy")
    _hold("S4", state.ghosts.streak == (gains.id, policy.looks), f"looked {state.ghosts.streak} of {policy.looks}")
    _hold("Q", gains.release not in state.ghosts.quarantine, f"{gains.release} is in quarantine and gets production")
    if not [one for one in truth.alive if one.slot != gains.slot and one.well and truth.production[one.slot]]:
        return  # a first deployment: nobody is served yet
    back = marks.rollback_target
    going_back = back is not None and back.release == gains.release and not truth.startable
    _hold("S4", not truth.alarms or going_back, "green gets production while an alarm fires")
    due = marks.deadline
    ready = due is not None and due.release == gains.release and due.stage is DeadlineKind.TO
    _hold("S4", ready, f"{gains.release} gets production and was not approved")


def _delete(state: State, decision: DeleteTaskSet) -> None:
    truth, ghosts = state.seen, state.ghosts
    gone = _find(truth, decision.id)
    if gone is None or gone.draining:
        return
    assert truth.production is not None
    _hold("S5", truth.production[gone.slot] == 0, f"{gone.id} goes while production refers to it")
    _hold("S5", gone.id not in ghosts.undrained or not gone.running, f"{gone.id} goes with requests under way")
    keeps = [one for one in truth.alive if one.id != gone.id and one.well]
    _hold("S7", bool(keeps) or not gone.well, f"{gone.id} goes and is the only healthy side")
    on = [one for one in truth.alive if truth.production[one.slot] and one.scale]
    live = next((one for one in on if one.primary), on[-1] if on else None)
    older = live is not None and gone.born < live.born and gone.scale and any(one.primary for one in truth.alive)
    finished = truth.marks.ended_of(live.release) if live is not None else None
    replaced = live is not None and any(one.born > live.born for one in truth.alive)  # a fix has taken its place
    if older and not replaced and gone.slot != live.slot and live is not None:
        asked = finished is not None and finished.outcome is Outcome.FAST_PROMOTED
        _hold("W", not truth.withdrawn or asked, f"{gone.id} goes by the clock, and {live.release} was withdrawn")
        _hold("S5", live.well >= live.needed(truth.desired), f"{gone.id} goes while {live.id} is not well")
        elapsed = (live.release, DeadlineKind.WARM, 0) == ghosts.elapsed
        _hold("S6", elapsed, f"{gone.id} goes before its time")


def _resize(state: State, decision: ScaleTaskSet) -> None:
    one = _find(state.seen, decision.id)
    if one is not None:
        _hold("S7", not one.well, f"{one.id} is healthy and loses its tasks")


def _create(state: State, decision: CreateTaskSet) -> None:
    _hold("Q", decision.release not in state.ghosts.quarantine, f"{decision.release} is in quarantine and is started")
    _hold("limit", len(state.seen.sets) < 5, "a sixth task set")


def _mark(policy: Strategy, state: State, decision: WriteState) -> None:
    marks, ghosts, fields = state.seen.marks, state.ghosts, decision.fields
    due, was = decision.after.deadline, marks.deadline
    word = marks.pending_request
    accepted = "response" in fields and decision.after.response is not None and decision.after.response.accepted
    verb = word.verb if word is not None and accepted else None
    if "deadline" in fields and due is not None:
        same = was is not None and (was.release, was.stage, was.weight) == (due.release, due.stage, due.weight)
        if same and was is not None and was.at is not None and due.at is not None and verb is not RequestVerb.FINISH:
            _hold("S6", due.at >= was.at, f"{due.text()} is sooner than {was.text()}")
        going_back = marks.rollback_target is not None and marks.rollback_target.release == due.release
        if due.stage is DeadlineKind.TO and due.weight == policy.weights[0] and not same:
            _approved(policy, state, due.release, verb, going_back=going_back)
        if due.stage is DeadlineKind.TO and due.weight != policy.weights[0] and not same and not _given(state, due):
            _hold("W", not state.seen.withdrawn or verb is RequestVerb.PROMOTE, f"{due.text()} by the clock")
            before = (due.release, DeadlineKind.AT, policy.weight_before(due.weight))
            _hold(
                "S6", before == ghosts.elapsed or verb is RequestVerb.PROMOTE, f"{due.text()} before its pause is over"
            )
        if due.stage is DeadlineKind.WARM and not same:
            verified = (due.release, DeadlineKind.VERIFY, 0) == ghosts.elapsed
            _hold("S6", verified, f"{due.text()} before production was watched")
        if due.at is not None and due.stage not in (DeadlineKind.ROLL,) and verb is None:
            _hold("S6", (due.at - NOW).total_seconds() >= 1000, f"{due.text()} is shorter than the policy says")
    if "ended" in fields and decision.after.ended is not None:
        by = decision.after.ended.by
        _hold("S7", (by is Actor.PERSON) is (verb is not None), f"{verb or 'nobody'} ends it, and {by} is noted")
    if "response" in fields and decision.after.response is not None:
        _heard(policy, state, decision)


def _given(state: State, due: Deadline) -> bool:
    """Whether production is there already, by somebody else: then it is only noted."""
    weights = state.seen.production
    return weights is not None and any(
        one.release == due.release and weights[one.slot] >= due.weight for one in state.seen.alive
    )


def _approved(policy: Strategy, state: State, release: str, verb: RequestVerb | None, *, going_back: bool) -> None:
    """Tested, and let in by whoever the policy says."""
    if going_back:
        return
    sets = [one for one in state.seen.alive if one.release == release]
    if policy.tests:
        tested = any(one.id in state.ghosts.tested for one in sets)
        _hold("S4", tested, f"{release} is approved and was not tested")
    _hold("W", verb is RequestVerb.PROMOTE or not state.seen.withdrawn, f"{release} is withdrawn, and a clock approves")
    if policy.promotion is not Promotion.AUTO:
        clock = (
            state.ghosts.elapsed in ((release, DeadlineKind.GATE, 0), (release, DeadlineKind.GATE, 100))
            and policy.promotion is Promotion.TIMED
        )
        held = state.seen.marks.hold is not None and state.seen.marks.hold.release == release
        _hold("S4", verb is RequestVerb.PROMOTE or (clock and not held), f"{release} is approved by nobody")


def _heard(policy: Strategy, state: State, decision: WriteState) -> None:
    response, word, truth = decision.after.response, state.seen.marks.request, state.seen
    assert response is not None
    if word is None or word.id != response.id or not response.accepted:
        return
    _hold("S7", response.id not in state.ghosts.heard, f"{response.id} is heard twice")
    if word.verb in (RequestVerb.SUSPEND, RequestVerb.RESUME):
        return
    if word.verb is RequestVerb.RETRY:
        _hold("S7", word.release == truth.wanted, f"retry of {word.release}, which nobody wants")
        return
    known = {one.release for one in truth.sets} | {truth.wanted}
    _hold("S7", word.release in known, f"{word.verb} of {word.release} is heard, which does not exist")
    if word.verb in (RequestVerb.PROMOTE, RequestVerb.FINISH):
        newest = truth.newest
        right = newest is not None and newest.release == word.release
        _hold("S7", right, f"{word.verb} of {word.release} is heard for another")
        assert newest is not None
        _hold("S7", newest.well >= newest.needed(truth.desired), f"{word.verb} of {word.release}, which is not well")
    ended = decision.after.ended
    if word.verb is RequestVerb.ROLLBACK and ended is not None and "ended" in decision.fields:
        _hold("S7", ended.release == word.release, f"rollback of {word.release} is heard for {ended.release}")
        _hold("S7", ended.outcome in (Outcome.ROLLED_BACK, Outcome.ABORTED), f"rollback ended as {ended.outcome}")


def after(state: State) -> None:
    """What holds of every state."""
    alive = state.seen.alive
    _hold("limit", len(state.seen.sets) <= 5, "more than five task sets")
    _hold("limit", sum(one.primary for one in alive) <= 1, "two primary sets")


def _well(truth: ObservedService, weights: tuple[int, int]) -> list[TaskSet]:
    return [one for one in truth.alive if weights[one.slot] and one.well]


def _preferred_task_set(truth: ObservedService, slot: int) -> TaskSet | None:
    here = [one for one in truth.alive if one.slot == slot and one.scale]
    return here[-1] if here else None


def _find(truth: ObservedService, identifier: str) -> TaskSet | None:
    return next((one for one in truth.sets if one.id == identifier), None)


def _hold(law: str, holds: bool, because: str) -> None:
    if not holds:
        raise Broken(f"{law}: {because}")
