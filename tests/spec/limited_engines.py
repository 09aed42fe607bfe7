"""An engine with the limits of ECS's own blue/green deployments, to check limits against."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import ClassVar
from unittest.mock import patch

from reconciler.rollout.engine import Limits, engines
from reconciler.rollout.engines.task_sets import TaskSets

MINUTE = timedelta(minutes=1)


class Native(TaskSets):
    """https://docs.aws.amazon.com/AmazonECS/latest/developerguide/deployment-type-blue-green.html"""

    name: ClassVar[str] = "ecs_native"
    limits: ClassVar[Limits] = Limits(
        promotion=20_160 * MINUTE, bake=1440 * MINUTE, pause=1440 * MINUTE, fixed_steps=True, whole=True
    )


@contextmanager
def limited_engines() -> Iterator[None]:
    """As if they stood in reconciler/rollout/engines."""
    with patch.dict(engines(), {one.name: one() for one in (Native,)}):  # type: ignore[arg-type]
        yield
