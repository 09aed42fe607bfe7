"""Decoys look like ours, are many, and a touched one is noticed."""

from __future__ import annotations

from moto import mock_aws

from tests.harness.decoys import Decoys
from tests.harness.forked_runs import Account, serial


def test_a_touched_decoy_is_noticed() -> None:
    """A tag, a deletion: each shows, and nothing shows before."""
    with serial(), mock_aws():
        account = Account()
        decoys = Decoys(account)
        assert len(decoys) > 40
        assert decoys.changes() == []
        account.by_hand("logs").delete_log_group(logGroupName="/ecs/my-app-frontend-decoy")
        assert any("log-group" in change for change in decoys.changes())
        ec2 = account.by_hand("ec2")
        named = [{"Name": "tag:Name", "Values": ["decoy-by-hand"]}]
        (vpc,) = ec2.describe_vpcs(Filters=named)["Vpcs"]
        ec2.create_tags(Resources=[vpc["VpcId"]], Tags=[{"Key": "touched", "Value": "1"}])
        assert any("vpc" in change for change in decoys.changes())
