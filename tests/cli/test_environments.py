"""Environments of one account: each is a stack of its own, and a prefix keeps their names apart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.aws.retry import is_read
from reconciler.cli.lease import open_store
from reconciler.cli.output.exits import Exit
from reconciler.model.resource import Call
from reconciler.source.archive import Archive, pack
from reconciler.source.base import Fetched, Revision
from reconciler.spec.load import Source
from reconciler.store.base import Copy
from tests.cli.cli_runner import Typed, onstage
from tests.harness.account_snapshot import difference, everything
from tests.harness.cli import run
from tests.harness.emulated_stack import SERVICE, EmulatedStack, emulated_stack
from tests.harness.listener_watch import ListenerWatch

SMALL = """\
kind: Stack
name: shop
region: us-west-2
---
{kind: Store, name: locks}
---
{kind: Role, name: reader, assumed_by: ecs-tasks.amazonaws.com, policies: ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}
---
{kind: Cluster, name: main}
"""
OVERLAY = "kind: Stack\nname: shop\nname_prefix: '{environment}-'\n"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A stack without a network, and two environments of it with a prefix."""
    folder = tmp_path / "small"
    for name, text in (
        ("stack.yaml", SMALL),
        ("environments/staging/a.yaml", OVERLAY),
        ("environments/production/a.yaml", OVERLAY),
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def planned(typed: Typed, environment: str | None) -> dict[str, Any]:
    ran = typed("diff", "-o", "json", *(() if environment is None else ("-e", environment)))
    found: dict[str, Any] = json.loads(ran.out)
    return found


def done(typed: Typed, *words: str) -> None:
    ran = typed(*words)
    assert ran.code == Exit.DONE, ran.err


def test_environments_with_one_stack_name_never_take_what_the_others_own(small: Path) -> None:
    """Applied beside each other and beside the base; one is changed and destroyed, and the others stay as they are."""
    with emulated_stack(folder=small) as stage, onstage(stage) as typed:
        for environment in ("staging", "production"):
            done(typed, "apply", "-y", "-e", environment)
        done(typed, "apply", "-y")
        for environment in ("staging", "production", None):
            plan = planned(typed, environment)
            assert (plan["actions"], plan["refusals"]) == ([], []), environment
        iam = stage.laptop.client("iam")
        assert {role["RoleName"] for role in iam.list_roles()["Roles"]} >= {
            "staging-reader",
            "production-reader",
            "reader",
        }
        before = everything(stage.transport.perform)
        stage.texts = {"kind: Cluster, name: main": "kind: Cluster, name: main, container_insights: enabled"}
        done(typed, "apply", "-y", "-e", "staging")
        done(typed, "destroy", "-y", "-e", "staging")
        stage.texts = {}
        gone = difference(before, everything(stage.transport.perform))
        assert {kind: (len(was), len(now)) for kind, (was, now) in gone.items()} == {
            "cluster": (1, 0),
            "role": (1, 0),
            "table": (1, 0),
        }
        assert all("staging-" in item for was, _ in gone.values() for item in was)
        assert [planned(typed, one)["actions"] for one in ("production", None)] == [[], []]


def test_without_a_prefix_the_second_environment_is_refused(small: Path) -> None:
    """By name, with the owner, before anything is written: the tags tell them apart, and the names do not."""
    overlay = small / "environments" / "staging" / "a.yaml"
    overlay.write_text("kind: Stack\nname: shop\n", encoding="utf-8")
    with emulated_stack(folder=small) as stage, onstage(stage) as typed:
        done(typed, "apply", "-y")
        plan = planned(typed, "staging")
        assert plan["actions"] == []
        assert {(one["address"], one["code"]) for one in plan["refusals"]} == {
            ("cluster/main", "conflict"),
            ("role/reader", "conflict"),
            ("table/locks", "conflict"),
        }
        done(typed, "destroy", "-y", "-e", "staging")
        assert planned(typed, None)["actions"] == []


def test_a_prefix_on_a_live_stack_renames_nothing(small: Path) -> None:
    """Each name is refused with the line to add; with these lines nothing is planned any more."""
    with emulated_stack(folder=small) as stage, onstage(stage) as typed:
        done(typed, "apply", "-y")
        before = everything(stage.transport.perform)
        stage.texts = {"name: shop\nregion": "name: shop\nname_prefix: d-\nregion"}
        plan = planned(typed, None)
        assert plan["actions"] == []
        assert {(one["address"], one["code"]) for one in plan["refusals"]} == {
            ("cluster/main", "immutable"),
            ("role/reader", "immutable"),
            ("table/locks", "immutable"),
        }
        assert all("aws_name" in one["hint"] for one in plan["refusals"])
        assert typed("apply", "-y").code == Exit.BLOCKED
        stage.texts |= {f"name: {name}": f"name: {name}, aws_name: {name}" for name in ("locks", "reader", "main")}
        plan = planned(typed, None)
        assert (plan["actions"], plan["refusals"]) == ([], [])
        assert difference(before, everything(stage.transport.perform)) == {}


def accept(stage: EmulatedStack, name: str, environment: str) -> None:
    """As a version has that had one stack of that name for all environments."""
    place, files = stage.desired_state.place, sorted(stage.folder.rglob("*.yaml"))
    sources = tuple(Source(str(one.relative_to(stage.folder)), one.name, one.read_bytes()) for one in files)
    data = pack(Archive(Fetched(Revision("c2d87dd"), sources, (), "specs"), environment))
    with closing(open_store(None, stage.transport, name, place.account, place.region, None)) as store:
        assert store.copies.swap("", Copy("1", 1, "c2d87dd", data))


def test_with_broken_specs_an_environment_shows_its_own_stack(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And not the base's, which has its name; by that name with the environment, too."""
    with emulated_stack(folder=small) as stage, onstage(stage) as typed:
        done(typed, "apply", "-y", "-e", "staging")
        stage.texts = {"kind: Cluster": "kind: Clustre"}
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another machine"))
        ran = typed("status", "-e", "staging", "-o", "json")
        assert (ran.code, json.loads(ran.out)["specs"]["instead"]) == (Exit.DONE, "the account"), ran.err
        assert "nothing was sent to AWS" not in ran.err
        base = typed("status")
        assert (base.code, "reconciler:stack=shop\n" in base.err, base.out) == (Exit.FAILED, True, "")
        where = ("--region", "us-west-2")
        ran = run("status", "--stack", "shop@staging", "--watch", *where)
        assert (ran.code, "--watch" in ran.err) == (Exit.DONE, True)
        for name in ("shop", "shop@production"):
            ran = run("status", "--stack", name, *where)
            assert (ran.code, f"reconciler:stack={name}\n" in ran.err) == (Exit.FAILED, True), ran.err
        accept(stage, "shop", "staging")
        ran = run("status", "--stack", "shop", *where)
        assert (ran.code, "is of the stack shop@staging" in ran.err) == (Exit.FAILED, True), ran.err
        for name in ("shop@", "@staging", "shop@sta ging", "shop@a@b"):
            ran = run("status", "--stack", name, *where)
            assert (ran.code, "is not the name of a stack" in ran.err) == (Exit.FAILED, True), (name, ran.err)


# -- the sample of the README


@pytest.fixture
def sample() -> Iterator[tuple[EmulatedStack, Typed]]:
    with emulated_stack() as stage, onstage(stage) as typed:
        yield stage, typed


@pytest.mark.slow
def test_the_sample_runs_as_staging_and_as_production_in_one_account(sample: tuple[EmulatedStack, Typed]) -> None:
    """Both at rest; a change and the end of one are seen nowhere in the other."""
    stage, typed = sample
    for environment in ("staging", "production"):
        done(typed, "apply", "-y", "-e", environment)
        stage.push("v1", repository=f"{environment}-{SERVICE}")
        done(typed, "apply", "-y", "--wait", "-e", environment)
        assert json.loads(typed("status", SERVICE, "-e", environment, "-o", "json").out) != []
    for environment in ("staging", "production"):
        plan = planned(typed, environment)
        assert (plan["actions"], plan["refusals"]) == ([], []), environment
    before = everything(stage.transport.perform)
    stage.texts = {"retention_days: 7": "retention_days: 14"}
    done(typed, "apply", "-y", "-e", "staging")
    stage.texts = {}
    changed = difference(before, everything(stage.transport.perform))
    assert all("staging-" in item for was, now in changed.values() for item in (*was, *now))
    done(typed, "destroy", "-y", "--delete-images", "-e", "staging")
    plan = planned(typed, "production")
    assert (plan["actions"], plan["refusals"]) == ([], [])


NAMES = ("my-app-lb-sg", "my-app-task-sg", "my-app-alb", "my-app-cluster", "my-app-hello", "my-app-frontend")


@pytest.mark.slow
def test_the_live_sample_gets_a_prefix_without_a_lost_request() -> None:
    """Every name is refused at first. With their `aws_name`, only the `Name` tags of the network are written."""
    with emulated_stack() as stage, onstage(stage) as typed:
        stage.serving()
        watch = ListenerWatch(stage.laptop)
        stage.texts = {"\nname: my-app  ": "\nname_prefix: d-\nname: my-app  "}
        refused = {one["address"] for one in planned(typed, None)["refusals"]}
        assert refused >= {f"{kind}/{SERVICE}" for kind in ("service", "task-definition", "repository")}
        assert refused >= {"load-balancer/my-app-alb", "target-group/my-app-frontend-tg-1", "cluster/my-app-cluster"}
        watch.look()

        stage.texts |= {f"name: {name}\n": f"name: {name}\naws_name: {name}\n" for name in NAMES[2:]}
        stage.texts |= {f"- name: {name}  ": f"- aws_name: {name}\n    name: {name}  " for name in NAMES[:2]}
        groups = "[my-app-frontend-tg-1, my-app-frontend-tg-2]"
        given = ", ".join(f"{{name: {name}, aws_name: {name}}}" for name in groups[1:-1].split(", "))
        stage.texts |= {groups: f"[{given}]"}
        plan = planned(typed, None)
        assert plan["refusals"] == []
        assert [one for one in plan["actions"] if one["verb"] != "update" or one["changes"]] == []
        written: list[Call] = []
        stage.transport.before = lambda call: None if is_read(call) else written.append(call)
        done(typed, "apply", "-y")
        assert {call.operation for call in written} == {"CreateTags"}
        for _ in range(20):
            stage.laptop.advance(15)
            watch.look()
        assert watch.lost == []
        plan = planned(typed, None)
        assert (plan["actions"], plan["refusals"]) == ([], [])
