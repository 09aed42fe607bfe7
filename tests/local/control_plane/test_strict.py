"""What AWS refuses and moto does not. Each rule names the page of AWS's documentation that states it."""

from __future__ import annotations

import hashlib
import json
from ipaddress import ip_address, ip_network
from typing import Any, get_args

import pytest

from reconciler.local.inprocess import Laptop, laptop_session
from reconciler.local.timings import Timings
from reconciler.spec.documents.network import Endpoint
from tests.local.control_plane.stage import TRUST, Stage, refused

MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []})


# ---- EC2 ------------------------------------------------------------------------------------------------------------


def test_a_vpc_has_one_internet_gateway(plain: Stage) -> None:
    """VPC user guide, "Internet gateways": one per VPC."""
    other = plain.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    with refused("InvalidParameterValue", "already has an internet gateway attached"):
        plain.ec2.attach_internet_gateway(InternetGatewayId=other, VpcId=plain.vpc)


def test_a_rule_from_a_group_has_a_description_that_can_be_changed(plain: Stage) -> None:
    """EC2 API reference, UpdateSecurityGroupRuleDescriptionsIngress, and SecurityGroupRule in the answers."""
    ec2 = plain.ec2
    made = [ec2.create_security_group(GroupName=n, Description=n, VpcId=plain.vpc)["GroupId"] for n in ("from", "to")]

    def permissions(text: str) -> list[Any]:
        pair = {"GroupId": made[0], "Description": text}
        return [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [pair]}]

    def described() -> list[str]:
        rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [made[1]]}])
        return [rule.get("Description", "") for rule in rules["SecurityGroupRules"] if "ReferencedGroupInfo" in rule]

    authorized = ec2.authorize_security_group_ingress(GroupId=made[1], IpPermissions=permissions("from the <first>"))
    (rule,) = authorized["SecurityGroupRules"]
    assert rule["Description"] == "from the <first>"
    assert described() == ["from the <first>"]
    changed = {
        "IpProtocol": "tcp",
        "FromPort": 80,
        "ToPort": 80,
        "ReferencedGroupId": made[0],
        "Description": "changed",
    }
    ec2.modify_security_group_rules(
        GroupId=made[1],
        SecurityGroupRules=[{"SecurityGroupRuleId": rule["SecurityGroupRuleId"], "SecurityGroupRule": changed}],
    )
    assert described() == ["changed"]
    (group,) = ec2.describe_security_groups(GroupIds=[made[1]])["SecurityGroups"]
    assert group["IpPermissions"][0]["UserIdGroupPairs"][0]["Description"] == "changed"
    ec2.update_security_group_rule_descriptions_ingress(GroupId=made[1], IpPermissions=permissions("other"))
    assert described() == ["other"]


def test_a_description_is_removed_by_sending_the_rule_without_one(plain: Stage) -> None:
    """EC2 API reference, UpdateSecurityGroupRuleDescriptionsIngress."""
    ec2, group = plain.ec2, plain.security_group("described")

    def permissions(cidr: str, **described: str) -> list[Any]:
        name, key = ("Ipv6Ranges", "CidrIpv6") if ":" in cidr else ("IpRanges", "CidrIp")
        return [{"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, name: [{key: cidr, **described}]}]

    for cidr in ("10.0.0.0/8", "fd00::/8"):
        ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=permissions(cidr, Description="why"))
    ec2.update_security_group_rule_descriptions_ingress(GroupId=group, IpPermissions=permissions("10.0.0.0/8"))
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    described = {rule.get("CidrIpv4") or rule.get("CidrIpv6"): rule.get("Description") for rule in rules}
    assert described == {"10.0.0.0/8": None, "fd00::/8": "why", "0.0.0.0/0": None}
    ec2.update_security_group_rule_descriptions_ingress(GroupId=group, IpPermissions=permissions("fd00::/8"))
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])["SecurityGroupRules"]
    assert not any("Description" in rule for rule in rules)


def test_a_vpc_is_deleted_last(plain: Stage) -> None:
    """EC2 API reference, DeleteVpc: everything in it must be gone, gateways, groups and endpoints included."""
    ec2 = plain.ec2
    table = ec2.describe_route_tables(RouteTableIds=[plain.table])["RouteTables"][0]
    for association in table["Associations"]:
        ec2.disassociate_route_table(AssociationId=association["RouteTableAssociationId"])
    ec2.delete_route_table(RouteTableId=plain.table)
    for subnet in plain.subnets:
        ec2.delete_subnet(SubnetId=subnet)
    with refused("DependencyViolation"):
        ec2.delete_vpc(VpcId=plain.vpc)
    ec2.detach_internet_gateway(InternetGatewayId=plain.gateway, VpcId=plain.vpc)
    with refused("DependencyViolation"):
        ec2.delete_vpc(VpcId=plain.vpc)
    ec2.delete_security_group(GroupId=plain.group)
    ec2.delete_vpc(VpcId=plain.vpc)


def test_a_group_that_another_names_stays(plain: Stage) -> None:
    """EC2 API reference, DeleteSecurityGroup: DependencyViolation; the default group: CannotDelete."""
    other = plain.security_group("other")
    rule = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": plain.group}]}
    plain.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[rule])
    with refused("DependencyViolation"):
        plain.ec2.delete_security_group(GroupId=plain.group)
    plain.ec2.revoke_security_group_ingress(GroupId=other, IpPermissions=[rule])
    plain.ec2.delete_security_group(GroupId=plain.group)
    default = plain.ec2.describe_security_groups(
        Filters=[{"Name": "vpc-id", "Values": [plain.vpc]}, {"Name": "group-name", "Values": ["default"]}]
    )["SecurityGroups"][0]["GroupId"]
    with refused("CannotDelete"):
        plain.ec2.delete_security_group(GroupId=default)


def test_a_task_keeps_its_group_its_subnet_and_the_gateway() -> None:
    """Developer guide, "Fargate task networking": each task has an interface; public addresses hold the gateway."""
    with laptop_session(timings=Timings(task_interface=60, steady_after=0)) as laptop:
        stage = Stage(laptop).network().cluster()
        stage.definition()
        stage.service(desiredCount=1)
        laptop.advance(10)
        for desired in (0, None):
            with refused("DependencyViolation"):
                stage.ec2.delete_security_group(GroupId=stage.group)
            with refused("DependencyViolation"):
                stage.ec2.delete_subnet(SubnetId=stage.subnets[0])
            with refused("DependencyViolation", "mapped public address"):
                stage.ec2.detach_internet_gateway(InternetGatewayId=stage.gateway, VpcId=stage.vpc)
            if desired is not None:
                stage.update(desiredCount=desired)
                laptop.advance(10)
                assert stage.seen()["runningCount"] == 0
        laptop.advance(60)
        stage.ec2.detach_internet_gateway(InternetGatewayId=stage.gateway, VpcId=stage.vpc)
        stage.ec2.delete_security_group(GroupId=stage.group)


def test_interfaces_of_aws_are_not_ours_to_delete(stage: Stage) -> None:
    """EC2 API reference, DeleteNetworkInterface: detach it first; InvalidNetworkInterface.InUse."""
    interface = stage.ec2.describe_network_interfaces()["NetworkInterfaces"][0]
    with refused("InvalidNetworkInterface.InUse"):
        stage.ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
    with refused("OperationNotPermitted", "You are not allowed to manage"):
        stage.ec2.detach_network_interface(AttachmentId=interface["Attachment"]["AttachmentId"])


def test_an_interface_says_what_it_is_attached_to(stage: Stage) -> None:
    """DescribeNetworkInterfaces, "Attachment": of a task, a load balancer, a NAT gateway and an endpoint alike."""
    stage.service(desiredCount=1)
    address = stage.ec2.allocate_address(Domain="vpc")["AllocationId"]
    stage.ec2.create_nat_gateway(SubnetId=stage.subnets[0], AllocationId=address)
    stage.ec2.create_vpc_endpoint(
        VpcId=stage.vpc,
        ServiceName="com.amazonaws.us-west-2.logs",
        VpcEndpointType="Interface",
        SubnetIds=stage.subnets[:1],
    )
    found = stage.ec2.describe_network_interfaces()["NetworkInterfaces"]
    owners = {one["Attachment"]["InstanceOwnerId"] + " " + one["InterfaceType"] for one in found}
    assert owners == {
        "amazon-ecs interface",
        "amazon-elb interface",
        "amazon-aws nat_gateway",
        "amazon-aws vpc_endpoint",
    }
    for one in found:
        attached = one["Attachment"]
        assert (one["Status"], attached["Status"], attached["DeviceIndex"]) == ("in-use", "attached", 1)
        assert attached["DeleteOnTermination"] is False
        assert "InstanceId" not in attached
        assert attached["AttachmentId"].startswith("ela-" if attached["InstanceOwnerId"] == "amazon-aws" else "eni-")
        blocks = {subnet["SubnetId"]: subnet["CidrBlock"] for subnet in stage.ec2.describe_subnets()["Subnets"]}
        assert ip_address(one["PrivateIpAddress"]) in ip_network(blocks[one["SubnetId"]])


def test_a_subnet_is_of_28_at_least(plain: Stage) -> None:
    """VPC user guide, "Subnet sizing": between /28 and /16."""
    with refused("InvalidSubnet.Range"):
        plain.subnet("10.0.9.0/29", "a")


def test_routes_lead_out_of_the_same_vpc(plain: Stage) -> None:
    """EC2 API reference, CreateRoute: an internet gateway attached to the VPC of the route table."""
    other = plain.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    with refused("InvalidParameterValue", "different networks"):
        plain.ec2.create_route(RouteTableId=plain.table, DestinationCidrBlock="10.9.0.0/16", GatewayId=other)


def test_a_subnet_has_one_route_table(plain: Stage) -> None:
    """VPC user guide, "Subnet route tables": a second one is Resource.AlreadyAssociated, the same again no change."""
    again = [
        plain.ec2.associate_route_table(RouteTableId=plain.table, SubnetId=plain.subnets[0])["AssociationId"]
        for _ in range(2)
    ]
    assert again[0] == again[1]
    other = plain.ec2.create_route_table(VpcId=plain.vpc)["RouteTable"]["RouteTableId"]
    with refused("Resource.AlreadyAssociated"):
        plain.ec2.associate_route_table(RouteTableId=other, SubnetId=plain.subnets[0])


def test_the_main_route_table_stays(plain: Stage) -> None:
    """EC2 API reference, DeleteRouteTable and DisassociateRouteTable: not the main one."""
    tables = plain.ec2.describe_route_tables(
        Filters=[{"Name": "vpc-id", "Values": [plain.vpc]}, {"Name": "association.main", "Values": ["true"]}]
    )["RouteTables"]
    with refused("DependencyViolation"):
        plain.ec2.delete_route_table(RouteTableId=tables[0]["RouteTableId"])
    with refused("InvalidParameterValue"):
        plain.ec2.disassociate_route_table(AssociationId=tables[0]["Associations"][0]["RouteTableAssociationId"])


def test_a_nat_gateway_holds_its_address_and_its_subnet() -> None:
    """NAT gateway guide: pending, available, deleting, deleted; its address is free only afterwards."""
    with laptop_session(timings=Timings(nat_gateway_provisioning=90)) as laptop:
        stage = Stage(laptop).network()
        ec2 = stage.ec2
        with refused("MissingParameter"):
            ec2.create_nat_gateway(SubnetId=stage.subnets[0])
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        made = ec2.create_nat_gateway(SubnetId=stage.subnets[0], AllocationId=address)["NatGateway"]
        assert (made["State"], made["ConnectivityType"]) == ("pending", "public")
        nat = made["NatGatewayId"]
        laptop.advance(90)
        ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat], WaiterConfig={"MaxAttempts": 1})
        ec2.delete_nat_gateway(NatGatewayId=nat)
        with refused("InvalidIPAddress.InUse"):
            ec2.release_address(AllocationId=address)
        with refused("DependencyViolation"):
            ec2.delete_subnet(SubnetId=stage.subnets[0])
        laptop.advance(90)
        ec2.get_waiter("nat_gateway_deleted").wait(NatGatewayIds=[nat], WaiterConfig={"MaxAttempts": 1})
        ec2.release_address(AllocationId=address)
        ec2.delete_subnet(SubnetId=stage.subnets[0])
        with refused("NatGatewayNotFound"):
            ec2.delete_nat_gateway(NatGatewayId="nat-0123456789abcdef0")


def test_a_nat_gateway_needs_an_internet_gateway(plain: Stage) -> None:
    """NAT gateway guide, "Public": the VPC must have an internet gateway."""
    plain.ec2.detach_internet_gateway(InternetGatewayId=plain.gateway, VpcId=plain.vpc)
    address = plain.ec2.allocate_address(Domain="vpc")["AllocationId"]
    with refused("Gateway.NotAttached"):
        plain.ec2.create_nat_gateway(SubnetId=plain.subnets[0], AllocationId=address)


def test_client_tokens_are_honoured(plain: Stage) -> None:
    """EC2 API reference, "Ensuring idempotency": same token, same answer; other parameters
    IdempotentParameterMismatch.
    """
    address = plain.ec2.allocate_address(Domain="vpc")["AllocationId"]
    arguments: dict[str, Any] = {"SubnetId": plain.subnets[0], "AllocationId": address, "ClientToken": "once"}
    first, second = (plain.ec2.create_nat_gateway(**arguments)["NatGateway"]["NatGatewayId"] for _ in range(2))
    assert first == second
    with refused("IdempotentParameterMismatch"):
        plain.ec2.create_nat_gateway(**{**arguments, "SubnetId": plain.subnets[1]})


@pytest.mark.parametrize(("low", "high"), [(80, 70), (-5, 80), (80, 70000)])
def test_port_ranges_are_checked(plain: Stage, low: int, high: int) -> None:
    """EC2 API reference, IpPermission: 0 to 65535, in order."""
    rule = {"IpProtocol": "tcp", "FromPort": low, "ToPort": high, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    with refused("InvalidParameterValue"):
        plain.ec2.authorize_security_group_ingress(GroupId=plain.group, IpPermissions=[rule])


def test_endpoints_are_of_services_there_are_and_can_be_deleted(plain: Stage) -> None:
    """EC2 API reference, CreateVpcEndpoint: InvalidServiceName; DeleteVpcEndpoints takes its routes with it."""
    with refused("InvalidServiceName"):
        plain.ec2.create_vpc_endpoint(VpcId=plain.vpc, ServiceName="bogus")
    gateway = plain.ec2.create_vpc_endpoint(
        VpcId=plain.vpc, ServiceName="com.amazonaws.us-west-2.s3", RouteTableIds=[plain.table]
    )["VpcEndpoint"]["VpcEndpointId"]
    interface = plain.ec2.create_vpc_endpoint(
        VpcId=plain.vpc,
        ServiceName="com.amazonaws.us-west-2.logs",
        VpcEndpointType="Interface",
        SubnetIds=plain.subnets[:1],
        SecurityGroupIds=[plain.group],
    )["VpcEndpoint"]["VpcEndpointId"]
    with refused("DependencyViolation"):
        plain.ec2.delete_security_group(GroupId=plain.group)
    answer = plain.ec2.delete_vpc_endpoints(VpcEndpointIds=[gateway, interface])
    assert answer.get("Unsuccessful", []) == []
    routes = plain.ec2.describe_route_tables(RouteTableIds=[plain.table])["RouteTables"][0]["Routes"]
    assert not any("DestinationPrefixListId" in route for route in routes)
    plain.ec2.delete_security_group(GroupId=plain.group)


@pytest.mark.parametrize(
    "name",
    [
        "com.amazonaws.us-west-2.nonsense",
        "com.amazonaws.eu-west-1.logs",
        "com.amazonaws.vpce.us-west-2.vpce-svc-0123456789abcdef0",
    ],
)
def test_an_endpoint_of_no_service_is_refused(plain: Stage, name: str) -> None:
    """EC2 API reference, error codes: InvalidServiceName, also where the name looks like one."""
    with refused("InvalidServiceName", f"The Vpc Endpoint Service '{name}' does not exist"):
        plain.ec2.create_vpc_endpoint(
            VpcId=plain.vpc, ServiceName=name, VpcEndpointType="Interface", SubnetIds=plain.subnets[:1]
        )
    with refused("InvalidServiceName"):
        plain.ec2.describe_vpc_endpoint_services(ServiceNames=[name])


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"ServiceNames": ["com.amazonaws.us-west-2.ecr.api"]}, ["ecr.api"]),
        ({"Filters": [{"Name": "service-name", "Values": ["com.amazonaws.us-west-2.logs"]}]}, ["logs"]),
        ({"Filters": [{"Name": "service-type", "Values": ["Gateway"]}]}, ["dynamodb", "s3"]),
        (
            {
                "ServiceNames": ["com.amazonaws.us-west-2.s3"],
                "Filters": [
                    {"Name": "service-type", "Values": ["Interface"]},
                    {"Name": "owner", "Values": ["amazon", "self"]},
                ],
            },
            ["s3"],
        ),
        ({"Filters": [{"Name": "owner", "Values": ["self"]}]}, []),
    ],
)
def test_endpoint_services_are_listed(plain: Stage, asked: dict[str, Any], found: list[str]) -> None:
    """EC2 API reference, DescribeVpcEndpointServices: names and details, by name, type and owner."""
    answer = plain.ec2.describe_vpc_endpoint_services(**asked)
    assert answer["ServiceNames"] == [f"com.amazonaws.us-west-2.{name}" for name in found]
    assert [one["ServiceName"] for one in answer["ServiceDetails"]] == answer["ServiceNames"]


def test_every_endpoint_of_the_specs_has_a_service(plain: Stage) -> None:
    """What a Network document may name can be made."""
    there = set(plain.ec2.describe_vpc_endpoint_services()["ServiceNames"])
    for name in get_args(Endpoint):
        services = ("ecr.api", "ecr.dkr") if name == "ecr" else (name,)
        assert {f"com.amazonaws.us-west-2.{one}" for one in services} <= there


def test_tags_of_aws_are_not_ours_to_write(plain: Stage) -> None:
    """EC2 user guide, "Tag restrictions": `aws:` is reserved."""
    with refused("InvalidParameterValue"):
        plain.ec2.create_tags(Resources=[plain.vpc], Tags=[{"Key": "aws:x", "Value": "1"}])


def test_a_dry_run_does_nothing(laptop: Laptop) -> None:
    """EC2 API reference, "DryRun": DryRunOperation."""
    ec2 = laptop.client("ec2")
    before = len(ec2.describe_vpcs()["Vpcs"])
    with refused("DryRunOperation"):
        ec2.create_vpc(CidrBlock="10.0.0.0/16", DryRun=True)
    assert len(ec2.describe_vpcs()["Vpcs"]) == before


def test_describes_are_paged(plain: Stage) -> None:
    """EC2 API reference, "Pagination": MaxResults from 5, NextToken until there is none."""
    for number in range(11):
        plain.security_group(f"g{number}")
    groups = [{"Name": "vpc-id", "Values": [plain.vpc]}]
    first = plain.ec2.describe_security_groups(Filters=groups, MaxResults=5)
    assert len(first["SecurityGroups"]) == 5
    pages = plain.ec2.get_paginator("describe_security_groups").paginate(
        Filters=groups, PaginationConfig={"PageSize": 5}
    )
    names = [group["GroupName"] for page in pages for group in page["SecurityGroups"]]
    assert len(names) == len(set(names)) == 13
    with refused("InvalidParameterValue"):
        plain.ec2.describe_subnets(MaxResults=1001)


# ---- IAM ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        "no json",
        "{}",
        json.dumps({"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}),
        json.dumps({"Statement": [{**TRUST["Statement"][0], "Resource": "*"}]}),  # type: ignore[dict-item]  # TRUST is a literal of mixed values
    ],
)
def test_trust_policies_are_looked_into(laptop: Laptop, document: str) -> None:
    """IAM API reference, CreateRole: MalformedPolicyDocument; a trust policy has principals and no resource."""
    iam = laptop.client("iam")
    with refused("MalformedPolicyDocument"):
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=document)


@pytest.mark.parametrize(
    "name",
    [
        "service-role/AmazonECSTaskExecutionRolePolicy",
        "AmazonECSInfrastructureRolePolicyForLoadBalancers",
        "AWSCodeDeployRoleForECS",
    ],
)
def test_aws_has_policies_of_its_own(laptop: Laptop, name: str) -> None:
    """AWS managed policy reference: they are in every account."""
    iam = laptop.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))
    arn = f"arn:aws:iam::aws:policy/{name}"
    assert iam.get_policy(PolicyArn=arn)["Policy"]["Arn"] == arn
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    attached = iam.list_attached_role_policies(RoleName="r")["AttachedPolicies"]
    assert [policy["PolicyArn"] for policy in attached] == [arn]
    with refused("NoSuchEntity"):
        iam.attach_role_policy(RoleName="r", PolicyArn="arn:aws:iam::aws:policy/NotThere")


def test_an_attached_policy_stays(laptop: Laptop) -> None:
    """IAM API reference, DeletePolicy: DeleteConflict."""
    iam = laptop.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    arn = iam.create_policy(PolicyName="p", PolicyDocument=document)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="r", PolicyArn=arn)
    with refused("DeleteConflict"):
        iam.delete_policy(PolicyArn=arn)
    iam.detach_role_policy(RoleName="r", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)


def test_linked_roles_have_their_own_names(laptop: Laptop) -> None:
    """Developer guide, "Using service-linked roles": AWSServiceRoleForECS; a second one is InvalidInput."""
    iam = laptop.client("iam")
    made = iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")["Role"]
    assert made["RoleName"] == "AWSServiceRoleForECS"
    assert iam.get_role(RoleName="AWSServiceRoleForECS")["Role"]["Arn"] == made["Arn"]
    with refused("InvalidInput", "has been taken"):
        iam.create_service_linked_role(AWSServiceName="ecs.amazonaws.com")


# ---- ECR, logs, alarms ----------------------------------------------------------------------------------------------


def test_an_image_is_known_by_the_digest_of_its_manifest(laptop: Laptop) -> None:
    """ECR API reference, PutImage: the digest is the manifest's SHA-256; an immutable tag stays where it is."""
    ecr = laptop.client("ecr")
    ecr.create_repository(repositoryName="app", imageTagMutability="IMMUTABLE")
    put = {"repositoryName": "app", "imageManifest": MANIFEST, "imageTag": "v1"}
    with refused("ImageDigestDoesNotMatchException"):
        ecr.put_image(**put, imageDigest="sha256:" + "0" * 64)
    digest = ecr.put_image(**put)["image"]["imageId"]["imageDigest"]
    assert digest == "sha256:" + hashlib.sha256(MANIFEST.encode()).hexdigest()
    with refused("ImageAlreadyExistsException"):
        ecr.put_image(**put)
    with refused("ImageTagAlreadyExistsException"):
        ecr.put_image(**{**put, "imageManifest": MANIFEST.replace("[]", "[1]")})
    found = ecr.batch_get_image(repositoryName="app", imageIds=[{"imageTag": "v1"}])["images"][0]
    assert found["imageId"]["imageDigest"] == digest
    assert ecr.describe_images(repositoryName="app")["imageDetails"][0]["imageTags"] == ["v1"]


def test_logs_are_kept_for_one_of_the_listed_times(laptop: Laptop) -> None:
    """CloudWatch Logs API reference, PutRetentionPolicy: the possible values."""
    logs = laptop.client("logs")
    logs.create_log_group(logGroupName="g")
    with refused("InvalidParameterException"):
        logs.put_retention_policy(logGroupName="g", retentionInDays=2)
    logs.put_retention_policy(logGroupName="g", retentionInDays=30)


def test_log_groups_are_shown_by_name(laptop: Laptop) -> None:
    """CloudWatch Logs API reference, DescribeLogGroups: up to fifty names or ARNs filter the list."""
    logs = laptop.client("logs")
    for number in range(120):
        logs.create_log_group(logGroupName=f"g-{number:03d}")
    arn = logs.describe_log_groups(logGroupNamePrefix="g-119")["logGroups"][0]["arn"]
    answer = logs.describe_log_groups(logGroupIdentifiers=["g-007", arn, "g-none"])
    assert [group["logGroupName"] for group in answer["logGroups"]] == ["g-007", "g-119"]
    assert "nextToken" not in answer
    assert len(logs.describe_log_groups()["logGroups"]) == 50
    with refused("InvalidParameterException"):
        logs.describe_log_groups(logGroupIdentifiers=[f"g-{number:03d}" for number in range(51)])


def test_a_new_alarm_has_seen_no_data(laptop: Laptop) -> None:
    """CloudWatch API reference, PutMetricAlarm: INSUFFICIENT_DATA at first; a change of it keeps its state."""
    cloudwatch = laptop.client("cloudwatch")
    alarm: dict[str, Any] = {
        "AlarmName": "a",
        "MetricName": "m",
        "Namespace": "n",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1,
        "Statistic": "Sum",
        "ComparisonOperator": "GreaterThanThreshold",
    }
    cloudwatch.put_metric_alarm(**alarm)
    assert cloudwatch.describe_alarms()["MetricAlarms"][0]["StateValue"] == "INSUFFICIENT_DATA"
