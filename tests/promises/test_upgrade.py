"""An upgrade, and the way back, in the middle of anything: the version before and this one take turns in every phase.

Whatever one of them has stored, the other goes on from. No request to production is lost, no deadline becomes shorter,
nothing is started twice, no quarantine is lifted, and in the end neither has anything left to do.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.local.scripted import Script
from reconciler.rollout.engine import Phase, engines
from tests.harness.emulated_stack import CLUSTER, SERVICE, image_digest, image_manifest
from tests.harness.spec_changes import Document
from tests.harness.versions import Versions, old_revision, versions
from tests.promises.conftest import Record
from tests.promises.golden_records import MIGRATE
from tests.promises.test_changes import STRATEGIES, documents_of, with_image

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not old_revision(), reason="the history of the repository is not at hand"),
]
TURNS = ("old", "new", "old", "new")
"""Who works on a phase, one after the other."""
HERE = 7.0
"""Seconds for which each of them does: longer than it waits for what its predecessor wrote."""
SHIFTED = (
    Phase.PRE_DEPLOYMENT,
    Phase.SCALING_UP,
    Phase.TESTING,
    Phase.AWAITING_PROMOTION,
    Phase.SHIFTING,
    Phase.VERIFYING,
    Phase.BAKING,
    Phase.TEARDOWN,
)
IN_FLIGHT = {
    "task_sets": SHIFTED,
    "codedeploy": SHIFTED,
    "ecs_native": SHIFTED,
    "rolling": (Phase.PRE_DEPLOYMENT, Phase.SCALING_UP),
}
"""The phases of each engine in which a version is under way; an engine that is not named has to be."""
HELD = {"ecs_native": "refused:unsupported:"}
"""What an engine answers to `hold` at a timed promotion, if it does not accept it: ECS keeps that time."""
OVER = (Phase.IDLE, Phase.FAILED, Phase.ROLLED_BACK)


def documents(strategy: str) -> tuple[Document, ...]:
    found = [one for one in documents_of(strategy) if one["kind"] != "Task"]
    for test in (test for one in found if one["kind"] == "DeploymentStrategy" for test in one.get("test", ())):
        test |= {"times": 20, "within": "10m"}  # long enough for the versions to take turns in it
    return (*found, yaml.safe_load(MIGRATE))


@dataclass(slots=True)
class Laws:
    """What has to hold after each round, whoever made it."""

    two: Versions
    wrong: list[str] = field(default_factory=list)
    deadlines: dict[str, int] = field(default_factory=dict)
    started: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    quarantine: set[str] = field(default_factory=set)

    def tags(self) -> dict[str, str]:
        return {tag["key"]: tag["value"] for tag in self.service().get("tags", ())}

    def service(self) -> dict[str, Any]:
        ecs = self.two.laptop.client("ecs")
        found = ecs.describe_services(cluster=CLUSTER, services=[SERVICE], include=["TAGS"])["services"]
        return found[0] if found else {}

    def look(self) -> None:
        service, tags = self.service(), self.tags()
        self._deadline(tags.get("reconciler:deadline", ""))
        now = set(tags.get("reconciler:quarantine", "").split())
        if not self.quarantine <= now:
            self._breach(f"the quarantine of {self.quarantine - now} was lifted")
        self.quarantine = now
        for one in service.get("taskSets", ()):
            release = one.get("externalId") or one["taskDefinition"]
            self.started[f"task set of {release}"].add(one["id"])
        for one in service.get("deployments", ()):
            self.started[f"deployment of {one['taskDefinition']}"].add(one["id"])
        self._runs()
        more = {name: ids for name, ids in self.started.items() if len(ids) > 1}
        if more:
            self._breach(f"started more than once: {more}")

    def _deadline(self, text: str) -> None:
        """Of one release and kind it only ever moves back."""
        match = re.fullmatch(r"([^:]+:[a-z]+\d*):(\d+)", text)
        if match is None:
            return
        if int(match[2]) < self.deadlines.get(match[1], 0):
            self._breach(f"the deadline {match[1]} became {self.deadlines[match[1]] - int(match[2])} s shorter")
        self.deadlines[match[1]] = int(match[2])

    def _runs(self) -> None:
        ecs = self.two.laptop.client("ecs")
        for status in ("RUNNING", "STOPPED"):
            for arn in ecs.list_tasks(cluster=CLUSTER, family="migrate", desiredStatus=status)["taskArns"]:
                (task,) = ecs.describe_tasks(cluster=CLUSTER, tasks=[arn], include=["TAGS"])["tasks"]
                token = next((tag["value"] for tag in task["tags"] if tag["key"] == "reconciler:run-token"), "")
                self.started[f"pre-deployment task {token}"].add(arn)

    def _breach(self, what: str) -> None:
        if what not in self.wrong:
            self.wrong.append(f"{self.two.using} in {self.two.phases[-1:]}: {what}")


@contextmanager
def serving(strategy: str, place: Path) -> Iterator[tuple[Versions, Laws]]:
    """The old version has brought up v1."""
    with versions(documents(strategy), place) as two:
        two.laptop.script(Script(image="*python*", exits_after=20.0, exit_code=0))
        two.use("old")
        two.go(60.0)
        for tag in ("v1", "v2", "v3"):
            two.laptop.client("ecr").put_image(repositoryName=SERVICE, imageManifest=image_manifest(tag), imageTag=tag)
        two.settle()
        two.outsider.expect({"my-app-alb": 2})
        laws = Laws(two)
        laws.look()
        two.watch = laws.look
        two.phases.clear()
        yield two, laws


def take_turns(two: Versions, order: Sequence[str] = TURNS) -> None:
    for version in order:
        two.use(version)
        two.go(HERE)


def request(two: Versions, laws: Laws, verb: str) -> None:
    """As the old version's command line writes it."""
    release = laws.tags()["reconciler:deadline"].partition(":")[0]
    now = int(two.laptop.clock.now().timestamp())
    text = f"{verb}:{release}:upgrade1:{now}:ana"
    arn = laws.service()["serviceArn"]
    two.laptop.client("ecs").tag_resource(resourceArn=arn, tags=[{"key": "reconciler:request", "value": text}])


def at_rest(two: Versions, laws: Laws) -> None:
    """Each version reads everything, and writes nothing."""
    two.settle()
    for version in TURNS:
        two.use(version)
        two.go(120.0)
        assert two.said["writes"] == 0, (version, two.said)
    assert two.outsider.breaches == []
    assert laws.wrong == []


def test_every_engine_has_its_phases() -> None:
    """One that is new is not forgotten here."""
    assert engines().keys() == IN_FLIGHT.keys()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_versions_take_turns_in_every_phase(strategy: str, tmp_path: Path, record: Record) -> None:
    """A new version is rolled out and promoted by request, the next one fails, and both stay as they are.

    Taking turns in one of two phases in a row takes the other's time: of these, each strategy has its own.
    """
    passed_over = Phase.SCALING_UP if strategy.startswith("canary by") else Phase.TESTING
    engine = STRATEGIES[strategy].get("engine") or next(
        one.name for one in engines().values() if one.default and STRATEGIES[strategy]["type"] in one.types
    )
    with serving(strategy, tmp_path) as (two, laws):
        two.commit(with_image(documents(strategy), "v2"))
        seen: list[str] = []
        while (phase := two.until(*IN_FLIGHT[engine], *OVER)) not in OVER or not seen:
            if phase in OVER:
                two.go(1.0)
                continue
            if phase in (*seen, passed_over):
                two.go(1.0)
                continue
            seen.append(phase)
            asked = phase == Phase.AWAITING_PROMOTION
            if asked:
                request(two, laws, "hold")
            take_turns(two)
            if asked:
                assert laws.tags()["reconciler:response"].startswith(f"upgrade1:{HELD.get(engine, 'accepted')}")
                two.laptop.client("ecs").untag_resource(
                    resourceArn=laws.service()["serviceArn"], tagKeys=["reconciler:hold"]
                )
        assert two.phases[-1] == Phase.IDLE, two.phases
        assert laws.tags()["reconciler:ended"].split(":")[1] == "Promoted"
        missing = set(IN_FLIGHT[engine]) - set(seen)
        assert missing <= {Phase.TEARDOWN, Phase.SHIFTING, Phase.SCALING_UP, passed_over}, two.phases
        at_rest(two, laws)

        two.laptop.script(Script(image=f"*{image_digest('v3')}*", healthy=False, exits_after=5.0, exit_code=1))
        two.commit(with_image(documents(strategy), "v3"))
        two.until(Phase.FAILED, Phase.ROLLED_BACK)
        take_turns(two)
        assert len(laws.quarantine) == 1
        at_rest(two, laws)
        record("S19", f"versions that take turns in every phase, {strategy}", worlds=len(seen) + 1, violations=0)
