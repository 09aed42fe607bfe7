"""Images of releases that run, are kept warm or may be gone back to: they never expire."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.controller.until import has_ended
from reconciler.model.type_registry import discover
from reconciler.reconcile import pass_
from reconciler.resources import task_definition
from tests.harness.emulated_stack import SERVICE, SHORT, EmulatedStack, emulated_stack

KEEP = {"keep_images: 30": "keep_images: 3"}


@pytest.fixture
def stage() -> Iterator[EmulatedStack]:
    with emulated_stack(KEEP, terms=SHORT) as found:
        yield found


def tags(stage: EmulatedStack) -> dict[str, set[str]]:
    """Digest → the tags of each image that is there."""
    images = stage.laptop.client("ecr").describe_images(repositoryName=SERVICE)["imageDetails"]
    return {image["imageDigest"]: set(image.get("imageTags", ())) for image in images}


def runs(stage: EmulatedStack) -> set[str]:
    """The digests that any task set of the service names."""
    ecs = stage.laptop.client("ecs")
    found = set()
    for one in stage.service()["taskSets"]:
        revision = ecs.describe_task_definition(taskDefinition=one["taskDefinition"])["taskDefinition"]
        found.add(revision["containerDefinitions"][0]["image"].partition("@")[2])
    return found


def push_many(stage: EmulatedStack, count: int = 10) -> None:
    for number in range(count):
        stage.push(f"build-{number}")


def test_an_image_that_runs_does_not_expire(stage: EmulatedStack) -> None:
    """However many are pushed after it, and although its repository keeps three."""
    stage.serving()
    push_many(stage)
    assert runs(stage) <= tags(stage).keys()
    assert len(tags(stage)) < 10


def test_a_registry_that_was_renamed_keeps_the_images_in_use() -> None:
    """Its repository still has the name from before, and by that the images are tagged."""
    renamed = {
        f"kind: Registry\nname: {SERVICE}\n": f"kind: Registry\nname: builds\naws_name: {SERVICE}\n",
        "{registry: my-app-frontend,": "{registry: builds,",
    }
    with emulated_stack(KEEP | renamed, terms=SHORT) as stage:
        stage.serving()
        push_many(stage)
        assert runs(stage) <= tags(stage).keys()


def test_a_release_that_is_kept_warm_or_remembered_keeps_its_image(stage: EmulatedStack) -> None:
    """Both sides of a rollout have theirs, and so does the version before once it has ended."""
    stage.serving()
    (first,) = runs(stage)
    stage.spec(v1="v2")
    stage.apply()
    assert len(runs(stage)) == 2
    push_many(stage)
    assert runs(stage) <= tags(stage).keys()
    stage.follow(has_ended)
    push_many(stage, 4)
    assert {first, *runs(stage)} <= tags(stage).keys()


def test_nothing_is_read_for_it_at_rest(stage: EmulatedStack) -> None:
    """The images are tagged when a release begins, and not looked at in between."""
    stage.serving()
    stage.infrastructure()
    assert {"BatchGetImage", "PutImage", "BatchDeleteImage"} & stage.transport.sent.keys() == set()


@pytest.mark.slow
def test_a_release_that_is_no_longer_remembered_lets_its_image_expire(
    stage: EmulatedStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tag goes with its revision. An image that has no other is not deleted for it, but expires like any."""
    monkeypatch.setattr(task_definition, "KEEP", 2)
    stage.serving()
    (first,) = runs(stage)
    stage.laptop.client("ecr").batch_delete_image(repositoryName=SERVICE, imageIds=[{"imageTag": "v1"}])
    assert first in tags(stage)
    for new in ("v2", "v3", "v4"):
        if new not in {name for names in tags(stage).values() for name in names}:
            stage.push(new)
        stage.texts = {**KEEP, "tag: v1": f"tag: {new}"}
        stage.change({})
        assert not stage.apply(has_ended).went_wrong, new
    held = {name for names in tags(stage).values() for name in names if name.startswith("reconciler-in-use-")}
    assert len(held) <= 3
    assert not any(name.startswith("reconciler-in-use-") for name in tags(stage).get(first, ()))
    push_many(stage)
    assert first not in tags(stage)


def test_images_begin_to_expire_only_once_those_in_use_are_tagged() -> None:
    """A stack that begins to keep only so many images tags those of its revisions first, once."""
    with emulated_stack({"keep_images: 30\n": "\n", "keep_images: 30 ": " "}, terms=SHORT) as stage:
        stage.serving()
        assert not any(name.startswith("reconciler-in-use-") for names in tags(stage).values() for name in names)
        stage.texts = dict(KEEP)
        stage.change({})
        stage.infrastructure()
        push_many(stage)
        assert runs(stage) <= tags(stage).keys()
        assert pass_.look(stage.aws, discover(), stage.desired_state)[1].actions == ()
