"""Everything renamed at once with `moved_from`: only tags are written, whatever happens on the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from reconciler.aws.client import AwsClient
from reconciler.model import guard
from reconciler.model.guard import Guard
from reconciler.model.plan import Plan, RefusalCode, Verb
from reconciler.model.type_registry import discover
from reconciler.reconcile.pass_ import look
from tests.harness.decoys import Decoys
from tests.harness.forked_runs import EVERY_TYPE, Account, Stack, run, stack
from tests.harness.renaming import documents, renamed, settled
from tests.promises.conftest import Record, sample_or_all
from tests.promises.scenarios import Scenario, applied
from tests.promises.test_crash import crashed

MORE = """\
kind: Role
name: every-role
assumed_by: ecs-tasks.amazonaws.com
---
kind: Store
name: every-store
---
kind: Alarm
name: every-alarm
metric: {namespace: every, name: errors, statistic: Sum}
above: 10
---
kind: Cluster
name: every-instances
ec2_capacity:
  - name: every-capacity
    instance_types: [m7i.large]
    max: 2
    subnets: [outside-public-a]
    security_groups: [every-task]
    public_ip: true
    role: every-instance
---
kind: Role
name: every-instance
assumed_by: ec2.amazonaws.com
"""
"""The documents that the folder with every type lacks."""

CAPACITY = {"auto-scaling-group", "capacity-provider", "cluster-capacity", "instance-profile", "launch-template"}
STAYING = {"scaling", "security-group-rules", "task", "log-group", "namespace", *CAPACITY}
"""What AWS keeps no tags for, which goes with what it belongs to; and what goes by its AWS name in the specs too."""

ABSENT = {
    "codedeploy-deployment-group", "dns-record", "domain-certificate", "egress-only-internet-gateway", "event-rule",
    "queue",
}  # fmt: skip
"""What nothing in the folder has: its service is deployed by another engine, and has no domain; its network no IPv6;
its stack no events."""

MOVED = sorted(name for name, kind in discover().items() if not kind.lookup and name not in STAYING | ABSENT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Something of every type that the specs can declare."""
    place = Path(shutil.copytree(EVERY_TYPE, tmp_path / "specs"))
    (place / "more.yaml").write_text(MORE, encoding="utf-8")
    return place


def planned(account: Account, wanted: Stack) -> Plan:
    aws = AwsClient(account)
    try:
        return look(aws, wanted.kinds, wanted.desired_state)[1]
    finally:
        aws.close()


def test_a_rename_of_everything_is_neither_a_creation_nor_a_deletion(
    account: Account, folder: Path, tmp_path: Path, record: Record
) -> None:
    """Each type with tags of its own is moved and nothing else of it is changed; the guard counts none of it; a second
    pass finds nothing to do and says which lines can go; without them it finds nothing to do either."""
    applied(folder)(account)
    before, present = account.lasting(), account.final()
    new = renamed(folder, tmp_path / "renamed")
    wanted = stack(new)

    plan = planned(account, wanted)

    assert not plan.refusals
    assert {(action.verb, action.changes) for action in plan.actions} == {(Verb.UPDATE, ())}
    assert all(action.only_moves for action in plan.actions)
    assert sorted({action.address.kind for action in plan.actions}) == MOVED
    assert guard.check(plan, Guard(max_delete=0, max_delete_percent=0)) == ()

    report = run(account, wanted)
    assert not report.last.failed
    assert account.lasting() == before
    assert {kind: len(items) for kind, items in account.final().items()} == {
        kind: len(items) for kind, items in present.items()
    }

    again = planned(account, wanted)
    assert again.actions == ()
    lines = str(list(documents(new))).count("moved_from")
    assert len(again.warnings) - len(planned(account, stack(settled(new, tmp_path / "settled"))).warnings) == lines
    after = planned(account, stack(tmp_path / "settled"))
    assert (after.actions, after.waiting) == ((), ())
    record("S2", "every type renamed", worlds=len(plan.actions), violations=0)


@pytest.mark.parametrize("number", sample_or_all(3, None))
def test_a_rename_crashed_at_a_call_ends_as_if_it_had_not_been(
    account: Account, folder: Path, tmp_path: Path, record: Record, number: int | None
) -> None:
    """Killed before or after any call, or robbed of its answer: the next process moves what is left, makes nothing and
    deletes nothing."""
    wanted = stack(renamed(folder, tmp_path / "renamed"))
    worlds, found = crashed(account, Scenario("rename", wanted, applied(folder)), number)
    record("S2", "every type renamed, crashed once", worlds=worlds, violations=len(found))
    assert not found, "\n".join(found)


def test_what_another_stack_owns_is_not_moved(account: Account, folder: Path, tmp_path: Path) -> None:
    """A former name is no claim: what carries another stack's tag is in the way, and keeps its tags."""
    theirs = Path(shutil.copytree(folder, tmp_path / "theirs"))
    text = (theirs / "stack.yaml").read_text(encoding="utf-8")
    (theirs / "stack.yaml").write_text(text.replace("name: every", "name: others"), encoding="utf-8")
    applied(theirs)(account)
    before = account.final()

    plan = planned(account, stack(renamed(folder, tmp_path / "renamed")))

    assert not any(action.moved_from for action in plan.actions)
    assert RefusalCode.CONFLICT in {refusal.code for refusal in plan.refusals}
    assert account.final() == before


@pytest.mark.slow
def test_a_move_leaves_look_alikes_alone(account: Account, folder: Path, tmp_path: Path) -> None:
    """Only what the stack owns is retagged."""
    decoys = Decoys(account)
    applied(folder)(account)
    run(account, stack(renamed(folder, tmp_path / "renamed")))
    assert decoys.changes() == []


def test_a_rename_without_the_line_is_refused_where_aws_would_refuse_it(
    account: Account, folder: Path, tmp_path: Path
) -> None:
    """A new name alone is another resource: what AWS cannot have twice is refused, with the line that is missing."""
    applied(folder)(account)
    text = (folder / "network.yaml").read_text(encoding="utf-8")
    for old in ("inside-private-a", "outside-public-a"):
        assert old in text
    wanted = stack(folder, {"inside-private-a": "core-private-a"})

    plan = planned(account, wanted)

    (refusal,) = plan.refusals
    assert (refusal.code, str(refusal.address)) == (RefusalCode.CONFLICT, "subnet/core-private-a")
    assert "`moved_from: inside-private-a`" in refusal.hint
    assert refusal.where.endswith("network.yaml:8")


def test_another_aws_name_than_the_one_it_has_is_refused(account: Account, folder: Path) -> None:
    """AWS cannot rename: the refusal says which name it has to keep."""
    applied(folder)(account)
    wanted = stack(folder, {"name: every-web\n": "name: frontend\nmoved_from: every-web\naws_name: frontend\n"})

    plan = planned(account, wanted)

    assert {one.code for one in plan.refusals} == {RefusalCode.IMMUTABLE}
    role = next(one for one in plan.refusals if str(one.address) == "role/frontend-execution")
    assert "`aws_name`" in role.hint
    assert "every-web-execution" in role.hint
