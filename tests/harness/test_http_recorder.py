"""The wire counter counts requests, and the counter of decisions what is sent twice in one."""

from __future__ import annotations

import pytest
from moto import mock_aws

from reconciler import errors
from reconciler.aws.session import Boto
from reconciler.model.resource import Call
from tests.conftest import REGION
from tests.harness.faults import Fault, FaultProxy
from tests.harness.forked_runs import Account
from tests.harness.http_recorder import Decisions, Wire

VPC = Call("ec2", "CreateVpc", {"CidrBlock": "10.0.0.0/16"})


def test_a_lost_answer_is_a_request_that_was_executed() -> None:
    """The request is counted, AWS has carried it out, and the caller hears nothing of it."""
    with mock_aws():
        boto = Boto(REGION)
        wire = Wire(boto, loses=lambda name, _: name == "CreateVpc")
        wire.watch("ec2")
        before = len(boto.perform(Call("ec2", "DescribeVpcs"))["Vpcs"])
        with pytest.raises(errors.Ambiguous):
            boto.perform(VPC)
        assert wire.sent["CreateVpc"] == 1
        assert len(boto.perform(Call("ec2", "DescribeVpcs"))["Vpcs"]) == before + 1


def test_what_a_client_sends_by_itself_is_seen() -> None:
    """With botocore's own retries on, one call is several requests: what the promise is about is what is counted."""
    with mock_aws():
        boto = Boto(REGION)
        boto._config = boto._config.merge(type(boto._config)(retries={"total_max_attempts": 3, "mode": "standard"}))
        wire = Wire(boto, loses=lambda name, count: name == "CreateVpc" and count < 3)
        wire.watch("ec2")
        boto.perform(VPC)
        assert wire.sent["CreateVpc"] == 3


def test_a_creation_sent_again_in_one_decision_is_counted() -> None:
    """A refusal was not executed and may be sent again; a lost answer may not; a new pass decides anew."""
    with mock_aws():
        account = Account()
        decisions = Decisions(FaultProxy(account, seed=1, rates={Fault.LOST: 1.0}))
        for expected in (1, 2):
            with pytest.raises(errors.Ambiguous):
                decisions.perform(VPC)
            assert decisions.most == expected
        fresh = Decisions(FaultProxy(account, seed=1, rates={Fault.THROTTLED: 1.0}))
        for _ in range(3):
            with pytest.raises(errors.Throttled):
                fresh.perform(VPC)
        assert fresh.most == 0
        anew = Decisions(account)
        anew.perform(VPC)
        anew.perform(Call("resourcegroupstaggingapi", "GetResources", {}))
        anew.perform(VPC)
        assert anew.most == 1
