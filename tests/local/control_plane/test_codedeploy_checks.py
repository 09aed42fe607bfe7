"""What CodeDeploy refuses, at once or when a deployment starts, and what it lists. Source: CodeDeploy API reference;
user guide, "Quotas" and "Troubleshoot Amazon ECS deployment issues"; texts as users quote them.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from reconciler.local.inprocess import Laptop
from tests.local.control_plane.codedeploy import READY, CodeDeploy
from tests.local.control_plane.stage import Stage, forward, refused


def options(**changes: Any) -> dict[str, Any]:
    """A blueGreenDeploymentConfiguration; a member that is None is left out."""
    members = {
        "terminateBlueInstancesOnDeploymentSuccess": {"action": "TERMINATE", "terminationWaitTimeInMinutes": 2880},
        "deploymentReadyOption": {"actionOnTimeout": "CONTINUE_DEPLOYMENT"},
        **changes,
    }
    return {"blueGreenDeploymentConfiguration": {name: value for name, value in members.items() if value is not None}}


def alarms(*names: str) -> dict[str, Any]:
    return {"alarmConfiguration": {"enabled": True, "alarms": [{"name": name} for name in names]}}


OPTIONS, PAIR = "InvalidBlueGreenDeploymentConfigurationException", "InvalidTargetGroupPairException"
SERVICE, BALANCING = "InvalidECSServiceException", "InvalidLoadBalancerInfoException"
GROUPS: list[tuple[dict[str, Any], str, str]] = [
    (
        {"deploymentStyle": {"deploymentType": "IN_PLACE", "deploymentOption": "WITH_TRAFFIC_CONTROL"}},
        "InvalidDeploymentStyleException",
        "For ECS deployment, the deployment type must be BLUE_GREEN, and deployment option must be "
        "WITH_TRAFFIC_CONTROL.",
    ),
    (
        {"deploymentStyle": {"deploymentType": "BLUE_GREEN", "deploymentOption": "WITHOUT_TRAFFIC_CONTROL"}},
        "InvalidDeploymentStyleException",
        "WITH_TRAFFIC_CONTROL",
    ),
    ({"ecsServices": []}, SERVICE, "exactly one"),
    ({"ecsServices": [{"clusterName": "demo", "serviceName": name} for name in ("web", "api")]}, SERVICE, "one"),
    (
        {"ecsServices": [{"clusterName": "demo", "serviceName": "gone"}]},
        SERVICE,
        "Could not load ECS service information for cluster: demo, service: gone.",
    ),
    (
        {"ecsServices": [{"clusterName": "demo", "serviceName": "rolling"}]},
        SERVICE,
        "Deployment group's ECS service must be configured for a CODE_DEPLOY deployment controller.",
    ),
    ({"deploymentConfigName": "gone"}, "DeploymentConfigDoesNotExistException", "gone"),
    ({"deploymentConfigName": "CodeDeployDefault.OneAtATime"}, "InvalidDeploymentConfigNameException", "ECS"),
    ({"serviceRoleArn": "arn:aws:iam::123456789012:role/gone"}, "InvalidRoleException", "required to assume the role"),
    ({"loadBalancerInfo": {}}, BALANCING, "For ECS deployment group, loadBalancerInfo must be specified"),
    (
        {"loadBalancerInfo": {"elbInfoList": [{"name": "alb"}]}},
        BALANCING,
        "For ECS deployment group, loadBalancerInfo must not contain elbInfo list",
    ),
    (
        {"loadBalancerInfo": {"targetGroupInfoList": [{"name": "blue"}]}},
        BALANCING,
        "For ECS deployment group, loadBalancerInfo must not contain targetGroupInfo list",
    ),
    ({"loadBalancerInfo": {"targetGroupPairInfoList": []}}, PAIR, "must be specified"),
    ({"blueGreenDeploymentConfiguration": {}}, OPTIONS, "blueGreenDeploymentConfiguration must be specified"),
    (options(deploymentReadyOption=None), OPTIONS, "deploymentReadyOption"),
    (options(terminateBlueInstancesOnDeploymentSuccess=None), OPTIONS, "terminateBlueInstancesOnDeploymentSuccess"),
    (options(greenFleetProvisioningOption={"action": "DISCOVER_EXISTING"}), OPTIONS, "greenFleetProvisioningOption"),
    (options(terminateBlueInstancesOnDeploymentSuccess={"action": "KEEP_ALIVE"}), OPTIONS, "TERMINATE"),
    (
        options(
            terminateBlueInstancesOnDeploymentSuccess={"action": "TERMINATE", "terminationWaitTimeInMinutes": 2881}
        ),
        OPTIONS,
        "2880",
    ),
    (options(deploymentReadyOption={"actionOnTimeout": "STOP_DEPLOYMENT"}), OPTIONS, "waitTimeInMinutes"),
    (
        options(deploymentReadyOption={"actionOnTimeout": "CONTINUE_DEPLOYMENT", "waitTimeInMinutes": 5}),
        OPTIONS,
        "waitTimeInMinutes",
    ),
    (
        {"autoScalingGroups": ["asg"]},
        "InvalidAutoScalingGroupException",
        "For ECS deployment group, autoScalingGroups can not be specified",
    ),
    (
        {"autoRollbackConfiguration": {"enabled": True}},
        "InvalidAutoRollbackConfigException",
        "no event types",
    ),
    ({"alarmConfiguration": {"enabled": True}}, "InvalidAlarmConfigException", "the alarm list is empty"),
    (alarms("same", "same"), "InvalidAlarmConfigException", "Two alarms with the same name"),
    (alarms("x" * 256), "InvalidAlarmConfigException", "255"),
    (alarms(*(f"alarm-{number}" for number in range(11))), "AlarmsLimitExceededException", "10"),
    (
        {"triggerConfigurations": [{"triggerName": "t", "triggerTargetArn": "nothing", "triggerEvents": ["x"]}]},
        "InvalidTriggerConfigException",
        "Topic ARN",
    ),
    ({"deploymentGroupName": "second"}, "ECSServiceMappingLimitExceededException", "group"),
    ({"deploymentGroupName": "my group"}, "InvalidDeploymentGroupNameException", "my group"),
    ({}, "DeploymentGroupAlreadyExistsException", "group"),
]


@pytest.fixture
def codedeploy(stage: Stage) -> CodeDeploy:
    return CodeDeploy(stage)


def test_deployment_groups_are_checked(codedeploy: CodeDeploy) -> None:
    """CreateDeploymentGroup and UpdateDeploymentGroup, errors: the same settings are refused by both."""
    stage, client = codedeploy.stage, codedeploy.client
    stage.service("rolling")
    for changes, code, words in GROUPS:
        fresh = bool(changes) and "deploymentGroupName" not in changes
        if fresh:
            with refused(code, words):
                codedeploy.update(**changes)
            client.delete_deployment_group(applicationName="app", deploymentGroupName="group")
        with refused(code, words):
            client.create_deployment_group(**codedeploy.settings(**changes))
        if fresh:
            client.create_deployment_group(**codedeploy.settings())


def test_a_group_may_name_its_service_by_arn(codedeploy: CodeDeploy) -> None:
    """EcsService: names or ARNs are stored (AWS CLI, `aws ecs deploy`); the target of a deployment has the names."""
    seen = codedeploy.stage.seen()
    codedeploy.update(ecsServices=[{"clusterName": seen["clusterArn"], "serviceName": seen["serviceArn"]}])
    deployment = codedeploy.deploy(codedeploy.stage.definition("web:v2"))
    assert codedeploy.target(deployment)["targetId"] == "demo:web"


def test_the_pair_and_its_listeners_are_checked(codedeploy: CodeDeploy) -> None:
    """TargetGroupPairInfo and TrafficRoute: one pair of two names, one production and at most one test listener, which
    are different and of one load balancer.
    """
    stage = codedeploy.stage
    listeners = [stage.production, stage.test]
    other = stage.elb.create_load_balancer(Name="other", Subnets=stage.subnets, SecurityGroups=[stage.group])
    foreign = stage.elb.create_listener(
        LoadBalancerArn=other["LoadBalancers"][0]["LoadBalancerArn"], Protocol="HTTP", Port=80,
        DefaultActions=[forward({stage.target_group("third"): 1})],
    )["Listeners"][0]["ListenerArn"]  # fmt: skip
    for changes, words in [
        ({"targetGroups": [{"name": "blue"}]}, "two target groups"),
        ({"targetGroups": [{"name": "blue"}, {"name": "blue"}]}, "Target group pair must have distinct target groups."),
        ({"targetGroups": [{"name": "blue"}, {"name": "gone"}]}, "gone"),
        ({"prodTrafficRoute": None}, "prodTrafficRoute"),
        ({"prodTrafficRoute": {"listenerArns": listeners}}, "prodTrafficRoute"),
        ({"testTrafficRoute": {"listenerArns": listeners}}, "testTrafficRoute"),
        ({"testTrafficRoute": {"listenerArns": [stage.production]}}, "different"),
        ({"testTrafficRoute": {"listenerArns": [stage.test + "0"]}}, "does not exist"),
        ({"testTrafficRoute": {"listenerArns": [foreign]}}, "same load balancer"),
    ]:
        with refused(PAIR, words):
            codedeploy.update(loadBalancerInfo=codedeploy.balancing(**changes))
    codedeploy.update(loadBalancerInfo=codedeploy.balancing(testTrafficRoute=None))


def routing(kind: str, **members: Any) -> dict[str, Any]:
    word = kind.removeprefix("TimeBased").lower()
    body = {f"{word}{name}": value for name, value in members.items()}
    return {"trafficRoutingConfig": {"type": kind, f"timeBased{word.title()}": body}}


def test_deployment_configurations_are_checked_listed_and_limited(codedeploy: CodeDeploy) -> None:
    """CreateDeploymentConfig, DeleteDeploymentConfig and ListDeploymentConfigs; 50 of one's own in an account."""
    client = codedeploy.client
    wrong = "InvalidTrafficRoutingConfigurationException"
    for name, changes, code in [
        ("CodeDeployDefault.mine", {}, "InvalidDeploymentConfigNameException"),
        ("my config", {}, "InvalidDeploymentConfigNameException"),
        ("mine", {"computePlatform": "Lambda"}, "InvalidComputePlatformException"),
        ("mine", {"trafficRoutingConfig": {"type": "TimeBasedCanary"}}, wrong),
        ("mine", routing("TimeBasedCanary", Percentage=100, Interval=5), wrong),
        ("mine", routing("TimeBasedCanary", Percentage=10, Interval=2881), wrong),
        ("mine", routing("TimeBasedLinear", Percentage=0, Interval=1), wrong),
        ("mine", routing("TimeBasedLinear", Percentage=10, Interval=321), wrong),
        ("mine", {"minimumHealthyHosts": {"type": "HOST_COUNT"}}, "InvalidMinimumHealthyHostValueException"),
    ]:
        linear = routing("TimeBasedLinear", Percentage=20, Interval=1)
        with refused(code):
            client.create_deployment_config(
                **{"deploymentConfigName": name, "computePlatform": "ECS", **linear, **changes}
            )
    for number in range(50):
        client.create_deployment_config(
            deploymentConfigName=f"mine-{number:02d}", computePlatform="ECS",
            **routing("TimeBasedLinear", Percentage=10, Interval=320),
        )  # fmt: skip
    with refused("DeploymentConfigLimitExceededException"):
        client.create_deployment_config(
            deploymentConfigName="one-more", computePlatform="ECS", trafficRoutingConfig={"type": "AllAtOnce"}
        )
    with refused("DeploymentConfigAlreadyExistsException"):
        client.create_deployment_config(
            deploymentConfigName="mine-00", computePlatform="ECS", trafficRoutingConfig={"type": "AllAtOnce"}
        )
    listed = client.list_deployment_configs()["deploymentConfigsList"]
    assert {"CodeDeployDefault.ECSCanary10Percent15Minutes", "CodeDeployDefault.OneAtATime", "mine-49"} <= set(listed)
    codedeploy.update(deploymentConfigName="mine-00")
    for name, code in [
        ("CodeDeployDefault.ECSAllAtOnce", "InvalidOperationException"),
        ("mine-00", "DeploymentConfigInUseException"),
    ]:
        with refused(code):
            client.delete_deployment_config(deploymentConfigName=name)
    client.delete_deployment_config(deploymentConfigName="mine-01")
    with refused("DeploymentConfigDoesNotExistException"):
        client.get_deployment_config(deploymentConfigName="mine-01")


def content(text: str, **changes: Any) -> dict[str, Any]:
    return {"revisionType": "AppSpecContent", "appSpecContent": {"content": text, **changes}}


def test_deployments_are_checked(codedeploy: CodeDeploy) -> None:
    """CreateDeployment, errors."""
    text = json.dumps({"Resources": []})
    for changes, code in [
        ({"applicationName": "gone"}, "ApplicationDoesNotExistException"),
        ({"deploymentGroupName": "gone"}, "DeploymentGroupDoesNotExistException"),
        ({"deploymentConfigName": "gone"}, "DeploymentConfigDoesNotExistException"),
        ({"description": "x" * 257}, "DescriptionTooLongException"),
        ({"revision": {}}, "RevisionRequiredException"),
        ({"revision": content("")}, "InvalidRevisionException"),
        ({"revision": content(text, sha256="0" * 64)}, "InvalidRevisionException"),
        ({"autoRollbackConfiguration": {"enabled": True}}, "InvalidAutoRollbackConfigException"),
        ({"overrideAlarmConfiguration": {"enabled": True}}, "InvalidAlarmConfigException"),
    ]:
        call = {"applicationName": "app", "deploymentGroupName": "group", "revision": content(text), **changes}
        with refused(code):
            codedeploy.client.create_deployment(**call)


def service(definition: Any, **changes: Any) -> dict[str, Any]:
    properties = {
        "TaskDefinition": definition,
        "LoadBalancerInfo": {"ContainerName": "web", "ContainerPort": 80},
        **changes,
    }
    return {"Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": properties}}]}


@pytest.mark.parametrize(
    "document",
    [
        "{",
        "[]",
        json.dumps({"Resources": []}),
        json.dumps(service("web:1", LoadBalancerInfo=[{"ContainerName": "web", "ContainerPort": 80}])),
        json.dumps(service("web:9")),
        json.dumps(service("web:1", LoadBalancerInfo={"ContainerName": "other", "ContainerPort": 80})),
        json.dumps({**service("web:1"), "Hooks": [{"BeforeBreakfast": "function"}]}),
    ],
)
def test_a_deployment_fails_at_its_appspec(codedeploy: CodeDeploy, document: str) -> None:
    """CodeDeploy takes any text; what is wrong with it fails the deployment: INVALID_REVISION."""
    revision = content(document, sha256=hashlib.sha256(document.encode()).hexdigest())
    made = codedeploy.client.create_deployment(applicationName="app", deploymentGroupName="group", revision=revision)[
        "deploymentId"
    ]
    seen = codedeploy.seen(made)
    assert (seen["status"], seen["errorInformation"]["code"]) == ("Failed", "INVALID_REVISION")
    assert "rollbackInfo" not in seen
    assert codedeploy.sets() == [("PRIMARY", "web:1")]


ELB = "The ELB could not be updated due to the following error: "


def test_a_deployment_fails_at_listeners_that_do_not_serve_blue(codedeploy: CodeDeploy) -> None:
    """Checked before the task set is created; the texts are those that users quote."""
    stage = codedeploy.stage
    definition, third = stage.definition("web:v2"), stage.target_group("third")
    behind = f"{ELB}Primary taskset target group must be behind listener "
    rule = stage.elb.create_rule(
        ListenerArn=stage.production, Priority=1, Actions=[forward({stage.blue: 1})],
        Conditions=[{"Field": "path-pattern", "Values": ["/api/*"]}],
    )["Rules"][0]["RuleArn"]  # fmt: skip
    for weights, message in [
        ({stage.green: 1}, behind + rule),
        ({stage.blue: 90, stage.green: 10}, f"{ELB}Green taskset target group cannot have non-zero weight prior to "
         "traffic shifting"),
        ({stage.blue: 1, third: 1}, f"{ELB}Only target group in ECS deployment group ({stage.blue}, {stage.green}) can "
         f"be set on listener {stage.production}"),
    ]:  # fmt: skip
        stage.elb.modify_rule(RuleArn=rule, Actions=[forward(weights)])
        error = codedeploy.seen(codedeploy.deploy(definition))["errorInformation"]
        assert error == {"code": "ELASTIC_LOAD_BALANCING_INVALID", "message": message}
    stage.elb.delete_rule(RuleArn=rule)
    stage.elb.modify_listener(ListenerArn=stage.test, DefaultActions=[forward({third: 1})])
    assert codedeploy.seen(codedeploy.deploy(definition))["errorInformation"]["message"] == behind + stage.test
    assert codedeploy.sets() == [("PRIMARY", "web:1")]


def test_deployments_are_listed_and_described(laptop: Laptop, codedeploy: CodeDeploy) -> None:
    """ListDeployments: newest first, filtered, in pages of a hundred; BatchGetDeployments leaves out what is gone."""
    client, definition = codedeploy.client, codedeploy.stage.definition("web:v2")
    both = {"applicationName": "app", "deploymentGroupName": "group"}
    made = []
    for _ in range(101):
        made.append(codedeploy.deploy("web:9"))  # fails at once: there is no such revision
        laptop.advance(60)
    began = laptop.clock.now()
    active = codedeploy.deploy(definition)
    pages = [client.list_deployments(**both)]
    pages.append(client.list_deployments(**both, nextToken=pages[0]["nextToken"]))
    assert [one for page in pages for one in page["deployments"]] == [active, *reversed(made)]
    assert [len(page["deployments"]) for page in pages] == [100, 2]
    assert client.list_deployments(**both, includeOnlyStatuses=["InProgress"])["deployments"] == [active]
    recent = client.list_deployments(createTimeRange={"start": began - timedelta(seconds=90)})["deployments"]
    assert recent == [active, made[-1]]
    for changes, code in [
        ({"applicationName": "app"}, "DeploymentGroupNameRequiredException"),
        ({"deploymentGroupName": "group"}, "ApplicationNameRequiredException"),
        ({**both, "deploymentGroupName": "gone"}, "DeploymentGroupDoesNotExistException"),
        ({**both, "nextToken": "x"}, "InvalidNextTokenException"),
        ({"createTimeRange": {"start": began, "end": began - timedelta(1)}}, "InvalidTimeRangeException"),
    ]:
        with refused(code):
            client.list_deployments(**changes)
    found = client.batch_get_deployments(deploymentIds=[active, "d-AAAAAAAAA"])["deploymentsInfo"]
    assert [one["deploymentId"] for one in found] == [active]
    assert "deploymentOverview" not in found[0]
    assert codedeploy.seen(made[0])["deploymentOverview"]["Failed"] == 1
    with refused("BatchLimitExceededException"):
        client.batch_get_deployments(deploymentIds=made[:26])
    with refused("InvalidDeploymentIdException"):
        client.get_deployment(deploymentId="nothing")
    with refused("DeploymentDoesNotExistException"):
        client.get_deployment(deploymentId="d-AAAAAAAAA")


def test_a_deployment_has_one_target(codedeploy: CodeDeploy) -> None:
    """BatchGetDeploymentTargets, errors: of an ECS deployment the list has exactly one item, CLUSTER:SERVICE."""
    client = codedeploy.client
    deployment = codedeploy.deploy(codedeploy.stage.definition("web:v2"))
    assert client.list_deployment_targets(deploymentId=deployment)["targetIds"] == ["demo:web"]
    for ids, code in [
        ([], "DeploymentTargetIdRequiredException"),
        (["demo:web", "demo:web"], "DeploymentTargetListSizeExceededException"),
        (["demo:api"], "DeploymentTargetDoesNotExistException"),
    ]:
        with refused(code):
            client.batch_get_deployment_targets(deploymentId=deployment, targetIds=ids)
    assert client.list_deployment_targets(
        deploymentId=deployment, targetFilters={"TargetStatus": ["Failed"]}
    )["targetIds"] == []  # fmt: skip


def test_a_renamed_application_and_group_keep_their_deployments(codedeploy: CodeDeploy) -> None:
    """UpdateApplication and UpdateDeploymentGroup change a name, and nothing else."""
    client = codedeploy.client
    codedeploy.update(**READY)
    deployment = codedeploy.deploy(codedeploy.stage.definition("web:v2"))
    codedeploy.update(newDeploymentGroupName="other")
    client.update_application(applicationName="app", newApplicationName="new")
    names = {"applicationName": "new", "deploymentGroupName": "other"}
    assert client.list_deployments(**names)["deployments"] == [deployment]
    assert client.get_deployment_group(**names)["deploymentGroupInfo"]["applicationName"] == "new"
    client.continue_deployment(deploymentId=deployment)
    assert codedeploy.seen(deployment)["instanceTerminationWaitTimeStarted"]
