"""What `service_connect` of a Service becomes."""

from __future__ import annotations

import pytest

from reconciler.model.adoption import adopted
from reconciler.model.resource import Address, Observed, Ref
from reconciler.model.service_connect import OFF, ConnectedPort, HeaderRule, ServiceConnect, Tls, member, read
from tests.spec import folder
from tests.spec.test_start import compiled

CLUSTER = "{kind: Cluster, name: my-app-cluster, namespace: my-app}\n---\n"
PLAIN = "{kind: DeploymentStrategy, name: plain, type: rolling}\n---\n"
SERVICE = "kind: Service\nname: my-app-frontend\ntraffic: null\ndeployment: plain\n"


def connect(text: str) -> ServiceConnect | None:
    found = compiled(f"{CLUSTER}{PLAIN}{SERVICE}service_connect: {text}\n")
    spec = found[Address("service", "my-app-frontend")].spec
    assert spec.service_connect is None or isinstance(spec.service_connect, ServiceConnect)
    return spec.service_connect


def test_a_client_has_no_names() -> None:
    """It is in the namespace of its cluster."""
    found = connect("{logs: false}")
    assert found == ServiceConnect(enabled=True, namespace=Ref(Address("namespace", "my-app")))


def test_a_port_is_known_by_its_name_alias_and_protocol() -> None:
    text = (
        "{logs: false, namespace: 'arn:aws:servicediscovery:us-west-2:123456789012:namespace/ns-1', services: "
        "[{name: api, alias: {name: api.internal, port: 8080}, protocol: grpc, timeouts: {idle: 1m, request: 0s}, "
        "tls: {certificate_authority: 'arn:aws:acm-pca:us-west-2:1:certificate-authority/1', "
        "role: 'arn:aws:iam::123456789012:role/tls'}}]}"
    )
    found = connect(text)
    assert found is not None
    assert found.namespace == "arn:aws:servicediscovery:us-west-2:123456789012:namespace/ns-1"
    assert found.services == (
        ConnectedPort(
            port_name="frontend-80",
            name="api",
            alias="api.internal",
            alias_port=8080,
            idle_timeout=60,
            request_timeout=0,
            tls=Tls(
                certificate_authority="arn:aws:acm-pca:us-west-2:1:certificate-authority/1",
                role="arn:aws:iam::123456789012:role/tls",
            ),
        ),
    )
    assert read(member(found)) == found


@pytest.mark.parametrize("value", [None, "green"])
def test_a_test_header_is_part_of_the_alias(value: str | None) -> None:
    """Of a service whose traffic ECS shifts; tcp has no headers."""
    native = f"{CLUSTER}kind: DeploymentStrategy\nname: careful\nengine: ecs_native\n---\n"
    header = "{name: x-test}" if value is None else f"{{name: x-test, value: {value}}}"
    text = f"{native}kind: Service\nname: my-app-frontend\nservice_connect:\n  services: [{{protocol: PROTOCOL, "
    text += f"alias: {{test_header: {header}}}}}]\n"
    spec = compiled(text.replace("PROTOCOL", "http"))[Address("service", "my-app-frontend")].spec
    found = spec.service_connect
    assert found.services[0].test_header == HeaderRule(name="x-test", value=value)
    resolved = found.model_copy(update={"namespace": "arn:ns", "log_group": "logs"})
    (alias,) = member(resolved)["services"][0]["clientAliases"]
    rule = {"name": "x-test"} | ({} if value is None else {"value": {"exact": value}})
    assert alias["testTrafficRules"] == {"header": rule}
    assert read(member(resolved)) == resolved
    assert folder.rules(folder.lay(text.replace("PROTOCOL", "tcp"))) == {"E1112"}


def test_what_ecs_fills_in_is_no_change() -> None:
    """A default timeout, and the namespace's ARN."""
    found = ServiceConnect(
        enabled=True,
        namespace="arn:ns",
        services=(ConnectedPort(port_name="p", name="api", alias="api", alias_port=80),),
    )
    answer = member(found)
    answer["services"][0]["timeout"] = {"idleTimeoutSeconds": 3600, "perRequestTimeoutSeconds": 15}
    assert read(answer) == found


def test_a_service_that_says_nothing_is_disconnected() -> None:
    """Under ECS's controller; elsewhere ECS knows nothing of it."""
    rolling = compiled(f"{PLAIN}{SERVICE}")[Address("service", "my-app-frontend")].spec
    assert rolling.service_connect == OFF
    assert compiled("")[Address("service", "my-app-frontend")].spec.service_connect is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("{services: [{container: other}]}", "E5021"),
        ("{services: [{port: 81}]}", "E5021"),
        ("{services: [{name: Web}]}", "E1109"),
        ("{services: [{name: -web}]}", "E1109"),
        ("{services: [{timeouts: {request: 5s}}]}", "E1112"),
        ("{services: [{protocol: udp}]}", "E1107"),
        ("{services: [{protocol: http, alias: {test_header: {name: 'x y'}}}]}", "E1109"),
        ("{services: [{protocol: http, alias: {test_header: {value: x}}}]}", "E1103"),
        ("{services: [{protocol: http, alias: {test_header: {name: x}}}]}", "E5027"),
        ("{namespace: my-app}", "E1109"),
        ("{services: [{tls: {certificate_authority: 'arn:aws:acm-pca:x'}}]}", "E1103"),
    ],
)
def test_what_ecs_would_refuse_is_refused(text: str, rule: str) -> None:
    """At its line, before anything is written."""
    specs = folder.lay(f"{CLUSTER}{PLAIN}{SERVICE}service_connect: {text}\n")
    assert [(found.rule, found.position.file) for found in specs.diagnostics] == [(rule, "case.yaml")]


def test_two_services_of_a_namespace_have_names_of_their_own() -> None:
    other = SERVICE.replace("my-app-frontend", "other").replace("traffic: null\n", "")
    text = (
        f"{CLUSTER}{PLAIN}{SERVICE}service_connect: {{services: [{{name: web}}]}}\n---\n{other}"
        "cluster: my-app-cluster\nplacement: {subnets: [app-public1-a], security_groups: [my-app-task-sg]}\n"
        "task: {cpu: 256, memory: 512, containers: {web: {image: 'nginx:1', port: 8080}}}\n"
        "service_connect: {services: [{name: web}]}\n"
    )
    assert [found.rule for found in folder.lay(text).diagnostics if found.rule.startswith("E502")] == ["E5022"]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("{services: [{protocol: http}]}", "{services: [{protocol: grpc}]}", "grpc"),
        ("{services: [{protocol: http}]}", "{services: [{protocol: tcp}]}", None),
        ("{services: [{protocol: http}]}", "{services: [{}]}", None),
        ("{services: [{protocol: http}]}", "{}", None),
        ("{services: [{protocol: http}]}", "", None),
        ("{}", "{services: [{}]}", None),
        ("{}", "{}", "http"),
        ("", "", "http"),
    ],
)
def test_a_protocol_is_what_service_connect_says(before: str, after: str, expected: str | None) -> None:
    """A port that is not connected any more loses it, and keeps one that the document never had."""
    address = Address("task-definition", "my-app-frontend")
    first, second = (
        compiled(f"{CLUSTER}{PLAIN}{SERVICE}" + (f"service_connect: {text}\n" if text else ""))[address]
        for text in (before, after)
    )
    container = first.spec.containers["frontend"]
    (port,) = container.ports
    live = container.model_copy(update={"ports": (port.model_copy(update={"app_protocol": "http"}),)})
    spec = first.spec.model_copy(update={"containers": {"frontend": live}})
    (found,) = (
        adopted(second, Observed(address, "my-app-frontend:1", spec, first.tags)).spec.containers["frontend"].ports
    )
    assert found.app_protocol == expected
