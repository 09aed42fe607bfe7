"""Compose files as stacks: what they say is in the specs, what specs cannot say is listed, and secrets are nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler import errors
from reconciler.cli.output.exits import Exit
from reconciler.controller.until import has_ended
from reconciler.scaffold import compose
from reconciler.scaffold.blueprint import Blueprint, Use, fargate_size, name_of
from reconciler.scaffold.compose_values import interpolated, mebibytes, ports, requested_path, seconds
from reconciler.scaffold.documents import files
from reconciler.spec.documents import Cluster, Registry, Service, Task
from reconciler.spec.load import Source, load_sources
from reconciler.spec.specs import Specs
from tests.cli.cli_runner import onstage
from tests.harness.emulated_stack import emulated_stack

PASSWORD = "hunter2-correct-horse"
SHOP = f"""
x-common: &common
  restart: always
  environment: &environment
    LOG_LEVEL: info
    DB_PASSWORD: ${{DB_PASSWORD}}
services:
  web:
    <<: *common
    image: ghcr.io/acme/web:1.0
    ports: ["80:3000"]
    environment:
      <<: *environment
      API: http://api:8080
    depends_on: [api]
  api:
    image: ghcr.io/acme/api:1.2
    ports: ["127.0.0.1:8080:8080"]
    environment:
      - DATABASE_URL=postgres://app:{PASSWORD}@db:5432/app
      - SENTRY_DSN
      - MODE=${{MODE:-production}}
    healthcheck:
      test: curl -f http://localhost:8080/health || exit 1
      interval: 1m
    depends_on:
      db: {{condition: service_healthy}}
      migrate: {{condition: service_completed_successfully}}
    deploy: {{replicas: 3, resources: {{limits: {{cpus: "0.5", memory: 900M}}}}}}
    volumes: ["./data:/data"]
  migrate:
    image: ghcr.io/acme/api:1.2
    command: ./manage.py migrate --noinput
    depends_on: [db]
  worker:
    image: ghcr.io/acme/api:1.2
    command: [python, worker.py]
  db:
    image: postgres:16
"""


def read(tmp_path: Path, text: str) -> Blueprint:
    (tmp_path / "compose.yaml").write_text(text, encoding="utf-8")
    return compose.read(tmp_path / "compose.yaml", "shop", "us-west-2")


def specs_of(blueprint: Blueprint) -> Specs:
    specs = load_sources([Source(path, path, text.encode()) for path, text in files(blueprint).items()])
    assert specs.diagnostics == ()
    return specs


def service(specs: Specs, name: str) -> Service:
    found = specs.get(Service, name)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Blueprint:
    return read(tmp_path_factory.mktemp("shop"), SHOP)


def test_each_service_is_a_document(shop: Blueprint) -> None:
    """But for what keeps data, which is named with what AWS has in its place."""
    assert {app.name: app.use for app in shop.apps} == {
        "web": Use.PUBLIC,
        "api": Use.INTERNAL,
        "migrate": Use.MIGRATION,
        "worker": Use.WORKER,
    }
    assert [name for name, _ in shop.left_out] == ["db"]


def test_what_a_service_says_is_in_its_document(shop: Blueprint) -> None:
    """Ports, counts, sizes, commands, health checks, and variables with their defaults."""
    specs = specs_of(shop)
    api = service(specs, "shop-api")
    container = api.task.containers["api"]
    assert (api.desired_count, api.task.cpu, api.task.memory, container.port) == (3, 512, 1024, 8080)
    assert container.environment == {"MODE": "production"}
    assert container.health_check is not None
    assert container.health_check.command == ("CMD-SHELL", "curl -f http://localhost:8080/health || exit 1")
    assert container.health_check.interval.total_seconds() == 60
    assert service(specs, "shop-worker").task.containers["worker"].command == ("python", "worker.py")


def test_services_find_each_other_by_their_names(shop: Blueprint) -> None:
    """The one that is called has its name and port in the cluster's namespace; the caller is a client."""
    specs = specs_of(shop)
    api, web = service(specs, "shop-api").service_connect, service(specs, "shop-web").service_connect
    assert api is not None
    assert web is not None
    (connected,) = api.services
    assert (connected.alias.name, connected.alias.port, connected.protocol) == ("api", 8080, "http")
    assert web.services == ()
    cluster = specs.get(Cluster, "shop")
    assert cluster is not None
    assert cluster.namespace is not None
    assert service(specs, "shop-worker").service_connect is None


def test_what_has_to_complete_first_runs_before_each_release(shop: Blueprint) -> None:
    """`service_completed_successfully` is a Task with `before`."""
    task = specs_of(shop).get(Task, "shop-migrate")
    assert task is not None
    assert (task.before, task.task.containers["migrate"].command) == (
        "shop-api",
        ("./manage.py", "migrate", "--noinput"),
    )


def test_secrets_are_references(shop: Blueprint) -> None:
    """Their values are written nowhere; those of the shell are secrets by their names."""
    specs = specs_of(shop)
    assert {name: str(one) for name, one in service(specs, "shop-api").task.containers["api"].secrets.items()} == {
        "DATABASE_URL": "ssm:/shop/api/DATABASE_URL"
    }
    assert list(service(specs, "shop-web").task.containers["web"].secrets) == ["DB_PASSWORD"]
    assert PASSWORD not in "".join(files(shop).values())


def test_what_cannot_be_said_is_a_comment(shop: Blueprint) -> None:
    """In the service's file: fields without a counterpart, and variables without a value."""
    text = files(shop)["services/api.yaml"]
    assert "# - volumes: " in text
    assert "# SENTRY_DSN: …" in text


def test_the_first_in_line_takes_all_requests_that_no_other_one_takes(tmp_path: Path) -> None:
    """The one on port 80, wherever it stands; each of the others has a path of its own."""
    found = read(
        tmp_path,
        "services:\n  admin: {image: a:1, ports: ['9001:80']}\n  web: {image: a:1, ports: ['80:80']}\n"
        "  docs: {image: a:1, ports: [{target: 8000, published: 9002}]}\n",
    )
    assert {app.name: app.path for app in found.apps} == {"admin": "/admin/*", "web": "", "docs": "/docs/*"}
    specs = specs_of(found)
    priorities = {one.name: one.traffic.match.priority for one in specs.services if one.traffic is not None}
    assert priorities == {"shop-admin": 10, "shop-web": None, "shop-docs": 20}


def test_a_dockerfile_says_what_the_compose_file_leaves_out(tmp_path: Path) -> None:
    """Ports and health checks of its last stage; the image is in a registry of the stack."""
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Dockerfile").write_text(
        "FROM node AS build\nEXPOSE 1\nFROM node:20\nARG P=3000\nEXPOSE ${P}\n"
        'HEALTHCHECK --interval=10s --retries=2 CMD ["wget", "-q", "http://localhost:3000/ok"]\n',
        encoding="utf-8",
    )
    found = read(tmp_path, "services:\n  web: {build: ./web, ports: ['80:3000']}\n")
    specs = specs_of(found)
    web = service(specs, "shop-web")
    assert specs.get(Registry, "shop-web") is not None
    assert web.traffic is not None
    assert web.traffic.health_check.path == "/ok"
    check = web.task.containers["web"].health_check
    assert check is not None
    assert (check.command[:2], check.interval.total_seconds(), check.retries) == (("CMD", "wget"), 10, 2)
    assert found.apps[0].context == "web"


def test_the_health_check_of_an_image_is_for_its_own_command(tmp_path: Path) -> None:
    """A service that shares the image of another, with a command of its own and no port, would fail it for ever."""
    (tmp_path / "Dockerfile").write_text(
        "FROM python:3.12\nEXPOSE 9000\nHEALTHCHECK CMD curl -f http://localhost:9000/ || exit 1\n", encoding="utf-8"
    )
    found = read(
        tmp_path,
        "services:\n  api: {build: ., ports: ['80:9000'], command: serve}\n  jobs: {build: ., command: work}\n",
    )
    specs = specs_of(found)
    assert service(specs, "shop-api").task.containers["api"].health_check is not None
    jobs = service(specs, "shop-jobs").task.containers["jobs"]
    assert (jobs.health_check, jobs.port) == (None, None)
    assert [note for app in found.apps for note in app.notes if "HEALTHCHECK" in note]


def test_a_dockerfile_outside_of_the_folder_is_not_read(tmp_path: Path) -> None:
    """Nor one behind a link."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "Dockerfile").write_text("EXPOSE 1\n", encoding="utf-8")
    found = read(tmp_path / "inner", "services:\n  web: {build: .., ports: ['80:3000']}\n")
    assert found.apps[0].ports == ((3000, "tcp"),)
    assert any("outside" in note for note in found.apps[0].notes)


def test_what_a_compose_file_describes_runs(tmp_path: Path) -> None:
    """The specs are applied on the local AWS, and the next plan has nothing to change."""
    text = "services:\n  web: {image: 'nginx:1.27', ports: ['80:80'], environment: {A: 'http://api:80'}}\n"
    folder = tmp_path / "specs"
    for path, written in files(read(tmp_path, text + "  api: {image: 'nginx:1.27', expose: ['80']}\n")).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(written, encoding="utf-8")
    with emulated_stack(folder=folder) as stage, onstage(stage) as typed:
        assert not stage.apply(has_ended).went_wrong
        assert typed("diff").code == Exit.DONE


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{one}: &{one} [*{other}, *{other}, *{other}, *{other}, *{other}, *{other}, *{other}, *{other}, *{other}]\n"
    for other, one in zip("abcdefgh", "bcdefghi", strict=True)
)
WEB = "services:\n  web: "


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (BOMB, "compose.yaml:5:28: more than 50,000 values"),
        ("[1, 2]", "compose.yaml:1:1"),
        ("a: b: c", "compose.yaml:1:"),
        ("services: {}\nwhat: 1", "compose.yaml:2:1"),
        ("x-a: 1", "compose.yaml:1:1"),
        (WEB + "[a]", "compose.yaml:2:8"),
        (WEB + "{ports: ['80']}", "compose.yaml:2:8"),
        (WEB + "{image: a, prots: ['80']}", "did you mean 'ports'"),
        (WEB + "{image: a, ports: 80}", "compose.yaml:2:26"),
        (WEB + "{image: a, ports: ['1:99999']}", "compose.yaml:2:27"),
        (WEB + "{image: a, ports: ['1-60000:1-60000']}", "compose.yaml:2:27"),
        (WEB + "{image: 'A B'}", "compose.yaml:2:16"),
        (WEB + "{image: 'a:${TAG}'}", "${NAME:-default}"),
        (WEB + "{image: a, environment: text}", "compose.yaml:2:32"),
        (WEB + "{image: a, environment: {'A B': 1}}", "is not the name of a variable"),
        (WEB + "{image: a, environment: {A: [1]}}", "compose.yaml:2:36"),
        (WEB + '{image: a, command: "a \'b"}', "a quote is not closed"),
        (WEB + "{image: a, healthcheck: {test: [curl]}}", "compose.yaml:2:39"),
        (WEB + "{image: a, healthcheck: {test: [CMD, a], interval: soon}}", "compose.yaml:2:59"),
        (WEB + "{image: a, depends_on: [wbe]}", "did you mean 'web'"),
        (WEB + "{image: a, deploy: {replicas: -1}}", "compose.yaml:2:38"),
        (WEB + "{image: a, cpus: nan}", "compose.yaml:2:25"),
        (WEB + "{image: a, mem_limit: much}", "compose.yaml:2:30"),
        (WEB + "{image: a, read_only: maybe}", "compose.yaml:2:30"),
        (WEB + "{image: a, <<: text}", "compose.yaml:2:23"),
        (WEB + "!reset {image: a}", "compose.yaml:2:8"),
        ("services:\n  db: {image: 'postgres:16'}", "postgres"),
        ("services:\n" + "".join(f"  s{number}: {{image: a}}\n" for number in range(51)), "more than 50 services"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_place(text: str, place: str, tmp_path: Path) -> None:
    with pytest.raises(errors.SpecInvalid) as refused:
        read(tmp_path, text)
    assert place in str(refused.value)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(errors.SpecInvalid, match="larger than"):
        read(tmp_path, "x" * (1024 * 1024 + 1))


@pytest.mark.parametrize(
    ("text", "value"),
    [("$$A", "$A"), ("${A:-b}", "b"), ("${A-}c", "c"), ("${A:+b}", ""), ("$A", None), ("${A:?no}", None), ("a$", "a$")],
)
def test_variables_have_their_defaults(text: str, value: str | None) -> None:
    assert interpolated(text) == value


def test_values_have_the_forms_of_the_specification() -> None:
    assert [seconds(text) for text in ("90s", "1m30s", "500ms", "1h", "2", "")] == [90, 90, 1, 3600, None, None]
    assert [mebibytes(text) for text in ("512m", "1gb", "1.5G", "100", "x")] == [512, 1024, 1536, 1, None]
    assert [port.port for port in ports("8000-8002:9000-9002/udp") or []] == [9000, 9001, 9002]
    assert (ports("[::1]:80:80") or [])[0].local
    assert requested_path(("CMD", "curl", "http://localhost:80/up?x")) == "/up"


def test_sizes_are_those_that_fargate_has() -> None:
    assert [fargate_size(*size) for size in ((256, 512), (100, 3000), (512, 900), (99999, 1))] == [
        (256, 512),
        (512, 3072),
        (512, 1024),
        None,
    ]


def test_names_fit_and_differ() -> None:
    assert name_of("My_Shop.API") == "my-shop-api"
    assert name_of("…") == "app"
    assert name_of("a" * 30, {"a" * 9}, longest=9) == "a" * 7 + "-2"
