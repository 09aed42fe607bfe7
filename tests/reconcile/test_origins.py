"""Why a plan has its changes: the specs that were applied last, the account, and the specs now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.diff import Change
from reconciler.model.ownership import TagChange
from reconciler.model.plan import Action, Plan, Verb
from reconciler.model.resource import Address, Desired, Ref
from reconciler.reconcile.origins import Origin, Origins, origins
from reconciler.source.base import Revision
from reconciler.spec.compile import compile_specs
from reconciler.spec.load import load
from tests.conftest import ACCOUNT
from tests.harness.seed import SEED

SERVICE = Address("service", "my-app-frontend")
DEFINITION = Address("task-definition", "my-app-frontend")
VPC = Address("vpc", "my-workspace")
APPLIED = Revision("4f1c2ab" + "0" * 33, "ana", "Raise the count")


@pytest.fixture(scope="module")
def wanted() -> dict[Address, Desired[Any]]:
    return {want.address: want for want in compile_specs(load(SEED), account=ACCOUNT)}


def changed(wanted: dict[Address, Desired[Any]], address: Address, **fields: Any) -> dict[Address, Desired[Any]]:
    want = wanted[address]
    return {**wanted, address: replace(want, spec=want.spec.model_copy(update=fields))}


def update(address: Address, *changes: Change, **more: Any) -> Action:
    return Action(Verb.UPDATE, address, "it differs", changes, **more)


def found(wanted: Any, before: Any, *actions: Action) -> Origins:
    return origins(Plan("my-app", actions), wanted, before, APPLIED)


COUNT = Change(("desired_count",), 3, 1)


def test_a_field_that_both_specs_declare_alike_has_drifted(wanted: dict[Address, Desired[Any]]) -> None:
    """And one that they declare otherwise was changed in the specs; an action may have both."""
    before = changed(wanted, SERVICE, desired_count=2)
    assert found(wanted, before, update(SERVICE, COUNT)).of == {SERVICE: {Origin.SPECS}}
    drifted = found(wanted, wanted, update(SERVICE, COUNT))
    assert (drifted.of, drifted.drifted, drifted.from_specs(SERVICE)) == (
        {SERVICE: {Origin.DRIFT}}, {SERVICE: ("desired_count",)}, False,
    )  # fmt: skip
    both = found(wanted, before, update(SERVICE, COUNT, Change(("health_check_grace",), 1, 60)))
    assert (both.of[SERVICE], both.drifted[SERVICE]) == ({Origin.SPECS, Origin.DRIFT}, ("health_check_grace",))
    tags = found(wanted, wanted, update(VPC, tags=TagChange({"team": "web"}, ())))
    assert tags.drifted == {VPC: ("tags.team",)}


def test_what_is_missing_has_drifted_and_what_is_left_over_is_neither(wanted: dict[Address, Desired[Any]]) -> None:
    """A resource that the applied specs declare alike was deleted; one that they do not declare was to go already."""
    without = {address: want for address, want in wanted.items() if address != VPC}
    create, delete = Action(Verb.CREATE, VPC, "missing"), Action(Verb.DELETE, VPC, "not declared")
    assert found(wanted, wanted, create).of == {VPC: {Origin.DRIFT}}
    assert found(wanted, without, create).of == {VPC: {Origin.SPECS}}
    assert found(without, wanted, delete).of == {VPC: {Origin.SPECS}}
    assert found(without, without, delete).of == {VPC: {Origin.EARLIER}}


def test_what_follows_from_a_change_is_of_its_origin(wanted: dict[Address, Desired[Any]]) -> None:
    """A service that is to name a new revision: of other specs, or of an image that was pushed again."""
    name = Change(("task_definition",), "arn:1", Ref(DEFINITION), rolls=True)
    pushed = update(DEFINITION, Change(("containers", "nginx", "image"), "a", "b", release=True))
    assert found(wanted, wanted, pushed, update(SERVICE, name)).of == {
        DEFINITION: {Origin.RELEASE}, SERVICE: {Origin.RELEASE},
    }  # fmt: skip
    registered = replace(name, new="arn:2", release=True)
    assert found(wanted, wanted, update(SERVICE, registered)).of == {SERVICE: {Origin.ROLLOUT}}
    before = changed(wanted, DEFINITION, cpu=4096)
    cpu = update(DEFINITION, Change(("cpu",), 4096, 256))
    assert found(wanted, before, update(SERVICE, name), cpu).of[SERVICE] == {Origin.SPECS}
