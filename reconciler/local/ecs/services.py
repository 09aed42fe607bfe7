"""Services: created, described, listed, deleted. Changing one is in `service_update`."""

from __future__ import annotations

from reconciler.local.ecs import configuration, launch, show
from reconciler.local.ecs.lookup import (
    any_service,
    check_name,
    cluster,
    invalid,
    last,
    once,
    paged,
    remember,
    tags_of,
)
from reconciler.local.ecs.state import Cluster, Deployment, Launch, Params, Service, TaskSet
from reconciler.local.refusal import Refusal
from reconciler.local.scheduler import rollouts, traffic
from reconciler.local.scheduler.strategy import shifts_traffic
from reconciler.local.world import World

DESCRIBED_AT_ONCE = 10
TASKS_MOST = 5000
NOT_WITH_EXTERNAL = (
    "taskDefinition",
    "launchType",
    "capacityProviderStrategy",
    "platformVersion",
    "networkConfiguration",
    "serviceRegistries",
    "loadBalancers",
    "serviceConnectConfiguration",
)


def create_service(world: World, params: Params) -> Params:
    """A name that an ACTIVE or DRAINING service has is taken, unless the client token says that it is the same call."""
    owner = cluster(world, params.get("cluster"))
    name = params["serviceName"]
    check_name(name, "Service name")
    repeated = once(world, "CreateService", params)
    existing = any_service(world, owner.name, name)
    if existing is not None and existing.status == "DRAINING":
        raise invalid("Unable to Start a service that is still Draining.")
    if existing is not None and existing.status == "ACTIVE":
        if repeated and repeated["same"] and repeated["result"] is existing:
            return {"service": show.service(world, existing, tags=True)}
        raise invalid("Creation of service was not idempotent.")
    made = _made(world, owner, params)
    world.ecs.services[made.key] = made
    if made.controller == "ECS":
        assert made.launch is not None
        begin(world, made, made.launch)
    elif made.controller == "CODE_DEPLOY":
        _first_set(world, made)
    remember(world, "CreateService", params, made)
    return {"service": show.service(world, made, tags=True)}


def _made(world: World, owner: Cluster, params: Params) -> Service:
    controller = params.get("deploymentController", {}).get("type", "ECS")
    desired = params.get("desiredCount", 1 if params.get("schedulingStrategy") == "DAEMON" else 0)
    check_count(desired)
    if "desiredCount" not in params and params.get("schedulingStrategy", "REPLICA") == "REPLICA":
        raise invalid("desiredCount must be specified for the REPLICA scheduling strategy.")
    config = configuration.merged(None, params.get("deploymentConfiguration"))
    configuration.check_controller(controller, params.get("deploymentConfiguration", {}))
    tags = tags_of(params)
    started = None
    if controller == "EXTERNAL":
        _check_external(params)
    else:
        if not params.get("taskDefinition"):
            raise invalid("TaskDefinition can not be blank.")
        started = launch.from_params(world, owner, params)
        configuration.check_traffic(world, config, started)
    if controller == "CODE_DEPLOY":
        _check_code_deploy(params)
    grace = params.get("healthCheckGracePeriodSeconds")
    if grace is not None and controller != "EXTERNAL" and not params.get("loadBalancers"):
        raise invalid("Health check grace period is only valid for services configured to use load balancers")
    role = world.rest.role("AWSServiceRoleForECS")
    return Service(
        arn=world.arn("ecs", f"service/{owner.name}/{params['serviceName']}"),
        name=params["serviceName"],
        cluster=owner.name,
        controller=controller,
        desired_count=desired,
        configuration=config,
        created_at=world.now,
        launch=started,
        scheduling_strategy=_strategy(params, controller),
        grace_seconds=grace if grace is not None else (0 if params.get("loadBalancers") else None),
        placement_constraints=params.get("placementConstraints", []),
        placement_strategy=params.get("placementStrategy", []),
        propagate_tags=params.get("propagateTags", "NONE"),
        managed_tags=params.get("enableECSManagedTags", False),
        execute_command=params.get("enableExecuteCommand", False),
        zone_rebalancing=configuration.zone_rebalancing(params.get("availabilityZoneRebalancing"), None, config),
        role_arn=role or f"arn:aws:iam::{world.account}:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS",
        tags=tags,
    )


def _strategy(params: Params, controller: str) -> str:
    strategy = str(params.get("schedulingStrategy", "REPLICA"))
    if strategy == "DAEMON":
        if controller != "ECS":
            raise invalid(
                f"The {controller} deployment controller type is not supported for services using the DAEMON "
                "scheduling strategy."
            )
        raise invalid("The Fargate launch type does not support the DAEMON scheduling strategy.")
    return strategy


def check_count(desired: int) -> None:
    if desired < 0:
        raise invalid("Desired count cannot be negative.")
    if desired > TASKS_MOST:
        raise invalid(f"Desired count cannot be more than {TASKS_MOST}.")


def _check_external(params: Params) -> None:
    """Developer guide, "External deployment": all of this belongs to the task sets."""
    for key in NOT_WITH_EXTERNAL:
        if params.get(key):
            raise invalid(f"{key[0].upper()}{key[1:]} must be empty or null.")


def _check_code_deploy(params: Params) -> None:
    if len(params.get("loadBalancers", [])) != 1:
        raise invalid("CODE_DEPLOY deployment controller requires exactly one load balancer with a target group.")
    if params.get("serviceConnectConfiguration", {}).get("enabled"):
        raise invalid(
            "Service Connect feature is only supported with ECS (rolling update) deployment controller. Update to ECS "
            "deployment controller and try again."
        )


def begin(world: World, service: Service, wanted: Launch, *, resent: bool = False) -> None:
    """A new deployment of an ECS-controlled service; `resent` is about its pairs of target groups."""
    resolved = wanted
    if shifts_traffic(service):
        resolved = traffic.resolved(world, wanted, traffic.serving(world, service.deployments), resent=resent)
    rollouts.begin(world, service, resolved)
    assert service.primary is not None
    service.primary.declared = wanted.load_balancers
    service.launch = wanted


def _first_set(world: World, service: Service) -> None:
    """CODE_DEPLOY services begin with a task set that ECS makes itself: no deployment of CodeDeploy has started it."""
    assert service.launch is not None
    number = world.ids.digits(19)
    made = Deployment(
        number=number,
        launch=service.launch,
        created_at=world.now,
        updated_at=world.now,
        status="PRIMARY",
        task_set=TaskSet(
            arn=world.arn("ecs", f"task-set/{service.cluster}/{service.name}/ecs-svc/{number}"),
            scale=100.0,
            stability_at=world.now,
        ),
    )
    service.deployments.insert(0, made)
    service.revisions[number] = made
    world.touch(service)


def describe_services(world: World, params: Params) -> Params:
    owner = cluster(world, params.get("cluster"))
    names = params["services"]
    if not names:
        raise invalid("Services cannot be empty.")
    if len(names) > DESCRIBED_AT_ONCE:
        raise invalid(f"Services can have at most {DESCRIBED_AT_ONCE} items.")
    tags = "TAGS" in params.get("include", [])
    rows, failures = [], []
    for name in names:
        found = any_service(world, owner.name, name)
        if found is None:
            arn = name if name.startswith("arn:") else world.arn("ecs", f"service/{owner.name}/{name}")
            failures.append({"arn": arn, "reason": "MISSING"})
        else:
            rows.append(show.service(world, found, tags=tags))
    return {"services": rows, "failures": failures}


def list_services(world: World, params: Params) -> Params:
    owner = cluster(world, params.get("cluster"))
    kind, scheduling = params.get("launchType"), params.get("schedulingStrategy")
    arns = sorted(
        item.arn
        for item in world.ecs.services.values()
        if item.cluster == owner.name
        and item.status != "INACTIVE"
        and (kind is None or (item.launch is not None and item.launch.launch_type == kind))
        and scheduling in (None, item.scheduling_strategy)
    )
    return paged(arns, params, "serviceArns", default=10)


def delete_service(world: World, params: Params) -> Params:
    """DRAINING until its tasks are gone; refused while it is scaled above 0, unless forced.

    So Terraform deletes a service, whatever its controller: UpdateService to 0, then DeleteService
    (hashicorp/terraform-provider-aws internal/service/ecs/service.go, resourceServiceDelete).
    """
    owner = cluster(world, params.get("cluster"))
    found = any_service(world, owner.name, params["service"])
    if found is None or found.status == "INACTIVE":
        raise Refusal("ServiceNotFoundException", "Service not found.")
    if found.status == "DRAINING":
        return {"service": show.service(world, found, tags=False)}
    if found.desired_count > 0 and not params.get("force"):
        raise invalid("The service cannot be stopped while it is scaled above 0.")
    found.status, found.desired_count = "DRAINING", 0
    if under_way := found.rollout:
        under_way.status, under_way.status_reason = "STOPPED", "The service was deleted."
        under_way.finished_at = under_way.stopped_at = world.now
    world.touch(found)
    return {"service": show.service(world, found, tags=False)}


def list_services_by_namespace(world: World, params: Params) -> Params:
    wanted = last(params["namespace"])
    arns = sorted(
        item.arn
        for item in world.ecs.services.values()
        if item.status != "INACTIVE"
        and item.launch
        and item.launch.service_connect
        and last(item.launch.service_connect.get("namespace", "")) == wanted
    )
    return paged(arns, params, "serviceArns", default=10)
