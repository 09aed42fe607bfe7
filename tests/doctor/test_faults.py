"""The doctor finds what would make an apply or a rollout fail before AWS does: a table of faults, each really made."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from reconciler.aws.retry import is_read
from reconciler.cli.output.exits import Exit
from reconciler.local.faults import Fault as CallFault
from reconciler.model.resource import Call
from tests.doctor.accounts import (
    EVERYTHING,
    TRUST,
    allowing,
    as_deployer,
    denying,
    doctor,
    foreign_stack,
    index_of,
    own_stack,
    push,
    role,
)
from tests.harness.emulated_stack import EmulatedStack

Break = Callable[[EmulatedStack], None]


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to a healthy stack, and what the doctor says of it.

    `serving`: the first version of the stack runs before that. `about`, `text` and `fix` are parts of the finding.
    """

    name: str
    made: Break
    code: str
    text: str
    fix: str
    about: str = ""
    where: str = ""
    severity: str = "error"
    own: bool = True
    serving: bool = False
    caller: bool = False
    arguments: tuple[str, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)


# -- permissions


def _deployer(*documents: dict[str, Any]) -> Break:
    trust = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"AWS": "*"}}]}  # type: ignore[index]

    def made(stage: EmulatedStack) -> None:
        role(stage, "deployer", *documents, trust=trust)

    return made


def _bounded(stage: EmulatedStack) -> None:
    _deployer(EVERYTHING)(stage)
    iam = stage.laptop.client("iam")
    policy = iam.create_policy(PolicyName="edge", PolicyDocument=json.dumps(denying("ec2:CreateVpc")))["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName="deployer", PermissionsBoundary=policy)


def _forbidden(stage: EmulatedStack) -> None:
    deny = {**EVERYTHING, "Statement": [{"Effect": "Deny", "Action": "elasticloadbalancing:Create*", "Resource": "*"}]}
    _deployer(EVERYTHING, deny)(stage)


def _unsimulated(stage: EmulatedStack) -> None:
    stage.laptop.aws.inject(CallFault("denied", "iam", "SimulatePrincipalPolicy"))


# -- quotas


def _quota(service: str, code: str, value: float) -> Break:
    def made(stage: EmulatedStack) -> None:
        stage.laptop.aws.world.quotas[service, code] = value

    return made


def _addresses_taken(stage: EmulatedStack) -> None:
    for _ in range(5):
        stage.laptop.client("ec2").allocate_address(Domain="vpc")


def _vpcs(stage: EmulatedStack) -> None:
    ec2 = stage.laptop.client("ec2")
    for number in range(5 - len(ec2.describe_vpcs()["Vpcs"])):
        ec2.create_vpc(CidrBlock=f"10.{20 + number}.0.0/16")


def _second_release(stage: EmulatedStack) -> None:
    push(stage, "my-app-frontend", "v2")
    stage.spec(v1="v2")


def _full(stage: EmulatedStack) -> None:
    _quota("fargate", "L-3032A538", 0.25)(stage)
    _second_release(stage)


# -- what tasks are made of


def _pushed(repository: str, tag: str, *architectures: str) -> Break:
    def made(stage: EmulatedStack) -> None:
        stage.laptop.client("ecr").create_repository(repositoryName=repository)
        push(stage, repository, tag, index_of(*architectures))

    return made


IMAGE = "image: {registry: shop, tag: v1}"
REGISTRY = "123456789012.dkr.ecr.us-west-2.amazonaws.com"


def image(uri: str) -> dict[str, str]:
    return {IMAGE: f"image: {REGISTRY}/{uri}"}


def secrets(*lines: str, role_arn: str = "") -> dict[str, str]:
    texts = {"# secrets": f"secrets: {{{', '.join(lines)}}}"}
    return texts | ({"# role": f"execution_role: {role_arn}"} if role_arn else {})


def _secret(value: str = "x", **more: Any) -> Break:
    def made(stage: EmulatedStack) -> None:
        stage.laptop.client("secretsmanager").create_secret(Name="db", SecretString=value, **more)

    return made


def _deleted(stage: EmulatedStack) -> None:
    _secret()(stage)
    stage.laptop.client("secretsmanager").delete_secret(SecretId="db")


ROLE = "arn:aws:iam::123456789012:role/start"
START = ("ecr:*", "logs:*")


def _started_by(*actions: str, key: str = "") -> Break:
    def made(stage: EmulatedStack) -> None:
        _secret(**({"KmsKeyId": key} if key else {}))(stage)
        role(stage, "start", allowing(*START, *actions))

    return made


def _untrusted(stage: EmulatedStack) -> None:
    trust = {**TRUST, "Statement": [{**TRUST["Statement"][0], "Principal": {"Service": "ec2.amazonaws.com"}}]}  # type: ignore[index]
    role(stage, "start", EVERYTHING, trust=trust)


def nothing(stage: EmulatedStack) -> None:
    """The specs alone are wrong."""


SECOND = """\
kind: LoadBalancer
name: second
scheme: internal
subnets: [app-public1-a, app-public1-c]
security_groups: [my-app-lb-sg]
listeners: {production: {port: 80}}
---
kind: LoadBalancer
"""

# -- certificates


CERTIFICATE = "arn:aws:acm:us-west-2:123456789012:certificate/6f7c0d2e-0000-4000-8000-000000000000"


def https(domain: str) -> dict[str, str]:
    return {
        "production: {port: 80, protocol: HTTP}": "production: {port: 443, protocol: HTTPS, certificates: [" + domain
        + "]}",
        "{port: 80, from: anywhere}": "{port: 443, from: anywhere}",
    }  # fmt: skip


HOST = {
    "scheme: internet-facing\n": "scheme: internet-facing\nrules:\n  shop: {listener: production, match: {host: "
    'shop.example.org, priority: 5}, fixed_response: {status: 200, content_type: text/plain, body: "x"}}\n'
}


def _certificate(domain: str, *, days: int = 0, region: str = "us-west-2", status: str = "ISSUED") -> Break:
    """One that ends so many days from now, or is far from ending."""

    def made(stage: EmulatedStack) -> None:
        acm = stage.laptop.client("acm", region=region)
        arn = acm.request_certificate(DomainName=domain, ValidationMethod="DNS")["CertificateArn"]
        known = stage.laptop.aws.regions.world(region).rest.state("acm")._certificates[arn]
        known.status = status
        stage.change({CERTIFICATE: arn})
        if days:
            ends = stage.laptop.clock.now() + timedelta(days=days)
            known._cert, known.check = _Until(known._cert, ends), lambda: None

    return made


class _Until:
    """A certificate with another end."""

    def __init__(self, cert: Any, ends: Any) -> None:
        self._cert, self._ends = cert, ends

    @property
    def not_valid_after_utc(self) -> Any:
        return self._ends

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cert, name)


# -- networks


def _no_route(stage: EmulatedStack) -> None:
    ec2 = stage.laptop.client("ec2")
    table = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [stage.texts["SUBNET"]]}])
    ec2.delete_route(RouteTableId=table["RouteTables"][0]["RouteTableId"], DestinationCidrBlock="0.0.0.0/0")


def _no_egress(stage: EmulatedStack) -> None:
    ec2, group = stage.laptop.client("ec2"), stage.texts["GROUP"]
    everything = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["IpPermissionsEgress"]
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)


def _acl(*, egress: bool) -> Break:
    def made(stage: EmulatedStack) -> None:
        ec2 = stage.laptop.client("ec2")
        found = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [_subnet(stage)]}])
        ec2.create_network_acl_entry(
            NetworkAclId=found["NetworkAcls"][0]["NetworkAclId"],
            RuleNumber=1,
            Protocol="-1",
            RuleAction="deny",
            Egress=egress,
            CidrBlock="0.0.0.0/0",
        )

    return made


def _subnet(stage: EmulatedStack) -> str:
    if "SUBNET" in stage.texts:
        return stage.texts["SUBNET"]
    names = [{"Name": "tag:Name", "Values": ["*app-public1-a"]}]
    found: str = stage.laptop.client("ec2").describe_subnets(Filters=names)["Subnets"][0]["SubnetId"]
    return found


def _endpoints(*, open: bool) -> Break:
    """Instead of a way to the internet; `open`: their security group lets tasks in."""

    def made(stage: EmulatedStack) -> None:
        _no_route(stage)
        ec2 = stage.laptop.client("ec2")
        vpc = ec2.describe_subnets(SubnetIds=[_subnet(stage)])["Subnets"][0]["VpcId"]
        for name in ("Support", "Hostnames"):
            ec2.modify_vpc_attribute(VpcId=vpc, **{f"EnableDns{name}": {"Value": True}})
        group = ec2.create_security_group(GroupName="points", Description="points", VpcId=vpc)["GroupId"]
        if open:
            ec2.authorize_security_group_ingress(
                GroupId=group, IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="10.9.0.0/16"
            )
        for service in ("ecr.api", "ecr.dkr", "logs", "secretsmanager"):
            ec2.create_vpc_endpoint(
                VpcId=vpc,
                ServiceName=f"com.amazonaws.us-west-2.{service}",
                VpcEndpointType="Interface",
                SubnetIds=[_subnet(stage)],
                SecurityGroupIds=[group],
                PrivateDnsEnabled=True,
            )
        table = ec2.describe_route_tables(Filters=[{"Name": "association.subnet-id", "Values": [_subnet(stage)]}])
        ec2.create_vpc_endpoint(
            VpcId=vpc,
            ServiceName="com.amazonaws.us-west-2.s3",
            VpcEndpointType="Gateway",
            RouteTableIds=[table["RouteTables"][0]["RouteTableId"]],
        )

    return made


lead_in = _endpoints(open=True)


# -- others


def _terraformed(stage: EmulatedStack) -> None:
    arn = stage.service()["serviceArn"]
    stage.laptop.client("ecs").tag_resource(resourceArn=arn, tags=[{"key": "managed-by", "value": "Terraform"}])


def _same_name(stage: EmulatedStack) -> None:
    stage.laptop.client("ecr").create_repository(repositoryName="my-app-frontend")


def _no_trail(stage: EmulatedStack) -> None:
    stage.laptop.client("cloudtrail").stop_logging(Name="all")


WEB, FRONTEND = "service/web", "service/my-app-frontend"
FAULTS = (
    Fault("an action is missing", _deployer(denying("ecs:CreateCluster")), "not-allowed",
          "ecs:CreateCluster is not allowed on all resources: no policy allows it", "iam-policy", caller=True),
    Fault("a policy denies", _forbidden, "not-allowed",
          "elasticloadbalancing:CreateLoadBalancer is not allowed on all resources: a policy denies it", "iam-policy",
          caller=True),
    Fault("a boundary denies", _bounded, "not-allowed",
          "ec2:CreateVpc is not allowed on arn:aws:ec2:us-west-2:123456789012:vpc/*: the permissions boundary does not "
          "allow it", "iam-policy", caller=True),
    Fault("a role may not be passed", _deployer(denying("iam:PassRole")), "not-allowed",
          "iam:PassRole is not allowed on arn:aws:iam::123456789012:role/my-app-frontend-execution", "iam-policy",
          caller=True),
    Fault("nothing can be simulated", _unsimulated, "not-simulated", "could not be simulated",
          "allow iam:SimulatePrincipalPolicy", severity="warning"),
    Fault("no service-linked role", _deployer(denying("iam:CreateServiceLinkedRole")), "linked-role-missing",
          "no service-linked role of elasticloadbalancing.amazonaws.com",
          "aws iam create-service-linked-role --aws-service-name elasticloadbalancing.amazonaws.com", caller=True,
          where="load-balancer.yaml"),
    Fault("too many VPCs", _vpcs, "quota-exceeded", "the quota 'VPCs per Region' is 5: there are 5, and "
          "vpc/my-workspace makes 6", "--quota-code L-F678F1CE --desired-value 6", "vpc/my-workspace", "network.yaml:"),
    Fault("too many addresses", _addresses_taken, "quota-exceeded", "'EC2-VPC Elastic IPs' is 5: there are 5",
          "--service-code ec2 --quota-code L-0263D0A3", "elastic-ip/", texts={"nat: none ": "nat: single "}),
    Fault("too many load balancers", _quota("elasticloadbalancing", "L-53DA6B97", 0), "quota-exceeded",
          "'Application Load Balancers per Region' is 0", "--desired-value 1", "load-balancer/my-app-alb"),
    Fault("too many target groups", _quota("elasticloadbalancing", "L-B22855CB", 1), "quota-exceeded",
          "'Target Groups per Region' is 1: there are 0, and target-group/", "--desired-value 2"),
    Fault("too many listeners", _quota("elasticloadbalancing", "L-B6DF7632", 1), "quota-exceeded",
          "'Listeners per Application Load Balancer' is 1", "L-B6DF7632", "listener/"),
    Fault("too many rules", _quota("vpc", "L-0EA8095F", 1), "quota-exceeded",
          "'Inbound or outbound rules per security group' is 1, and security-group-rules/", "L-0EA8095F"),
    Fault("too many repositories", _quota("ecr", "L-CFEB8E8D", 0), "quota-exceeded", "'Registered repositories' is 0",
          "L-CFEB8E8D", "repository/"),
    Fault("no vCPUs for blue and green", _full, "fargate-capacity",
          "is 0.25: 0.25 are in use, and service/my-app-frontend starts tasks with 0.25 more",
          "--quota-code L-3032A538 --desired-value 0.5", FRONTEND, serving=True),
    Fault("a subnet is too small for the tasks", nothing, "no-addresses",
          "free addresses, and the plan starts 12 tasks there", "lower `desired_count`", WEB, "web.yaml:2",
          own=False, texts={"desired_count: 1": "desired_count: 12"}),
    Fault("a subnet is too small for the load balancer", nothing, "no-addresses",
          "subnet/app-public1-a has 11 free addresses, and 2 new load balancers take 16", "larger subnet",
          "load-balancer/", "load-balancer.yaml:",
          texts={"10.0.1.0/24": "10.0.1.0/28", "kind: LoadBalancer\n": SECOND}),
    Fault("an image does not exist", _pushed("api", "v1", "amd64"), "image-missing",
          f"the image {REGISTRY}/api:v2 does not exist", "list-images --repository-name api", WEB, "web.yaml:9",
          own=False, texts=image("api:v2")),
    Fault("a repository does not exist", nothing, "image-missing", "the repository api of", "correct the image", WEB,
          "web.yaml:9", own=False, texts=image("api:v1")),
    Fault("an image is of another architecture", _pushed("api", "v1", "arm64"), "image-platform",
          "is built for arm64, and the task runs on X86_64 (amd64)", "architecture: ARM64", WEB, "web.yaml:9",
          own=False, texts=image("api:v1")),
    Fault("a secret does not exist", nothing, "secret-missing", "the secret db does not exist",
          "reconciler secret put secretsmanager:db", WEB, "web.yaml:11", own=False,
          texts=secrets('DB: "secretsmanager:db"')),
    Fault("the ARN of a secret is of nothing", nothing, "secret-missing", "the secret db-AbCdEf does not exist",
          "write its name, secretsmanager:db, which", WEB, "web.yaml:11", own=False,
          texts=secrets('DB: "arn:aws:secretsmanager:us-west-2:123456789012:secret:db-AbCdEf"')),
    Fault("a secret is being deleted", _deleted, "secret-deleted", "the secret db is scheduled for deletion",
          "restore-secret --secret-id db", WEB, "web.yaml:11", own=False, texts=secrets('DB: "secretsmanager:db"')),
    Fault("a secret has no such version", _secret(), "secret-version", "no value of the stage AWSPENDING",
          "put-secret-value", WEB, "web.yaml:11", own=False, texts=secrets('DB: "secretsmanager:db::AWSPENDING"')),
    Fault("a secret has no such key", _secret('{"user": "hunter2"}'), "secret-key",
          "the secret db has no JSON key 'password'", "put-secret-value", WEB, "web.yaml:11", own=False,
          texts=secrets('DB: "secretsmanager:db:password"'), arguments=("--read-secrets",)),
    Fault("a parameter does not exist", nothing, "parameter-missing", "the parameter /db/password does not exist",
          "reconciler secret put ssm:/db/password", WEB, "web.yaml:11", own=False,
          texts=secrets("DB: ssm:/db/password")),
    Fault("the execution role may not read", _started_by(), "execution-role",
          "the execution role start may not secretsmanager:GetSecretValue on", "allow it there", WEB, "web.yaml:11",
          own=False, texts=secrets('DB: "secretsmanager:db"', role_arn=ROLE)),
    Fault("the execution role may not decrypt", _started_by("secretsmanager:GetSecretValue", key="key-1"),
          "execution-role", "may not kms:Decrypt on", "policy of the key", WEB, "web.yaml:11", "warning", own=False,
          texts=secrets('DB: "secretsmanager:db"', role_arn=ROLE)),
    Fault("a role does not exist", nothing, "role-missing", "the role start does not exist", "declare it as a Role",
          WEB, "web.yaml:", own=False, texts={"# role": f"execution_role: {ROLE}"}),
    Fault("ECS may not assume a role", _untrusted, "role-not-trusted", "does not let ecs-tasks.amazonaws.com assume it",
          "update-assume-role-policy --role-name start", WEB, "web.yaml:", own=False,
          texts={"# role": f"execution_role: {ROLE}"}),
    Fault("a certificate is not issued", _certificate("a.example.com", status="PENDING_VALIDATION"),
          "certificate-not-issued", "the certificate for a.example.com is not issued: pending validation",
          "aws acm describe-certificate", "listener/", "load-balancer.yaml", texts=https(f"{{arn: {CERTIFICATE}}}")),
    Fault("a certificate ends soon", _certificate("a.example.com", days=3), "certificate-expired", "expires on",
          "see why ACM did not", "listener/", "load-balancer.yaml", "warning", texts=https(f"{{arn: {CERTIFICATE}}}")),
    Fault("a certificate has ended", _certificate("a.example.com", days=-3), "certificate-expired", "expired on",
          "renew it", "listener/", "load-balancer.yaml", texts=https(f"{{arn: {CERTIFICATE}}}")),
    Fault("a certificate does not cover a host", _certificate("*.example.com"), "certificate-domain",
          "covers the host shop.example.org: it has *.example.com", "add a certificate for shop.example.org",
          "listener-rule/", "load-balancer.yaml:", texts=https(f"{{arn: {CERTIFICATE}}}") | HOST),
    Fault("too many listener rules", _quota("elasticloadbalancing", "L-7EED9B64", 0), "quota-exceeded",
          "'Rules per Application Load Balancer' is 0", "L-7EED9B64", "listener-rule/", texts=HOST),
    Fault("too many security groups", _quota("vpc", "L-2AFB9258", 0), "quota-exceeded",
          "'Security groups per network interface' is 0, and service/web takes 1", "L-2AFB9258", WEB, "web.yaml:2",
          own=False),
    Fault("too many services", _quota("ecs", "L-9EF96962", 0), "quota-exceeded", "'Services per cluster' is 0",
          "L-9EF96962", WEB, "web.yaml:2", own=False),
    Fault("nobody can say whether a role may be created", _unsimulated, "linked-role-unknown",
          "whether the caller may create it could not be simulated", "create-service-linked-role", "user/moto",
          severity="warning"),
    Fault("a subnet has lost its route", _no_route, "unreachable", "has no route to 0.0.0.0/0", "restore the route",
          WEB, "web.yaml:2", own=False),
    Fault("tasks have no public address", nothing, "unreachable", "tasks have no public address", "public_ip: true",
          WEB, "web.yaml:2", own=False, texts={"public_ip: true": "public_ip: false"}),
    Fault("a security group lets nothing out", _no_egress, "unreachable", "allows no outbound traffic to port 443",
          "allow outbound traffic", WEB, "web.yaml:2", own=False),
    Fault("a network ACL lets nothing out", _acl(egress=True), "unreachable",
          "allows no outbound traffic to port 443", "network ACL", FRONTEND, "frontend.yaml:", serving=True),
    Fault("a network ACL lets no answer in", _acl(egress=False), "unreachable",
          "allows no inbound traffic to ports 32768-60999", "network ACL", WEB, "web.yaml:2", own=False),
    Fault("endpoints let nobody in", _endpoints(open=False), "unreachable", "allows no inbound traffic from the tasks",
          "add the endpoints", WEB, "web.yaml:2", own=False),
    Fault("Terraform manages the service", _terraformed, "managed-elsewhere",
          "its tag managed-by says that Terraform manages it", "remove it from the other tool", FRONTEND,
          "frontend.yaml:", "warning", serving=True),
    Fault("somebody else has the name", _same_name, "plan-conflict", "the plan is blocked", "",
          "repository/my-app-frontend", "registry.yaml:"),
    Fault("no trail logs", _no_trail, "no-trail", "no trail logs API calls in us-west-2", "aws cloudtrail create-trail",
          severity="note"),
)  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=[one.name for one in FAULTS])
def test_a_fault_is_found_before_aws_finds_it(fault: Fault) -> None:
    """With its cause, its place in the specs, and what to type; errors fail the command, and nothing is written."""
    make: Callable[..., AbstractContextManager[EmulatedStack]] = own_stack if fault.own else foreign_stack
    with make(fault.texts) as stage:
        if fault.serving:
            stage.infrastructure()
            push(stage, "my-app-frontend", "v1")
            stage.apply()
            stage.follow()
        fault.made(stage)
        stage.transport.sent.clear()
        with as_deployer() if fault.caller else nullcontext():
            ran = doctor(stage, "-o", "json", *fault.arguments)
        assert ran.err == ""
        document = json.loads(ran.out)
        found = [one for one in document["findings"] if one["code"] == fault.code and fault.text in one["cause"]]
        assert found, document["findings"]
        assert fault.about in found[0]["about"]
        assert fault.fix in found[0]["fix"]
        assert fault.where in (found[0]["where"] or "")
        assert found[0]["severity"] == fault.severity
        failed = fault.severity == "error"
        assert (ran.code, document["failed"]) == ((Exit.FAILED, True) if failed else (Exit.DONE, False))
        assert not [name for name in stage.transport.sent if not is_read(Call("", name))]
        assert "hunter2" not in ran.out
