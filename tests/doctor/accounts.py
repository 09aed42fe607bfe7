"""Two stacks for the faults: the example stack, with a network of its own, and a service in a network that others own.

Both have no finding as they are.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest.mock import patch

from reconciler.aws.session import Boto, Identity
from tests.cli.cli_runner import onstage
from tests.harness.cli import Ran
from tests.harness.emulated_stack import EmulatedStack, emulated_stack, image_manifest
from tests.harness.seed import SEED

DEPLOYER = "arn:aws:sts::123456789012:assumed-role/deployer/ana"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}

FOREIGN = {
    "stack.yaml": "kind: Stack\nname: shop\nregion: us-west-2\n",
    "cluster.yaml": "kind: Cluster\nname: shop\ncapacity_providers: [FARGATE]\n",
    "registry.yaml": "kind: Registry\nname: shop\n",
    "deployment.yaml": "kind: DeploymentStrategy\nname: steps\ntype: rolling\n",
    "web.yaml": """\
kind: Service
name: web
cluster: shop
task:
  cpu: 256
  memory: 512
  containers:
    web:
      image: {registry: shop, tag: v1}
      port: 80
      # secrets
  logs: {retention_days: 7}
  # role
desired_count: 1
placement:
  subnets: [SUBNET]
  security_groups: [GROUP]
  public_ip: true
deployment: steps
""",
}


@cache
def own_folder() -> Path:
    """The example stack without its task, whose image is of another registry."""
    folder = Path(shutil.copytree(SEED, Path(mkdtemp()) / "specs"))
    (folder / "tasks.yaml").unlink()
    return folder


@cache
def foreign_folder() -> Path:
    folder = Path(mkdtemp()) / "specs"
    folder.mkdir()
    for name, text in FOREIGN.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def logging_trail(stage: EmulatedStack) -> None:
    stage.laptop.client("s3").create_bucket(
        Bucket="trails", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    cloudtrail = stage.laptop.client("cloudtrail")
    cloudtrail.create_trail(Name="all", S3BucketName="trails", IsMultiRegionTrail=True)
    cloudtrail.start_logging(Name="all")


@contextmanager
def own_stack(texts: Mapping[str, str] | None = None) -> Iterator[EmulatedStack]:
    """Nothing of it exists yet, but a trail."""
    with emulated_stack(texts, folder=own_folder()) as stage:
        logging_trail(stage)
        yield stage


@contextmanager
def foreign_stack(texts: Mapping[str, str] | None = None) -> Iterator[EmulatedStack]:
    """The network exists, made by somebody else."""
    with emulated_stack(folder=foreign_folder(), texts={"SUBNET": "subnet-0", "GROUP": "sg-0"}) as stage:
        logging_trail(stage)
        ec2 = stage.laptop.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.9.1.0/28", AvailabilityZone="us-west-2a")["Subnet"][
            "SubnetId"
        ]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
        ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
        ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
        group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
        stage.texts = {"SUBNET": subnet, "GROUP": group, **(texts or {})}
        stage.restart()
        yield stage


def push(stage: EmulatedStack, repository: str, tag: str, manifest: str | None = None) -> None:
    stage.laptop.client("ecr").put_image(
        repositoryName=repository, imageManifest=manifest or image_manifest(tag), imageTag=tag
    )


def index_of(*architectures: str) -> str:
    """A manifest for several platforms, one for each architecture."""
    manifests = [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": f"sha256:{number:064x}",
            "size": 1,
            "platform": {"architecture": name, "os": "linux"},
        }
        for number, name in enumerate(architectures)
    ]
    kind = "application/vnd.oci.image.index.v1+json"
    return json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": manifests})


def role(stage: EmulatedStack, name: str, *documents: Mapping[str, Any], trust: Mapping[str, Any] = TRUST) -> str:
    """The ARN of a role with inline policies."""
    iam = stage.laptop.client("iam")
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    for number, document in enumerate(documents):
        iam.put_role_policy(RoleName=name, PolicyName=f"p{number}", PolicyDocument=json.dumps(document))
    return arn


def denying(*actions: str) -> dict[str, Any]:
    """Everything but some actions."""
    return {**EVERYTHING, "Statement": [{"Effect": "Allow", "NotAction": list(actions), "Resource": "*"}]}


def allowing(*actions: str) -> dict[str, Any]:
    return {**EVERYTHING, "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}


@contextmanager
def as_deployer() -> Iterator[None]:
    """The caller is a session of the role `deployer`."""
    identity: Callable[[Boto], Identity] = Boto.identity
    with patch.object(Boto, "identity", lambda self: replace(identity(self), arn=DEPLOYER)):
        yield


def doctor(stage: EmulatedStack, *arguments: str) -> Ran:
    with onstage(stage) as typed:
        return typed("doctor", *arguments)
