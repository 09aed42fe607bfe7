"""An upgrade with unchanged specs: what runs is what they still compile to."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from reconciler.model.resource import Desired
from reconciler.spec import discovery
from reconciler.spec.compile import compile_specs
from reconciler.spec.load import load_sources
from tests.harness.seed import SEED

EARLIER = {
    "role/my-app-frontend-execution": "b74e447ec9a4",
    "task-definition/my-app-frontend": "87deaa1df4e7",
    "service/my-app-frontend": "b3931b3dec3e",
    "role/my-app-hello-execution": "efc322df8bcb",
    "task-definition/my-app-hello": "6fd7bc64fc1f",
}
"""Digests of what the seed compiled to before containers, tasks and services had optional fields for members of ECS."""


def digest(want: Desired[Any]) -> str:
    """Of everything that is sent to AWS for a resource, its tags included."""
    sent = [want.spec.model_dump(mode="json", exclude_none=True), dict(want.tags)]
    return hashlib.sha256(json.dumps(sent, sort_keys=True).encode()).hexdigest()[:12]


def test_the_seed_registers_no_new_revision() -> None:
    """Task definitions, services and roles are the same to the last tag."""
    sources, wrong = discovery.read(SEED)
    assert not wrong
    desired = compile_specs(load_sources(sources), account="123456789012")
    kinds = ("task-definition", "service", "role")
    assert {str(want.address): digest(want) for want in desired if want.address.kind in kinds} == EARLIER
