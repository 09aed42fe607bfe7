"""Optional fields that are written by calls of their own: without their line AWS's default is back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.ownership import FIELDS
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from tests.harness.emulated_stack import EmulatedStack, emulated_stack

DOCUMENTS = """
kind: Stack
name: shop
region: us-west-2
---
kind: Network
name: net
cidr: 10.0.0.0/16
subnets: [{name: public-a, zone: us-west-2a, cidr: 10.0.0.0/24, access: public}]
security_groups:
  - name: app
    ingress: [{port: 80, from: 10.0.0.0/16}]
    # egress
---
kind: Registry
name: app
# keep
---
kind: Cluster
name: prod
capacity_providers: [FARGATE, FARGATE_SPOT]
# default
"""
EGRESS = "egress: [{port: 443, to: 10.0.0.0/16}]"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[EmulatedStack]:
    (tmp_path / "stack.yaml").write_text(DOCUMENTS)
    with emulated_stack(folder=tmp_path) as stage:
        yield stage


def planned(stage: EmulatedStack) -> list[str]:
    return [str(action.address) for action in pass_.look(stage.aws, discover(), stage.desired_state)[1].actions]


def group(stage: EmulatedStack) -> dict[str, Any]:
    ec2 = stage.laptop.client("ec2")
    found: dict[str, Any]
    (found,) = ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": ["app"]}])["SecurityGroups"]
    return found


def egress(stage: EmulatedStack) -> set[tuple[str, str]]:
    """Protocol and range of each rule by which packets leave."""
    rules = stage.laptop.client("ec2").describe_security_group_rules(
        Filters=[{"Name": "group-id", "Values": [group(stage)["GroupId"]]}]
    )["SecurityGroupRules"]
    return {(one["IpProtocol"], one.get("CidrIpv4") or one["CidrIpv6"]) for one in rules if one["IsEgress"]}


def has_tag(stage: EmulatedStack) -> bool:
    return any(one["Key"] == FIELDS for one in group(stage)["Tags"])


def test_egress_without_its_lines_allows_everything_again(stage: EmulatedStack) -> None:
    """As the reference says of a group without `egress`; what others change after that is theirs."""
    stage.change({"# egress": EGRESS})
    stage.infrastructure()
    assert egress(stage) == {("tcp", "10.0.0.0/16")}
    assert has_tag(stage)
    assert planned(stage) == []

    stage.change({EGRESS: "# egress", "# egress": "# none"})
    assert planned(stage) == ["security-group-rules/app"]
    stage.infrastructure()
    assert egress(stage) == {("-1", "0.0.0.0/0"), ("-1", "::/0")}
    assert not has_tag(stage)
    assert planned(stage) == []

    limited(stage)
    assert planned(stage) == []


def test_egress_that_was_removed_altogether_comes_back(stage: EmulatedStack) -> None:
    """A group without a rule is one whose rules are absent, but for its tag."""
    stage.change({"ingress: [{port: 80, from: 10.0.0.0/16}]": "# ingress", "# egress": "egress: []"})
    stage.infrastructure()
    assert egress(stage) == set()
    stage.change({"egress: []": "# none", "# ingress": "ingress: [{port: 80, from: 10.0.0.0/16}]"})
    stage.infrastructure()
    assert egress(stage) == {("-1", "0.0.0.0/0"), ("-1", "::/0")}
    assert planned(stage) == []


def test_egress_that_was_never_stated_is_kept(stage: EmulatedStack) -> None:
    stage.infrastructure()
    limited(stage)
    assert planned(stage) == []
    assert egress(stage) == set()


def limited(stage: EmulatedStack) -> None:
    """Somebody takes every rule away by which packets leave."""
    found = group(stage)
    rules = found["IpPermissionsEgress"]
    stage.laptop.client("ec2").revoke_security_group_egress(GroupId=found["GroupId"], IpPermissions=rules)


def test_the_tag_stays_until_the_rules_have_been_written(stage: EmulatedStack) -> None:
    """A process that ends between the group and its rules leaves the narrow rules, and the next one widens them."""
    stage.change({"# egress": EGRESS})
    stage.infrastructure()
    stage.change({EGRESS: "# none"})

    def dies(call: Any) -> None:
        if call.operation == "AuthorizeSecurityGroupEgress":
            raise RuntimeError

    stage.transport.before = dies
    with pytest.raises(RuntimeError):
        stage.infrastructure()
    stage.transport.before = None
    assert (egress(stage), has_tag(stage)) == ({("tcp", "10.0.0.0/16")}, True)
    stage.restart()
    stage.infrastructure()
    assert (egress(stage), has_tag(stage)) == ({("-1", "0.0.0.0/0"), ("-1", "::/0")}, False)


def lifecycle(stage: EmulatedStack) -> list[Any]:
    ecr = stage.laptop.client("ecr")
    try:
        answer = ecr.get_lifecycle_policy(repositoryName="app")
    except ecr.exceptions.LifecyclePolicyNotFoundException:
        return []
    rules: list[Any] = json.loads(answer["lifecyclePolicyText"])["rules"]
    return rules


def test_images_are_kept_again_without_the_line_that_expires_them(stage: EmulatedStack) -> None:
    """A lifecycle policy that the specs have never stated stays."""
    stage.change({"# keep": "keep_images: 3"})
    stage.infrastructure()
    assert lifecycle(stage)[-1]["selection"]["countNumber"] == 3
    assert planned(stage) == []
    stage.change({"keep_images: 3": "# none"})
    assert planned(stage) == ["repository/app"]
    stage.infrastructure()
    assert lifecycle(stage) == []
    assert planned(stage) == []

    text = json.dumps({"rules": [{**RULE, "selection": {**RULE["selection"], "countNumber": 7}}]})
    stage.laptop.client("ecr").put_lifecycle_policy(repositoryName="app", lifecyclePolicyText=text)
    assert planned(stage) == []
    assert len(lifecycle(stage)) == 1


RULE: dict[str, Any] = {
    "rulePriority": 1,
    "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
    "action": {"type": "expire"},
}


def test_a_cluster_without_the_line_has_no_default_strategy(stage: EmulatedStack) -> None:
    stage.change({"# default": "default_strategy: [FARGATE_SPOT]"})
    stage.infrastructure()
    (found,) = stage.laptop.client("ecs").describe_clusters(clusters=["prod"])["clusters"]
    assert [one["capacityProvider"] for one in found["defaultCapacityProviderStrategy"]] == ["FARGATE_SPOT"]
    stage.change({"default_strategy: [FARGATE_SPOT]": "# none"})
    stage.infrastructure()
    (found,) = stage.laptop.client("ecs").describe_clusters(clusters=["prod"])["clusters"]
    assert found["defaultCapacityProviderStrategy"] == []
