"""The guides to what containers and services can have: what they show is valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reconciler.spec.compile import compile_specs
from tests.spec.folder import lay

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
BLOCKS = [
    pytest.param(block, id=f"{name}-{number}")
    for name in ("volumes-and-logs", "aws-members")
    for number, block in enumerate(
        re.findall(r"^```yaml\n(kind: .*?)^```", (GUIDES / f"{name}.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.parametrize("block", BLOCKS)
def test_what_a_guide_shows_is_valid(block: str) -> None:
    """Over the example specs, it has no finding, and compiles."""
    specs = lay(block)
    assert specs.ok, specs.diagnostics
    assert compile_specs(specs, account="123456789012")
