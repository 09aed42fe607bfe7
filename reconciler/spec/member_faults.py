"""What is wrong with API members in a document, by the model of the service."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final, TypeAlias

from pydantic_core import PydanticCustomError

from reconciler.model import secrecy
from reconciler.model.members import ApiMembers, removed
from reconciler.model.resource import NOTHING
from reconciler.service_models import Shape
from reconciler.spec.diagnostics import did_you_mean
from reconciler.spec.members import scalar
from reconciler.spec.messages import described, joined, shown

Path: TypeAlias = tuple[str | int, ...]

_NAMES: Final = ("name", "Name", "key", "Key")
"""The members of an item that name what another of its members is the value of."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A finding below `aws`: `path` leads to it, and with `key` its name is meant."""

    rule: str
    message: str
    path: Path
    hint: str = ""
    key: bool = False


def faults(
    api: ApiMembers, said: Mapping[str, Any], stated: Callable[[str], bool], refused: Mapping[str, str] = NOTHING
) -> Iterator[Fault]:
    """What is wrong with `said`. `stated` says whether the document has a field; `refused` are further members that
    cannot be set, with the reason."""
    found = replace(api, owned={**api.owned, **refused}) if refused else api
    yield from _Checking(found, stated).structure(found.shape, said, ())


class _Checking:
    def __init__(self, api: ApiMembers, stated: Callable[[str], bool]) -> None:
        self.api, self.stated = api, stated

    def structure(self, shape: Shape, value: Any, at: Path) -> Iterator[Fault]:
        if not isinstance(value, Mapping):
            yield Fault("E1105", f"{_subject(at)}expected a mapping, found {described(value)}", at)
            return
        for name, item in value.items():
            path = (*at, name)
            if name not in shape.members:
                what = f"{at[-1]} of {self.api.create}" if at and isinstance(at[-1], str) else self.api.create
                hint = _meant(name, shape)
                yield Fault("E1102", f"{what} has no member {shown(name)}", path, hint, key=True)
            elif refusal := self._refused(path, item):
                yield refusal
            elif item is None:
                yield from self._removed(shape.members[name], path)
            else:
                yield from self.value(shape.members[name], item, path, _named(value) or name)
        for name in shape.required if at else ():
            if name not in value and not self.api.said_by(_names((*at, name))):
                yield Fault("E1103", f"{_subject(at)}it needs {shown(name)}", at, key=isinstance(at[-1], str))

    def value(self, shape: Shape, value: Any, at: Path, name: str) -> Iterator[Fault]:
        match shape.kind:
            case "structure" if shape.members:
                yield from self.structure(shape, value, at)
            case "list":
                yield from self._list(shape, value, at, name)
            case "map":
                yield from self._map(shape, value, at)
            case "structure":  # a document, or nothing
                return
            case _:
                yield from self._scalar(shape, value, at, name)

    def _refused(self, path: Path, value: Any) -> Fault | None:
        names = _names(path)
        if owner := self.api.owned.get(".".join(names), ""):
            return Fault("E1117", f"{shown(path[-1])} cannot be set: {owner}", path, key=True)
        word = self.api.words.get(".".join(names), "")
        if not word or (word.endswith("?") and not self.stated(word[:-1])):
            return None
        if value is None and self.api.revised and ".".join(names) in self.api.optional:
            return None  # it removes what somebody else has set
        word = word.removesuffix("?")
        told, hint = (word, "") if " " in word else (f"the field {shown(word)}", f"write it as {word}")
        return Fault("E1116", f"{shown(path[-1])} is set by {told}", path, hint, key=True)

    def _removed(self, shape: Shape, path: Path) -> Iterator[Fault]:
        if not self.api.revised and removed(shape) is None:
            message = f"{self.api.update or 'AWS'} has no way to remove {shown(path[-1])}"
            yield Fault("E1118", message, path, "set it to what AWS has without it", key=True)
        elif any(isinstance(step, int) for step in path):
            message = f"{shown(path[-1])} has no value, and a list is replaced as a whole"
            yield Fault("E1118", message, path, "leave it out", key=True)

    def _list(self, shape: Shape, value: Any, at: Path, name: str) -> Iterator[Fault]:
        if not isinstance(value, list | tuple):
            hint = "put it in [brackets]" if isinstance(value, str) else ""
            yield Fault("E1105", f"{_subject(at)}expected a list, found {described(value)}", at, hint)
            return
        least, most = shape.limits
        if least is not None and len(value) < least:
            yield Fault("E1106", f"{_subject(at)}needs at least {least:g}", at)
        if most is not None and len(value) > most:
            yield Fault("E1106", f"{_subject(at)}takes at most {most:g}", at)
        for index, item in enumerate(value):
            if item is None:
                yield Fault("E1104", f"an item of {shown(at[-1])[1:-1]} has no value", (*at, index))
            else:
                yield from self.value(shape.item, item, (*at, index), name)

    def _map(self, shape: Shape, value: Any, at: Path) -> Iterator[Fault]:
        if not isinstance(value, Mapping):
            yield Fault("E1105", f"{_subject(at)}expected a mapping, found {described(value)}", at)
            return
        for key, item in value.items():
            if refusal := self._refused((*at, key), item):
                yield refusal
            elif item is not None:
                yield from self.value(shape.item, item, (*at, key), key)

    def _scalar(self, shape: Shape, value: Any, at: Path, name: str) -> Iterator[Fault]:
        try:
            found = scalar(shape, value)
        except PydanticCustomError as error:
            context = error.context or {}
            yield Fault(error.type, _subject(at) + context["message"], at, context.get("hint", ""))
            return
        if isinstance(found, str):
            yield from _text_faults(shape, found, at)
            yield from _secrets(shape, name, found, at)
        elif not isinstance(found, bool):
            yield from _limits(shape, found, at)


def _text_faults(shape: Shape, text: str, at: Path) -> Iterator[Fault]:
    if shape.choices:
        if text not in shape.choices:
            hint = did_you_mean(text, shape.choices) or next(
                (f"did you mean '{one}'?" for one in shape.choices if one.lower() == text.lower()), ""
            )
            yield Fault("E1107", f"{_subject(at)}expected {joined(shape.choices)}, found {shown(text)}", at, hint)
        return
    least, most = shape.limits
    if least is not None and len(text) < least:
        few = "must not be empty" if least == 1 else f"must have at least {least:g} characters"
        yield Fault("E1106", f"{_subject(at)}{few}", at)
    elif most is not None and len(text) > most:
        yield Fault("E1106", f"{_subject(at)}must have at most {most:g} characters", at)
    elif shape.pattern and (pattern := _compiled(shape.pattern)) is not None and not pattern.search(text):
        yield Fault("E1109", f"{_subject(at)}AWS takes text of the form {shape.pattern} only", at)


def _limits(shape: Shape, number: float, at: Path) -> Iterator[Fault]:
    least, most = shape.limits
    if least is not None and number < least:
        yield Fault("E1106", f"{_subject(at)}must be at least {least:g}", at)
    elif most is not None and number > most:
        yield Fault("E1106", f"{_subject(at)}must be at most {most:g}", at)


def _secrets(shape: Shape, name: str, text: str, at: Path) -> Iterator[Fault]:
    """Secrets by their name or by the model; those by their form are found in any field (checks/secrets.py)."""
    named = secrecy.secret(name, text) or (shape.sensitive and not secrecy.harmless(text))
    if named and not secrecy.secret_value(text):
        message = f"the value of {shown(name)} looks like a secret; whoever reads the specs or AWS's answers sees it"
        yield Fault("E7001", message, at, "store it in SSM or Secrets Manager, and refer to it")


@cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """None for a pattern that only Java reads."""
    try:
        return re.compile(pattern)
    except re.error:
        return None


def _meant(name: str, shape: Shape) -> str:
    plain = name.replace("_", "").lower()
    same = [member for member in shape.members if member.lower() == plain]
    return f"did you mean '{same[0]}'?" if same else did_you_mean(name, shape.members)


def _named(item: Mapping[str, Any]) -> str:
    """The name of what an item is the value of: of `{name: TOKEN, value: …}` it is TOKEN."""
    found = next((item[key] for key in _NAMES if isinstance(item.get(key), str)), "")
    return str(found) if len(item) == 2 else ""


def _names(path: Path) -> tuple[str, ...]:
    return tuple(step for step in path if isinstance(step, str))


def _subject(at: Path) -> str:
    names = _names(at)
    return f"{shown(names[-1])[1:-1]}: " if names else ""
