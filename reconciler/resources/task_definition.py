"""A task definition: what a task is made of. A revision never changes; a change registers the next one.

Which revision is *the* task definition? Where a service runs one: one that is known to be what the specs want, which a
rollout may be bringing; else the one that the service runs, else the newest of the family that is ours. So after a
crash between registering and using, the revision that was registered already is found and used instead of making
another. A revision that somebody else registers in our family is theirs: if our service was pointed at it, that is the
service's drift.

ECS never tells two equal registrations apart, so each of ours carries a hash of what was registered. Where it is the
hash of what the specs want, the revision is what they want, however AWS may spell it back. Elsewhere the fields are
compared. A describe by ARN may be cached for as long as nobody writes that revision's tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

from reconciler.model import ownership
from reconciler.model.adoption import adopted
from reconciler.model.diff import Change, diff
from reconciler.model.image_tags import IMAGES
from reconciler.model.permissions import Binding, Permissions
from reconciler.model.resource import Address, Calls, Desired, Observed, Path, refs_in
from reconciler.model.resource_type import Replace, ResourceType, Scope
from reconciler.model.tagging import TagRules, with_text
from reconciler.resources import _ecs, _gone, _in_use, _revisions
from reconciler.resources._containers import Container, ContainerHealthCheck, Port, Ulimit
from reconciler.resources._definition import (
    LEFT,
    TaskDefinitionSpec,
    aligned,
    content,
    lost_with,
    read_spec,
    recorded,
    registered,
    rotates,
    with_additions,
)
from reconciler.resources._ecs import ecs

__all__ = [
    "Container", "ContainerHealthCheck", "Port", "TaskDefinition", "TaskDefinitionSpec", "Ulimit",
    "content", "lost_with", "read_spec",
]  # fmt: skip

CONTENT: Final = "reconciler:content"
"""The tag that holds the hash of what a revision was registered with."""

RESTARTED: Final = "reconciler:restarted"
"""The tag of a revision that was registered for a restart: the id of the request, who made it, and why."""

COMMIT: Final = "reconciler:source-commit"
"""The tag with the commit that a revision was registered for, and the start of its subject."""

ROTATED: Final = "reconciler:rotation"
"""The tag of a revision that has only new versions of secrets, parameters and files: the hashes of the contents that it
was made from, the newest last."""

ROTATIONS: Final = 7
"""Hashes that the tag has room for."""

AUDIT: Final = (
    "reconciler:audit-a",
    "reconciler:audit-b",
    "reconciler:audit-c",
    "reconciler:audit-d",
    "reconciler:audit-e",
)
"""The tags with the last requests for the release of a revision (controller/audit.py)."""

KEEP: Final = 10
"""Revisions of a family that stay, to go back to. Older ones go when a new one comes, unless a service names them."""

TRIM_AT_ONCE: Final = 5  # ECS allows one DeregisterTaskDefinition a second


class TaskDefinition(ResourceType[TaskDefinitionSpec]):
    kind: ClassVar[str] = "task-definition"
    Spec = TaskDefinitionSpec
    terraform: ClassVar[str] = "aws_ecs_task_definition"
    cloudformation: ClassVar[tuple[str, str]] = ("AWS::ECS::TaskDefinition", "TaskDefinitionArn")
    creates: ClassVar[tuple[str, ...]] = ("RegisterTaskDefinition",)
    named_by: ClassVar[str | None] = "family"
    # The hash, a restart, the commit, the last requests, what is remembered of the run of a `Task`, the versions of
    # what tasks read, and that nothing else is new.
    tag_rules: ClassVar[TagRules] = TagRules(added=19)
    permissions: ClassVar[Permissions] = Permissions(
        bindings={("ecs", "DeregisterTaskDefinition"): Binding.UNBOUND},
        passes={"execution_role": "ecs-tasks.amazonaws.com", "task_role": "ecs-tasks.amazonaws.com"},
    )
    observe_after: ClassVar[tuple[str, ...]] = ("service", "image", "lookup", "secret-version", "role", "log-group")
    volatile: ClassVar[bool] = True
    replace: ClassVar[Replace] = Replace.CREATE_FIRST
    revisions: ClassVar[bool] = True

    def parent(self, found: Observed[TaskDefinitionSpec], others: Iterable[Observed[Any]]) -> Address | None:
        """The workload of its name."""
        users = (Address("service", found.address.name), Address("task", found.address.name))
        return next((other.address for other in others if other.address in users), None)

    def observe(self, scope: Scope) -> Calls[list[Observed[TaskDefinitionSpec]]]:
        wanted = _revisions.by_wanted_family(scope)
        swept = _revisions.by_family(scope.swept_arns("ecs", "task-definition/"))
        running = _revisions.running(scope)
        registered = {family: arn for family, arn in _registered_already(scope).items() if family in running}
        carried = _revisions.unmoved(scope, running)
        families = sorted((set(wanted) | set(swept)) - carried.keys())
        lasting = _revisions.lasting(scope, running, CONTENT)
        answers = yield from _revisions.read(families, running | registered, lasting)
        for family in registered:  # the sweep may be out of date
            if family in answers and not _is_active(answers[family]):
                answers[family] = yield from _revisions.one(running.get(family, family))
        hashes = {
            family: content(kept.spec)
            for family, want in wanted.items()
            if want.kept and family in running and (said := answers.get(family)) is not None
            if (kept := _carried_over(want, said)) is not want and next(refs_in(kept.spec), None) is None
        }
        for family, new in _revisions.newest_tagged(scope, CONTENT, hashes).items():
            if new != running[family]:
                answers[family] = (yield from _revisions.one(new)) or answers[family]
        in_use = _revisions.in_use(scope)
        observed = [
            replace(one, facts={**one.facts, "in_use": in_use.get(family, ())}) for family, one in carried.items()
        ]
        for family, said in answers.items():
            answer, want, known = said, wanted.get(family), set(swept.get(family, ()))
            foreign = answer is not None and not _revisions.is_of(answer, scope.stack)
            left = answer is None and bool(known)  # a deletion that was cut short, or somebody's
            if want is None or foreign or left:
                answer = yield from _revisions.ours_of(family, answer, known, scope.stack, every=want is None)
            if answer is None:
                continue
            arn, tags = _revisions.arn_of(answer), _ecs.tags_of(answer)
            address = _ecs.address_of(self.kind, family, tags, want, scope)
            if address is None:
                continue
            spec = _as_wanted(read_spec(answer), answer, want)
            facts = {
                "arn": arn,
                "revision": _revisions.revision_of(arn),
                "ids": (family, *sorted(known | {arn}, key=_revisions.revision_of)),
                "in_use": in_use.get(family, ()),
            }
            observed.append(Observed(address, arn, spec, tags, facts=facts))
        return (yield from _revisions.with_earlier(observed, scope, read_spec))

    def observe_runs(
        self, found: Sequence[Observed[TaskDefinitionSpec]], scope: Scope
    ) -> Calls[list[Observed[TaskDefinitionSpec]]]:
        return (yield from _revisions.with_runs(found, scope, read_spec))

    def in_use(self, found: Observed[TaskDefinitionSpec]) -> frozenset[str]:
        return frozenset(found.facts.get("runs", ()))

    def create(self, new: Desired[TaskDefinitionSpec]) -> Calls[str]:
        active = yield from _revisions.list_active(new.spec.family)
        arn = yield from _registered(active, new)
        if arn is None:
            arn = yield from _register(new)
        return arn

    def update(
        self, old: Observed[TaskDefinitionSpec], new: Desired[TaskDefinitionSpec], changes: tuple[Change, ...]
    ) -> Calls[str]:
        active = yield from _revisions.list_active(new.spec.family)
        arn = None if active[:1] == [old.id] else (yield from _registered(active, new))
        if arn is None:
            rotation = _rotation(old) if all(map(rotates, changes)) else {}
            arn = yield from _register(replace(new, tags={**new.tags, **rotation}))
            yield from _trim(active, old)
        return arn

    def lost(
        self, old: Observed[TaskDefinitionSpec], new: Desired[TaskDefinitionSpec], changes: tuple[Change, ...]
    ) -> Mapping[Path, Any]:
        """How it is networked and launched is for all of it, and not carried over to a task of Fargate's."""
        lost: dict[Path, Any] = {("other", name): old.spec.other[name] for name in lost_with(old.spec)}
        for name, container in new.spec.containers.items():
            log = container.aws.get("logConfiguration")
            if container.log_group and isinstance(log, dict) and "logDriver" in log:
                lost["containers", name, "aws", "logConfiguration"] = log
        return lost if changes else {}

    def delete(self, old: Observed[TaskDefinitionSpec]) -> Calls[None]:
        """Every revision of ours goes, the current one last: until then a pass that was cut short is taken up again."""
        family, stack = old.spec.family, ownership.owner(old.tags)
        active = yield from _revisions.list_active(family)
        inactive = (yield ecs.list_task_definitions(familyPrefix=family, status="INACTIVE"))["taskDefinitionArns"]
        known = {old.id, *old.facts["ids"]}
        unsure = yield from _gone.answers([_revisions.describe(arn) for arn in active if arn not in known])
        known |= {_revisions.arn_of(answer) for answer in unsure if answer and _revisions.is_of(answer, stack)}
        mine = sorted(known & {*active, *inactive}, key=lambda arn: (arn == old.id, _revisions.revision_of(arn)))
        for arn in mine:
            if arn in active:
                yield from _gone.let_go(ecs.deregister_task_definition(taskDefinition=arn))
        yield from _in_use.let_go(mine, old.tags.get(IMAGES, "").split())
        yield from _revisions.delete(mine)

    def update_tags(
        self, old: Observed[TaskDefinitionSpec], put: Mapping[str, str], drop: Iterable[str]
    ) -> Calls[None]:
        """Where images begin to expire, those of every revision that is still remembered are tagged first. A move is
        written to all of them: each would be found at its former address once the family leaves the specs."""
        changed = {*put, *drop} & {IMAGES, ownership.ADDRESS}
        active = (yield from _revisions.list_active(old.spec.family)) if changed else []
        ours = [arn for arn in active if arn == old.id or arn in old.facts["ids"]]
        if IMAGES in put:
            answers = yield from _gone.answers([_revisions.describe(arn) for arn in ours])
            for arn, answer in zip(ours, answers, strict=True):
                images = [] if answer is None else _images(read_spec(answer))
                yield from _in_use.hold(arn, images, put[IMAGES].split())
        elif IMAGES in drop:
            yield from _in_use.let_go(ours, old.tags[IMAGES].split())
        if ownership.ADDRESS in put:
            moved = _ecs.pairs({ownership.ADDRESS: put[ownership.ADDRESS]})
            for arn in ours:
                if arn != old.id:
                    yield from _gone.let_go(ecs.tag_resource(resourceArn=arn, tags=moved))
        yield from _ecs.update_tags(old.id, put, drop)


def _registered_already(scope: Scope) -> dict[str, str]:
    """Family → the newest revision of ours that carries the hash of what is wanted, as far as the sweep knows."""
    hashes = {want.spec.family: content(want.spec) for want in scope.wanted if next(refs_in(want.spec), None) is None}
    return _revisions.newest_tagged(scope, CONTENT, hashes)


def _carried_over(want: Desired[TaskDefinitionSpec], running: Mapping[str, Any]) -> Desired[TaskDefinitionSpec]:
    """`want` with what is carried over from the revision that runs; the same object if that is nothing."""
    spec = aligned(read_spec(running), want.spec)
    return adopted(want, Observed(want.address, _revisions.arn_of(running), spec, _ecs.tags_of(running)))


def _is_active(answer: Mapping[str, Any] | None) -> bool:
    return answer is not None and answer["taskDefinition"]["status"] not in LEFT


def _registered(active: Sequence[str], new: Desired[TaskDefinitionSpec]) -> Calls[str | None]:
    """The newest revision, where it is ours and is what is wanted."""
    answer = (yield from _revisions.one(active[0])) if active else None
    if answer is None or not _revisions.is_of(answer, new.tags.get(ownership.STACK)):
        return None
    found = Observed(new.address, _revisions.arn_of(answer), read_spec(answer))
    same = _ecs.tags_of(answer).get(CONTENT) == content(new.spec) or not diff(found, new.spec)
    return found.id if same else None


# -- writing


def restarted(answer: Mapping[str, Any], request: str, because: str) -> Calls[str]:
    """The revision of `answer`, registered once more for a restart, with its tags. The same request has one revision.

    It has the same hash, because it is what the specs want just as much.
    """
    spec, tags = read_spec(answer), carried(_ecs.tags_of(answer))
    active = yield from _revisions.list_active(spec.family)
    newest = (yield from _revisions.one(active[0])) if active else None
    if newest is not None and _ecs.tags_of(newest).get(RESTARTED, "").startswith(f"{request}:"):
        return _revisions.arn_of(newest)
    new = Desired(Address(TaskDefinition.kind, spec.family), spec, tags=tags)
    again = replace(new, tags={**tags, RESTARTED: with_text(f"{request}:", because)})
    return (yield from _register(again, tags.get(CONTENT, "")))


def carried(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags of a revision that belong on the same content when it is registered again."""
    return {key: text for key, text in ownership.without_aws(tags).items() if key not in (*AUDIT, ROTATED)}


def _rotation(old: Observed[TaskDefinitionSpec]) -> dict[str, str]:
    """Of a rotation of `old`, which may be one itself."""
    before = [*old.tags.get(ROTATED, "").split(), *old.tags.get(CONTENT, "").split()]
    return {ROTATED: " ".join(before[-ROTATIONS:])} if CONTENT in old.tags else {}


def _register(new: Desired[TaskDefinitionSpec], hashed: str = "") -> Calls[str]:
    """Its images are tagged as in use before its own tag says so: what is cut short in between is taken up again."""
    tags = {**new.tags, CONTENT: hashed or content(new.spec), **recorded(new.spec)}
    repositories = tags.pop(IMAGES, "")
    answer = yield ecs.register_task_definition(**registered(new.spec), tags=_ecs.pairs(tags))
    arn: str = answer["taskDefinition"]["taskDefinitionArn"]
    if repositories:
        yield from _in_use.hold(arn, _images(new.spec), repositories.split())
        yield from _ecs.update_tags(arn, {IMAGES: repositories}, ())
    return arn


def _images(spec: TaskDefinitionSpec) -> list[str]:
    return [str(container.image) for container in spec.containers.values()]


def _trim(active: Sequence[str], old: Observed[TaskDefinitionSpec]) -> Calls[None]:
    """Let go of what nobody will go back to: known to be ours, of no service, and older than the newest few."""
    spared = {old.id, *old.facts["in_use"]}
    surplus = [arn for arn in active[KEEP - 1 :] if arn in old.facts["ids"] and arn not in spared]
    going = surplus[:TRIM_AT_ONCE]
    for arn in going:
        yield from _gone.let_go(ecs.deregister_task_definition(taskDefinition=arn))
    yield from _in_use.let_go(going, old.tags.get(IMAGES, "").split())
    if going:
        # What cannot be deleted yet stays deregistered, and is no reason to hold up a deployment.
        yield ecs.delete_task_definitions(taskDefinitions=going)


def _as_wanted(
    spec: TaskDefinitionSpec, answer: Mapping[str, Any], want: Desired[TaskDefinitionSpec] | None
) -> TaskDefinitionSpec:
    """`spec`, in the wanted one's spelling where both say the same."""
    if want is None:
        return spec
    spec = aligned(spec, want.spec)
    if next(refs_in(want.spec), None) is not None:
        return spec  # what it refers to is not there: it has no hash
    registered = _is_active(answer)
    hashed = _ecs.tags_of(answer).get(CONTENT) == content(want.spec)
    return with_additions(want.spec, spec) if registered and hashed and _plainly_same(spec, want.spec) else spec


def _plainly_same(one: TaskDefinitionSpec, other: TaskDefinitionSpec) -> bool:
    """What AWS never spells otherwise. The console copies tags, the hash among them, into the revisions it makes."""
    return one.containers.keys() == other.containers.keys() and all(
        getattr(container, field) == getattr(other.containers[name], field)
        for name, container in one.containers.items()
        for field in ("image", "command", "environment", "secrets")
    )
