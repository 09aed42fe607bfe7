"""What AWS refuses because it does not know yet what was just made: waited for, and not for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

from reconciler import errors
from reconciler.aws.catalogue import COMMON, read, services
from reconciler.aws.client import AwsClient
from reconciler.aws.errors import translate
from reconciler.aws.propagation import PROPAGATION_SECONDS, RECENT_SECONDS
from reconciler.aws.retry import IN_CALL_SECONDS
from reconciler.clock import ManualClock
from reconciler.model.resource import Call, Calls

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/web-execution"
OTHER = f"arn:aws:iam::{ACCOUNT}:role/last-week"
GROUP = f"arn:aws:elasticloadbalancing:us-west-2:{ACCOUNT}:targetgroup/web-blue/0123456789abcdef"
CERTIFICATE = f"arn:aws:acm:us-west-2:{ACCOUNT}:certificate/1"
PASS_ROLE = (
    f"User: arn:aws:sts::{ACCOUNT}:assumed-role/deployer/ana is not authorized to perform: iam:PassRole on resource: "
    "{} because no identity-based policy allows the iam:PassRole action"
)
ASSUME = (
    "ECS was unable to assume the role '{}' that was provided for this task. Please verify that the role being passed "
    "has the proper trust relationship and permissions and that your IAM user has permissions to pass this role."
)
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1", "subnet-2"], "securityGroups": ["sg-1"]}}
REGISTER = Call("ecs", "RegisterTaskDefinition", {"family": "web", "executionRoleArn": ROLE})
RUN = Call("ecs", "RunTask", {"cluster": "web", "taskDefinition": "web:1", "networkConfiguration": NETWORK})
SERVICE = Call("ecs", "CreateService", {"cluster": "web", "serviceName": "web", "networkConfiguration": NETWORK})
SET = Call("ecs", "CreateTaskSet", {"cluster": "web", "service": "web", "loadBalancers": [{"targetGroupArn": GROUP}]})
SCHEDULE = Call("scheduler", "CreateSchedule", {"Name": "web", "Target": {"RoleArn": ROLE}})
BALANCER = Call("elbv2", "CreateLoadBalancer", {"Name": "web", "Subnets": ["subnet-1"], "SecurityGroups": ["sg-1"]})
TARGETS = Call("elbv2", "CreateTargetGroup", {"Name": "web", "VpcId": "vpc-1"})
LISTENER = Call("elbv2", "CreateListener", {"Certificates": [{"CertificateArn": CERTIFICATE}]})
TRUST = Call(
    "iam", "CreateRole", {"RoleName": "b", "AssumeRolePolicyDocument": f'{{"Principal": {{"AWS": "{ROLE}"}}}}'}
)
POLICY = Call("ecr", "SetRepositoryPolicy", {"repositoryName": "web", "policyText": f'{{"AWS": "{ROLE}"}}'})
SCALING = Call("application-autoscaling", "RegisterScalableTarget", {"ResourceId": "service/web/web"})
DEPLOYMENT = Call("codedeploy", "CreateDeploymentGroup", {"applicationName": "web", "serviceRoleArn": ROLE})
CAPACITY = Call("ecs", "CreateCapacityProvider", {"name": "web", "infrastructureRoleArn": ROLE})
PROFILE = f"arn:aws:iam::{ACCOUNT}:instance-profile/web"
INSTANCES = Call("autoscaling", "CreateAutoScalingGroup", {"AutoScalingGroupName": "web", "MinSize": 0})
SUBNET = Call("ec2", "CreateSubnet", {"VpcId": "vpc-1", "CidrBlock": "10.0.0.0/24"})
NO_SUBNET = "Error retrieving subnet information for [subnet-1, subnet-2]: The subnet ID 'subnet-1' does not exist"
NO_GROUP = "Error retrieving security group information for [sg-1]: The security group 'sg-1' does not exist"

AWS_SAYS: list[tuple[Call, str, str, str]] = [
    # the call, AWS's code and words, and what was made a moment ago
    (REGISTER, "AccessDeniedException", PASS_ROLE.format(ROLE), ROLE),
    (SERVICE, "AccessDeniedException", PASS_ROLE.format(ROLE), ROLE),
    (SET, "AccessDeniedException", PASS_ROLE.format(ROLE), ROLE),
    (SCHEDULE, "AccessDeniedException", PASS_ROLE.format(ROLE), ROLE),
    (REGISTER, "ClientException", "Role is not valid", ROLE),
    (RUN, "ClientException", ASSUME.format(ROLE), ROLE),
    (RUN, "ClientException", "The role cannot be assumed", "web"),
    (RUN, "InvalidParameterException", f"{NO_SUBNET} (ErrorCode: InvalidSubnetID.NotFound)", "subnet-1"),
    (SERVICE, "InvalidParameterException", NO_SUBNET, "subnet-1"),
    (SERVICE, "InvalidParameterException", f"{NO_GROUP} (ErrorCode: InvalidGroup.NotFound)", "sg-1"),
    (SERVICE, "InvalidParameterException", NO_GROUP, "sg-1"),
    (SERVICE, "InvalidParameterException", "sg-1 (ErrorCode: InvalidSecurityGroupID.NotFound)", "sg-1"),
    (
        SERVICE,
        "InvalidParameterException",
        "Unable to assume role and validate the specified targetGroupArn. Please verify that the ECS service role "
        "being passed has the proper permissions.",
        "subnet-1",
    ),
    (CAPACITY, "ClientException", f"Caught ServiceAccessDeniedException for ECSInfrastructureRole[{ROLE}]", ROLE),
    (
        SCHEDULE,
        "ValidationException",
        "The execution role you provide must allow AWS EventBridge Scheduler to assume the role.",
        ROLE,
    ),
    (BALANCER, "SubnetNotFound", "The subnet ID 'subnet-1' does not exist", "subnet-1"),
    (BALANCER, "InvalidSecurityGroup", "The security group 'sg-1' does not exist (Error Code: X)", "sg-1"),
    (BALANCER, "InvalidSubnet", "VPC vpc-1 has no internet gateway", "subnet-1"),
    (TARGETS, "ValidationError", "The VPC ID 'vpc-1' is not found", "vpc-1"),
    (LISTENER, "CertificateNotFound", f"Certificate ARN '{CERTIFICATE}' is not valid", CERTIFICATE),
    (TRUST, "MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{ROLE}"', ROLE),
    (
        POLICY,
        "InvalidParameterException",
        "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided'",
        ROLE,
    ),
    (SCALING, "ValidationException", "ECS service doesn't exist: service/web/web", "service/web/web"),
    (SCALING, "ValidationException", "Unable to assume IAM role: arn:aws:iam::1:role/x", "arn:aws:iam::1:role/x"),
    (SCALING, "FailedResourceAccessException", "The token included in the request is invalid", "service/web/web"),
    (DEPLOYMENT, "InvalidRoleException", f"AWS CodeDeploy cannot use {ROLE}", ROLE),
    (
        DEPLOYMENT,
        "ClientException",
        f"AWS CodeDeploy does not have the permissions required to assume the role {ROLE}.",
        ROLE,
    ),
    (SUBNET, "InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist", "vpc-1"),
    (
        INSTANCES,
        "ValidationError",
        f"You must use a valid fully-formed launch template. Value ({PROFILE}) for parameter iamInstanceProfile.arn is "
        "invalid. Invalid IAM Instance Profile ARN",
        PROFILE,
    ),
]
WHATEVER_IS_NAMED: list[tuple[Call, str, str]] = [
    (SERVICE, "InvalidParameterException", "Unable to assume the service linked role. Please verify that it exists."),
    (SET, "InvalidParameterException", f"The target group {GROUP} does not have an associated load balancer."),
    (SCALING, "ValidationException", "Unable to assume the service linked role"),
]


@dataclass
class Refusing:
    """Refuses a call until a time on the clock, as AWS does, and carries out every other."""

    clock: ManualClock
    call: Call
    code: str
    message: str
    until: float = float("inf")
    sent: int = field(default=0)

    def perform(self, call: Call) -> dict[str, Any]:
        if call is self.call:
            self.sent += 1
            if self.clock.monotonic() < self.until:
                answer = {"Error": {"Code": self.code, "Message": self.message}, "ResponseMetadata": {}}
                raise translate(call, ClientError(answer, call.operation))  # type: ignore[arg-type]  # as botocore has it
        return {}


def say(call: Call) -> Calls[Any]:
    return (yield call)


class Account:
    def __init__(self, call: Call, code: str, message: str, *, made: str = "", age: float = 0.0) -> None:
        self.clock = ManualClock()
        self.began = self.clock.monotonic()
        self.aws = Refusing(self.clock, call, code, message)
        self.client = AwsClient(self.aws, clock=self.clock)
        if made:
            self.client.propagation.made(made, age)

    def ask(self, **how: Any) -> Any:
        return self.client.run(say(self.aws.call), creating=[self.aws.call.operation], **how)

    def pass_after_pass(self, every: float = 10.0) -> float:
        """Until something else than waiting comes of it; the seconds until then. Raises the error that is told."""
        began = self.clock.monotonic()
        while True:
            try:
                self.ask()
            except errors.Propagating:
                self.clock.advance(every)
            else:
                return self.clock.monotonic() - began


def names(values: tuple[Any, ...]) -> str:
    return f"{values[0].operation} {values[1]} {values[2][:30]}"


@pytest.mark.parametrize("case", AWS_SAYS, ids=names)
def test_what_names_something_just_made_is_waited_for(case: tuple[Call, str, str, str]) -> None:
    """Each refusal of what AWS does not know yet: in the call for some seconds, then between passes."""
    call, code, message, made = case
    account = Account(call, code, message, made=made)
    account.aws.until = account.clock.monotonic() + 5
    account.ask()
    account = Account(call, code, message, made=made)
    account.aws.until = account.clock.monotonic() + 30
    with pytest.raises(errors.Propagating) as waiting:
        account.ask()
    assert waiting.value.code == code
    assert IN_CALL_SECONDS <= account.clock.monotonic() - account.began < 2 * IN_CALL_SECONDS
    account.pass_after_pass()
    assert account.clock.monotonic() - account.began >= 30


@pytest.mark.parametrize("case", AWS_SAYS, ids=names)
def test_what_names_nothing_that_is_new_is_told_at_once(case: tuple[Call, str, str, str]) -> None:
    """The same words about what has long been there are the truth."""
    call, code, message, made = case
    for account in (Account(call, code, message), Account(call, code, message, made=made, age=RECENT_SECONDS)):
        with pytest.raises(errors.AwsError) as told:
            account.ask()
        assert not isinstance(told.value, errors.Propagating)
        assert (account.aws.sent, told.value.message) == (1, message)


@pytest.mark.parametrize("case", WHATEVER_IS_NAMED, ids=names)
def test_what_aws_made_itself_is_waited_for_whatever_the_call_names(case: tuple[Call, str, str]) -> None:
    """A service-linked role, or a listener, has no name in the call that waits for it."""
    account = Account(*case)
    account.aws.until = account.clock.monotonic() + 30
    assert account.pass_after_pass() >= 30 - IN_CALL_SECONDS


@pytest.mark.parametrize("case", [*AWS_SAYS, *((*case, "") for case in WHATEVER_IS_NAMED)], ids=names)
def test_what_is_refused_for_ever_is_told_with_the_time(case: tuple[Call, str, str, str]) -> None:
    """After the stated time the error is AWS's own, says how long it was retried, and is not retried any more."""
    call, code, message, made = case
    account = Account(call, code, message, made=made)
    began = account.clock.monotonic()
    with pytest.raises(errors.AwsError) as told:
        account.pass_after_pass()
    assert not isinstance(told.value, errors.Propagating | errors.Ambiguous)
    assert told.value.code == code
    assert message in told.value.message
    assert "retried for" in told.value.message
    assert PROPAGATION_SECONDS <= account.clock.monotonic() - began <= RECENT_SECONDS + 30
    assert account.aws.sent < 50
    sent = account.aws.sent
    account.clock.advance(300)
    with pytest.raises(type(told.value)):
        account.ask()
    assert account.aws.sent == sent + 1


def test_every_text_of_the_catalogue_is_tried_here() -> None:
    """A row without an answer of AWS's is a guess."""
    rows = [row for name in (*services(), COMMON) for key in ("errors", "messages") for row in read(name).get(key, ())]
    said = [(case[1], case[2].lower()) for case in (*AWS_SAYS, *WHATEVER_IS_NAMED)]
    for row in rows:
        if row.get("propagates") or row["means"] == "propagating":
            for code in row.get("codes", ("",)):
                assert any(code == spoken or row.get("text", "\n") in message for spoken, message in said), row


def test_of_two_roles_the_one_that_is_refused_decides() -> None:
    """A role that is a week old is not excused by the new one that the same call names."""
    call = Call("ecs", "RegisterTaskDefinition", {"family": "web", "executionRoleArn": OTHER, "taskRoleArn": ROLE})
    account = Account(call, "AccessDeniedException", PASS_ROLE.format(OTHER), made=ROLE)
    with pytest.raises(errors.Denied):
        account.ask()
    assert account.aws.sent == 1


def test_a_new_task_definition_does_not_excuse_an_old_role() -> None:
    """RunTask names the task definition, and ECS's refusal the role."""
    account = Account(RUN, "ClientException", ASSUME.format(OTHER), made="web:1")
    with pytest.raises(errors.Invalid):
        account.ask()


@pytest.mark.parametrize(
    "write",
    [
        Call("iam", "CreateRole", {"RoleName": "web-execution"}),
        Call("iam", "UpdateAssumeRolePolicy", {"RoleName": "web-execution", "PolicyDocument": "{}"}),
        Call("iam", "PutRolePolicy", {"RoleName": "web-execution", "PolicyName": "p", "PolicyDocument": "{}"}),
    ],
    ids=str,
)
def test_a_role_is_new_once_it_was_created_and_once_it_was_changed(write: Call) -> None:
    """Its trust and its policies take as long to reach the regions as the role itself."""
    account = Account(RUN, "ClientException", ASSUME.format(ROLE))
    account.client.run(say(write), creating=[write.operation])
    account.aws.until = account.clock.monotonic() + 5
    account.ask()


def test_a_definite_success_ends_the_waiting() -> None:
    """What is refused again later has its whole time again."""
    account = Account(SCHEDULE, "ValidationException", AWS_SAYS[14][2], made=ROLE)
    account.aws.until = account.clock.monotonic() + 100
    account.pass_after_pass()
    account.client.propagation.made(ROLE)
    account.aws.until = account.clock.monotonic() + 100
    account.pass_after_pass()


def test_a_read_waits_only_where_the_thing_must_be_there() -> None:
    """Not found is an answer to a read, unless the conversation is about what was just made."""
    read = Call("ec2", "DescribeVpcs", {"VpcIds": ["vpc-1"]})
    account = Account(read, "InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist", made="vpc-1")
    with pytest.raises(errors.Gone):
        account.client.run(say(read))
    for _ in range(2):
        account.aws.until = account.clock.monotonic() + 5
        account.client.run(say(read), fresh=True)
        account.clock.advance(RECENT_SECONDS / 2)


def test_what_a_creation_has_itself_made_is_waited_for_to_the_end() -> None:
    """The next pass might not find what is only half created, and would create it again."""
    create = Call("ec2", "CreateVpc", {"CidrBlock": "10.0.0.0/16"})
    modify = Call("ec2", "ModifyVpcAttribute", {"VpcId": "vpc-1"})

    class Making(Refusing):
        def perform(self, call: Call) -> dict[str, Any]:
            return {"Vpc": {"VpcId": "vpc-1"}} if call is create else super().perform(call)

    def making() -> Calls[None]:
        yield create
        yield modify

    clock = ManualClock()
    aws = Making(clock, modify, "InvalidVpcID.NotFound", "The vpc ID 'vpc-1' does not exist")
    aws.until = clock.monotonic() + 60
    AwsClient(aws, clock=clock).run(making(), creating=["CreateVpc"])
    aws.until = float("inf")
    began = clock.monotonic()
    with pytest.raises(errors.Gone, match="retried for 2m"):
        AwsClient(aws, clock=clock).run(making(), creating=["CreateVpc"])
    assert PROPAGATION_SECONDS <= clock.monotonic() - began < PROPAGATION_SECONDS + 15


def test_an_urgent_call_is_not_waited_for() -> None:
    """A rollout looks again by itself, and others are looked at meanwhile."""
    account = Account(SET, "AccessDeniedException", PASS_ROLE.format(ROLE), made=ROLE)
    with pytest.raises(errors.Propagating):
        account.ask(urgent=True)
    assert account.aws.sent == 1
