"""Which calls the product makes, read out of its own source, so that the list cannot lag behind it.

Calls are spelled in one way everywhere, `ec2.create_vpc`, where `ec2 = ServiceApi("ec2")`. A type makes the calls of
its module and of what that imports of its neighbours; an engine and the controller likewise. A branch that is never
taken counts as well: it is there to be taken.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import reconciler
from reconciler.iam import rules
from reconciler.model.resource import Call, ServiceApi
from reconciler.model.resource_type import ResourceType
from reconciler.rollout.engine import Engine

Operations = frozenset[tuple[str, str]]
"""Service and operation, as in `Call`."""

LOOP = "reconciler.controller.controller"
STORE = "reconciler.store.dynamodb"


def of_kind(kind: ResourceType[Any]) -> Operations:
    return _closure(type(kind).__module__, ("reconciler.resources.",))


def of_engine(engine: Engine) -> Operations:
    return _closure(type(engine).__module__, ("reconciler.rollout.", "reconciler.model."))


def of_loop() -> Operations:
    """What it asks and writes beside the types and the engines."""
    return _closure(
        LOOP,
        (
            "reconciler.controller.",
            "reconciler.reconcile.",
            "reconciler.rollout_driver.",
            "reconciler.diagnosis.",
            "reconciler.model.",
        ),
    )


def of_modules(modules: Iterable[str], inside: tuple[str, ...]) -> Operations:
    """What modules ask and write, and what they import of those that begin as `inside` says."""
    return frozenset(one for module in modules for one in _closure(module, inside))


def modules_in(package: str) -> tuple[str, ...]:
    """The modules of a package of the product."""
    folder = Path(reconciler.__file__).parent.joinpath(*package.split(".")[1:])
    return tuple(sorted(f"{package}.{file.stem}" for file in folder.glob("*.py") if file.stem != "__init__"))


@cache
def of_queries() -> Operations:
    """What the commands read that only show something, and the console."""
    inside = ("reconciler.queries.", "reconciler.diagnosis.", "reconciler.rollout.")
    return frozenset(one for one in of_modules(modules_in("reconciler.queries"), inside) if rules.reads(one))


@cache
def of_store() -> Operations:
    """The store keeps its calls as texts: `perform("GetItem", …)`."""
    found = set()
    for node in ast.walk(_tree(STORE)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "perform":
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(("dynamodb", first.value))
    return frozenset(found)


@cache
def _closure(start: str, inside: tuple[str, ...]) -> Operations:
    found: set[tuple[str, str]] = set()
    seen, todo = {start}, [start]
    while todo:
        module = todo.pop()
        found |= _said(module)
        new = {name for name in _imported(module) if name.startswith(inside)} - seen
        seen |= new
        todo += sorted(new)
    return frozenset(found)


@cache
def _said(module: str) -> Operations:
    """Every `service.operation` that is mentioned; the table that a type picks from counts as much as a call."""
    found = set()
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            service = _service(module, node.value.id)
            if service is not None:
                found.add(_operation(service, node.attr))
    return frozenset(found)


def _operation(service: str, method: str) -> tuple[str, str]:
    call: Call = getattr(ServiceApi(service), method)()
    return call.service, call.operation


@cache
def _service(module: str, name: str) -> str | None:
    """The service that `name` stands for: by `ec2 = ServiceApi("ec2")`, here or where it is imported from."""
    if not _exists(module):
        return None
    for node in _tree(module).body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id=target)],
                value=ast.Call(func=ast.Name(id="ServiceApi"), args=[ast.Constant(value=str(service))]),
            ) if target == name:
                return service
    imported = _names(module).get(name, "")
    if not imported or imported == f"{module}.{name}":  # a module of the package itself
        return None
    return _service(imported.rpartition(".")[0], imported.rpartition(".")[2])


def _imported(module: str) -> Iterator[str]:
    """The modules that `module` imports, and those that it imports something from."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("reconciler."):
            yield node.module
            yield from (name for item in node.names if _exists(name := f"{node.module}.{item.name}"))


@cache
def _names(module: str) -> dict[str, str]:
    """What each imported name stands for, in full."""
    return {
        item.asname or item.name: f"{node.module}.{item.name}"
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.ImportFrom) and node.module
        for item in node.names
    }


@cache
def _exists(module: str) -> bool:
    return _file(module) is not None


@cache
def _file(module: str) -> Path | None:
    if not module.startswith("reconciler."):
        return None
    base = Path(reconciler.__file__).parent.joinpath(*module.split(".")[1:])
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@cache
def _tree(module: str) -> ast.Module:
    file = _file(module)
    assert file is not None, f"{module} is not part of the product"
    return ast.parse(file.read_text(encoding="utf-8"))
