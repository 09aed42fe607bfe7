"""The release that the specs declare, in AWS ids, and what it still needs.

It is known once everything that it consists of has an id: roles, image digests, subnets.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.model import ownership, service_connect
from reconciler.model.adoption import adopted
from reconciler.model.diff import diff
from reconciler.model.members import FIELD, LEFT, changed
from reconciler.model.resource import Address, Observed, ResourceHealth
from reconciler.resources import _ecs, _revisions
from reconciler.resources._service_fields import API, ServiceSpec, with_deployment
from reconciler.resources.task_definition import ROTATED, content
from reconciler.rollout import state_tags
from reconciler.rollout.release import Capacity, HealthCheck, Release, Version, release_id, restart_id
from reconciler.rollout.spec import RolloutSpec
from reconciler.rollout.stored_state import KEYS
from reconciler.rollout_driver.resolution import ResolutionContext


def wanted_release(delivery: RolloutSpec, context: ResolutionContext, commit: str) -> tuple[Release, str]:
    """The release that the specs declare, and what it still needs. Until its image exists, it has no id."""
    wanted, found, ids = context.wanted, context.found, context.ids
    declared = adopted(wanted[delivery.service].resolved(ids), found[delivery.service])
    unknown = sorted(declared.refs() - {delivery.task_definition})
    if unknown:
        return Release(""), f"{unknown[0]} does not exist yet"
    members = _members(wanted[delivery.service].spec)
    release = replace(_unnamed(delivery, declared.spec, commit, _health(delivery, context)), members=members)
    lack = _missing_image(delivery, found)
    if lack:
        return release, lack
    current = found.get(delivery.task_definition)
    definition = wanted[delivery.task_definition].resolved(ids)
    if current is not None:
        definition = adopted(definition, current)
    if needed := sorted(definition.refs()):
        return release, f"{needed[0]} does not exist yet"
    registered = context.made.get(delivery.task_definition, "")
    if not registered and current is not None and not diff(current, definition.spec):
        registered = current.id
    hashed = content(definition.spec)
    name = release_id(hashed, release)
    named = (release, *_elsewhere(delivery, release, context))
    aliases = {release_id(hashed, one) for one in named} - {name}
    before = current.tags.get(ROTATED, "").split() if current is not None and current.id == registered else ()
    release = replace(release, rotation_of=tuple(sorted({release_id(one, like) for one in before for like in named})))
    restart = restart_of(found[delivery.service])
    if restart is not None and restart.release in {name, *aliases} and not _outdated(restart, registered):
        family = _revisions.family_of(registered)
        whole = f"{registered.removesuffix(_ecs.last(registered))}{restart.task_definition}"
        if family == restart.task_definition.rpartition(":")[0]:
            return replace(release, id=restart_id(restart), task_definition=whole), ""
    return replace(release, id=name, task_definition=registered, aliases=tuple(sorted(aliases))), ""


def restart_of(service: Observed[Any]) -> Version | None:
    """The restart that is stored on the service, which may be of a release that the specs do not declare any more."""
    if KEYS["restart"] not in service.tags:
        return None
    return state_tags.of_tags(ownership.without_aws(service.tags)).restart


def _outdated(restart: Version, registered: str) -> bool:
    """Whether the release has been registered again since, because something that it depends on was replaced."""
    return not registered or _revisions.revision_of(registered) > int(restart.task_definition.rpartition(":")[2])


def _elsewhere(delivery: RolloutSpec, release: Release, context: ResolutionContext) -> Iterator[Release]:
    """The same release as other engines name it: the health check is part of it where traffic is shifted, and else the
    target groups are, of which a service may have had one only.
    """
    if not delivery.groups:
        return
    several = {delivery.groups, delivery.groups[:1], delivery.groups[1:]} - {()}
    for groups in several if delivery.moves_traffic else ():
        yield replace(release, health=None, attached_to=tuple(sorted(group.name for group in groups)))
    if not delivery.moves_traffic and delivery.groups[0] in context.found:
        yield replace(release, health=_declared_health(delivery, context), attached_to=())


def _members(spec: ServiceSpec) -> str:
    found = {name: value for name, value in spec.aws.items() if name in API.rolls}
    return json.dumps(found, sort_keys=True) if found else ""


def whole_members(release: Release, service: Observed[Any]) -> str:
    """The members of a release with what its service has beyond them, and what removes those that it has no more."""
    item = service.facts["item"]
    left = {path[1]: value for path, value in service.facts.get(LEFT, {}).items() if path[1] in API.rolls}
    said = {**left, **json.loads(release.members or "{}")}
    if not said:
        return ""
    return json.dumps(changed(API, said, with_deployment(item), [(FIELD, name) for name in said]))


def _missing_image(delivery: RolloutSpec, found: Mapping[Address, Observed[Any]]) -> str:
    for image in delivery.images:
        if image not in found:
            return f"{image} could not be looked up"
        if found[image].health is not ResourceHealth.READY:
            return found[image].reason
    return ""


def _health(delivery: RolloutSpec, context: ResolutionContext) -> HealthCheck | None:
    """The health check that comes with the release; an adopted target group keeps what its document does not state."""
    return _declared_health(delivery, context) if delivery.moves_traffic else None


def _declared_health(delivery: RolloutSpec, context: ResolutionContext) -> HealthCheck | None:
    if delivery.health is None:
        return None
    want, found = context.wanted[delivery.groups[0]], context.found[delivery.groups[0]]
    kept = {path[1] for path in want.kept if path[0] == "health_check"} if found.spec.health_check else set()
    return replace(delivery.health, **{name: getattr(found.spec.health_check, name) for name in kept})


def _unnamed(delivery: RolloutSpec, spec: ServiceSpec, commit: str, health: HealthCheck | None) -> Release:
    """The release without its id. With the task definition, the same desired state has the same id in every process."""
    network = spec.network
    return Release(
        id="",
        container=delivery.container,
        port=delivery.port,
        subnets=() if network is None else tuple(sorted(map(str, network.subnets))),
        security_groups=() if network is None else tuple(sorted(map(str, network.security_groups))),
        public_ip=network is not None and bool(network.public_ip),
        launch_type=spec.launch_type,
        capacity=tuple(
            Capacity(one.provider, one.weight, one.base)
            for one in sorted(spec.capacity_provider_strategy or (), key=lambda one: one.provider)
        ),
        platform_version=spec.platform_version,
        health=health,
        attached_to=() if delivery.moves_traffic else tuple(sorted(group.name for group in delivery.groups)),
        service_connect=service_connect.text(spec.service_connect),
        commit=commit,
    )
