"""Every field of what AWS takes as a whole, such as a port or a name in Service Connect: to remove it is a change."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.model.diff import diff
from reconciler.model.resource import Desired, Observed, Spec
from reconciler.model.service_connect import ConnectedPort, HeaderRule, ServiceConnect, Tls
from reconciler.model.type_registry import discover
from reconciler.resources._containers import Port
from tests.resources import test_service
from tests.resources import test_task_definition as test_definition
from tests.resources.echo import Echo
from tests.resources.talk import scope
from tests.resources.test_members import with_spec

PORT = Port(port=8080, name="web", app_protocol="http")
CONNECTED = ConnectedPort(
    port_name="web",
    name="api",
    alias="api.internal",
    alias_port=80,
    idle_timeout=60,
    request_timeout=30,
    tls=Tls(
        certificate_authority="arn:aws:acm-pca:us-west-2:1:certificate-authority/1",
        kms_key="arn:aws:kms:us-west-2:1:key/1",
        role="arn:aws:iam::123456789012:role/tls",
    ),
    test_header=HeaderRule(name="x-test", value="green"),
)
WHOLE = ServiceConnect(
    enabled=True,
    namespace="arn:aws:servicediscovery:us-west-2:123456789012:namespace/ns-1",
    services=(CONNECTED,),
    log_group="/ecs/web",
    log_region="us-west-2",
    log_prefix="service-connect",
)


def port(value: Spec) -> Desired[Any]:
    containers = dict(test_definition.DESIRED.spec.containers)
    containers["web"] = containers["web"].model_copy(update={"ports": (value,)})
    return with_spec(test_definition.DESIRED, containers=containers)


def connect(value: Spec) -> Desired[Any]:
    return with_spec(test_service.DESIRED, service_connect=value)


LOG = ("log_group", "log_region", "log_prefix")
"""Fields that are there together."""

SUBJECTS = {
    "port": (PORT, port, ("containers", "web", "ports", "8080/tcp")),
    "service_connect": (WHOLE, connect, ("service_connect",)),
}


def without(value: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """`value` without each field that may be left out, and the path of that field."""
    for name, field in type(value).model_fields.items():
        item, path = getattr(value, name), (*at, name)
        if not field.is_required() and name != "enabled":
            fields = LOG if name in LOG else (name,)
            yield path, value.model_copy(update={one: type(value).model_fields[one].get_default() for one in fields})
        if isinstance(item, Spec):
            yield from ((inner, value.model_copy(update={name: less})) for inner, less in without(item, path))
        if isinstance(item, tuple) and item and isinstance(item[0], Spec):
            for inner, less in without(item[0], (*path, str(item[0]))):
                yield inner, value.model_copy(update={name: (less,)})


CASES = [
    pytest.param(name, path, less, id=f"{name}-{'.'.join(path)}")
    for name, (whole, _, _) in SUBJECTS.items()
    for path, less in without(whole)
    if path not in {("protocol",), *((one,) for one in LOG[1:])}
]


@pytest.mark.parametrize(("name", "path", "less"), CASES)
def test_a_field_that_is_removed_is_a_change(name: str, path: tuple[str, ...], less: Spec) -> None:
    """It shows as that field alone, and once it is written it differs in nothing."""
    whole, made, base = SUBJECTS[name]
    first, second = made(whole), made(less)
    kind = discover()[first.address.kind]
    echo = Echo(test_service.item(), first.tags)
    echo.hold(kind.create(first))
    assert not diff(observed(echo, first), first.spec)

    old = observed(echo, second)
    changes = diff(old, second.spec)
    assert changes
    for change in changes:
        assert change.path[: len(base) + len(path)] == (*base, *path) or change.path[-1] in LOG, change
    echo.hold(kind.update(old, second, changes))
    assert not diff(observed(echo, second), second.spec)


def observed(echo: Echo, want: Desired[Any]) -> Observed[Any]:
    (found,) = echo.hold(discover()[want.address.kind].observe(scope(want, seen={"service": ()})))
    return found
