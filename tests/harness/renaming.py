"""Specs in which everything that has a name gets another one: each document, each named part, and all that refer to
them.

    folder = renamed(EVERY_TYPE, to)             # with `moved_from`, and `aws_name` wherever the language has it
    folder = renamed(EVERY_TYPE, to, moved=False)  # as somebody does it who knows neither
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from reconciler.spec.documents import KINDS

SUFFIX = "-2"
PARTS = ("subnets", "security_groups")


def documents(folder: Path) -> list[dict[str, Any]]:
    """Those of the base; environments are left out."""
    return [
        document
        for file in sorted(folder.rglob("*.yaml"))
        if "environments" not in file.relative_to(folder).parts
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8"))
    ]


def names(found: list[dict[str, Any]]) -> set[str]:
    """Of documents and their parts; those of the Stack and of strategies, which AWS does not know, are left alone."""
    return {name for document in found for name in _names(document)}


def _names(document: dict[str, Any]) -> Iterator[str]:
    if document["kind"] in ("Stack", "DeploymentStrategy"):
        return
    yield document["name"]
    if document["kind"] == "Network":
        yield from (part["name"] for field in PARTS for part in document.get(field, ()))
    yield from document.get("listeners", ())
    yield from document.get("traffic", {}).get("target_groups", ())


def renamed(folder: Path, to: Path, *, moved: bool = True, aws_names: bool = True) -> Path:
    """A copy of `folder` in `to`, in one file, with `SUFFIX` behind every name."""
    found = documents(folder)
    new = {name: f"{name}{SUFFIX}" for name in names(found)}
    for document in found:
        _rename(document, new, moved=moved, aws_names=aws_names)
    to.mkdir()
    (to / "all.yaml").write_text(yaml.safe_dump_all(found, sort_keys=False), encoding="utf-8")
    return to


def settled(folder: Path, to: Path) -> Path:
    """A copy of `folder`, which `renamed` wrote, without any `moved_from`: what is left once it has taken effect."""
    to.mkdir()
    text = yaml.safe_dump_all([_without(document) for document in documents(folder)], sort_keys=False)
    (to / "all.yaml").write_text(text, encoding="utf-8")
    return to


def _rename(document: dict[str, Any], new: dict[str, str], *, moved: bool, aws_names: bool) -> None:
    if document["kind"] in ("Stack", "DeploymentStrategy"):
        return
    old, marks = document["name"], moved
    traffic = document.get("traffic")
    if traffic is not None:
        for entry, default in (("listener", "production"), ("test_listener", "test")):
            traffic.setdefault(entry, default)
        traffic["target_groups"] = [{"name": name} for name in traffic["target_groups"]]
    parts = [(part, field == "security_groups") for field in PARTS for part in document.get(field, ())]
    parts = [(part, has) for part, has in parts if isinstance(part, dict)]
    parts += [(part, True) for part in (traffic or {}).get("target_groups", ())]
    former = [(part, part["name"], has) for part, has in parts]
    listeners = document.pop("listeners", None)
    _replace(document, new)
    if listeners is not None:
        document["listeners"] = {
            new[name]: listener | ({"moved_from": name} if marks else {}) for name, listener in listeners.items()
        }
    _mark(document, old, moved=moved, aws_name=aws_names and "aws_name" in KINDS[document["kind"]].model_fields)
    for part, name, has in former:
        _mark(part, name, moved=moved, aws_name=aws_names and has)


def _mark(named: dict[str, Any], old: str, *, moved: bool, aws_name: bool) -> None:
    named |= ({"moved_from": old} if moved else {}) | ({"aws_name": old} if aws_name else {})


def _replace(value: Any, new: dict[str, str]) -> None:
    """Every text that is one of the names, wherever it stands."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(item, dict | list):
            _replace(item, new)
        elif isinstance(item, str) and item in new and key != "container":
            value[key] = new[item]


def _without(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(item) for key, item in value.items() if key != "moved_from"}
    return [_without(item) for item in value] if isinstance(value, list) else value
