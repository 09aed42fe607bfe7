"""Classifier of failing tasks: matches what AWS reports against the table of causes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Final

from reconciler.diagnosis.cause import DEFAULTS, UNKNOWN, Cause, Match, table
from reconciler.diagnosis.observations import Container, Event, Target, Task, culprit, plain

FAILING_CODES: Final = frozenset({"TaskFailedToStart", "EssentialContainerExited"})
CUT: Final = 2048  # characters of one text that are looked at


@dataclass(frozen=True, slots=True)
class Sign:
    """What one thing shows: a task, a target, something AWS said of the service, or a container's last log lines."""

    texts: tuple[str, ...] = ()
    stop_code: str = ""
    status: str = ""
    exit_code: str = ""
    health: str = ""
    target: str = ""
    lines: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)


@dataclass(frozen=True, slots=True)
class Hit:
    """A cause, and what fills its placeholders."""

    cause: Cause
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def order(self) -> int:
        return _order()[self.cause.id]


def counts_as_failure(task: Task, essential: frozenset[str] | None = None) -> bool:
    """Whether this stopped task speaks against its release: the question of a circuit breaker.

    Spot interruptions, retirements, scaling in, a person's hand and a lack of capacity do not. A stop whose cause is
    unknown counts if its stopCode says that the task failed by itself.
    """
    if not task.stopped:
        return False
    hit = find(sign_of_task(task, essential))
    return hit.cause.counts if hit is not None else task.stop_code in FAILING_CODES


def find(sign: Sign, causes: tuple[Cause, ...] | None = None) -> Hit | None:
    """The first row of the table that fits."""
    found = _row(replace(sign, facts={}), table() if causes is None else causes)
    return None if found is None else Hit(found[0], {**_extracted(sign), **sign.facts, **found[1]})


def unknown(sign: Sign) -> Hit | None:
    """What no row fits, in AWS's words; None where there are no words."""
    words = [plain(text) for text in dict.fromkeys(sign.texts) if text.strip()]
    if sign.exit_code not in ("", "0"):
        words.append(f"exit code {sign.exit_code}")
    if not words:
        return None
    return Hit(UNKNOWN, {"raw": " · ".join(words), **sign.facts})


def find_in_task(
    task: Task,
    *,
    essential: frozenset[str] | None = None,
    events: Sequence[Event] = (),
    targets: Sequence[Target] = (),
) -> Hit | None:
    """The cause that a task shows, unknown included; None if it shows nothing.

    Of a failed load balancer check the task itself says only that it failed. How, stands in the event that names the
    task, in the health of the target with its address, or else in that of most targets.
    """
    sign = sign_of_task(task, essential)
    hit = find(sign)
    if hit is None:
        return unknown(sign)
    if not hit.cause.vague:
        return hit
    matching = [event for event in events if task.id and task.id in event.message]
    signs = [sign_of_text(event.message) for event in matching]
    signs += [sign_of_target(target) for target in targets if task.address and target.id == task.address]
    better = next((found for sign in signs if (found := _better(sign)) is not None), None)
    if better is None:
        better = _of_most(found for target in targets if (found := _better(sign_of_target(target))) is not None)
    return hit if better is None else Hit(better.cause, {**hit.values, **better.values})


def sign_of_task(task: Task, essential: frozenset[str] | None = None) -> Sign:
    ended = culprit(task, essential)
    texts = dict.fromkeys((task.reason, ended.reason if ended is not None else ""))
    return Sign(
        texts=tuple(text[:CUT] for text in texts if text),
        stop_code=task.stop_code,
        status=task.status,
        exit_code="" if ended is None or ended.exit_code is None else str(ended.exit_code),
        health="" if ended is None else ended.health,
        facts=_facts(ended),
    )


def sign_of_target(target: Target) -> Sign:
    return Sign(
        texts=(target.description[:CUT],) if target.description else (),
        target=target.reason,
        facts={"at_port": f"on port {target.port}"} if target.port is not None else {},
    )


def sign_of_text(text: str) -> Sign:
    return Sign(texts=(text[:CUT],) if text else ())


def sign_of_log(lines: Iterable[str]) -> Sign:
    return Sign(lines=tuple(line[:CUT] for line in lines))


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template of the table with its placeholders filled in, on one line."""
    return plain(template.format_map({**DEFAULTS, **{name: text for name, text in values.items() if text}}), 1000)


@lru_cache(maxsize=256)
def _row(sign: Sign, table: tuple[Cause, ...]) -> tuple[Cause, dict[str, str]] | None:
    """Tasks of one service fail alike, and are looked at in every pass: most are answered from here."""
    for cause in table:
        for match in cause.matches:
            groups = _fits(match, sign)
            if groups is not None:
                return cause, groups
    return None


def _fits(match: Match, sign: Sign) -> dict[str, str] | None:
    """What the match's named groups hold; None if it does not fit."""
    whole = (
        (match.stop_code, sign.stop_code),
        (match.status, sign.status),
        (match.exit_code, sign.exit_code),
        (match.health, sign.health),
        (match.target, sign.target),
    )
    if any(pattern and _compiled(pattern).fullmatch(text) is None for pattern, text in whole):
        return None
    groups: dict[str, str] = {}
    for pattern, texts in ((match.said, sign.texts), (match.log, sign.lines)):
        if pattern:
            found = next((hit for text in texts if (hit := _compiled(pattern).search(text)) is not None), None)
            if found is None:
                return None
            groups |= {name: _trimmed(text) for name, text in found.groupdict().items() if text}
    return groups


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def _better(sign: Sign) -> Hit | None:
    found = find(sign)
    return None if found is None or found.cause.vague else found


def _of_most(hits: Iterable[Hit]) -> Hit | None:
    found = list(hits)
    if not found:
        return None
    counts = Counter(hit.cause.id for hit in found)
    return min(found, key=lambda hit: (-counts[hit.cause.id], hit.order))


def _facts(ended: Container | None) -> dict[str, str]:
    if ended is None:
        return {}
    called = f"container {ended.name}" if ended.name else ""
    facts = {"container": called, "container_name": ended.name, "image": ended.image}
    if ended.exit_code is not None:
        facts["exit_code"] = str(ended.exit_code)
    return {name: text for name, text in facts.items() if text}


def _extracted(sign: Sign) -> dict[str, str]:
    """What AWS's words name, whatever row they fit."""
    values: dict[str, str] = {}
    for name, pattern, form in _NAMED:
        for text in (*sign.texts, *sign.lines):
            found = _compiled(pattern).search(text)
            if found is not None and name not in values:
                values[name] = form.format(_trimmed(found[1]))
    return values


def _trimmed(text: str) -> str:
    return text.strip(" '\"\\").rstrip(".,:;)")


_NAMED: Final = (
    ("role", r"assumed-role/([\w+=,.@-]+)", "role {}"),
    ("role", r"role ['\"](?:arn:[^'\"]*:role/)?([^'\"]+)['\"]", "role {}"),
    ("role", r"sts:AssumeRole on resource: \S*role/(\S+)", "role {}"),
    ("action", r"not authorized to perform:? ([\w-]+:\w+)", "{}"),
    ("secret", r"(arn:aws[\w-]*:(?:secretsmanager|ssm):[^\s,;'\"]+)", "{}"),
    ("secret", r"asm:.* retrieve secret with value (\S+)", "{}"),
    ("image", r"cannot pull '?([^\s']+)'? from", "{}"),
    ("image", r"failed to resolve ref '?\"?([^\s'\"]+?)\"?'?:(?:\s|$)", "{}"),
    ("host", r"https?://([^/\"\s]+)", "{}"),
    ("host", r"lookup (\S+?\.\S+?)(?: on|:)", "{}"),
    ("host", r"between the task and (?:the )?(AWS [\w ]+?|Amazon [\w ]+?)(?:\.|$)", "{}"),
    ("host", r"between the task and the (registry)", "the {}"),
    ("file_system", r"\b(fs-[0-9a-f]+)", "file system {}"),
    ("subnet", r"\b(subnet-[0-9a-f]+)", "{}"),
    ("target_group", r"targetgroup/([^/\s)]+)/", "target group {}"),
    ("user", r"unable to find user ([^\s:]+)", "user {}"),
    ("program", r"exec:? \\*\"([^\"\\]+)", "{}"),
    ("program", r"exec (/\S+?): ", "{}"),
    ("limit", r"timed out after waiting (\w+)", "{}"),
)


@cache
def _order() -> dict[str, int]:
    return {cause.id: place for place, cause in enumerate((*table(), UNKNOWN))}
