"""The local AWS emulator over HTTP: any client, threads, the admin routes, and the clockwork of a system clock."""

from __future__ import annotations

import functools
import json
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError

from reconciler.cli.emulator_client import CLIENT_HEADERS
from reconciler.local.faults import Fault
from reconciler.local.server import Server
from tests.local.control_plane.stage import TRUST, refused


@functools.lru_cache(maxsize=1)
def _session() -> boto3.Session:
    return boto3.Session("AKIALAPTOPAWS0000000", "laptop", region_name="us-west-2")


def _client(server: Server, service: str) -> Any:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10)
    return _session().client(service, endpoint_url=server.url, config=config)  # type: ignore[call-overload]


def _admin(server: Server, method: str, path: str, body: Any = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(f"{server.url}/_reconciler/{path}", data, CLIENT_HEADERS, method=method)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


@pytest.mark.parametrize(
    ("service", "operation", "arguments"),
    [
        ("sts", "get_caller_identity", {}),
        ("ec2", "describe_vpcs", {}),
        ("ecs", "list_clusters", {}),
        ("elbv2", "describe_load_balancers", {}),
        ("codedeploy", "list_applications", {}),
        ("application-autoscaling", "describe_scalable_targets", {"ServiceNamespace": "ecs"}),
        ("resourcegroupstaggingapi", "get_resources", {}),
        ("iam", "list_roles", {}),
        ("ecr", "describe_repositories", {}),
        ("logs", "describe_log_groups", {}),
        ("events", "list_rules", {}),
        ("scheduler", "list_schedules", {}),
        ("dynamodb", "list_tables", {}),
        ("ssm", "describe_parameters", {}),
        ("secretsmanager", "list_secrets", {}),
        ("cloudwatch", "describe_alarms", {}),
        ("servicediscovery", "list_namespaces", {}),
        ("s3", "list_buckets", {}),
    ],
)
def test_every_service_answers_over_http(
    server: Server, service: str, operation: str, arguments: dict[str, Any]
) -> None:
    """One port for all: the signing scope says which service is meant."""
    answer = getattr(_client(server, service), operation)(**arguments)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_objects_and_items_survive_the_way(server: Server) -> None:
    """Bodies, paths and queries reach moto as they were sent: S3 keys with spaces, DynamoDB conditions."""
    s3 = _client(server, "s3")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="bucket", Key="a key/ü?", Body=b"\x00\xff" * 1000)
    assert s3.get_object(Bucket="bucket", Key="a key/ü?")["Body"].read() == b"\x00\xff" * 1000
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="bucket", Prefix="a key/")["Contents"]] == ["a key/ü?"]


def test_conditional_writes_of_many_threads_are_not_lost(server: Server) -> None:
    """One lock around every request: moto alone loses updates when it is asked by several threads."""
    dynamodb = _client(server, "dynamodb")
    dynamodb.create_table(
        TableName="t",
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.put_item(TableName="t", Item={"k": {"S": "x"}, "n": {"N": "0"}})
    # botocore makes this class when it is first asked for; threads that ask together get a class each
    conflict = dynamodb.exceptions.ConditionalCheckFailedException

    def increment(_: int) -> int:
        won = 0
        for _attempt in range(20):
            seen = dynamodb.get_item(TableName="t", Key={"k": {"S": "x"}}, ConsistentRead=True)["Item"]["n"]["N"]
            try:
                dynamodb.put_item(
                    TableName="t",
                    Item={"k": {"S": "x"}, "n": {"N": str(int(seen) + 1)}},
                    ConditionExpression="n = :n",
                    ExpressionAttributeValues={":n": {"N": seen}},
                )
                won += 1
            except conflict:
                continue
        return won

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            won = sum(pool.map(increment, range(4)))
    finally:
        sys.setswitchinterval(interval)
    assert dynamodb.get_item(TableName="t", Key={"k": {"S": "x"}})["Item"]["n"]["N"] == str(won)


def test_time_goes_on_by_itself(server: Server) -> None:
    """With a system clock nobody needs to tick: the load balancer gets active, the service stable."""
    ec2, elb, ecs = (_client(server, name) for name in ("ec2", "elbv2", "ecs"))
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"us-west-2{zone}")["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate("ac")
    ]
    elb.create_load_balancer(Name="alb", Subnets=subnets, Scheme="internal")
    elb.get_waiter("load_balancer_available").wait(Names=["alb"], WaiterConfig={"Delay": 0, "MaxAttempts": 500})
    ecs.create_cluster(clusterName="c")
    ecs.register_task_definition(
        family="web", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
        containerDefinitions=[{"name": "web", "image": "web:v1"}],
    )  # fmt: skip
    ecs.create_service(
        cluster="c", serviceName="web", taskDefinition="web", desiredCount=2, launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": subnets}},
    )  # fmt: skip
    ecs.get_waiter("services_stable").wait(cluster="c", services=["web"], WaiterConfig={"Delay": 0, "MaxAttempts": 500})


def test_what_is_not_there_is_an_aws_error_over_http_too(server: Server) -> None:
    """Never an HTML page: the error has the protocol's shape."""
    with refused("UnknownOperationException"):
        _client(server, "ecs").list_daemons()
    with refused("ClusterNotFoundException"):
        _client(server, "ecs").list_services(cluster="gone")


def test_faults_are_put_and_lifted_over_http(server: Server) -> None:
    """The admin route: GET, POST, DELETE; a fault that there is not is 400."""
    made = _admin(server, "POST", "faults", {"kind": "throttle", "service": "ecs"})
    assert _admin(server, "GET", "faults")[0]["id"] == made["id"]
    with refused("ThrottlingException"):
        _client(server, "ecs").list_clusters()
    _admin(server, "DELETE", f"faults?id={made['id']}")
    _client(server, "ecs").list_clusters()
    for body in ({"kind": "bogus"}, {"unknown": 1}):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            _admin(server, "POST", "faults", body)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _admin(server, "DELETE", "faults?id=gone")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        _admin(server, "GET", "nothing")


def test_a_lost_answer_ends_the_connection(server: Server) -> None:
    """The call is carried out; the client sees the connection close."""
    server.laptop.faults.add(Fault("lost", operation="CreateCluster", count=1))
    ecs = _client(server, "ecs")
    with pytest.raises((ConnectionClosedError, EndpointConnectionError)):
        ecs.create_cluster(clusterName="c")
    assert len(ecs.list_clusters()["clusterArns"]) == 1


def test_a_reset_leaves_an_empty_account(server: Server) -> None:
    """POST reset: both halves are empty, and what ran is gone."""
    iam, ecs = _client(server, "iam"), _client(server, "ecs")
    ecs.create_cluster(clusterName="c")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))
    _admin(server, "POST", "reset")
    assert ecs.list_clusters()["clusterArns"] == []
    assert iam.list_roles()["Roles"] == []
    assert _admin(server, "GET", "health")["region"] == "us-west-2"
    assert _admin(server, "GET", "urls") == {}


def test_the_end_leaves_no_thread(server: Server) -> None:
    """Closing stops the listener and the clockwork; closing twice does no harm."""
    server.close()
    server.close()
    names = [thread.name for thread in threading.enumerate()]
    assert "aws-emulator" not in names


def test_state_changes_of_deployments_are_told(server: Server) -> None:
    """As EventBridge would deliver them, from all regions."""
    ecs = _client(server, "ecs")
    ecs.create_cluster(clusterName="demo")
    container = {"name": "web", "image": "web:v1", "memory": 64}
    ecs.register_task_definition(family="web", containerDefinitions=[container])
    made = ecs.create_service(cluster="demo", serviceName="web", taskDefinition="web", desiredCount=0)["service"]
    while made["deployments"][0]["rolloutState"] != "COMPLETED":
        made = ecs.describe_services(cluster="demo", services=["web"])["services"][0]
    events = _admin(server, "GET", "events")
    assert [event["detail"]["eventName"] for event in events] == [
        "SERVICE_DEPLOYMENT_IN_PROGRESS",
        "SERVICE_DEPLOYMENT_COMPLETED",
    ]
    assert {event["source"] for event in events} == {"aws.ecs"}
    assert {event["detail"]["deploymentId"] for event in events} == {made["deployments"][0]["id"]}


def test_functions_are_put_over_http(server: Server) -> None:
    """Name → the answer that it gives every time."""
    assert _admin(server, "POST", "functions", {"check": "SUCCEEDED"}) == {"check": "SUCCEEDED"}
    _admin(server, "POST", "functions", {"other": "FAILED"})
    assert _admin(server, "GET", "functions") == {"check": "SUCCEEDED", "other": "FAILED"}
    with pytest.raises(urllib.error.HTTPError):
        _admin(server, "POST", "functions", {"check": "PERHAPS"})
    assert _admin(server, "DELETE", "functions") == {}
