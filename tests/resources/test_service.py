"""Services: the law example, when one is ready, and what ECS is told in an update."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from reconciler import errors
from reconciler.model.diff import diff, fields
from reconciler.model.resource import Address, Observed, ResourceHealth
from reconciler.model.resource_type import FieldMark
from reconciler.model.service_connect import ServiceConnect
from reconciler.resources._ecs import Network, Strategy
from reconciler.resources.service import Deployment, Service, ServiceSpec, Target
from tests.laws.example import Edit, Example, ref, wish
from tests.resources.talk import Talk, scope, tagged
from tests.resources.workload import ECS, cluster, definition, lower_pairs, network, placed

GROUP = "arn:aws:elasticloadbalancing:us-west-2:123456789012:targetgroup/web/0123456789abcdef"


def service(name: str) -> ServiceSpec:
    return ServiceSpec(
        cluster=ref(f"cluster/{name}"),
        name=name,
        task_definition=ref(f"task-definition/{name}"),
        desired_count=1,
        launch_type="FARGATE",
        platform_version="1.4.0",
        network=placed(name),
        load_balancers=(),
        controller="ECS",
    )


EXAMPLE = Example(
    wish("service/web", service("web")),
    needs=(*network("web"), cluster("web"), definition("web"), definition("next", image="nginx:2")),
    edits=(
        Edit({"desired_count": 2}, "desired_count"),
        Edit({"initial_count": 7}),
        Edit({"task_definition": ref("task-definition/next")}, "task_definition"),
        Edit({"network": placed("web", public_ip=False)}, "network.public_ip"),
        Edit({"platform_version": "1.5.0"}, "platform_version"),
        Edit({"name": "other"}, "name"),
        Edit({"controller": "EXTERNAL"}, "controller"),
    ),
    unique=True,
    decoys=(*network("decoy", "10.1"), cluster("decoy"), definition("decoy"), wish("service/decoy", service("decoy"))),
)

SPEC = ServiceSpec(
    cluster="c",
    name="web",
    task_definition=f"{ECS}:task-definition/web:3",
    desired_count=2,
    launch_type="FARGATE",
    platform_version="LATEST",
    network=Network(subnets=("subnet-1", "subnet-2"), security_groups=("sg-1",), public_ip=True),
    load_balancers=(Target(target_group=GROUP, container="web", port=80),),
    grace_period=30,
    deployment=Deployment(min_percent=100, max_percent=200, circuit_breaker=True, rollback=True),
    exec=False,
    controller="ECS",
)
DESIRED = wish("service/web", SPEC)
DESIRED = replace(DESIRED, tags=tagged(DESIRED))


def deployment(revision: int = 3, status: str = "PRIMARY", **fields: Any) -> dict[str, Any]:
    return {
        "id": f"ecs-svc/{revision}",
        "status": status,
        "taskDefinition": f"{ECS}:task-definition/web:{revision}",
        "desiredCount": 2,
        "runningCount": 2,
        "pendingCount": 0,
        "failedTasks": 0,
        "rolloutState": "COMPLETED",
        **fields,
    }


def item(**fields: Any) -> dict[str, Any]:
    """A service as AWS answers it, with everything that was never sent."""
    return {
        "serviceArn": f"{ECS}:service/c/web",
        "serviceName": "web",
        "clusterArn": f"{ECS}:cluster/c",
        "status": "ACTIVE",
        "taskDefinition": f"{ECS}:task-definition/web:3",
        "desiredCount": 2,
        "runningCount": 2,
        "pendingCount": 0,
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "platformFamily": "Linux",
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": ["subnet-2", "subnet-1"],
                "securityGroups": ["sg-1"],
                "assignPublicIp": "ENABLED",
            }
        },
        "loadBalancers": [{"targetGroupArn": GROUP, "containerName": "web", "containerPort": 80}],
        "serviceRegistries": [],
        "healthCheckGracePeriodSeconds": 30,
        "deploymentConfiguration": {
            "deploymentCircuitBreaker": {"enable": True, "rollback": True, "resetOnHealthyTask": True},
            "maximumPercent": 200,
            "minimumHealthyPercent": 100,
            "strategy": "ROLLING",
            "bakeTimeInMinutes": 0,
            "alarms": {"alarmNames": [], "rollback": False, "enable": False},
        },
        "deploymentController": {"type": "ECS"},
        "deployments": [deployment()],
        "events": [{"id": str(number), "message": f"event {number}"} for number in range(100)],
        "enableExecuteCommand": False,
        "propagateTags": "SERVICE",
        "availabilityZoneRebalancing": "ENABLED",
        "tags": lower_pairs(DESIRED.tags),
        **fields,
    }


def observed(said: dict[str, Any], want: ServiceSpec = SPEC) -> Observed[ServiceSpec]:
    talk = Talk(DescribeServices={"services": [said], "failures": []})
    return talk.hold(Service().observe(scope(replace(DESIRED, spec=want))))[0]


def paths(old: Observed[ServiceSpec], new: ServiceSpec) -> list[str]:
    return [str(change) for change in diff(old, new)]


# -- reading


def test_what_aws_fills_in_is_no_difference() -> None:
    """Order, defaults, and members that nobody sent are ironed out."""
    found = observed(item())

    assert not diff(found, SPEC)
    assert not found.unread
    assert len(found.facts["events"]) == 10
    assert found.facts["task_definitions"] == (f"{ECS}:task-definition/web:3",)


@pytest.mark.parametrize(
    ("wanted", "answered", "changes"),
    [
        ("LATEST", "LATEST", []),
        ("LATEST", "1.4.0", []),
        ("LATEST", "1.10.0", []),
        ("LATEST", "1.3.0", ["platform_version"]),
        ("1.4.0", "LATEST", ["platform_version"]),
        ("1.4.0", "1.4.0", []),
        (None, "1.3.0", []),
    ],
)
def test_latest_is_whatever_latest_now_stands_for(wanted: str | None, answered: str, changes: list[str]) -> None:
    """ECS may answer LATEST with a number; a number that somebody pinned to something older differs."""
    want = SPEC.model_copy(update={"platform_version": wanted})

    assert paths(observed(item(platformVersion=answered), want), want) == changes


def test_what_the_answer_leaves_out_is_not_compared() -> None:
    """An answer without a member says nothing of it, neither that it is there nor that it is not."""
    said = item()
    for member in ("healthCheckGracePeriodSeconds", "deploymentConfiguration", "enableExecuteCommand"):
        del said[member]
    found = observed(said)

    assert found.unread == {"grace_period", "deployment", "exec"}
    assert not diff(found, SPEC)


def test_a_service_that_drains_is_being_deleted_and_one_that_is_gone_is_absent() -> None:
    """The name is taken until the last task is gone, and free although AWS still answers it afterwards."""
    found = observed(item(status="DRAINING"))
    assert found.facts["deleting"]
    assert (found.health, bool(found.reason)) == (ResourceHealth.PROGRESSING, True)
    talk = Talk()
    talk.hold(Service().delete(found))
    assert talk.said == []

    gone = Talk(DescribeServices={"services": [item(status="INACTIVE")], "failures": []})
    assert gone.hold(Service().observe(scope(DESIRED))) == []


def test_task_sets_are_deleted_before_their_service() -> None:
    """Those of an EXTERNAL service, whatever their scale; CodeDeploy's go with the service."""
    sets = [
        {"id": "ecs-svc/1", "status": "PRIMARY", "stabilityStatus": "STEADY_STATE"},
        {"id": "ecs-svc/2", "status": "ACTIVE", "stabilityStatus": "STABILIZING"},
        {"id": "ecs-svc/3", "status": "DRAINING", "stabilityStatus": "STABILIZING"},
    ]
    for controller, deleted in (("EXTERNAL", ["ecs-svc/1", "ecs-svc/2"]), ("CODE_DEPLOY", [])):
        talk = Talk(DeleteTaskSet=[{}, errors.Gone("", code="TaskSetNotFoundException")])
        said = item(deploymentController={"type": controller}, taskSets=sets)
        talk.hold(Service().delete(observed(said, SPEC.model_copy(update={"controller": controller}))))
        assert talk.operations() == [*("DeleteTaskSet" for _ in deleted), "DeleteService"]
        where = {"cluster": "c", "service": f"{ECS}:service/c/web", "force": True}
        assert talk.params("DeleteTaskSet") == [{**where, "taskSet": identifier} for identifier in deleted]


def test_ten_services_are_one_call() -> None:
    """Wanted and swept services are asked about together, each once, ten at a time for each cluster."""
    swept: dict[str, dict[str, str]] = {f"{ECS}:service/c/s{number}": {} for number in range(11)}
    swept |= {f"{ECS}:service/c/web": {}, f"{ECS}:service/d/web": {}, f"{ECS}:service/of-old": {}}
    talk = Talk(DescribeServices={"services": [], "failures": []})

    talk.hold(Service().observe(scope(DESIRED, swept=swept)))

    asked = [(params["cluster"], len(params["services"])) for params in talk.params("DescribeServices")]
    assert asked == [("c", 10), ("c", 2), ("d", 1)]


def test_without_its_cluster_a_service_is_absent() -> None:
    """A cluster that is not there has no services, whether nobody made it yet or it is gone."""
    unmade = replace(DESIRED, spec=SPEC.model_copy(update={"cluster": ref("cluster/c")}))
    assert Talk().hold(Service().observe(scope(unmade))) == []
    gone = Talk(DescribeServices=errors.Gone("Cluster not found."))
    assert gone.hold(Service().observe(scope(DESIRED))) == []


def test_a_failure_to_read_is_not_an_absence() -> None:
    """What is not MISSING and was not answered is unknown."""
    failures = [{"arn": f"{ECS}:service/c/web", "reason": "TRY_AGAIN"}]
    with pytest.raises(errors.Ambiguous):
        Talk(DescribeServices={"services": [], "failures": failures}).hold(Service().observe(scope(DESIRED)))


# -- health


@pytest.mark.parametrize(
    ("fields", "health", "reason"),
    [
        ({}, ResourceHealth.READY, ""),
        ({"deployments": [deployment(rolloutState="IN_PROGRESS")]}, ResourceHealth.PROGRESSING, "IN_PROGRESS"),
        ({"deployments": [deployment(rolloutState="A_NEW_STATE")]}, ResourceHealth.PROGRESSING, "A_NEW_STATE"),
        ({"runningCount": 1}, ResourceHealth.PROGRESSING, "1 task running, 2 desired"),
        ({"pendingCount": 1}, ResourceHealth.PROGRESSING, "2 tasks running, 2 desired"),
        ({"deployments": [deployment(4), deployment(3, "ACTIVE")]}, ResourceHealth.PROGRESSING, "2 deployments"),
        ({"deployments": [deployment(4)]}, ResourceHealth.PROGRESSING, "another revision"),
        ({"deployments": []}, ResourceHealth.PROGRESSING, "no deployment"),
        (
            {
                "deployments": [
                    deployment(3, rolloutState="IN_PROGRESS"),
                    deployment(4, "ACTIVE", rolloutState="FAILED", rolloutStateReason="tasks failed to start."),
                ]
            },
            ResourceHealth.DEGRADED,
            "tasks failed to start.",
        ),
        (
            {"deploymentController": {"type": "EXTERNAL"}, "deployments": []},
            ResourceHealth.PROGRESSING,
            "nothing is deployed",
        ),
        (
            {
                "deploymentController": {"type": "EXTERNAL"},
                "deployments": [],
                "taskSets": [{"stabilityStatus": "STABILIZING"}],
            },
            ResourceHealth.PROGRESSING,
            "not steady",
        ),
        (
            {
                "deploymentController": {"type": "EXTERNAL"},
                "deployments": [],
                "taskSets": [{"stabilityStatus": "STEADY_STATE"}],
            },
            ResourceHealth.READY,
            "",
        ),
    ],
)
def test_ready_is_one_completed_deployment_of_its_own_revision(
    fields: dict[str, Any], health: ResourceHealth, reason: str
) -> None:
    """Right counts alone are true before a deployment completes and after ECS rolled it back."""
    found = observed(item(**fields))

    assert found.health is health
    assert reason in found.reason


# -- creating


def create(spec: ServiceSpec) -> dict[str, Any]:
    talk = Talk(CreateService={"service": {"serviceArn": f"{ECS}:service/c/web"}})
    assert talk.hold(Service().create(replace(DESIRED, spec=spec))) == f"{ECS}:service/c/web"
    return talk.params("CreateService")[0]


def test_a_creation_carries_everything_at_once() -> None:
    """Tags and every declared field go in one call; no token, which could bring back a service that was deleted."""
    sent = create(SPEC)

    assert sent == create(SPEC)
    assert "clientToken" not in sent
    assert sent["tags"] == sorted(lower_pairs(DESIRED.tags), key=lambda tag: tag["key"])
    assert sent["desiredCount"] == 2
    assert sent["deploymentConfiguration"]["deploymentCircuitBreaker"] == {"enable": True, "rollback": True}


def test_a_creation_that_was_done_before_finds_its_service() -> None:
    """ECS refuses the name a second time: ours is adopted, anybody else's stays refused."""
    refused = errors.Exists("Creation of service was not idempotent.")
    for said, adopted in ((item(), True), (item(tags=[]), False)):
        talk = Talk(CreateService=refused, DescribeServices={"services": [said], "failures": []})
        if adopted:
            assert talk.hold(Service().create(DESIRED)) == said["serviceArn"]
        else:
            with pytest.raises(errors.Exists):
                talk.hold(Service().create(DESIRED))


def test_an_autoscaled_service_starts_with_its_first_count() -> None:
    """The count is given once; afterwards it is the autoscaler's."""
    spec = SPEC.model_copy(update={"desired_count": None, "initial_count": 4})

    assert create(spec)["desiredCount"] == 4
    assert not diff(observed(item(), spec), spec)


def test_task_sets_bring_what_an_external_service_may_not_have() -> None:
    """Under the EXTERNAL controller ECS refuses what belongs to a task set, and shows none of it before the first."""
    spec = SPEC.model_copy(update={"controller": "EXTERNAL"})
    refused = {"taskDefinition", "launchType", "platformVersion", "networkConfiguration", "loadBalancers"}

    assert not refused & create(spec).keys()

    said = item(deploymentController={"type": "EXTERNAL"}, deployments=[], taskSets=[], loadBalancers=[])
    for member in ("taskDefinition", "launchType", "platformVersion", "networkConfiguration"):
        del said[member]
    assert not diff(observed(said, spec), spec)


# -- updating


def update(old: Observed[ServiceSpec], new: ServiceSpec) -> dict[str, Any]:
    talk = Talk()
    talk.hold(Service().update(old, replace(DESIRED, spec=new), diff(old, new)))
    sent = talk.params("UpdateService")[0]
    assert (sent.pop("cluster"), sent.pop("service")) == ("c", old.id)
    return sent


@pytest.mark.parametrize(
    ("change", "sent"),
    [
        ({"desired_count": 0}, {"desiredCount": 0}),
        ({"grace_period": 0}, {"healthCheckGracePeriodSeconds": 0}),
        ({"exec": True}, {"enableExecuteCommand": True}),
        ({"load_balancers": ()}, {"loadBalancers": []}),
        ({"task_definition": "web:4"}, {"taskDefinition": "web:4"}),
        (
            {"deployment": Deployment(min_percent=50, max_percent=200)},
            {"deploymentConfiguration": {"minimumHealthyPercent": 50}},
        ),
        (
            {"deployment": Deployment(rollback=False)},
            {"deploymentConfiguration": {"deploymentCircuitBreaker": {"enable": True, "rollback": False}}},
        ),
    ],
)
def test_only_what_differs_is_sent(change: dict[str, Any], sent: dict[str, Any]) -> None:
    """What is left out stays as it is; what is sent again unchanged may start a deployment."""
    assert update(observed(item()), SPEC.model_copy(update=change)) == sent


NO_MORE = Deployment(min_percent=50, max_percent=100)


def test_a_service_that_cannot_be_rebalanced_is_created_without() -> None:
    """ECS rebalances a new service across zones, and refuses that together with a maximum of 100 percent."""
    for limits, sent in ((NO_MORE, "DISABLED"), (Deployment(max_percent=101), None), (None, None)):
        talk = Talk(CreateService={"service": item()})
        talk.hold(Service().create(replace(DESIRED, spec=SPEC.model_copy(update={"deployment": limits}))))
        assert talk.params("CreateService")[0].get("availabilityZoneRebalancing") == sent


def test_rebalancing_follows_the_limit_in_the_same_call() -> None:
    """UpdateService refuses a maximum of 100 percent while rebalancing is on; with a higher one it is on again."""
    limited = SPEC.model_copy(update={"deployment": NO_MORE})
    assert update(observed(item()), limited) == {
        "deploymentConfiguration": {"minimumHealthyPercent": 50, "maximumPercent": 100},
        "availabilityZoneRebalancing": "DISABLED",
    }
    there = {"maximumPercent": 100, "minimumHealthyPercent": 50}
    unbalanced = observed(item(deploymentConfiguration=there, availabilityZoneRebalancing="DISABLED"), limited)
    assert paths(unbalanced, limited) == []
    raised = SPEC.model_copy(update={"deployment": Deployment(max_percent=150)})
    assert update(unbalanced, raised) == {
        "deploymentConfiguration": {"maximumPercent": 150},
        "availabilityZoneRebalancing": "ENABLED",
    }


def test_rebalancing_stays_as_it_is_where_the_limit_allows_both() -> None:
    """Between limits above 100 percent, rebalancing stays as it was set."""
    higher = SPEC.model_copy(update={"deployment": Deployment(max_percent=150)})
    assert update(observed(item()), higher) == {"deploymentConfiguration": {"maximumPercent": 150}}


def test_other_capacity_starts_a_deployment() -> None:
    """ECS refuses other capacity providers without a forced deployment, also beside another task definition."""
    spot = (Strategy(provider="FARGATE_SPOT"),)
    strategy = SPEC.model_copy(update={"launch_type": None, "capacity_provider_strategy": spot})
    items = [{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}]

    assert update(observed(item()), strategy) == {"capacityProviderStrategy": items, "forceNewDeployment": True}
    both = strategy.model_copy(update={"task_definition": "web:4"})
    forced = {"capacityProviderStrategy": items, "forceNewDeployment": True}
    assert update(observed(item()), both) == {**forced, "taskDefinition": "web:4"}


def test_plain_fargate_is_its_capacity_provider_where_there_were_others() -> None:
    """ECS takes an empty strategy only where a service was created with a launch type; the two are the same."""
    spot, plain = ([{"capacityProvider": name, "weight": 1, "base": 0}] for name in ("FARGATE_SPOT", "FARGATE"))
    said = item(capacityProviderStrategy=spot)
    del said["launchType"]
    assert update(observed(said), SPEC) == {"capacityProviderStrategy": plain, "forceNewDeployment": True}
    assert paths(observed(said | {"capacityProviderStrategy": plain}), SPEC) == []


def test_exec_is_a_call_of_its_own_and_may_be_declined() -> None:
    """Whatever else changes is done first; what ECS refuses of ECS Exec alone is told apart from a failure."""
    old, new = observed(item()), SPEC.model_copy(update={"exec": True, "desired_count": 5})
    changes = diff(old, new)
    talk = Talk()
    talk.hold(Service().update(old, replace(DESIRED, spec=new), changes))
    sent = [
        {key: value for key, value in params.items() if key != "cluster"} for params in talk.params("UpdateService")
    ]
    assert sent == [{"service": old.id, "desiredCount": 5}, {"service": old.id, "enableExecuteCommand": True}]

    refusal = errors.Invalid("not for this controller", call="ecs.UpdateService", code="InvalidParameterException")
    with pytest.raises(errors.Declined) as declined:
        Talk(UpdateService=[{}, refusal]).hold(Service().update(old, replace(DESIRED, spec=new), changes))
    assert declined.value.fields == {"exec"}
    denied = errors.Denied("no", call="ecs.UpdateService", code="AccessDeniedException")
    for answers in ([{}, denied], [refusal]):
        with pytest.raises(errors.AwsError):
            Talk(UpdateService=list(answers)).hold(Service().update(old, replace(DESIRED, spec=new), changes))


def test_another_launch_type_is_refused() -> None:
    """UpdateService has no launch type; from EC2 to Fargate it takes another service."""
    with pytest.raises(errors.Invalid, match="EC2"):
        update(observed(item(launchType="EC2")), SPEC)


# -- what starts a deployment


STARTS_A_DEPLOYMENT = {
    "taskDefinition": True,
    "networkConfiguration": True,
    "platformVersion": True,
    "loadBalancers": True,
    "serviceRegistries": True,
    "serviceConnectConfiguration": True,
    "volumeConfigurations": True,
    "vpcLatticeConfigurations": True,
    "forceNewDeployment": True,
    "desiredCount": False,
    "capacityProviderStrategy": False,
    "deploymentConfiguration": False,
    "availabilityZoneRebalancing": False,
    "placementConstraints": False,
    "placementStrategy": False,
    "healthCheckGracePeriodSeconds": False,
    "enableExecuteCommand": False,
    "enableECSManagedTags": False,
    "propagateTags": False,
}
"""Whether each member of UpdateService makes ECS start new tasks, as its documentation says (ECS API Reference,
UpdateService)."""

NOT_STATED = frozenset({"deploymentController", "gatewayConnectors", "monitoring"})
"""Members of UpdateService of which its reference does not say whether they start new tasks."""


def test_every_member_of_update_service_is_known() -> None:
    """A member that ECS adds must be looked at before anything sends it: it may start new tasks."""
    model = botocore.session.get_session().get_service_model("ecs").operation_model("UpdateService").input_shape
    members = {name: shape.documentation for name, shape in model.members.items()} if model else {}
    about = {name: text for name, text in members.items() if name not in {"cluster", "service"}}

    assert set(about) == set(STARTS_A_DEPLOYMENT) | NOT_STATED
    for name, starts in STARTS_A_DEPLOYMENT.items():
        says_no = "doesn't trigger a new service deployment" in about[name]
        says_yes = "triggers a new service deployment" in about[name]
        if name != "forceNewDeployment":
            assert (says_yes, says_no) == (starts, not starts), name
    for name in NOT_STATED:
        assert "new service deployment" not in about[name]


def test_what_starts_a_deployment_is_marked_so() -> None:
    """A field rolls just when changing it sends something that starts a deployment."""
    values: dict[str, Any] = {
        "task_definition": "web:4",
        "desired_count": 5,
        "platform_version": "1.3.0",
        "network": Network(subnets=("subnet-9",), security_groups=("sg-1",)),
        "load_balancers": (),
        "grace_period": 1,
        "deployment": Deployment(max_percent=150),
        "exec": True,
        "capacity_provider_strategy": (Strategy(provider="FARGATE_SPOT"),),
        "service_connect": ServiceConnect(enabled=True, namespace="arn:ns"),
    }
    rolling = {field.name for field in fields(ServiceSpec) if FieldMark.ROLLS in field.marks}

    for name, value in values.items():
        sent = update(observed(item()), SPEC.model_copy(update={name: value}))
        assert any(STARTS_A_DEPLOYMENT[member] for member in sent) == (name in rolling), name
    assert rolling - values.keys() == {"launch_type"}


@pytest.mark.parametrize(
    ("health", "deployments", "then"),
    [
        (ResourceHealth.READY, ["new"], {"green"}),
        (ResourceHealth.READY, ["unread"], set()),
        (ResourceHealth.PROGRESSING, ["new"], set()),
        (ResourceHealth.READY, ["new", "old"], set()),
    ],
)
def test_of_a_pair_the_group_of_the_only_deployment_serves(
    health: ResourceHealth, deployments: list[str], then: set[str]
) -> None:
    """So that another service that was in the same pair, and leaves, is not kept for the requests of this one."""
    balancer = {"targetGroupArn": "blue", "advancedConfiguration": {"alternateTargetGroupArn": "green"}}
    facts = {
        "item": {"loadBalancers": [balancer]},
        "groups": {one: group for one, group in (("new", "green"), ("old", "blue")) if one in deployments},
        "deployments": [{"id": one} for one in deployments],
    }
    found = Observed(Address("service", "api"), "arn:api", service("api"), health=health, facts=facts)
    assert Service().serving(found) == then
