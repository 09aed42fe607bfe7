"""A diagnosis survives being kept: ECS forgets stopped tasks within the hour, people ask later."""

from __future__ import annotations

import json

import pytest

from reconciler.model import diagnosis, failing, verdict
from reconciler.model.diagnosis import Changed, Diagnosis, Evidence, Story
from reconciler.model.failing import Unread
from tests.diagnosis.aws import event, stopped, unhealthy


def made() -> Diagnosis:
    seen = Evidence(
        tasks=tuple(failing.task(stopped(n, exit_code=n)) for n in (1, 2)),
        targets=(failing.target(unhealthy(1)),),
        events=failing.events([event("was unable to place a task. Reason: x")]),
        log=("starting", "boom"),
        log_of="web of 9c1b",
        unread=(Unread("target health", "denied"),),
    )
    changed = (Changed("environment.URL", "specs/api.yaml:22", "8d02c11", "move db"),)
    return verdict.conclude(seen, Story("service/api", "8d02c1", "green_up", changed=changed, next=("look",)))


def test_a_diagnosis_comes_back_from_its_document() -> None:
    """What was kept as JSON is read back as the very same value."""
    kept = json.loads(json.dumps(diagnosis.document(made())))

    assert diagnosis.read(kept) == made()


def test_a_document_names_its_format() -> None:
    """A document of another format is refused rather than misread."""
    kept = diagnosis.document(made())

    assert kept["format_version"] == 1
    assert kept["finding"]["id"]
    with pytest.raises(ValueError, match="format"):
        diagnosis.read({**kept, "format_version": 2})
