"""The fields of a CodeDeploy deployment group, and their names in the calls and answers of CodeDeploy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import JsonValue

from reconciler.model import member_values, resource
from reconciler.model.members import ApiMembers
from reconciler.model.resource import NOTHING, Link
from reconciler.model.resource_type import FieldMark, Scope

STOP: Final = "STOP_DEPLOYMENT"
ROLLBACKS: Final = ("DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST")

API: Final = ApiMembers(
    "codedeploy",
    create="CreateDeploymentGroup",
    update="UpdateDeploymentGroup",
    described="DeploymentGroupInfo",
    words={
        **dict.fromkeys(("applicationName", "deploymentGroupName", "ecsServices"), "the Service document"),
        "loadBalancerInfo": "`traffic` of the Service",
        "deploymentConfigName": "steps",
        "serviceRoleArn": "role",
        "deploymentStyle": "engine",
        "blueGreenDeploymentConfiguration": "the times of the strategy",
        **dict.fromkeys(("alarmConfiguration.enabled", "alarmConfiguration.alarms"), "verify.alarms"),
        "tags": "the document's `tags`",
    },
    owned={
        "autoRollbackConfiguration": "a deployment that fails is always rolled back",
        **dict.fromkeys(
            (
                *("ec2TagFilters", "ec2TagSet", "onPremisesInstanceTagFilters", "onPremisesTagSet"),
                *("autoScalingGroups", "outdatedInstancesStrategy", "ec2DeploymentOptions", "terminationHookEnabled"),
            ),
            "it is about instances, and tasks have none",
        ),
    },
    others=("triggerConfigurations", "alarmConfiguration.ignorePollAlarmFailure"),
)


class DeploymentGroupSpec(resource.Spec):
    """Waits are in minutes: for traffic to be re-routed, after which CodeDeploy stops the deployment (0: it does not
    wait), and from then until the original tasks are terminated.
    """

    api: ClassVar[ApiMembers] = API

    application: Annotated[str, FieldMark.IMMUTABLE]
    name: Annotated[str, FieldMark.IMMUTABLE]
    service: Link
    role: Link
    config: str
    target_groups: Annotated[tuple[Link, ...], FieldMark.UNORDERED]
    production: Link
    """The listener, though its rules may be what forwards to the service."""
    test: Link | None = None
    ready_wait: int
    termination_wait: int
    alarms: Annotated[tuple[str, ...], FieldMark.UNORDERED] = ()
    rollback: bool = True
    """Rolls back a deployment that fails, is stopped, or meets an alarm."""
    aws: Annotated[dict[str, JsonValue], FieldMark.MEMBERS] = {}


def settings(spec: DeploymentGroupSpec, alarms: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
    """`alarms` is the configuration that is there, which is replaced as a whole."""
    _, _, path = str(spec.service).rpartition(":service/")
    cluster, _, service = path.partition("/")
    ready: dict[str, Any] = {"actionOnTimeout": "CONTINUE_DEPLOYMENT"}
    if spec.ready_wait:
        ready = {"actionOnTimeout": STOP, "waitTimeInMinutes": spec.ready_wait}
    pair: dict[str, Any] = {
        "targetGroups": [{"name": _name(one)} for one in spec.target_groups],
        "prodTrafficRoute": {"listenerArns": [spec.production]},
    }
    if spec.test is not None:
        pair["testTrafficRoute"] = {"listenerArns": [spec.test]}
    settings: dict[str, Any] = {
        "serviceRoleArn": spec.role,
        "deploymentConfigName": spec.config,
        "deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITH_TRAFFIC_CONTROL"},
        "blueGreenDeploymentConfiguration": {
            "terminateBlueInstancesOnDeploymentSuccess": {
                "action": "TERMINATE",
                "terminationWaitTimeInMinutes": spec.termination_wait,
            },
            "deploymentReadyOption": ready,
        },
        "loadBalancerInfo": {"targetGroupPairInfoList": [pair]},
        "ecsServices": [{"clusterName": cluster, "serviceName": service}],
        "autoRollbackConfiguration": {"enabled": spec.rollback, "events": list(ROLLBACKS) if spec.rollback else []},
        "alarmConfiguration": {
            **alarms,
            "enabled": bool(spec.alarms),
            "alarms": [{"name": one} for one in sorted(spec.alarms)],
        },
    }
    return dict(member_values.merged(settings, spec.aws))


def _name(group: Link) -> str:
    """Of a target group, from its ARN `…:targetgroup/name/id`."""
    return str(group).partition(":targetgroup/")[2].partition("/")[0] or str(group)


def read(
    application: str, item: Mapping[str, Any], want: DeploymentGroupSpec | None, scope: Scope, aws: dict[str, Any]
) -> DeploymentGroupSpec:
    """A group as the specs say it, with the ARNs of those target groups that are known."""
    waits = item.get("blueGreenDeploymentConfiguration") or {}
    ready = waits.get("deploymentReadyOption") or {}
    terminate = waits.get("terminateBlueInstancesOnDeploymentSuccess") or {}
    pairs = (item.get("loadBalancerInfo") or {}).get("targetGroupPairInfoList") or [{}]
    arns = {_name(one): str(one) for one in (() if want is None else want.target_groups) if isinstance(one, str)}
    arns |= {_name(one.id): one.id for one in scope.seen.get("target-group", ())}
    service: Mapping[str, str] = next(iter(item.get("ecsServices") or ()), {})
    alarms = item.get("alarmConfiguration") or {}
    rollback = item.get("autoRollbackConfiguration") or {}
    return DeploymentGroupSpec(
        application=application,
        name=item["deploymentGroupName"],
        service=scope.arn("ecs", f"service/{service.get('clusterName', '')}/{service.get('serviceName', '')}"),
        role=item.get("serviceRoleArn", ""),
        config=item.get("deploymentConfigName", ""),
        target_groups=tuple(arns.get(one["name"], one["name"]) for one in pairs[0].get("targetGroups") or ()),
        production=_listener(pairs[0].get("prodTrafficRoute")) or "",
        test=_listener(pairs[0].get("testTrafficRoute")),
        ready_wait=ready.get("waitTimeInMinutes", 0) if ready.get("actionOnTimeout") == STOP else 0,
        termination_wait=terminate.get("terminationWaitTimeInMinutes", 0),
        alarms=tuple(sorted(one["name"] for one in alarms.get("alarms") or ())) if alarms.get("enabled") else (),
        rollback=bool(rollback.get("enabled")) and set(rollback.get("events") or ()) >= set(ROLLBACKS),
        aws=aws,
    )


def _listener(route: Mapping[str, Any] | None) -> str | None:
    return next(iter((route or {}).get("listenerArns") or ()), None)
