"""Reasons for which an action of a plan is deferred, and their wording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from reconciler.model.plan import Action, Deferred
from reconciler.model.plan import DeferralCode as Code
from reconciler.model.resource import Address

TEXTS: Final[Mapping[Code, str]] = {
    Code.WITH_RELEASE: "updated once the new version is in production; if that is quarantined, with the next one or "
    "after `reconciler retry`",
    Code.IN_USE: "still used by running tasks; deleted once they have stopped",
    Code.KEPT_TOGETHER: "kept together with {}",
    Code.SEVERAL_VERSIONS: "tasks of the version being replaced may still need it; deleted after the rollout",
    Code.REFERRED_TO: "{} still refers to it",
    Code.SENDS_REQUESTS: "{} still sends requests to it",
    Code.NOT_HEALTHY: "waiting for {}, which is new, to become healthy",
    Code.LACKS_TASKS: "{} does not run all of its tasks yet",
    Code.NOT_SERVED: "{} is not served anywhere else yet",
    Code.TAKEN_LATER: "{} does not take its requests yet",
    Code.TAKES_LATER: "takes these requests once its targets are healthy",
    Code.TASKS_IN_GROUP: "tasks of {} are still in its target group",
    Code.IN_STEPS: "completed once nothing needs the previous settings",
    Code.ROLLOUT: "created once the rollout of {} has ended, which shifts traffic elsewhere",
    Code.ENGINE: "waiting until {} is healthy under the engine that it declares",
    Code.UNKNOWN_FORMAT: "{} is read-only",
}

Reason: TypeAlias = tuple[Code, Address | None]
"""Why something waits, and for what."""


def deferred_for(action: Action, reason: Reason) -> Deferred:
    code, about = reason
    return Deferred(action, code, TEXTS[code].format(about), about)
