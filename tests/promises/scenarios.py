"""What is done to the seed stack, and what has to come of it, whatever happens on the way."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reconciler import errors
from reconciler.aws.client import Transport
from reconciler.model.resource import Call
from tests.harness.account_snapshot import told
from tests.harness.decoys import Decoys
from tests.harness.forked_runs import EVERY_TYPE, SEED, Account, Stack, apart, run, stack

NEXT_TAG = {"tag: v1": "tag: v2"}

EDITED = NEXT_TAG | {
    "retention_days: 30": "retention_days: 14",
    "deregistration_delay: 30s": "deregistration_delay: 45s",
    "keep_images: 30": "keep_images: 20",
    "10.0.2.0/24, access: public": "10.0.2.0/24, access: public, tags: {edited: yes-it-is}",
    "container_insights: enabled": "container_insights: disabled",
    "{team: learn-ecs}": "{team: learn-more}",
}
"""A new version, and a field or a tag of most of what there is."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """`before` brings the account to where `wanted` begins."""

    name: str
    wanted: Stack
    before: Callable[[Account], None]


@dataclass(frozen=True, slots=True)
class Reference:
    """What comes of a scenario when nothing goes wrong."""

    final: Mapping[str, list[str]]
    lasting: Counter[str]
    calls: int
    reads: tuple[Call, ...]
    passes: int


def nothing(account: Account) -> None:
    """The account is empty."""


def applied(folder: object = SEED) -> Callable[[Account], None]:
    def before(account: Account) -> None:
        report = run(account, stack(folder))  # type: ignore[arg-type]
        assert not report.last.failed
        if folder == SEED:
            push(account, "v1")
            push(account, "v2")

    return before


def push(account: Account, tag: str, repository: str = "my-app-frontend") -> None:
    account.by_hand("ecr").put_image(
        repositoryName=repository,
        # moto draws the digest of an image without layers from a hundred
        imageManifest=json.dumps({"schemaVersion": 2, "config": {"digest": tag}, "layers": [{"digest": tag}]}),
        imageManifestMediaType="application/vnd.oci.image.manifest.v1+json",
        imageTag=tag,
    )


def scenario(name: str) -> Scenario:
    match name:
        case "apply":
            return Scenario(name, stack(), nothing)
        case "update":
            return Scenario(name, stack(SEED, EDITED), applied())
        case "destroy":
            return Scenario(name, _with_images(stack().leaving), applied())
        case "apply every type":
            return Scenario(name, stack(EVERY_TYPE), nothing)
        case "destroy every type":
            return Scenario(name, stack(EVERY_TYPE).leaving, applied(EVERY_TYPE))
    raise AssertionError(name)


def _with_images(leaving: Stack) -> Stack:
    from dataclasses import replace

    from reconciler.model.planner import Consent

    return replace(leaving, desired_state=replace(leaving.desired_state, consent=Consent(delete_images=True)))


class Noting:
    """A transport that remembers the calls that went through it."""

    def __init__(self, inner: Transport) -> None:
        self.inner = inner
        self.calls: list[Call] = []

    def perform(self, call: Call) -> dict[str, object]:
        self.calls.append(call)
        return self.inner.perform(call)


def reference(account: Account, wanted: Stack) -> Reference:
    """In a world of its own."""
    from reconciler.aws.retry import is_read

    def work() -> Reference:
        before = account.lasting()
        noting = Noting(account)
        report = run(noting, wanted)
        assert not report.last.failed, report.last.failed
        assert not report.timed_out
        distinct = {f"{call} {call.params}": call for call in noting.calls if is_read(call)}
        return Reference(
            account.final(),
            account.lasting() - before,
            len(noting.calls),
            tuple(distinct.values()),
            len(report.passes),
        )

    return apart(work)


def violations(
    account: Account, wanted: Stack, right: Reference, before: Counter[str], decoys: Decoys | None = None
) -> list[str]:
    """A fresh process comes to an account that something happened to: what is then not as if nothing had."""
    found: list[str] = []
    try:
        report = run(account, wanted)
    except errors.ReconcilerError as error:
        return [f"the next run raised {type(error).__name__}: {error}"]
    found += [f"the next run failed at {one.step}: {one.because}" for one in report.last.failed]
    if report.timed_out:
        waiting = [str(one.step) for one in report.last.outcomes if one.result.value == "waiting"]
        found.append(f"the next run never ended: {', '.join(waiting[:3])} {report.last.plan.waiting[:3]}")
    found += told(dict(right.final), account.final())
    lasting = account.lasting() - before
    found += [f"{name}: {count} too many" for name, count in sorted((lasting - right.lasting).items())]
    found += [f"{name}: {count} too few" for name, count in sorted((right.lasting - lasting).items())]
    return found + ([f"decoy: {text}" for text in decoys.changes()] if decoys is not None else [])
