"""A hosted zone of Route 53, looked up: the public one in which the records of a domain are.

Of several zones it is the one with the longest name that the domain ends with: names are resolved there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from reconciler.model import resource
from reconciler.model.looked_up_type import LookedUpType
from reconciler.model.permissions import Binding, Permissions
from reconciler.model.resource import Calls, Desired, Observed, ResourceHealth
from reconciler.model.resource_type import Scope
from reconciler.resources import _dns, _gone
from reconciler.resources._dns import route53

READS: Final = ("GetHostedZone", "ListHostedZones", "ListResourceRecordSets")


class HostedZoneSpec(resource.Spec):
    domain: str
    """The name that is to be in it."""
    zone: str | None = None
    """Its id. Otherwise it is found by the domain."""
    role: str = ""
    """ARN of the role by which it is reached, in another account."""


class HostedZone(LookedUpType[HostedZoneSpec]):
    kind: ClassVar[str] = "hosted-zone"
    Spec = HostedZoneSpec
    permissions: ClassVar[Permissions] = Permissions(bindings={("route53", name): Binding.READ_ZONES for name in READS})

    def observe(self, scope: Scope) -> Calls[list[Observed[HostedZoneSpec]]]:
        wanted = scope.wanted
        named = [(want.spec.zone, want.spec.role) for want in wanted if want.spec.zone is not None]
        searched = [want.spec.role for want in wanted if want.spec.zone is None]
        keys = [*dict.fromkeys(named), *dict.fromkeys(searched)]
        calls = [
            _dns.as_role(route53.list_hosted_zones(), key)
            if isinstance(key, str)
            else _dns.as_role(route53.get_hosted_zone(Id=key[0]), key[1])
            for key in keys
        ]
        answers = dict(zip(keys, (yield from _gone.answers(calls)), strict=True))
        return [_look_up(want, answers) for want in wanted]


def _look_up(want: Desired[Any], answers: Mapping[Any, Any]) -> Observed[HostedZoneSpec]:
    spec = want.spec
    if spec.zone is None:
        found, reason = _longest(spec.domain, answers[spec.role]["HostedZones"])
    else:
        answer = answers[spec.zone, spec.role]
        found, reason = _named(spec, None if answer is None else answer["HostedZone"])
    if found is None:
        return Observed(want.address, spec.zone or spec.domain, spec, health=ResourceHealth.DEGRADED, reason=reason)
    return Observed(want.address, _id(found), spec, facts={"name": _dns.plain(found["Name"])})


def _longest(domain: str, zones: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any] | None, str]:
    holding = [zone for zone in zones if _holds(zone, domain)]
    public = [zone for zone in holding if not _private(zone)]
    longest = max((len(zone["Name"]) for zone in public), default=0)
    best = [zone for zone in public if len(zone["Name"]) == longest]
    if len(best) == 1:
        return best[0], ""
    if best:
        ids = ", ".join(sorted(map(_id, best)))
        return (
            None,
            f"several public hosted zones are named {_dns.plain(best[0]['Name'])} ({ids}); name one: {{zone: …}}",
        )
    if holding:
        names = ", ".join(sorted({_dns.plain(zone["Name"]) for zone in holding}))
        return None, f"the only hosted zone for {domain} is private ({names}), and ACM validates by public records"
    return None, f"Route 53 has no public hosted zone for {domain}; create it, or name one of another account"


def _named(spec: HostedZoneSpec, zone: Mapping[str, Any] | None) -> tuple[Mapping[str, Any] | None, str]:
    if zone is None:
        return None, f"there is no hosted zone {spec.zone}"
    if not _holds(zone, spec.domain):
        return (
            None,
            f"the hosted zone {spec.zone} is for {_dns.plain(zone['Name'])}, which {spec.domain} is not part of",
        )
    if _private(zone):
        return None, f"the hosted zone {spec.zone} is private, and ACM validates by public records"
    return zone, ""


def _holds(zone: Mapping[str, Any], domain: str) -> bool:
    name = _dns.plain(zone["Name"])
    return domain == name or domain.endswith(f".{name}")


def _private(zone: Mapping[str, Any]) -> bool:
    return bool(zone.get("Config", {}).get("PrivateZone"))


def _id(zone: Mapping[str, Any]) -> str:
    return str(zone["Id"]).rpartition("/")[2]
