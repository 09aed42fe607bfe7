"""S1: nothing is written to what does not carry our tags; what looks like ours is the same after, byte for byte."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.aws.ownership_guard import OwnershipGuard
from reconciler.aws.retry import is_read
from reconciler.clock import ManualClock
from reconciler.model.resource import Call
from reconciler.model.type_registry import discover
from reconciler.reconcile.observe import owned_ids
from tests.conftest import ACCOUNT
from tests.harness.decoys import Decoys
from tests.harness.drift_injection import Damage, inflict, possible
from tests.harness.forked_runs import EVERY_TYPE, SEED, Account, run, stack
from tests.promises.conftest import Record
from tests.promises.scenarios import NEXT_TAG, Noting, push


@pytest.mark.parametrize(
    "folder", [pytest.param(SEED, id="seed"), pytest.param(EVERY_TYPE, id="every type", marks=pytest.mark.slow)]
)
def test_a_whole_life_touches_no_decoy(account: Account, record: Record, folder: object) -> None:
    """Made, damaged, put right, changed, destroyed: in between and after, the decoys are as they were."""
    decoys, changed = Decoys(account), []
    wanted = stack(folder)  # type: ignore[arg-type]
    noting = Noting(account)

    def see(when: str) -> None:
        changed.extend(f"{when}: {text}" for text in decoys.changes())

    run(noting, wanted)
    see("made")
    inflict(account, wanted, [Damage(one.address) for one in possible(account, wanted) if not one.field][::4])
    see("damaged")
    run(noting, wanted)
    see("put right")
    if folder == SEED:
        push(account, "v2")
        run(noting, stack(SEED, NEXT_TAG))
        see("changed")
    run(noting, wanted.leaving)
    see("destroyed")
    writes = sum(not is_read(call) for call in noting.calls)
    record("S1", f"{wanted.desired_state.place.stack}: a whole life among {len(decoys)} decoys",
           writes=writes, worlds=1,
           violations=len(changed))  # fmt: skip
    assert writes > 50
    assert not changed, "\n".join(changed)


def test_a_write_to_a_decoy_does_not_leave(account: Account, record: Record) -> None:
    """Whatever asks for it: each way of deleting or changing a decoy is stopped on the way out."""
    Decoys(account)
    run(account, stack())
    aws = AwsClient(account, clock=ManualClock())
    aws.mine.add("my-app-cluster")
    ec2, before, stopped = account.by_hand("ec2"), account.ledger.executed.copy(), 0
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["decoy-by-hand"]}])["Vpcs"]
    for call in (
        Call("ec2", "DeleteVpc", {"VpcId": vpc["VpcId"]}),
        Call("ec2", "CreateTags", {"Resources": [vpc["VpcId"]], "Tags": [{"Key": "a", "Value": "my-app-cluster"}]}),
        Call("logs", "DeleteLogGroup", {"logGroupName": "/ecs/my-app-frontend-decoy"}),
        Call("ecs", "DeleteCluster", {"cluster": "my-app-cluster-decoy"}),
        Call("ecr", "DeleteRepository", {"repositoryName": "my-app-frontend-decoy", "force": True}),
        Call("iam", "DeleteRole", {"RoleName": "my-app-frontend-execution-decoy"}),
    ):

        def said(call: Call = call) -> object:
            yield call

        for creating in (None, [created for kind in discover().values() for created in kind.creates]):
            with pytest.raises(errors.OwnershipBreach):
                aws.run(said(), creating=creating)  # type: ignore[arg-type]
            stopped += 1
    assert account.ledger.executed == before
    record("S1", "writes to decoys, asked for directly", worlds=stopped, violations=0)


def _alike(text: str) -> tuple[str, ...]:
    """What somebody else's thing may be called, or have for an id."""
    other = "1" if text[-1] == "0" else "0"
    elsewhere = text.replace(ACCOUNT, "999999999999")
    return tuple({f"{text}-decoy", f"decoy-{text}", text[:-1] + other, text[:-1], elsewhere} - {text, ""})


def _of_others(call: Call, guard: OwnershipGuard) -> Iterator[Call]:
    """The call, about what looks like ours in each of the same ways."""

    def renamed(value: Any, number: int) -> Any:
        if isinstance(value, str) and guard.knows(call.service, value):
            names = _alike(value)
            return names[number % len(names)]
        return [renamed(one, number) for one in value] if isinstance(value, list) else value

    for number in range(5):
        yield replace(call, params={key: renamed(value, number) for key, value in call.params.items()})


@pytest.mark.parametrize(
    "folder", [pytest.param(SEED, id="seed"), pytest.param(EVERY_TYPE, id="every type", marks=pytest.mark.slow)]
)
def test_no_write_passes_the_guard_under_a_name_that_looks_like_ours(
    account: Account, record: Record, folder: object
) -> None:
    """Each write of a whole life that changes what is there, with every name and id in it nearly right."""
    wanted, noting = stack(folder), Noting(account)  # type: ignore[arg-type]
    report = run(noting, wanted)
    guard = OwnershipGuard()
    guard.add(*owned_ids(report.world, wanted.desired_state.place.stack, wanted.desired_state.wanted))
    run(noting, wanted.leaving)
    writes = [call for call in noting.calls if not is_read(call) and guard.covers(call)]
    calls = [other for call in writes for other in _of_others(call, guard)]
    through = sorted({str(call) for call in calls if guard.covers(call)})
    record("S1", f"{wanted.desired_state.place.stack}: each write about what looks like ours", worlds=len(calls),
           violations=len(through), writes=len(writes))  # fmt: skip
    assert len(writes) > 20
    assert through == []
