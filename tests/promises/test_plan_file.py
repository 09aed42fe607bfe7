"""S16: `apply PLAN` does exactly that plan, or refuses."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from reconciler.aws.retry import is_read
from reconciler.cli import plan_file
from tests.conftest import REGION
from tests.harness.account_snapshot import census
from tests.harness.cli import recorded, run
from tests.promises.conftest import Record, mostly_slow

SPECS = """\
kind: Stack
name: small
region: us-west-2
---
kind: Cluster
name: small-cluster
capacity_providers: [FARGATE]
---
kind: Registry
name: small-app
keep_images: 10
"""


def _client(service: str) -> Any:
    return boto3.client(service, region_name=REGION)


def _specs(old: str, new: str) -> Callable[[Path, Path], None]:
    def change(specs: Path, plan: Path) -> None:
        file = specs / "all.yaml"
        assert old in file.read_text(encoding="utf-8")
        file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")

    return change


def _plan(**fields: Any) -> Callable[[Path, Path], None]:
    def change(specs: Path, plan: Path) -> None:
        said = json.loads(plan.read_text(encoding="utf-8"))
        assert fields.keys() <= said.keys()
        edited = {**said, **fields}
        plan.write_text(json.dumps({**edited, "checksum": plan_file.checksum(edited)}), encoding="utf-8")

    return change


def _live(do: Callable[[], object]) -> Callable[[Path, Path], None]:
    return lambda specs, plan: do() and None


def _repository(**more: Any) -> object:
    return _client("ecr").create_repository(repositoryName="small-app", **more)


OURS = [{"Key": "reconciler:stack", "Value": "small"}, {"Key": "reconciler:address", "Value": "repository/small-app"}]

BETWEEN: dict[str, Callable[[Path, Path], None]] = {
    "a field of the specs": _specs("keep_images: 10", "keep_images: 11"),
    "a document more": _specs("kind: Registry", "kind: Registry\nname: another\n---\nkind: Registry"),
    "another name": _specs("small-cluster", "smaller-cluster"),
    "somebody took the name": _live(_repository),
    "it was made meanwhile": _live(lambda: _repository(tags=OURS)),
    "another account": _plan(account="999999999999"),
    "another region": _plan(region="us-east-1"),
    "another stack": _plan(stack="other"),
    "another digest": _plan(digest="0" * 64),
    "another digest of the specs": _plan(specs="0" * 64),
    "no folder": _plan(folder="/nowhere"),
    "more consent": _plan(max_delete=99),
    "another version of the format": _plan(format_version="99.0"),
    "half of the file": lambda _, plan: plan.write_text(plan.read_text("utf-8")[:200], "utf-8") and None,  # type: ignore[func-returns-value]
    "an empty file": lambda _, plan: plan.write_text("", "utf-8") and None,  # type: ignore[func-returns-value]
    "the specs are gone": lambda specs, _: (specs / "all.yaml").unlink(),
}


QUICK = (None, "a field of the specs", "it was made meanwhile", "another account", "half of the file")


@pytest.mark.parametrize("between", mostly_slow([None, *BETWEEN], *QUICK))
def test_apply_does_that_plan_or_refuses(record: Record, tmp_path: Path, between: str | None) -> None:
    """Whatever changes between the plan and its apply, it is refused with nothing written; unchanged, it is done."""
    specs, plan = tmp_path / "specs", tmp_path / "plan.json"
    specs.mkdir()
    (specs / "all.yaml").write_text(SPECS, encoding="utf-8")
    with mock_aws():
        assert run("diff", specs, "--out", plan).code == 2
        agreed = {action["address"] for action in json.loads(plan.read_text("utf-8"))["actions"]}
        if between is not None:
            BETWEEN[between](specs, plan)
        before = census()
        with recorded() as calls:
            ran = run("apply", plan)
        writes = [str(call) for call in calls if not is_read(call)]
        if between is None:
            assert ran.code == 0, ran.err
            assert agreed == {"cluster/small-cluster", "repository/small-app"}
            assert sorted(writes) == AGREED
        else:
            assert ran.code in (1, 5), ran.out + ran.err
            assert writes == []
            assert census() == before
    record("S16", f"between plan and apply: {between or 'nothing'}", worlds=1, violations=0)


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value that is no list and no object, and where it is; an empty one of these, too."""
    if isinstance(value, dict | list) and value:
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(item, (*path, key))
    else:
        yield path, value


def _another(value: Any) -> Any:
    """Another value of the same type."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return f"{value}x"
        case _:
            return "x"


@pytest.mark.slow
@pytest.mark.parametrize("honest", [True, False], ids=["with its checksum", "without"])
def test_whatever_is_changed_in_a_plan_file_it_does_that_plan_or_refuses(
    record: Record, tmp_path: Path, honest: bool
) -> None:
    """Each value in it, one at a time: nothing is ever done that was not agreed to."""
    specs, plan = tmp_path / "specs", tmp_path / "plan.json"
    specs.mkdir()
    (specs / "all.yaml").write_text(SPECS, encoding="utf-8")
    with mock_aws():
        assert run("diff", specs, "--out", plan).code == 2
    written = json.loads(plan.read_text("utf-8"))
    leaves = [one for one in _leaves(written) if one[0] != ("checksum",)]
    wrong, refused = [], 0
    for path, value in leaves:
        edited = copy.deepcopy(written)
        at: Any = edited
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = _another(value)
        text = {**edited, "checksum": plan_file.checksum(edited)} if honest else edited
        plan.write_text(json.dumps(text), encoding="utf-8")
        with mock_aws(), recorded() as calls:
            ran = run("apply", plan)
            writes = sorted(str(call) for call in calls if not is_read(call))
        refused += ran.code != 0
        if writes not in ([], AGREED) or (writes and ran.code):
            wrong.append(f"{path}: {ran.code}, {writes}")
    record("S16", f"each value of a plan file changed, {'with' if honest else 'without'} its checksum",
           worlds=len(leaves), violations=len(wrong), refused=refused)  # fmt: skip
    assert wrong == []
    assert refused


AGREED = ["ecr.CreateRepository", "ecr.PutLifecyclePolicy", "ecs.CreateCluster"]
