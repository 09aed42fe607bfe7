"""What a Dockerfile says about running its image: ENTRYPOINT, CMD and ENV of its last stage. Nothing is built."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Defaults:
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


def read(text: str) -> Defaults:
    """Raises ValueError for a line that cannot be understood."""
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    for name, rest in _instructions(text):
        match name:
            case "FROM":
                entry_point, command, environment = (), (), {}
            case "ENTRYPOINT":
                entry_point = _program(rest)
            case "CMD":
                command = _program(rest)
            case "ENV":
                environment |= _variables(rest)
    return Defaults(entry_point, command, environment)


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\[ \t]*\n", " ", "\n".join(lines))
    parts = (line.strip().partition(" ") for line in joined.splitlines() if line.strip())
    return [(name.upper(), rest.strip()) for name, _, rest in parts]


def _program(rest: str) -> tuple[str, ...]:
    """The JSON form as it stands; anything else is a line for the shell."""
    if rest.startswith("["):
        try:
            words = json.loads(rest)
        except json.JSONDecodeError as error:
            raise ValueError(f"not a JSON list: {rest}") from error
        return tuple(str(word) for word in words)
    return ("/bin/sh", "-c", rest)


def _variables(rest: str) -> dict[str, str]:
    words = shlex.split(rest)
    if words and "=" not in words[0]:  # the old form: ENV NAME the rest of the line
        name, _, value = rest.partition(" ")
        return {name: value.strip()}
    pairs = (word.partition("=") for word in words)
    return {name: value for name, _, value in pairs}
