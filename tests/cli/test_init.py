"""`init`: the first specs of a stack, written as a whole or not at all."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from unittest.mock import patch

import pytest
import yaml

from reconciler.cli.output.exits import Exit
from reconciler.scaffold.writing import write_new
from reconciler.spec.load import load
from tests.harness.cli import Ran, run


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "My Shop"
    place.mkdir()
    monkeypatch.chdir(place)


def init(*arguments: str) -> Ran:
    return run("init", "--region", "us-west-2", *arguments)


SCHEMAS = {".reconciler/schema.json", ".reconciler/partial-schema.json"}


def everything() -> set[str]:
    return {path.as_posix() for path in Path().rglob("*") if path.is_file()}


def test_the_files_are_those_that_are_named() -> None:
    """With the schema for editors, which git ignores, and the name of the folder."""
    ran = init("--template", "web", "-o", "json")
    assert ran.code == Exit.DONE
    document = json.loads(ran.out)
    assert (document["stack"], document["format_version"]) == ("my-shop", 1)
    assert everything() == {*document["files"], ".gitignore", *SCHEMAS}
    assert Path(".gitignore").read_text(encoding="utf-8") == ".reconciler/\n"


def test_an_image_without_a_version_is_carried_over_and_said() -> None:
    """Compose files are full of them, and they are valid in specs."""
    Path("compose.yaml").write_text("services: {web: {image: nginx, ports: ['80:80']}}\n", encoding="utf-8")
    ran = init()
    assert (ran.code, ran.err) == (Exit.DONE, "")
    assert "nginx:1.2.3" in ran.out
    assert "image: nginx" in Path("specs/services/web.yaml").read_text(encoding="utf-8")
    assert not [one for one in load(Path("specs")).diagnostics if one.rule.startswith("E")]


def test_a_compose_file_beside_a_template_is_named() -> None:
    """It is not read then; the way to read it is printed."""
    Path("compose.yaml").write_text("services: {web: {image: 'nginx:1.27', ports: ['80:80']}}\n", encoding="utf-8")
    ran = init("--template", "worker", "-o", "json")
    assert ran.code == Exit.DONE, ran.err
    (left,) = json.loads(ran.out)["left_out"]
    assert (left["name"], "--template" in left["because"]) == ("compose.yaml", True)
    Path("compose.override.yaml").write_text("services: {web: {ports: ['81:80']}}\n", encoding="utf-8")
    ran = init("from-compose", "-o", "json")
    assert ran.code == Exit.DONE, ran.err
    assert [one["name"] for one in json.loads(ran.out)["left_out"]] == ["compose.override.yaml"]
    assert "nginx:1.27" in Path("from-compose/services/web.yaml").read_text(encoding="utf-8")


def test_each_file_names_the_schema() -> None:
    """In its first line, by the way from the file to it."""
    init("--template", "web")
    for path in Path("specs").rglob("*.yaml"):
        first = path.read_text(encoding="utf-8").splitlines()[0]
        name = first.removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / name).resolve() == Path(".reconciler/schema.json").resolve()
    assert json.loads(Path(".reconciler/schema.json").read_text(encoding="utf-8"))["$schema"]


def test_a_gitignore_keeps_what_it_has() -> None:
    Path(".gitignore").write_text("dist", encoding="utf-8")
    init("--template", "job")
    assert Path(".gitignore").read_text(encoding="utf-8") == "dist\n.reconciler/\n"


def test_a_gitignore_in_another_encoding_keeps_its_bytes() -> None:
    Path(".gitignore").write_bytes(b"caf\xe9\n")
    assert init("--template", "job").code == Exit.DONE
    assert Path(".gitignore").read_bytes() == b"caf\xe9\n.reconciler/\n"


def test_nothing_is_overwritten() -> None:
    """All files that exist are named, and none is written beside them."""
    Path(".github/workflows").mkdir(parents=True)
    Path(".github/workflows/specs.yml").write_text("mine", encoding="utf-8")
    ran = init("--template", "web", "--ci", "github")
    assert ran.code == Exit.BLOCKED
    assert ".github/workflows/specs.yml" in ran.err
    assert everything() == {".github/workflows/specs.yml"}


def test_a_folder_with_specs_is_left_alone() -> None:
    init("--template", "web")
    before = everything()
    ran = init("--template", "worker", "-o", "json")
    assert ran.code == Exit.BLOCKED
    assert json.loads(ran.out)["refusals"][0]["code"] == "file-exists"
    assert everything() == before


def test_a_disk_that_is_full_leaves_nothing() -> None:
    """What was written before the failure is removed, folders included."""
    opened = Path.open

    def fails(self: Path, *arguments: object, **keywords: object) -> object:
        if self.name == "second":
            raise OSError(28, "No space left on device", str(self))
        return opened(self, *arguments, **keywords)  # type: ignore[call-overload]

    with patch.object(Path, "open", fails), pytest.raises(Exception, match="No space left"):
        write_new({Path("new/first"): "1", Path("new/second"): "2"})
    assert list(Path().iterdir()) == []


def test_a_dockerfile_is_the_service() -> None:
    """Its port decides that it receives requests; a value that looks like a secret is not repeated."""
    secret = "AKIAIOSFODNN7EXAMPLQ"
    Path("Dockerfile").write_text(
        f"FROM python\nENV API_KEY=sk-4f9a8b7c6d5e4f3a2b1c AWS_ID={secret}\nEXPOSE 8080/tcp\n"
        'HEALTHCHECK CMD curl -f http://localhost:8080/up\nCMD ["app"]\n',
        encoding="utf-8",
    )
    assert init().code == Exit.DONE
    specs = load(Path("specs"))
    assert specs.diagnostics == ()
    (service,) = specs.services
    container = service.task.containers["web"]
    assert (container.port, str(container.image)) == (8080, "my-shop-web:v1")
    assert sorted(container.secrets) == ["API_KEY", "AWS_ID"]
    assert service.traffic is not None
    assert service.traffic.health_check.path == "/up"
    assert secret not in "".join(path.read_text(encoding="utf-8") for path in Path("specs").rglob("*.yaml"))


def test_a_template_takes_the_dockerfile_for_its_service() -> None:
    Path("Dockerfile").write_text("FROM python\nCMD python -m worker\n", encoding="utf-8")
    assert init("--template", "worker").code == Exit.DONE
    (service,) = load(Path("specs")).services
    assert (str(service.task.containers["worker"].image), service.traffic) == ("my-shop-worker:v1", None)


def test_a_dockerfile_that_cannot_be_read_is_an_error_with_its_line() -> None:
    Path("Dockerfile").write_text("FROM python\nEXPOSE http\n", encoding="utf-8")
    ran = init()
    assert (ran.code, everything()) == (Exit.FAILED, {"Dockerfile"})
    assert "Dockerfile: line 2: not a port: http" in ran.err


def test_the_compose_file_names_the_stack() -> None:
    Path("docker-compose.yml").write_text("name: store\nservices: {web: {image: 'a:1'}}\n", encoding="utf-8")
    assert json.loads(init("-o", "json").out)["stack"] == "store"


@pytest.mark.parametrize(
    "arguments", [(), ("--template", "web", "--name", "My Shop"), ("--template", "web", "--name", "a" * 21)]
)
def test_what_is_missing_is_a_usage_error(arguments: tuple[str, ...]) -> None:
    """Nobody is asked where there is no terminal."""
    assert init(*arguments).code == Exit.USAGE
    assert everything() == set()


@pytest.mark.parametrize("command", [("init", "--template", "web"), ("import", "--all", "--name", "shop")])
def test_a_region_that_is_none_is_a_usage_error(command: tuple[str, ...]) -> None:
    """It names the option, and no place in files that were not written."""
    ran = run(*command, "--region", "nowhere")
    assert (ran.code, everything()) == (Exit.USAGE, set())
    assert "--region: 'nowhere' is not an AWS region such as us-west-2" in ran.err
    assert ".yaml:" not in ran.err


def test_a_region_of_the_environment_that_is_none_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "nowhere")
    ran = run("init", "--template", "web")
    assert (ran.code, everything()) == (Exit.USAGE, set())
    assert "the AWS configuration: 'nowhere'" in ran.err
    assert "pass --region" in ran.err


def test_on_a_terminal_the_answers_are_asked_for() -> None:
    """Template, name and region, each with a default."""
    answers = iter(["worker", "shop", "eu-west-1"])
    with (
        patch("reconciler.cli.commands.init.interactive", lambda: True),
        patch("click.prompt", lambda *_, **__: next(answers)),
    ):
        assert run("init").code == Exit.DONE
    specs = load(Path("specs"))
    assert specs.stack is not None
    assert (specs.stack.name, specs.stack.region) == ("shop", "eu-west-1")
    assert [service.name for service in specs.services] == ["shop-worker"]


@pytest.mark.parametrize(
    ("provider", "path"), [("github", ".github/workflows/specs.yml"), ("gitlab", ".gitlab/specs.yml")]
)
def test_a_workflow_plans_proposals_and_applies_main(provider: str, path: str) -> None:
    """It is YAML, and its jobs have the triggers that they are for."""
    assert init("--template", "web", "--ci", provider).code == Exit.DONE
    text = Path(path).read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    if provider == "github":
        assert set(workflow["jobs"]) == {"plan", "apply"}
        assert workflow["jobs"]["plan"]["if"] == "github.event_name == 'pull_request'"
        assert workflow["jobs"]["apply"]["if"] == "github.event_name == 'push'"
        assert workflow[True]["push"]["branches"] == ["main"]
        assert "$" + "{{ vars.APPLY_ROLE }}" in text
    else:
        assert {"specs-plan", "specs-apply"} < set(workflow)
        assert workflow["specs-apply"]["rules"][0]["if"] == '$CI_COMMIT_BRANCH == "main"'
        assert "reconciler apply --auto-approve --wait specs" in workflow["specs-apply"]["script"]
        comment = next(one for one in workflow["specs-plan"]["script"] if "<<" in one)
        subprocess.run(["bash", "-n"], input=comment, text=True, check=True, timeout=10)
        compile(comment.partition("<<'COMMENT'\n")[2].partition("\nCOMMENT")[0], "comment", "exec")


def test_a_workflow_is_in_the_root_of_the_repository() -> None:
    """Where the specs are in a folder of it, the workflow names the way to them."""
    Path("shop").mkdir()
    Path(".git").mkdir()
    assert init("--template", "web", "--ci", "github", "shop/specs").code == Exit.DONE
    text = Path(".github/workflows/shop-specs.yml").read_text(encoding="utf-8")
    assert yaml.safe_load(text)["jobs"]["plan"]["steps"][-1]["with"]["folder"] == "shop/specs"
    assert Path("shop/.gitignore").exists()
