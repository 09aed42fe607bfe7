"""What CreateService and UpdateService refuse of deployments that shift traffic. Source: ECS API reference,
DeploymentConfiguration and its parts; developer guide, "Troubleshooting Amazon ECS blue/green deployments",
"Synchronous path".
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.local.control_plane.native import Native, pause
from tests.local.control_plane.stage import Stage, forward, refused


@pytest.mark.parametrize("strategy", ["ROLLING", "BLUE_GREEN"])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alternateTargetGroupArn": None}, "alternateTargetGroupArn"),
        ({"roleArn": None}, "roleArn"),
        (
            {"productionListenerRule": "arn:aws:elasticloadbalancing:us-west-2:123456789012:listener/app/alb/1/2"},
            "productionListenerRule has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: ",
        ),
        (
            {"testListenerRule": "nonsense"},
            "testListenerRule has an invalid ARN format. Must be RuleArn for ALB or ListenerArn for NLB. Got: nonsense",
        ),
        (
            {"testListenerRule": "same"},
            "The following rules cannot be used as both production and test listener rules: arn:",
        ),
        ({"alternateTargetGroupArn": "same"}, "Duplicate targetGroupArn found: arn:"),
    ],
)
def test_pairs_that_cannot_be_are_refused(stage: Stage, strategy: str, changes: dict[str, Any], words: str) -> None:
    """Whatever the strategy is at the moment."""
    native = Native(stage, settle=False)
    stage.service(loadBalancers=stage.behind(stage.blue))
    given = {"testListenerRule": native.rules[0], "alternateTargetGroupArn": stage.blue}
    changes = {name: given[name] if value == "same" else value for name, value in changes.items()}
    with refused("InvalidParameterException", words):
        stage.update(loadBalancers=native.pair(**changes), deploymentConfiguration={"strategy": strategy})


def test_a_test_rule_is_needed_for_a_group_that_production_does_not_name(stage: Stage) -> None:
    """ "Missing test listener rule with an Application Load Balancer"."""
    native = Native(stage, settle=False)
    stage.elb.modify_listener(ListenerArn=stage.production, DefaultActions=[forward({stage.blue: 1})])
    native.changes = {"testListenerRule": None}
    with refused(
        "InvalidParameterException",
        "For Application LoadBalancer, testListenerRule is required when productionListenerRule is not associated with "
        "both targetGroup and alternateTargetGroup",
    ):
        native.create()
    native.changes = {}
    native.create()
    assert native.where()[1] == "BAKE_TIME"


def test_all_load_balancers_have_pairs_or_none(stage: Stage) -> None:
    """ "Inconsistent advanced configuration", "Missing advanced configuration with blue/green deployment"."""
    native = Native(stage, settle=False)
    third = stage.target_group("third")
    stage.listener(81, {third: 1})
    with refused("InvalidParameterException", "Either all or none of the provided loadBalancers must have"):
        stage.service(loadBalancers=[*native.pair(), *stage.behind(third)])
    with refused(
        "InvalidParameterException",
        "advancedConfiguration field is required for all loadBalancers when using a non-ROLLING deployment strategy",
    ):
        stage.service(loadBalancers=stage.behind(stage.blue), deploymentConfiguration={"strategy": "CANARY"})


LINEAR, CANARY = ("linearConfiguration", "stepPercent"), ("canaryConfiguration", "canaryPercent")


@pytest.mark.parametrize(
    ("strategy", "member", "good", "bad"),
    [
        ("LINEAR", LINEAR, (3.0, 3.1, 33.3, 100.0), (2.9, 3.05, 100.1, 0.0)),
        ("CANARY", CANARY, (0.1, 0.3, 5.0, 99.9, 100.0), (0.0, 0.05, 0.25, 100.1)),
    ],
)
def test_steps_are_multiples_of_a_tenth(
    stage: Stage, strategy: str, member: tuple[str, str], good: tuple[float, ...], bad: tuple[float, ...]
) -> None:
    """LinearConfiguration, "stepPercent"; CanaryConfiguration, "canaryPercent"."""
    stage.service()
    part, name = member
    for value in bad:
        with refused("InvalidParameterException", name):
            stage.update(deploymentConfiguration={"strategy": strategy, part: {name: value}})
    for value in good:
        answer = stage.update(deploymentConfiguration={"strategy": strategy, part: {name: value}})
        assert answer["deploymentConfiguration"][part][name] == value


def test_what_is_left_out_is_filled_in(stage: Stage) -> None:
    """The defaults of LinearConfiguration, CanaryConfiguration and DeploymentLifecycleHookTimeoutConfiguration."""
    stage.service()
    hooks = [
        {"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"]},
        pause("POST_SCALE_UP", timeoutInMinutes=1, action="CONTINUE"),
        {"hookTargetArn": "arn:f", "roleArn": "arn:r", "lifecycleStages": ["PRODUCTION_TRAFFIC_SHIFT"]},
    ]
    seen = stage.update(deploymentConfiguration={"strategy": "LINEAR", "lifecycleHooks": hooks})
    found = seen["deploymentConfiguration"]
    assert found["linearConfiguration"] == {"stepPercent": 10.0, "stepBakeTimeInMinutes": 6}
    assert [(hook["targetType"], hook["timeoutConfiguration"]) for hook in found["lifecycleHooks"]] == [
        ("PAUSE", {"timeoutInMinutes": 1440, "action": "ROLLBACK"}),
        ("PAUSE", {"timeoutInMinutes": 1, "action": "CONTINUE"}),
        ("AWS_LAMBDA", {"timeoutInMinutes": 1440, "action": "ROLLBACK"}),
    ]
    found = stage.update(deploymentConfiguration={"strategy": "CANARY"})["deploymentConfiguration"]
    assert found["canaryConfiguration"] == {"canaryPercent": 5.0, "canaryBakeTimeInMinutes": 10}
    assert "linearConfiguration" not in found


@pytest.mark.parametrize(
    ("configuration", "words"),
    [
        ({"bakeTimeInMinutes": 1441}, "bakeTimeInMinutes"),
        ({"bakeTimeInMinutes": -1}, "bakeTimeInMinutes"),
        (
            {"linearConfiguration": {"stepPercent": 10.0}},
            "Linear configuration can only be present with LINEAR deployment strategy",
        ),
        (
            {"strategy": "LINEAR", "canaryConfiguration": {"canaryPercent": 10.0}},
            "Canary configuration can only be present with CANARY deployment strategy",
        ),
        ({"strategy": "LINEAR", "linearConfiguration": {"stepBakeTimeInMinutes": 1441}}, "stepBakeTimeInMinutes"),
        ({"strategy": "CANARY", "canaryConfiguration": {"canaryBakeTimeInMinutes": 1441}}, "canaryBakeTimeInMinutes"),
        ({"lifecycleHooks": [{"targetType": "PAUSE"}]}, "lifecycleStages"),
        ({"lifecycleHooks": [{"targetType": "WAIT", "lifecycleStages": ["PRE_SCALE_UP"]}]}, "Invalid targetType."),
        ({"lifecycleHooks": [pause("PRODUCTION_TRAFFIC_SHIFT")]}, "Invalid lifecycle stage provided for Pause Hook"),
        ({"lifecycleHooks": [pause("TEST_TRAFFIC_SHIFT")]}, "Invalid lifecycle stage provided for Pause Hook"),
        ({"lifecycleHooks": [pause("BAKE_TIME")]}, "Member must satisfy enum value set"),
        ({"lifecycleHooks": [pause("POST_SCALE_UP", timeoutInMinutes=20161)]}, "timeoutInMinutes"),
        ({"lifecycleHooks": [pause("POST_SCALE_UP", action="WAIT")]}, "[ROLLBACK, CONTINUE]"),
        ({"lifecycleHooks": [pause("POST_SCALE_UP")] * 11}, "at most 10"),
        ({"lifecycleHooks": [{"lifecycleStages": ["POST_SCALE_UP"]}]}, "hookTargetArn"),
    ],
)
def test_configurations_are_checked(stage: Stage, configuration: dict[str, Any], words: str) -> None:
    """DeploymentConfiguration and its parts: ranges, stages, numbers of hooks. Nothing of it is taken."""
    before = stage.service()["deploymentConfiguration"]
    with refused("InvalidParameterException", words):
        stage.update(deploymentConfiguration={"strategy": "BLUE_GREEN", **configuration})
    assert stage.seen()["deploymentConfiguration"] == before


def test_a_function_has_a_day(stage: Stage) -> None:
    """ "Timeout configuration" of Lambda hooks: 1 to 1440 minutes."""
    stage.service()
    hook = {"hookTargetArn": "arn:f", "roleArn": "arn:r", "lifecycleStages": ["POST_SCALE_UP"]}
    with refused("InvalidParameterException", "timeoutInMinutes must be between 1 and 1440"):
        stage.update(
            deploymentConfiguration={"lifecycleHooks": [{**hook, "timeoutConfiguration": {"timeoutInMinutes": 1441}}]}
        )


def test_ten_hooks_of_each_kind(stage: Stage) -> None:
    """ "a maximum of 10 pause hooks and 10 Lambda hooks per service"."""
    stage.service()
    function = {"hookTargetArn": "arn:f", "roleArn": "arn:r", "lifecycleStages": ["POST_SCALE_UP"]}
    hooks = [*[pause("POST_SCALE_UP")] * 10, *[function] * 10]
    answer = stage.update(deploymentConfiguration={"lifecycleHooks": hooks})
    assert len(answer["deploymentConfiguration"]["lifecycleHooks"]) == 20
    with refused("InvalidParameterException", "at most 10"):
        stage.update(deploymentConfiguration={"lifecycleHooks": [*hooks, function]})
