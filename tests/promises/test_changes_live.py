"""C1 with real processes: the specs are changed under a running controller, and no request to production is lost.

The same changes as in test_changes.py, of which some are drawn, and moves that take more than one field.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from reconciler.cli.output.exits import Exit
from tests.harness.spec_changes import Document
from tests.harness.transitions import least_of
from tests.promises.conftest import Record
from tests.promises.live import IN_PLACE, WAITS, Ends, live_documents, under_a_controller
from tests.promises.test_changes import SEED, possible, with_image

DRAWN = 10
"""Changes drawn of each strategy."""
BALANCER = "my-app-alb"

Edit = Callable[[list[Document]], None]
Case = tuple[str, Sequence[Document], Collection[Ends]]
"""A change, its documents, and how `diff` and `status` may end."""
REFUSED = (Exit.BLOCKED, Exit.BLOCKED)
INVALID = (Exit.FAILED, Exit.DONE)
FAILED = (Exit.DONE, Exit.ROLLED_BACK)
FAILED_AND_PENDING = (Exit.PENDING, Exit.ROLLED_BACK)
ANY_END = {IN_PLACE, REFUSED, WAITS, FAILED, FAILED_AND_PENDING}


def _one(documents: Sequence[Document], kind: str) -> Document:
    return next(one for one in documents if one["kind"] == kind)


def _target_group_renamed(documents: list[Document]) -> None:
    traffic = _one(documents, "Service")["traffic"]
    traffic["target_groups"] = [f"{name}-new" for name in traffic["target_groups"]]


def _port_changed(documents: list[Document]) -> None:
    """With other target groups, whose port AWS cannot change, as the refusal of the plan says."""
    _target_group_renamed(documents)
    for container in _one(documents, "Service")["task"]["containers"].values():
        container["port"] = 8080
        container["environment"] = {"GREETING": "Hello World", "PORT": "8080"}
    tasks = next(one for one in _one(documents, "Network")["security_groups"] if one["name"] == "my-app-task-sg")
    tasks["ingress"][0]["port"] = 8080


def _security_group_renamed(documents: list[Document]) -> None:
    groups = _one(documents, "Network")["security_groups"]
    next(one for one in groups if one["name"] == "my-app-task-sg")["name"] = "my-app-tasks"
    for one in documents:
        if "placement" in one:
            one["placement"]["security_groups"] = ["my-app-tasks"]


def _subnet_leaves(documents: list[Document]) -> None:
    for one in documents:
        if one["kind"] == "Service":
            one["placement"]["subnets"] = one["placement"]["subnets"][:1]


def _more_tasks(documents: list[Document]) -> None:
    _one(documents, "Service")["desired_count"] = 4


def _capacity_provider_leaves(documents: list[Document]) -> None:
    _one(documents, "Cluster")["capacity_providers"] = ["FARGATE"]


def _subnet_renamed(documents: list[Document]) -> None:
    next(one for one in _one(documents, "Network")["subnets"] if one["access"] == "private")["name"] = "core-private1-a"


def _secrets_missing(documents: list[Document]) -> None:
    container = _one(documents, "Service")["task"]["containers"]["frontend"]
    container["secrets"] = {"KEY": "secretsmanager:shop/api:key", "NAME": "secretsmanager:shop/name"}


def _image_of_another_account(documents: list[Document]) -> None:
    container = _one(documents, "Service")["task"]["containers"]["frontend"]
    container["image"] = "210987654321.dkr.ecr.us-west-2.amazonaws.com/shared/web:v1"


def _tags_alike(documents: list[Document]) -> None:
    _one(documents, "Stack")["tags"] = {"team": "learn-ecs", "Team": "other", "Cost Center": "42", "web owner": "ana"}


def _tags_with_spaces(documents: list[Document]) -> None:
    _one(documents, "Stack")["tags"] = {"team": "learn-ecs", "Cost Center": "42", "web owner": "ana"}


def _drift_ignored(documents: list[Document]) -> None:
    rule = {"match": "route-table/*", "path": "routes", "mode": "ignore", "reason": "the network team peers"}
    _one(documents, "Stack")["drift"] = [rule]


def _port_that_nobody_may_reach(documents: list[Document]) -> None:
    certificate = "arn:aws:acm:us-west-2:123456789012:certificate/01234567-89ab-cdef-0123-456789abcdef"
    listeners = _one(documents, "LoadBalancer")["listeners"]
    listeners["production"] = {"port": 443, "protocol": "HTTPS", "certificates": [certificate]}
    listeners["plain"] = {"port": 80}


LATER = (Exit.PENDING, Exit.DONE)
"""In place, but for what the next release removes: its tasks have to leave it first."""
MOVES: dict[str, tuple[Edit, Ends]] = {
    "target groups renamed": (_target_group_renamed, IN_PLACE),
    "container port changed": (_port_changed, IN_PLACE),
    "security group renamed": (_security_group_renamed, IN_PLACE),
    "a subnet leaves the service": (_subnet_leaves, IN_PLACE),
    "a subnet renamed, its range the same": (_subnet_renamed, REFUSED),
    "more tasks": (_more_tasks, IN_PLACE),
    "a capacity provider leaves": (_capacity_provider_leaves, IN_PLACE),
    "tags whose keys differ in case": (_tags_alike, INVALID),
    "tags whose keys hold spaces": (_tags_with_spaces, IN_PLACE),
    "drift of some fields ignored": (_drift_ignored, IN_PLACE),
    "a listener's port that nobody may reach": (_port_that_nobody_may_reach, INVALID),
}
"""And how `diff` and `status` end."""
SHIFTED: dict[str, tuple[Edit, Ends]] = {"target groups renamed": (_target_group_renamed, LATER)}
"""Where the rollout shifts the traffic, tasks stay in the group that they have until the next release."""
FAILING: dict[str, tuple[Edit, Ends]] = {
    "secrets that do not exist": (_secrets_missing, FAILED),
    "an image that does not exist in another account": (_image_of_another_account, FAILED_AND_PENDING),
}
"""The permissions that the version before needs are removed once nothing needs them: `diff` has them as pending."""


def _check(place: Path, strategy: str, several: Sequence[Case], record: Record, kind: str) -> None:
    """Each change ends in one of the given ways; taken back, everything is as it was."""
    before = live_documents(strategy)
    wrong: list[str] = []
    answered = lost_in_all = 0
    with under_a_controller(place, before) as living:
        for what, documents, allowed in several:
            for name, wanted, ends in ((what, documents, allowed), (f"{what}, taken back", before, {IN_PLACE})):
                with living.traffic() as traffic:
                    living.commit(wanted)
                    because = living.ends(*ends)
                answered += traffic.answered
                lost_in_all += sum(traffic.lost.values())
                if traffic.lost or because:
                    wrong.append(f"{name}: {traffic.answered} answered, lost {traffic.lost}; {because}")
    for promise in ("S3", "C1"):
        record(promise, f"{strategy}, {kind}, live", worlds=2 * len(several), violations=len(wrong), requests=answered,
           lost=lost_in_all)  # fmt: skip
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["rolling", "blue_green", "canary"])
def test_no_request_is_lost_to_a_drawn_change(strategy: str, tmp_path: Path, record: Record) -> None:
    """It is in place at the end, or refused at plan, or waits for an image, or has failed with a reason."""
    documents = live_documents(strategy)
    serving = [one for one in possible(documents) if least_of(one.documents, BALANCER) is not None]
    drawn = random.Random(f"{SEED} live {strategy}").sample(serving, DRAWN)
    _check(tmp_path, strategy, [(one.what, one.documents, ANY_END) for one in drawn], record, "drawn changes")


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["rolling", "blue_green"])
def test_no_request_is_lost_to_a_move(strategy: str, tmp_path: Path, record: Record) -> None:
    several = [*_edited(strategy, MOVES if strategy == "rolling" else MOVES | SHIFTED)]
    several.append(("a new version", with_image(live_documents(strategy), "v2"), {IN_PLACE}))
    _check(tmp_path, strategy, several, record, "moves")


@pytest.mark.slow
def test_no_request_is_lost_to_a_version_that_cannot_start(tmp_path: Path, record: Record) -> None:
    """ECS rolls back, and says why."""
    _check(tmp_path, "rolling", [*_edited("rolling", FAILING)], record, "versions that cannot start")


def _edited(strategy: str, edits: Mapping[str, tuple[Edit, Ends]]) -> Iterator[Case]:
    for what, (edit, ends) in edits.items():
        documents = copy.deepcopy(list(live_documents(strategy)))
        edit(documents)
        yield what, documents, {ends}


@pytest.mark.slow
def test_a_rolling_service_leaves_its_load_balancer_and_comes_back(tmp_path: Path, record: Record) -> None:
    """Without `traffic` it is deployed all the same, and nobody answers; with it, every request is answered again."""
    before = live_documents("rolling")
    without = copy.deepcopy(before)
    del _one(without, "Service")["traffic"]
    with under_a_controller(tmp_path, before) as living:
        for documents in (without, with_image(without, "v2"), with_image(before, "v2")):
            living.commit(documents)
            assert not (because := living.ends()), because
        with living.traffic() as traffic:
            living.commit(with_image(before, "v3"))
            assert not (because := living.ends()), because
    for promise in ("S3", "C1"):
        record(promise, "rolling, traffic added again, live", worlds=1, violations=int(bool(traffic.lost)),
           requests=traffic.answered, lost=sum(traffic.lost.values()))  # fmt: skip
    assert not traffic.lost
    assert set(traffic.versions) == {"v2", "v3"}
