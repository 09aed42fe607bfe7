"""Regions: each is a world of its own, made at its first call; what is global is one for all of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.config import Config

from reconciler.local.faults import Fault
from reconciler.local.inprocess import Laptop
from reconciler.local.scripted import Script
from reconciler.local.wire import Request
from tests.local.control_plane.stage import TRUST, Stage, refused

EAST, WEST, EUROPE = "us-east-1", "us-west-2", "eu-west-1"
REGIONS = (WEST, EAST, EUROPE)


def serving(laptop: Laptop, region: str, **container: Any) -> Stage:
    stage = Stage(laptop, region).network().load_balancer().cluster()
    stage.definition(container=container)
    stage.service(loadBalancers=stage.behind(stage.blue))
    return stage


def test_a_region_does_not_see_what_is_in_another_one(laptop: Laptop) -> None:
    """Of our services as of moto's."""
    for region in REGIONS:
        ecs, ec2 = laptop.client("ecs", region=region), laptop.client("ec2", region=region)
        assert ecs.list_clusters()["clusterArns"] == []
        made = ecs.create_cluster(clusterName="demo")["cluster"]["clusterArn"]
        assert made == f"arn:aws:ecs:{region}:123456789012:cluster/demo"
        assert ecs.list_clusters()["clusterArns"] == [made]
        ec2.create_vpc(CidrBlock="10.0.0.0/16")
        assert len(ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"]) == 1


@pytest.mark.parametrize("region", REGIONS)
def test_everything_carries_its_region(laptop: Laptop, region: str) -> None:
    """ARNs, names of the DNS, zones, the default VPC and what a task is told."""
    stage = serving(laptop, region)
    zones = stage.ec2.describe_availability_zones()["AvailabilityZones"]
    assert {zone["RegionName"] for zone in zones} == {region}
    assert len(stage.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]) == 1
    balancer = stage.elb.describe_load_balancers()["LoadBalancers"][0]
    assert balancer["DNSName"].endswith(f".{region}.elb.amazonaws.com")
    assert f":elasticloadbalancing:{region}:" in balancer["LoadBalancerArn"]
    (first, _) = stage.tasks()
    assert f":ecs:{region}:" in first["taskArn"]
    assert first["availabilityZone"].startswith(region)
    assert laptop.tasks.started[0].containers[0].environment["AWS_REGION"] == region
    interface = {item["name"]: item["value"] for item in first["attachments"][0]["details"]}
    domain = "ec2.internal" if region == EAST else f"{region}.compute.internal"
    assert interface["privateDnsName"].endswith(f".{domain}")


def test_hosted_zones_of_load_balancers_are_their_regions(laptop: Laptop) -> None:
    """By which an alias record of Route 53 names them."""
    found = {
        serving(laptop, region).elb.describe_load_balancers()["LoadBalancers"][0]["CanonicalHostedZoneId"]
        for region in (*REGIONS, "ap-southeast-7")
    }
    assert len(found) == 4
    assert found >= {"Z1H1FL5HABSF5", "Z35SXDOTRQ7X7K", "Z32O12XQLNTSW2"}


def test_tasks_of_every_region_live_and_end_on_the_one_machine(laptop: Laptop) -> None:
    """What the machine reports reaches the region that the task is in, although all bear the same names."""
    stages = [serving(laptop, region) for region in REGIONS]
    for stage in stages:
        assert stage.health(stage.blue) == ["healthy", "healthy"]
        assert stage.seen()["runningCount"] == 2
    stages[1].update(desiredCount=0)
    laptop.advance(3600)
    assert [stage.seen()["runningCount"] for stage in stages] == [2, 0, 2]


def test_listeners_of_every_region_are_open_together(laptop: Laptop) -> None:
    """A change in one region leaves the listeners of the others open, though they have the same ports."""
    stages = [serving(laptop, region) for region in REGIONS]
    assert sorted(item.port for item in laptop.listeners.table) == [80, 80, 80, 9000, 9000, 9000]
    assert len(laptop.aws.urls()) == 6
    stages[0].elb.delete_load_balancer(LoadBalancerArn=stages[0].alb)
    assert {item.load_balancer_arn for item in laptop.listeners.table} == {stages[1].alb, stages[2].alb}


def test_public_addresses_are_of_one_region_each(laptop: Laptop) -> None:
    """Private ones may be the same, public ones are not."""
    public = [
        interface["Association"]["PublicIp"]
        for region in REGIONS
        for interface in serving(laptop, region).ec2.describe_network_interfaces()["NetworkInterfaces"]
        if "Association" in interface
    ]
    assert public
    assert len(set(public)) == len(public)


def test_iam_and_sts_are_one_for_all_regions(laptop: Laptop) -> None:
    """A role that is made from one region may be assumed by a task of another one."""
    made = laptop.client("iam", region=EUROPE).create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))
    assert laptop.client("iam", region=EAST).get_role(RoleName="r")["Role"]["Arn"] == made["Role"]["Arn"]
    for region in REGIONS:
        assert laptop.client("sts", region=region).get_caller_identity()["Account"] == "123456789012"
        stage = Stage(laptop, region).network().cluster()
        stage.definition(executionRoleArn=made["Role"]["Arn"])
        stage.service(desiredCount=1)
        assert stage.seen()["runningCount"] == 1


def test_route_53_is_one_for_all_regions(laptop: Laptop) -> None:
    """A hosted zone is in no region."""
    laptop.client("route53", region=EUROPE).create_hosted_zone(Name="example.com", CallerReference="1")
    assert len(laptop.client("route53", region=EAST).list_hosted_zones()["HostedZones"]) == 1


def test_names_of_buckets_are_global_and_buckets_are_in_a_region(laptop: Laptop) -> None:
    """S3 user guide, "General purpose bucket naming rules": a name is taken for every region."""
    europe, east = laptop.client("s3", region=EUROPE), laptop.client("s3", region=EAST)
    europe.create_bucket(Bucket="things", CreateBucketConfiguration={"LocationConstraint": EUROPE})
    assert europe.get_bucket_location(Bucket="things")["LocationConstraint"] == EUROPE
    assert [one["Name"] for one in east.list_buckets()["Buckets"]] == ["things"]
    with refused("BucketAlreadyOwnedByYou"):
        east.create_bucket(Bucket="things")


def test_a_bucket_of_another_region_is_answered_by_a_redirect(laptop: Laptop) -> None:
    """S3: only the bucket's own region answers for it; SDKs that follow find it, and the location is told anywhere."""
    europe, east = laptop.session.client("s3", region_name=EUROPE), laptop.client("s3", region=EAST)
    europe.create_bucket(Bucket="things", CreateBucketConfiguration={"LocationConstraint": EUROPE})
    europe.put_object(Bucket="things", Key="a/b", Body=b"x")
    with refused("PermanentRedirect"):
        east.list_objects_v2(Bucket="things")
    assert east.get_bucket_location(Bucket="things")["LocationConstraint"] == EUROPE
    follows = laptop.session.client("s3", region_name=EAST)
    assert follows.get_object(Bucket="things", Key="a/b")["Body"].read() == b"x"
    unsigned = laptop.aws.handle(Request("GET", "/things/a/b", {}, b""))
    assert unsigned.status in (200, 403), "whether it is public, and not where it is"


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("ecs", "list_clusters", "InvalidSignatureException"),
        ("elbv2", "describe_load_balancers", "SignatureDoesNotMatch"),
        ("ec2", "describe_vpcs", "AuthFailure"),
        ("ecr", "describe_repositories", "InvalidSignatureException"),
    ],
)
@pytest.mark.parametrize("region", ["mars-west-1", "us-gov-west-1"])
def test_a_region_that_there_is_not_takes_no_signature(
    laptop: Laptop, service: str, operation: str, code: str, region: str
) -> None:
    """There is no endpoint of it in this partition, and no other one takes a signature for it."""
    with refused(code, f"Credential should be scoped to a valid region, not '{region}'"):
        getattr(laptop.client(service, region=region), operation)()
    assert region not in {world.region for world in laptop.aws.regions}


def test_a_world_is_made_at_its_regions_first_call(laptop: Laptop) -> None:
    """Whoever uses one region has no other."""
    laptop.client("ecs", region=EUROPE).list_clusters()
    assert [world.region for world in laptop.aws.regions] == [EUROPE]


def test_an_arn_of_another_region_is_refused(laptop: Laptop) -> None:
    """ECS: `Invalid Region in ARN`; a cluster of the same name is here, too."""
    for region in REGIONS:
        laptop.client("ecs", region=region).create_cluster(clusterName="demo")
    with refused("InvalidParameterException", "Invalid Region in ARN"):
        laptop.client("ecs", region=EAST).list_services(cluster=f"arn:aws:ecs:{WEST}:123456789012:cluster/demo")
    with refused("InvalidParameterException", "Invalid Region in ARN"):
        laptop.client("ecs").describe_clusters(clusters=[f"arn:aws:ecs:{EAST}:123456789012:cluster/demo"])


def test_a_target_group_of_another_region_is_not_there(laptop: Laptop) -> None:
    """Nothing in one region refers to anything in another one."""
    east, west = (Stage(laptop, region).network().load_balancer() for region in (EAST, WEST))
    with refused("TargetGroupNotFound"):
        west.elb.describe_target_health(TargetGroupArn=east.blue)


def test_a_task_gets_images_secrets_and_logs_of_other_regions(laptop: Laptop) -> None:
    """The image's host, the secret's ARN and `awslogs-region` say which; nothing of it is in the task's own region."""
    manifest = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": []})
    ecr, logs = laptop.client("ecr", region=EUROPE), laptop.client("logs", region=EUROPE)
    ecr.create_repository(repositoryName="app")
    image = ecr.put_image(repositoryName="app", imageTag="v1", imageManifest=manifest)["image"]
    secret = laptop.client("secretsmanager", region=EUROPE).create_secret(Name="s", SecretString="hidden")["ARN"]
    laptop.client("ssm", region=EUROPE).put_parameter(Name="/p", Value="known", Type="String")
    logs.create_log_group(logGroupName="/web")
    laptop.script(Script(logs=("hello",)))
    stage = Stage(laptop, WEST).network().cluster()
    stage.definition(
        f"123456789012.dkr.ecr.{EUROPE}.amazonaws.com/app:v1",
        executionRoleArn=stage.role(),
        container={
            "secrets": [
                {"name": "S", "valueFrom": secret},
                {"name": "P", "valueFrom": f"arn:aws:ssm:{EUROPE}:123456789012:parameter/p"},
            ],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {"awslogs-group": "/web", "awslogs-region": EUROPE, "awslogs-stream-prefix": "x"},
            },
        },
    )
    stage.service(desiredCount=1)
    assert stage.seen()["runningCount"] == 1, stage.tasks(desiredStatus="STOPPED")
    (container,) = laptop.tasks.started[0].containers
    assert (container.environment["S"], container.environment["P"]) == ("hidden", "known")
    assert container.digest == image["imageId"]["imageDigest"]
    assert [one["message"] for one in logs.filter_log_events(logGroupName="/web")["events"]] == ["hello"]
    assert laptop.client("logs").describe_log_groups()["logGroups"] == []


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"image": "123456789012.dkr.ecr.mars-west-1.amazonaws.com/app:v1"}, "CannotPullContainerError"),
        ({"secrets": [{"name": "S", "valueFrom": "arn:aws:ssm:mars-west-1:123456789012:parameter/p"}]}, "secret"),
        (
            {
                "logConfiguration": {
                    "logDriver": "awslogs",
                    "options": {"awslogs-group": "/web", "awslogs-region": "mars-west-1"},
                }
            },
            "failed to create Cloudwatch log stream",
        ),
    ],
)
def test_a_task_that_names_a_region_that_there_is_not_cannot_start(
    plain: Stage, where: dict[str, Any], said: str
) -> None:
    """As with anything else that it needs and that is not there."""
    plain.cluster()
    plain.definition(executionRoleArn=plain.role(), container=where)
    plain.service(desiredCount=1)
    assert said in plain.tasks(desiredStatus="STOPPED")[0]["stoppedReason"]


def test_a_fault_is_met_in_every_region(laptop: Laptop) -> None:
    """Faults are the account's."""
    laptop.aws.inject(Fault("throttle", service="ecs"))
    for region in REGIONS:
        with refused("ThrottlingException"):
            laptop.client("ecs", region=region).list_clusters()


def test_a_task_fault_ends_tasks_in_every_region(laptop: Laptop) -> None:
    """Those that run already, too."""
    stages = [serving(laptop, region) for region in (EAST, WEST)]
    laptop.aws.inject(Fault("retirement", count=4))
    laptop.advance(60)
    for stage in stages:
        assert stage.tasks(desiredStatus="STOPPED")


def test_a_reset_empties_every_region(laptop: Laptop) -> None:
    """And the next account has made none yet."""
    for region in REGIONS:
        serving(laptop, region)
    laptop.aws.reset()
    assert list(laptop.aws.regions) == []
    for region in REGIONS:
        assert laptop.client("ecs", region=region).list_clusters()["clusterArns"] == []
        assert laptop.client("elbv2", region=region).describe_load_balancers()["LoadBalancers"] == []


def test_tags_are_listed_by_region(laptop: Laptop) -> None:
    """Resource Groups Tagging API: it is regional."""
    for region in REGIONS:
        laptop.client("ecs", region=region).create_cluster(clusterName="c", tags=[{"key": "a", "value": "b"}])
        laptop.client("logs", region=region).create_log_group(logGroupName="g", tags={"a": "b"})
    for region in REGIONS:
        rows = laptop.client("resourcegroupstaggingapi", region=region).get_resources()["ResourceTagMappingList"]
        assert [row["ResourceARN"].split(":")[2:4] for row in rows] == [["ecs", region], ["logs", region]]


@pytest.mark.parametrize("region", REGIONS)
def test_a_nat_gateway_is_made_in_any_region(laptop: Laptop, region: str) -> None:
    """With its interface and its address, and without them once it is deleted."""
    stage = Stage(laptop, region).network()
    address = stage.ec2.allocate_address(Domain="vpc")["AllocationId"]
    made = stage.ec2.create_nat_gateway(SubnetId=stage.subnets[0], AllocationId=address)["NatGateway"]["NatGatewayId"]
    assert stage.ec2.describe_nat_gateways(NatGatewayIds=[made])["NatGateways"][0]["State"] == "available"
    stage.ec2.delete_nat_gateway(NatGatewayId=made)
    stage.ec2.release_address(AllocationId=address)


def test_the_credential_of_a_presigned_url_says_the_region(laptop: Laptop) -> None:
    """As the scope of the `Authorization` header does."""
    client = laptop.session.client("s3", region_name=EUROPE, config=Config(signature_version="s3v4"))
    url = client.generate_presigned_url("list_buckets")
    laptop.aws.handle(Request("GET", url, {}, b""))
    assert [world.region for world in laptop.aws.regions] == [EUROPE]
