"""Compilation of the Service Connect of a service. The names of its ports are in its task definition (workload.py)."""

from __future__ import annotations

from reconciler.model.resource import Link, Ref
from reconciler.model.service_connect import OFF, ConnectedPort, HeaderRule, ServiceConnect, Tls
from reconciler.spec import queries
from reconciler.spec.compile.cluster import namespace_address
from reconciler.spec.compile.context import Context, seconds
from reconciler.spec.compile.workload import log_group_address
from reconciler.spec.documents import Cluster, Service
from reconciler.spec.documents.service_connect import ConnectedService


def compile_service_connect(context: Context, service: Service) -> ServiceConnect:
    declared = service.service_connect
    if declared is None:
        return OFF
    logs = declared.logs and queries.has_log_group(service)
    return ServiceConnect(
        enabled=True,
        namespace=_namespace(context, service),
        services=tuple(_port(context, service, one) for one in declared.services),
        log_group=Ref(log_group_address(service)) if logs else "",
        log_region=context.stack.region if logs else "",
        log_prefix="service-connect" if logs else "",
    )


def _namespace(context: Context, service: Service) -> Link:
    assert service.service_connect is not None
    if service.service_connect.namespace is not None:
        return service.service_connect.namespace
    cluster = context.specs.get(Cluster, service.cluster)
    assert cluster is not None, "checked: a service in another cluster names its namespace"
    return Ref(namespace_address(cluster))


def _port(context: Context, service: Service, one: ConnectedService) -> ConnectedPort:
    found = queries.connected_port(service, one)
    assert found is not None, "checked: it is a port of a container"
    name = one.name or found.name
    return ConnectedPort(
        port_name=found.name,
        name=name,
        alias=one.alias.name or name,
        alias_port=one.alias.port or found.port,
        idle_timeout=None if one.timeouts is None else seconds(one.timeouts.idle),
        request_timeout=None if one.timeouts is None else seconds(one.timeouts.request),
        test_header=None
        if one.alias.test_header is None
        else HeaderRule(name=one.alias.test_header.name, value=one.alias.test_header.value),
        tls=None
        if one.tls is None
        else Tls(
            certificate_authority=one.tls.certificate_authority,
            kms_key=one.tls.kms_key,
            role=context.role(one.tls.role),
        ),
    )
