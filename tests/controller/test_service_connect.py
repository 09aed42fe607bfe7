"""Service Connect from the specs to ECS: part of a release, in a namespace of the stack, and gone without a trace."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.plan import RefusalCode
from reconciler.rollout.engine import Phase
from tests.controller.test_controller import Files, Running
from tests.controller.test_in_flight import FRONTEND
from tests.controller.test_limits_of_scaling import ROLLING
from tests.harness.emulated_stack import SEED, SHORT, emulated_stack

CONNECTED = "service_connect: {services: [{name: web, protocol: http}]}\n"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """v1 serves, and other services of the namespace reach it as http://web:80."""
    folder = Path(shutil.copytree(SEED, tmp_path / "specs"))
    text = (folder / FRONTEND).read_text(encoding="utf-8")
    for old, new in ROLLING.items():
        text = text.replace(old, new)
    (folder / FRONTEND).write_text(text + CONNECTED, encoding="utf-8")
    cluster = folder / "cluster.yaml"
    cluster.write_text(cluster.read_text(encoding="utf-8").rstrip() + "\nnamespace: my-app\n", encoding="utf-8")
    with emulated_stack(terms=SHORT, folder=folder) as stage:
        stage.serving()
        found = Running(stage, Files(folder))
        found.go(120)
        found.quiet()
        yield found


def deployment(running: Running) -> dict[str, Any]:
    (found,) = [one for one in running.stage.service()["deployments"] if one["status"] == "PRIMARY"]
    return dict(found)


def in_place(running: Running) -> None:
    (result,) = running.loop.queue.results.values()
    assert result.step is not None
    assert (result.step.phase, result.step.because) == (Phase.IDLE, "up to date")
    running.quiet()
    running.go(600)
    assert running.writes() == {}


def test_a_service_is_found_by_its_name(running: Running) -> None:
    stage = running.stage
    (namespace,) = stage.laptop.client("servicediscovery").list_namespaces()["Namespaces"]
    connected = deployment(running)["serviceConnectConfiguration"]
    assert connected == {
        "enabled": True,
        "namespace": namespace["Arn"],
        "services": [
            {
                "portName": "frontend-80",
                "discoveryName": "web",
                "clientAliases": [{"port": 80, "dnsName": "web"}],
            }
        ],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": "/ecs/my-app-frontend",
                "awslogs-region": "us-west-2",
                "awslogs-stream-prefix": "service-connect",
            },
        },
    }
    revision = stage.laptop.client("ecs").describe_task_definition(taskDefinition="my-app-frontend")["taskDefinition"]
    (container,) = revision["containerDefinitions"]
    (port,) = container["portMappings"]
    assert (port["name"], port["appProtocol"]) == ("frontend-80", "http")
    in_place(running)


@pytest.mark.slow
def test_another_name_is_a_release_of_its_own(running: Running) -> None:
    """The revision stays, and ECS starts tasks with proxies that know the name."""
    before = deployment(running)
    running.files.edit(FRONTEND, "{name: web, protocol: http}", "{name: web, protocol: http, alias: {port: 8080}}")
    running.go(300)
    after = deployment(running)
    assert after["id"] != before["id"]
    assert after["taskDefinition"] == before["taskDefinition"]
    (service,) = after["serviceConnectConfiguration"]["services"]
    assert service["clientAliases"] == [{"port": 8080, "dnsName": "web"}]
    assert running.writes()["UpdateService"] == 1
    in_place(running)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["grpc", "tcp"])
def test_another_protocol_is_a_name_of_its_own(running: Running, protocol: str) -> None:
    """ECS refuses to change that of a name, so the plan is refused and nothing is sent; another name may have it."""
    before = deployment(running)
    running.files.edit(FRONTEND, "protocol: http}", f"protocol: {protocol}}}")
    running.go(300)
    refusals = [one for one in running.passes[-1].refusals if one.code is RefusalCode.IMMUTABLE]
    assert [str(one.address) for one in refusals] == ["service/my-app-frontend"]
    assert running.writes() == {}
    assert deployment(running)["id"] == before["id"]

    running.files.edit(FRONTEND, "{name: web,", "{name: site, alias: {name: web},")
    running.go(300)
    revision = running.stage.laptop.client("ecs").describe_task_definition(taskDefinition="my-app-frontend")
    (port,) = revision["taskDefinition"]["containerDefinitions"][0]["portMappings"]
    assert port.get("appProtocol", "tcp") == protocol
    after = deployment(running)
    assert after["taskDefinition"] == revision["taskDefinition"]["taskDefinitionArn"]
    (service,) = after["serviceConnectConfiguration"]["services"]
    assert (service["discoveryName"], service["clientAliases"]) == ("site", [{"port": 80, "dnsName": "web"}])
    in_place(running)


@pytest.mark.slow
def test_a_service_that_is_no_longer_connected_leaves_its_namespace(running: Running) -> None:
    """The proxies go before the namespace, which AWS does not delete while a service has a name in it."""
    running.files.edit(FRONTEND, CONNECTED, "")
    running.files.edit("cluster.yaml", "\nnamespace: my-app\n", "\n")
    running.go(600)
    assert deployment(running)["serviceConnectConfiguration"] == {"enabled": False}
    assert running.stage.laptop.client("servicediscovery").list_namespaces()["Namespaces"] == []
    assert running.writes()["DeleteNamespace"] == 1
    in_place(running)
