"""Real tasks replaced under load from another process."""

from __future__ import annotations

import pytest

from benchmarks import balancer


@pytest.mark.slow
def test_flips_and_a_deployment_of_real_tasks_lose_no_request() -> None:
    """Thirty weight flips, then every serving task replaced as a deployment does it: nothing is lost on the way."""
    figures = balancer.measure("python", seconds=10, rate=1000)
    assert figures.through["lost"] == 0, figures.through
    assert set(figures.through["versions"]) == {"v1", "v2", "v3"}
    assert figures.through["requests"] > 5_000
