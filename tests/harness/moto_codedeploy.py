"""The operations of CodeDeploy that moto lacks and a deployment group needs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from moto.codedeploy.exceptions import ApplicationDoesNotExistException
from moto.codedeploy.models import CodeDeployBackend
from moto.codedeploy.responses import CodeDeployResponse
from moto.core.exceptions import JsonRESTError

Params = dict[str, Any]


def _batch_get_groups(backend: CodeDeployBackend, params: Params) -> Params:
    name = params["applicationName"]
    if name not in backend.applications:
        raise ApplicationDoesNotExistException(name)
    groups = backend.deployment_groups.get(name, {})
    wanted = [groups[one] for one in params["deploymentGroupNames"] if one in groups]
    return {"deploymentGroupsInfo": [_shown(one) for one in wanted]}


def _shown(group: Any) -> Params:
    alarms = group.alarm_configuration
    return {
        "deploymentGroupName": group.deployment_group_name,
        "serviceRoleArn": group.service_role_arn,
        "deploymentConfigName": group.deployment_config_name,
        "blueGreenDeploymentConfiguration": group.blue_green_deployment_configuration,
        "loadBalancerInfo": group.load_balancer_info,
        "ecsServices": group.ecs_services,
        "autoRollbackConfiguration": group.auto_rollback_configuration,
        "alarmConfiguration": alarms
        if isinstance(alarms, dict)
        else {"enabled": alarms.enabled, "alarms": alarms.alarms},
    }


def _update_group(backend: CodeDeployBackend, params: Params) -> Params:
    group = backend.deployment_groups[params["applicationName"]][params["currentDeploymentGroupName"]]
    for member, field in (
        ("serviceRoleArn", "service_role_arn"),
        ("deploymentConfigName", "deployment_config_name"),
        ("blueGreenDeploymentConfiguration", "blue_green_deployment_configuration"),
        ("loadBalancerInfo", "load_balancer_info"),
        ("ecsServices", "ecs_services"),
        ("autoRollbackConfiguration", "auto_rollback_configuration"),
        ("alarmConfiguration", "alarm_configuration"),
    ):
        if member in params:
            setattr(group, field, params[member])
    return {}


def _delete_group(backend: CodeDeployBackend, params: Params) -> Params:
    backend.deployment_groups.get(params["applicationName"], {}).pop(params["deploymentGroupName"], None)
    return {}


def _delete_application(backend: CodeDeployBackend, params: Params) -> Params:
    backend.applications.pop(params["applicationName"], None)
    return {}


def _create_config(backend: CodeDeployBackend, params: Params) -> Params:
    known: set[str] = vars(backend).setdefault("configurations", set())
    if params["deploymentConfigName"] in known:
        raise JsonRESTError("DeploymentConfigAlreadyExistsException", params["deploymentConfigName"])
    known.add(params["deploymentConfigName"])
    return {"deploymentConfigId": "00000000-0000-0000-0000-000000000001"}


def _delete_config(backend: CodeDeployBackend, params: Params) -> Params:
    name = params["deploymentConfigName"]
    if any(group.deployment_config_name == name for of in backend.deployment_groups.values() for group in of.values()):
        raise JsonRESTError("DeploymentConfigInUseException", name)
    vars(backend).setdefault("configurations", set()).discard(name)
    return {}


OPERATIONS: dict[str, Callable[[CodeDeployBackend, Params], Params]] = {
    "batch_get_deployment_groups": _batch_get_groups,
    "update_deployment_group": _update_group,
    "delete_deployment_group": _delete_group,
    "delete_application": _delete_application,
    "create_deployment_config": _create_config,
    "delete_deployment_config": _delete_config,
}


@contextmanager
def moto_codedeploy() -> Iterator[None]:
    with ExitStack() as stack:
        for name, operation in OPERATIONS.items():
            stack.enter_context(patch.object(CodeDeployResponse, name, _method(operation), create=True))
        yield


def _method(operation: Callable[[CodeDeployBackend, Params], Params]) -> Callable[[CodeDeployResponse], str]:
    return lambda self: json.dumps(operation(self.codedeploy_backend, json.loads(self.body)))
