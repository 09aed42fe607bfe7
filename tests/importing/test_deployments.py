"""Import of what changes a service by itself: the alarms of its deployments, and autoscaling."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli.output.exits import Exit
from tests.importing.account import TAGS_ONLY, Account, account, writes
from tests.reconcile.test_adoption import planned

TOPIC = "arn:aws:sns:us-west-2:123456789012:ops"


@pytest.fixture
def hand(tmp_path: Path) -> Iterator[Account]:
    with account(tmp_path) as found:
        found.client("sns").create_topic(Name="ops")
        found.network()
        found.cluster()
        yield found


def alarm(hand: Account, name: str, **fields: Any) -> None:
    settings = {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": "orders"}],
        "Statistic": "Maximum",
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 300.0,
        "Period": 60,
        "EvaluationPeriods": 5,
        "DatapointsToAlarm": 3,
        "TreatMissingData": "notBreaching",
        "AlarmActions": [TOPIC],
        "OKActions": [TOPIC],
    }
    hand.client("cloudwatch").put_metric_alarm(AlarmName=name, **{**settings, **fields})


def watching(*names: str, **fields: Any) -> dict[str, Any]:
    return {"deploymentConfiguration": {"alarms": {"alarmNames": [*names], "enable": True, "rollback": True, **fields}}}


def imported(hand: Account) -> dict[str, Any]:
    """The resources by name, after an apply of the documents has written tags alone."""
    ran = hand.imported("-o", "json")
    assert ran.code == Exit.DONE, ran.out + ran.err
    stage = hand.opened()
    stage.apply()
    assert set(writes(stage.transport.sent)) <= TAGS_ONLY
    assert planned(stage).actions == ()
    found = json.loads(ran.out)["resources"]
    return {one["id"].rpartition(":")[2]: (one["own"], one["because"]) for one in found if one["type"] == "alarm"}


def test_the_alarms_of_a_deployment_are_owned(hand: Account) -> None:
    """Each is a document, and the strategy names them; what a document cannot say of one is referred to by its name."""
    alarm(hand, "orders are late")
    alarm(hand, "orders at the limit", ComparisonOperator="GreaterThanOrEqualToThreshold")
    alarm(hand, "scales something", OKActions=[])
    alarm(hand, "nobody asks for it")
    hand.service("web", **watching("orders are late", "orders at the limit", "scales something", rollback=False))
    found = imported(hand)
    assert {name: own for name, (own, _) in found.items()} == {
        "orders are late": True, "orders at the limit": False, "scales something": False,
    }  # fmt: skip
    assert "GreaterThanOrEqualToThreshold" in found["orders at the limit"][1]
    assert yaml.safe_load(hand.text("alarms.yaml")) == {
        "kind": "Alarm",
        "name": "orders are late",
        "adopt": True,
        "metric": {
            "namespace": "AWS/SQS",
            "name": "ApproximateAgeOfOldestMessage",
            "dimensions": {"QueueName": "orders"},
            "statistic": "Maximum",
        },
        "above": 300,
        "periods": 5,
        "datapoints": 3,
        "missing": "not_breaching",
        "notify": [TOPIC],
    }
    rolling = yaml.safe_load(hand.text("deployment.yaml"))["rolling"]
    names = ["orders are late", "orders at the limit", "scales something"]
    assert rolling["alarms"] == {"names": names, "rollback": False}


@pytest.mark.slow
def test_an_alarm_that_another_service_watches_is_referred_to(hand: Account) -> None:
    """As every other thing that is not the imported services' alone."""
    alarm(hand, "orders are late")
    hand.service("web", **watching("orders are late"))
    hand.cluster("staging")
    hand.service("web", cluster="staging", **watching("orders are late"))
    assert imported(hand) == {"orders are late": (False, "it is used by what is not imported: web")}


def scaled(hand: Account, *policies: tuple[str, dict[str, Any]], actions: tuple[dict[str, Any], ...] = ()) -> None:
    scaling = hand.client("application-autoscaling")
    target = {
        "ServiceNamespace": "ecs",
        "ResourceId": "service/prod/web",
        "ScalableDimension": "ecs:service:DesiredCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=1, MaxCapacity=8)
    for name, fields in policies:
        kind = "StepScaling" if "StepAdjustments" in fields else "TargetTrackingScaling"
        scaling.put_scaling_policy(**target, PolicyName=name, PolicyType=kind, **{f"{kind}PolicyConfiguration": fields})
    for action in actions:
        scaling.put_scheduled_action(**target, **action)


def tracking(metric: str, target: float, **fields: Any) -> dict[str, Any]:
    return {"TargetValue": target, "PredefinedMetricSpecification": {"PredefinedMetricType": metric}, **fields}


def text(hand: Account) -> str:
    return hand.text("services/web.yaml")


def test_policies_of_every_sort_stay_and_are_named(hand: Account) -> None:
    """Under other names they would be replaced: a comment has the block that says the same, and what it cannot say."""
    hand.service("web")
    custom = {"Namespace": "Shop", "MetricName": "Jobs", "Statistic": "Average"}
    metrics = [
        {"Id": "m", "MetricStat": {"Metric": {"Namespace": "Shop", "MetricName": "Jobs"}, "Stat": "Maximum"}},
    ]
    scaled(
        hand,
        ("by-cpu", tracking("ECSServiceAverageCPUUtilization", 55.0, ScaleInCooldown=60)),
        ("by-jobs", {"TargetValue": 2.5, "CustomizedMetricSpecification": {"Metrics": metrics}}),
        ("old", {"TargetValue": 4.0, "CustomizedMetricSpecification": custom}),
        (
            "steps",
            {
                "AdjustmentType": "ChangeInCapacity",
                "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
            },
        ),
        actions=(
            {
                "ScheduledActionName": "night",
                "Schedule": "cron(0 22 * * ? *)",
                "ScalableTargetAction": {"MinCapacity": 0, "MaxCapacity": 1},
            },
        ),
    )
    imported(hand)
    document = yaml.safe_load(text(hand))
    assert "scaling" not in document
    comment = " ".join(text(hand).replace("# ", "").split())
    assert "1 to 8 tasks, with the policies by-cpu, by-jobs, old, steps." in comment
    for left in ("the policy old (CustomizedMetric)", "the policy steps (StepScaling)", "the scheduled action night"):
        assert left in comment
    suggested = [line[2:] for line in text(hand).splitlines() if line.startswith(("# scaling:", "#   "))]
    assert yaml.safe_load("\n".join(suggested))["scaling"] == {
        "min": 1,
        "max": 8,
        "cpu": 55,
        "metrics": {"by-jobs": {"namespace": "Shop", "name": "Jobs", "statistic": "Maximum", "target": 2.5}},
        "scale_in_cooldown": "1m",
    }


@pytest.mark.slow
def test_what_is_suggested_for_policies_of_others_is_valid(hand: Account) -> None:
    """Stated as the comment says, it replaces them, with the document's consent."""
    hand.service("web")
    scaled(hand, ("by load", tracking("ECSServiceAverageCPUUtilization", 55.0)))
    imported(hand)
    assert "scaling:" in text(hand)
    stage = hand.opened()
    stage.change({"# scaling:": "scaling:", "adopt: true": "adopt: {accept_loss: [scaling/web.policies]}"})
    plan = planned(stage)
    assert plan.refusals == ()
    actions = (*plan.actions, *(one.action for one in plan.deferred))
    changes = {(str(action.address), change.path) for action in actions for change in action.changes}
    assert changes == {("scaling/web", ("policies", name)) for name in ("by load", "web-cpu")}


@pytest.mark.slow
def test_a_service_that_is_not_scaled_by_load_has_no_suggestion(hand: Account) -> None:
    hand.service("web")
    scaled(hand)
    imported(hand)
    assert "`scaling` is not stated" in text(hand)
    assert "scaling:" not in text(hand)


def test_what_the_documents_leave_out_of_a_service_is_named(hand: Account) -> None:
    """Members that nobody finds in the document, in a comment; those with a field are stated."""
    hand.service(
        "web",
        enableECSManagedTags=True,
        propagateTags="SERVICE",
        platformVersion="1.4.0",
        availabilityZoneRebalancing="DISABLED",
        serviceRegistries=[{"registryArn": registry(hand)}],
    )
    imported(hand)
    document = yaml.safe_load(text(hand))
    assert (document["managed_tags"], document["propagate_tags"]) == (True, "service")
    assert (document["platform_version"], document["availability_zone_rebalancing"]) == ("1.4.0", False)
    assert "# Kept in the service, as it is: serviceRegistries." in text(hand)


def registry(hand: Account) -> str:
    discovery = hand.client("servicediscovery")
    discovery.create_private_dns_namespace(Name="shop.local", Vpc=hand.vpc)
    (namespace,) = discovery.list_namespaces()["Namespaces"]
    made = discovery.create_service(
        Name="web",
        NamespaceId=namespace["Id"],
        DnsConfig={"DnsRecords": [{"Type": "A", "TTL": 10}]},
    )
    arn: str = made["Service"]["Arn"]
    return arn
