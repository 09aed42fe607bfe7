"""Requests that the state machine accepts and ECS cannot do: what a deployment waits for is fixed when it starts."""

from __future__ import annotations

from reconciler.rollout.blue_green.context import RolloutContext, TrafficState
from reconciler.rollout.engines.ecs_native import hooks
from reconciler.rollout.engines.ecs_native.facts import Deployment, HookAction, NativeService
from reconciler.rollout.requests import Request, RequestRefusal, RequestVerb
from reconciler.rollout.requests import RequestRefusalCode as Code
from reconciler.rollout.stored_state import DeadlineKind

FIRST = "ECS cannot remove the tasks of a first version; deploy another version in its place"
ITSELF = "ECS shifts traffic by itself, in the steps of the deployment"
BACK = "`reconciler rollback` takes it back"
UNDER_WAY = "a deployment of ECS is in progress"
REMOVING = "ECS is removing the previous version; ask again once the rollout has ended"


def refusal(request: Request, s: RolloutContext, seen: NativeService) -> RequestRefusal | None:
    undoes = request.verb in (RequestVerb.ROLLBACK, RequestVerb.ABORT)
    if undoes and s.shape is TrafficState.NOTHING_LIVE and not request.to:
        return RequestRefusal(Code.UNSUPPORTED, FIRST)
    active = seen.active
    if active is None and request.verb is RequestVerb.ROLLBACK and seen.lost:  # that would be another deployment
        return RequestRefusal(Code.UNSUPPORTED, seen.lost)
    if active is not None and request.verb is RequestVerb.RESTART:
        return RequestRefusal(Code.ROLLOUT_IN_PROGRESS, REMOVING if active.cleans_up else UNDER_WAY)
    if active is None or active.going_back:
        return None
    if undoes and active.cleans_up:
        return RequestRefusal(Code.CLEANING_UP, REMOVING)
    match request.verb:
        case RequestVerb.FINISH:
            why = (
                f"ECS keeps the previous version for the bake time of the deployment, which cannot be shortened; {BACK}"
            )
            return RequestRefusal(Code.UNSUPPORTED, why)
        case RequestVerb.PROMOTE if s.shape is TrafficState.SHARED:
            return RequestRefusal(Code.ALREADY_SHIFTING, ITSELF)
        case RequestVerb.HOLD:
            return _hold(s, active)
        case RequestVerb.EXTEND:
            return _extend(s)
        case _:
            return None


def always_says(request: Request, seen: NativeService) -> bool:
    """Whether the refusal is ours whatever the state machine says: it knows no previous version any more."""
    return request.verb is RequestVerb.ROLLBACK and seen.active is not None and seen.active.cleans_up


def _hold(s: RolloutContext, active: Deployment) -> RequestRefusal | None:
    if s.shape is not TrafficState.BEFORE or active.shifts:
        return RequestRefusal(Code.UNSUPPORTED, f"{ITSELF}; {BACK}")
    declared, gate = hooks.declared_gate(active), hooks.gate(active)
    if declared is not None and declared.then is HookAction.ROLLBACK:
        return None
    when = f" at {gate.expires:%a %d %b %H:%M} UTC" if gate is not None else " once its hooks have completed"
    why = f"ECS promotes the new version by itself{when}; `reconciler abort` stops it, and a manual promotion waits"
    return RequestRefusal(Code.UNSUPPORTED, why)


def _extend(s: RolloutContext) -> RequestRefusal | None:
    due = s.due(s.flight)
    if due is not None and due.stage is DeadlineKind.UP:  # that one is ours
        return None
    why = "the waits of an ECS deployment are fixed when it starts; change them in the strategy, for the next one"
    return RequestRefusal(Code.UNSUPPORTED, why)
