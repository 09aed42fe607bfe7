"""The guide to Fargate says what can be typed, and what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from reconciler.cli.operator_specs import LISTEN
from reconciler.cli.signals import HAND_OVER_SECONDS
from reconciler.controller.schedule import Intervals
from reconciler.server.health import PATIENCE_SECONDS
from reconciler.store.lease import TTL_SECONDS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "guides" / "run-on-fargate.md").read_text(encoding="utf-8")


def test_every_variable_is_one_that_is_read() -> None:
    """Of the table: each name stands in the product or in the image; and none of the product's is left out."""
    table = TEXT.partition("| variable |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([A-Z_]+)`", table))
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "reconciler").rglob("*.py"))
    source += (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert {name for name in named if name not in source} == set()
    read = set(re.findall(r'"(RECONCILER_[A-Z_]+)"', source)) - {"RECONCILER_COMPLETE"}
    assert {name for name in read if not name.endswith("_")} <= named


def test_numbers_are_the_products() -> None:
    """Seconds and minutes that a reader would rely on."""
    assert f"{int(TTL_SECONDS)} seconds without being renewed" in TEXT
    assert (HAND_OVER_SECONDS, "within eight seconds" in TEXT) == (8.0, True)
    assert (PATIENCE_SECONDS, "for fifteen minutes" in TEXT) == (15 * 60, True)
    assert f"every {int(Intervals().fast)} seconds" in TEXT
    assert f"--listen {LISTEN}" in TEXT


def test_steps_are_numbered_from_one() -> None:
    """The set-up of an operator has six steps."""
    way = TEXT.partition("## Set up the operator")[2].partition("\n## ")[0]
    assert re.findall(r"^(\d)\. \*\*", way, re.MULTILINE) == [str(number) for number in range(1, 7)]
