"""Clusters. Source: ECS API reference, CreateCluster, DescribeClusters, DeleteCluster, PutClusterCapacityProviders."""

from __future__ import annotations

import pytest

from reconciler.local.inprocess import Laptop
from tests.local.control_plane.stage import Stage, refused


@pytest.fixture
def ecs(laptop: Laptop):  # type: ignore[no-untyped-def]  # a boto3 client has no type of its own
    return laptop.client("ecs")


def test_creating_it_again_changes_nothing(ecs) -> None:  # type: ignore[no-untyped-def]
    """CreateCluster: an ACTIVE cluster of the name is returned as it is."""
    ecs.create_cluster(clusterName="c", capacityProviders=["FARGATE"], tags=[{"key": "a", "value": "1"}])
    ecs.create_cluster(clusterName="c")
    found = ecs.describe_clusters(clusters=["c"], include=["TAGS", "SETTINGS"])["clusters"][0]
    assert found["capacityProviders"] == ["FARGATE"]
    assert found["tags"] == [{"key": "a", "value": "1"}]
    assert found["settings"] == [{"name": "containerInsights", "value": "disabled"}]


def test_without_include_settings_and_tags_are_empty_not_absent(ecs) -> None:  # type: ignore[no-untyped-def]
    """DescribeClusters, "include"."""
    ecs.create_cluster(clusterName="c", tags=[{"key": "a", "value": "1"}])
    found = ecs.describe_clusters(clusters=["c"])["clusters"][0]
    assert (found["tags"], found["settings"], found["statistics"]) == ([], [], [])


def test_what_is_missing_is_a_failure_not_an_error(ecs) -> None:  # type: ignore[no-untyped-def]
    """DescribeClusters: 200 OK with `failures`; more than 100 names are an error."""
    answer = ecs.describe_clusters(clusters=["gone"])
    assert (answer["clusters"], answer["failures"][0]["reason"]) == ([], "MISSING")
    with refused("InvalidParameterException"):
        ecs.describe_clusters(clusters=[f"c{number}" for number in range(101)])


def test_providers_are_checked(ecs) -> None:  # type: ignore[no-untyped-def]
    """PutClusterCapacityProviders and CapacityProviderStrategyItem."""
    with refused("InvalidParameterException"):
        ecs.create_cluster(clusterName="c", capacityProviders=["bogus"])
    with refused("InvalidParameterException"):
        ecs.create_cluster(clusterName="no spaces")
    ecs.create_cluster(clusterName="c", capacityProviders=["FARGATE"])
    with refused("InvalidParameterException", "not associated"):
        ecs.put_cluster_capacity_providers(
            cluster="c",
            capacityProviders=["FARGATE"],
            defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT", "weight": 1}],
        )
    names = [item["name"] for item in ecs.describe_capacity_providers()["capacityProviders"]]
    assert names == ["FARGATE", "FARGATE_SPOT"]


def test_a_cluster_with_services_or_tasks_stays(stage: Stage) -> None:
    """DeleteCluster: ClusterContainsServicesException, ClusterContainsTasksException."""
    stage.service(desiredCount=1)
    with refused("ClusterContainsServicesException"):
        stage.ecs.delete_cluster(cluster="demo")
    stage.ecs.delete_service(cluster="demo", service="web", force=True)
    task = stage.ecs.run_task(
        cluster="demo", taskDefinition="web", launchType="FARGATE", networkConfiguration=stage.where
    )["tasks"][0]["taskArn"]
    with refused("ClusterContainsTasksException"):
        stage.ecs.delete_cluster(cluster="demo")
    stage.ecs.stop_task(cluster="demo", task=task)
    assert stage.ecs.delete_cluster(cluster="demo")["cluster"]["status"] == "INACTIVE"
    with refused("ClusterNotFoundException"):
        stage.ecs.list_services(cluster="demo")


def test_settings_and_pages(ecs) -> None:  # type: ignore[no-untyped-def]
    """UpdateClusterSettings; ListClusters, "nextToken"; ListAccountSettings, "effectiveSettings"."""
    for number in range(3):
        ecs.create_cluster(clusterName=f"c{number}")
    ecs.update_cluster_settings(cluster="c0", settings=[{"name": "containerInsights", "value": "enhanced"}])
    found = ecs.describe_clusters(clusters=["c0"], include=["SETTINGS"])["clusters"][0]
    assert found["settings"] == [{"name": "containerInsights", "value": "enhanced"}]
    pages = ecs.get_paginator("list_clusters").paginate(PaginationConfig={"PageSize": 2})
    assert [len(page["clusterArns"]) for page in pages] == [2, 1]
    settings = ecs.list_account_settings(effectiveSettings=True)["settings"]
    assert {item["name"]: item["value"] for item in settings}["taskLongArnFormat"] == "enabled"


def test_tags_are_put_and_taken(stage: Stage) -> None:
    """TagResource, UntagResource, ListTagsForResource; an unknown ARN is an InvalidParameterException."""
    arn = stage.service(tags=[{"key": "a", "value": "1"}])["serviceArn"]
    stage.ecs.tag_resource(resourceArn=arn, tags=[{"key": "b", "value": "2"}])
    stage.ecs.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert stage.ecs.list_tags_for_resource(resourceArn=arn)["tags"] == [{"key": "b", "value": "2"}]
    with refused("InvalidParameterException", "not found"):
        stage.ecs.tag_resource(resourceArn=arn + "x", tags=[{"key": "b", "value": "2"}])
