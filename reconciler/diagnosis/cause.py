"""Cause of a failure: its title, the AWS messages that match it, and what to check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml


class Level(IntEnum):
    """How near to the root a cause is. Among causes that are about as frequent, the lowest is told."""

    ROOT = 0  # names what has to change
    END = 1  # how the application ended; its log says why
    SYMPTOM = 2  # follows from something else, if there is anything else
    NOISE = 3  # the task was stopped by somebody, for reasons of their own


@dataclass(frozen=True, slots=True)
class Match:
    """Regular expressions, in any case, all of which have to hold; the empty one is not asked.

    `said` is searched for in what AWS says in words: a task's stoppedReason, a container's reason, a service event, a
    target's description, rolloutStateReason, the message of a refusal. `log` is searched for in the last log lines.
    The others have to fit as a whole: the task's stopCode and lastStatus, the exit code and healthStatus of the
    container that ended it, the reason code of DescribeTargetHealth. Named groups fill the placeholders of that name.
    """

    said: str = ""
    stop_code: str = ""
    status: str = ""
    exit_code: str = ""
    health: str = ""
    target: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """One row of the table.

    `explanation` and `check` are one line each, `check` is empty where the log says what to do; what stands in braces
    is filled in from what was seen, or from `DEFAULTS`. `counts` is whether such a stop counts as a failure of the
    release: not when it was nobody's fault and passes, or was meant. `vague` means that AWS says only that load
    balancer checks failed, and how they did stands in the service's events and the target's health. `outside` is what
    to do where no change of the specs helps, and after which the same version is tried again. `program`: what is to be
    mended is in the image, and not in the specs. `aftermath`: the stop follows from what the rollout or ECS did to the
    version, so it is no cause of a failure.
    """

    id: str
    title: str
    explanation: str
    check: str
    matches: tuple[Match, ...] = ()
    level: Level = Level.ROOT
    counts: bool = True
    vague: bool = False
    outside: str = ""
    program: bool = False
    aftermath: bool = False


DEFAULTS: Final = {
    "action": "a required service",
    "at_port": "",
    "code": "an unexpected status",
    "container": "the container",
    "exit_code": "unknown",
    "expected": "",
    "file_system": "the file system",
    "host": "the service",
    "image": "the image",
    "json_key": "the key",
    "limit": "its limit",
    "log_group": "the log group",
    "name": "it",
    "platform": "the task's platform",
    "program": "its command",
    "request": "",
    "role": "the execution role",
    "secret": "the secret",
    "seen": "the tasks",
    "subnet": "the subnet",
    "target_group": "the target group",
    "user": "the configured user",
}
"""What stands for a placeholder whose value AWS did not say."""


UNKNOWN: Final = Cause(
    "unknown",
    "unknown",
    "unknown. AWS reports: {raw}",
    "this is AWS's own message; the task's log and the service's events may say more",
    level=Level.END,
)
"""No row fits."""

SILENT: Final = Cause(
    "unknown",
    "unknown",
    "unknown. AWS gives no reason: no task stopped, no target is unhealthy, and no event reports a problem",
    "check with `reconciler status` what the rollout waited for",
    level=Level.SYMPTOM,
)
"""There are no words that could fit a row."""

JUDGED: Final = Cause(
    "judged",
    "the rollout's own tests or monitoring",
    "{happened}",
    "compare what the version answers with `test` and `verify` of its strategy",
    program=True,
)
"""AWS shows no trouble; the rollout found it."""


@cache
def table() -> tuple[Cause, ...]:
    """Every cause, in the order in which they are tried; the first that fits is the one.

    The causes stand in causes/*.yaml, which a reviewer reads without Python. The order of the files and of the entries
    in them counts: what is particular comes before what is general.
    """
    folder = files(__package__).joinpath("causes")
    entries = (entry for entry in folder.iterdir() if entry.name.endswith(".yaml"))
    texts = {entry.name: entry.read_text(encoding="utf-8") for entry in entries}
    fragments = _read(texts.pop("fragments.yaml"))
    return tuple(_cause(id, fields, fragments) for name in sorted(texts) for id, fields in _read(texts[name]).items())


def _read(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return found


def _cause(id: str, fields: dict[str, Any], fragments: dict[str, str]) -> Cause:
    """Raises TypeError for a field that there is not."""
    rest = {name: value for name, value in fields.items() if name not in ("matches", "level")}
    matches = tuple(
        Match(**{name: _filled(str(pattern), fragments) for name, pattern in match.items()})
        for match in fields["matches"]
    )
    return Cause(id, matches=matches, level=Level[fields.get("level", "root").upper()], **{"check": "", **rest})


def _filled(pattern: str, fragments: dict[str, str]) -> str:
    for name, fragment in fragments.items():
        pattern = pattern.replace(f"{{{{{name}}}}}", fragment)
    return pattern
