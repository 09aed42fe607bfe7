"""Compilation of a DeploymentStrategy and a Service's traffic to the strategy of its rollouts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from reconciler.rollout.durations import UNCHECKED, Durations
from reconciler.rollout.engine import default_engine
from reconciler.rollout.strategy import Function, OnNewRevision, Promotion, Share, SmokeTest, Strategy
from reconciler.rollout.windows import Window
from reconciler.spec.documents import Alarm, DeploymentStrategy, Service
from reconciler.spec.documents.deployment_strategy import ROLLING, Rolling


def compile_policy(strategy: DeploymentStrategy | None, service: Service, alarms: Iterable[Alarm] = ()) -> Strategy:
    """How `service` is deployed; without a strategy, as ECS does it. `alarms` are those that have documents."""
    if strategy is None:
        drain = timedelta() if service.traffic is None else service.traffic.deregistration_delay
        return Strategy(engine=default_engine(ROLLING), drain=drain, durations=durations(None, service))
    traffic, named = service.traffic, {alarm.name: alarm.name_in_aws for alarm in alarms}
    return Strategy(
        engine=strategy.driver,
        healthy_within=strategy.green.healthy_within,
        scale=strategy.green.scale,
        max_failed_tasks=strategy.green.max_failed_tasks,
        tests=tuple(
            SmokeTest(one.http, one.expect.status, one.expect.body or "", one.times, one.within)
            for one in strategy.test
        ),
        promotion=Promotion(strategy.promotion.mode),
        promotes_rotations=strategy.promotion.on_rotation == "auto",
        promote_after=strategy.promotion.after or timedelta(),
        shares=tuple(Share(one.weight, one.pause) for one in strategy.steps),
        stickiness=strategy.stickiness,
        verify_for=strategy.verify.period,
        alarms=tuple(named.get(one, one) for one in strategy.verify.alarms),
        max_5xx=strategy.verify.max_5xx,
        teardown_after=strategy.teardown.after,
        on_new_revision=OnNewRevision(strategy.on_new_revision),
        functions=tuple(Function(one.function.rpartition(":function:")[2], one.stages) for one in strategy.hooks),
        windows=tuple(
            Window(one.start, one.end, one.mode == "allow", one.days, one.time_zone) for one in strategy.windows
        ),
        drain=timedelta() if traffic is None else traffic.deregistration_delay,
        durations=durations(strategy, service),
    )


def durations(strategy: DeploymentStrategy | None, service: Service) -> Durations:
    """How long AWS takes for tasks of `service`, as far as the specs say it."""
    limits = Rolling() if strategy is None else strategy.rolling
    containers = service.task.containers.values()
    checked = [one.health_check.interval for one in containers if one.health_check is not None and one.essential]
    for _, traffic in service.forwardings:
        checked.append(traffic.health_check.interval * traffic.health_check.healthy_threshold)
    return Durations(healthy=max(checked, default=UNCHECKED), lower=limits.min_percent, upper=limits.max_percent)
