"""Service Connect as ECS checks and keeps it; the proxies that AWS runs beside the tasks are not emulated.

ECS answers the namespace by its ARN, and fills in the name of each service's port as its discovery name.
"""

from __future__ import annotations

from typing import Any

from reconciler.local.ecs.lookup import invalid
from reconciler.local.ecs.state import Cluster, Params, TaskDefinition
from reconciler.local.refusal import Refusal
from reconciler.local.world import World


def resolved(world: World, owner: Cluster, definition: TaskDefinition, given: Params | None) -> Params | None:
    """The configuration that a deployment has."""
    if not given or not given.get("enabled"):
        return given
    named = given.get("namespace") or (owner.service_connect or {}).get("namespace")
    if not named:
        raise invalid("Service Connect configuration must include a namespace, as the cluster has no default.")
    services, ports = given.get("services", ()), _ports(definition)
    for service in services:
        if service["portName"] not in ports:
            name = service["portName"]
            raise invalid(f"portName({name}) does not refer to any named PortMapping in the task definition.")
    names = [_discovered(service) for service in services]
    if len(set(names)) < len(names):
        raise invalid("Duplicate discoveryName values are not allowed in a Service Connect configuration.")
    kept: dict[str, Any] = {**given, "namespace": _namespace(world, named)}
    if services:
        kept["services"] = [{**service, "discoveryName": _discovered(service)} for service in services]
    return kept


def check_protocols(before: tuple[TaskDefinition, Params | None], after: tuple[TaskDefinition, Params | None]) -> None:
    """A name keeps the protocol of its port (API reference, PortMapping, appProtocol); ECS's text is that of
    aws/containers-roadmap#2378.
    """
    was, will = (_stable(*one) for one in (before, after))
    for name in sorted(was.keys() & will.keys()):
        if was[name] != will[name]:
            raise invalid(
                f"The following config cannot be changed for a SC service. Previous config: {was[name]}, "
                f"current config: {will[name]}"
            )


def _stable(definition: TaskDefinition, given: Params | None) -> dict[str, str]:
    services = given.get("services", ()) if given and given.get("enabled") else ()
    mappings = {_discovered(one): _ports(definition)[one["portName"]] for one in services}
    return {
        name: f"ScServiceStableConfig(applicationProtocol={one.get('appProtocol', 'null')}, "
        f"transportProtocol={one.get('protocol', 'tcp')})"
        for name, one in mappings.items()
    }


def _ports(definition: TaskDefinition) -> dict[str, Params]:
    """The named ones."""
    containers = definition.body["containerDefinitions"]
    return {one["name"]: one for container in containers for one in container.get("portMappings", ()) if "name" in one}


def _discovered(service: Params) -> str:
    return str(service.get("discoveryName") or service["portName"])


def _namespace(world: World, named: str) -> str:
    for namespace in world.rest.state("servicediscovery").namespaces.values():
        if named in (namespace.arn, namespace.name):
            return str(namespace.arn)
    raise Refusal("NamespaceNotFoundException", f"The specified namespace wasn't found: {named}")
