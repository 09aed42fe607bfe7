"""ECS Service Connect of a service: its spec, and the member of ECS's calls and answers that it is.

It is part of a release, since ECS starts a proxy beside each task that knows the names of its deployment, and it is
shown on the deployment and not on the service (ECS API reference, Deployment). Two specs with the same member are the
same to ECS: what it fills in, such as a timeout, is read as left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from reconciler.model import resource
from reconciler.model.resource import Link
from reconciler.model.resource_type import FieldMark

PER_REQUEST: Final = 15
"""Seconds for a response of a service whose protocol is HTTP, HTTP/2 or gRPC, if nothing else is declared."""
IDLE: Final = (300, 3600)
"""Seconds after which an idle connection is closed, of these protocols and of TCP, if nothing else is declared
(ECS API reference, ServiceConnectService, timeout)."""


class Tls(resource.Spec):
    """ARNs of the private certificate authority, of the KMS key of the keys, and of the role that ECS takes for it."""

    whole: ClassVar[bool] = True

    certificate_authority: str
    kms_key: str | None = None
    role: Link | None = None


class HeaderRule(resource.Spec):
    """The header of requests to the new version of a deployment that shifts traffic; without a value, with any."""

    whole: ClassVar[bool] = True

    name: str
    value: str | None = None


class ConnectedPort(resource.Spec):
    """A named port of the task definition, and the name and port by which clients reach it. Timeouts in seconds."""

    whole: ClassVar[bool] = True

    port_name: str
    name: str
    alias: str
    alias_port: int
    idle_timeout: int | None = None
    request_timeout: int | None = None
    tls: Tls | None = None
    test_header: HeaderRule | None = None

    def __str__(self) -> str:
        return self.name


class ServiceConnect(resource.Spec):
    """`namespace` is an ARN. Without `services` tasks are clients only; without `log_group` the proxy has no logs."""

    enabled: bool = False
    namespace: Link = ""
    services: Annotated[tuple[ConnectedPort, ...], FieldMark.UNORDERED] = ()
    log_group: Link = ""
    log_region: str = ""
    log_prefix: str = ""


OFF: Final = ServiceConnect()


def member(spec: ServiceConnect | None) -> dict[str, Any]:
    """`serviceConnectConfiguration` of CreateService and UpdateService, for a spec with ids."""
    if spec is None or not spec.enabled:
        return {"enabled": False}
    sent: dict[str, Any] = {"enabled": True, "namespace": spec.namespace}
    if spec.services:
        sent["services"] = [_service(one) for one in sorted(spec.services, key=lambda one: one.name)]
    if spec.log_group:
        options = {
            "awslogs-group": spec.log_group,
            "awslogs-region": spec.log_region,
            "awslogs-stream-prefix": spec.log_prefix,
        }
        sent["logConfiguration"] = {"logDriver": "awslogs", "options": options}
    return sent


def text(spec: ServiceConnect | None) -> str:
    """The member as one text, "" where Service Connect is off."""
    return "" if spec is None or not spec.enabled else json.dumps(member(spec), sort_keys=True)


def tested(text: str) -> bool:
    """Whether requests with a header reach a new version while it is tested, by the member as one text."""
    found = read(json.loads(text or "{}"))
    return any(one.test_header is not None for one in found.services)


def read(item: Mapping[str, Any] | None) -> ServiceConnect:
    """The spec of a member in an answer of ECS, or of one that was sent."""
    if not item or not item.get("enabled"):
        return OFF
    options = (item.get("logConfiguration") or {}).get("options") or {}
    return ServiceConnect(
        enabled=True,
        namespace=item.get("namespace", ""),
        services=tuple(_port(one) for one in item.get("services") or ()),
        log_group=options.get("awslogs-group", ""),
        log_region=options.get("awslogs-region", ""),
        log_prefix=options.get("awslogs-stream-prefix", ""),
    )


def _service(one: ConnectedPort) -> dict[str, Any]:
    alias: dict[str, Any] = {"port": one.alias_port, "dnsName": one.alias}
    if one.test_header is not None:
        value = {} if one.test_header.value is None else {"value": {"exact": one.test_header.value}}
        alias["testTrafficRules"] = {"header": {"name": one.test_header.name} | value}
    sent: dict[str, Any] = {"portName": one.port_name, "discoveryName": one.name, "clientAliases": [alias]}
    timeouts = {"idleTimeoutSeconds": one.idle_timeout, "perRequestTimeoutSeconds": one.request_timeout}
    if any(value is not None for value in timeouts.values()):
        sent["timeout"] = {name: value for name, value in timeouts.items() if value is not None}
    if one.tls is not None:
        sent["tls"] = {"issuerCertificateAuthority": {"awsPcaAuthorityArn": one.tls.certificate_authority}}
        sent["tls"] |= {} if one.tls.kms_key is None else {"kmsKey": one.tls.kms_key}
        sent["tls"] |= {} if one.tls.role is None else {"roleArn": one.tls.role}
    return sent


def _port(item: Mapping[str, Any]) -> ConnectedPort:
    """ECS takes one alias, and answers it as it was sent."""
    timeout, tls = item.get("timeout") or {}, item.get("tls")
    alias: Mapping[str, Any] = next(iter(item.get("clientAliases") or ()), {})
    header = (alias.get("testTrafficRules") or {}).get("header")
    idle, request = timeout.get("idleTimeoutSeconds"), timeout.get("perRequestTimeoutSeconds")
    return ConnectedPort(
        port_name=item["portName"],
        name=item.get("discoveryName") or item["portName"],
        alias=alias.get("dnsName", ""),
        alias_port=alias.get("port", 0),
        idle_timeout=None if idle in IDLE else idle,
        request_timeout=None if request == PER_REQUEST else request,
        test_header=None
        if not header
        else HeaderRule(name=header["name"], value=(header.get("value") or {}).get("exact")),
        tls=None
        if not tls
        else Tls(
            certificate_authority=tls["issuerCertificateAuthority"].get("awsPcaAuthorityArn", ""),
            kms_key=tls.get("kmsKey"),
            role=tls.get("roleArn"),
        ),
    )
