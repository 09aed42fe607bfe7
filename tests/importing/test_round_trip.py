"""A stack that was applied, and whose tags are taken away, is imported as it was declared.

What differs from its own documents is listed here, field by field: with `adopt` nothing is changed, and without it only
what no document states.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.controller.until import has_ended
from reconciler.model import ownership
from reconciler.model.plan import Plan
from reconciler.model.resource import Observed
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.emulated_stack import EmulatedStack
from tests.harness.seed import SEED
from tests.importing.account import TAGS_ONLY, Account, account, writes

ROLLING = {
    "deployment: careful\n": "",
    "target_groups: [my-app-frontend-tg-1, my-app-frontend-tg-2]": "target_groups: [my-app-frontend-tg-1]\n"
    "  match: {path: /shop/*, priority: 20}",
}


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Account]:
    with account(tmp_path) as found:
        yield found


def forgotten(stage: EmulatedStack) -> None:
    """Nothing of the stack has a tag of ours any more."""
    world, _ = pass_.look(stage.aws, discover(), stage.desired_state)
    stage.own(world)
    for found in world:
        if found.parent is None and ownership.owner(found.tags) is not None:
            stage.aws.run(discover()[found.address.kind].update_tags(found, {}, _ours(found)))


def _ours(found: Observed[object]) -> list[str]:
    return [key for key in found.tags if key.startswith("reconciler:")]


def planned(stage: EmulatedStack) -> Plan:
    return pass_.look(stage.aws, discover(), stage.desired_state)[1]


def differences(plan: Plan) -> list[str]:
    assert plan.refusals == ()
    return sorted(f"{action.address}.{change}" for action in plan.actions for change in action.changes)


def test_the_seed_stack_is_imported_as_it_was_declared(there: Account) -> None:
    """With ECS's rolling deployment: an apply writes tags alone, and once `adopt` is taken out of the documents, they
    change nothing."""
    stage = EmulatedStack(there.stage.laptop, folder=SEED, texts=dict(ROLLING))
    stage.infrastructure()
    stage.push("v1")
    assert not stage.apply(has_ended).went_wrong
    forgotten(stage)
    ran = there.imported(cluster="my-app-cluster")
    assert ran.code == Exit.DONE, ran.out + ran.err
    again = there.opened()
    again.apply()
    assert set(writes(again.transport.sent)) <= TAGS_ONLY
    again.change({"adopt: true\n": ""})
    assert differences(planned(again)) == []
