"""Clusters: the law example, and what bare moto cannot show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler import errors
from reconciler.model.diff import diff
from reconciler.model.resource import Observed, ResourceHealth
from reconciler.resources._ecs import Strategy
from reconciler.resources.cluster import Cluster, ClusterSpec
from tests.laws.example import Edit, Example, wish
from tests.resources.talk import Talk, scope, tagged
from tests.resources.workload import ECS, lower_pairs

SPOT = Strategy(provider="FARGATE_SPOT", weight=3)
PLAIN = Strategy(provider="FARGATE", weight=1, base=1)

EXAMPLE = Example(
    wish(
        "cluster/web",
        ClusterSpec(
            name="web",
            capacity_providers=("FARGATE", "FARGATE_SPOT"),
            default_strategy=(PLAIN, SPOT),
            container_insights="disabled",
            exec={"logging": "DEFAULT"},
        ),
    ),
    edits=(
        Edit({"container_insights": "enhanced"}, "container_insights"),
        Edit({"capacity_providers": ("FARGATE",)}, "capacity_providers.FARGATE_SPOT"),
        Edit(
            {"default_strategy": (PLAIN, Strategy(provider="FARGATE_SPOT", weight=1))},
            "default_strategy.FARGATE_SPOT.weight",
        ),
        Edit({"default_strategy": (SPOT, PLAIN), "capacity_providers": ("FARGATE_SPOT", "FARGATE")}),
        Edit({"exec": {"logging": "NONE"}}, "exec.logging"),
        Edit({"name": "other"}, "name"),
    ),
    unique=True,
    decoys=(wish("cluster/decoy", ClusterSpec(name="decoy")),),
)

DESIRED = replace(EXAMPLE.desired, tags=tagged(EXAMPLE.desired))


def answer(**fields: Any) -> dict[str, Any]:
    item = {
        "clusterName": "web",
        "clusterArn": f"{ECS}:cluster/web",
        "status": "ACTIVE",
        "settings": [{"name": "containerInsights", "value": "disabled"}],
        "capacityProviders": ["FARGATE_SPOT", "FARGATE"],
        "defaultCapacityProviderStrategy": [
            {"capacityProvider": "FARGATE_SPOT", "weight": 3},
            {"capacityProvider": "FARGATE", "weight": 1, "base": 1},
        ],
        "tags": lower_pairs({**DESIRED.tags, "aws:cloudformation:stack-name": "x"}),
    }
    return {"clusters": [{**item, **fields}], "failures": []}


def observed(talk: Talk) -> Observed[ClusterSpec]:
    return talk.hold(Cluster().observe(scope(DESIRED)))[0]


def test_order_and_missing_zeros_mean_nothing() -> None:
    """What AWS lists in another order, or leaves out because it is 0, is no difference."""
    found = observed(Talk(DescribeClusters=answer()))

    assert found.tags == DESIRED.tags
    assert found.health is ResourceHealth.READY
    assert not diff(found, DESIRED.spec)


def test_a_deleted_cluster_is_absent() -> None:
    """AWS answers a deleted cluster as INACTIVE for a while; its name is free."""
    assert Talk(DescribeClusters=answer(status="INACTIVE")).hold(Cluster().observe(scope(DESIRED))) == []


@pytest.mark.parametrize(
    ("fields", "health"),
    [
        ({"status": "PROVISIONING"}, ResourceHealth.PROGRESSING),
        ({"status": "DEPROVISIONING"}, ResourceHealth.PROGRESSING),
        ({"status": "SOMETHING_NEW"}, ResourceHealth.PROGRESSING),
        ({"attachmentsStatus": "UPDATE_IN_PROGRESS"}, ResourceHealth.PROGRESSING),
        ({"status": "FAILED"}, ResourceHealth.DEGRADED),
        ({"attachmentsStatus": "UPDATE_FAILED"}, ResourceHealth.DEGRADED),
    ],
)
def test_a_cluster_that_is_not_ready_says_why(fields: dict[str, str], health: ResourceHealth) -> None:
    """Capacity providers are attached in the background, and what is unknown is not ready."""
    found = observed(Talk(DescribeClusters=answer(**fields)))

    assert found.health is health
    assert found.reason


def test_missing_is_absent_and_any_other_failure_is_not() -> None:
    """Only MISSING says that a cluster does not exist; after anything else we do not know."""
    missing = {"clusters": [], "failures": [{"arn": f"{ECS}:cluster/web", "reason": "MISSING"}]}
    assert Talk(DescribeClusters=missing).hold(Cluster().observe(scope(DESIRED))) == []

    odd = {"clusters": [], "failures": [{"arn": f"{ECS}:cluster/web", "reason": "ACCESS_DENIED"}]}
    with pytest.raises(errors.Ambiguous, match="ACCESS_DENIED"):
        Talk(DescribeClusters=odd).hold(Cluster().observe(scope(DESIRED)))


def test_a_hundred_clusters_are_one_call() -> None:
    """Wanted and swept clusters are asked about together, each once, a hundred at a time."""
    names = ["web", *(f"c{number}" for number in range(120))]
    swept: dict[str, dict[str, str]] = {f"{ECS}:cluster/{name}": {} for name in names}
    talk = Talk(DescribeClusters={"clusters": [], "failures": []})

    talk.hold(Cluster().observe(scope(DESIRED, swept=swept)))

    assert [len(params["clusters"]) for params in talk.params("DescribeClusters")] == [100, 21]


def test_nothing_to_look_for_is_no_call() -> None:
    """Without a wanted or swept cluster nothing is asked."""
    talk = Talk()
    assert talk.hold(Cluster().observe(scope())) == []
    assert talk.said == []


def test_what_is_not_declared_is_sent_as_it_is() -> None:
    """Capacity providers and strategy are replaced together, so the undeclared one goes along unchanged."""
    found = observed(Talk(DescribeClusters=answer()))
    new = replace(DESIRED, spec=ClusterSpec(name="web", capacity_providers=("FARGATE",)))
    talk = Talk()

    talk.hold(Cluster().update(found, new, diff(found, new.spec)))

    assert talk.params("PutClusterCapacityProviders") == [
        {
            "cluster": "web",
            "capacityProviders": ["FARGATE"],
            "defaultCapacityProviderStrategy": [
                {"capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 0},
                {"capacityProvider": "FARGATE", "weight": 1, "base": 1},
            ],
        }
    ]

    strategy = replace(DESIRED, spec=ClusterSpec(name="web", default_strategy=()))
    talk.hold(Cluster().update(found, strategy, diff(found, strategy.spec)))

    assert talk.params("PutClusterCapacityProviders")[1] == {
        "cluster": "web",
        "capacityProviders": ["FARGATE_SPOT", "FARGATE"],
        "defaultCapacityProviderStrategy": [],
    }


def test_logging_of_sessions_is_replaced_as_a_whole() -> None:
    """What else the configuration has is sent back as it was."""
    storage = {"managedStorageConfiguration": {"kmsKeyId": "key"}}
    was = {"executeCommandConfiguration": {"kmsKeyId": "key", "logging": "DEFAULT"}, **storage}
    found = observed(Talk(DescribeClusters=answer(configuration=was)))
    override = {"logging": "OVERRIDE", "logConfiguration": {"cloudWatchLogGroupName": "typed"}}
    new = replace(DESIRED, spec=ClusterSpec(name="web", exec=override))
    talk = Talk()

    talk.hold(Cluster().update(found, new, diff(found, new.spec)))

    assert talk.params("UpdateCluster")[0]["configuration"] == {"executeCommandConfiguration": override, **storage}


def test_logging_of_sessions_and_members_are_written_together() -> None:
    """Both are parts of one parameter: neither takes the other back."""
    was = {
        "executeCommandConfiguration": {"kmsKeyId": "key", "logging": "DEFAULT"},
        "managedStorageConfiguration": {"kmsKeyId": "key", "fargateEphemeralStorageKmsKeyId": "fargate"},
    }
    spec = ClusterSpec(
        name="web",
        exec={"logging": "NONE"},
        aws={"configuration": {"managedStorageConfiguration": {"kmsKeyId": "other"}}},
    )
    new = replace(DESIRED, spec=spec)
    (found,) = Talk(DescribeClusters=answer(configuration=was)).hold(Cluster().observe(scope(new)))
    talk = Talk()

    talk.hold(Cluster().update(found, new, diff(found, spec)))

    assert talk.params("UpdateCluster")[0]["configuration"] == {
        "executeCommandConfiguration": {"logging": "NONE"},
        "managedStorageConfiguration": {"kmsKeyId": "other", "fargateEphemeralStorageKmsKeyId": "fargate"},
    }


def test_a_cluster_with_tasks_blocks_its_deletion() -> None:
    """AWS's refusal to delete what still runs something is for a later pass."""
    found = observed(Talk(DescribeClusters=answer()))
    with pytest.raises(errors.Blocked):
        Talk(DeleteCluster=errors.Blocked("contains tasks")).hold(Cluster().delete(found))
