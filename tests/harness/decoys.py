"""Decoys: what stands in the same account, looks like ours, and is not. It has to be the same, byte for byte, after.

There are three sorts: another stack's, made by the product itself from the same specs under other names; what somebody
made by hand, with our names on it as tags or beside ours, and nobody's tags; and what carries another stack's tag under
an address of ours.
"""

from __future__ import annotations

import json
from typing import Any

from tests.harness.account_snapshot import census
from tests.harness.forked_runs import SEED, Account, Stack, run, stack

OTHER = {"my-app": "decoy", "my-workspace": "decoy-net", "10.0.": "10.9."}
"""The seed stack's names and addresses, and those of the stack beside it."""

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


class Decoys:
    """Put into an account at once; `changes` says what became of them."""

    def __init__(self, account: Account) -> None:
        report = run(account, other_stack())
        assert not report.last.failed
        self._account = account
        _by_hand(account)
        self._before = self._marked()

    def changes(self) -> list[str]:
        """What of the decoys is gone, or not as it was."""
        now = self._marked()
        return [
            f"{kind}: {text[:200]}"
            for kind, items in self._before.items()
            for text in items
            if text not in now.get(kind, ())
        ]

    def _marked(self) -> dict[str, list[str]]:
        taken = census(self._account.ledger.perform)
        return {kind: [text for text in items if "decoy" in text or "10.9." in text] for kind, items in taken.items()}

    def __len__(self) -> int:
        return sum(map(len, self._before.values()))


def other_stack() -> Stack:
    return stack(SEED, OTHER)


def _by_hand(account: Account) -> None:
    ec2, ecs = account.by_hand("ec2"), account.by_hand("ecs")
    # a VPC that is called like ours, of the same addresses, with one of everything in it
    name = {"Key": "Name", "Value": "decoy-by-hand"}
    theirs = [name, {"Key": "reconciler:stack", "Value": "decoy"}]
    taken = [*theirs, {"Key": "reconciler:address", "Value": "vpc/my-workspace"}]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/20", TagSpecifications=_tagged("vpc", taken))["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", TagSpecifications=_tagged("subnet", [name]))
    gateway = ec2.create_internet_gateway(TagSpecifications=_tagged("internet-gateway", [name]))["InternetGateway"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)
    ec2.create_route_table(VpcId=vpc, TagSpecifications=_tagged("route-table", [name]))
    ec2.create_security_group(
        VpcId=vpc,
        GroupName="my-app-lb-sg",  # the name of ours, which is its own in another VPC
        Description="decoy",
        TagSpecifications=_tagged("security-group", [{"Key": "decoy", "Value": "1"}]),
    )
    ec2.allocate_address(Domain="vpc", TagSpecifications=_tagged("elastic-ip", [name]))
    # names that begin like ours
    ecs.create_cluster(clusterName="my-app-cluster-decoy")
    ecs.register_task_definition(
        family="my-app-frontend-decoy",
        containerDefinitions=[{"name": "decoy", "image": "decoy", "memory": 64, "cpu": 64}],
    )
    account.by_hand("logs").create_log_group(logGroupName="/ecs/my-app-frontend-decoy")
    account.by_hand("ecr").create_repository(repositoryName="my-app-frontend-decoy")
    account.by_hand("iam").create_role(RoleName="my-app-frontend-execution-decoy", AssumeRolePolicyDocument=TRUST)
    account.by_hand("elbv2").create_target_group(
        Name="my-app-frontend-tg-1-decoy"[:32].rstrip("-"), Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip"
    )


def _tagged(kind: str, tags: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": tags}]
