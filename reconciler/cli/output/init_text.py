"""The result of `init` as text and as JSON: what was written, what is missing, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reconciler.cli.output.plan_json import FORMAT_VERSION
from reconciler.cli.output.terminal import Look
from reconciler.scaffold.blueprint import App, Blueprint
from reconciler.scaffold.workloads import FIRST_TAG, full_name, parameter


def init_document(blueprint: Blueprint, written: list[str], folder: Path) -> dict[str, Any]:
    return {
        "format_version": FORMAT_VERSION,
        "stack": blueprint.name,
        "region": blueprint.region,
        "folder": folder.as_posix(),
        "source": blueprint.source or None,
        "files": written,
        "left_out": [{"name": name, "because": why} for name, why in blueprint.left_out],
        "notes": [{"name": app.name, "note": note} for app in blueprint.apps for note in app.notes],
        "secrets": list(_secrets(blueprint)),
        "next": list(_next(blueprint, folder)),
    }


def init_text(
    blueprint: Blueprint, written: list[str], folder: Path, look: Look, *, ignored: bool, ci: str | None
) -> str:
    return "\n".join(_lines(blueprint, written, folder, look, ignored=ignored, ci=ci))


def _lines(
    blueprint: Blueprint, written: list[str], folder: Path, look: Look, *, ignored: bool, ci: str | None
) -> Iterator[str]:
    source = f" from {blueprint.source}" if blueprint.source else ""
    yield f"Written{source}, for the stack {blueprint.name} in {blueprint.region}:"
    yield from (f"  {path}" for path in written)
    if ignored:
        yield "  .gitignore                        one line more"
    warnings = [f"{name}: {why}" for name, why in blueprint.left_out]
    warnings += [f"{app.name}: {note}" for app in blueprint.apps for note in app.notes]
    if warnings:
        yield "\nNot carried over:"
        yield from (look.paint(f"{look.sign('warn')} {warning}", "yellow") for warning in warnings)
    yield "\nNext:"
    if ci is not None:
        yield "  replace OWNER and COMMIT in the workflow, and set the variables that it names"
    for secret in _secrets(blueprint):
        yield f"  reconciler secret put {secret}{_option(folder)}"
    yield from (f"  {command}" for command in _next(blueprint, folder))
    yield "Without an AWS account: `reconciler local up` in another terminal, and --local."


def _secrets(blueprint: Blueprint) -> Iterator[str]:
    """The names of the parameters that have to exist."""
    for app in blueprint.apps:
        yield from (parameter(blueprint, app, name) for name in app.secrets)


def _next(blueprint: Blueprint, folder: Path) -> Iterator[str]:
    specs = "" if folder.as_posix() == "specs" else f" {folder.as_posix()}"
    yield f"reconciler diff{specs}"
    yield f"reconciler apply{specs}"
    built = [app for app in blueprint.apps if not app.image]
    for app in built:
        yield from _push(blueprint, app, folder)
    if built:
        yield f"reconciler apply{specs}"


def _option(folder: Path) -> str:
    return "" if folder.as_posix() == "specs" else f" --specs {folder.as_posix()}"


def _push(blueprint: Blueprint, app: App, folder: Path) -> Iterator[str]:
    option = _option(folder)
    uri = f"$(reconciler output repository/{full_name(blueprint, app.name)}.uri{option})"
    platform = "linux/arm64" if app.arm else "linux/amd64"
    yield f"docker build --platform {platform} -t {uri}:{FIRST_TAG} {app.context}"
    yield f"docker push {uri}:{FIRST_TAG}"
