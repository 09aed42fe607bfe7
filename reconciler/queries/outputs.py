"""Outputs of a stack: the URLs, ids and ARNs of what is deployed, by name. Computed from an observation.

A name is `ADDRESS.ATTRIBUTE`, such as `service/api.url`, so that it stays the same when AWS's ids change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from reconciler.model.resource import Address, Observed, ResourceHealth
from reconciler.model.type_registry import ResourceTypes
from reconciler.resources.secret_version import SecretVersion
from reconciler.rollout.spec import RolloutSpec

ATTRIBUTES: Final = ("arn", "dns_name", "public_ip", "uri", "zone_id")
"""Facts of resources that are outputs."""

PORTS: Final = {"http": 80, "https": 443}
"""Default port of each protocol, which a URL leaves out."""

WILDCARD: Final = re.compile(r"[*?]")


def outputs(
    kinds: ResourceTypes,
    found: Mapping[Address, Observed[Any]],
    services: Iterable[RolloutSpec],
    local_urls: Mapping[str, str],
) -> dict[str, str]:
    """Output name → value, sorted by name.

    `found` are the stack's resources and those that its specs look up. `local_urls` are the URLs of listeners on the
    local AWS emulator, by ARN, which its DNS names do not lead to.
    """
    several = [one for one in found.values() if one.address.kind != SecretVersion.kind]
    usable = [one for one in several if one.health is ResourceHealth.READY or not kinds[one.address.kind].lookup]
    values = {f"{one.address}.{name}": value for one in usable for name, value in _identifiers(one)}
    by_id = {one.id: one for one in found.values()}
    entries = {address: address for address in found if address.kind == "listener"}
    entries |= {service.service: service.production for service in services if service.production is not None}
    for address, entry in entries.items():
        if address in found and entry in found and (url := _url(found[entry], by_id, local_urls)):
            values[f"{address}.url"] = url
    return dict(sorted(values.items()))


def listener_url(protocol: str, host: str, port: int | str) -> str:
    scheme = protocol.lower()
    return f"{scheme}://{host}" if port == PORTS.get(scheme) else f"{scheme}://{host}:{port}"


def _identifiers(one: Observed[Any]) -> Iterable[tuple[str, str]]:
    yield "arn" if one.id.startswith("arn:") else "id", one.id
    yield from ((name, one.facts[name]) for name in ATTRIBUTES if one.facts.get(name))


def _url(entry: Observed[Any], by_id: Mapping[str, Observed[Any]], local_urls: Mapping[str, str]) -> str | None:
    """URL of a listener or of a listener rule; None if its load balancer is not known, or if no single host matches.

    Of a rule it has the first host without a wildcard, and the first path up to its first wildcard.
    """
    listener, host, path = entry, "", ""
    if entry.address.kind == "listener-rule":
        if entry.spec.listener not in by_id:
            return None
        listener = by_id[entry.spec.listener]
        host = next((host for host in entry.spec.hosts if not WILDCARD.search(host)), "")
        path = WILDCARD.split(entry.spec.paths[0])[0] if entry.spec.paths else ""
    if listener.id in local_urls:
        return local_urls[listener.id] + path
    balancer = by_id.get(listener.spec.load_balancer)
    if balancer is None or (entry is not listener and entry.spec.hosts and not host):
        return None
    return listener_url(listener.spec.protocol, host or balancer.facts["dns_name"], listener.spec.port) + path
