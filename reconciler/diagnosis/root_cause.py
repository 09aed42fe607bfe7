"""Root cause of a failed rollout: all evidence weighed together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from reconciler.diagnosis import classify
from reconciler.diagnosis.cause import JUDGED, SILENT, UNKNOWN, Level
from reconciler.diagnosis.classify import Hit
from reconciler.diagnosis.observations import Event, Target, Task, culprit, normalised, plain
from reconciler.diagnosis.report import (
    Diagnosis,
    EventFold,
    Evidence,
    Finding,
    Known,
    KnownContainer,
    Story,
    TargetFold,
    TaskFold,
)

_CHECKED: Final = frozenset({"unhealthy", "unhealthy.draining", "unused", "initial", "unavailable"})
_LEAVING: Final = frozenset({"Target.DeregistrationInProgress", "Target.NotRegistered", "Target.HealthCheckDisabled"})
_ROUTINE: Final = (
    " has started ",
    " has stopped ",
    "registered ",
    " has begun draining ",
    " reached a steady state",
    " deployment completed",
    "(deployment ecs-svc/",
    " rolling back to ",
)


def conclude(evidence: Evidence, story: Story) -> Diagnosis:
    """The diagnosis; it always has a cause, if only an unknown one."""
    hits = _task_hits(evidence)
    found = _weighed(evidence, hits)
    judged = story.judged and (found.cause is SILENT or found.cause.level is Level.NOISE)
    if judged or (found.cause.aftermath and story.happened):
        found = Hit(JUDGED, {"happened": story.happened})
    finding = _finding(found, evidence)
    return Diagnosis(
        story=story,
        finding=finding,
        tasks=_folded_tasks(hits, evidence),
        targets=_folded_targets(evidence.targets),
        events=_folded_events(evidence.events),
        log=tuple(line for text in evidence.log if (line := plain(text))),
        log_of=evidence.log_of,
        next=_next(finding, story, logged=bool(evidence.log)),
        unread=evidence.unread,
    )


def speaker(tasks: Sequence[Task], essential: frozenset[str] | None = None) -> tuple[Task, str] | None:
    """The newest failing task that ran, and its container whose log may say why; None if none got that far."""
    failed = [task for task in tasks if classify.counts_as_failure(task, essential)]
    for task in failed or [task for task in tasks if not task.stopped]:
        ended = culprit(task, essential)
        if ended is not None and ended.name and (task.started or ended.exit_code is not None):
            return task, ended.name
    return None


# -- weighing


@dataclass(frozen=True, slots=True)
class _Candidate:
    hit: Hit
    count: int
    total: int

    @property
    def share(self) -> float:
        return self.count / self.total

    @property
    def seen(self) -> str:
        return f"{self.count}/{self.total} task{'' if self.total == 1 else 's'}"


def _weighed(evidence: Evidence, hits: Sequence[tuple[Task, Hit]]) -> Hit:
    best = _likeliest([*_of_tasks(hits), *_of_targets(evidence.targets)])
    if best is None or best.cause.level >= Level.SYMPTOM:
        said = _of_statements(evidence)
        if said is not None and (best is None or said.cause.level < best.cause.level):
            best = said
    if best is None:
        return _words(evidence)
    if best.cause.level is Level.END and best.values.get("exit_code", "0") != "0" and best.cause is not UNKNOWN:
        logged = classify.find(classify.sign_of_log(evidence.log))
        if logged is not None:
            return Hit(logged.cause, {**best.values, **logged.values})
    return best


def _likeliest(candidates: Iterable[_Candidate]) -> Hit | None:
    """Of those at least half as frequent as the most frequent, the one nearest to the root."""
    found = list(candidates)
    if not found:
        return None
    enough = max(one.share for one in found) / 2
    best = min(
        (one for one in found if one.share >= enough),
        key=lambda one: (one.hit.cause.level, -one.share, one.hit.order),
    )
    return Hit(best.hit.cause, {**best.hit.values, "seen": best.seen})


def _task_hits(evidence: Evidence) -> list[tuple[Task, Hit]]:
    hits = []
    for task in evidence.tasks:
        hit = classify.find_in_task(
            task, essential=evidence.known.essential, events=evidence.events, targets=evidence.targets
        )
        if hit is not None:
            hits.append((task, hit))
    return hits


def _of_tasks(hits: Sequence[tuple[Task, Hit]]) -> list[_Candidate]:
    relevant = [hit for _, hit in hits if hit.cause.level is not Level.NOISE] or [hit for _, hit in hits]
    return _counted(relevant, len(relevant))


def _of_targets(targets: Sequence[Target]) -> list[_Candidate]:
    here = [target for target in targets if target.reason not in _LEAVING and target.state != "draining"]
    hits = [hit for target in here if (hit := _target_hit(target)) is not None]
    return _counted(hits, len(here))


def _counted(hits: Sequence[Hit], total: int) -> list[_Candidate]:
    alike: dict[tuple[str, str], list[Hit]] = {}
    for hit in hits:
        raw = normalised(hit.values.get("raw", "")) if hit.cause is UNKNOWN else ""
        alike.setdefault((hit.cause.id, raw), []).append(hit)
    return [_Candidate(several[0], len(several), total) for several in alike.values()]


def _target_hit(target: Target) -> Hit | None:
    if target.state not in _CHECKED or target.reason in _LEAVING:
        return None
    sign = classify.sign_of_target(target)
    found = classify.find(sign)
    if found is not None:
        return found
    words = ": ".join(text for text in (target.reason, target.description) if text)
    return classify.unknown(classify.sign_of_text(words)) if target.state == "unhealthy" else None


def _of_statements(evidence: Evidence) -> Hit | None:
    """What ECS says of the service as a whole; the newest of those nearest to the root."""
    texts = [*(event.message for event in evidence.events), evidence.rollout]
    hits = [hit for text in texts if (hit := classify.find(classify.sign_of_text(text))) is not None]
    relevant = [hit for hit in hits if hit.cause.level is not Level.NOISE]
    return min(relevant, key=lambda hit: hit.cause.level, default=None)


def _words(evidence: Evidence) -> Hit:
    texts = [evidence.rollout, *(event.message for event in evidence.events if not _routine(event.message))]
    for text in texts:
        hit = classify.unknown(classify.sign_of_text(text))
        if hit is not None:
            return hit
    return Hit(SILENT)


# -- telling


def _finding(hit: Hit, evidence: Evidence) -> Finding:
    cause, values = hit.cause, {**_from_specs(hit, evidence.known), **hit.values}
    text = classify.filled(cause.explanation, values)
    if values.get("seen") and "{seen}" not in cause.explanation:
        text += f" ({values['seen']})"
    check, outside = classify.filled(cause.check, values), classify.filled(cause.outside, values)
    return Finding(cause.id, cause.title, text, check, cause.counts, outside, cause.program)


def _from_specs(hit: Hit, known: Known) -> dict[str, str]:
    container = known.containers.get(hit.values.get("container_name", ""), KnownContainer())
    said = (
        ("request", "GET {}", known.path),
        ("at_port", "on port {}", known.port),
        ("expected", ", expected {}", known.matcher),
        ("image", "{}", container.image),
        ("log_group", "log group {}", container.log_group),
        ("role", "role {}", known.role.rpartition("/")[2]),
    )
    return {name: form.format(text) for name, form, text in said if text}


def _next(finding: Finding, story: Story, *, logged: bool) -> tuple[str, ...]:
    """What to type, in the order in which it helps."""
    place, steps = story.where, list[str]()
    if finding.outside:
        steps += [finding.outside, f"then reconciler retry {story.name}"]
    elif finding.known and finding.counts and finding.program and not place:
        steps.append("fix the program and push its image")
    elif finding.known and finding.counts:
        steps.append(f"fix {place}, and push or apply it" if place else "fix the specs, and push or apply them")
    if logged and story.of_service:
        steps.append(f"reconciler logs {story.name} --previous")
    if not finding.known and story.of_service:
        steps.append(f"reconciler events {story.name}")
    elif finding.known and not finding.counts:
        steps.append(f"reconciler retry {story.name}")
    return tuple(dict.fromkeys((*steps, *story.next)))


def _folded_tasks(hits: Sequence[tuple[Task, Hit]], evidence: Evidence) -> tuple[TaskFold, ...]:
    """Most frequent first, what failed before what was stopped; the order of equals is newest first."""
    alike: dict[tuple[Any, ...], list[tuple[Task, Hit]]] = {}
    for task, hit in hits:
        ended = culprit(task, evidence.known.essential)
        code, reason = (ended.exit_code, ended.reason) if ended is not None else (None, "")
        key = (hit.cause.id, task.status, task.stop_code, code, normalised(reason or task.reason))
        alike.setdefault(key, []).append((task, hit))
    ordered = sorted(alike.values(), key=lambda several: (several[0][1].cause.level is Level.NOISE, -len(several)))
    folds = []
    for several in ordered:
        newest, hit = several[0]
        ended = culprit(newest, evidence.known.essential)
        folds.append(
            TaskFold(
                cause=hit.cause.id,
                ids=tuple(task.id for task, _ in several),
                status=newest.status,
                stop_code=newest.stop_code,
                exit_code=None if ended is None else ended.exit_code,
                container="" if ended is None else ended.name,
                reason=plain((ended.reason if ended is not None else "") or newest.reason),
                at=newest.at,
            )
        )
    return tuple(folds)


def _folded_targets(targets: Sequence[Target]) -> tuple[TargetFold, ...]:
    alike: dict[tuple[str, str, str], list[Target]] = {}
    for target in targets:
        alike.setdefault((target.state, target.reason, normalised(target.description)), []).append(target)
    return tuple(
        TargetFold(
            cause=hit.cause.id if (hit := _target_hit(several[0])) is not None else "",
            ids=tuple(target.id for target in several),
            state=several[0].state,
            reason=several[0].reason,
            description=plain(several[0].description),
        )
        for several in sorted(alike.values(), key=len, reverse=True)
    )


def _folded_events(events: Sequence[Event]) -> tuple[EventFold, ...]:
    """Those that tell of trouble, newest first."""
    folds: dict[str, EventFold] = {}
    for event in events:
        if not event.message or _routine(event.message):
            continue
        key = normalised(event.message)
        if key in folds:
            folds[key] = replace(folds[key], count=folds[key].count + 1)
            continue
        hit = classify.find(classify.sign_of_text(event.message))
        folds[key] = EventFold(hit.cause.id if hit is not None else UNKNOWN.id, plain(event.message), at=event.at)
    return tuple(folds.values())


def _routine(message: str) -> bool:
    return any(word in message for word in _ROUTINE) and classify.find(classify.sign_of_text(message)) is None
