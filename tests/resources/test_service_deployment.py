"""Services whose traffic ECS shifts: what they are created with, and what is sent when their strategy changes."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.resource import Address, Ref
from reconciler.resources import _service_deployment
from reconciler.resources.service import Deployment, FunctionHook, Pair, Service, ServiceSpec
from tests.laws.example import wish
from tests.resources.talk import Talk
from tests.resources.workload import ECS

ELB = "arn:aws:elasticloadbalancing:us-west-2:123456789012"
GROUPS = (f"{ELB}:targetgroup/web-1/0123456789abcdef", f"{ELB}:targetgroup/web-2/0123456789abcdef")
LISTENER = f"{ELB}:listener/app/alb/0123456789abcdef/0000000000000001"
DEFAULT = f"{ELB}:listener-rule/app/alb/0123456789abcdef/0000000000000001/00000000000000aa"
RULE = f"{ELB}:listener-rule/app/alb/0123456789abcdef/0000000000000002/00000000000000bb"
ROLE = "arn:aws:iam::123456789012:role/web-infrastructure"

PAIR = Pair(target_group=GROUPS[0], alternate=GROUPS[1], container="web", port=80, production=LISTENER, test=RULE)
CANARY = Deployment(
    circuit_breaker=True, rollback=True, strategy="CANARY", bake=65, step_percent=10.0, step_bake=5, alarms=("a", "b")
)


def created(**fields: Any) -> dict[str, Any]:
    spec = ServiceSpec(
        cluster="main", name="web", task_definition=f"{ECS}:task-definition/web:1", desired_count=1, controller="ECS",
        deployment=CANARY, pair=PAIR, infrastructure_role=ROLE, **fields,
    )  # fmt: skip
    rules = {"Rules": [{"RuleArn": "x", "IsDefault": False}, {"RuleArn": DEFAULT, "IsDefault": True}]}
    talk = Talk(DescribeRules=rules, CreateService={"service": {"serviceArn": "arn"}})
    talk.hold(Service().create(wish("service/web", spec)))
    (params,) = talk.params("CreateService")
    return params


def test_a_pair_of_target_groups_is_declared_with_rules() -> None:
    """ECS takes no listener; its default action is a rule with an ARN, too."""
    assert created()["loadBalancers"] == [
        {
            "targetGroupArn": GROUPS[0],
            "containerName": "web",
            "containerPort": 80,
            "advancedConfiguration": {
                "alternateTargetGroupArn": GROUPS[1],
                "productionListenerRule": DEFAULT,
                "testListenerRule": RULE,
                "roleArn": ROLE,
            },
        }
    ]


def test_a_strategy_is_declared_as_one_configuration() -> None:
    assert created()["deploymentConfiguration"] == {
        "strategy": "CANARY",
        "bakeTimeInMinutes": 65,
        "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 5},
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
        "alarms": {"alarmNames": ["a", "b"], "enable": True, "rollback": True},
    }


@pytest.mark.parametrize(
    ("was", "sent"),
    [
        ({"bake": 30}, {"bakeTimeInMinutes": 65}),
        ({"step_bake": 9}, {"canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 5}}),
        ({"strategy": "BLUE_GREEN", "step_percent": None, "step_bake": None}, {
            "strategy": "CANARY", "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 5}}),
        ({"alarms": ()}, {"alarms": {"alarmNames": ["a", "b"], "enable": True, "rollback": True}}),
        ({"rollback": False}, {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}),
    ],
)  # fmt: skip
def test_only_what_differs_is_sent_and_each_member_as_a_whole(was: dict[str, Any], sent: dict[str, Any]) -> None:
    """ECS keeps the members that are not sent, and fills in what is missing in one that is."""
    before = CANARY.model_copy(update=was)
    assert sent.items() <= _service_deployment.written(_service_deployment.merged(before, CANARY)).items()
    others = _service_deployment.written(_service_deployment.merged(before, CANARY)).keys() - sent.keys()
    assert others <= {"strategy"}


HOOK = FunctionHook(
    function="arn:aws:lambda:us-west-2:123456789012:function:check:live", stages=("PRE_SCALE_UP", "POST_SCALE_UP"),
    role=ROLE, details='{"suite": "smoke"}', minutes=5, on_timeout="CONTINUE",
)  # fmt: skip


@pytest.mark.parametrize("spec", [
    CANARY, CANARY.model_copy(update={"strategy": "LINEAR", "hooks": (HOOK,)}), Deployment(
    min_percent=50, max_percent=150, circuit_breaker=False, rollback=False, strategy="ROLLING", bake=0, alarms=())],
)  # fmt: skip
def test_what_is_written_is_read_again(spec: Deployment) -> None:
    filled = spec.model_copy(
        update={
            "min_percent": spec.min_percent or 100,
            "max_percent": spec.max_percent or 200,
            "hooks": spec.hooks,
        }
    )
    assert _service_deployment.read(_service_deployment.written(filled)) == filled


def test_what_a_pair_names_is_in_use() -> None:
    """Both groups, both rules and the role stay for as long as ECS works with them."""
    item = {"loadBalancers": created()["loadBalancers"], "deployments": [], "taskSets": []}
    found = type("Found", (), {"facts": {"item": item, "task_definitions": ()}})()
    assert Service().in_use(found) == {*GROUPS, DEFAULT, RULE, ROLE}  # type: ignore[arg-type]


NEW = f"{RULE[:-2]}cc"
UNMADE = Ref(Address("listener-rule", "web"))


@pytest.mark.parametrize(
    ("has", "wants", "rules", "refused"),
    [
        (DEFAULT, UNMADE, (), True),
        (RULE, UNMADE, (), False),
        (RULE, NEW, (NEW,), False),
        (RULE, UNMADE, (RULE,), True),
        (RULE, NEW, (RULE, NEW), True),
    ],
    ids=["instead of the default action", "gone", "and created again", "another one", "another one of the stack"],
)
def test_a_rule_is_kept_for_as_long_as_it_exists(has: str, wants: Any, rules: tuple[str, ...], refused: bool) -> None:
    """Rules of a default action are not listed; requests are answered by it then. `LISTENER` answers some."""
    (entry,) = created()["loadBalancers"]
    item = {"loadBalancers": [entry | {"advancedConfiguration": entry["advancedConfiguration"] | {
        "productionListenerRule": has}}]}  # fmt: skip
    pair = PAIR.model_copy(update={"production": wants, "test": None})
    known = {*GROUPS, LISTENER, f"{LISTENER[:-1]}2", *rules}
    changed = _service_deployment.pair_changes(item, pair, ROLE, known, rules, {LISTENER})
    assert changed == (("another production listener or rule",) if refused else ())
