"""Account settings."""

from __future__ import annotations

from reconciler.local.ecs.lookup import invalid
from reconciler.local.ecs.state import Params
from reconciler.local.world import World

DEFAULTS = {
    "awsvpcTrunking": "disabled",
    "containerInsights": "disabled",
    "containerInstanceLongArnFormat": "enabled",
    "defaultLogDriverMode": "non-blocking",
    "dualStackIPv6": "enabled",
    "fargateEventWindows": "disabled",
    "fargateFIPSMode": "disabled",
    "fargateTaskRetirementWaitPeriod": "7",
    "guardDutyActivate": "off",
    "serviceLongArnFormat": "enabled",
    "tagResourceAuthorization": "on",
    "taskLongArnFormat": "enabled",
}


def put_account_setting(world: World, params: Params) -> Params:
    name, value = params["name"], params["value"]
    if name not in DEFAULTS:
        raise invalid(f"Invalid account setting name {name}.")
    world.ecs.settings[name] = value
    return {"setting": _shown(world, name, value)}


def delete_account_setting(world: World, params: Params) -> Params:
    name = params["name"]
    world.ecs.settings.pop(name, None)
    return {"setting": _shown(world, name, DEFAULTS.get(name, ""))}


def list_account_settings(world: World, params: Params) -> Params:
    values = {**DEFAULTS, **world.ecs.settings} if params.get("effectiveSettings") else dict(world.ecs.settings)
    rows = [
        _shown(world, name, value)
        for name, value in sorted(values.items())
        if params.get("name") in (None, name) and params.get("value") in (None, value)
    ]
    return {"settings": rows}


def _shown(world: World, name: str, value: str) -> Params:
    return {"name": name, "value": value, "principalArn": f"arn:aws:iam::{world.account}:root"}
