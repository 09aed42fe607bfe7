"""What is stored of the specs as a digest has the same digest in the next version of the code."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import create_model

from reconciler.model.resource import Address, Desired, Ref, Spec
from reconciler.model.stable_digest import digest, stable
from reconciler.resources.target_group import TargetGroupSpec
from reconciler.rollout import release
from reconciler.rollout.release import Capacity, HealthCheck, Release, release_id
from reconciler.rollout.strategy import Promotion, SmokeTest, Strategy


@dataclass(frozen=True, slots=True)
class NextTest(SmokeTest):
    """The class in a later version."""

    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NextStrategy(Strategy):
    retries: int = 3


@dataclass(frozen=True, slots=True)
class NextRelease(Release):
    cpu_options: tuple[str, ...] = ()


def upgraded(value: Any, kind: type[Any], **more: Any) -> Any:
    return kind(**{one.name: getattr(value, one.name) for one in fields(value)}, **more)


TEST = SmokeTest("/", body="Hello", within=timedelta(minutes=2))
STRATEGY = Strategy(tests=(TEST,), promotion=Promotion.TIMED, max_5xx=1.5)
RELEASE = Release("", port=80, capacity=(Capacity("FARGATE"),), health=HealthCheck("/", 5, 3, 2, 2, "200"))
GROUP = TargetGroupSpec(name="web", port=80, protocol="HTTP", vpc=Ref(Address("vpc", "main")), target_type="ip")
NextGroup: Any = create_model("NextGroup", __base__=TargetGroupSpec, ip_kind=(str | None, None))


@pytest.mark.parametrize(
    ("now", "later"),
    [
        (TEST, upgraded(TEST, NextTest)),
        (STRATEGY, upgraded(replace(STRATEGY, tests=(upgraded(TEST, NextTest),)), NextStrategy)),
        (GROUP, NextGroup(**dict(GROUP))),
        ({"a": [TEST], "b": {Promotion.AUTO}}, {"b": ("auto",), "a": (upgraded(TEST, NextTest),)}),
    ],
)
def test_a_field_that_is_added_with_a_default_changes_no_digest(now: Any, later: Any) -> None:
    """At any depth, and whatever the order of the fields."""
    assert digest(now, 64) == digest(later, 64)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (upgraded(TEST, NextTest), upgraded(TEST, NextTest, method="HEAD")),
        (TEST, replace(TEST, within=timedelta(minutes=3))),
        (GROUP, GROUP.model_copy(update={"port": 81})),
        (Strategy(), Strategy(promotion=Promotion.MANUAL)),
        (Strategy(max_5xx=None), Strategy(max_5xx=0.0)),
    ],
)
def test_what_differs_has_another_digest(one: Any, other: Any) -> None:
    """Also a field that a later version has added."""
    assert digest(one, 64) != digest(other, 64)


def test_what_has_no_stable_form_is_no_digest() -> None:
    """Its text might be another one in every process."""
    with pytest.raises(TypeError):
        stable({"what": object()})


def test_an_upgrade_makes_no_other_release() -> None:
    """Otherwise it would roll out every service."""
    assert release_id("hash", RELEASE) == release_id("hash", upgraded(RELEASE, NextRelease))
    assert release_id("hash", RELEASE) != release_id("hash", upgraded(RELEASE, NextRelease, cpu_options=("a",)))
    assert release_id("hash", RELEASE) == release_id("hash", replace(RELEASE, commit="5b1e08a"))
    assert len(release_id("hash", RELEASE)) == release.ID_LENGTH


def test_an_upgrade_makes_no_other_token() -> None:
    """A call whose answer was lost is repeated with the same token."""

    class Box(Spec):
        size: int = 1

    class NextBox(Box):
        color: str | None = None

    at = Address("box", "b")
    assert Desired(at, Box(size=2)).token("s") == Desired(at, NextBox(size=2)).token("s")
