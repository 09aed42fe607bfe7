"""The one place where AWS is called: who may be written to, what is sent again, what is counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from reconciler import errors
from reconciler.aws.client import AwsClient
from reconciler.aws.ownership_guard import OwnershipGuard
from reconciler.clock import ManualClock
from reconciler.model.resource import Batch, Call, Calls

THROTTLED = errors.Throttled("slow down", code="Throttling")
LOST = errors.Ambiguous("reset", code="NoAnswer")
GONE = errors.Gone("not there", code="InvalidVpcID.NotFound")


class Scripted:
    """Answers from a list; an error in it is raised."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.calls: list[Call] = []

    def perform(self, call: Call) -> dict[str, Any]:
        self.calls.append(call)
        answer = self.answers.pop(0) if self.answers else {}
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[no-any-return]


def say(call: Call) -> Calls[Any]:
    answer = yield call
    return answer


READ = Call("ec2", "DescribeVpcs")
CREATE = Call("ec2", "CreateVpc", {"CidrBlock": "10.0.0.0/16"})
TOKENED = Call("ec2", "CreateNatGateway", {"SubnetId": "subnet-1", "ClientToken": "t"})


@pytest.mark.parametrize(
    ("call", "trouble", "sent"),
    [
        (READ, THROTTLED, 2),
        (READ, LOST, 2),
        (TOKENED, LOST, 2),
        (TOKENED, THROTTLED, 2),
        (CREATE, THROTTLED, 2),
        (CREATE, LOST, 1),
    ],
    ids=lambda value: value.operation if isinstance(value, Call) else str(value),
)
def test_a_write_without_token_is_never_sent_twice_after_a_lost_answer(
    call: Call, trouble: errors.AwsError, sent: int
) -> None:
    """Only what was certainly not executed, or cannot be executed twice, is sent again."""
    world = Scripted(trouble)
    aws = AwsClient(world, clock=ManualClock())
    try:
        aws.run(say(call), creating=[call.operation])
    except errors.Ambiguous:
        assert sent == 1
    assert len(world.calls) == sent
    assert aws.counts[str(call)] == sent


def test_a_write_to_what_is_not_ours_never_leaves() -> None:
    """A mutating call that names nothing of ours is an error of ours and is not sent."""
    world = Scripted()
    mine = OwnershipGuard()
    mine.add("sg-ours", "arn:aws:iam::123456789012:role/ours")
    aws = AwsClient(world, mine=mine)
    for call in (
        Call("ec2", "DeleteSecurityGroup", {"GroupId": "sg-theirs"}),
        Call("ec2", "CreateTags", {"Resources": ["sg-ours", "sg-theirs"], "Tags": []}),
        Call("elbv2", "ModifyListener", {"ListenerArn": "theirs", "DefaultActions": [{"TargetGroupArn": "sg-ours"}]}),
        Call("ec2", "CreateVpc", {"CidrBlock": "10.0.0.0/16"}),
    ):
        with pytest.raises(errors.OwnershipBreach):
            aws.run(say(call))
    assert world.calls == []
    aws.run(say(Call("ec2", "DeleteSecurityGroup", {"GroupId": "sg-ours"})))
    aws.run(say(Call("iam", "DeleteRole", {"RoleName": "ours"})))
    assert len(world.calls) == 2


def test_a_creation_may_write_to_what_it_made_and_to_nothing_else() -> None:
    """While creating, the ids that AWS just gave out are ours; others are not."""

    def making(touch: str) -> Calls[Any]:
        yield CREATE
        yield Call("ec2", "ModifyVpcAttribute", {"VpcId": touch})

    answer = {"Vpc": {"VpcId": "vpc-new"}}
    AwsClient(Scripted(answer)).run(making("vpc-new"), creating=[CREATE.operation])
    with pytest.raises(errors.OwnershipBreach):
        AwsClient(Scripted(answer)).run(making("vpc-other"), creating=[CREATE.operation])


def test_a_creation_is_what_the_type_says_it_is() -> None:
    """Whatever AWS calls it; and nothing else, however its name begins."""
    request = Call("acm", "RequestCertificate", {"DomainName": "example.com"})
    arn = "arn:aws:acm:us-west-2:123456789012:certificate/1"

    def making() -> Calls[None]:
        yield request
        yield Call("acm", "UpdateCertificateOptions", {"CertificateArn": arn})

    world = Scripted({"CertificateArn": arn})
    AwsClient(world).run(making(), creating=["RequestCertificate"])
    assert len(world.calls) == 2
    with pytest.raises(errors.OwnershipBreach):
        AwsClient(Scripted()).run(say(CREATE), creating=["RequestCertificate"])


def test_answers_of_calls_side_by_side_keep_their_order() -> None:
    """`Batch` is answered in the order in which it asks, and a refusal reaches the conversation."""

    class Echo:
        def perform(self, call: Call) -> dict[str, Any]:
            if call.params["n"] == 99:
                raise GONE
            return {"n": call.params["n"]}

    def asking(*numbers: int) -> Calls[Any]:
        try:
            answers = yield Batch.of(Call("ec2", "DescribeVpcs", {"n": n}) for n in numbers)
        except errors.Gone:
            return "gone"
        return [answer["n"] for answer in answers]

    aws = AwsClient(Echo())
    assert aws.run(asking(*range(40))) == list(range(40))
    assert aws.run(asking()) == []
    assert aws.run(asking(1, 99)) == "gone"
    aws.close()


@pytest.mark.parametrize("numbers", [range(40), range(99, 139), (99,), (), range(60, 100)])
@pytest.mark.parametrize("fresh", [False, True])
def test_what_may_be_missing_is_asked_about_once_and_spoils_no_other_answer(
    numbers: Sequence[int], fresh: bool
) -> None:
    """One call each, however many are missing, and no waiting as for what was made a moment ago; other refusals are."""
    asked: list[int] = []

    class Upto99:
        def perform(self, call: Call) -> dict[str, Any]:
            asked.append(call.params["n"])
            if call.params["n"] < 0:
                raise errors.Denied("no", call=str(call), code="AccessDenied")
            if call.params["n"] >= 99:
                raise GONE
            return {"n": call.params["n"]}

    def asking(numbers: Sequence[int]) -> Calls[Any]:
        answers = yield Batch.of((Call("ecr", "DescribeImages", {"n": n}) for n in numbers), missing_ok=True)
        return answers

    clock = ManualClock()
    aws = AwsClient(Upto99(), clock=clock)
    assert aws.run(asking(numbers), fresh=fresh) == [{"n": n} if n < 99 else None for n in numbers]
    assert sorted(asked) == list(numbers)
    with pytest.raises(errors.Denied):
        aws.run(asking([1, -1, 99]), fresh=fresh)
    aws.close()
