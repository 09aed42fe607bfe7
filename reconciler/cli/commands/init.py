"""Write the first specs of a stack."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from reconciler import errors
from reconciler.cli import options
from reconciler.cli.output.exits import Exit
from reconciler.cli.output.terminal import echo, interactive, look_of, printed, say

if TYPE_CHECKING:
    from reconciler.dockerfile import Defaults
    from reconciler.scaffold.blueprint import Blueprint

TEMPLATES: Final = ("web", "api-and-web", "worker", "job", "private")
OVERRIDES: Final = "not read, although `docker compose` does; `docker compose config` prints both as one file"
UNREAD: Final = "not read, because of --template; for specs from it, name another folder and leave --template out"
_FOLDER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)


@click.command()
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path), default=Path("specs"))
@click.option("--template", type=click.Choice(TEMPLATES), help="What to start from: a service behind a load balancer "
              "(web), two of them (api-and-web), one without requests (worker), a scheduled task (job), or a service "
              "in private subnets (private). Default: the Compose file or Dockerfile here.")  # fmt: skip
@click.option("--name", metavar="NAME", help="Name of the stack. Default: that of the current folder.")
@click.option("--region", metavar="REGION", help="AWS region. Default: that of your AWS configuration.")
@click.option("--ci", type=click.Choice(["github", "gitlab"]), help="Write a workflow, too, which comments the plan on "
              "pull requests and applies what is merged into main.")  # fmt: skip
@options.output("text", "json")
@options.color
def init(
    folder: Path,
    template: str | None,
    name: str | None,
    region: str | None,
    ci: str | None,
    output: str,
    color: str,
) -> int:
    """Write the first specs of a stack to FOLDER (default: specs), with comments.

    Without --template they describe what the Compose file (compose.yaml, docker-compose.yml) or the Dockerfile of the
    current folder says. Values that look like secrets are not written. Makes no AWS calls, and overwrites nothing.
    """
    from reconciler.cli.output.init_text import init_document, init_text
    from reconciler.cli.output.plan_json import dumps
    from reconciler.scaffold.documents import PARTIAL_SCHEMA, SCHEMA, files
    from reconciler.scaffold.workflows import workflow
    from reconciler.scaffold.writing import ignore, write_new
    from reconciler.spec.schema import json_schema, partial_schema

    if not _FOLDER.fullmatch(folder.name):
        raise click.UsageError("the specs folder has a name of letters, digits, '_' and '-'")
    if folder.is_dir() and (specs := sorted(path for path in folder.rglob("*.y*ml"))):
        names = ", ".join(path.as_posix() for path in specs[:5]) + (" …" if len(specs) > 5 else "")
        raise errors.FileExists(f"{folder} contains specs already, and nothing was written: {names}")
    home = folder.parent
    blueprint = _blueprint(home, template, name, region, ask=output == "text" and interactive())
    texts = files(blueprint)
    _check(texts, folder)
    wanted = {folder / path: text for path, text in texts.items()}
    if ci is not None:
        root = _repository(home)
        path, text = workflow(ci, folder.resolve().relative_to(root.resolve()).as_posix(), blueprint.region)
        wanted[root / path] = text
    written = sorted(map(Path.as_posix, wanted))
    whole = json_schema()
    schemas = {home / SCHEMA: whole, home / PARTIAL_SCHEMA: partial_schema(whole)}
    wanted |= {path: f"{dumps(schema)}\n" for path, schema in schemas.items() if not path.exists()}
    write_new(wanted)
    ignored = ignore(home)
    if output == "json":
        echo(dumps(init_document(blueprint, written, folder)))
        return Exit.DONE
    look = look_of(sys.stdout, color)
    say(init_text(blueprint, written, folder, look, ignored=ignored, ci=ci), look)
    return Exit.DONE


def _repository(home: Path) -> Path:
    """The root of the Git repository that `home` is in, or `home` itself."""
    above = (home, *(home / Path(*[".."] * depth) for depth in range(1, len(home.resolve().parts))))
    return next((folder for folder in above if (folder / ".git").exists()), home)


def _blueprint(home: Path, template: str | None, name: str | None, region: str | None, *, ask: bool) -> Blueprint:
    """What the specs describe. Raises `click.UsageError` for what is missing where nobody can be asked."""
    from dataclasses import replace

    from reconciler.scaffold import compose
    from reconciler.scaffold.blueprint import LONGEST_NAME, App, Blueprint, Use, name_of
    from reconciler.scaffold.containers import described
    from reconciler.scaffold.templates import TEMPLATES as BLUEPRINTS

    file = compose.find(home)
    image = _dockerfile(home)
    if template is None and file is None and image is None:
        template = _asked_template(ask=ask)
    project = compose.project_name(file) if file is not None and template is None else ""
    stack = name or name_of(project or home.resolve().name)
    if name is None and ask:
        stack = _asked("Name of the stack", stack)
    if name_of(stack) != stack:
        rule = f"at most {LONGEST_NAME} lower-case letters, digits and '-'"
        raise click.UsageError(f"{stack!r} cannot be the name of the stack: it has {rule}")
    chosen = _region(region, ask=ask)
    if template is None and file is not None:
        found = compose.read(file, stack, chosen)
        beside = tuple((one.name, OVERRIDES) for one in compose.overrides(home))
        return replace(found, left_out=(*found.left_out, *beside))
    if template is None:
        assert image is not None
        app = described(App("app", Use.WORKER), image)
        if app.port is not None:
            app = replace(app, name="web", use=Use.PUBLIC, count=2)
        return Blueprint(stack, chosen, (app,), source="Dockerfile")
    found = BLUEPRINTS[template](stack, chosen)
    if file is not None:
        found = replace(found, left_out=((file.name, UNREAD), *found.left_out))
    if image is None:
        return found
    first, *rest = found.apps
    own = described(replace(first, image="", command=(), ports=image.ports or first.ports), image)
    return replace(found, apps=(own, *rest), source="Dockerfile")


def _dockerfile(home: Path) -> Defaults | None:
    from reconciler.scaffold.containers import read_dockerfile

    if not (home / "Dockerfile").is_file():
        return None
    found = read_dockerfile(home / "Dockerfile", "Dockerfile")
    if isinstance(found, str):
        raise errors.SpecInvalid(found)
    return found


def _asked_template(*, ask: bool) -> str:
    if not ask:
        raise click.UsageError(
            f"there is no Compose file and no Dockerfile here; pass --template, one of {', '.join(TEMPLATES)}"
        )
    found: str = click.prompt("Template", type=click.Choice(TEMPLATES), default=TEMPLATES[0], err=True)
    return found


def _region(region: str | None, *, ask: bool) -> str:
    from reconciler.cli.region import known_region, region_of

    if region is None and ask:
        return known_region(_asked("AWS region", region_of(None) or "us-east-1"))
    return known_region(region)


def _asked(question: str, default: str) -> str:
    found: str = click.prompt(printed(question), default=default, err=True)
    return found


def _check(texts: dict[str, str], folder: Path) -> None:
    """Raises `errors.SpecInvalid` unless the specs are valid. Warnings are `validate`'s to show."""
    from reconciler.spec.diagnostics import Severity
    from reconciler.spec.load import Source, load_sources

    sources = [Source(path, f"{folder.name}/{path}", text.encode()) for path, text in texts.items()]
    specs = load_sources(sources, folder=folder.name)
    wrong = [one for one in specs.diagnostics if one.severity is Severity.ERROR]
    if wrong:
        raise errors.SpecInvalid("; ".join(f"{one.message} ({one.position})" for one in wrong))
