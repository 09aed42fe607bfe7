"""Views of a plan: what is deferred until a rollout completes is in each of them, and what is up to date is counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from reconciler.cli.applied_specs import Applied
from reconciler.cli.output.plan_github import plan_github
from reconciler.cli.output.plan_json import plan_document
from reconciler.cli.output.plan_markdown import plan_markdown
from reconciler.cli.output.plan_text import counts, effective, plan_text
from reconciler.cli.output.terminal import Look
from reconciler.cli.output.tree_text import tree_text
from reconciler.cli.output.values import LONGEST, SENSITIVE, sides
from reconciler.model.diff import Change
from reconciler.model.plan import (
    Action,
    Consequence,
    DeferralCode,
    Deferred,
    Note,
    Plan,
    Refusal,
    RefusalCode,
    Verb,
)
from reconciler.model.resource import Address, Desired
from reconciler.queries.tree import Node
from reconciler.reconcile.origins import Origin, Origins
from reconciler.resources.cluster import ClusterSpec
from reconciler.rollout.engine import Phase, RolloutStep
from reconciler.rollout.forecast import Forecast, Part
from reconciler.rollout.outlook import Outlook, RolloutPreview
from reconciler.rollout.release import Version
from reconciler.rollout.state import ObservedService, TaskSet
from reconciler.rollout.stored_state import StoredState
from reconciler.source.base import Revision

SERVICE = Address("service", "web")
BORN = datetime(2026, 1, 1, tzinfo=UTC)
SUBNET = Action(Verb.DELETE, Address("subnet", "old"), "not in the specs")
PLAN = Plan("shop", deferred=(Deferred(SUBNET, DeferralCode.IN_USE, "still in use"),), unchanged=4)


def test_what_is_deferred_is_in_every_view() -> None:
    """With its verb, its address and the reason; it is no change that is made now."""
    for text in (plan_text(PLAN, Look()), plan_markdown(PLAN, "shop"), plan_text(PLAN, Look(unicode=False))):
        (line,) = [line for line in text.splitlines() if str(SUBNET.address) in line]
        assert line.lstrip().startswith("- ")
        assert line.endswith("still in use")
        assert "Deferred:" in text
        assert " 0 to delete. 1 deferred." in text
    document = plan_document(PLAN)
    (deferred,) = document["deferred"]
    assert (deferred["action"]["verb"], deferred["action"]["address"]) == ("delete", "subnet/old")
    assert (deferred["code"], deferred["waits_for"]) == ("in-use", None)
    assert (deferred["because"], document["actions"], document["changes"]) == ("still in use", [], False)
    assert "deferred%3A delete subnet/old::still in use" in plan_github(PLAN)


def test_a_deferred_update_shows_its_fields() -> None:
    """As an update that is carried out now does."""
    later = Action(Verb.UPDATE, SERVICE, "", (Change(("desired_count",), 4, 2),))
    lines = plan_text(
        Plan("shop", deferred=(Deferred(later, DeferralCode.WITH_RELEASE, "after the rollout"),)), Look()
    ).splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.endswith("after the rollout")]
    assert lines[at + 1].split() == ["~", "desired_count", "4", "→", "2"]


def test_a_move_is_neither_an_update_nor_a_deletion() -> None:
    """With the address that it comes from, as text and as a field, and counted apart."""
    old = Address("service", "shop")
    action = Action(Verb.UPDATE, SERVICE, f"moved from {old} (tags only)", moved_from=old)
    plan = Plan("shop", (action,), after={step: frozenset() for step in action.steps()})
    text = plan_text(plan, Look())
    assert text.splitlines()[0].split() == ["~", "service/web", "moved", "from", "service/shop", "(tags", "only)"]
    assert "0 to create, 1 to move, 0 to update," in text
    (row,) = plan_document(plan)["actions"]
    assert (row["verb"], row["moved_from"]) == ("update", "service/shop")
    assert action.summary == "moved from service/shop"


@pytest.mark.parametrize(
    ("outlooks", "summary"),
    [
        ((), "No changes. 27 resources up to date."),
        ((Outlook.REST,), "No changes. 27 resources up to date."),
        ((Outlook.UNDER_WAY,), "No changes. 27 resources up to date; 1 rollout in progress."),
        ((Outlook.FIRST, Outlook.UNDER_WAY), "No changes. 27 resources up to date; 2 rollouts in progress."),
        ((Outlook.NEW,), "No changes. 27 resources up to date; 1 rollout pending."),
        ((Outlook.GIVEN_UP,), "No changes. 27 resources up to date; 1 service quarantined."),
        (
            (Outlook.UNDER_WAY, Outlook.WAITS),
            "No changes. 27 resources up to date; 1 rollout in progress; 1 service not deployed yet.",
        ),
    ],
)
def test_without_changes_the_rollouts_are_counted(outlooks: tuple[Outlook, ...], summary: str) -> None:
    """`No changes` is about resources; what keeps a service from being up to date stands beside it."""
    previews = [RolloutPreview(SERVICE, outlook) for outlook in outlooks]
    assert counts(Plan("shop", unchanged=27), Look(), previews) == summary


def test_a_version_that_waits_beside_one_that_serves_is_a_new_version() -> None:
    """The service is deployed, and only the new version is not."""
    serving = ObservedService("", 1, (TaskSet("ecs-svc/1", "v1", 0, BORN),), waits="the image is not pushed")
    previews = [RolloutPreview(SERVICE, Outlook.WAITS, serving.waits, seen=serving)]
    text = plan_text(Plan("shop", unchanged=27), Look(), previews)
    assert "not deployed" not in text
    assert text.splitlines()[0].endswith("service/web".ljust(42) + "new version waiting")
    assert text.splitlines()[-1] == "No changes. 27 resources up to date; 1 new version waiting."


def test_a_rollout_in_progress_is_no_warning() -> None:
    """Its tasks are not settled because of the rollout, which is shown. Without one, it is a warning."""
    plan = Plan("shop", unsettled=(Note(SERVICE, "2 tasks running, 1 desired"),), unchanged=27)
    assert "2 tasks running" not in plan_text(plan, Look(), [RolloutPreview(SERVICE, Outlook.UNDER_WAY)])
    assert "2 tasks running" in plan_text(plan, Look(), [RolloutPreview(SERVICE, Outlook.REST)])


def test_a_quarantined_version_is_no_rollout() -> None:
    """It is in the plan, and `apply` does not roll it out again; an initial deployment is one."""
    roll = Action(Verb.ROLL, SERVICE, "the task definition changes")
    given_up = [RolloutPreview(SERVICE, Outlook.GIVEN_UP)]
    assert counts(Plan("shop", (roll,), unchanged=27), Look(), given_up) == (
        "No changes. 27 resources up to date; 1 service quarantined."
    )
    assert effective(Plan("shop", (roll,)), given_up) == ()
    assert effective(Plan("shop", (roll,)), [RolloutPreview(SERVICE, Outlook.NEW)]) == (roll,)
    create = Action(Verb.CREATE, SERVICE, "")
    assert ", 1 rollout, " in counts(Plan("shop", (create,)), Look())
    image = Action(Verb.CREATE, Address("vpc", "main"), "")
    assert ", 1 rollout, " in counts(Plan("shop", (image,)), Look(), [RolloutPreview(SERVICE, Outlook.FIRST)])


@pytest.mark.parametrize(
    ("phase", "back", "state", "moving"),
    [
        (Phase.ROLLING_BACK, None, "rollback in progress", True),
        (Phase.SHIFTING, Version("v1", "web:1"), "rollback in progress", True),
        (Phase.BAKING, Version("v1", "web:1"), "rollback in progress", False),
        (Phase.SHIFTING, None, "rollout in progress", True),
        (Phase.BLOCKED, None, "service blocked", False),
    ],
)
def test_what_is_under_way_beside_a_quarantined_version(
    phase: Phase, back: Version | None, state: str, moving: bool
) -> None:
    """An earlier version that is rolled back to, or another one that is rolled out: the wanted one was rejected."""
    seen = ObservedService("v2", 1, marks=StoredState(quarantine=("v2",), rollback_target=back))
    preview = RolloutPreview(SERVICE, Outlook.UNDER_WAY, step=RolloutStep(phase, release="v1"), seen=seen)
    assert counts(Plan("shop", unchanged=27), Look(), [preview]) == f"No changes. 27 resources up to date; 1 {state}."
    assert preview.moving is moving


def test_the_count_of_a_quarantined_version_is_an_update() -> None:
    """It belongs to the version that serves, and nothing is rolled out."""
    changes = (Change(("task_definition",), "web:1", "web:2", rolls=True), Change(("desired_count",), 1, 2))
    roll = Plan("shop", (Action(Verb.ROLL, SERVICE, "", changes),))
    assert "0 to update, 1 rollout, " in counts(roll, Look(), [RolloutPreview(SERVICE, Outlook.NEW)])
    assert "1 to update, 0 rollouts, " in counts(roll, Look(), [RolloutPreview(SERVICE, Outlook.GIVEN_UP)])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (tuple(f"subnet-{number:04}" for number in range(30)), tuple(f"subnet-{number:04}" for number in range(29))),
        ([f"web@sha256:{'a' * 64}"], [f"web@sha256:{'a' * 63}b"]),
        ("x" * 300, "x" * 299 + "y"),
        (["vpc-0a1b2c3d"], ["vpc-1a1b2c3d"]),
    ],
)
def test_two_sides_that_differ_read_differently(old: object, new: object) -> None:
    """Also beyond what there is room for in a line."""
    main = Address("vpc", "main")
    change, names = Change(("value",), old, new), dict.fromkeys(("vpc-0a1b2c3d", "vpc-1a1b2c3d"), main)
    before, after = sides(change, names)
    assert before != after
    assert before is not None
    assert len(before) <= LONGEST + 2
    assert sides(Change(("value",), old, new, secret=True), {}) == (SENSITIVE, SENSITIVE)


def test_the_first_screen_of_a_comment_is_the_answer() -> None:
    """What, where, risk and minutes, the riskiest first; what is not of this change, and the plan, are folded."""
    count, image = Change(("desired_count",), 1, 2), Change(("containers", "web", "image"), "a", "b")
    web = Desired(SERVICE, ClusterSpec(name="web"), where="specs/web.yaml:3")
    update = Action(Verb.UPDATE, SERVICE, "it differs", (count, image), consequence=Consequence.NEW_TASKS, new=web)
    delete = Action(Verb.DELETE, Address("alarm", "old"), "not in the specs", consequence=Consequence.DESTROY)
    drift = Action(Verb.UPDATE, Address("vpc", "main"), "it differs", consequence=Consequence.IN_PLACE)
    forecast = Forecast(((Part.START, timedelta(seconds=200)), (Part.PROMOTION, timedelta(hours=2))))
    preview = RolloutPreview(SERVICE, Outlook.NEW, way="blue/green", forecast=forecast)
    found = Origins(
        Revision("4f1c2ab" + "0" * 33),
        {SERVICE: frozenset({Origin.SPECS}), delete.address: frozenset({Origin.SPECS}),
         drift.address: frozenset({Origin.DRIFT})},
        {drift.address: ("tags.team",)},
    )  # fmt: skip
    comment = plan_markdown(Plan("shop", (update, delete, drift)), "shop", (preview,), "", Applied(found))
    first, _, folded = comment.partition("<details")
    assert first.splitlines() == [
        "### `reconciler` · shop",
        "",
        f"{counts(Plan('shop', (update, delete, drift)), Look(), (preview,))}",
        "",
        "|  | what | where | risk | minutes |",
        "| --- | --- | --- | --- | --- |",
        "| `-` | `alarm/old` |  | **deleted** |  |",
        "| `~` | `service/web`: `desired_count`, `containers.web.image` | `specs/web.yaml:3` | new tasks |"
        " 3, and 120 for promotion |",
        "",
    ]
    assert "<summary>Not from this change: 1 resource, as of 4f1c2ab</summary>" in folded
    assert "| `vpc/main` | drift: the specs have not changed since 4f1c2ab, the account has |" in folded
    assert " open>" not in comment


def test_a_comment_says_first_why_a_plan_is_blocked() -> None:
    """As code, which calls nobody."""
    refusal = Refusal(RefusalCode.GUARD, None, "it deletes @team's | 12 `things`")
    comment = plan_markdown(Plan("shop", refusals=(refusal,)), "shop", applied=Applied(because="abc is not here"))
    assert "**Blocked** (guard): `it deletes @team's ¦ 12 'things'`" in comment.partition("<details")[0]
    assert "Drift and changes of the specs are not distinguished: abc is not here." in comment


@pytest.mark.parametrize("columns", [80, 100])
def test_heads_and_sums_fit_the_terminal(columns: int) -> None:
    """Where there is room they are in columns, as they are in a file; an id in the tree is cut down to its end."""
    address = Address("security-group-rules", "checkout-production-balancer")
    place = "specs/environments/production/network.yaml:12"
    rules = Desired(address, ClusterSpec(name="web"), where=place)
    plan = Plan("shop", (Action(Verb.UPDATE, address, "it differs from the specs", new=rules),), unchanged=1)
    text = plan_text(plan, Look(columns=columns))
    assert max(map(len, text.splitlines())) <= columns
    assert (str(address) in text, place in text, plan.digest[:7] in text) == (True, True, True)
    assert "  ".join((str(address), "tags differ")) not in plan_text(plan, Look())
    arn = "arn:aws:elasticloadbalancing:us-west-2:123456789012:loadbalancer/app/my-app-alb/3405095c8a5006c1"
    node = Node("load-balancer/my-app-alb", arn, "internet-facing my-app-alb-7818763383.us-west-2.elb.amazonaws.com")
    shown = tree_text("shop", [node], Look(columns=columns))
    assert max(map(len, shown.splitlines())) <= 100
    assert (arn in shown, arn in tree_text("shop", [node], Look())) == (False, True)
    assert "…/3405095c8a5006c1" in tree_text("shop", [Node(node.name, arn, "internet-facing")], Look(columns=columns))
