"""Lifecycle policies of repositories: which images a push expires."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from reconciler.local.strict.expiry import expired

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@dataclass
class Image:
    name: str
    image_tags: list[str] = field(default_factory=list)
    image_pushed_at: float = NOW.timestamp()


def rule(
    priority: int, count: int, status: str = "any", kind: str = "imageCountMoreThan", **more: Any
) -> dict[str, Any]:
    selection = {"tagStatus": status, "countType": kind, "countNumber": count, **more}
    return {"rulePriority": priority, "selection": selection, "action": {"type": "expire"}}


OLD = (NOW - timedelta(days=9)).timestamp()
IMAGES = [Image("a", ["live", "v1"]), Image("b", ["v2"], OLD), Image("c"), Image("d", ["v4"])]


@pytest.mark.parametrize(
    ("rules", "gone"),
    [
        ([rule(1, 2)], "ab"),
        ([rule(1, 9, "tagged", tagPrefixList=["live"]), rule(2, 2)], "b"),
        ([rule(1, 2), rule(2, 1, "tagged", tagPrefixList=["v"])], "ab"),
        ([rule(1, 1, "tagged", tagPatternList=["v*"])], "ab"),
        ([rule(1, 1, "tagged", tagPrefixList=["v", "live"])], ""),
        ([rule(1, 7, kind="sinceImagePushed", countUnit="days")], "b"),
        ([rule(1, 1, "untagged")], ""),
    ],
)
def test_an_image_is_expired_by_one_rule_and_by_none_below_one_that_it_matches(
    rules: list[dict[str, Any]], gone: str
) -> None:
    """Rules apply from the lowest number up; several prefixes of one rule must all be there."""
    assert "".join(sorted(image.name for image in expired(rules, IMAGES, NOW))) == gone
