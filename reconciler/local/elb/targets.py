"""Targets: registered by ECS or by hand, and their health, in AWS's words."""

from __future__ import annotations

import ipaddress

from reconciler.local.elb.checks import invalid, target_group
from reconciler.local.elb.routes import deregister, register
from reconciler.local.elb.state import Params, TargetGroup
from reconciler.local.ports import Target, TargetState
from reconciler.local.refusal import Refusal
from reconciler.local.world import World

PRIVATE = [ipaddress.ip_network(block) for block in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")]


def register_targets(world: World, params: Params) -> Params:
    group = target_group(world, params["TargetGroupArn"])
    register(world, group, [_by_hand(world, group, item) for item in params["Targets"]])
    return {}


def deregister_targets(world: World, params: Params) -> Params:
    """What is not registered is not missed. Without a port, every port of that id goes."""
    group = target_group(world, params["TargetGroupArn"])
    wanted = [(item["Id"], item.get("Port")) for item in params["Targets"]]
    keys = [key for key in group.targets if any(key[0] == id_ and port in (None, key[1]) for id_, port in wanted)]
    deregister(world, group, keys)
    return {}


def _by_hand(world: World, group: TargetGroup, item: Params) -> Target:
    port = item.get("Port") or group.settings["Port"]
    if group.settings["TargetType"] != "ip":
        return Target(item["Id"], port)
    try:
        address = ipaddress.ip_address(item["Id"])
    except ValueError as error:
        raise invalid(f"The IP address '{item['Id']}' is not a valid IPv4 address") from error
    inside = world.network.vpc_contains(group.settings["VpcId"], item["Id"])
    if not inside and (item.get("AvailabilityZone") != "all" or not any(address in block for block in PRIVATE)):
        raise Refusal(
            "InvalidTarget", f"The IP address '{item['Id']}' is not within the VPC '{group.settings['VpcId']}'"
        )
    task = next(
        (task for task in world.ecs.tasks.values() if task.interface and task.interface.private_address == item["Id"]),
        None,
    )
    if task is None or not task.address:
        return Target(item["Id"], port, item.get("AvailabilityZone", ""))
    return Target(item["Id"], port, task.zone, task.address, task.ports.get(port, port))


def describe_target_health(world: World, params: Params) -> Params:
    group = target_group(world, params["TargetGroupArn"])
    states = world.probe.states(group.arn)
    if "Targets" not in params:
        return {"TargetHealthDescriptions": [_shown(group, state) for state in states]}
    rows = []
    for item in params["Targets"]:
        port = item.get("Port") or group.settings["Port"]
        state = next((one for one in states if (one.target.id, one.target.port) == (item["Id"], port)), None)
        rows.append(
            _shown(group, state)
            if state
            else {
                "Target": {"Id": item["Id"], "Port": port},
                "TargetHealth": {
                    "State": "unused",
                    "Reason": "Target.NotRegistered",
                    "Description": "Target is not registered to the target group",
                },
            }
        )
    return {"TargetHealthDescriptions": rows}


def _shown(group: TargetGroup, state: TargetState) -> Params:
    check_port = group.settings["HealthCheckPort"]
    target: Params = {"Id": state.target.id, "Port": state.target.port}
    if state.target.zone:
        target["AvailabilityZone"] = state.target.zone
    return {
        "Target": target,
        "HealthCheckPort": str(state.target.port) if check_port == "traffic-port" else check_port,
        "TargetHealth": {
            "State": state.state,
            "Reason": state.reason or None,
            "Description": state.description or None,
        },
    }
