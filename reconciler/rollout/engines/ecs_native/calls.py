"""AWS calls of the engine: each action is one write, and those that could do harm are refused by ECS itself once a
deployment has moved on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler import errors
from reconciler.model import service_connect
from reconciler.model.resource import Calls
from reconciler.rollout import describe, observe_deployments
from reconciler.rollout.actions import RolloutAction
from reconciler.rollout.describe import ecs, revision_of
from reconciler.rollout.engines.ecs_native.actions import ContinueDeployment, StartDeployment, StopDeployment
from reconciler.rollout.engines.ecs_native.facts import SCALED_UP, WITH_TEST_TRAFFIC, HookAction, PauseHook
from reconciler.rollout.release import RolloutTarget

PAUSE: Final = "PAUSE"
LOAD_BALANCERS: Final = "loadBalancers"


def carry_out(decision: RolloutAction, subject: RolloutTarget) -> Calls[None]:
    match decision:
        case StartDeployment():
            yield from _start(decision, subject)
        case ContinueDeployment():
            yield ecs.continue_service_deployment(
                serviceDeploymentArn=decision.id, hookId=decision.hook, action=str(HookAction.CONTINUE)
            )
        case StopDeployment():
            yield ecs.stop_service_deployment(serviceDeploymentArn=decision.id, stopType="ROLLBACK")
        case _:
            raise TypeError(f"the ecs_native engine makes no AWS call for {type(decision).__name__}")


def _start(decision: StartDeployment, subject: RolloutTarget) -> Calls[None]:
    """A previous version keeps the placement of the service. `loadBalancers` are not sent: ECS would take the declared
    target group for the one that the new tasks are to use (hashicorp/terraform-provider-aws#45678).

    The hooks are replaced as a whole, so those that somebody else has given the service are sent along.
    """
    (item,) = describe.listed((yield describe.described(subject.cluster, [subject.service])))
    primary: Mapping[str, Any] = next((one for one in item.get("deployments") or () if one["status"] == "PRIMARY"), {})
    definition, sent = subject.release.task_definition, dict[str, Any]()
    if decision.task_definition:
        definition = f"{subject.service.partition(':service/')[0]}:task-definition/{decision.task_definition}"
    else:
        differs = (one for one in observe_deployments.differs(subject, item, primary) if one != LOAD_BALANCERS)
        sent = observe_deployments.members(subject, differs)
    if revision_of(item.get("taskDefinition", "")) == revision_of(definition):
        if primary.get("rolloutState") == "IN_PROGRESS":
            raise errors.StalePlan("a deployment of this revision has begun already; nothing was started")
        sent[observe_deployments.AGAIN] = True
    tested = subject.test is not None or service_connect.tested(subject.release.service_connect)
    stage = WITH_TEST_TRAFFIC if tested else SCALED_UP
    yield ecs.update_service(
        cluster=subject.cluster,
        service=subject.service,
        taskDefinition=definition,
        **sent,
        deploymentConfiguration={"lifecycleHooks": [*_of_others(item), *_written(decision.hooks, stage)]},
    )


def _of_others(item: Mapping[str, Any]) -> list[Any]:
    hooks = (item.get("deploymentConfiguration") or {}).get("lifecycleHooks") or ()
    return [one for one in hooks if one.get("targetType") != PAUSE]


def _written(hooks: Iterable[PauseHook], stage: str) -> list[dict[str, Any]]:
    return [
        {
            "targetType": PAUSE,
            "lifecycleStages": [stage],
            "timeoutConfiguration": {"timeoutInMinutes": one.minutes, "action": str(one.then)},
        }
        for one in hooks
    ]
