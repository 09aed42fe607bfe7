"""What a Dockerfile says about running its image: the instructions of its last stage. Nothing is built."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

_PORT: Final = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?(?:/(tcp|udp))?", re.IGNORECASE)
_VARIABLE: Final = re.compile(r"\$(?:\{(\w+)(?::-([^}]*))?\}|(\w+))", re.ASCII)
_OPTION: Final = re.compile(r"--([a-z-]+)=(\S+)\s*")
MOST_PORTS: Final = 100


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """HEALTHCHECK: its command as ECS writes it, and its options as they are written, such as `--interval=5s`."""

    command: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Defaults:
    entry_point: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    ports: tuple[tuple[int, str], ...] = ()
    """Port and protocol of each EXPOSE, in their order."""
    health_check: HealthCheck | None = None
    volumes: bool = False


def read(text: str) -> Defaults:
    """Raises ValueError for a line that cannot be understood."""
    arguments: dict[str, str] = {}
    found = Defaults()
    for line, name, rest in _instructions(text):
        try:
            match name:
                case "FROM":
                    found = Defaults()
                case "ARG":
                    argument, _, default = rest.partition("=")
                    arguments[argument] = default.strip("\"'")
                case _:
                    found = _with(found, name, rest, arguments)
        except ValueError as error:
            raise ValueError(f"line {line}: {error}") from error
    return found


def _with(found: Defaults, name: str, rest: str, arguments: Mapping[str, str]) -> Defaults:
    match name:
        case "ENTRYPOINT":
            return replace(found, entry_point=_program(rest))
        case "CMD":
            return replace(found, command=_program(rest))
        case "ENV":
            return replace(found, environment=found.environment | _variables(rest))
        case "EXPOSE":
            ports = _ports(rest, {**arguments, **found.environment})
            return replace(found, ports=tuple(dict.fromkeys((*found.ports, *ports))))
        case "HEALTHCHECK":
            return replace(found, health_check=_health_check(rest))
        case "VOLUME":
            return replace(found, volumes=True)
    return found


def _instructions(text: str) -> list[tuple[int, str, str]]:
    """Line, name and arguments of each instruction, with continued lines joined and comments left out."""
    found: list[tuple[int, str, str]] = []
    begun, parts = 0, list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            continue
        begun = begun or number
        continued = re.search(r"\\[ \t]*$", line)
        parts.append(line[: continued.start()] if continued else line)
        if continued:
            continue
        name, _, rest = " ".join(parts).strip().partition(" ")
        if name:
            found.append((begun, name.upper(), rest.strip()))
        begun, parts = 0, []
    if parts:
        name, _, rest = " ".join(parts).strip().partition(" ")
        found.append((begun, name.upper(), rest.strip()))
    return found


def _program(rest: str) -> tuple[str, ...]:
    """The JSON form as it stands; anything else is a line for the shell."""
    if rest.startswith("["):
        return _words(rest)
    return ("/bin/sh", "-c", rest)


def _words(rest: str) -> tuple[str, ...]:
    try:
        words = json.loads(rest)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not a JSON list: {rest}") from error
    return tuple(str(word) for word in words)


def _variables(rest: str) -> dict[str, str]:
    words = shlex.split(rest)
    if words and "=" not in words[0]:  # the old form: ENV NAME the rest of the line
        name, _, value = rest.partition(" ")
        return {name: value.strip()}
    pairs = (word.partition("=") for word in words)
    return {name: value for name, _, value in pairs}


def _ports(rest: str, known: Mapping[str, str]) -> list[tuple[int, str]]:
    """The ports that EXPOSE names; one whose variable has no value is left out."""
    found: list[tuple[int, str]] = []
    for word in _VARIABLE.sub(lambda one: known.get(one[1] or one[3]) or one[2] or "", rest).split():
        match = _PORT.fullmatch(word)
        if match is None:
            raise ValueError(f"not a port: {word}")
        first, last = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= last <= 65535 or last - first >= MOST_PORTS:
            raise ValueError(f"not a port: {word}")
        found += [(port, (match[3] or "tcp").lower()) for port in range(first, last + 1)]
    return found


def _health_check(rest: str) -> HealthCheck | None:
    options: dict[str, str] = {}
    while match := _OPTION.match(rest):
        options[match[1]] = match[2]
        rest = rest[match.end() :]
    word, _, command = rest.partition(" ")
    if word.upper() == "NONE":
        return None
    if word.upper() != "CMD" or not command.strip():
        raise ValueError(f"HEALTHCHECK is NONE or CMD with a command, not {word}")
    command = command.strip()
    return HealthCheck(("CMD", *_words(command)) if command.startswith("[") else ("CMD-SHELL", command), options)
