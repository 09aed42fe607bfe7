"""What Alarms, and the standard alarms of a service, compile to."""

from __future__ import annotations

from reconciler.model.resource import Address, Ref
from reconciler.spec.compile import compile_deliveries, compile_specs
from tests.spec.folder import lay

ACCOUNT = "123456789012"


def test_one_line_makes_the_alarms_that_most_services_need() -> None:
    """For each target group those of its own, by the ids that AWS gives it and its load balancer."""
    specs = lay("kind: Service\nname: my-app-frontend\nalarms: standard\n")
    assert specs.ok, specs.diagnostics
    found = {one.address.name: one for one in compile_specs(specs, account=ACCOUNT) if one.address.kind == "alarm"}
    groups = ("my-app-frontend-tg-1", "my-app-frontend-tg-2")
    behind = {f"my-app-frontend-{what}-{group}" for what in ("5xx", "unhealthy") for group in groups}
    assert found.keys() == {"my-app-frontend-cpu", "my-app-frontend-memory"} | behind
    assert found["my-app-frontend-5xx-my-app-frontend-tg-1"].spec.dimensions == {
        "LoadBalancer": Ref(Address("load-balancer", "my-app-alb")),
        "TargetGroup": Ref(Address("target-group", "my-app-frontend-tg-1")),
    }
    assert found["my-app-frontend-cpu"].spec.dimensions == {
        "ClusterName": "my-app-cluster",
        "ServiceName": "my-app-frontend",
    }


def test_a_strategy_names_an_alarm_by_its_document() -> None:
    """Other names are those of alarms that the specs do not contain."""
    specs = lay(
        """
kind: Alarm
name: errors
aws_name: my-app-errors
metric: {namespace: my-app, name: errors, statistic: Sum}
above: 10
periods: 3
---
kind: DeploymentStrategy
name: careful
verify: {for: 5m, alarms: [errors, by-hand]}
"""
    )
    assert specs.ok, specs.diagnostics
    (delivery,) = compile_deliveries(specs)
    assert delivery.policy.alarms == ("my-app-errors", "by-hand")
    (alarm,) = [one for one in compile_specs(specs, account=ACCOUNT) if one.address.kind == "alarm"]
    spec = alarm.spec
    assert (spec.name, spec.comparison, spec.threshold) == ("my-app-errors", "GreaterThanThreshold", 10.0)
    assert (spec.period, spec.periods, spec.datapoints, spec.missing) == (60, 3, 3, "missing")


def test_a_rolling_deployment_names_an_alarm_by_its_document() -> None:
    """ECS is given the alarm's name in AWS."""
    specs = lay(
        """
kind: Alarm
name: errors
aws_name: my-app-errors
metric: {namespace: my-app, name: errors, statistic: Sum}
above: 10
---
kind: DeploymentStrategy
name: plain
type: rolling
rolling: {alarms: [errors, by-hand]}
---
kind: Service
name: my-app-frontend
deployment: plain
traffic: null
"""
    )
    assert specs.ok, specs.diagnostics
    (service,) = [one for one in compile_specs(specs, account=ACCOUNT) if one.address.kind == "service"]
    assert service.spec.aws["deploymentConfiguration"]["alarms"]["alarmNames"] == ["my-app-errors", "by-hand"]


def test_a_start_that_never_succeeds_goes_to_its_queue() -> None:
    """Which the schedule's role may send to; without one, what AWS does by itself is declared."""
    specs = lay(
        """
kind: Task
name: nightly
cluster: my-app-cluster
run:
  schedule: rate(1 hour)
  retry: {attempts: 3, max_age: 1h}
  dead_letter_queue: my-app-failed
task: {cpu: 256, memory: 512, containers: {job: {image: {registry: my-app-frontend, tag: v1}}}}
placement: {subnets: [app-public1-a], security_groups: [my-app-task-sg], public_ip: true}
"""
    )
    assert specs.ok, specs.diagnostics
    found = {str(one.address): one for one in compile_specs(specs, account=ACCOUNT)}
    queue = f"arn:aws:sqs:us-west-2:{ACCOUNT}:my-app-failed"
    spec = found["schedule/nightly"].spec
    assert (spec.retry_attempts, spec.max_event_age, spec.dead_letter_queue) == (3, 3600, queue)
    statements = found["role/nightly-schedule"].spec.policies["start-task"]["Statement"]
    assert [one["Resource"] for one in statements if "sqs:SendMessage" in one["Action"]] in ([(queue,)], [[queue]])
