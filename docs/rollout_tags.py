"""Tags of the state of rollouts: the keys and the examples come from the code that writes them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from docs.tag import AT, NOBODY, RELEASE, Group, Tag
from reconciler.model import formats, ownership
from reconciler.rollout import state_tags, stored_state
from reconciler.rollout.attempts import KEPT_TIMES, Attempt, Rejection, ReleaseTimes, Retry, TaskRun
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

BEFORE = "3f2a91c05d6e"


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
        hold=Pause("ana", RELEASE, AT),
        suspended=Pause("ana", at=AT),
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
        times=(
            ReleaseTimes(RELEASE, AT, 50, 47, 49, 649, 652),
            ReleaseTimes(BEFORE, AT - timedelta(days=1), 47, 44, 44, 44, 46),
        ),
    )
    return state_tags.written(StoredState(), state)[0]


EXAMPLES = _stored()


def _state(field: str, format: str, editing: str, loss: str) -> Tag:
    return Tag(KEYS[field], format, EXAMPLES[KEYS[field]], editing, loss)


KINDS = ", ".join(f"`{kind}`" for kind in DeadlineKind)

ROLLOUT_STATE = Group(
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
            "hold",
            "`RELEASE:[TIME ]WHO[: WHY]`",
            "Use `reconciler hold` and `resume`.",
            "Automatic promotion goes on.",
        ),
        _state(
            "suspended",
            "`-:[TIME ]WHO[: WHY]`",
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
        _state(
            "times",
            "`RELEASE:BEGAN:FORECAST:HEALTHY:TESTED:APPROVED:PRODUCTION` of the last releases, separated by spaces, "
            f"{KEPT_TIMES} at most: when the rollout began, and after how many seconds all of production was forecast "
            "to have the release, and each stage was reached; `0` is not yet",
            NOBODY,
            "`history` does not know how long releases took, and the next forecast assumes usual times.",
        ),
    ),
)
