"""What a shell offers to complete arguments with: names from the spec files.

It is asked at each press of a key. So files are read without being checked, and what cannot be read offers nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

import click

WITH_TASKS = frozenset({"events", "history", "logs", "output", "retry", "run-task", "status"})
"""Commands whose argument may name a one-off or scheduled task as well."""


def services(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Names of services, and of tasks where the command takes them."""
    kinds = {"Service", "Task"} if context.info_name in WITH_TASKS else {"Service"}
    return _beginning(_names(_folder(context), kinds), incomplete)


def workload_images(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """`NAME=` of services and tasks."""
    return _beginning((f"{name}=" for name in _names(_folder(context), {"Service", "Task"})), incomplete)


def addresses(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """Services and tasks by name, and by address."""
    workloads = {kind.lower(): list(_names(_folder(context), {kind})) for kind in ("Service", "Task")}
    named = [f"{kind}/{name}" for kind, names in workloads.items() for name in names]
    return _beginning([*named, *(name for names in workloads.values() for name in names)], incomplete)


def environments(context: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    folder = _folder(context)
    found = [] if folder is None else [path.name for path in (folder / "environments").glob("*/")]
    return _beginning(found, incomplete)


def subjects(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Rules and kinds of documents."""
    from reconciler.spec.documents import KINDS
    from reconciler.spec.rules import catalogue

    return _beginning([*KINDS, *catalogue()], incomplete)


def _beginning(names: Any, incomplete: str) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})


def _folder(context: click.Context) -> Path | None:
    from reconciler.cli.options import find_specs

    try:
        return find_specs(context.params.get("folder"))
    except click.UsageError:
        return None


def _names(folder: Path | None, kinds: Set[str]) -> Iterator[str]:
    import yaml

    from reconciler.spec import discovery

    for source in () if folder is None else discovery.read(folder)[0]:
        try:
            documents = list(yaml.load_all(source.data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
        except (yaml.YAMLError, UnicodeDecodeError):
            continue
        for document in documents:
            if isinstance(document, dict) and document.get("kind") in kinds and isinstance(document.get("name"), str):
                yield document["name"]
