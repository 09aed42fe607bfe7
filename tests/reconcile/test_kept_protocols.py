"""A name in Service Connect keeps its protocol, which ECS does not change."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.observed_state import ObservedState
from reconciler.model.plan import RefusalCode
from reconciler.model.resource import Address, Desired, Observed
from reconciler.model.service_connect import ConnectedPort, ServiceConnect
from reconciler.reconcile.immovable import kept_protocols
from reconciler.resources._containers import Container, Port
from reconciler.resources.service import ServiceSpec
from reconciler.resources.task_definition import TaskDefinitionSpec
from reconciler.rollout.spec import RolloutSpec

WEB, TASK = Address("service", "web"), Address("task-definition", "web")


def specs(name: str, protocol: str | None) -> tuple[ServiceSpec, TaskDefinitionSpec]:
    """A service with one name, or with none."""
    port = ConnectedPort(port_name="p", name=name, alias="web", alias_port=80)
    connected = ServiceConnect(enabled=bool(name), namespace="ns", services=(port,) if name else ())
    container = Container(image="nginx:1", ports=(Port(port=80, name="p", app_protocol=protocol),))
    definition = TaskDefinitionSpec(family="web", cpu=256, memory=512, containers={"web": container})
    return ServiceSpec(cluster="c", name="web", service_connect=connected), definition


@pytest.mark.parametrize(
    ("before", "after", "refused"),
    [
        (("api", "http"), ("api", "http"), False),
        (("api", "http"), ("api", "grpc"), True),
        (("api", "http"), ("api", None), True),
        (("api", None), ("api", "http"), True),
        (("api", "http"), ("other", None), False),
        (("api", "http"), ("", None), False),
        (("", None), ("api", "http"), False),
    ],
)
def test_a_name_keeps_its_protocol(before: Any, after: Any, refused: bool) -> None:
    """Another name may have another one."""
    (service, definition), (wanted, wanted_definition) = specs(*before), specs(*after)
    world = ObservedState(
        {"service": [Observed(WEB, "web-arn", service)], "task-definition": [Observed(TASK, "web:1", definition)]}
    )
    desired = {WEB: Desired(WEB, wanted, where="web.yaml:2"), TASK: Desired(TASK, wanted_definition)}
    found = [(one.code, one.address, one.where) for one in kept_protocols(world, desired, [RolloutSpec(WEB, TASK)])]
    assert found == ([(RefusalCode.IMMUTABLE, WEB, "web.yaml:2")] if refused else [])
