"""Every stack of the examples, applied and without its tags, is imported as it was declared.

What is referred to afterwards, and what no document states, is listed here; everything else is owned again, and its
documents compile to what is there. The seed stack, with every engine, is in `test_round_trip.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from moto import settings

from reconciler.cli.output.exits import Exit
from reconciler.model import ownership
from reconciler.model.diff import diff
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.examples.test_examples import EXAMPLES, STACKS, created
from tests.harness.emulated_stack import EmulatedStack
from tests.importing.account import TAGS_ONLY, Account, account, writes
from tests.importing.test_round_trip import differences, forgotten, planned

QUICK = "scheduled-jobs"
TYPES = ("blue_green", "canary", "linear")
NATIVE: Mapping[str, dict[str, str]] = {
    "web-and-api": {f"type: {kind}\n": f"type: {kind}\nengine: ecs_native\n" for kind in TYPES},
    "grpc": {"type: canary\n": "type: canary\nengine: ecs_native\n", "  - {weight: 50, pause: 5m}\n": ""},
    "ec2-capacity": {"type: linear\n": "type: linear\nengine: ecs_native\n"},
}
"""Task sets are reconciler's own way of deploying, and nothing but its tags says how far a rollout is."""

ROLE, GROUP = "role", ("security-group", "security-group-rules")
REFERRED: Mapping[str, set[str]] = {
    "private-network": {*GROUP, "vpc-endpoint"},
    "scheduled-jobs": {"alarm"},  # it watches the scheduler, and no deployment
    "log-router": {"log-group"},  # not all containers write to it
    "shared-files": {*GROUP},
    "ec2-capacity": {
        *GROUP, "auto-scaling-group", "capacity-provider", "cluster", "cluster-capacity", "elastic-ip",
        "instance-profile", "launch-template", "nat-gateway",
    },
    "service-connect": {"namespace"},
}  # fmt: skip
"""Types of which something is referred to, besides generated roles: their trust policies have conditions, which a Role
document cannot state. Of a network, only what services and load balancers name is owned."""

UNSTATED: Mapping[str, set[str]] = {
    "log-router": {
        "service/clicks.task_definition",
        *(f"task-definition/clicks.containers.router.log_{part}" for part in ("group", "region", "stream_prefix")),
    },
    "service-connect": {
        *(
            f"service/cinema-{name}.service_connect.{part}"
            for name in ("api", "store", "web")
            for part in ("enabled", "log_group", "log_prefix", "log_region", "namespace")
        ),
        *(f"service/cinema-{name}.service_connect.services.{name}" for name in ("api", "store")),
    },
}
"""Fields that no document states, and that would change without `adopt`."""


BESIDES: Mapping[str, set[str]] = {"web-and-api": {"RegisterScalableTarget"}}
"""Where ECS shifts the traffic of an autoscaled service, scaling in is suspended until its tasks were found healthy."""


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """An account in which certificates are issued at once."""
    monkeypatch.setattr(settings, "ACM_VALIDATION_WAIT", -1)
    with account(tmp_path) as found:
        yield found


def owned(stage: EmulatedStack) -> dict[str, str]:
    """Id → type."""
    world, _ = pass_.look(stage.aws, discover(), stage.desired_state)
    stack = stage.desired_state.place.stack
    return {one.id: one.address.kind for one in world if ownership.owner(one.tags) == stack}


def compared(stage: EmulatedStack) -> tuple[int, int]:
    """How many resources of the documents are there, and how many of their fields say something."""
    world, _ = pass_.look(stage.aws, discover(), stage.desired_state)
    there = {one.address: one for one in world}
    pairs = [(there[want.address], want.spec) for want in stage.desired_state.desired if want.address in there]
    assert all(isinstance(diff(found, spec), tuple) for found, spec in pairs)
    return len(pairs), sum(len(_leaves(spec.model_dump(exclude_none=True))) for _, spec in pairs)


def _leaves(value: object) -> list[object]:
    if isinstance(value, dict):
        return [leaf for each in value.values() for leaf in _leaves(each)]
    return [leaf for each in value for leaf in _leaves(each)] if isinstance(value, list | tuple) else [value]


@pytest.mark.parametrize("name", [one if one == QUICK else pytest.param(one, marks=pytest.mark.slow) for one in STACKS])
def test_a_stack_without_its_tags_is_imported_as_it_was_declared(there: Account, name: str) -> None:
    """An apply of what is imported writes tags; without `adopt`, the documents change nothing."""
    stage = EmulatedStack(there.stage.laptop, folder=EXAMPLES / name, texts=dict(NATIVE.get(name, {})))
    STACKS[name].prepare(stage)
    created(stage, STACKS[name])
    before = owned(stage)
    forgotten(stage)
    cluster = next(want.spec.name for want in stage.desired_state.desired if want.address.kind == "cluster")

    ran = there.imported("--own", "network", cluster=cluster)
    assert ran.code == Exit.DONE, ran.out + ran.err
    again = there.opened()
    again.apply()
    written = writes(again.transport.sent)
    assert set(written) - BESIDES.get(name, set()) <= TAGS_ONLY
    after = owned(again)
    assert after.keys() <= before.keys()
    assert {before[id] for id in before.keys() - after.keys()} - {ROLE} == REFERRED.get(name, set())
    resources, fields = compared(again)
    again.change({"adopt: true\n": ""})
    residue = differences(planned(again))
    assert set(residue) == UNSTATED.get(name, set())
    others = sum(count for call, count in written.items() if call not in TAGS_ONLY)
    print(
        f"{name}: {len(after)} of {len(before)} resources owned again, {fields} fields of {resources} compared, "
        f"{len(residue)} not stated, {sum(written.values()) - others} writes of tags, {others} others"
    )
