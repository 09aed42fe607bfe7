"""CodeDeploy: its operations by name."""

from __future__ import annotations

from reconciler.local.codedeploy import applications, configs, deployments, groups, targets
from reconciler.local.codedeploy.checks import application, group
from reconciler.local.codedeploy.state import Params
from reconciler.local.refusal import Refusal
from reconciler.local.world import Operation, World


def tags(world: World, arn: str) -> dict[str, str]:
    """The tags of an application or a deployment group, as they are kept."""
    kind, _, name = arn.partition(":codedeploy:")[2].split(":", 2)[-1].partition(":")
    if kind == "application":
        return application(world, name).tags
    if kind == "deploymentgroup":
        owner, _, rest = name.partition("/")
        return group(world, owner, rest).tags
    raise Refusal("ArnNotSupportedException", f"The ARN {arn} is not supported.")


def tag_resource(world: World, params: Params) -> Params:
    tags(world, params["ResourceArn"]).update({item["Key"]: item.get("Value", "") for item in params["Tags"]})
    return {}


def untag_resource(world: World, params: Params) -> Params:
    found = tags(world, params["ResourceArn"])
    for key in params["TagKeys"]:
        found.pop(key, None)
    return {}


def list_tags_for_resource(world: World, params: Params) -> Params:
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags(world, params["ResourceArn"]).items()]}


OPERATIONS: dict[str, Operation] = {
    "BatchGetApplications": applications.batch_get_applications,
    "BatchGetDeploymentGroups": groups.batch_get_deployment_groups,
    "BatchGetDeploymentTargets": targets.batch_get_deployment_targets,
    "BatchGetDeployments": deployments.batch_get_deployments,
    "ContinueDeployment": deployments.continue_deployment,
    "CreateApplication": applications.create_application,
    "CreateDeployment": deployments.create_deployment,
    "CreateDeploymentConfig": configs.create_deployment_config,
    "CreateDeploymentGroup": groups.create_deployment_group,
    "DeleteApplication": applications.delete_application,
    "DeleteDeploymentConfig": configs.delete_deployment_config,
    "DeleteDeploymentGroup": groups.delete_deployment_group,
    "GetApplication": applications.get_application,
    "GetDeployment": deployments.get_deployment,
    "GetDeploymentConfig": configs.get_deployment_config,
    "GetDeploymentGroup": groups.get_deployment_group,
    "GetDeploymentTarget": targets.get_deployment_target,
    "ListApplications": applications.list_applications,
    "ListDeploymentConfigs": configs.list_deployment_configs,
    "ListDeploymentGroups": groups.list_deployment_groups,
    "ListDeploymentTargets": targets.list_deployment_targets,
    "ListDeployments": deployments.list_deployments,
    "ListTagsForResource": list_tags_for_resource,
    "PutLifecycleEventHookExecutionStatus": targets.put_lifecycle_event_hook_execution_status,
    "StopDeployment": deployments.stop_deployment,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
    "UpdateApplication": applications.update_application,
    "UpdateDeploymentGroup": groups.update_deployment_group,
}
