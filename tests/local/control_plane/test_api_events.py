"""Who has called what: CloudTrail's events through EventBridge, and its event history."""

from __future__ import annotations

import json
from typing import Any

import botocore
import pytest

from reconciler.local.faults import Fault
from reconciler.local.inprocess import Laptop
from reconciler.local.wire import Request
from reconciler.model.resource import Call
from tests.harness.emulated_stack import InProcess
from tests.local.control_plane.stage import TRUST, refused
from tests.local.control_plane.test_events import Listener

API_CALLS = {"detail-type": ["AWS API Call via CloudTrail"]}


@pytest.fixture
def trailed(laptop: Laptop) -> Listener:
    """A trail of all regions that logs, and a rule for the calls that it logs."""
    begin_trail(laptop)
    listener = Listener(laptop)
    listener.rule(API_CALLS)
    listener.take()
    return listener


def begin_trail(laptop: Laptop, **settings: Any) -> None:
    laptop.client("s3", region="us-east-1").create_bucket(Bucket="trail-logs")
    trail = laptop.client("cloudtrail")
    trail.create_trail(Name="all", S3BucketName="trail-logs", **{"IsMultiRegionTrail": True, **settings})
    trail.start_logging(Name="all")


def calls(listener: Listener) -> list[str]:
    return [one["detail"]["eventName"] for one in listener.take()]


def history(laptop: Laptop, key: str = "", value: str = "", **params: Any) -> list[dict[str, Any]]:
    if key:
        params["LookupAttributes"] = [{"AttributeKey": key, "AttributeValue": value}]
    laptop.advance(1)
    answer = laptop.client("cloudtrail").lookup_events(**params)
    found: list[dict[str, Any]] = answer["Events"]
    return found


# ---- events ---------------------------------------------------------------------------------------------------------


def test_without_a_trail_that_logs_no_call_is_told(laptop: Laptop) -> None:
    listener = Listener(laptop)
    listener.rule(API_CALLS)
    laptop.client("ecs").create_cluster(clusterName="one")
    assert calls(listener) == []
    begin_trail(laptop)
    laptop.client("ecs").create_cluster(clusterName="two")
    assert calls(listener) == ["StartLogging", "CreateCluster"]
    laptop.client("cloudtrail").stop_logging(Name="all")
    laptop.client("ecs").create_cluster(clusterName="three")
    assert calls(listener) == []


def test_a_write_is_told_with_its_caller_and_a_read_is_not(laptop: Laptop, trailed: Listener) -> None:
    ecs = laptop.client("ecs")
    ecs.create_cluster(clusterName="demo", tags=[{"key": "a", "value": "b"}])
    ecs.list_clusters()
    (event,) = trailed.take()
    assert (event["source"], event["detail-type"], event["resources"]) == ("aws.ecs", "AWS API Call via CloudTrail", [])
    detail = event["detail"]
    identity = laptop.client("sts").get_caller_identity()
    assert detail["userIdentity"] == {
        "type": "IAMUser",
        "principalId": identity["UserId"],
        "arn": identity["Arn"],
        "accountId": "123456789012",
        "accessKeyId": "AKIALAPTOPAWS0000000",
        "userName": "moto",
    }
    assert detail["eventSource"] == "ecs.amazonaws.com"
    assert (detail["awsRegion"], detail["recipientAccountId"]) == ("us-west-2", "123456789012")
    assert (detail["sourceIPAddress"], detail["userAgent"]) == ("127.0.0.1", f"laptop Botocore/{botocore.__version__}")
    assert detail["readOnly"] is False
    assert detail["requestParameters"] == {"clusterName": "demo", "tags": [{"key": "a", "value": "b"}]}
    assert detail["responseElements"]["cluster"]["clusterName"] == "demo"
    assert "errorCode" not in detail


def test_a_refused_call_is_told_with_its_error(laptop: Laptop, trailed: Listener) -> None:
    with refused("ClusterNotFoundException"):
        laptop.client("ecs").delete_cluster(cluster="none")
    laptop.aws.inject(Fault("denied", operation="DeleteSecurityGroup", count=1))
    with refused("UnauthorizedOperation"):
        laptop.client("ec2").delete_security_group(GroupId="sg-1")
    cluster, group = (one["detail"] for one in trailed.take())
    assert (cluster["errorCode"], cluster["responseElements"]) == ("ClusterNotFoundException", None)
    assert group["errorCode"] == "Client.UnauthorizedOperation"
    assert group["requestParameters"] == {"groupId": "sg-1"}


def test_callers_are_told_apart(laptop: Laptop, trailed: Listener) -> None:
    """A user by the key, a role's session by its role and name."""
    role = laptop.client("iam").create_role(RoleName="deployer", AssumeRolePolicyDocument=json.dumps(TRUST))
    laptop.by_hand("alice", tool="console", address="203.0.113.9").client("ecs").create_cluster(clusterName="a")
    laptop.assumed(role["Role"]["Arn"], "ci-7").client("ecs").create_cluster(clusterName="b")
    laptop.by_hand("bob", tool="terraform").client("ecs").create_cluster(clusterName="c")
    alice, ci, bob = (one["detail"] for one in trailed.take() if one["detail"]["eventName"] == "CreateCluster")
    assert alice["userIdentity"]["arn"] == "arn:aws:iam::123456789012:user/alice"
    assert alice["sessionCredentialFromConsole"] == "true"
    assert alice["sourceIPAddress"] == "203.0.113.9"
    assert ci["userIdentity"]["type"] == "AssumedRole"
    assert ci["userIdentity"]["arn"] == "arn:aws:sts::123456789012:assumed-role/deployer/ci-7"
    assert ci["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] == role["Role"]["Arn"]
    assert ci["userIdentity"]["principalId"] == f"{role['Role']['RoleId']}:ci-7"
    assert bob["userIdentity"]["userName"] == "bob"
    assert bob["userAgent"].startswith("APN/1.0 HashiCorp/1.0 Terraform/")
    assert "sessionCredentialFromConsole" not in bob
    assert [one["Username"] for one in history(laptop, "EventName", "CreateCluster")] == ["bob", "ci-7", "alice"]


def test_the_parameters_of_ec2_are_spelt_as_cloudtrail_spells_them(laptop: Laptop, trailed: Listener) -> None:
    ec2 = laptop.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/20")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="web", Description="d", VpcId=vpc)["GroupId"]
    permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    ec2.create_tags(Resources=[group], Tags=[{"Key": "a", "Value": "b"}])
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.create_nat_gateway(SubnetId=subnet, AllocationId=address)
    told = {one["detail"]["eventName"]: one["detail"] for one in trailed.take()}
    assert told["CreateVpc"]["responseElements"]["vpc"]["vpcId"] == vpc
    rule = told["AuthorizeSecurityGroupIngress"]
    open_to_all = {
        "ipProtocol": "tcp",
        "fromPort": 22,
        "toPort": 22,
        "groups": {},
        "ipRanges": {"items": [{"cidrIp": "0.0.0.0/0"}]},
        "ipv6Ranges": {},
        "prefixListIds": {},
    }
    assert rule["requestParameters"] == {"groupId": group, "ipPermissions": {"items": [open_to_all]}}
    assert rule["responseElements"]["_return"] is True
    assert told["CreateTags"]["requestParameters"] == {
        "resourcesSet": {"items": [{"resourceId": group}]},
        "tagSet": {"items": [{"key": "a", "value": "b"}]},
    }
    nat = told["CreateNatGateway"]["requestParameters"]["CreateNatGatewayRequest"]
    assert {"SubnetId": subnet, "AllocationId": address}.items() <= nat.items()


def test_secrets_are_hidden(laptop: Laptop, trailed: Listener) -> None:
    laptop.client("ssm").put_parameter(Name="/a", Value="geheim", Type="SecureString")
    secrets = laptop.client("secretsmanager")
    secrets.create_secret(Name="s", SecretString="geheim")
    secrets.put_secret_value(SecretId="s", SecretString="geheim")
    laptop.client("iam").create_user(UserName="u")
    told = trailed.take()
    assert "geheim" not in json.dumps(told)
    assert told[0]["detail"]["requestParameters"]["value"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert told[2]["detail"]["requestParameters"]["secretId"] == "s"


def test_iam_is_told_in_us_east_1_only(laptop: Laptop, trailed: Listener) -> None:
    east = Listener(laptop, "east", "us-east-1")
    east.rule(API_CALLS)
    east.take()
    laptop.client("iam").create_user(UserName="u")
    assert calls(trailed) == []
    (event,) = east.take()
    assert (event["region"], event["detail"]["awsRegion"]) == ("us-east-1", "us-east-1")
    assert event["detail"]["requestParameters"] == {"userName": "u"}
    assert history(laptop, "EventName", "CreateUser") == []


def test_a_rule_may_ask_for_reads(laptop: Laptop, trailed: Listener) -> None:
    pattern = json.dumps({**API_CALLS, "source": ["aws.ecs"]})
    trailed.events.put_rule(Name="all", EventPattern=pattern, State="ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")
    laptop.client("ecs").list_clusters()
    assert calls(trailed) == ["ListClusters"]


def test_a_role_that_is_assumed_is_a_read(laptop: Laptop, trailed: Listener) -> None:
    """CloudTrail calls AssumeRole read-only, so that a rule is not told of it."""
    role = laptop.client("iam").create_role(RoleName="deployer", AssumeRolePolicyDocument=json.dumps(TRUST))
    laptop.assumed(role["Role"]["Arn"], "ci-7")
    assert calls(trailed) == []
    (event,) = history(laptop, "EventName", "AssumeRole")
    assert event["ReadOnly"] == "true"
    assert "secretAccessKey" not in event["CloudTrailEvent"]


def test_a_trail_of_one_region_logs_no_other(laptop: Laptop) -> None:
    begin_trail(laptop, IsMultiRegionTrail=False, IncludeGlobalServiceEvents=False)
    there = Listener(laptop, region="eu-west-1")
    there.rule(API_CALLS)
    laptop.client("ecs", region="eu-west-1").create_cluster(clusterName="a")
    assert calls(there) == []


def test_buckets_are_told_and_objects_are_not(laptop: Laptop, trailed: Listener) -> None:
    s3 = laptop.client("s3")
    s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    s3.put_object(Bucket="mine", Key="a/b", Body=b"c")
    s3.put_bucket_tagging(Bucket="mine", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    told = trailed.take()
    assert [one["detail"]["eventName"] for one in told] == ["CreateBucket", "PutBucketTagging"]
    assert told[0]["detail"]["requestParameters"] == {"bucketName": "mine"}


# ---- history --------------------------------------------------------------------------------------------------------


def test_the_history_answers_by_attribute_without_a_trail(laptop: Laptop) -> None:
    ec2 = laptop.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/20")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="web", Description="d", VpcId=vpc)["GroupId"]
    ec2.describe_vpcs()
    laptop.by_hand("alice").client("ec2").revoke_security_group_egress(
        GroupId=group, IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    )
    (event,) = history(laptop, "Username", "alice")
    assert (event["EventName"], event["ReadOnly"]) == ("RevokeSecurityGroupEgress", "false")
    assert {"ResourceType": "AWS::EC2::SecurityGroup", "ResourceName": group} in event["Resources"]
    detail = json.loads(event["CloudTrailEvent"])
    assert (detail["eventID"], detail["eventSource"]) == (event["EventId"], "ec2.amazonaws.com")
    names = [one["EventName"] for one in history(laptop, "ResourceName", group)]
    assert names == ["RevokeSecurityGroupEgress", "CreateSecurityGroup"]
    for key, value in (
        ("EventId", event["EventId"]),
        ("AccessKeyId", event["AccessKeyId"]),
    ):
        assert [one["EventId"] for one in history(laptop, key, value)] == [event["EventId"]]
    assert [one["EventName"] for one in history(laptop, "ReadOnly", "true", MaxResults=50)][-1] == "DescribeVpcs"
    assert len(history(laptop, "ResourceType", "AWS::EC2::VPC")) == 2
    assert len(history(laptop, "EventSource", "ec2.amazonaws.com")) == 4


def test_the_history_comes_in_pages_the_newest_first(laptop: Laptop) -> None:
    ecs = laptop.client("ecs")
    for number in range(5):
        ecs.create_cluster(clusterName=f"c{number}")
        laptop.advance(10)
    client = laptop.client("cloudtrail")
    asked = [{"AttributeKey": "EventName", "AttributeValue": "CreateCluster"}]
    first = client.lookup_events(LookupAttributes=asked, MaxResults=2)
    second = client.lookup_events(LookupAttributes=asked, MaxResults=2, NextToken=first["NextToken"])
    laptop.advance(1)
    times = [one["EventTime"] for one in (*first["Events"], *second["Events"])]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 4
    began = times[1]
    assert len(history(laptop, "EventName", "CreateCluster", StartTime=began)) == 2
    assert len(history(laptop, "EventName", "CreateCluster", EndTime=began)) == 4


def test_the_history_is_late_and_answers_twice_a_second(laptop: Laptop) -> None:
    laptop.aws.inject(Fault("lookup_delay", service="ecs", after=600))
    laptop.client("ecs").create_cluster(clusterName="a")
    laptop.client("ec2").create_vpc(CidrBlock="10.0.0.0/20")
    assert history(laptop, "EventName", "CreateCluster") == []
    assert len(history(laptop, "EventName", "CreateVpc")) == 1
    laptop.advance(600)
    client = laptop.client("cloudtrail")
    assert len(client.lookup_events(LookupAttributes=[])["Events"]) > 1
    client.lookup_events()
    with refused("ThrottlingException"):
        client.lookup_events()
    laptop.client("cloudtrail", region="eu-west-1").lookup_events()
    assert len(history(laptop, "EventName", "CreateCluster")) == 1


def test_the_harness_does_not_remember_an_answer_of_the_history(laptop: Laptop) -> None:
    transport = InProcess(laptop)
    lookup = Call("cloudtrail", "LookupEvents", {"StartTime": laptop.clock.now()})
    assert transport.perform(lookup)["Events"] == []
    laptop.advance(1)
    names = [one["EventName"] for one in transport.perform(lookup)["Events"]]
    assert names == ["LookupEvents"]


def test_a_call_that_no_model_knows_is_recorded(laptop: Laptop) -> None:
    """The emulator refuses it; the history has what can be said of it."""
    scope = "Credential=A/20260101/us-west-2/nonsense/aws4_request"
    headers = {"authorization": scope, "x-amz-target": "Nonsense.Do", "content-type": "application/x-amz-json-1.1"}
    laptop.aws.handle(Request("POST", "/", headers, b"{"))
    (event,) = history(laptop, "EventName", "Do")
    detail = json.loads(event["CloudTrailEvent"])
    assert (detail["eventSource"], detail["requestParameters"]) == ("nonsense.amazonaws.com", None)
    assert detail["errorCode"]


def test_what_lookup_events_does_not_take_is_refused(laptop: Laptop) -> None:
    attribute = {"AttributeKey": "EventName", "AttributeValue": "a"}
    with refused("InvalidLookupAttributesException"):
        history(laptop, LookupAttributes=[attribute, attribute])
    with refused("InvalidNextTokenException"):
        history(laptop, NextToken="nonsense")
    now = laptop.clock.now()
    with refused("InvalidTimeRangeException"):
        laptop.client("cloudtrail", region="eu-west-1").lookup_events(StartTime=now, EndTime=now.replace(year=2025))
