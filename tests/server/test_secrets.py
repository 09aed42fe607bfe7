"""S15: what is secret is never said to whoever watches: not in metrics, health, notifications or the log of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from structlog.testing import capture_logs

from reconciler import errors, events
from reconciler.clock import ManualClock
from reconciler.controller.schedule import Intervals
from reconciler.controller.status import of
from reconciler.model.resource import Call
from reconciler.notifications.notifier import SECRET, Notifier, Webhook, parse
from reconciler.notifications.webhook_client import Answered, Place
from reconciler.server.health import Health
from reconciler.server.metrics import Metrics
from tests.controller.test_controller import Files, Running
from tests.harness.canaries import CANARIES, Song, heard
from tests.harness.emulated_stack import SEED, SERVICE, SHORT, EmulatedStack, emulated_stack

ENVIRONMENT = {"DB_PASSWORD": CANARIES["environment-by-name"], "DB": CANARIES["environment-by-shape"]}
URL = f"https://hooks.example/{CANARIES['credentials']}?key={CANARIES['parameter-value']}"


class Wire:
    """What was sent, as it would leave; the first is refused with the URL's secrets in reach."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.headers: list[str] = []

    def __call__(self, place: Place, body: bytes, headers: object) -> Answered:
        self.bodies.append(body)
        self.headers.append(repr(headers))
        return Answered(404 if len(self.bodies) == 1 else 200)


def _plant(stage: EmulatedStack) -> None:
    """What people do by hand: secrets in a new revision and in its log options, and in tags."""
    ecs, ec2 = stage.laptop.client("ecs"), stage.laptop.client("ec2")
    ecs.register_task_definition(
        family=SERVICE,
        containerDefinitions=[{
            "name": "app", "image": "x", "memory": 64,
            "environment": [{"name": k, "value": v} for k, v in ENVIRONMENT.items()],
            "logConfiguration": {"logDriver": "splunk", "options": {"splunk-token": CANARIES["log-option"]}},
        }],
    )  # fmt: skip
    mine = [{"Name": "tag:reconciler:address", "Values": ["vpc/my-workspace"]}]
    (vpc,) = ec2.describe_vpcs(Filters=mine)["Vpcs"]
    tags = [{"Key": "db-password", "Value": CANARIES["tag"]}, {"Key": "Name", "Value": CANARIES["tag"]}]
    ec2.create_tags(Resources=[vpc["VpcId"]], Tags=tags)


def test_no_secret_reaches_whoever_watches(tmp_path: Path) -> None:
    """Planted in the account, in rejected specs, in refusals of AWS's and in the webhook's own URL: none is heard."""
    wire, songs = Wire(), list[Song]()
    with emulated_stack(terms=SHORT) as stage, capture_logs() as logs:
        running = Running(stage, Files(Path(shutil.copytree(SEED, tmp_path / "specs"))))
        target = parse(f"webhook:{URL}", environ={SECRET: CANARIES["secret-value"]})
        assert isinstance(target, Webhook)
        notifier = Notifier(Webhook(target.place, target.secret, wire), stack="shop", clock=ManualClock())
        health = Health(lambda: of(running.loop, None, (notifier,)), ManualClock())
        metrics = Metrics(lambda: of(running.loop, None, (notifier,)))
        running.loop.recorder.sinks += (notifier, metrics.on_entry, health.on_entry)
        running.loop.reports += (metrics.on_pass, health.on_pass)
        running.loop.timer.rhythm = Intervals(medium=30.0)
        running.go(20)
        _plant(stage)
        running.go(60)
        text = (running.files.folder / "services" / "frontend.yaml").read_text(encoding="utf-8")
        for name, value in ENVIRONMENT.items():
            planted = text.replace("{GREETING: Hello World}", f'{{GREETING: Hello World, {name}: "{value}"}}')
            assert planted != text
            (running.files.folder / "services" / "frontend.yaml").write_text(planted, encoding="utf-8")
            running.files.number += 1
            running.go(20)
        for name in (events.ROLLOUT_REFUSED, events.PLAN_BLOCKED, events.ROLLOUT_ENDED):
            cause = f"DB_PASSWORD={CANARIES['environment-by-name']}"
            details = {"cause": cause, **ENVIRONMENT}
            running.loop.recorder.emit(name, f"service/{SERVICE}", f"it read {ENVIRONMENT['DB']}", details)
        metrics.refused(Call("ecs", "CreateService"), errors.Invalid(f"bad value {ENVIRONMENT['DB']}"))
        notifier.close(5.0)
        assert len(running.said(events.SPEC_REJECTED)) == len(ENVIRONMENT)
        assert running.said(events.DRIFT_REPAIRED)
        songs += heard("metrics", metrics.text().decode())
        songs += heard("health", json.dumps([health.live().said, health.ready().said]))
        songs += heard("readable forms", repr([notifier._target, target, running.loop.revisions.rejected]))
    told = {json.loads(body)["event"] for body in wire.bodies}
    assert {events.SPEC_REJECTED, events.DRIFT_REPAIRED, events.ROLLOUT_ENDED} <= told
    songs += heard("notifications", repr(wire.bodies) + repr(wire.headers))
    songs += heard("the log of notifications", repr([one for one in logs if one["event"].startswith("notify.")]))
    assert any(one["event"] == "notify.failed" for one in logs)
    assert not songs, "\n".join(map(str, songs))
