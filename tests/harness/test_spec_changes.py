"""The changes are of every field, and of what stands there."""

from __future__ import annotations

from typing import Any

from tests.harness.spec_changes import Change, Document, changes

CLUSTER: Document = {"kind": "Cluster", "name": "main", "capacity_providers": ["FARGATE", "FARGATE_SPOT"]}
SERVICE: Document = {
    "kind": "Service",
    "name": "web",
    "cluster": "main",
    "desired_count": 3,
    "task": {"cpu": 256, "memory": 512, "containers": {"app": {"image": {"registry": "web", "tag": "v1"}, "port": 80}}},
    "traffic": {"load_balancer": "public", "container": "app", "target_groups": ["web-tg"]},
}


def _by_name(*documents: Document) -> dict[str, Change]:
    return {one.what: one for one in changes(documents)}


def _changed(what: str) -> dict[str, Any]:
    return _by_name(CLUSTER, SERVICE)[what].documents[1]


def test_a_field_takes_other_values_goes_and_comes() -> None:
    assert _changed("Service web: desired_count = 6")["desired_count"] == 6
    assert _changed("Service web: desired_count = 0")["desired_count"] == 0
    assert "desired_count" not in _changed("Service web: desired_count removed")
    assert _changed("Service web: scaling = {cpu: 60, max: 4, min: 1}")["scaling"] == {"min": 1, "max": 4, "cpu": 60}
    assert _changed("Service web: exec = true")["exec"] is True


def test_each_item_of_a_list_goes() -> None:
    items = [_by_name(CLUSTER)[f"Cluster main: capacity_providers.{number} removed"] for number in (0, 1)]
    assert [one.documents[0]["capacity_providers"] for one in items] == [["FARGATE_SPOT"], ["FARGATE"]]


def test_a_name_changes_with_and_without_its_references() -> None:
    together = _by_name(CLUSTER, SERVICE)["Cluster main: name renamed everywhere"]
    assert [together.documents[0]["name"], together.documents[1]["cluster"]] == ["main-x", "main-x"]
    alone = _by_name(CLUSTER, SERVICE)["Cluster main: name renamed alone"]
    assert [alone.documents[0]["name"], alone.documents[1]["cluster"]] == ["main-x", "main"]


def test_a_key_that_is_a_name_changes_with_its_references() -> None:
    renamed = _changed("Service web: task.containers.app renamed everywhere")
    assert (list(renamed["task"]["containers"]), renamed["traffic"]["container"]) == (["app-x"], "app-x")


def test_the_names_of_target_groups_change() -> None:
    assert _changed("Service web: traffic.target_groups.0 renamed everywhere")["traffic"]["target_groups"] == [
        "web-tg-x"
    ]


def test_an_image_that_is_healthy_one_that_is_not_and_one_that_is_missing() -> None:
    for tag in ("v2", "bad", "missing"):
        renamed = _changed(f"Service web: task.containers.app.image.tag = {tag}")
        assert renamed["task"]["containers"]["app"]["image"]["tag"] == tag


def test_documents_go_and_the_given_ones_stay_as_they_are() -> None:
    before = repr((CLUSTER, SERVICE))
    gone = _by_name(CLUSTER, SERVICE)["Service web: removed"]
    assert gone.documents == (CLUSTER,)
    assert repr((CLUSTER, SERVICE)) == before
    assert all(one.documents != (CLUSTER, SERVICE) for one in changes((CLUSTER, SERVICE)))
