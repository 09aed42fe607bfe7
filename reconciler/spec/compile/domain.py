"""Compilation of the domains of a service: the certificate of each, and the records by which it is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from reconciler.model import ownership
from reconciler.model.resource import Address, Desired, Ref
from reconciler.resources import _dns
from reconciler.resources.dns_record import DnsRecordSpec
from reconciler.resources.domain_certificate import DomainCertificateSpec
from reconciler.resources.hosted_zone import HostedZoneSpec
from reconciler.spec import domains
from reconciler.spec.compile.context import Context
from reconciler.spec.compile.delivery import entry
from reconciler.spec.documents import LoadBalancer, Service

DUALSTACK = "dualstack"


def compile_domains(context: Context, service: Service) -> Iterator[Desired[Any]]:
    """A record leads to the load balancer once its certificate is issued and requests by HTTPS are answered."""
    where = {ownership.REGION: context.stack.region, _dns.ACCOUNT: context.account}
    for _, traffic in service.forwardings:
        balancer = context.specs.get(LoadBalancer, traffic.load_balancer)
        if balancer is None:
            continue
        dual = (balancer.ip_address_type or "").startswith(DUALSTACK)
        for one in domains.served(context.specs, balancer):
            if one.service is not service or one.traffic is not traffic:
                continue
            domain, role = one.domain, one.domain.role or ""
            zone = HostedZoneSpec(domain=domain.name.removeprefix("*."), zone=domain.zone, role=role)
            yield context.desired(service, one.zone, zone, *one.path)
            certificate = DomainCertificateSpec(domain=domain.name, zone=Ref(one.zone), role=role)
            yield context.desired(service, one.certificate, certificate, *one.path, name=domain.slug, tags=where)
            record = context.desired(
                service,
                one.record,
                DnsRecordSpec(
                    name=domain.name,
                    zone=Ref(one.zone),
                    role=role,
                    load_balancer=Ref(Address("load-balancer", balancer.name)),
                    types=("A", "AAAA") if dual else ("A",),
                ),
                *one.path,
                tags=where,
                after=(one.certificate, entry(service, traffic, one.listener)),
            )
            yield replace(record, adopt=domain.adopt, tags=_dns.owner_tags(record.tags))
