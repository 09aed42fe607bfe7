"""From what tasks are started: CreateService, UpdateService, CreateTaskSet and RunTask check it alike."""

from __future__ import annotations

from dataclasses import replace

from reconciler.local.ecs import service_connect
from reconciler.local.ecs.clusters import check_strategy
from reconciler.local.ecs.lookup import active_definition, invalid, last
from reconciler.local.ecs.state import Cluster, Launch, Params, TaskDefinition
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

SUBNETS_MOST = 16
GROUPS_MOST = 5
TARGET_GROUPS_MOST = 5
PLATFORM_VERSIONS = ("LATEST", "1.4.0", "1.3.0")
NEWEST_PLATFORM = "1.4.0"


def from_params(world: World, owner: Cluster, params: Params) -> Launch:
    """A whole launch from a create call."""
    definition = active_definition(world, params["taskDefinition"])
    if params.get("launchType") and params.get("capacityProviderStrategy"):
        raise invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."
        )
    strategy = params.get("capacityProviderStrategy")
    if strategy is None and not params.get("launchType"):
        strategy = owner.default_strategy
    launch = Launch(
        task_definition=definition.arn,
        launch_type=None if strategy else params.get("launchType", "EC2"),
        strategy=tuple(_entry(item) for item in strategy or ()),
        platform_version=params.get("platformVersion"),
        network=_network(params.get("networkConfiguration")),
        load_balancers=tuple(params.get("loadBalancers", ())),
        registries=tuple(params.get("serviceRegistries", ())),
        service_connect=service_connect.resolved(world, owner, definition, params.get("serviceConnectConfiguration")),
        volumes=tuple(params.get("volumeConfigurations", ())),
        lattice=tuple(params.get("vpcLatticeConfigurations", ())),
    )
    check(world, owner, launch, definition)
    return launch


def changed(world: World, owner: Cluster, launch: Launch, params: Params) -> Launch:
    """The launch with what an UpdateService names changed in it."""
    new = launch
    if "taskDefinition" in params:
        new = replace(new, task_definition=active_definition(world, params["taskDefinition"]).arn)
    if "capacityProviderStrategy" in params:
        new = replace(new, strategy=_strategy(owner, launch, params["capacityProviderStrategy"]))
    if "platformVersion" in params:
        new = replace(new, platform_version=params["platformVersion"])
    if "networkConfiguration" in params:
        new = replace(new, network=_network(params["networkConfiguration"]))
    if "loadBalancers" in params:
        new = replace(new, load_balancers=tuple(params["loadBalancers"]))
    if "serviceRegistries" in params:
        new = replace(new, registries=tuple(params["serviceRegistries"]))
    if "volumeConfigurations" in params:
        new = replace(new, volumes=tuple(params["volumeConfigurations"]))
    if "vpcLatticeConfigurations" in params:
        new = replace(new, lattice=tuple(params["vpcLatticeConfigurations"]))
    if new != launch or "serviceConnectConfiguration" in params:
        # the old task definition may be INACTIVE by now: only what is new must be ACTIVE
        before, definition = _definition(world, launch), _definition(world, new)
        assert definition is not None, "it is one that is kept"
        check(world, owner, new, definition)
        connected = params.get("serviceConnectConfiguration", new.service_connect)
        new = replace(new, service_connect=service_connect.resolved(world, owner, definition, connected))
        if before is not None:
            service_connect.check_protocols((before, launch.service_connect), (definition, new.service_connect))
    return new


def _definition(world: World, launch: Launch) -> TaskDefinition | None:
    """None once it was deleted."""
    family, _, revision = launch.task_definition.rpartition("/")[2].partition(":")
    return next((item for item in world.ecs.definitions.get(family, []) if str(item.revision) == revision), None)


def _strategy(owner: Cluster, launch: Launch, wanted: list[Params]) -> tuple[Params, ...]:
    """An empty one goes back to the launch type, or to the cluster's default where a service was created without one
    (CloudFormation template reference, AWS::ECS::Service, "CapacityProviderStrategy").
    """
    if not wanted and launch.strategy and launch.launch_type is None:
        if not owner.default_strategy:
            raise invalid(
                "No launch type to fall back to for empty capacity provider strategy. Your service was not created "
                "with a launch type."
            )
        wanted = owner.default_strategy
    return tuple(_entry(item) for item in wanted)


def _entry(item: Params) -> Params:
    return {
        "capacityProvider": last(item["capacityProvider"]),
        "weight": item.get("weight", 0),
        "base": item.get("base", 0),
    }


def _network(configuration: Params | None) -> Params | None:
    if not configuration or "awsvpcConfiguration" not in configuration:
        return None
    given = configuration["awsvpcConfiguration"]
    return {
        "subnets": list(given["subnets"]),
        "securityGroups": list(given.get("securityGroups", [])),
        "assignPublicIp": given.get("assignPublicIp", "DISABLED"),
    }


def fargate(launch: Launch) -> bool:
    names = [item["capacityProvider"] for item in launch.strategy]
    return all(name.startswith("FARGATE") for name in names) if names else launch.launch_type == "FARGATE"


def hosted(launch: Launch) -> bool:
    """Whether there is something to run its tasks on: Fargate, or instances of a capacity provider, of which there are
    always enough."""
    return fargate(launch) or bool(launch.strategy)


def check(world: World, owner: Cluster, launch: Launch, definition: TaskDefinition) -> None:
    check_strategy(list(launch.strategy), owner.capacity_providers)
    if fargate(launch) and "FARGATE" not in definition.body["compatibilities"]:
        raise invalid("Task definition does not support launch_type FARGATE.")
    if not fargate(launch):
        _check_on_instances(launch)
    if launch.platform_version and launch.platform_version not in PLATFORM_VERSIONS:
        raise Refusal("PlatformUnknownException", "The platform version does not exist.")
    _check_network(world, launch, definition)
    if len(launch.load_balancers) > TARGET_GROUPS_MOST:
        raise invalid("load balancers can have at most 5 items.")
    for entry in launch.load_balancers:
        _check_target_group(world, launch, definition, entry)


def _check_on_instances(launch: Launch) -> None:
    """What is Fargate's alone (API reference, CreateService, "platformVersion"; AwsVpcConfiguration)."""
    if launch.platform_version:
        raise invalid("The platform version must be null when specifying an EC2 launch type.")
    if (launch.network or {}).get("assignPublicIp") == "ENABLED":
        raise invalid("Assign public IP is not supported for this launch type.")


def _check_network(world: World, launch: Launch, definition: TaskDefinition) -> None:
    network, mode = launch.network, definition.body["networkMode"]
    if mode != "awsvpc":
        if network is not None:
            raise invalid("Network Configuration is not valid for the given networkMode of this task definition.")
        return
    if network is None:
        raise invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    if not 1 <= len(network["subnets"]) <= SUBNETS_MOST:
        raise invalid(f"subnets can have at most {SUBNETS_MOST} items.")
    if len(network["securityGroups"]) > GROUPS_MOST:
        raise invalid(f"security groups can have at most {GROUPS_MOST} items.")
    networks = set()
    for subnet_id in network["subnets"]:
        subnet = world.network.subnet(subnet_id)
        if subnet is None:
            raise invalid(
                f"Error retrieving subnet information for [{subnet_id}]: The subnet ID '{subnet_id}' does not exist "
                "(ErrorCode: InvalidSubnetID.NotFound)"
            )
        networks.add(subnet.vpc_id)
    if len(networks) > 1:
        raise invalid("Subnets must all belong to the same VPC.")
    for group_id in network["securityGroups"]:
        vpc_id = world.network.vpc_of_group(group_id)
        if vpc_id is None:
            raise invalid(
                f"Error retrieving security group information for [{group_id}]: The security group '{group_id}' does "
                "not exist (ErrorCode: InvalidGroup.NotFound)"
            )
        if vpc_id not in networks:
            raise invalid("Security groups and subnets must belong to the same VPC.")


def _check_target_group(world: World, launch: Launch, definition: TaskDefinition, entry: Params) -> None:
    if entry.get("loadBalancerName"):
        raise invalid("Classic load balancers are not supported with the awsvpc network mode.")
    arn = entry.get("targetGroupArn")
    if not arn:
        raise invalid("targetGroupArn must be specified for a load balancer.")
    _check_container(definition, entry)
    advanced = entry.get("advancedConfiguration") or {}
    arns = [arn, *([advanced["alternateTargetGroupArn"]] if advanced.get("alternateTargetGroupArn") else [])]
    for one in arns:
        group = world.elb.target_groups.get(one)
        if group is None:
            raise invalid(f"The target group with targetGroupArn {one} does not exist.")
        if group.settings["TargetType"] != "ip" and definition.body["networkMode"] == "awsvpc":
            raise invalid(
                f"The provided target group {one} has target type {group.settings['TargetType']}, which is "
                "incompatible with the awsvpc network mode specified in the task definition."
            )
        if not world.elb.load_balancers_of(one):
            raise invalid(f"The target group with targetGroupArn {one} does not have an associated load balancer.")
        subnet = world.network.subnet(launch.network["subnets"][0]) if launch.network else None
        if subnet and subnet.vpc_id != group.settings["VpcId"]:
            raise invalid(f"The target group {one} is in another VPC than the subnets of the service.")


def _check_container(definition: TaskDefinition, entry: Params) -> None:
    name, port = entry.get("containerName", ""), entry.get("containerPort")
    container = definition.container(name)
    if container is None:
        raise invalid(f"The container {name} does not exist in the task definition.")
    ports = [mapping.get("containerPort") for mapping in container["portMappings"]]
    if ports.count(port) > 1:
        message = f"Container port {port} is used in more than one port mapping for container {container['name']}"
        raise Refusal("InvalidParameterException", message)
    if port not in ports:
        raise invalid(f"The container {name} did not have a container port {port} defined.")
