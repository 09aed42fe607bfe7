"""Reference of every tag that is written: keys and examples come from the code that writes them, prose from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from reconciler.model import formats, image_tags, ownership
from reconciler.model.resource import Address
from reconciler.reconcile import request_tags
from reconciler.resources import _dns, _task_runs, domain_certificate, task, task_definition
from reconciler.rollout import state_tags, stored_state
from reconciler.rollout.attempts import Attempt, Rejection, Retry, TaskRun
from reconciler.rollout.engines import task_sets
from reconciler.rollout.fallback_state import Fallback, FallbackPhase
from reconciler.rollout.release import Version
from reconciler.rollout.requests import Pause, Request, RequestVerb, Response
from reconciler.rollout.stored_state import (
    KEYS,
    Actor,
    Deadline,
    DeadlineKind,
    EngineChange,
    Outcome,
    RolloutResult,
    StoredState,
    Verdict,
)

AT = datetime(2026, 3, 2, 14, 5, tzinfo=UTC)
RELEASE, BEFORE, WHO = "9f2c4e1a7b3d", "3f2a91c05d6e", "arn:aws:iam::123456789012:user/ana"


@dataclass(frozen=True, slots=True)
class Tag:
    """One row. `format` and `example` describe the value."""

    key: str
    format: str
    example: str
    editing: str
    loss: str


@dataclass(frozen=True, slots=True)
class Group:
    title: str
    about: str
    tags: tuple[Tag, ...]


def _stored() -> Mapping[str, str]:
    """An example of each field of `StoredState`, as it is written."""
    state = StoredState(
        deadline=Deadline(RELEASE, DeadlineKind.GATE, AT, judges="r5b1e08"),
        request=Request(RequestVerb.PROMOTE, RELEASE, "5b1e08aa", AT, "ana", "looks good"),
        response=Response("5b1e08aa"),
        quarantine=(BEFORE,),
        verdicts=(Verdict(BEFORE, Outcome.FAILED, AT, "5b1e08", "3 of its tasks stopped"),),
        ended=RolloutResult(BEFORE, Outcome.FAILED, "testing", AT, Actor.ENGINE, "3 of its tasks stopped"),
        rejected=Rejection(RELEASE, BEFORE),
        hold=Pause("ana", RELEASE),
        suspended=Pause("ana"),
        previous=Version(BEFORE, "shop-web:6"),
        rollback_target=Version(BEFORE, "shop-web:6"),
        live=Version(RELEASE, "shop-web:7"),
        started=Version(RELEASE, "shop-web:7"),
        attempt=Attempt(RELEASE, AT),
        task_run=TaskRun(RELEASE, 7, AT, "4f0e2d1c5b6a47988f7e6d5c4b3a2918", judges="t3d60c1"),
        retry=Retry(RELEASE, 2, AT),
        cleared=(BEFORE, RELEASE),
        engine_change=EngineChange("rolling", "ecs_native", AT),
        fallback=Fallback(FallbackPhase.RETURNING, AT, AT + timedelta(hours=2)),
        restart=Version(RELEASE, "shop-web:8"),
    )
    return state_tags.written(StoredState(), state)[0]


NOBODY = "Nobody by hand."
EXAMPLES = _stored()
OWNED = ownership.tags_for(
    "shop", Address("subnet", "shop-public1-a"), protect=True, declared={"team": "web", "cost-center": "42"}
)


def _state(field: str, format: str, editing: str, loss: str) -> Tag:
    return Tag(KEYS[field], format, EXAMPLES[KEYS[field]], editing, loss)


KINDS = ", ".join(f"`{kind}`" for kind in DeadlineKind)

GROUPS = (
    Group(
        "Ownership",
        "On every resource that can carry tags, written in the create call itself. "
        "Defined in `reconciler/model/ownership.py`.",
        (
            Tag(
                ownership.STACK,
                "the Stack's name",
                OWNED[ownership.STACK],
                "Only to hand a resource over: remove it, and the stack lets go of the resource.",
                "The resource counts as somebody else's. If its name is wanted, the plan is refused (`conflict`) until "
                "its document says `adopt: true`; otherwise it is neither changed nor deleted any more.",
            ),
            Tag(
                ownership.ADDRESS,
                "`TYPE/NAME` in the specs",
                OWNED[ownership.ADDRESS],
                NOBODY,
                "A resource with a unique name in AWS is found by that name. EC2 resources are found by their `Name` "
                "tag. The plan restores the tag.",
            ),
            Tag(
                ownership.PROTECT,
                "`true`, or no tag",
                OWNED[ownership.PROTECT],
                "By `protect:` in the document; the next pass undoes an edit by hand.",
                "Protection after the document is gone: nothing refuses the deletion.",
            ),
            Tag(
                ownership.REGION,
                "the region of the Stack, on IAM roles, certificates of domains, and with the owner of a record",
                "us-west-2",
                NOBODY,
                "The resource counts as that of a stack of this name in any region. The next pass restores the tag.",
            ),
            Tag(
                _dns.ACCOUNT,
                "the account of the stack, on certificates of domains, and with the owner of a record",
                "123456789012",
                NOBODY,
                "The record counts as that of a stack of this name in any account. The next pass restores the tag.",
            ),
            Tag(
                ownership.MANAGED,
                "`reconciler:sha256`, then the beginning of a hash of each key that the specs set, separated by "
                "spaces; a list of the keys themselves, as earlier releases wrote it, is read as well",
                OWNED[ownership.MANAGED],
                NOBODY,
                "A tag that is dropped from the specs stays on the resource.",
            ),
            Tag(
                ownership.MEMBERS,
                "of members under `aws` that AWS does not return: name and keyed hash of each, separated by spaces",
                "monitoring:1f0c9e55a7b2",
                NOBODY,
                "The members are written once more, and the tag with them.",
            ),
            Tag(
                ownership.FIELDS,
                "a code of three characters for each API member or attribute that an optional field of the document "
                "sets, such as `labels` of a container or `slow_start` of a target group",
                "Zk3q0Wd-5",
                NOBODY,
                "What a field has set stays in AWS when the field is removed from the document.",
            ),
        ),
    ),
    Group(
        "Rollout state",
        "On the ECS service. Defined in `reconciler/rollout/stored_state.py` and `reconciler/rollout/state_tags.py`, "
        "requests and responses in `reconciler/rollout/requests.py`. "
        "Where one of these values cannot be read, the service is read-only until it can, or until the tag is removed "
        "([upgrades](../guides/upgrade.md)); a request that cannot be read is not executed. "
        "Times are seconds since 1970, in UTC. "
        "`-` in place of a release stands for the service as a whole.",
        (
            Tag(
                formats.KEY,
                "the format of this group's tags, a number; without the tag, 1",
                str(formats.STATE),
                NOBODY,
                "The values are read as those of format 1.",
            ),
            _state(
                "deadline",
                f"`RELEASE:KIND[WEIGHT]:TIME[:JUDGES]`; kinds: {KINDS}; time `-` waits for a person; `JUDGES` is a "
                "digest of what the release was judged by when this attempt at it began",
                "Use `reconciler extend`, `hold` or `promote`.",
                "The clock of the phase starts again, so that it ends later and never sooner. During a traffic shift "
                "the next share is found from the weights.",
            ),
            _state(
                "request",
                "`VERB:RELEASE:ID:TIME:WHO[:WHY]`; `extend` is `extend+SECONDS`, and `rollback --to` is "
                "`rollback+RELEASE.REVISION`",
                "Everybody who may tag the service. This is how `promote`, `rollback` and the other verbs work, and "
                "IAM decides who may.",
                "The request is not executed. After an hour it expires in any case.",
            ),
            _state(
                "response",
                "`ID:accepted` or `ID:refused:CODE:WHY`",
                NOBODY,
                "A request that is still there and not expired counts as unanswered, and is answered again.",
            ),
            _state(
                "quarantine",
                f"releases separated by spaces, {stored_state.KEPT_RELEASES} at most; the oldest goes first",
                "Use `reconciler retry`.",
                "A release that failed, and that the specs still want, is tried again.",
            ),
            *(
                Tag(
                    key,
                    f"`RELEASE:OUTCOME:TIME:JUDGES:WHY`, several of them separated by `{stored_state.SEPARATOR}`: why "
                    "releases are quarantined, each in as much room as there is; `JUDGES` is a digest of what the "
                    "release was judged by, `-` if a person stopped it",
                    EXAMPLES[stored_state.VERDICT_KEYS[0]],
                    NOBODY,
                    "`status`, `history` and `events` do not know why the release is quarantined, and it is not tried "
                    "again when its tests change.",
                )
                for key in stored_state.VERDICT_KEYS
            ),
            _state(
                "ended",
                "`RELEASE:OUTCOME:PHASE:TIME:BY:WHY`",
                NOBODY,
                "`status` and `history` do not know how the last rollout ended, nor why.",
            ),
            _state(
                "rejected",
                "`RELEASE:FLIGHT`: a release that was rejected because another one was being rolled out",
                NOBODY,
                "`status` does not know why the release is quarantined.",
            ),
            _state(
                "hold", "`RELEASE:WHO[: WHY]`", "Use `reconciler hold` and `resume`.", "Automatic promotion goes on."
            ),
            _state(
                "suspended",
                "`-:WHO[: WHY]`",
                "Use `reconciler suspend` and `resume`. Removing the tag resumes the service.",
                "The service is reconciled again.",
            ),
            _state(
                "previous",
                "`RELEASE:FAMILY:REVISION`",
                NOBODY,
                "`rollback` is refused (`no-previous-version`) once the previous tasks are gone.",
            ),
            _state(
                "rollback_target",
                "`RELEASE:FAMILY:REVISION`",
                NOBODY,
                "A rollback to a version whose tasks are gone stops; the version that is live stays.",
            ),
            _state(
                "live",
                "`RELEASE:FAMILY:REVISION`; services under the engine `rolling` only",
                NOBODY,
                "The deployment is observed once more, and reported as promoted a second time.",
            ),
            _state(
                "started",
                "`RELEASE:FAMILY:REVISION`; services under the engine `ecs_native` only",
                NOBODY,
                "A deployment of a revision that nothing else names counts as one that was created outside reconciler.",
            ),
            _state(
                "attempt",
                "`RELEASE:TIME`: when the rollout of a release began; services under the engine `ecs_native` only",
                NOBODY,
                "A deployment that fails within a time that was extended may be taken for one of an earlier attempt, "
                "and the release is started again.",
            ),
            _state(
                "engine_change",
                "`FROM:TO:TIME`: the last change of the service's engine, and when it began",
                NOBODY,
                "`history` does not show the change any more.",
            ),
            _state(
                "fallback",
                "`lacking:-:TIME`, `running:SINCE:-` or `returning:SINCE:TIME`: since when tasks run on demand, and "
                "when they start or stop; services that run what another one lacks only",
                NOBODY,
                "The time begins again, so that tasks start or stop later and never sooner.",
            ),
            _state(
                "task_run",
                "`RELEASE:REVISION:TIME:TASK:started[:JUDGES]` or `…:failed[:JUDGES]`; task `-` until it is known; "
                "`JUDGES` is a digest of where and as what it runs, as it was declared when it was started",
                "Use `reconciler retry`.",
                "The pre-deployment task of the release runs again.",
            ),
            _state(
                "retry",
                "`RELEASE:ATTEMPTS:TIME`; services under the engine `rolling` only",
                NOBODY,
                "A release for which there was no capacity is tried again at once.",
            ),
            _state(
                "cleared",
                f"releases separated by spaces, {stored_state.KEPT_RELEASES} at most; the oldest goes first",
                NOBODY,
                "The pre-deployment task runs again if the release is started again.",
            ),
            Tag(
                ownership.HELD_COUNT,
                "`COUNT:DEADLINE:WHO[: WHY]`: the number of tasks that `scale` holds until then, in seconds since 1970",
                "5:1772463900:ana: load test",
                "Use `reconciler scale`.",
                "The next pass writes the count of the specs.",
            ),
            _state(
                "restart",
                "`RELEASE:FAMILY:REVISION`: the release that was restarted, and the revision of its new tasks",
                NOBODY,
                "The release is rolled out once more, under the id that it had before the restart.",
            ),
        ),
    ),
    Group(
        "Requests for a stack",
        "On the first of the stack's ECS services by name, and read on all of them. "
        "Defined in `reconciler/reconcile/request_tags.py`.",
        (
            Tag(
                formats.STACK_KEY,
                "the format of this group's tags, a number; without the tag, 1",
                str(formats.STACK),
                NOBODY,
                "The values are read as those of format 1.",
            ),
            Tag(
                request_tags.REQUEST,
                "an id",
                "5b1e08aa",
                "Everybody who may tag the service; `reconciler reconcile` writes it.",
                "No full reconciliation before the next regular one.",
            ),
            Tag(
                request_tags.HANDLED,
                "`ID:REVISION`",
                request_tags.handled("5b1e08aa", "c2d87dd"),
                NOBODY,
                "The request is answered once more.",
            ),
            Tag(
                request_tags.SUSPEND,
                "`WHO: WHY`: who suspended the stack, and the reason if one was given",
                request_tags.suspended(WHO, "database migration"),
                "Use `reconciler suspend --stack` and `reconciler resume --stack`. Removing the tag from every service "
                "resumes the stack.",
                "The stack is reconciled again.",
            ),
            Tag(
                request_tags.ACCEPTED,
                "the start of a commit's id that may be applied although it does not descend from the last one",
                "c2d87dd",
                "Use `reconciler reconcile --accept-history COMMIT`.",
                "The commit stays rejected. The controller removes the tag itself once the commit is in place.",
            ),
            Tag(
                request_tags.REVISION,
                "`REVISION SUBJECT`: the commit that was last in place as a whole",
                request_tags.in_place("c2d87dd9e0f1a2b3c4d5e6f708192a3b4c5d6e7f", "Raise the memory of web"),
                NOBODY,
                "A controller that starts accepts any commit of the branch, also one older than what is in place. It "
                "writes the tag again once all of a revision is in place.",
            ),
            Tag(
                request_tags.RESTORED,
                "`REVISION: WHY`: the last accepted revision, which a controller restored because the newest cannot be "
                "used, and why",
                request_tags.restored("c2d87dd", "https://github.com/ana/shop: timed out"),
                NOBODY,
                "Nothing; `status` shows it, and the controller writes it again. It removes the tag once a revision of "
                "the source is accepted.",
            ),
        ),
    ),
    Group(
        "Task sets",
        "On each ECS task set, beside the tags of ownership. Defined in `reconciler/rollout/engines/task_sets.py`. "
        "The release itself is read from the task set's `externalId`.",
        (
            Tag(task_sets.RELEASE, "the release's id", RELEASE, NOBODY, "Nothing; the tag is for people."),
            Tag(
                task_sets.COMMIT,
                "the commit from which the release was compiled",
                "c2d87dd9e0f1a2b3c4d5e6f708192a3b4c5d6e7f",
                NOBODY,
                "`history` shows no commit for the release.",
            ),
        ),
    ),
    Group(
        "Certificates of domains",
        "On the certificates of services' domains, beside the tags of ownership. Defined in "
        "`reconciler/resources/domain_certificate.py`.",
        (
            Tag(
                domain_certificate.ZONE,
                "the id of a hosted zone",
                "Z0123456789ABCDEFGHIJ",
                NOBODY,
                "Records of a domain that is not in the specs any more are not found. Otherwise the next pass restores "
                "the tag.",
            ),
            Tag(
                domain_certificate.ZONE_ROLE,
                "the ARN of the role by which the zone is reached",
                "arn:aws:iam::210987654321:role/dns",
                NOBODY,
                "As without the zone.",
            ),
        ),
    ),
    Group(
        "Tasks",
        "On the tasks of `Task` documents, beside the tags of ownership. Defined in "
        "`reconciler/resources/_task_runs.py`.",
        (
            Tag(
                _task_runs.TOKEN,
                "which run the task belongs to",
                "0d1f6c0a4be2f3a897c55e1b2d3f4a5b",
                NOBODY,
                "After a crash, the run is found by ECS's client token only, for a day.",
            ),
            Tag(
                _task_runs.SECURITY_GROUPS,
                "the security groups that the task runs in, separated by spaces",
                "sg-0a1b2c3d4e5f60718",
                NOBODY,
                "A security group that the task is in counts as unused; AWS refuses to delete it while the task runs.",
            ),
        ),
    ),
    Group(
        "Task definitions",
        "On revisions of a task definition. Defined in `reconciler/resources/task_definition.py` and, for `Task` "
        "documents, in `reconciler/resources/task.py`.",
        (
            Tag(
                image_tags.IMAGES,
                "names of the repositories in which the revision's images are tagged as in use, separated by spaces",
                "shop-web",
                NOBODY,
                "The plan restores it, and with it the tags `reconciler-in-use-…` of the images.",
            ),
            Tag(
                task_definition.CONTENT,
                "a hash of what the revision was registered with",
                "0d1f6c0a4be2f3a897c55e1b2d3f4a5b",
                NOBODY,
                "The revision is compared field by field, and read again in each pass instead of once.",
            ),
            Tag(
                task_definition.RESTARTED,
                "`ID:WHO[: WHY]`: the request for a restart for which the revision was registered",
                "5b1e08aa:ana: rotated the database password",
                NOBODY,
                "`history` does not show that it was a restart, nor who asked for it.",
            ),
            Tag(
                formats.RUN_KEY,
                "the format of the tags of a run, a number; without the tag, 1",
                str(formats.RUN),
                NOBODY,
                "The values are read as those of format 1.",
            ),
            Tag(
                task.RUN,
                "id of the task that was started from the revision",
                "4f0e2d1c5b6a47988f7e6d5c4b3a2918",
                "Remove it to run the task once more.",
                "The `Task` counts as never run, and is run again.",
            ),
            Tag(task.RUN_IN, "the cluster's name", "shop", NOBODY, "The same."),
            Tag(task.RUN_AS, "the `Task`'s name in the specs", "migrate", NOBODY, "The same."),
            Tag(
                task.OUTCOME,
                "`succeeded`, or `failed:` and why",
                "failed: exit code 1",
                "Use `reconciler retry`.",
                "The outcome is read from ECS again, which knows it for an hour; after that the task counts as failed, "
                "because its outcome is unknown.",
            ),
            Tag(
                task.RETRY,
                "`ID:WHO`",
                f"5b1e08aa:{WHO}",
                "Everybody who may tag the task definition; `reconciler retry` writes it.",
                "The task is not run again.",
            ),
        ),
    ),
)

INTRODUCTION = """\
There is no state file.
What a stack owns, and what must survive a restart, stands in tags; this page lists every one of them.

Do not write a tag by hand where a command does it.
Values keep to what every AWS service accepts: letters, digits, space and `_ . : / = + - @`, 256 characters at most; \
line ends and other white space become a space. In text of people and programs, such as a reason, any other character \
is written as the bytes of its UTF-8 form, `=2C` for a comma; elsewhere it becomes `_`.
Resources also carry the tags that their document and the Stack declare, and EC2 resources a `Name` tag.
AWS allows 50 tags on a resource: `validate` counts all that one may have, the tags below among them.
"""


def page() -> str:
    parts = ["# Tags\n", INTRODUCTION]
    for group in GROUPS:
        parts.append(f"## {group.title}\n\n{group.about}\n")
        parts.append("| tag | value | example | who may edit it | what is lost without it |")
        parts.append("| --- | --- | --- | --- | --- |")
        for tag in group.tags:
            parts.append(f"| `{tag.key}` | {tag.format} | `{tag.example}` | {tag.editing} | {tag.loss} |")
        parts.append("")
    return "\n".join(parts)
