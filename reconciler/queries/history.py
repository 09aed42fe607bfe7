"""Release history of a service: the revisions of its task definition, and the state of each release.

A revision has a registration time and images; the service's tags and task sets say which releases are in production, in
progress, rollback targets or quarantined. A release is matched to a revision by what the service stores, otherwise by
its id, which is computed from the revision's own hash. Without a match nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from reconciler.model import image_tags, ownership
from reconciler.model.ecr_image import ecr_image
from reconciler.model.observed_state import ObservedState
from reconciler.model.resource import Address, Call, Calls, ServiceApi
from reconciler.model.tagging import unescaped
from reconciler.queries.versions import RunningVersion, ServiceState
from reconciler.reconcile.provenance import audit_of, commit_of
from reconciler.resources import _gone
from reconciler.resources.task_definition import CONTENT, RESTARTED
from reconciler.rollout.attempts import ReleaseTimes
from reconciler.rollout.describe import revision_of
from reconciler.rollout.engines.task_sets import COMMIT
from reconciler.rollout.release import Release, Version, release_id, restart_id
from reconciler.rollout.stored_state import RolloutResult, StoredState, Verdict
from reconciler.store.audit_trail import AuditEntry, merged

ecs = ServiceApi("ecs")
ecr = ServiceApi("ecr")

MOST: Final = 20
"""Number of revisions to read, newest first; older ones are deregistered."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision of the stack. `images` maps containers to images, `image_tags` images to their registry tags.

    `restart`: who asked for the restart for which it was registered, and why. `commit` and `subject` are those that it
    was registered for; empty where the specs were in no commit. `requests` are the last ones that its tags keep.
    """

    name: str
    registered_at: datetime | None = None
    images: Mapping[str, str] = field(default_factory=dict)
    image_tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    content: str = ""
    restart: str = ""
    commit: str = ""
    subject: str = ""
    requests: tuple[AuditEntry, ...] = ()


class ReleaseStanding(StrEnum):
    """State of a release. It may have several of these at once."""

    LIVE = "live"  # it receives production traffic
    IN_PROGRESS = "in-progress"  # it is being rolled out
    ROLLBACK_TARGET = "rollback-target"  # it is being rolled back to
    WARM = "warm"  # the version before, whose tasks still run
    PREVIOUS = "previous"  # the version before
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class Row:
    """A release and its state; `revision` is None if only the release id is known.

    `share` is its share of production traffic in percent. `ended` is the result of its rollout, if it was the last to
    end; `verdict` is why it is quarantined. `times` are those of its rollout, if all of production has it. `requests`
    are those about it, the oldest first.
    """

    release: str
    revision: Revision | None
    standing: tuple[ReleaseStanding, ...] = ()
    share: int = 0
    commit: str = ""
    ended: RolloutResult | None = None
    verdict: Verdict | None = None
    times: ReleaseTimes | None = None
    subject: str = ""
    requests: tuple[AuditEntry, ...] = ()


# -- reads


def family_of(world: ObservedState, definition: Address) -> str:
    """The name that a task definition has in AWS; that of its document if there is none yet."""
    known = (one.spec.family for one in world.found.get("task-definition", ()) if one.address == definition)
    return next(known, definition.name)


def revisions(family: str, stack: str, address: str = "") -> Calls[tuple[Revision, ...]]:
    """The family's active revisions that the stack owns, newest first. `address` is that of their service or task.

    Raises `errors.AwsError`.
    """
    answer = yield ecs.list_task_definitions(familyPrefix=family, status="ACTIVE", sort="DESC")
    arns = [arn for arn in answer["taskDefinitionArns"] if revision_of(arn).rpartition(":")[0] == family]
    newest = sorted(arns, key=lambda arn: int(arn.rpartition(":")[2]), reverse=True)[:MOST]
    answers = yield from _gone.answers(
        [ecs.describe_task_definition(taskDefinition=a, include=["TAGS"]) for a in newest]
    )
    items = [one for one in answers if one is not None and _owner(one) == stack]
    images = sorted({image for one in items for image in _images(one).values()})
    tags = yield from _image_tags(images)
    return tuple(_revision(one, tags, address) for one in items)


def commits(found: ServiceState) -> Calls[Mapping[str, str]]:
    """Release → the commit in the tags of its task set."""
    if not found.service.facts["sets"]:
        return {}
    answer = yield ecs.describe_task_sets(cluster=found.cluster, service=found.service.id, include=["TAGS"])
    return {
        one["externalId"]: tags[COMMIT]
        for one in answer.get("taskSets") or ()
        if one.get("externalId") and COMMIT in (tags := _tags(one))
    }


def _image_tags(images: Iterable[str]) -> Calls[dict[str, tuple[str, ...]]]:
    """Tags of digests in the stack's registries; nothing for a missing image."""
    calls: dict[str, Call] = {}
    for image in images:
        found, digest = ecr_image(image), image.partition("@")[2]
        if found is not None and digest:
            calls[image] = ecr.describe_images(
                registryId=found.account, repositoryName=found.repository, imageIds=[{"imageDigest": digest}]
            )
    answers = yield from _gone.answers(list(calls.values()))
    return {
        image: image_tags.pushed(tag for one in answer.get("imageDetails") or () for tag in one.get("imageTags") or ())
        for image, answer in zip(calls, answers, strict=True)
        if answer is not None
    }


def _revision(answer: Mapping[str, Any], tags_of: Mapping[str, tuple[str, ...]], address: str) -> Revision:
    item, tags, images = answer["taskDefinition"], _tags(answer), _images(answer)
    registered = item.get("registeredAt")
    return Revision(
        revision_of(item["taskDefinitionArn"]),
        registered.astimezone(UTC) if isinstance(registered, datetime) else None,
        images,
        {image: tags_of[image] for image in images.values() if image in tags_of},
        tags.get(CONTENT, ""),
        unescaped(tags.get(RESTARTED, "").partition(":")[2]),
        *commit_of(tags),
        audit_of(tags, address),
    )


def _images(answer: Mapping[str, Any]) -> dict[str, str]:
    return {one["name"]: one.get("image", "") for one in answer["taskDefinition"].get("containerDefinitions") or ()}


def _owner(answer: Mapping[str, Any]) -> str | None:
    return ownership.owner(_tags(answer))


def _tags(answer: Mapping[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in answer.get("tags") or ()}


# -- results


def history(
    known: Iterable[Revision],
    runs: Iterable[RunningVersion],
    remembered: StoredState,
    wanted: Release | None,
    committed: Mapping[str, str] | None = None,
    kept: Iterable[AuditEntry] = (),
) -> tuple[Row, ...]:
    """Newest first; releases without a known revision come last. `wanted` is the declared release.

    `committed` are commits by release, `kept` the requests that the store keeps.
    """
    several, running, asked = tuple(known), tuple(runs), by_release(kept)
    with_commit = [entry for entries in asked.values() for entry in entries if entry.commit]
    commits = {entry.release: (entry.commit, entry.subject) for entry in with_commit}
    commits |= {release: (commit, "") for release, commit in (committed or {}).items()}
    releases = _releases(several, running, remembered, wanted)
    times = {one.release: one for one in remembered.times if one.complete}
    rows = []
    for one in several:
        release = releases.get(one.name, "")
        share, standing = _standing(one.name, release, running, remembered, wanted)
        results = remembered.ended_of(release), remembered.verdict_of(release), times.get(release)
        commit, subject = (one.commit, one.subject) if one.commit else commits.get(release, ("", ""))
        requests = tuple(merged(asked.get(release, ()), (request for request in one.requests if request.release)))
        rows.append(Row(release, one, standing, share, commit, *results, subject, requests))
    named = {row.release for row in rows}
    lost = [*remembered.quarantine[::-1], *([remembered.ended.release] if remembered.ended is not None else [])]
    for release in dict.fromkeys(lost):
        if release not in named:
            share, standing = _standing("", release, running, remembered, wanted)
            results = remembered.ended_of(release), remembered.verdict_of(release), times.get(release)
            commit, subject = commits.get(release, ("", ""))
            rows.append(Row(release, None, standing, share, commit, *results, subject, tuple(asked.get(release, ()))))
    return tuple(rows)


def by_release(entries: Iterable[AuditEntry]) -> dict[str, list[AuditEntry]]:
    found: dict[str, list[AuditEntry]] = {}
    for entry in entries:
        if entry.release:
            found.setdefault(entry.release, []).append(entry)
    return found


def other_requests(
    rows: Iterable[Row], known: Iterable[Revision], kept: Iterable[AuditEntry]
) -> tuple[AuditEntry, ...]:
    """The requests about no release of `rows`, the oldest first: those about the whole service or the stack."""
    shown = {entry.id for row in rows for entry in row.requests}
    every = merged(tuple(kept), (entry for one in known for entry in one.requests))
    return tuple(entry for entry in every if entry.id not in shown)


def _releases(
    known: Iterable[Revision], runs: Iterable[RunningVersion], remembered: StoredState, wanted: Release | None
) -> dict[str, str]:
    """Revision → release, from the service's state, otherwise from the revision's hash."""
    found: dict[str, str] = {}
    if wanted is not None:
        found |= {one.name: _release_of(one, wanted) for one in known if one.content}
        if wanted.task_definition:
            found[revision_of(wanted.task_definition)] = wanted.id
    for version in (remembered.previous, remembered.rollback_target, remembered.live):
        if version is not None:
            found[version.task_definition] = version.release
    return found | {one.revision: one.release for one in runs if one.release}


def _release_of(revision: Revision, wanted: Release) -> str:
    """The release of a revision that is like the wanted one apart from its content."""
    declared = release_id(revision.content, wanted)
    return restart_id(Version(declared, revision.name)) if revision.restart else declared


def _before(one: RunningVersion, other: RunningVersion) -> bool:
    return one.born is not None and other.born is not None and one.born < other.born


def _standing(
    revision: str, release: str, runs: tuple[RunningVersion, ...], remembered: StoredState, wanted: Release | None
) -> tuple[int, tuple[ReleaseStanding, ...]]:
    """Its share of production traffic, and its state."""
    found: list[ReleaseStanding] = []
    mine = [one for one in runs if not one.draining and revision and one.revision == revision]
    share = sum(one.share for one in mine)
    quarantined = remembered.quarantined(release)
    under_way = remembered.deadline is not None and remembered.deadline.release == release
    if share:
        found.append(ReleaseStanding.LIVE)
    if (under_way or (wanted is not None and release == wanted.id)) and share < 100 and not quarantined:
        found.append(ReleaseStanding.IN_PROGRESS)
    if remembered.rollback_target is not None and remembered.rollback_target.release == release and not share:
        found.append(ReleaseStanding.ROLLBACK_TARGET)
    warm = not share and any(_before(one, other) for one in mine for other in runs if other.share)
    if warm or (remembered.previous is not None and remembered.previous.release == release and not share):
        found.append(ReleaseStanding.WARM if warm else ReleaseStanding.PREVIOUS)
    if quarantined:
        found.append(ReleaseStanding.QUARANTINED)
    return share, tuple(found)
