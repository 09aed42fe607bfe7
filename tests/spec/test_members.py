"""What `aws` in a document becomes: members of the resource behind it, and fields where the resource has some."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.ownership import MEMBERS
from reconciler.model.resource import Address, Desired
from tests.spec.test_start import compiled


def resource(text: str, address: str) -> Desired[Any]:
    return compiled(text)[Address.parse(address)]


@pytest.mark.parametrize(
    ("text", "address", "fields"),
    [
        (
            "{kind: Role, name: jobs, assumed_by: ecs-tasks.amazonaws.com, aws: {MaxSessionDuration: 7200}}",
            "role/jobs",
            {"max_session": 7200},
        ),
        (
            "{kind: Network, name: net, cidr: 10.1.0.0/16, aws: {InstanceTenancy: dedicated}}",
            "vpc/net",
            {"aws": {"InstanceTenancy": "dedicated"}},
        ),
        (
            "{kind: Cluster, name: c, namespace: {name: apps, aws: {Description: ours}}}",
            "namespace/apps",
            {"name": "apps", "aws": {"Description": "ours"}},
        ),
        (
            "{kind: Store, name: leases, aws: {TableClass: STANDARD}}",
            "table/leases",
            {"aws": {"TableClass": "STANDARD"}},
        ),
    ],
)
def test_members_are_those_of_the_resource(text: str, address: str, fields: dict[str, Any]) -> None:
    found = resource(text, address).spec
    assert {name: getattr(found, name, None) for name in fields} == fields


def test_an_endpoint_has_a_policy_and_members() -> None:
    """The policy is the field's, and stands beside the members."""
    text = """
kind: Network
name: my-workspace
endpoints:
  - s3
  - service: logs
    policy: [{actions: ["logs:PutLogEvents"], resources: ["*"]}]
    ip_address_type: ipv4
    aws: {PrivateDnsEnabled: false}
"""
    found = compiled(text)
    logs = found[Address("vpc-endpoint", "my-workspace-logs")].spec
    assert (logs.private_dns, logs.aws) == (False, {"IpAddressType": "ipv4"})
    assert logs.policy["Statement"][0]["Action"] == ("logs:PutLogEvents",)
    assert found[Address("vpc-endpoint", "my-workspace-s3")].spec.aws == {}


def test_what_aws_does_not_show_is_told_by_a_tag() -> None:
    """Of a resource that is its document's, and of one that is a part of it."""
    text = "{kind: Network, name: net, cidr: 10.1.0.0/16, aws: {Ipv4IpamPoolId: ipam-pool-1}}"
    assert resource(text, "vpc/net").tags[MEMBERS].startswith("Ipv4IpamPoolId:")


def test_a_key_encrypts_a_repository() -> None:
    """The document says the key's ARN, and ECR the type and the key."""
    key = "arn:aws:kms:us-west-2:123456789012:key/1"
    found = resource(f"{{kind: Registry, name: web, encryption: '{key}'}}", "repository/web").spec
    assert (found.encryption, found.kms_key) == ("KMS", key)
