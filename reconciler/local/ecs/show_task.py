"""Tasks as ECS describes them, in answers and in events."""

from __future__ import annotations

from reconciler.local.ecs.launch import NEWEST_PLATFORM
from reconciler.local.ecs.lookup import shown_tags
from reconciler.local.ecs.state import Params, Task
from reconciler.local.network import Interface
from reconciler.local.scheduler.health import task_health
from reconciler.local.world import World


def task(world: World, item: Task, *, tags: bool) -> Params:
    body = item.definition.body
    return {
        "attachments": [_attachment(item)] if item.interface else [],
        "attributes": [{"name": "ecs.cpu-architecture", "value": "x86_64"}],
        "availabilityZone": item.zone or None,
        "capacityProviderName": item.provider or None,
        "clusterArn": world.arn("ecs", f"cluster/{item.cluster}"),
        "connectivity": "CONNECTED" if item.connected_at else None,
        "connectivityAt": item.connected_at,
        "containers": [_container(item, index) for index in range(len(item.containers))],
        "cpu": item.overrides.get("cpu") or body.get("cpu"),
        "createdAt": item.created_at,
        "desiredStatus": item.desired_status,
        "enableExecuteCommand": item.execute_command,
        "executionStoppedAt": item.execution_stopped_at,
        "group": item.group,
        "healthStatus": task_health(item),
        "lastStatus": item.last_status,
        "launchType": "EC2" if item.provider and not item.provider.startswith("FARGATE") else "FARGATE",
        "memory": item.overrides.get("memory") or body.get("memory"),
        "overrides": {"containerOverrides": [], "inferenceAcceleratorOverrides": [], **item.overrides},
        "platformVersion": NEWEST_PLATFORM,
        "platformFamily": "Linux",
        "pullStartedAt": item.pull_started_at,
        "pullStoppedAt": item.pull_stopped_at,
        "startedAt": item.started_at,
        "startedBy": item.started_by or None,
        "stopCode": item.stop_code or None,
        "stoppedAt": item.stopped_at,
        "stoppedReason": item.stopped_reason or None,
        "stoppingAt": item.stopping_at,
        "tags": shown_tags(item.tags) if tags else [],
        "taskArn": item.arn,
        "taskDefinitionArn": item.definition.arn,
        "version": item.version,
        "ephemeralStorage": body.get("ephemeralStorage") or {"sizeInGiB": 20},
    }


def _attachment(item: Task) -> Params:
    assert item.interface is not None
    status = {"PROVISIONING": "PRECREATED", "STOPPED": "DELETED", "DEPROVISIONING": "DETACHING"}
    details = {
        "subnetId": item.interface.subnet.id,
        "networkInterfaceId": item.interface.id,
        "macAddress": item.interface.mac_address,
        "privateDnsName": item.interface.dns_name,
        "privateIPv4Address": item.interface.private_address,
    } | ({"privateIPv6Address": item.interface.ipv6_address} if item.interface.ipv6_address else {})
    return {
        "id": f"{item.id[:8]}-{item.id[8:12]}-{item.id[12:16]}-{item.id[16:20]}-{item.id[20:]}",
        "type": "ElasticNetworkInterface",
        "status": status.get(item.last_status, "ATTACHED"),
        "details": [{"name": name, "value": value} for name, value in details.items()],
    }


def _interface(attachment: str, interface: Interface) -> Params:
    found = {"attachmentId": attachment, "privateIpv4Address": interface.private_address}
    return found | ({"ipv6Address": interface.ipv6_address} if interface.ipv6_address else {})


_AGENT = {"name": "ExecuteCommandAgent", "lastStatus": "RUNNING"}


def _container(item: Task, index: int) -> Params:
    container, definition = item.containers[index], item.definition.body["containerDefinitions"][index]
    return {
        "containerArn": container.arn,
        "taskArn": item.arn,
        "name": container.name,
        "image": container.image,
        "imageDigest": container.image_digest or None,
        "runtimeId": container.runtime_id if item.launched else None,
        "lastStatus": container.last_status,
        "exitCode": container.exit_code,
        "reason": container.reason or None,
        "managedAgents": [_AGENT] if item.execute_command and container.last_status == "RUNNING" else None,
        "networkBindings": [],
        "networkInterfaces": [_interface(item.id, item.interface)] if item.interface else [],
        "healthStatus": container.health,
        "cpu": str(definition["cpu"]),
        "memory": str(definition["memory"]) if definition.get("memory") else None,
        "memoryReservation": str(definition["memoryReservation"]) if definition.get("memoryReservation") else None,
    }
