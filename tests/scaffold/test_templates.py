"""Templates of `init`: each is valid without a warning, is applied as it is, and is destroyed without a trace."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.cli.output.exits import Exit
from reconciler.controller.until import has_ended
from reconciler.scaffold.documents import files
from reconciler.scaffold.templates import TEMPLATES
from reconciler.spec.load import load
from tests.cli.cli_runner import onstage
from tests.harness.account_snapshot import census
from tests.harness.cli import run
from tests.harness.emulated_stack import emulated_stack

QUICK = frozenset({"web", "job"})
"""The others have no type of resource that these have not, but for the NAT gateway."""


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_a_template_is_valid(template: str, tmp_path: Path) -> None:
    """Without errors and without warnings."""
    folder = tmp_path / "specs"
    assert run("init", folder, "--template", template, "--name", "shop", "--region", "us-west-2").code == Exit.DONE
    assert load(folder).diagnostics == ()


@pytest.mark.parametrize(
    "template", [one if one in QUICK else pytest.param(one, marks=pytest.mark.slow) for one in sorted(TEMPLATES)]
)
def test_a_template_is_applied_and_destroyed(template: str, tmp_path: Path) -> None:
    """init → validate → apply → diff → destroy, on the local AWS; the account is then as it was before."""
    folder = tmp_path / "specs"
    assert run("init", folder, "--template", template, "--name", "shop", "--region", "us-west-2").code == Exit.DONE
    assert run("validate", folder).code == Exit.DONE
    with emulated_stack(folder=folder) as stage, onstage(stage) as typed:
        before = census(stage.transport.perform)
        assert not stage.apply(has_ended).went_wrong
        assert typed("diff").code == Exit.DONE
        destroyed = typed("destroy", "-y")
        assert destroyed.code == Exit.DONE, destroyed.err
        assert census(stage.transport.perform) == before


@pytest.mark.parametrize("region", ["us-east-1", "ca-central-1", "ap-northeast-1"])
def test_zones_are_those_of_the_region(region: str) -> None:
    """Two zones, which a load balancer needs, of the region that was named."""
    network = files(TEMPLATES["web"]("shop", region))["network.yaml"]
    zones = {word.strip(",") for word in network.split() if word.startswith(region)}
    assert zones == {f"{region}a", f"{region}b" if region == "ca-central-1" else f"{region}c"}


def test_what_is_reached_is_open_to_its_caller_only() -> None:
    """Tasks take requests of the load balancer; the test listener is not open to the internet."""
    network = files(TEMPLATES["web"]("shop", "us-west-2"))["network.yaml"]
    assert "ingress: [{port: 80, from: anywhere}, {port: 9000, from: 10.0.0.0/16}]" in network
    assert "ingress: [{port: 80, from: shop-balancer}]" in network


def test_a_worker_has_no_load_balancer() -> None:
    assert set(files(TEMPLATES["worker"]("shop", "us-west-2"))) == {
        "stack.yaml",
        "network.yaml",
        "cluster.yaml",
        "services/worker.yaml",
    }
