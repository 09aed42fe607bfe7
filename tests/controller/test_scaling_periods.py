"""Limits by the time of the week: AWS sets them, and the controller leaves those that are in the specs."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.controller.test_controller import Files, Running
from tests.controller.test_in_flight import FRONTEND
from tests.controller.test_limits_of_scaling import count, limits
from tests.harness.emulated_stack import SEED, SHORT, emulated_stack

PERIOD = "scaling: {{min: 2, max: 4, cpu: 60, periods: {{night: {{from: '{}', to: '{}', min: 0, max: 0}}}}}}"


@pytest.mark.slow
def test_a_service_sleeps_at_night_and_wakes_in_the_morning(tmp_path: Path) -> None:
    """No write of ours at either time. What somebody else sets is put right, and a change of the day's limits too."""
    folder = Path(shutil.copytree(SEED, tmp_path / "specs"))
    with emulated_stack(terms=SHORT, folder=folder) as stage:
        start = stage.laptop.clock.now().replace(second=0, microsecond=0) + timedelta(hours=1)
        begins, ends = start, start + timedelta(minutes=30)
        text = (folder / FRONTEND).read_text(encoding="utf-8")
        period = PERIOD.format(f"{begins:%H:%M}", f"{ends:%H:%M}")
        (folder / FRONTEND).write_text(text.replace("desired_count: 1", period), encoding="utf-8")
        stage.restart()
        stage.serving()
        running = Running(stage, Files(folder))
        running.go(120)
        assert (limits(stage), count(stage)) == ((2, 4), 2)
        running.quiet()

        running.go((begins - stage.laptop.clock.now()).total_seconds() + 300)
        assert (limits(stage), count(stage)) == ((0, 0), 0)
        running.go((ends - stage.laptop.clock.now()).total_seconds() + 300)
        assert (limits(stage), count(stage)) == ((2, 4), 2)
        assert running.writes() == {}

        stage.laptop.client("application-autoscaling").register_scalable_target(
            ServiceNamespace="ecs",
            ResourceId="service/my-app-cluster/my-app-frontend",
            ScalableDimension="ecs:service:DesiredCount",
            MinCapacity=1,
            MaxCapacity=9,
        )
        running.go(600)
        assert limits(stage) == (2, 4)
        running.quiet()

        running.files.edit(FRONTEND, "{min: 2, max: 4,", "{min: 3, max: 4,")
        running.go(300)
        assert (limits(stage), count(stage)) == ((3, 4), 3)
        writes = running.writes()
        assert (writes["RegisterScalableTarget"], writes["PutScheduledAction"]) == (1, 1)
        actions = stage.laptop.client("application-autoscaling").describe_scheduled_actions(ServiceNamespace="ecs")
        found = {one["ScheduledActionName"]: one["ScalableTargetAction"] for one in actions["ScheduledActions"]}
        assert found["reconciler-night-ends"] == {"MinCapacity": 3, "MaxCapacity": 4}
