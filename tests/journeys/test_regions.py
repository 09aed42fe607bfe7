"""A stack in another region than the emulator's own, from its first apply to its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.aws.session import Boto
from reconciler.cli.output.exits import Exit
from reconciler.model.resource import Call
from tests.harness.emulator import SERVICE, local_session

EUROPE = "eu-west-1"
TERMS = {
    r"healthy_within: \w+": "healthy_within: 20m",
    r"promotion: \{.*?\}": "promotion: {mode: timed, after: 1m}",
    r"\{for: \w+\}": "{for: 20s}",
    r"after: 1h": "after: 1m",
}


@pytest.mark.slow
def test_a_stack_of_another_region_is_applied_rolled_out_and_destroyed(tmp_path: Path) -> None:
    """The seed specs with nothing but their region changed; the emulator's own region stays empty throughout."""
    with local_session(tmp_path, speed=40, terms=TERMS, region=EUROPE) as here:
        first = here.typed("apply", "-y")
        assert first.code == Exit.DONE, first.text
        for tag in ("v1", "v2"):
            here.push(tag)
        applied = here.typed("apply", "-y", "--wait")
        assert applied.code == Exit.DONE, applied.text
        assert here.version_live() == "v1"

        here.version("v2")
        rolled_out = here.typed("apply", "-y", "--wait")
        assert rolled_out.code == Exit.DONE, rolled_out.text
        assert here.version_live() == "v2"
        assert f":ecs:{EUROPE}:" in here.service()["serviceArn"]
        assert EUROPE in here.typed("local", "urls").text

        elsewhere = Boto("us-west-2", endpoint=here.endpoint, anonymous=True)
        assert elsewhere.perform(Call("ecs", "ListClusters"))["clusterArns"] == []
        destroyed = here.typed("destroy", "-y", "--delete-images")
        assert destroyed.code == Exit.DONE, destroyed.text
        assert here.ask("ecs", "ListClusters")["clusterArns"] == []


@pytest.mark.slow
def test_an_image_is_pushed_to_the_region_that_has_the_repository(tmp_path: Path) -> None:
    """`local push` needs `--region` only where repositories of several regions could be meant."""
    with local_session(tmp_path, speed=40, region=EUROPE) as here:
        image = tmp_path / "image"
        image.mkdir()
        words = ("local", "push", str(image), "--tag", "v1")
        missing = here.typed(*words, "--repository", SERVICE)
        assert (missing.code, f"repository {SERVICE} does not exist yet" in missing.text) == (1, True), missing.text

        here.ask("ecr", "CreateRepository", repositoryName=SERVICE)
        assert here.typed(*words).code == 0
        assert here.ask("ecr", "DescribeImages", repositoryName=SERVICE)["imageDetails"][0]["imageTags"] == ["v1"]

        west = Boto("us-west-2", endpoint=here.endpoint, anonymous=True)
        west.perform(Call("ecr", "CreateRepository", {"repositoryName": SERVICE}))
        unclear = here.typed(*words, "--repository", SERVICE)
        assert unclear.code == Exit.USAGE
        assert f"{SERVICE} ({EUROPE}), {SERVICE} (us-west-2)" in unclear.text, unclear.text
        assert here.typed(*words, "--region", "us-west-2").code == 0
        images = west.perform(Call("ecr", "DescribeImages", {"repositoryName": SERVICE}))["imageDetails"]
        assert images[0]["imageTags"] == ["v1"]
