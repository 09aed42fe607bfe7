"""Images set in place: the value is replaced where a file has it, and every other byte stays.

    edits, after = edited(sources, specs, {"api": "v7", "web/proxy": "public.ecr.aws/nginx/nginx:1.28"})

The result is read again before anybody writes it, and has to say the same as before in all other fields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler import errors
from reconciler.spec import node, scalar
from reconciler.spec.diagnostics import did_you_mean
from reconciler.spec.discovery import Source
from reconciler.spec.documents import Service, Task
from reconciler.spec.documents.container import IMAGE, TAG, ImageReference
from reconciler.spec.load import load_sources
from reconciler.spec.messages import joined, shown
from reconciler.spec.node import Position
from reconciler.spec.specs import Specs
from reconciler.spec.yaml_text import word

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_BREAK = re.compile("\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Edit:
    """One image. `workload` is its address, such as `service/api`; `old` and `new` are the whole images."""

    workload: str
    container: str
    where: Position
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class _Place:
    document: Service | Task
    container: str
    path: tuple[str, ...]
    value: node.Scalar
    text: str
    """What is to be there."""

    @property
    def key(self) -> tuple[str, str]:
        return (type(self.document).__name__, self.document.name)


def edited(sources: list[Source], specs: Specs, wanted: Mapping[str, str]) -> tuple[list[Edit], list[Source]]:
    """What changes, and all sources as they are afterwards.

    Args:
        sources: All files of the folder.
        specs: What they say, without errors, for the environment in which the images are set.
        wanted: Images by `NAME` or `NAME/CONTAINER` of a service or task: a tag, a digest (`sha256:…`) or a whole
            image; of a Registry document a tag.

    Raises:
        errors.ReconcilerError: No file can be changed as wanted; the message says which image, and why.
    """
    places: dict[tuple[tuple[str, str], str], _Place] = {}
    edits = []
    for name, text in wanted.items():
        document, container = _found(specs, name)
        image = document.task.containers[container].image
        place = _place(specs, document, container, image, text, name)
        if (place.key, container) in places:
            raise errors.ReconcilerError(f"{document.name}/{container} is named twice")
        places[place.key, container] = place
        edits.append(Edit(_address(document), container, place.value.position, str(image), _whole(image, place)))
    after = _spliced(sources, places.values())
    _check(sources, after, specs, list(places.values()))
    return edits, after


def _address(document: Service | Task) -> str:
    return f"{type(document).__name__.lower()}/{document.name}"


def _found(specs: Specs, name: str) -> tuple[Service | Task, str]:
    known = {one.name: one for one in specs.workloads} | {_address(one): one for one in specs.workloads}
    container = ""
    if name not in known:
        name, _, container = name.rpartition("/")
    if name not in known:
        wrong = name or container
        hint = did_you_mean(wrong, [one.name for one in specs.workloads])
        raise errors.ReconcilerError(f"no service or task is named {shown(wrong)}" + (f"; {hint}" if hint else ""))
    document = known[name]
    names = list(document.task.containers)
    if not container and len(names) == 1:
        return document, names[0]
    if not container:
        choices = joined(f"{document.name}/{one}=…" for one in names)
        raise errors.ReconcilerError(f"{_address(document)} has several containers: write {choices}")
    if container not in names:
        raise errors.ReconcilerError(
            f"{_address(document)} has no container {shown(container)}, only {joined(names, 'and')}"
        )
    return document, container


def _place(
    specs: Specs, document: Service | Task, container: str, image: ImageReference, text: str, name: str
) -> _Place:
    path: tuple[str, ...] = ("task", "containers", container, "image")
    value = _value(specs, document, path)
    if isinstance(value, node.Mapping):
        path = (*path, "tag" if image.uri is None else "uri")
        value = _value(specs, document, path)
    assert isinstance(value, node.Scalar), "an image is checked on the way in"
    if image.uri is None:
        if not TAG.fullmatch(text):
            why = f"is in the registry {image.registry}, so that it is set by a tag, and {shown(text)} is none"
            raise errors.ReconcilerError(f"the image of {name} {why}")
        return _Place(document, container, path, value, text)
    here = IMAGE.fullmatch(image.uri)
    assert here is not None, "checked on the way in"
    if _DIGEST.fullmatch(text):
        text = f"{here['repository']}@{text}"
    elif TAG.fullmatch(text):
        text = f"{here['repository']}:{text}"
    if not IMAGE.fullmatch(text):
        raise errors.ReconcilerError(f"{shown(text)} is not an image")
    return _Place(document, container, path, value, text)


def _value(specs: Specs, document: Service | Task, path: tuple[str, ...]) -> node.Node:
    found: node.Node = specs.nodes[type(document).__name__, document.name]
    for step in path:
        assert isinstance(found, node.Mapping), "it has passed the checks"
        found = found.entries[step].value
    return found


def _whole(image: ImageReference, place: _Place) -> str:
    return place.text if image.uri is not None else f"{image.registry}:{place.text}"


def _spliced(sources: list[Source], places: Iterable[_Place]) -> list[Source]:
    """From the end of each file to its beginning, so that the other positions stay right."""
    files = {source.shown: source for source in sources}
    for place in sorted(places, key=lambda place: place.value.position, reverse=True):
        if place.value.text != place.text:
            at = place.value.position
            files[at.file] = _replaced(files[at.file], at, place.text)
    return [files[source.shown] for source in sources]


def _replaced(source: Source, at: Position, text: str) -> Source:
    mark = b"\xef\xbb\xbf" if source.data.startswith(b"\xef\xbb\xbf") else b""
    whole = source.data.removeprefix(mark).decode()
    begins = [0, *(found.end() for found in _BREAK.finditer(whole))][at.line - 1]
    start, end = begins + at.column - 1, begins + at.end_column - 1
    changed = whole[:start] + _written(whole[start:end], text) + whole[end:]
    return replace(source, data=mark + changed.encode())


def _written(before: str, text: str) -> str:
    """`text` in the style in which `before` is written, if it can be."""
    if before[:1] == before[-1:] and before[:1] in ("'", '"'):  # no image has a character that quotes would escape
        return f"{before[0]}{text}{before[0]}"
    read = scalar.resolve(text)
    both_numbers = isinstance(read, scalar.Written) and isinstance(scalar.resolve(before), scalar.Written)
    return text if both_numbers and not read.ambiguous and read.value is not None else word(text)  # type: ignore[union-attr]


def _check(before: list[Source], after: list[Source], specs: Specs, places: list[_Place]) -> None:
    """That the files say what they said, but for the images.

    Raises `errors.ReconcilerError` where an image is written once for several places, or in a way that is not known.
    """
    wanted = {key: node.plain(root) for key, root in specs.nodes.items()}
    for place in places:
        _put(wanted[place.key], place.path, place.text)
    found = load_sources(after, specs.environment)
    if found.ok and {key: node.plain(root) for key, root in found.nodes.items()} == wanted:
        _check_environment(before, specs.environment, places)
        return
    for place in places:
        alone = load_sources(_spliced(before, [place]), specs.environment)
        expected = {key: node.plain(root) for key, root in specs.nodes.items()}
        _put(expected[place.key], place.path, place.text)
        if not alone.ok or {key: node.plain(root) for key, root in alone.nodes.items()} != expected:
            why = "is shared by an anchor, or written over several lines: change it by hand"
            raise errors.ReconcilerError(f"{place.value.position}: the image of {place.document.name} {why}")
    raise errors.ReconcilerError("the images cannot be set together; set them one by one")


def _check_environment(sources: list[Source], environment: str | None, places: Iterable[_Place]) -> None:
    shared = {source.shown for source in sources if source.environment is None}
    for place in places:
        at = place.value.position
        if environment is not None and at.file in shared and place.value.text != place.text:
            why = "which all environments share: leave out -e to change it for all of them"
            folder = f"environments/{environment}"
            raise errors.ReconcilerError(
                f"the image of {place.document.name} is written in {at.place}, {why}, or write it into {folder} first"
            )


def _put(document: Any, path: tuple[str, ...], text: str) -> None:
    *steps, last = path
    for step in steps:
        document = document[step]
    document[last] = text
