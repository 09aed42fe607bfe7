"""Clusters and their capacity providers."""

from __future__ import annotations

from reconciler.local.ecs.lookup import check_name, client_error, cluster, invalid, last, paged, shown_tags, tags_of
from reconciler.local.ecs.state import Cluster, Params
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

BUILT_IN = ("FARGATE", "FARGATE_SPOT")
INSIGHTS = ("enabled", "disabled", "enhanced")
DESCRIBED_AT_ONCE = 100
PROVIDERS_PER_STRATEGY = 20


def create_cluster(world: World, params: Params) -> Params:
    """Returns an ACTIVE cluster of that name as it is; makes an INACTIVE one anew."""
    name = params.get("clusterName", "default")
    check_name(name, "Cluster name")
    tags = tags_of(params)
    providers = params.get("capacityProviders", [])
    strategy = params.get("defaultCapacityProviderStrategy", [])
    settings = _settings(world, params.get("settings"))
    existing = world.ecs.clusters.get(name)
    if existing is not None and existing.status == "ACTIVE":
        return {"cluster": shown(world, existing, {"SETTINGS", "TAGS", "CONFIGURATIONS", "STATISTICS"})}
    check_providers(world, providers, strategy)
    made = Cluster(
        arn=world.arn("ecs", f"cluster/{name}"),
        name=name,
        settings=settings,
        configuration=params.get("configuration"),
        capacity_providers=list(providers),
        default_strategy=[_entry(item) for item in strategy],
        service_connect=params.get("serviceConnectDefaults"),
        tags=tags,
    )
    world.ecs.clusters[name] = made
    return {"cluster": shown(world, made, {"SETTINGS", "TAGS", "CONFIGURATIONS", "STATISTICS"})}


def _settings(world: World, wanted: list[Params] | None) -> list[Params]:
    value = world.ecs.settings.get("containerInsights", "disabled")
    for item in wanted or []:
        if item.get("name") != "containerInsights" or item.get("value") not in INSIGHTS:
            raise invalid(f"Invalid cluster setting {item.get('name')}: {item.get('value')}")
        value = item["value"]
    return [{"name": "containerInsights", "value": value}]


def check_providers(world: World, providers: list[str], strategy: list[Params]) -> None:
    for name in providers:
        if name not in BUILT_IN and name not in world.ecs.providers:
            raise invalid(f"The specified capacity provider '{name}' was not found. Specify a valid name or ARN")
    check_strategy(strategy, providers)


def check_strategy(strategy: list[Params], providers: list[str]) -> None:
    """CapacityProviderStrategyItem: 20 at most, one base, not every weight 0, no mixing with other kinds."""
    if not strategy:
        return
    names = [last(item["capacityProvider"]) for item in strategy]
    if len(names) > PROVIDERS_PER_STRATEGY:
        raise invalid(
            f"A capacity provider strategy can contain a maximum of {PROVIDERS_PER_STRATEGY} capacity providers."
        )
    if len(set(names)) < len(names):
        raise invalid("A capacity provider strategy cannot contain duplicate capacity providers.")
    for name in names:
        if name not in providers:
            raise invalid(
                f"The specified capacity provider '{name}' is not associated with the cluster. Associate it and try "
                "again."
            )
    if len({name in BUILT_IN for name in names}) > 1:
        raise invalid("A capacity provider strategy cannot mix Fargate and Auto Scaling group capacity providers.")
    if sum(item.get("base", 0) > 0 for item in strategy) > 1:
        raise invalid("A capacity provider strategy can have only one capacity provider with a base.")
    if len(strategy) > 1 and all(item.get("weight", 0) == 0 for item in strategy):
        raise invalid("A capacity provider strategy cannot have only capacity providers of weight 0.")


def _entry(item: Params) -> Params:
    return {
        "capacityProvider": last(item["capacityProvider"]),
        "weight": item.get("weight", 0),
        "base": item.get("base", 0),
    }


def shown(world: World, item: Cluster, include: set[str]) -> Params:
    """Settings, configuration, statistics and tags only when they were asked for: else empty, not absent."""
    tasks = [task for task in world.ecs.tasks.values() if task.cluster == item.name]
    services = [one for one in world.ecs.services.values() if one.cluster == item.name]
    running = sum(task.running for task in tasks)
    pending = sum(task.pending for task in tasks)
    statistics = {
        "runningEC2TasksCount": 0,
        "runningFargateTasksCount": running,
        "pendingEC2TasksCount": 0,
        "pendingFargateTasksCount": pending,
        "activeEC2ServiceCount": 0,
        "activeFargateServiceCount": sum(one.status == "ACTIVE" for one in services),
        "drainingEC2ServiceCount": 0,
        "drainingFargateServiceCount": sum(one.status == "DRAINING" for one in services),
    }
    answer: Params = {
        "clusterArn": item.arn,
        "clusterName": item.name,
        "status": item.status,
        "registeredContainerInstancesCount": 0,
        "runningTasksCount": running,
        "pendingTasksCount": pending,
        "activeServicesCount": sum(one.status == "ACTIVE" for one in services),
        "statistics": [],
        "tags": [],
        "settings": [],
        "capacityProviders": list(item.capacity_providers),
        "defaultCapacityProviderStrategy": list(item.default_strategy),
        "serviceConnectDefaults": item.service_connect,
    }
    if "STATISTICS" in include:
        answer["statistics"] = [{"name": name, "value": str(count)} for name, count in statistics.items()]
    if "TAGS" in include:
        answer["tags"] = shown_tags(item.tags)
    if "SETTINGS" in include:
        answer["settings"] = list(item.settings)
    if "CONFIGURATIONS" in include:
        answer["configuration"] = item.configuration
    if "ATTACHMENTS" in include:
        answer["attachments"] = []
    return answer


def describe_clusters(world: World, params: Params) -> Params:
    names = params.get("clusters") or ["default"]
    if len(names) > DESCRIBED_AT_ONCE:
        raise invalid(f"Clusters can have at most {DESCRIBED_AT_ONCE} items.")
    include = set(params.get("include", []))
    rows, failures = [], []
    for name in names:
        found = world.ecs.clusters.get(last(name))
        if found is None:
            failures.append({"arn": world.arn("ecs", f"cluster/{last(name)}"), "reason": "MISSING"})
        else:
            rows.append(shown(world, found, include))
    return {"clusters": rows, "failures": failures}


def list_clusters(world: World, params: Params) -> Params:
    arns = sorted(item.arn for item in world.ecs.clusters.values() if item.status == "ACTIVE")
    return paged(arns, params, "clusterArns")


def update_cluster(world: World, params: Params) -> Params:
    found = cluster(world, params["cluster"])
    if "settings" in params:
        found.settings = _settings(world, params["settings"])
    if "configuration" in params:
        found.configuration = params["configuration"]
    if "serviceConnectDefaults" in params:
        found.service_connect = params["serviceConnectDefaults"]
    return {"cluster": shown(world, found, {"SETTINGS", "TAGS", "CONFIGURATIONS"})}


def update_cluster_settings(world: World, params: Params) -> Params:
    found = cluster(world, params["cluster"])
    found.settings = _settings(world, params["settings"])
    return {"cluster": shown(world, found, {"SETTINGS", "TAGS", "CONFIGURATIONS"})}


def put_cluster_capacity_providers(world: World, params: Params) -> Params:
    found = cluster(world, params["cluster"])
    providers, strategy = params["capacityProviders"], params["defaultCapacityProviderStrategy"]
    check_providers(world, providers, strategy)
    used = {
        last(entry["capacityProvider"])
        for service in world.ecs.services.values()
        if service.cluster == found.name and service.status == "ACTIVE" and service.launch
        for entry in service.launch.strategy
    }
    if missing := used - set(providers):
        raise Refusal(
            "ResourceInUseException",
            f"The specified capacity provider is in use and cannot be removed: {', '.join(sorted(missing))}",
        )
    found.capacity_providers = list(providers)
    found.default_strategy = [_entry(item) for item in strategy]
    return {"cluster": shown(world, found, {"SETTINGS", "TAGS", "CONFIGURATIONS"})}


def delete_cluster(world: World, params: Params) -> Params:
    found = cluster(world, params["cluster"])
    if any(item.cluster == found.name and item.status != "INACTIVE" for item in world.ecs.services.values()):
        raise Refusal("ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
    if any(item.cluster == found.name and not item.over for item in world.ecs.tasks.values()):
        raise Refusal("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
    found.status = "INACTIVE"
    found.capacity_providers, found.default_strategy = [], []
    return {"cluster": shown(world, found, set())}


def describe_capacity_providers(world: World, params: Params) -> Params:
    names = [last(name) for name in params.get("capacityProviders", [])]
    built_in = {
        name: {
            "capacityProviderArn": world.arn("ecs", f"capacity-provider/{name}"),
            "name": name,
            "status": "ACTIVE",
            "type": name,
        }
        for name in BUILT_IN
    }
    own = {name: {**item, "tags": shown_tags(item["tags"])} for name, item in world.ecs.providers.items()}
    every = {**built_in, **own}
    include_tags = "TAGS" in params.get("include", [])
    rows = [dict(item) for name, item in sorted(every.items()) if not names or name in names]
    if not include_tags:
        rows = [{**row, "tags": []} for row in rows]
    failures = [
        {"arn": world.arn("ecs", f"capacity-provider/{name}"), "reason": "MISSING"}
        for name in names
        if name not in every
    ]
    return {"capacityProviders": rows, "failures": failures}


def create_capacity_provider(world: World, params: Params) -> Params:
    name = params["name"]
    if name.lower().startswith(("aws", "ecs", "fargate")) or name in world.ecs.providers:
        raise client_error(f"The capacity provider name '{name}' is reserved or in use.")
    made = {
        "capacityProviderArn": world.arn("ecs", f"capacity-provider/{name}"),
        "name": name,
        "status": "ACTIVE",
        "type": "EC2_AUTOSCALING",
        "autoScalingGroupProvider": params.get("autoScalingGroupProvider"),
        "tags": tags_of(params),
    }
    world.ecs.providers[name] = made
    return {"capacityProvider": {**made, "tags": shown_tags(made["tags"])}}


def update_capacity_provider(world: World, params: Params) -> Params:
    found = world.ecs.providers.get(params["name"])
    if found is None:
        raise client_error("The specified capacity provider does not exist.")
    found["autoScalingGroupProvider"] = {**found["autoScalingGroupProvider"], **params["autoScalingGroupProvider"]}
    return {"capacityProvider": {**found, "tags": [], "updateStatus": "UPDATE_COMPLETE"}}


def delete_capacity_provider(world: World, params: Params) -> Params:
    name = last(params["capacityProvider"])
    if name not in world.ecs.providers:
        raise client_error("The specified capacity provider does not exist.")
    if any(name in item.capacity_providers for item in world.ecs.clusters.values()):
        raise client_error("The capacity provider is in use by a cluster and cannot be deleted.")
    gone = world.ecs.providers.pop(name)
    return {"capacityProvider": {**gone, "tags": [], "status": "INACTIVE", "updateStatus": "DELETE_COMPLETE"}}
