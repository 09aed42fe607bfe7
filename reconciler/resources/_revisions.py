"""Revisions of task definition families: the current one, and those of the stack."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from reconciler import errors
from reconciler.model import ordering, ownership
from reconciler.model.resource import Call, Calls, Desired, Observed, S
from reconciler.model.resource_type import Depth, Scope
from reconciler.resources import _ecs, _gone, _task_runs
from reconciler.resources._ecs import ecs

BATCH: Final = 10  # revisions a DeleteTaskDefinitions

LOOK_BACK: Final = 10
"""Number of other owners' revisions to read in search of one of the stack."""


def family_of(arn: str) -> str:
    """`web` of `arn:aws:ecs:…:task-definition/web:3`."""
    return _ecs.last(arn).rpartition(":")[0]


def revision_of(arn: str) -> int:
    """3 of `arn:aws:ecs:…:task-definition/web:3`."""
    return int(arn.rpartition(":")[2])


def arn_of(answer: Mapping[str, Any]) -> str:
    """The ARN in a response of DescribeTaskDefinition."""
    arn: str = answer["taskDefinition"]["taskDefinitionArn"]
    return arn


def is_of(answer: Mapping[str, Any], stack: str | None) -> bool:
    """Whether `stack` owns the task definition of a response of DescribeTaskDefinition."""
    return ownership.owner(_ecs.tags_of(answer)) == stack


def running(scope: Scope) -> dict[str, str]:
    """Family → ARN of the revision that its service runs; of several, the newest."""
    found: dict[str, str] = {}
    for service in scope.seen.get("service", ()):
        arn = service.facts.get("task_definition")
        if arn and not service.facts.get("deleting"):
            family = family_of(arn)
            found[family] = max(arn, found.get(family, arn), key=revision_of)
    return found


def by_wanted_family(scope: Scope) -> dict[str, Desired[Any]]:
    """What is wanted, by family. An adopted service keeps the family that it runs, whatever its name is."""
    runs = {service.address.name: service.facts.get("task_definition") for service in scope.seen.get("service", ())}
    found = {}
    for want in scope.wanted:
        arn = runs.get(want.address.name) if want.adopt else None
        spec = want.spec if not arn else want.spec.model_copy(update={"family": family_of(arn)})
        found[spec.family] = replace(want, spec=spec)
    return found


def newest_tagged(scope: Scope, key: str, values: Mapping[str, str]) -> dict[str, str]:
    """Family → its newest revision of ours whose tag `key` has the family's value, as far as the sweep knows."""
    found: dict[str, str] = {}
    for arn in scope.swept_arns("ecs", "task-definition/"):
        family = family_of(arn)
        if scope.swept[arn].get(key) == values.get(family, ""):
            found[family] = max(arn, found.get(family, arn), key=revision_of)
    return found


def unmoved(scope: Scope, running: Mapping[str, str]) -> dict[str, Observed[Any]]:
    """What a fast pass need not read: by family, those of which the service still runs the revision found earlier."""
    if scope.depth is not Depth.FAST:
        return {}
    return {one.spec.family: one for one in scope.before if running.get(one.spec.family, one.id) == one.id}


def lasting(scope: Scope, running: Mapping[str, str], key: str) -> dict[str, dict[str, str]]:
    """The revisions whose earlier description will do, with their tags: those that run, and carry our hash in the tag
    `key`. One that is still to be started from could have been deregistered meanwhile, and one that was run by itself
    is remembered by tags that somebody else may be writing now."""
    return {arn: ownership.without_aws(scope.swept[arn]) for arn in running.values() if key in scope.swept.get(arn, {})}


def in_use(scope: Scope) -> dict[str, tuple[str, ...]]:
    """Family → ARNs of its revisions that services use or would go back to, in any deployment or task set."""
    services = scope.seen.get("service", ())
    arns = {arn for service in services for arn in service.facts.get("task_definitions", ())}
    kept = {_remembered(value) for service in services for value in service.tags.values()} - {""}
    arns |= {scope.arn("ecs", f"task-definition/{name}") for name in kept}
    return {family: tuple(sorted(named)) for family, named in by_family(arns).items()}


def _remembered(value: str) -> str:
    """`family:number` in a service's tag `release:family:number`."""
    found = re.fullmatch(r"\w+:([\w-]+:\d+)", value)
    return "" if found is None else found[1]


def by_family(arns: Iterable[str]) -> dict[str, list[str]]:
    """Family → ARNs of its revisions, oldest first."""
    found: dict[str, list[str]] = {}
    for arn in sorted(arns, key=revision_of):
        found.setdefault(family_of(arn), []).append(arn)
    return found


def describe(name: str, lasting: Mapping[str, str] | None = None) -> Call:
    """Read a revision. With `lasting`, its tags, an earlier response with just these tags may be used."""
    return replace(ecs.describe_task_definition(taskDefinition=name, include=["TAGS"]), lasting=lasting)


def one(name: str) -> Calls[dict[str, Any] | None]:
    """The response for an ARN, or for the newest active revision of a family; None if there is none."""
    answer: dict[str, Any] | None = yield from _gone.answer(describe(name))
    return answer


def read(
    families: Sequence[str],
    running: Mapping[str, str],
    lasting: Mapping[str, Mapping[str, str]],
) -> Calls[dict[str, dict[str, Any] | None]]:
    """Family → the response for its current revision. `lasting`: ARN → tags, for revisions that may be cached."""
    names = [running.get(family, family) for family in families]
    answers = yield from _gone.answers([describe(name, lasting.get(name)) for name in names])
    return dict(zip(families, answers, strict=True))


def ours_of(
    family: str, answer: dict[str, Any] | None, known: set[str], stack: str, *, every: bool
) -> Calls[dict[str, Any] | None]:
    """The stack's newest revision of a family in which others register revisions, too; `answer` if there is none.

    `known` are the revisions that the tag index attributes to the stack. Revisions that are read and belong to the
    stack are added to it: with `every` all of them, else up to LOOK_BACK are read.
    """
    active = yield from list_active(family)
    described = {} if answer is None else {arn_of(answer): answer}
    unsure = [arn for arn in active if arn not in known and arn not in described]
    answers = yield from _gone.answers([describe(arn) for arn in (unsure if every else unsure[:LOOK_BACK])])
    described |= {arn_of(each): each for each in answers if each is not None}
    swept = sorted(known, key=revision_of)
    known |= {arn for arn, each in described.items() if is_of(each, stack)}
    if answer is not None and is_of(answer, stack):
        return answer
    newest = next((arn for arn in active if arn in known), None)
    if newest is not None:
        return described.get(newest) or (yield from one(newest))
    if answer is None and swept:
        left = yield from one(swept[-1])  # deregistered by a deletion that was cut short
        return left if left is not None and left["taskDefinition"]["status"] == "INACTIVE" else None
    return answer


def list_active(family: str) -> Calls[list[str]]:
    """ARNs of the active revisions of a family, newest first."""
    answer = yield ecs.list_task_definitions(familyPrefix=family, status="ACTIVE", sort="DESC")
    arns = [arn for arn in answer["taskDefinitionArns"] if family_of(arn) == family]
    return sorted(arns, key=revision_of, reverse=True)


def with_earlier(
    observed: Iterable[Observed[S]], scope: Scope, read: Callable[[Mapping[str, Any]], S]
) -> Calls[list[Observed[S]]]:
    """The revisions, with what others of their family refer to that run beside them, during a rollout, in `earlier`."""
    services = scope.seen.get("service", ())
    deployed = {name for service in services for name in service.facts.get("task_definitions", ())}
    known: dict[str, frozenset[str]] = {}
    for before in scope.before:  # a revision never changes
        known |= {before.id: frozenset(ordering.links(replace(before, parent=None))), **before.facts.get("earlier", {})}
    found = []
    for current in observed:
        others = {arn for arn in deployed if family_of(arn) == family_of(current.id)} - {current.id}
        for arn in sorted(others - known.keys()):
            answer = yield from one(arn)
            if answer is not None:
                known[arn] = frozenset(ordering.links(replace(current, id=arn, spec=read(answer), parent=None)))
        kept = {arn: known[arn] for arn in others & known.keys()}
        found.append(replace(current, facts={**current.facts, "earlier": kept}))
    return found


def with_runs(
    observed: Iterable[Observed[S]], scope: Scope, read: Callable[[Mapping[str, Any]], S]
) -> Calls[list[Observed[S]]]:
    """The revisions, with the ids of what tasks use in `runs` that no service runs, in any revision of their family.

    ECS shows the security groups of a task only where we started it: any of the stack's may be another one's.
    """
    services = scope.seen.get("service", ())
    clusters = {str(one.facts["cluster"]) for one in services if "cluster" in one.facts}
    clusters |= {one.id for one in scope.seen.get("cluster", ())}
    clusters |= {str(one.spec.cluster) for one in scope.seen.get("schedule", ()) if one.spec.cluster}
    names, deployed, found = sorted({_ecs.last(one) for one in clusters}), running(scope), []
    for current in observed:
        family = family_of(current.id)
        if family in deployed or ownership.owner(current.tags) != scope.stack:
            found.append(current)
            continue
        used: set[str] = set()
        for cluster in names:
            listed = yield from _gone.answer(ecs.list_tasks(cluster=cluster, family=family))
            for task in (yield from _task_runs.described(cluster, (listed or {}).get("taskArns", ()))):
                used |= yield from _used(task, current, scope, read)
        found.append(replace(current, facts={**current.facts, "runs": sorted(used)}))
    return found


def _used(
    task: Mapping[str, Any], current: Observed[Any], scope: Scope, read: Callable[[Mapping[str, Any]], Any]
) -> Calls[set[str]]:
    """The ids of what a task uses: its revision, what that refers to, and its network."""
    arn = task["taskDefinitionArn"]
    revision: Observed[Any] | None = current
    if arn != current.id:
        answer = yield from one(arn)
        revision = None if answer is None else replace(current, id=arn, spec=read(answer))
    network = _task_runs.network(task)
    if _task_runs.SECURITY_GROUPS not in _ecs.tags_of(task):
        network |= {group.id for group in scope.seen.get("security-group", ())}
    refers = set() if revision is None else ordering.links(replace(revision, parent=None))
    return {arn, current.id, *refers, *network}


def delete(arns: Sequence[str]) -> Calls[None]:
    """Raises `errors.Blocked` with ECS's reason for what could not be deleted yet."""
    for batch in _ecs.batches(arns, BATCH):
        answer = yield ecs.delete_task_definitions(taskDefinitions=list(batch))
        for failure in answer.get("failures") or ():
            reason = failure.get("detail") or failure.get("reason") or "no reason given"
            if "does not exist" not in reason:
                raise errors.Blocked(
                    f"{failure.get('arn', '')}: {reason}",
                    call="ecs.DeleteTaskDefinitions",
                    code=failure.get("reason", ""),
                )
